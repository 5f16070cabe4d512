//! The one thing that an operation does when it has ended. The four models differ in this and in nothing else.

use std::sync::Arc;

use crate::engine::event::Event;
use crate::engine::port::Association;
use crate::engine::routine;

/// Whom an operation tells of its end. Who waits on its handle (a task, or a thread that asks for the result) is not among them: that one
/// is told in any case.
#[derive(Default)]
pub(crate) enum Notify {
    #[default]
    Nobody,
    /// Model I: the event is set; the result waits to be asked for.
    Event(Event),
    /// Model II: the routine under this key is queued to its thread.
    Routine(routine::SharedQueue, usize),
    /// Model III: a packet is queued to the socket's port.
    Port(Arc<Association>, u64),
}
