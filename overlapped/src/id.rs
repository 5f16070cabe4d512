//! Names of operations and sockets.

use std::fmt;

use crate::table::Key;

/// Names an operation of one driver: a slot and the slot's generation. After the operation has
/// ended the name finds nothing, never a later operation.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OpId(pub(crate) Key);

/// Names a socket of one driver: a slot and the slot's generation. It is not a descriptor. After
/// the socket is closed the name finds nothing, never a later socket.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SocketId(pub(crate) Key);

impl OpId {
    #[inline]
    pub(crate) const fn new(slot: u32, generation: u32) -> OpId {
        OpId(Key::new(slot, generation))
    }

    #[inline]
    pub(crate) const fn slot(self) -> u32 {
        self.0.slot()
    }

    #[inline]
    pub(crate) const fn generation(self) -> u32 {
        self.0.generation()
    }
}

impl SocketId {
    /// Names no socket: what is asked of it finds none, and every operation on it is refused.
    pub const NONE: SocketId = SocketId::new(u32::MAX, 0);

    #[inline]
    pub(crate) const fn new(slot: u32, generation: u32) -> SocketId {
        SocketId(Key::new(slot, generation))
    }

    #[inline]
    pub(crate) const fn slot(self) -> u32 {
        self.0.slot()
    }
}

impl fmt::Debug for OpId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "op {}", self.0)
    }
}

impl fmt::Debug for SocketId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "socket {}", self.0)
    }
}
