//! The program's buffers. What a `WSABUF` array says is captured when the operation starts: the
//! array may lie on the caller's stack.

use overlapped::buf::Lent;

use crate::abi::WsaBuf;

const INLINE: usize = 4;

/// The parts of an operation's memory.
pub(crate) struct Memory {
    few: [libc::iovec; INLINE],
    count: usize,
    many: Vec<libc::iovec>,
    total: usize,
}

// SAFETY: the memory is lent to the operation by the program, on whatever thread it goes on.
unsafe impl Send for Memory {}

const NOTHING: libc::iovec = libc::iovec { iov_base: std::ptr::null_mut(), iov_len: 0 };

impl Memory {
    /// # Safety
    /// `bufs` points to `count` descriptors, whose memory is lent until the operation has ended.
    pub(crate) unsafe fn of_bufs(bufs: *const WsaBuf, count: u32) -> Option<Memory> {
        if bufs.is_null() && count > 0 || count > 1 << 20 {
            return None;
        }
        let count = count as usize;
        let mut memory = Memory { few: [NOTHING; INLINE], count, many: Vec::new(), total: 0 };
        for index in 0..count {
            // SAFETY: within the array.
            let buf = unsafe { *bufs.add(index) };
            if buf.buf.is_null() && buf.len > 0 {
                return None;
            }
            memory.push(index, buf.buf, buf.len as usize);
        }
        Some(memory)
    }

    /// # Safety
    /// `len` bytes at `ptr` are lent until the operation has ended.
    pub(crate) unsafe fn of(ptr: *mut u8, len: usize) -> Memory {
        let mut memory = Memory { few: [NOTHING; INLINE], count: 1, many: Vec::new(), total: 0 };
        memory.push(0, ptr, len);
        memory
    }

    fn push(&mut self, index: usize, ptr: *mut u8, len: usize) {
        let part = libc::iovec { iov_base: ptr.cast(), iov_len: len };
        self.total += len;
        if self.count <= INLINE {
            self.few[index] = part;
        } else {
            self.many.push(part);
        }
    }

    pub(crate) fn parts(&self) -> &[libc::iovec] {
        if self.count <= INLINE { &self.few[..self.count] } else { &self.many }
    }

    pub(crate) fn total(&self) -> usize {
        self.total
    }

    /// For an operation of the driver's, without the first bytes.
    pub(crate) fn lend(&self, behind: usize) -> Lent {
        let parts = self.parts().iter().map(|part| (part.iov_base.cast(), part.iov_len));
        // SAFETY: as the maker of this has promised.
        unsafe { Lent::new(parts) }.behind(behind)
    }

    /// Whether some of it lies in a stretch of addresses.
    pub(crate) fn lies_in(&self, addresses: &std::ops::Range<usize>) -> bool {
        let overlaps = |part: &libc::iovec| {
            let start = part.iov_base as usize;
            start < addresses.end && addresses.start < start + part.iov_len
        };
        self.parts().iter().any(overlaps)
    }
}
