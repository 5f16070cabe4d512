//! Completion ports: each packet goes to one thread, and at most `concurrency` threads run.

use std::sync::Arc;
use std::time::Duration;

use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;

use super::{explore, join};
use crate::driver::Wait;
use crate::port::blocking;
use crate::{CompletionPort, ErrorKind};

const SOON: Wait = Wait::For(Duration::from_millis(1));

/// The key of the next packet, if there is one.
fn get(port: &CompletionPort, wait: Wait) -> Option<usize> {
    port.get(wait).unwrap().map(|packet| packet.key)
}

#[test]
fn each_packet_goes_to_one_of_the_threads_that_wait() {
    explore(4, || {
        let port = CompletionPort::new(3, 8);
        let getting = [(); 2].map(|()| {
            let port = port.clone();
            thread::spawn(move || get(&port, Wait::Forever).unwrap())
        });
        port.post(1, 0).unwrap();
        port.post(2, 0).unwrap();
        let mut got = getting.map(join);
        got.sort_unstable();
        assert_eq!(got, [1, 2]);
        assert_eq!(get(&port, Wait::Poll), None);
    });
}

#[test]
fn a_packet_handed_to_a_wait_that_timed_out_is_not_lost() {
    explore(None, || {
        let port = CompletionPort::new(2, 8);
        let getting = thread::spawn({
            let port = port.clone();
            move || get(&port, SOON)
        });
        port.post(1, 0).unwrap();
        let got = [join(getting), get(&port, Wait::Poll)];
        assert!(got == [Some(1), None] || got == [None, Some(1)], "{got:?}");
    });
}

#[test]
fn a_wait_that_times_out_takes_nothing_from_one_that_goes_on() {
    explore(4, || {
        let port = CompletionPort::new(3, 8);
        let brief = thread::spawn({
            let port = port.clone();
            move || get(&port, SOON)
        });
        let patient = thread::spawn({
            let port = port.clone();
            move || get(&port, Wait::Forever)
        });
        port.post(1, 0).unwrap();
        port.post(1, 0).unwrap();
        let got = [join(brief), join(patient), get(&port, Wait::Poll)];
        assert_eq!(got.iter().flatten().count(), 2);
    });
}

#[test]
fn closing_wakes_every_thread_that_waits() {
    explore(None, || {
        let port = CompletionPort::new(1, 8);
        let getting = [(); 2].map(|()| {
            let port = port.clone();
            thread::spawn(move || port.get(Wait::Forever).unwrap_err().kind())
        });
        port.close();
        assert_eq!(getting.map(join), [ErrorKind::Closed; 2]);
    });
}

#[test]
fn closing_loses_no_packet_that_has_been_handed_over() {
    explore(None, || {
        let port = CompletionPort::new(1, 8);
        let getting = thread::spawn({
            let port = port.clone();
            move || port.get(Wait::Forever).map(|packet| packet.is_some())
        });
        let waits = || format!("{port:?}").contains("waiting: 1");
        let waited = waits();
        port.post(1, 0).unwrap();
        port.close();
        match join(getting) {
            Ok(given) => assert!(given),
            Err(error) => assert!(error.kind() == ErrorKind::Closed && !waited),
        }
    });
}

#[test]
fn at_most_concurrency_threads_run() {
    explore(None, || {
        let port = CompletionPort::new(1, 8);
        let running = Arc::new(AtomicUsize::new(0));
        let getting = [(); 2].map(|()| {
            let (port, running) = (port.clone(), Arc::clone(&running));
            thread::spawn(move || {
                let key = get(&port, Wait::Forever).unwrap();
                assert_eq!(running.fetch_add(1, Ordering::Relaxed), 0, "another thread runs as well");
                running.fetch_sub(1, Ordering::Relaxed);
                // The thread stops running when it ends; otherwise the other would wait for ever.
                key
            })
        });
        port.post(1, 0).unwrap();
        port.post(2, 0).unwrap();
        assert_eq!(getting.map(join).iter().sum::<usize>(), 3);
    });
}

#[test]
fn asking_for_the_next_packet_ends_a_run() {
    explore(None, || {
        let port = CompletionPort::new(1, 8);
        let getting = thread::spawn({
            let port = port.clone();
            move || get(&port, Wait::Forever)
        });
        port.post(1, 0).unwrap();
        port.post(2, 0).unwrap();
        port.post(3, 0).unwrap();
        let sum = get(&port, Wait::Forever).unwrap() + get(&port, Wait::Forever).unwrap();
        assert_eq!(sum + blocking(|| join(getting)).unwrap(), 6);
    });
}

#[test]
fn while_a_thread_blocks_another_runs_in_its_place() {
    explore(None, || {
        let port = CompletionPort::new(1, 8);
        port.post(1, 0).unwrap();
        port.post(2, 0).unwrap();
        let getting = thread::spawn({
            let port = port.clone();
            move || get(&port, Wait::Forever)
        });
        let first = get(&port, Wait::Forever);
        let second = blocking(|| join(getting));
        assert_eq!(first.unwrap() + second.unwrap(), 3);

        // This thread runs again, so no other gets a packet.
        port.post(3, 0).unwrap();
        assert_eq!(
            join(thread::spawn({
                let port = port.clone();
                move || get(&port, Wait::Poll)
            })),
            None
        );
        assert_eq!(get(&port, Wait::Forever), Some(3));
    });
}
