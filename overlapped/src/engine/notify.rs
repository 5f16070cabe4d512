//! What is done when an operation ends. The four models differ in this and in nothing else.

use std::sync::Arc;

use super::{event::Event, port::Association, routine};
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
    /// Tells of the end of an operation that has no handle.
    pub(crate) fn ended(self, action: Action, flags: Flags, completion: Crossing<Completion>) {
        match self {
            Notify::Routine(queue, key) => drop(queue.ended(key, completion)),
            Notify::Port(association, token) => association.ended(token, action, flags, completion),
            Notify::Event(event) => event.set(),
            Notify::Nobody => {}
        }
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
