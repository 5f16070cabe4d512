//! Waking a driver. No wake-up is lost, whether the driver runs, is about to wait, or waits.

use std::sync::Arc;

use loom::sync::atomic::{AtomicBool, Ordering};
use loom::thread;

use super::{explore, join};
use crate::mailbox::mailbox;
use crate::wake::model as wake_model;

#[test]
fn a_wake_ends_the_present_turn_or_the_next() {
    explore(None, || {
        let (wake, waits) = wake_model::handle();
        let (sender, mut mail) = mailbox(2, wake);
        let sending = thread::spawn(move || sender.send(1).unwrap());
        let mut got = mail.take().next();
        while got.is_none() {
            waits.turn();
            got = mail.take().next();
        }
        assert_eq!(got, Some(1));
        join(sending);
    });
}

#[test]
fn a_wake_while_the_driver_runs_again_is_not_lost() {
    explore(None, || {
        let (wake, waits) = wake_model::handle();
        let (sender, mut mail) = mailbox(2, wake);
        let senders = [1, 2].map(|message| {
            let sender = sender.clone();
            thread::spawn(move || sender.send(message).unwrap())
        });
        let mut sum = 0;
        while sum < 3 {
            waits.turn();
            sum += mail.take().sum::<i32>();
        }
        senders.into_iter().for_each(join);
    });
}

/// The flags are the program's own. The wake-up is the only thing that orders the writes before the
/// reads that follow the turn.
#[test]
fn a_turn_ended_by_a_wake_sees_what_was_written_before_it() {
    explore(None, || {
        let (wake, waits) = wake_model::handle();
        let flags = Arc::new([AtomicBool::new(false), AtomicBool::new(false)]);
        let wakers = [0, 1].map(|flag| {
            let (wake, flags) = (wake.clone(), Arc::clone(&flags));
            thread::spawn(move || {
                flags[flag].store(true, Ordering::Relaxed);
                wake.wake();
            })
        });
        while !flags.iter().all(|flag| flag.load(Ordering::Relaxed)) {
            waits.turn();
        }
        wakers.into_iter().for_each(join);
    });
}
