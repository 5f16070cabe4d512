//! The memory that packets lie in while they are handed over to tasks. A task holds no borrow of
//! it: it knows a packet's place, and reads it with a call.

use std::cell::RefCell;
use std::ops::Range;

use overlapped::buf::Packet;

/// The most memory for packets that do not lie in one buffer that is kept.
const KEPT_GATHERED_BYTES: usize = 64 * 1024;

/// Where a packet lies.
pub(crate) enum Lent {
    /// In the pooled buffer.
    InBuffer(Range<usize>),
    /// In memory that is used again for the next one.
    Gathered,
}

/// What one shard lends to its tasks.
#[derive(Default)]
pub(crate) struct Lending {
    /// The pooled buffer whose packets are being handed over.
    buffer: RefCell<Option<Packet>>,
    /// A packet that does not lie in one pooled buffer.
    gathered: RefCell<Vec<u8>>,
}

impl Lending {
    /// Calls with the bytes of a pooled buffer. Until the call returns, its packets can be lent;
    /// then the buffer goes back to its pool.
    pub(crate) fn during<R>(&self, packet: Packet, call: impl FnOnce(&[u8]) -> R) -> R {
        *self.buffer.borrow_mut() = Some(packet);
        let result = call(self.buffer.borrow().as_deref().unwrap_or_default());
        *self.buffer.borrow_mut() = None;
        result
    }

    /// The packet itself, to be sent without a copy, if it lies in the pooled buffer and the pool
    /// can spare that.
    pub(crate) fn share(&self, packet: &[u8]) -> Option<Packet> {
        let range = self.place_in_buffer(packet)?;
        self.buffer.borrow().as_ref()?.share(range)
    }

    /// Makes a packet readable until the next one is lent: where it lies in the pooled buffer, or
    /// else as a copy.
    pub(super) fn lend(&self, packet: &[u8]) -> Lent {
        if let Some(range) = self.place_in_buffer(packet) {
            return Lent::InBuffer(range);
        }
        let mut gathered = self.gathered.borrow_mut();
        gathered.clear();
        gathered.shrink_to(KEPT_GATHERED_BYTES);
        gathered.extend_from_slice(packet);
        Lent::Gathered
    }

    fn place_in_buffer(&self, bytes: &[u8]) -> Option<Range<usize>> {
        let buffer = self.buffer.borrow();
        let whole = buffer.as_ref()?.as_ptr_range();
        let part = bytes.as_ptr_range();
        let within = whole.start <= part.start && part.end <= whole.end;
        within.then(|| {
            let start = part.start.addr() - whole.start.addr();
            start..start + bytes.len()
        })
    }

    pub(super) fn read<R>(&self, packet: Lent, read: impl FnOnce(&[u8]) -> R) -> R {
        match packet {
            Lent::InBuffer(range) => {
                let buffer = self.buffer.borrow();
                read(buffer.as_deref().and_then(|bytes| bytes.get(range)).unwrap_or_default())
            }
            Lent::Gathered => read(&self.gathered.borrow()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_packet_does_not_cost_memory_for_ever() {
        let lending = Lending::default();
        let long = vec![7; KEPT_GATHERED_BYTES + 1];
        let packet = lending.lend(&long);
        assert!(lending.read(packet, |bytes| bytes == long));
        let packet = lending.lend(b"short");
        assert!(lending.read(packet, |bytes| bytes == b"short"));
        assert!(lending.gathered.borrow().capacity() <= KEPT_GATHERED_BYTES);
    }
}
