//! The bytes that a room has said, in one ring of memory. A place in it is a number of bytes from
//! the beginning.

use std::ptr::NonNull;

use crate::buffers::pages;

/// A power of two. What is further back than this is overwritten.
pub(crate) const LOG_BYTES: u64 = 4 * 1024 * 1024;

/// Never freed: the kernel may read from it for as long as the process runs.
pub(crate) struct Log {
    memory: NonNull<u8>,
    end: u64,
}

impl Log {
    pub(crate) fn new() -> Self {
        Self { memory: pages(LOG_BYTES as usize), end: 0 }
    }

    pub(crate) fn end(&self) -> u64 {
        self.end
    }

    /// Nobody may be about to read what is overwritten: the bytes further back than [`LOG_BYTES`]
    /// from the new end.
    pub(crate) fn append(&mut self, bytes: &[u8]) {
        assert!(bytes.len() as u64 <= LOG_BYTES, "a packet is smaller than the log");
        let at = (self.end % LOG_BYTES) as usize;
        let (before, after) = bytes.split_at(bytes.len().min(LOG_BYTES as usize - at));
        // SAFETY: both parts end within the memory, which nothing has a reference into; the kernel
        // reads only what members have in flight, which is not overwritten.
        unsafe {
            self.memory.add(at).copy_from_nonoverlapping(NonNull::from(before).cast(), before.len());
            self.memory.copy_from_nonoverlapping(NonNull::from(after).cast(), after.len());
        }
        self.end += bytes.len() as u64;
    }

    /// Where the bytes from `start` to `end` lie, and how many of them follow each other in memory.
    pub(crate) fn contiguous(&self, start: u64, end: u64) -> (*const u8, u32) {
        debug_assert!(start < end && end <= self.end && self.end - start <= LOG_BYTES, "what the log has");
        let at = start % LOG_BYTES;
        (self.memory.as_ptr().wrapping_add(at as usize), (end - start).min(LOG_BYTES - at) as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(log: &Log, mut start: u64, end: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        while start < end {
            let (address, length) = log.contiguous(start, end);
            // SAFETY: the log has these bytes, and is not appended to meanwhile.
            bytes.extend_from_slice(unsafe { std::slice::from_raw_parts(address, length as usize) });
            start += u64::from(length);
        }
        bytes
    }

    #[test]
    fn records_are_read_across_the_end_of_the_memory() {
        let mut log = Log::new();
        let said: Vec<u8> = (0..1000u32).map(|byte| byte as u8).collect();
        while log.end() < 3 * LOG_BYTES {
            let start = log.end();
            log.append(&said);
            assert_eq!(read(&log, start, log.end()), said);
        }
        let oldest = log.end() - LOG_BYTES;
        assert_eq!(read(&log, oldest, log.end()).len() as u64, LOG_BYTES);
    }
}
