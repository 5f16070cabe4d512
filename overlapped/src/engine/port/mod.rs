//! Model III: completion ports.
//!
//! A [`CompletionPort`] is one queue of packets from which several threads take. Sockets are
//! associated with it under a key; the operations that end on them become packets.

mod packet;
mod queue;

pub use packet::{CompletionPacket, Queued};
pub(crate) use queue::Association;
pub use queue::{CompletionPort, blocking};
