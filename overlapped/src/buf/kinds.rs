//! What a buffer must promise so that an operation can own it: for sending, and for receiving.

use bytes::{Bytes, BytesMut};

/// Bytes that can be sent: one part, or several that leave one after the other (gather).
///
/// Implemented for `Vec<u8>`, `Box<[u8]>`, [`Bytes`], [`BytesMut`], `&'static [u8]`, `&'static [u8;
/// N]` (byte string literals), `&'static str`, `String`, [slices](crate::buf::Slice) of any
/// of these, and arrays and vectors of them. A list may have any number of parts; for one with more
/// than 1,024 a stream's operation needs 16 bytes a part while it is in flight.
///
/// # Safety
///
/// Between calls of `&mut self` methods of the value, for every `i < parts()`, the memory that
/// `part(i)` names
/// - is initialised, stays allocated and is not written to,
/// - stays where it is when the value is moved (it must not lie inside the value itself),
/// - and `parts`, `part` and `each_part` answer the same each time.
pub unsafe trait SendBuf: 'static {
    /// How many parts there are.
    fn parts(&self) -> usize;
    /// Where part `i` begins and how many bytes it has. Panics if `i` is not less than `parts()`.
    fn part(&self, i: usize) -> (*const u8, usize);
    /// Calls `see` with every part in order, until it returns `false`; returns whether it never
    /// did. For buffers that find their next part faster than a part by number.
    fn each_part(&self, see: &mut dyn FnMut(*const u8, usize) -> bool) -> bool {
        (0..self.parts()).all(|i| {
            let (ptr, len) = self.part(i);
            see(ptr, len)
        })
    }
}

/// Memory that can be received into: one part, or several that are filled one after the other
/// (scatter).
///
/// A receive overwrites a buffer **from its start** and may use its whole capacity; afterwards a
/// growable buffer's length is what was received. So `Vec::with_capacity(4096)` and `vec![0; 4096]`
/// both receive up to 4096 bytes, and a buffer can be used again without clearing it. A receive
/// that fails leaves the lengths as they were.
///
/// The capacity may be larger than what was asked for, and a buffer that was used for something
/// large stays large. With [`Flags::WAIT_ALL`](crate::driver::Flags::WAIT_ALL) the receive then
/// waits for all of that, or takes bytes of the next message. For an exact number of bytes, and for
/// bytes behind others, use a part of a buffer: [`buf.slice(a..b)`](crate::buf::BufExt::slice) is
/// those bytes of the contents, [`buf.spare(n)`](crate::buf::BufExt::spare) is room for `n` bytes
/// behind the contents.
///
/// Implemented for `Vec<u8>`, `Box<[u8]>` (all of it; length unchanged), [`BytesMut`],
/// [slices](crate::buf::Slice) and [spare room](crate::buf::Spare), and arrays and vectors of any
/// of these.
///
/// # Safety
///
/// Between other calls of `&mut self` methods of the value, for every `i < parts()`, the memory
/// that `part_mut(i)` names
/// - stays allocated and is neither read nor written by anyone else,
/// - stays where it is when the value is moved (it must not lie inside the value itself),
/// - and `parts`, `part_mut` and `each_part_mut` answer the same each time.
pub unsafe trait RecvBuf: 'static {
    /// How many parts there are.
    fn parts(&self) -> usize;
    /// Where part `i` begins and how many bytes fit. Panics if `i` is not less than `parts()`.
    fn part_mut(&mut self, i: usize) -> (*mut u8, usize);
    /// Calls `see` with every part in order, until it returns `false`; returns whether it never
    /// did. For buffers that find their next part faster than a part by number.
    fn each_part_mut(&mut self, see: &mut dyn FnMut(*mut u8, usize) -> bool) -> bool {
        (0..self.parts()).all(|i| {
            let (ptr, len) = self.part_mut(i);
            see(ptr, len)
        })
    }
    /// Is called with the number of bytes that were received, in the order of the parts.
    ///
    /// # Safety
    ///
    /// That many bytes of the parts, in order, have been initialised.
    unsafe fn set_received(&mut self, bytes: usize);
}

macro_rules! single_send {
    ($($type:ty => |$this:ident| $slice:expr;)*) => {$(
        // SAFETY: the bytes lie on the heap (or are static), where moving the handle does not move
        // them; the operation holds the handle, so nobody writes to them.
        unsafe impl SendBuf for $type {
            fn parts(&self) -> usize {
                1
            }
            fn part(&self, i: usize) -> (*const u8, usize) {
                assert_eq!(i, 0, "a single buffer has one part");
                let $this = self;
                let slice: &[u8] = $slice;
                (slice.as_ptr(), slice.len())
            }
        }
    )*};
}

single_send! {
    Vec<u8> => |b| b;
    Box<[u8]> => |b| b;
    String => |b| b.as_bytes();
    &'static [u8] => |b| b;
    &'static str => |b| b.as_bytes();
}

// SAFETY: as for `single_send`: the bytes are static.
unsafe impl<const N: usize> SendBuf for &'static [u8; N] {
    fn parts(&self) -> usize {
        1
    }
    fn part(&self, i: usize) -> (*const u8, usize) {
        assert_eq!(i, 0, "a single buffer has one part");
        (self.as_ptr(), N)
    }
}

// Version 1 of `bytes` never keeps the bytes of a small `Bytes` or `BytesMut` inline: the handle is
// a pointer and a length into shared or static memory. A test of `AnyBuf` checks that.
single_send! {
    Bytes => |b| b;
    BytesMut => |b| b;
}

macro_rules! growable_recv {
    ($($type:ty),*) => {$(
        // SAFETY: as for `single_send`; the whole capacity is the handle's own heap memory.
        unsafe impl RecvBuf for $type {
            fn parts(&self) -> usize {
                1
            }
            fn part_mut(&mut self, i: usize) -> (*mut u8, usize) {
                assert_eq!(i, 0, "a single buffer has one part");
                (self.as_mut_ptr(), self.capacity())
            }
            unsafe fn set_received(&mut self, bytes: usize) {
                debug_assert!(bytes <= self.capacity());
                // SAFETY: the caller says that so many bytes from the start are initialised; they
                // came within the capacity.
                unsafe { self.set_len(bytes) }
            }
        }
    )*};
}

growable_recv!(Vec<u8>, BytesMut);

// SAFETY: as for `Vec<u8>`; the whole slice is initialised already.
unsafe impl RecvBuf for Box<[u8]> {
    fn parts(&self) -> usize {
        1
    }
    fn part_mut(&mut self, i: usize) -> (*mut u8, usize) {
        assert_eq!(i, 0, "a single buffer has one part");
        (self.as_mut_ptr(), self.len())
    }
    unsafe fn set_received(&mut self, _bytes: usize) {}
}

macro_rules! sequences {
    ($([$($generics:tt)*] $type:ty;)*) => {$(
        // SAFETY: each part comes from an element that keeps the contract. The elements may be
        // moved; their memory is not.
        unsafe impl<$($generics)*> SendBuf for $type where B: SendBuf {
            fn parts(&self) -> usize {
                self.iter().map(SendBuf::parts).sum()
            }
            fn part(&self, mut i: usize) -> (*const u8, usize) {
                for buf in self.iter() {
                    match buf.parts() {
                        n if i < n => return buf.part(i),
                        n => i -= n,
                    }
                }
                panic!("no such part");
            }
            fn each_part(&self, see: &mut dyn FnMut(*const u8, usize) -> bool) -> bool {
                self.iter().all(|buf| buf.each_part(see))
            }
        }
        // SAFETY: as above.
        unsafe impl<$($generics)*> RecvBuf for $type where B: RecvBuf {
            fn parts(&self) -> usize {
                self.iter().map(RecvBuf::parts).sum()
            }
            fn part_mut(&mut self, mut i: usize) -> (*mut u8, usize) {
                for buf in self.iter_mut() {
                    match buf.parts() {
                        n if i < n => return buf.part_mut(i),
                        n => i -= n,
                    }
                }
                panic!("no such part");
            }
            fn each_part_mut(&mut self, see: &mut dyn FnMut(*mut u8, usize) -> bool) -> bool {
                self.iter_mut().all(|buf| buf.each_part_mut(see))
            }
            unsafe fn set_received(&mut self, mut bytes: usize) {
                for buf in self.iter_mut() {
                    let mut room = 0;
                    buf.each_part_mut(&mut |_, len| {
                        room += len;
                        true
                    });
                    let here = bytes.min(room);
                    // SAFETY: parts are filled in order, so these bytes of this element are
                    // initialised.
                    unsafe { buf.set_received(here) };
                    bytes -= here;
                }
            }
        }
    )*};
}

sequences! {
    [B, const N: usize] [B; N];
    [B] Vec<B>;
}
