//! Auto-reset events: a wait that reports one resets it in the same moment.

use std::sync::atomic::{AtomicUsize, Ordering};

use overlapped::driver::Wait;
use overlapped::event::{wait_all, wait_any};
use overlapped::routine::{RoutineQueue, Woken, wait_alertable};
use overlapped::{Engine, Event, WaitSet};

use crate::harness::engine::*;

engine_rules! {
    the_end_of_an_operation_ends_one_wait,
    setting_it_twice_ends_one_wait,
    a_wait_for_any_resets_only_what_it_returns,
    a_wait_for_all_resets_all_or_nothing,
    a_wait_set_resets_what_it_reports_and_nothing_else,
    an_alertable_wait_that_runs_routines_resets_nothing,
    a_wait_that_times_out_resets_nothing,
    threads_hand_a_turn_around: "other threads wait for it",
    as_many_waits_end_as_there_were_sets: "other threads set it",
    a_wait_for_all_is_atomic_among_threads_that_take: "other threads wait",
}

fn the_end_of_an_operation_ends_one_wait(engine: &Engine) {
    let event = Event::auto_reset();
    let (socket, peer) = pair(engine);
    for round in 0..3 {
        event.set();
        let mut receive = socket.recv(vec![0; 1]).event(&event).start().unwrap();
        assert!(!event.is_signalled(), "the start resets it");
        write(&peer, &[round]);
        assert!(event.wait(WAIT).unwrap());
        assert!(!event.is_signalled());
        assert!(!event.wait(Wait::Poll).unwrap());
        assert_eq!(receive.result(Wait::Poll).unwrap().buf, [round]);
    }
}

fn setting_it_twice_ends_one_wait(engine: &Engine) {
    let event = Event::auto_reset();
    event.set();
    event.set();
    assert!(event.is_signalled() && event.is_signalled(), "asking changes nothing");
    assert!(event.wait(Wait::Forever).unwrap());
    assert!(!event.wait(SHORT).unwrap());
    event.set();
    event.reset();
    assert!(!event.wait(Wait::Poll).unwrap());
    settle(engine);
}

fn a_wait_for_any_resets_only_what_it_returns(engine: &Engine) {
    let (auto, manual, last) = (Event::auto_reset(), Event::new(), Event::auto_reset());
    let all = [&auto, &manual, &last];
    all.iter().for_each(|event| event.set());
    assert_eq!(wait_any(&all, Wait::Forever).unwrap(), Some(0));
    assert_eq!(wait_any(&all, Wait::Forever).unwrap(), Some(1));
    assert_eq!(wait_any(&all, Wait::Forever).unwrap(), Some(1), "it is not reset by waits");
    manual.reset();
    assert_eq!(wait_any(&all, Wait::Forever).unwrap(), Some(2));
    assert_eq!(wait_any(&all, SHORT).unwrap(), None);
    settle(engine);
}

fn a_wait_for_all_resets_all_or_nothing(engine: &Engine) {
    let (auto, manual, last) = (Event::auto_reset(), Event::new(), Event::auto_reset());
    let all = [&auto, &manual, &last];
    auto.set();
    last.set();
    assert!(!wait_all(&all, SHORT).unwrap());
    assert!(auto.is_signalled() && last.is_signalled(), "it has taken nothing");
    manual.set();
    assert!(wait_all(&all, Wait::Forever).unwrap());
    assert!(!auto.is_signalled() && manual.is_signalled() && !last.is_signalled());
    settle(engine);
}

fn a_wait_set_resets_what_it_reports_and_nothing_else(engine: &Engine) {
    let set = WaitSet::new(8);
    let events = [Event::auto_reset(), Event::new(), Event::auto_reset(), Event::auto_reset()];
    let numbers = [0, 1, 2, 3];
    for (event, number) in events.iter().zip(numbers) {
        assert_eq!(set.add(event).unwrap(), number);
    }
    let mut signalled = Vec::new();
    events[..3].iter().for_each(Event::set);
    assert!(set.wait(Wait::Forever, &mut signalled).unwrap());
    assert_eq!(signalled, [0, 1, 2]);
    assert!(set.wait(Wait::Forever, &mut signalled).unwrap());
    assert_eq!(signalled, [1], "the others have been reset");
    events[1].reset();
    assert!(!set.wait(SHORT, &mut signalled).unwrap());

    events.iter().for_each(Event::set);
    assert!(set.wait_all(Wait::Forever).unwrap());
    assert_eq!(events.each_ref().map(Event::is_signalled), [false, true, false, false]);
    assert!(!set.wait_all(SHORT).unwrap());

    events[1].reset();
    events[2].set();
    events[3].set();
    assert_eq!(set.wait_any(Wait::Forever).unwrap(), Some(2));
    assert!(events[3].is_signalled(), "only what it returns");
    assert!(set.remove(3));
    assert!(events[3].is_signalled(), "a member that is removed stays as it is");
    let other = WaitSet::new(1);
    other.add(&events[3]).unwrap();
    set.add(&events[3]).unwrap();
    assert_eq!(other.wait_any(Wait::Forever).unwrap(), Some(0), "it was signalled when it was added");
    assert_eq!(set.wait_any(Wait::Poll).unwrap(), None, "one of its sets has taken it");
    settle(engine);
}

fn an_alertable_wait_that_runs_routines_resets_nothing(engine: &Engine) {
    let event = Event::auto_reset();
    event.set();
    RoutineQueue::of_this_thread().unwrap().queue(|| {}).unwrap();
    assert_eq!(wait_alertable(&[&event], WAIT).unwrap(), Woken::Routines(1));
    assert!(event.is_signalled());
    assert_eq!(wait_alertable(&[&event], WAIT).unwrap(), Woken::Event(0));
    assert!(!event.is_signalled());
    let set = WaitSet::new(1);
    set.add(&event).unwrap();
    event.set();
    let mut signalled = Vec::new();
    assert_eq!(set.wait_alertable(WAIT, &mut signalled).unwrap(), Woken::Event(0));
    assert!(!event.is_signalled());
    settle(engine);
}

fn a_wait_that_times_out_resets_nothing(engine: &Engine) {
    let (event, never) = (Event::auto_reset(), Event::new());
    assert!(!wait_all(&[&event, &never], SHORT).unwrap());
    assert!(!event.wait(SHORT).unwrap());
    event.set();
    assert!(!wait_all(&[&event, &never], SHORT).unwrap());
    assert!(event.wait(Wait::Poll).unwrap());
    settle(engine);
}

fn threads_hand_a_turn_around(engine: &Engine) {
    const ROUNDS: usize = 2_000;
    let turns = [Event::auto_reset(), Event::auto_reset(), Event::auto_reset()];
    let count = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for (at, turn) in turns.iter().enumerate() {
            let (count, next) = (&count, &turns[(at + 1) % 3]);
            scope.spawn(move || {
                for round in 0..ROUNDS {
                    assert!(turn.wait(WAIT).unwrap());
                    assert_eq!(count.fetch_add(1, Ordering::SeqCst), 3 * round + at);
                    next.set();
                }
            });
        }
        turns[0].set();
    });
    assert!(turns[0].wait(Wait::Poll).unwrap());
    settle(engine);
}

/// Threads wait in different ways, some with timeouts that race the sets.
fn as_many_waits_end_as_there_were_sets(engine: &Engine) {
    const SETS: usize = 500;
    let (event, other, stop) = (Event::auto_reset(), Event::auto_reset(), Event::new());
    let set = WaitSet::new(2);
    set.add(&event).unwrap();
    set.add(&stop).unwrap();
    let taken = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        let hurried = Wait::For(std::time::Duration::from_micros(20));
        for wait in [WAIT, hurried] {
            let (event, stop, taken) = (&event, &stop, &taken);
            scope.spawn(move || {
                while !stop.is_signalled() {
                    if wait_any(&[stop, event], wait).unwrap() == Some(1) {
                        taken.fetch_add(1, Ordering::SeqCst);
                    }
                }
            });
            let (set, other) = (&set, &other);
            scope.spawn(move || {
                let mut signalled = Vec::new();
                while !stop.is_signalled() {
                    if set.wait(wait, &mut signalled).unwrap() && signalled.contains(&0) {
                        taken.fetch_add(1, Ordering::SeqCst);
                    }
                }
            });
            scope.spawn(move || {
                while !stop.is_signalled() {
                    if wait_all(&[event, other], hurried).unwrap() {
                        taken.fetch_add(1, Ordering::SeqCst);
                        other.set();
                    }
                }
            });
        }
        other.set();
        for done in 1..=SETS {
            event.set();
            until("the set is taken", || taken.load(Ordering::SeqCst) == done);
        }
        stop.set();
    });
    assert_eq!(taken.load(Ordering::SeqCst), SETS);
    assert!(!event.is_signalled() && other.is_signalled());
    settle(engine);
}

/// Dining philosophers: every fork is an auto-reset event.
fn a_wait_for_all_is_atomic_among_threads_that_take(engine: &Engine) {
    const MEALS: usize = 300;
    let forks: Vec<Event> = (0..5).map(|_| Event::auto_reset()).collect();
    let held: Vec<AtomicUsize> = (0..5).map(|_| AtomicUsize::new(0)).collect();
    std::thread::scope(|scope| {
        for at in 0..5 {
            let (forks, held) = (&forks, &held);
            scope.spawn(move || {
                let both = [at, (at + 1) % 5];
                for _ in 0..MEALS {
                    assert!(wait_all(&both.map(|fork| &forks[fork]), WAIT).unwrap());
                    for fork in both {
                        assert_eq!(held[fork].fetch_add(1, Ordering::SeqCst), 0, "two hold a fork");
                    }
                    for fork in both {
                        held[fork].fetch_sub(1, Ordering::SeqCst);
                        forks[fork].set();
                    }
                }
            });
        }
        forks.iter().for_each(Event::set);
    });
    assert!(forks.iter().all(Event::is_signalled));
    settle(engine);
}
