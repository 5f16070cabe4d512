//! Memory that belongs to somebody else, lent to an operation.

use smallvec::SmallVec;

use super::kinds::{RecvBuf, SendBuf};

/// Memory that a program in another language lends to an operation: pointers and lengths, which
/// this neither frees nor keeps alive. It is for interfaces whose caller promises that its buffers
/// stay where they are until the operation's end has been told, as Winsock's does.
///
/// ```
/// use overlapped::buf::Lent;
/// use overlapped::driver::Wait;
/// use overlapped::Engine;
/// # use std::net::TcpStream;
/// # use std::io::Write;
///
/// # let engine = Engine::new()?;
/// # let listener = engine.listen("127.0.0.1:0", &Default::default())?;
/// # let mut client = TcpStream::connect(listener.local_addr()?).unwrap();
/// # let socket = listener.accept().start()?.result(Wait::Forever)?.socket;
/// # client.write_all(b"hi").unwrap();
/// let mut memory = [0u8; 8];
/// // SAFETY: `memory` outlives the operation, whose end is waited for, and is not used meanwhile.
/// let lent = unsafe { Lent::new([(memory.as_mut_ptr(), memory.len())]) };
/// let bytes = socket.recv(lent).start()?.result(Wait::Forever)?.bytes;
/// assert_eq!(&memory[..bytes], b"hi");
/// # Ok::<(), overlapped::Error>(())
/// ```
#[derive(Debug)]
pub struct Lent(SmallVec<[Part; 1]>);

#[derive(Clone, Copy, Debug)]
struct Part {
    ptr: *mut u8,
    len: usize,
}

// SAFETY: its maker has promised that the memory is the operation's, on whatever thread.
unsafe impl Send for Lent {}

impl Lent {
    /// Lends memory: the start and the length of each part, in order. The list itself is copied.
    ///
    /// # Safety
    /// From here until the operation that is given it has ended, and that has been told, or until
    /// it is dropped without having been started:
    /// - every part stays allocated;
    /// - to be received into, a part may be written to, and nobody else reads or writes it;
    /// - to be sent, a part is initialised, and nobody writes to it.
    ///
    /// A part of length 0 may have any pointer.
    pub unsafe fn new(parts: impl IntoIterator<Item = (*mut u8, usize)>) -> Lent {
        let dangling = std::ptr::NonNull::dangling().as_ptr();
        let part = |(ptr, len)| Part { ptr: if len == 0 { dangling } else { ptr }, len };
        Lent(parts.into_iter().map(part).collect())
    }

    /// The same memory without its first bytes.
    pub fn behind(mut self, mut bytes: usize) -> Lent {
        for part in &mut self.0 {
            let here = bytes.min(part.len);
            // SAFETY: within the part, or at its end.
            part.ptr = unsafe { part.ptr.add(here) };
            part.len -= here;
            bytes -= here;
        }
        self
    }
}

// SAFETY: their maker has promised that the parts stay as they are; they do not lie in the
// value, unless there is one part, whose pointer and length do, and not its bytes.
unsafe impl SendBuf for Lent {
    fn parts(&self) -> usize {
        self.0.len()
    }
    fn part(&self, i: usize) -> (*const u8, usize) {
        (self.0[i].ptr, self.0[i].len)
    }
}

// SAFETY: as above.
unsafe impl RecvBuf for Lent {
    fn parts(&self) -> usize {
        self.0.len()
    }
    fn part_mut(&mut self, i: usize) -> (*mut u8, usize) {
        (self.0[i].ptr, self.0[i].len)
    }
    unsafe fn set_received(&mut self, _: usize) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::buf::AnyBuf;

    #[test]
    fn parts_are_those_that_were_lent() {
        let (mut a, mut b) = ([1u8, 2], [3u8, 4, 5]);
        // SAFETY: the arrays outlive the value.
        let lent = unsafe { Lent::new([(a.as_mut_ptr(), 2), (std::ptr::null_mut(), 0), (b.as_mut_ptr(), 3)]) };
        let lent = lent.behind(3);
        assert_eq!(SendBuf::part(&lent, 2), (b[1..].as_ptr(), 2));
        assert_eq!(AnyBuf::to_send(lent).total(), 2);
    }
}
