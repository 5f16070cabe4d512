//! The room behind a buffer's contents, as a buffer.

use std::fmt;

use bytes::BytesMut;

use super::kinds::RecvBuf;

/// A buffer that grows, so that something can be received [behind its
/// contents](crate::buf::BufExt::spare).
///
/// Implemented for `Vec<u8>` and [`BytesMut`].
///
/// # Safety
///
/// For the memory that `spare_mut` names the value keeps the contract of [`RecvBuf`], and
/// `spare_mut` answers the same each time until one of the other two is called. After
/// `reserve_spare(bytes)` it names at least so many bytes.
pub unsafe trait SpareBuf: RecvBuf {
    /// Makes room for at least so many bytes behind the contents.
    fn reserve_spare(&mut self, bytes: usize);

    /// Where the contents end, and how many bytes there is room for.
    fn spare_mut(&mut self) -> (*mut u8, usize);

    /// Makes the first `bytes` of the room a part of the contents.
    ///
    /// # Safety
    ///
    /// They are within the room, and have been initialised.
    unsafe fn grow(&mut self, bytes: usize);
}

macro_rules! spares {
    ($($type:ty),*) => {$(
        // SAFETY: the room is the handle's own, on the heap; nobody else uses it while the
        // operation holds the handle.
        unsafe impl SpareBuf for $type {
            fn reserve_spare(&mut self, bytes: usize) {
                self.reserve(bytes);
            }
            fn spare_mut(&mut self) -> (*mut u8, usize) {
                let spare = self.spare_capacity_mut();
                (spare.as_mut_ptr().cast(), spare.len())
            }
            unsafe fn grow(&mut self, bytes: usize) {
                let len = self.len() + bytes;
                debug_assert!(len <= self.capacity());
                // SAFETY: the caller says that the bytes behind the contents are initialised.
                unsafe { self.set_len(len) }
            }
        }
    )*};
}

spares!(Vec<u8>, BytesMut);

/// The room behind a buffer's contents, as a buffer to be received into: made by
/// [`BufExt::spare`](crate::buf::BufExt::spare).
///
/// What is received is appended to the contents. When the operation has ended,
/// [`into_inner`](Spare::into_inner) gives the buffer back, longer by what was received.
pub struct Spare<B> {
    buf: B,
    room: usize,
}

impl<B: SpareBuf> Spare<B> {
    pub(super) fn new(mut buf: B, room: usize) -> Spare<B> {
        buf.reserve_spare(room);
        Spare { buf, room }
    }
}

impl<B> Spare<B> {
    /// The buffer.
    pub fn into_inner(self) -> B {
        self.buf
    }

    /// The buffer, to look at.
    pub fn get_ref(&self) -> &B {
        &self.buf
    }
}

// SAFETY: the part is within the buffer's room, which keeps the contract.
unsafe impl<B: SpareBuf> RecvBuf for Spare<B> {
    fn parts(&self) -> usize {
        1
    }

    fn part_mut(&mut self, i: usize) -> (*mut u8, usize) {
        assert_eq!(i, 0, "room behind contents is one part");
        let (ptr, room) = self.buf.spare_mut();
        (ptr, self.room.min(room))
    }

    unsafe fn set_received(&mut self, bytes: usize) {
        self.room -= bytes;
        // SAFETY: the caller says that so many bytes of the part are initialised.
        unsafe { self.buf.grow(bytes) }
    }
}

impl<B> fmt::Debug for Spare<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Spare({} bytes behind the contents of {})", self.room, std::any::type_name::<B>())
    }
}
