//! Completion ports.

mod calls;
mod queue;

pub(crate) use queue::{Packet, Port, Took};
