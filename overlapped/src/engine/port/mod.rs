//! Model III: completion ports.
//!
//! A [`CompletionPort`] is one queue of packets from which several threads take. Sockets are
//! associated with it under a key; the operations that end on them become packets.

mod association;
mod packet;
mod queue;

pub(crate) use association::Association;
pub use packet::{CompletionPacket, Queued};
pub use queue::{CompletionPort, blocking};
