//! Routines that other threads queue to a thread.

use std::sync::mpsc;
use std::time::Duration;

use loom::sync::Arc;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;

use super::{explore, join};
use crate::Event;
use crate::driver::Wait;
use crate::routine::{RoutineQueue, Woken, sleep_alertable, wait_alertable};

#[test]
fn a_routine_queued_by_another_thread_ends_an_alertable_sleep() {
    explore(None, || {
        let queue = RoutineQueue::of_this_thread().unwrap();
        // This drops the last handle. No other routine could end the sleep; this one has.
        let queueing = thread::spawn(move || {
            queue.queue(|| ()).unwrap();
            // Loom explores the orders of cloning an `Arc` and reading its count, not of dropping
            // it and reading the count.
            drop(queue.clone());
        });
        assert_eq!(sleep_alertable(Wait::Forever).unwrap(), 1);
        join(queueing);
    });
}

#[test]
fn each_routine_runs_once_even_if_a_wait_times_out() {
    explore(4, || {
        let queue = RoutineQueue::of_this_thread().unwrap();
        let ran = Arc::new(AtomicUsize::new(0));
        let queueing = [1, 10].map(|number| {
            let (queue, ran) = (queue.clone(), Arc::clone(&ran));
            thread::spawn(move || queue.queue(move || _ = ran.fetch_add(number, Ordering::Relaxed)).unwrap())
        });
        let mut count = sleep_alertable(Wait::For(Duration::from_millis(1))).unwrap();
        while count < 2 {
            count += sleep_alertable(Wait::Forever).unwrap();
        }
        assert_eq!((count, ran.load(Ordering::Relaxed)), (2, 11));
        queueing.into_iter().for_each(join);
    });
}

#[test]
fn an_alertable_wait_ends_with_the_event_or_the_routine_and_loses_neither() {
    explore(None, || {
        let queue = RoutineQueue::of_this_thread().unwrap();
        let event = Event::new();
        let telling = thread::spawn({
            let event = event.clone();
            move || {
                event.set();
                queue.queue(|| ()).unwrap();
            }
        });
        match wait_alertable(&[&event], Wait::Forever).unwrap() {
            Woken::Event(place) => {
                assert_eq!(place, 0);
                assert_eq!(sleep_alertable(Wait::Forever).unwrap(), 1);
            }
            Woken::Routines(ran) => assert!(ran == 1 && event.is_signalled()),
            Woken::TimedOut => panic!("it was to last for ever"),
        }
        join(telling);
    });
}

#[test]
fn a_routine_ends_an_alertable_wait_for_events() {
    explore(None, || {
        let queue = RoutineQueue::of_this_thread().unwrap();
        let queueing = thread::spawn(move || queue.queue(|| ()).unwrap());
        assert_eq!(wait_alertable(&[&Event::new()], Wait::Forever).unwrap(), Woken::Routines(1));
        join(queueing);
    });
}

#[test]
fn a_wait_within_a_routine_neither_runs_others_nor_ends_because_of_them() {
    explore(None, || {
        let queue = RoutineQueue::of_this_thread().unwrap();
        let event = Event::new();
        // A panic in a routine is contained, so the routine itself must not assert.
        let (tell, told) = mpsc::channel();
        let queueing = thread::spawn({
            let (queue, event) = (queue.clone(), event.clone());
            move || {
                let (inner, awaited) = (queue.clone(), event.clone());
                let routine = move || {
                    inner.queue(|| ()).unwrap();
                    tell.send(wait_alertable(&[&awaited], Wait::Forever).unwrap()).unwrap();
                };
                queue.queue(routine).unwrap();
                event.set();
            }
        });
        assert_eq!(sleep_alertable(Wait::Forever).unwrap(), 1);
        assert_eq!(told.try_recv(), Ok(Woken::Event(0)));
        assert_eq!(sleep_alertable(Wait::Forever).unwrap(), 1);
        join(queueing);
    });
}

/// A routine that is neither run nor dropped keeps the queue that contains it. Loom reports such a
/// leaked `Arc`.
#[test]
fn a_thread_that_ends_drops_its_routines_and_refuses_more() {
    explore(None, || {
        let ending = thread::spawn(|| {
            let queue = RoutineQueue::of_this_thread().unwrap();
            queue_one_that_keeps(&queue);
            queue
        });
        // Loom drops the thread-local values of a thread only after it has been joined.
        let queue = join(ending);
        queue_one_that_keeps(&queue);
        queue_one_that_keeps(&queue);
    });
}

fn queue_one_that_keeps(queue: &RoutineQueue) {
    let kept = queue.clone();
    let _ = queue.queue(move || drop(kept));
}
