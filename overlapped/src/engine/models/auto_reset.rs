//! Auto-reset events: each set ends one wait, and is lost to none.

use std::time::Duration;

use loom::thread;

use super::{explore, join, until_waiting};
use crate::driver::Wait;
use crate::engine::event::domain;
use crate::event::{wait_all, wait_any};
use crate::{Event, WaitSet};

const SOON: Wait = Wait::For(Duration::from_millis(1));

fn nothing_is_left() {
    let tables = domain().lock();
    assert!(tables.waiters.is_empty() && tables.events.is_empty() && tables.sets.is_empty());
}

#[test]
fn each_set_ends_one_wait() {
    explore(3, || {
        let event = Event::auto_reset();
        let waiting = [(); 2].map(|()| {
            let event = event.clone();
            thread::spawn(move || event.wait(Wait::Forever).unwrap())
        });
        event.set();
        // One of them has taken it, or is about to.
        while event.is_signalled() {
            thread::yield_now();
        }
        event.set();
        assert!(waiting.into_iter().all(join));
        assert!(!event.is_signalled());
        drop(event);
        nothing_is_left();
    });
}

#[test]
fn one_set_ends_one_of_two_waits_also_if_they_time_out_meanwhile() {
    explore(3, || {
        let event = Event::auto_reset();
        let waiting = [(); 2].map(|()| {
            let event = event.clone();
            thread::spawn(move || event.wait(SOON).unwrap())
        });
        event.set();
        let ended = waiting.into_iter().map(join).filter(|ended| *ended).count();
        let left = usize::from(event.is_signalled());
        assert_eq!(ended + left, 1, "a set is taken once, or it is still there");
    });
}

#[test]
fn a_wait_for_any_takes_only_what_it_returns() {
    explore(None, || {
        let (low, high) = (Event::auto_reset(), Event::auto_reset());
        let setting = [low.clone(), high.clone()].map(|event| thread::spawn(move || event.set()));
        let first = wait_any(&[&low, &high], Wait::Forever).unwrap().unwrap();
        setting.into_iter().for_each(join);
        assert_eq!(wait_any(&[&low, &high], Wait::Poll).unwrap(), Some(1 - first), "the other is still there");
        assert_eq!(wait_any(&[&low, &high], Wait::Poll).unwrap(), None);
    });
}

#[test]
fn what_a_wait_has_taken_it_returns_although_a_lower_one_was_set_later() {
    explore(None, || {
        let (low, high) = (Event::new(), Event::auto_reset());
        let setting = thread::spawn({
            let (low, high) = (low.clone(), high.clone());
            move || {
                until_waiting(1);
                high.set();
                low.set();
            }
        });
        assert_eq!(wait_any(&[&low, &high], Wait::Forever).unwrap(), Some(1));
        join(setting);
        assert!(low.is_signalled() && !high.is_signalled());
    });
}

#[test]
fn waits_for_all_take_all_or_nothing() {
    explore(3, || {
        let (both, other) = (Event::auto_reset(), Event::auto_reset());
        let all = thread::spawn({
            let (both, other) = (both.clone(), other.clone());
            move || wait_all(&[&both, &other], SOON).unwrap()
        });
        let one = thread::spawn({
            let both = both.clone();
            move || both.wait(SOON).unwrap()
        });
        both.set();
        other.set();
        let (all, one) = (join(all), join(one));
        assert!(!(all && one), "one set ended two waits");
        assert_eq!(both.is_signalled(), !all && !one);
        assert_eq!(other.is_signalled(), !all, "it is taken with the other, or not at all");
    });
}

#[test]
fn two_waits_for_all_in_opposite_order_do_not_starve_each_other() {
    explore(3, || {
        let (first, second) = (Event::auto_reset(), Event::auto_reset());
        let waiting = [[first.clone(), second.clone()], [second.clone(), first.clone()]].map(|pair| {
            thread::spawn(move || {
                assert!(wait_all(&[&pair[0], &pair[1]], Wait::Forever).unwrap());
                // The two have been taken; the other wait gets them next.
                pair[1].set();
                pair[0].set();
            })
        });
        first.set();
        second.set();
        waiting.into_iter().for_each(join);
        assert!(first.is_signalled() && second.is_signalled());
    });
}

#[test]
fn a_manual_event_that_ends_two_waits_for_all_lets_one_take_the_other_event() {
    explore(3, || {
        let (manual, auto) = (Event::new(), Event::auto_reset());
        auto.set();
        let waiting = [(); 2].map(|()| {
            let (manual, auto) = (manual.clone(), auto.clone());
            thread::spawn(move || wait_all(&[&manual, &auto], SOON).unwrap())
        });
        manual.set();
        let ended = waiting.into_iter().map(join).filter(|ended| *ended).count();
        assert_eq!(ended + usize::from(auto.is_signalled()), 1);
        assert!(manual.is_signalled());
    });
}

#[test]
fn a_member_of_a_set_is_taken_by_one_wait() {
    explore(3, || {
        let (set, event) = (WaitSet::new(2), Event::auto_reset());
        set.add(&event).unwrap();
        let waiting = thread::spawn({
            let set = set.clone();
            move || {
                let mut signalled = Vec::new();
                set.wait(SOON, &mut signalled).unwrap().then_some(signalled)
            }
        });
        let alone = thread::spawn({
            let event = event.clone();
            move || event.wait(SOON).unwrap()
        });
        event.set();
        let (in_set, alone) = (join(waiting), join(alone));
        assert!(in_set.as_ref().is_none_or(|signalled| *signalled == [0]));
        let ended = usize::from(in_set.is_some()) + usize::from(alone) + usize::from(event.is_signalled());
        assert_eq!(ended, 1, "taken once, or still there");
    });
}

#[test]
fn waits_on_a_set_share_out_its_members() {
    explore(3, || {
        let set = WaitSet::new(2);
        let events = [(); 2].map(|()| Event::auto_reset());
        for event in &events {
            set.add(event).unwrap();
        }
        let waiting = [(); 2].map(|()| {
            let set = set.clone();
            thread::spawn(move || set.wait_any(Wait::Forever).unwrap().unwrap())
        });
        for event in &events {
            event.set();
        }
        let mut taken = waiting.map(join);
        taken.sort_unstable();
        assert_eq!(taken, [0, 1]);
        assert!(!events.iter().any(Event::is_signalled));
    });
}

#[test]
fn a_wait_for_all_of_a_set_takes_all_or_nothing() {
    explore(3, || {
        let set = WaitSet::new(2);
        let events = [(); 2].map(|()| Event::auto_reset());
        for event in &events {
            set.add(event).unwrap();
        }
        let all = thread::spawn({
            let set = set.clone();
            move || set.wait_all(SOON).unwrap()
        });
        let one = thread::spawn({
            let event = events[0].clone();
            move || event.wait(SOON).unwrap()
        });
        for event in &events {
            event.set();
        }
        let (all, one) = (join(all), join(one));
        assert!(!(all && one));
        assert_eq!(events[0].is_signalled(), !all && !one);
        assert_eq!(events[1].is_signalled(), !all);
    });
}
