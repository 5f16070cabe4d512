//! Waiting for events.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use overlapped::driver::Wait;
use overlapped::event::{wait_all, wait_any};
use overlapped::{Engine, ErrorKind, Event, WaitSet};

use crate::harness::engine::*;
use crate::harness::*;

engine_rules! {
    an_event_is_signalled_until_it_is_reset_by_any_thread: "other threads set it",
    the_lowest_of_several_signalled_events_is_reported,
    waiting_for_all_is_atomic: "another thread sets them",
    a_fulfilled_wait_stays_fulfilled_if_the_event_is_reset_at_once: "another thread sets it",
    waiting_for_no_events_is_an_error,
    a_timeout_of_zero_polls,
    polling_an_event_is_enough_for_its_operation_to_end: "its clock does not move while a program polls",
    a_wait_set_has_no_limit_of_64_and_reports_all_signalled_events,
    a_wait_set_can_change_during_a_wait: "another thread changes it",
    one_wait_set_serves_many_sockets,
}

fn an_event_is_signalled_until_it_is_reset_by_any_thread(engine: &Engine) {
    let event = Event::new();
    assert!(!event.wait(SHORT).unwrap());
    std::thread::scope(|scope| {
        scope.spawn(|| event.set());
        assert!(event.wait(WAIT).unwrap());
    });
    assert!(event.wait(Wait::Poll).unwrap(), "still signalled");
    std::thread::scope(|scope| drop(scope.spawn(|| event.reset())));
    assert!(!event.is_signalled());
    settle(engine);
}

fn the_lowest_of_several_signalled_events_is_reported(engine: &Engine) {
    let events: Vec<Event> = (0..100).map(|_| Event::new()).collect();
    let all: Vec<&Event> = events.iter().collect();
    assert_eq!(wait_any(&all, SHORT).unwrap(), None);
    events[99].set();
    events[70].set();
    assert_eq!(wait_any(&all, Wait::Forever).unwrap(), Some(70), "there is no limit of 64");
    settle(engine);
}

/// One thread sets and resets two events in turn. Both are signalled only at its end.
fn waiting_for_all_is_atomic(engine: &Engine) {
    let events = [Event::new(), Event::new()];
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for i in 0..20_000 {
                events[i % 2].set();
                events[i % 2].reset();
            }
            done.store(true, Ordering::SeqCst);
            events[0].set();
            events[1].set();
        });
        assert!(wait_all(&[&events[0], &events[1]], WAIT).unwrap());
        assert!(done.load(Ordering::SeqCst), "both were signalled only then");
    });
    assert!(events.iter().all(Event::is_signalled), "the wait consumes nothing");
    settle(engine);
}

fn a_fulfilled_wait_stays_fulfilled_if_the_event_is_reset_at_once(engine: &Engine) {
    let (event, ready) = (Event::new(), Arc::new(AtomicBool::new(false)));
    for _ in 0..200 {
        ready.store(false, Ordering::SeqCst);
        let (setter, seen) = (event.clone(), Arc::clone(&ready));
        let thread = std::thread::spawn(move || {
            // Repeats until the waiter has woken: it may not wait yet at the first set.
            while !seen.load(Ordering::SeqCst) {
                setter.set();
                setter.reset();
            }
        });
        assert!(event.wait(WAIT).unwrap());
        ready.store(true, Ordering::SeqCst);
        thread.join().unwrap();
    }
    settle(engine);
}

fn waiting_for_no_events_is_an_error(engine: &Engine) {
    assert_eq!(wait_any(&[], Wait::Forever).unwrap_err().kind(), ErrorKind::InvalidArgument);
    assert_eq!(wait_all(&[], Wait::Forever).unwrap_err().kind(), ErrorKind::InvalidArgument);
    let set = WaitSet::new(4);
    assert_eq!(set.wait_any(Wait::Forever).unwrap_err().kind(), ErrorKind::InvalidArgument);
    assert_eq!(set.wait_all(Wait::Poll).unwrap_err().kind(), ErrorKind::InvalidArgument);
    settle(engine);
}

fn a_timeout_of_zero_polls(engine: &Engine) {
    let event = Event::new();
    assert_eq!(wait_any(&[&event], Wait::Poll).unwrap(), None);
    assert_eq!(wait_any(&[&event], Wait::For(Duration::ZERO)).unwrap(), None);
    event.set();
    assert_eq!(wait_any(&[&event], Wait::Poll).unwrap(), Some(0));
    settle(engine);
}

/// Polling starts operations and ends them.
fn polling_an_event_is_enough_for_its_operation_to_end(engine: &Engine) {
    let (socket, peer) = pair(engine);
    write(&peer, b"x");
    let event = Event::new();
    let receive = socket.recv(vec![0; 1]).event(&event).start().unwrap();
    let end = std::time::Instant::now() + PATIENCE;
    while !event.wait(Wait::Poll).unwrap() {
        assert!(std::time::Instant::now() < end);
        std::thread::yield_now();
    }
    drop(receive);
}

fn a_wait_set_has_no_limit_of_64_and_reports_all_signalled_events(engine: &Engine) {
    let set = WaitSet::new(5_000);
    let events: Vec<Event> = (0..5_000).map(|_| Event::new()).collect();
    for (at, event) in events.iter().enumerate() {
        assert_eq!(set.add(event).unwrap(), at);
    }
    assert_eq!(set.add(&Event::new()).unwrap_err().kind(), ErrorKind::LimitReached);
    assert_eq!(set.wait_any(SHORT).unwrap(), None);
    for at in [4_999, 17, 256] {
        events[at].set();
    }
    let mut signalled = Vec::new();
    assert!(set.wait(Wait::Forever, &mut signalled).unwrap());
    assert_eq!(signalled, [17, 256, 4_999]);
    assert_eq!(set.wait_any(Wait::Forever).unwrap(), Some(17), "still signalled");
    events[17].reset();
    assert_eq!(set.wait_any(Wait::Forever).unwrap(), Some(256));
    assert!(set.remove(256));
    assert!(!set.remove(256));
    assert_eq!(set.wait_any(Wait::Forever).unwrap(), Some(4_999));
    drop(events);
    assert_eq!(set.wait_any(Wait::Forever).unwrap(), Some(4_999), "the set keeps its events");
    settle(engine);
}

fn a_wait_set_can_change_during_a_wait(engine: &Engine) {
    let set = WaitSet::new(8);
    let (first, second, third) = (Event::new(), Event::new(), Event::new());
    let at = set.add(&first).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let added = set.add(&second).unwrap();
            assert_ne!(added, at);
            second.set();
        });
        assert_eq!(set.wait_any(WAIT).unwrap(), Some(1));
    });
    third.set();
    std::thread::scope(|scope| {
        // Removing the only member that is not signalled ends a wait for all.
        scope.spawn(|| assert!(set.remove(at)));
        assert!(set.wait_all(WAIT).unwrap());
    });
    assert_eq!(set.add(&third).unwrap(), at, "numbers are reused");
    assert!(set.wait_all(Wait::Poll).unwrap(), "it was signalled when it was added");
    assert_eq!(set.add(&third).unwrap_err().kind(), ErrorKind::InvalidArgument, "only once in a set");
    let other = WaitSet::new(1);
    other.add(&third).unwrap();
    assert_eq!(other.wait_any(Wait::Poll).unwrap(), Some(0), "in several sets");
    settle(engine);
}

fn one_wait_set_serves_many_sockets(engine: &Engine) {
    let set = WaitSet::new(64);
    let mut pairs: Vec<_> = (0..64)
        .map(|_| {
            let (socket, peer) = pair(engine);
            let event = Event::new();
            let number = set.add(&event).unwrap();
            let receive = socket.recv(vec![0; 8]).event(&event).start().unwrap();
            (socket, peer, event, number, receive)
        })
        .collect();
    let mut signalled = Vec::new();
    for step in [5, 23, 41] {
        for (i, (_, peer, ..)) in pairs.iter().enumerate() {
            if i % 64 % step == 0 {
                write(peer, &[i as u8]);
            }
        }
        let mut left = (0..64).filter(|i| i % step == 0).count();
        while left > 0 {
            assert!(set.wait(WAIT, &mut signalled).unwrap());
            for &number in &signalled {
                let (socket, _, event, at, receive) = &mut pairs[number];
                assert_eq!(number, *at);
                assert_eq!(receive.result(Wait::Poll).unwrap().buf, [number as u8]);
                *receive = socket.recv(vec![0; 8]).event(event).start().unwrap();
                left -= 1;
            }
        }
    }
}
