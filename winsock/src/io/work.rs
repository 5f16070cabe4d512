//! Work: what the program has started, as the leader sees it, and how it is handed to the leader.

use std::ops::Range;
use std::sync::Arc;

use overlapped::driver::{Op, Outcome};
use overlapped::{Driver, Error};

use crate::park::Parker;

/// What a unit of work is told when it is asked for its next operation.
pub(crate) enum Last {
    /// It begins.
    Nothing,
    Ended(Result<Outcome, Error>),
    /// It was cancelled between two operations.
    Cancelled,
}

/// One operation of the program's, which may take several of the driver's, one after the other.
pub(crate) trait Work: Send {
    /// The next operation of the driver's; `None` if the work is over, and has told of its end.
    fn step(&mut self, last: Last, key: Key, driver: &mut Driver) -> Option<Op>;

    /// Whether it would write to memory in this stretch of addresses.
    fn lies_in(&self, _: &Range<usize>) -> bool {
        false
    }

    /// Whether the end of this thread cancels it.
    fn dies_with(&self, _thread: u32) -> bool {
        false
    }
}

/// The name of work in flight. It is never used again for other work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    pub(super) slot: u32,
    pub(super) generation: u32,
}

pub(super) enum Command {
    Start(Key, Box<dyn Work>),
    Cancel(Key),
    /// Cancels what this thread has started.
    ThreadEnded(u32),
    /// Forgets what lies in this memory.
    Bury(Range<usize>, Arc<Parker>),
}

/// What was asked of the leader, and the names of work.
#[derive(Default)]
pub(super) struct Inbox {
    pub(super) commands: Vec<Command>,
    /// The leader has been woken for those.
    pub(super) woken: bool,
    generations: Vec<u32>,
    free: Vec<u32>,
}

impl Inbox {
    /// A name for new work.
    pub(super) fn name(&mut self) -> Key {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.generations.push(0);
            self.generations.len() as u32 - 1
        });
        Key { slot, generation: self.generations[slot as usize] }
    }

    /// Frees the names of work that has ended.
    pub(super) fn free(&mut self, ended: &mut Vec<u32>) {
        for slot in ended.drain(..) {
            let generation = &mut self.generations[slot as usize];
            *generation = generation.wrapping_add(1);
            self.free.push(slot);
        }
    }
}
