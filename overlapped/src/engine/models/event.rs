//! Events, and threads that wait for slices of them.

use std::time::Duration;

use loom::thread;

use super::{explore, join, until_waiting};
use crate::Event;
use crate::driver::Wait;
use crate::engine::event::domain;
use crate::event::{wait_all, wait_any};

#[test]
fn a_set_wakes_a_thread_that_waits_or_is_about_to() {
    explore(None, || {
        let (quiet, loud) = (Event::new(), Event::new());
        let setter = loud.clone();
        let setting = thread::spawn(move || setter.set());
        assert_eq!(wait_any(&[&quiet, &loud], Wait::Forever).unwrap(), Some(1));
        join(setting);
    });
}

#[test]
fn a_set_wakes_every_thread_that_waits() {
    explore(None, || {
        let event = Event::new();
        let waiting = [(); 2].map(|()| {
            let event = event.clone();
            thread::spawn(move || assert!(event.wait(Wait::Forever).unwrap()))
        });
        event.set();
        waiting.into_iter().for_each(join);
    });
}

#[test]
fn a_wait_stays_fulfilled_if_the_event_is_reset_at_once() {
    explore(None, || {
        let event = Event::new();
        let pulsing = thread::spawn({
            let event = event.clone();
            move || {
                until_waiting(1);
                event.set();
                event.reset();
            }
        });
        assert!(event.wait(Wait::Forever).unwrap());
        join(pulsing);
        assert!(!event.is_signalled());
    });
}

#[test]
fn the_lowest_is_reported_even_if_a_higher_one_was_set_later() {
    explore(None, || {
        let (low, high) = (Event::new(), Event::new());
        let setting = thread::spawn({
            let (low, high) = (low.clone(), high.clone());
            move || {
                low.set();
                high.set();
            }
        });
        assert_eq!(wait_any(&[&low, &high], Wait::Forever).unwrap(), Some(0));
        join(setting);
    });
}

#[test]
fn a_wait_for_all_ends_whichever_event_is_set_last() {
    explore(None, || {
        let (first, second) = (Event::new(), Event::new());
        let setting = [first.clone(), second.clone()].map(|event| thread::spawn(move || event.set()));
        assert!(wait_all(&[&first, &second], Wait::Forever).unwrap());
        setting.into_iter().for_each(join);
    });
}

#[test]
fn a_wait_for_all_needs_one_moment_at_which_all_are_signalled() {
    explore(None, || {
        let (first, second) = (Event::new(), Event::new());
        let setting = thread::spawn({
            let (first, second) = (first.clone(), second.clone());
            move || {
                first.set();
                first.reset();
                second.set();
            }
        });
        let waited = wait_all(&[&first, &second], Wait::For(Duration::from_millis(1))).unwrap();
        assert!(!waited, "there was no moment at which both were signalled");
        join(setting);
    });
}

#[test]
fn a_wait_for_all_stays_fulfilled_if_an_event_is_reset() {
    explore(None, || {
        let (first, second) = (Event::new(), Event::new());
        let setting = thread::spawn({
            let (first, second) = (first.clone(), second.clone());
            move || {
                until_waiting(1);
                first.set();
                second.set();
                first.reset();
            }
        });
        assert!(wait_all(&[&first, &second], Wait::Forever).unwrap());
        join(setting);
    });
}

#[test]
fn a_wait_that_has_ended_leaves_nothing_behind() {
    explore(None, || {
        let event = Event::new();
        let setting = thread::spawn({
            let event = event.clone();
            move || event.set()
        });
        let waited = event.wait(Wait::For(Duration::from_millis(1))).unwrap();
        join(setting);
        assert!(event.is_signalled(), "whether it was waited for ({waited}) or not");
        drop(event);
        let tables = domain().lock();
        assert!(tables.waiters.is_empty() && tables.events.is_empty());
    });
}
