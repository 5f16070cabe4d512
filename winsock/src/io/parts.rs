//! A message of more parts than the system takes in one call: the last ones go over one buffer, so
//! that a datagram is not cut.

use std::borrow::Cow;

use super::memory::Memory;

/// The most parts that one call of the system takes.
const MOST_PARTS: usize = 1024;
/// More bytes than a datagram has. A stream goes on behind them.
const MOST_BYTES: usize = 1 << 16;

pub(super) struct Parts<'a> {
    parts: Cow<'a, [libc::iovec]>,
    /// What `gathered` stands for.
    last: &'a [libc::iovec],
    gathered: Vec<u8>,
}

impl<'a> Parts<'a> {
    fn new(parts: &'a [libc::iovec]) -> Parts<'a> {
        if parts.len() <= MOST_PARTS {
            return Parts { parts: Cow::Borrowed(parts), last: &[], gathered: Vec::new() };
        }
        let (first, last) = parts.split_at(MOST_PARTS - 1);
        Parts { parts: Cow::Owned(first.to_vec()), last, gathered: Vec::new() }
    }

    fn add_gathered(&mut self) {
        let (iov_base, iov_len) = (self.gathered.as_mut_ptr().cast(), self.gathered.len());
        self.parts.to_mut().push(libc::iovec { iov_base, iov_len });
    }

    /// # Safety
    /// The memory can be read.
    pub(super) unsafe fn to_send(parts: &'a [libc::iovec]) -> Parts<'a> {
        let mut whole = Parts::new(parts);
        if !whole.last.is_empty() {
            // SAFETY: as the caller promises.
            whole.gathered = unsafe { gather(whole.last, MOST_BYTES) };
            whole.add_gathered();
        }
        whole
    }

    pub(super) fn to_receive(parts: &'a [libc::iovec]) -> Parts<'a> {
        let mut whole = Parts::new(parts);
        if !whole.last.is_empty() {
            let room = whole.last.iter().fold(0usize, |sum, part| sum.saturating_add(part.iov_len));
            whole.gathered = vec![0; room.min(MOST_BYTES)];
            whole.add_gathered();
        }
        whole
    }

    /// Puts what was received where it belongs.
    ///
    /// # Safety
    /// The memory can be written to.
    pub(super) unsafe fn received(&self, bytes: usize) {
        if self.last.is_empty() {
            return;
        }
        let first = self.parts[..MOST_PARTS - 1].iter().map(|part| part.iov_len).sum::<usize>();
        let mut left = &self.gathered[..bytes.saturating_sub(first).min(self.gathered.len())];
        for part in self.last {
            let (here, behind) = left.split_at(part.iov_len.min(left.len()));
            // SAFETY: as the caller promises.
            unsafe { std::ptr::copy_nonoverlapping(here.as_ptr(), part.iov_base.cast(), here.len()) };
            left = behind;
        }
    }

    pub(super) fn header(&self) -> libc::msghdr {
        // SAFETY: a message without anything is all zeros.
        let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
        message.msg_iov = self.parts.as_ptr().cast_mut();
        message.msg_iovlen = self.parts.len();
        message
    }
}

/// The bytes of these parts, at most so many.
unsafe fn gather(parts: &[libc::iovec], most: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    for part in parts {
        let here = part.iov_len.min(most - bytes.len());
        if here > 0 {
            // SAFETY: the memory can be read.
            bytes.extend_from_slice(unsafe { std::slice::from_raw_parts(part.iov_base.cast::<u8>(), here) });
        }
    }
    bytes
}

/// A datagram of more parts than the driver sends at once, in one; `None` if it has fewer.
///
/// # Safety
/// The memory can be read.
pub(super) unsafe fn gathered(memory: &Memory) -> Option<Vec<u8>> {
    // SAFETY: as the caller promises.
    (memory.parts().len() > MOST_PARTS).then(|| unsafe { gather(memory.parts(), MOST_BYTES) })
}
