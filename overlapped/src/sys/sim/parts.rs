//! The memory of an operation's buffers, from which and into which this backend copies in its turns.

use crate::buf::AnyBuf;

/// The most parts that one request moves, as of a system; the driver resumes behind them.
const MOST_PARTS: usize = 1024;

/// Where the bytes of a buffer are, part after part.
pub(super) struct Parts(Vec<(*mut u8, usize)>);

impl Parts {
    /// The parts of `buf` from byte `skip` on. The buffer outlives the request that has them, and nobody else uses it meanwhile.
    pub(super) fn of(buf: &mut AnyBuf, mut skip: u64) -> Parts {
        let mut parts = Vec::new();
        buf.each(&mut |ptr, len| {
            if skip >= len as u64 {
                skip -= len as u64;
                return true;
            }
            // SAFETY: within the part.
            parts.push((unsafe { ptr.add(skip as usize) }, len - skip as usize));
            skip = 0;
            parts.len() < MOST_PARTS
        });
        Parts(parts)
    }

    /// How many bytes there are, but never more than one event can tell of.
    pub(super) fn len(&self) -> usize {
        let all = self.0.iter().fold(0usize, |sum, (_, len)| sum.saturating_add(*len));
        all.min(1 << 30)
    }

    /// The first `bytes` bytes, of which there are at least so many.
    pub(super) fn read(&self, bytes: usize) -> Vec<u8> {
        let mut read = Vec::with_capacity(bytes);
        for (ptr, len) in &self.0 {
            let here = (*len).min(bytes - read.len());
            // SAFETY: a part of a send's buffer, which the operation owns and nobody writes to: see `of`.
            read.extend_from_slice(unsafe { std::slice::from_raw_parts(*ptr, here) });
        }
        read
    }

    /// Writes over the first bytes, of which there are at least so many.
    pub(super) fn fill(&mut self, mut bytes: &[u8]) {
        for (ptr, len) in &self.0 {
            let (here, rest) = bytes.split_at(bytes.len().min(*len));
            // SAFETY: a part of a receive's buffer, which the operation owns and nobody else uses: see `of`.
            unsafe { std::ptr::copy_nonoverlapping(here.as_ptr(), *ptr, here.len()) };
            bytes = rest;
        }
    }
}
