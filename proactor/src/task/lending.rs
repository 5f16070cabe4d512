//! The memory that packets lie in while they are handed over to tasks. A task holds no borrow of
//! it: it knows a packet's place, and reads it with a call.

use std::cell::{Cell, RefCell};
use std::ops::Range;

use overlapped::buf::Packet;

/// The most memory for packets that do not lie in the lent bytes that is kept.
const KEPT_GATHERED_BYTES: usize = 64 * 1024;

/// Received bytes: in the buffer in which they came, or elsewhere.
#[cfg(feature = "websocket")]
pub(crate) enum Lent {
    Packet(Packet),
    Bytes(Vec<u8>),
}

#[cfg(feature = "websocket")]
impl std::ops::Deref for Lent {
    type Target = [u8];
    #[inline]
    fn deref(&self) -> &[u8] {
        match self {
            Lent::Packet(packet) => packet,
            Lent::Bytes(bytes) => bytes,
        }
    }
}

/// Where a packet that is offered to tasks lies.
pub(crate) enum Offered {
    /// In the lent bytes.
    Lent(Range<usize>),
    /// In memory that is used again for the next one.
    Gathered,
}

/// What one shard lends to its tasks.
#[derive(Default)]
pub(crate) struct Lending {
    /// The pooled buffer whose packets are being handed over.
    packet: RefCell<Option<Packet>>,
    /// Or the bytes that a transport has made of one.
    bytes: RefCell<Vec<u8>>,
    /// What is lent changes between its packets, as a WebSocket's messages are unmasked.
    changes: Cell<bool>,
    /// A packet that does not lie in what is lent.
    gathered: RefCell<Vec<u8>>,
}

impl Lending {
    /// Calls with the bytes of a pooled buffer. Until the call returns, tasks can
    /// [read](Lending::read_offered) packets in it, and packets in it can be
    /// [sent on](Lending::share); then the buffer goes back to its pool.
    pub(crate) fn lend<R>(&self, packet: Packet, call: impl FnOnce(&[u8]) -> R) -> R {
        let lent = &self.packet;
        *lent.borrow_mut() = Some(packet);
        let result = call(lent.borrow().as_deref().unwrap_or_default());
        *lent.borrow_mut() = None;
        result
    }

    /// As [`lend`](Lending::lend), with bytes that a transport made of what was received. They are
    /// copied where they are sent on. Returns their memory.
    pub(crate) fn lend_bytes(&self, bytes: Vec<u8>, call: impl FnOnce(&[u8])) -> Vec<u8> {
        let lent = &self.bytes;
        *lent.borrow_mut() = bytes;
        call(&lent.borrow());
        lent.take()
    }

    /// Lends a buffer until [`end`](Lending::end) gives it back. Meanwhile it can be
    /// [changed](Lending::change) while no task reads it, so its packets are copied where they are
    /// sent on.
    #[cfg(feature = "websocket")]
    pub(crate) fn begin(&self, lent: Lent) {
        self.changes.set(true);
        match lent {
            Lent::Packet(packet) => *self.packet.borrow_mut() = Some(packet),
            Lent::Bytes(bytes) => *self.bytes.borrow_mut() = bytes,
        }
    }

    #[cfg(feature = "websocket")]
    pub(crate) fn end(&self) -> Lent {
        self.changes.set(false);
        match self.packet.take() {
            Some(packet) => Lent::Packet(packet),
            None => Lent::Bytes(self.bytes.take()),
        }
    }

    /// Calls with the bytes of the lent buffer, which may be changed.
    #[inline]
    #[cfg(feature = "websocket")]
    pub(crate) fn change<R>(&self, call: impl FnOnce(&mut [u8]) -> R) -> R {
        match &mut *self.packet.borrow_mut() {
            // It is not shared: it has just come.
            Some(packet) => call(packet.bytes_mut().unwrap_or_default()),
            None => call(&mut self.bytes.borrow_mut()),
        }
    }

    /// Reads a slice of the lent bytes.
    pub(crate) fn read<R>(&self, range: Range<usize>, read: impl FnOnce(&[u8]) -> R) -> R {
        self.with(|bytes| read(bytes.get(range).unwrap_or_default()))
    }

    /// The packet itself, to be sent without a copy, if it lies in a lent buffer of the pool as it
    /// came, and the pool can spare that.
    pub(crate) fn share(&self, packet: &[u8]) -> Option<Packet> {
        if self.changes.get() || self.packet.borrow().is_none() {
            return None;
        }
        let range = self.place(packet)?;
        self.packet.borrow().as_ref()?.share(range)
    }

    /// Makes a packet readable until the next one is offered: where it lies in the lent bytes, or
    /// else as a copy.
    pub(super) fn offer(&self, packet: &[u8]) -> Offered {
        if let Some(range) = self.place(packet) {
            return Offered::Lent(range);
        }
        let mut gathered = self.gathered.borrow_mut();
        gathered.clear();
        gathered.shrink_to(KEPT_GATHERED_BYTES);
        gathered.extend_from_slice(packet);
        Offered::Gathered
    }

    pub(super) fn read_offered<R>(&self, packet: Offered, read: impl FnOnce(&[u8]) -> R) -> R {
        match packet {
            Offered::Lent(range) => self.read(range, read),
            Offered::Gathered => read(&self.gathered.borrow()),
        }
    }

    /// Calls with the lent bytes.
    #[inline]
    fn with<R>(&self, call: impl FnOnce(&[u8]) -> R) -> R {
        match &*self.packet.borrow() {
            Some(packet) => call(packet),
            None => call(&self.bytes.borrow()),
        }
    }

    /// The place of a slice in the lent bytes, if it lies there.
    fn place(&self, bytes: &[u8]) -> Option<Range<usize>> {
        let whole = self.with(<[u8]>::as_ptr_range);
        let part = bytes.as_ptr_range();
        let within = whole.start <= part.start && part.end <= whole.end;
        within.then(|| {
            let start = part.start.addr() - whole.start.addr();
            start..start + bytes.len()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_packet_does_not_cost_memory_for_ever() {
        let lending = Lending::default();
        let long = vec![7; KEPT_GATHERED_BYTES + 1];
        let packet = lending.offer(&long);
        assert!(lending.read_offered(packet, |bytes| bytes == long));
        let packet = lending.offer(b"short");
        assert!(lending.read_offered(packet, |bytes| bytes == b"short"));
        assert!(lending.gathered.borrow().capacity() <= KEPT_GATHERED_BYTES);
    }
}
