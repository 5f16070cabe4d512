//! What is done when an operation ends. The four models differ in this and in nothing else.

use std::sync::Arc;

use super::park::Unparks;
use super::port::{Association, CompletionPacket};
use super::{event::Event, routine};
use crate::buf::Crossing;
use crate::driver::Completion;
use crate::error::Action;
use crate::flags::Flags;

/// The one thing that is told of an operation's end. A task or thread that waits on the operation's
/// handle is told in any case.
#[derive(Default)]
pub enum Notify {
    #[default]
    Nobody,
    /// Model I: the event is set; the result waits to be taken.
    Event(Event),
    /// Model II: the routine with this key is queued to its thread.
    Routine(routine::SharedQueue, usize),
    /// Model III: a packet with this token is queued to the socket's port.
    Port(Arc<Association>, u64),
}

impl Notify {
    /// Tells of the end of an operation that has no handle. The caller wakes the waiting threads.
    /// Returns what nobody takes, to be dropped.
    pub(crate) fn ended(
        self,
        action: Action,
        flags: Flags,
        completion: Crossing<Completion>,
        unparks: &mut Unparks,
    ) -> Untaken {
        match self {
            Notify::Routine(queue, key) => Untaken(queue.ended(key, completion), None),
            Notify::Port(association, token) => {
                Untaken(None, association.ended(token, action, flags, completion, unparks))
            }
            Notify::Event(event) => {
                event.signal(unparks);
                Untaken(Some(completion), None)
            }
            Notify::Nobody => Untaken(Some(completion), None),
        }
    }
}

/// The end of an operation that nobody takes. Dropping it may run the program's code.
pub(crate) struct Untaken(Option<Crossing<Completion>>, Option<CompletionPacket>);

impl Untaken {
    pub(crate) fn is_nothing(&self) -> bool {
        self.0.is_none() && self.1.is_none()
    }
}

mod sealed {
    use super::{Event, Notify};

    /// How a started operation with a handle tells of its end, besides the handle: not at all, or
    /// by an event.
    pub trait ToldBy: Copy + Unpin {
        fn notify(self) -> Notify;
    }

    impl ToldBy for () {
        fn notify(self) -> Notify {
            Notify::Nobody
        }
    }

    impl ToldBy for &Event {
        fn notify(self) -> Notify {
            Notify::Event(self.clone())
        }
    }
}

pub(crate) use sealed::ToldBy;
