//! Sets of events: waits, and members that are added and removed during them.

use std::time::Duration;

use loom::thread;

use super::{explore, join, until_waiting};
use crate::driver::Wait;
use crate::engine::event::domain;
use crate::{Event, WaitSet};

const SOON: Wait = Wait::For(Duration::from_millis(1));

fn set_of<const N: usize>() -> (WaitSet, [Event; N]) {
    let set = WaitSet::new(4);
    let events = [(); N].map(|()| Event::new());
    for event in &events {
        set.add(event).unwrap();
    }
    (set, events)
}

#[test]
fn a_set_event_wakes_a_thread_that_waits_or_is_about_to() {
    explore(None, || {
        let (set, [_quiet, loud]) = set_of();
        let setting = thread::spawn(move || loud.set());
        let mut signalled = Vec::new();
        assert!(set.wait(Wait::Forever, &mut signalled).unwrap());
        assert_eq!(signalled, [1]);
        join(setting);
    });
}

#[test]
fn every_wait_stays_fulfilled_if_the_event_is_reset_at_once() {
    explore(3, || {
        let (set, [event]) = set_of();
        let waiting = [(); 2].map(|()| {
            let set = set.clone();
            thread::spawn(move || assert_eq!(set.wait_any(Wait::Forever).unwrap(), Some(0)))
        });
        until_waiting(2);
        event.set();
        event.reset();
        waiting.into_iter().for_each(join);
        assert_eq!(set.wait_any(Wait::Poll).unwrap(), None);
    });
}

#[test]
fn a_later_wait_does_not_report_an_event_that_was_reset() {
    explore(4, || {
        let (set, [first, _second]) = set_of();
        let others = [true, false].map(|all| {
            let set = set.clone();
            thread::spawn(move || match all {
                true => assert!(!set.wait_all(SOON).unwrap()),
                false => drop(set.wait_any(SOON).unwrap()),
            })
        });
        first.set();
        first.reset();
        assert_eq!(set.wait_any(Wait::Poll).unwrap(), None);
        others.into_iter().for_each(join);
        assert_eq!(set.wait_any(Wait::Poll).unwrap(), None);
    });
}

#[test]
fn a_wait_in_progress_sees_an_added_event() {
    explore(None, || {
        let (set, [_quiet]) = set_of();
        let adding = thread::spawn({
            let set = set.clone();
            move || {
                let loud = Event::new();
                loud.set();
                set.add(&loud).unwrap()
            }
        });
        assert_eq!(set.wait_any(Wait::Forever).unwrap(), Some(1));
        assert_eq!(join(adding), 1);
    });
}

#[test]
fn a_removed_member_is_not_reported() {
    explore(None, || {
        let (set, [gone, stays]) = set_of();
        let changing = thread::spawn({
            let set = set.clone();
            move || {
                until_waiting(1);
                gone.set();
                let before = domain().lock().waiters.is_empty();
                set.remove(0);
                stays.set();
                before
            }
        });
        let mut signalled = Vec::new();
        assert!(set.wait(Wait::Forever, &mut signalled).unwrap());
        let before_removal = join(changing);
        assert!(signalled == [1] || signalled == [0], "{signalled:?}");
        assert!(!before_removal || signalled == [0]);
        assert!(set.wait(Wait::Poll, &mut signalled).unwrap());
        assert_eq!(signalled, [1]);
    });
}

#[test]
fn a_wait_for_all_ends_when_the_missing_member_is_removed() {
    explore(None, || {
        let (set, [first, _second]) = set_of();
        first.set();
        let removing = thread::spawn({
            let set = set.clone();
            move || assert!(set.remove(1))
        });
        assert!(set.wait_all(Wait::Forever).unwrap());
        join(removing);
    });
}

#[test]
fn a_wait_for_all_needs_one_moment_at_which_all_are_signalled() {
    explore(None, || {
        let (set, [first, second]) = set_of();
        let setting = thread::spawn(move || {
            first.set();
            first.reset();
            second.set();
        });
        assert!(!set.wait_all(SOON).unwrap(), "there was no moment at which both were signalled");
        join(setting);
    });
}

#[test]
fn a_wait_for_all_stays_fulfilled_if_an_event_is_reset() {
    explore(None, || {
        let (set, [first, second]) = set_of();
        let setting = thread::spawn(move || {
            until_waiting(1);
            first.set();
            second.set();
            first.reset();
        });
        assert!(set.wait_all(Wait::Forever).unwrap());
        join(setting);
    });
}
