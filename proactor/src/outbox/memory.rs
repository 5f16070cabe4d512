//! Memory of sends that is used again.

use overlapped::buf::{AnyBuf, Packet};
use overlapped::log::{Gather, LogSlice};

use super::take::Taken;
use crate::group::domain::BroadcastHeader;

/// Buffers, and gathers, that are kept.
const SPARE_BUFFERS: usize = 256;
/// The largest buffer that is kept.
const SPARE_BYTES: usize = 64 * 1024;
/// Larger buffers that are kept besides, up to this size: fresh memory of that size would be mapped
/// and cleared by the kernel for every send.
const SPARE_LARGE: usize = 16;
const SPARE_LARGE_BYTES: usize = 512 * 1024;
/// What begins with as many bytes becomes larger than a usual buffer, as a rule.
const LARGE_FROM: usize = 8 * 1024;
/// The most pieces of a gather that is kept.
const SPARE_PIECES: usize = 128;

/// What a shard's outboxes and sends take their memory from, and give it back to.
#[derive(Default)]
pub(crate) struct SendMemory {
    buffers: Vec<Vec<u8>>,
    large: Vec<Vec<u8>>,
    gathers: Vec<Gather<BroadcastHeader>>,
    packets: Vec<Vec<Packet>>,
}

impl SendMemory {
    #[cold]
    pub(crate) fn buffer(&mut self) -> Vec<u8> {
        self.buffers.pop().unwrap_or_default()
    }

    /// A buffer for something that begins with `len` bytes.
    #[cold]
    pub(crate) fn buffer_for(&mut self, len: usize) -> Vec<u8> {
        if len < LARGE_FROM {
            return self.buffer();
        }
        self.large.pop().unwrap_or_else(|| self.buffer())
    }

    pub(crate) fn gather(&mut self) -> Gather<BroadcastHeader> {
        self.gathers.pop().unwrap_or_default()
    }

    pub(crate) fn packets(&mut self) -> Vec<Packet> {
        self.packets.pop().unwrap_or_default()
    }

    /// Takes back the memory of a send that has ended. Returns how many bytes were sent.
    pub(crate) fn recycle(&mut self, buf: Option<AnyBuf>) -> usize {
        let Some(buf) = buf else { return 0 };
        let buf = match buf.take::<LogSlice<BroadcastHeader>>() {
            Ok(slice) => return slice.len(),
            Err(buf) => buf,
        };
        let (len, buffer) = match buf.take::<Vec<u8>>() {
            Ok(buffer) => (buffer.len(), buffer),
            Err(buf) => {
                let gather = match buf.take::<Gather<BroadcastHeader>>() {
                    Ok(gather) => gather,
                    Err(buf) => return self.recycle_packets(buf),
                };
                let len = gather.len();
                self.keep_gather(gather);
                return len;
            }
        };
        self.keep(buffer);
        len
    }

    /// Received packets were sent on: their buffers go back to their pool.
    fn recycle_packets(&mut self, buf: AnyBuf) -> usize {
        let buf = match buf.take::<Packet>() {
            Ok(packet) => return packet.len(),
            Err(buf) => buf,
        };
        let Ok(mut packets) = buf.take::<Vec<Packet>>() else { return 0 };
        let len = packets.iter().map(|packet| packet.len()).sum();
        packets.clear();
        if self.packets.len() < SPARE_BUFFERS && packets.capacity() <= SPARE_PIECES {
            self.packets.push(packets);
        }
        len
    }

    /// Takes back the memory of what was sent without an operation.
    #[inline]
    pub(crate) fn keep_taken(&mut self, taken: Taken) {
        match taken {
            Taken::Bytes(bytes) => self.keep(bytes),
            Taken::Gather(gather) => self.keep_gather(gather),
            Taken::Packet(_) | Taken::Packets(_) | Taken::Slice(_) => {}
        }
    }

    /// Takes back the memory of a gather that is not needed any more.
    pub(crate) fn keep_gather(&mut self, mut gather: Gather<BroadcastHeader>) {
        let pieces = gather.pieces();
        let buffer = gather.clear();
        if self.gathers.len() < SPARE_BUFFERS && pieces <= SPARE_PIECES {
            self.gathers.push(gather);
        }
        self.keep(buffer);
    }

    /// Takes back the memory of a buffer.
    pub(crate) fn keep(&mut self, mut buffer: Vec<u8>) {
        buffer.clear();
        match buffer.capacity() {
            1..=SPARE_BYTES if self.buffers.len() < SPARE_BUFFERS => self.buffers.push(buffer),
            0..=SPARE_BYTES => {}
            ..=SPARE_LARGE_BYTES if self.large.len() < SPARE_LARGE => self.large.push(buffer),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_buffers_of_a_usual_size_and_counts_what_was_sent() {
        let mut memory = SendMemory::default();
        assert_eq!(memory.recycle(Some(AnyBuf::to_send(vec![7; 100]))), 100);
        assert!(memory.buffer().capacity() >= 100, "its memory serves again");
        assert_eq!(memory.recycle(Some(AnyBuf::to_send(vec![7; SPARE_LARGE_BYTES + 1]))), SPARE_LARGE_BYTES + 1);
        assert_eq!(memory.buffer_for(SPARE_BYTES).capacity(), 0, "one long packet does not cost memory for ever");
    }

    #[test]
    fn keeps_a_few_large_buffers_for_what_begins_large() {
        let mut memory = SendMemory::default();
        for _ in 0..SPARE_LARGE + 5 {
            memory.recycle(Some(AnyBuf::to_send(vec![7; SPARE_BYTES + 1])));
        }
        assert_eq!(memory.buffer().capacity(), 0, "what begins small takes no large one");
        for _ in 0..SPARE_LARGE {
            assert!(memory.buffer_for(LARGE_FROM).capacity() > SPARE_BYTES);
        }
        assert_eq!(memory.buffer_for(LARGE_FROM).capacity(), 0);
    }
}
