//! A range of a buffer's contents, as a buffer.

use std::fmt;
use std::ops::Range;
use std::ptr::NonNull;

use bytes::BytesMut;

use super::kinds::{RecvBuf, SendBuf};

/// A buffer whose contents lie in one piece, so that a [slice](crate::buf::BufExt::slice) of them
/// can be received into.
///
/// Implemented for `Vec<u8>`, `Box<[u8]>` and [`BytesMut`].
///
/// # Safety
///
/// What `contents_mut` names is the only part that [`SendBuf`] names. For this memory the value
/// keeps the contract of [`RecvBuf`], and `contents_mut` answers the same each time.
pub unsafe trait SliceBuf: SendBuf + RecvBuf {
    /// Where the contents begin, and how many bytes they have.
    fn contents_mut(&mut self) -> (*mut u8, usize);
}

macro_rules! slices {
    ($($type:ty),*) => {$(
        // SAFETY: the bytes lie on the heap; nobody else uses them while the operation holds the
        // handle.
        unsafe impl SliceBuf for $type {
            fn contents_mut(&mut self) -> (*mut u8, usize) {
                (self.as_mut_ptr(), self.len())
            }
        }
    )*};
}

slices!(Vec<u8>, Box<[u8]>, BytesMut);

/// A range of a buffer's contents, as a buffer of its own: made by
/// [`BufExt::slice`](crate::buf::BufExt::slice).
///
/// A send sends those bytes. A receive fills those bytes, from the first on, and no others; the
/// buffer keeps its length. When the operation has ended, [`into_inner`](Slice::into_inner) gives
/// the whole buffer back.
pub struct Slice<B> {
    buf: B,
    start: usize,
    len: usize,
}

impl<B: SendBuf> Slice<B> {
    #[track_caller]
    pub(super) fn new(buf: B, start: usize, end: Option<usize>) -> Slice<B> {
        let mut bytes = 0;
        buf.each_part(&mut |_, len| {
            bytes += len;
            true
        });
        let end = end.unwrap_or(bytes);
        assert!(start <= end, "slice index starts at {start} but ends at {end}");
        assert!(end <= bytes, "range end index {end} out of range for a buffer of {bytes} bytes");
        Slice { buf, start, len: end - start }
    }
}

impl<B> Slice<B> {
    /// The whole buffer.
    pub fn into_inner(self) -> B {
        self.buf
    }

    /// The whole buffer, to look at.
    pub fn get_ref(&self) -> &B {
        &self.buf
    }

    /// Which bytes of the buffer's contents these are.
    pub fn range(&self) -> Range<usize> {
        self.start..self.start + self.len
    }
}

// SAFETY: the parts are within the buffer's own, which keep the contract. A slice does not change
// the buffer.
unsafe impl<B: SendBuf> SendBuf for Slice<B> {
    fn parts(&self) -> usize {
        let mut parts = 0;
        self.each_part(&mut |_, _| {
            parts += 1;
            true
        });
        parts
    }

    fn part(&self, i: usize) -> (*const u8, usize) {
        let (mut at, mut found) = (0, None);
        self.each_part(&mut |ptr, len| {
            found = (at == i).then_some((ptr, len));
            at += 1;
            found.is_none()
        });
        found.expect("no such part")
    }

    /// The parts that have a byte in the slice. One without bytes, if none has.
    fn each_part(&self, see: &mut dyn FnMut(*const u8, usize) -> bool) -> bool {
        if self.len == 0 {
            return see(NonNull::dangling().as_ptr(), 0);
        }
        let (mut skip, mut left, mut wanted) = (self.start, self.len, true);
        self.buf.each_part(&mut |ptr, len| {
            if skip >= len {
                skip -= len;
                return true;
            }
            let here = left.min(len - skip);
            // SAFETY: within the part.
            wanted = see(unsafe { ptr.add(skip) }, here);
            skip = 0;
            left -= here;
            wanted && left > 0
        });
        wanted
    }
}

// SAFETY: the part is within the contents, which keep the contract. Their length stays as it is,
// and they are initialised.
unsafe impl<B: SliceBuf> RecvBuf for Slice<B> {
    fn parts(&self) -> usize {
        1
    }

    fn part_mut(&mut self, i: usize) -> (*mut u8, usize) {
        assert_eq!(i, 0, "a slice to be received into has one part");
        let (ptr, bytes) = self.buf.contents_mut();
        assert!(self.start + self.len <= bytes, "the contents are as they were when the slice was made");
        // SAFETY: within the contents, as just checked.
        (unsafe { ptr.add(self.start) }, self.len)
    }

    unsafe fn set_received(&mut self, _bytes: usize) {}
}

impl<B> fmt::Debug for Slice<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Slice({:?} of {})", self.range(), std::any::type_name::<B>())
    }
}
