//! Lending a buffer whose packets are unmasked while it is lent.

use std::ops::Deref;

use overlapped::buf::Packet;

use super::executor::Executor;

/// Received bytes: in the buffer in which they came, or elsewhere.
pub(crate) enum Lent {
    Packet(Packet),
    Bytes(Vec<u8>),
}

impl Deref for Lent {
    type Target = [u8];
    #[inline]
    fn deref(&self) -> &[u8] {
        match self {
            Lent::Packet(packet) => packet,
            Lent::Bytes(bytes) => bytes,
        }
    }
}

impl Executor {
    /// Lends a buffer until [`end_lending`](Executor::end_lending) gives it back. Meanwhile it can
    /// be [changed](Executor::change_lent) while no task reads it.
    pub(crate) fn begin_lending(&self, lent: Lent) {
        match lent {
            Lent::Packet(packet) => *self.lent.borrow_mut() = Some(packet),
            Lent::Bytes(bytes) => *self.lent_bytes.borrow_mut() = bytes,
        }
    }

    pub(crate) fn end_lending(&self) -> Lent {
        match self.lent.take() {
            Some(packet) => Lent::Packet(packet),
            None => Lent::Bytes(self.lent_bytes.take()),
        }
    }

    /// Calls with the bytes of the lent buffer, which may be changed.
    #[inline]
    pub(crate) fn change_lent<R>(&self, call: impl FnOnce(&mut [u8]) -> R) -> R {
        match &mut *self.lent.borrow_mut() {
            Some(packet) => call(packet),
            None => call(&mut self.lent_bytes.borrow_mut()),
        }
    }
}
