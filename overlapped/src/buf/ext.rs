//! Parts of buffers: a range of the contents, and the room behind them.

use std::ops::{Bound, RangeBounds};

use super::kinds::SendBuf;
use super::slice::Slice;
use super::spare::{Spare, SpareBuf};

/// Names a part of a buffer, for an operation that is to use only that: `WSABUF { buf + start, len
/// }`. The operation owns the whole buffer meanwhile, and gives it back at its end.
///
/// ```
/// use overlapped::Engine;
/// use overlapped::buf::BufExt;
/// use overlapped::driver::{Flags, Wait};
/// use std::{io::Write, net::TcpStream};
///
/// let engine = Engine::new()?;
/// let listener = engine.listen("127.0.0.1:0", &Default::default())?;
/// let mut client = TcpStream::connect(listener.local_addr()?).unwrap();
/// let socket = listener.accept().start()?.result(Wait::Forever)?.socket;
/// client.write_all(b"\0\0\0\x05hello").unwrap();
///
/// // A buffer that is used again. Into its first four bytes, and not one more:
/// let buf = vec![0u8; 1024];
/// let header = socket.recv_with(buf.slice(..4), Flags::WAIT_ALL).start()?.result(Wait::Forever)?;
/// let buf = header.buf.into_inner();
/// assert_eq!((&buf[..4], buf.len()), (&[0, 0, 0, 5][..], 1024));
///
/// // Behind what is there: at most 5 bytes more.
/// let message = b"> ".to_vec();
/// let receive = socket.recv_with(message.spare(5), Flags::WAIT_ALL);
/// let received = receive.start()?.result(Wait::Forever)?;
/// assert_eq!((received.bytes, &received.buf.into_inner()[..]), (5, &b"> hello"[..]));
///
/// // Of a send: the bytes behind the first two.
/// let sent = socket.send(b"> hello".to_vec().slice(2..)).start()?.result(Wait::Forever)?;
/// assert_eq!((sent.bytes, &sent.buf.into_inner()[..]), (5, &b"> hello"[..]));
/// # Ok::<(), overlapped::Error>(())
/// ```
///
/// # Pieces of any kind
///
/// A slice of a list of buffers is a range of all their bytes, one after the other; it can be sent.
/// Lists of slices scatter and gather:
///
/// ```
/// use overlapped::buf::{BufExt, SendBuf};
///
/// let list = vec![b"one".to_vec(), b"two".to_vec(), b"three".to_vec()];
/// assert_eq!(list.slice(2..7).parts(), 3);
/// let pieces = [b"heading\r\n".to_vec().slice(..7), b"a body".to_vec().slice(2..)];
/// assert_eq!(pieces.parts(), 2);
/// ```
pub trait BufExt: SendBuf + Sized {
    /// A range of the contents.
    ///
    /// A receive into it fills exactly these bytes, never the spare capacity, and does not change
    /// the buffer's length: [`Received::bytes`](crate::engine::Received::bytes) says how far it
    /// came. For memory that is not contents yet use [`spare`](BufExt::spare).
    ///
    /// An empty range is a buffer without room.
    ///
    /// # Panics
    /// As for a slice: if the range ends before it begins, or behind the contents.
    #[track_caller]
    fn slice(self, range: impl RangeBounds<usize>) -> Slice<Self> {
        let start = match range.start_bound() {
            Bound::Included(start) => *start,
            Bound::Excluded(before) => before.checked_add(1).expect("a range that begins behind usize::MAX"),
            Bound::Unbounded => 0,
        };
        let end = match range.end_bound() {
            Bound::Included(last) => Some(last.checked_add(1).expect("a range that includes usize::MAX")),
            Bound::Excluded(end) => Some(*end),
            Bound::Unbounded => None,
        };
        Slice::new(self, start, end)
    }

    /// Room for `bytes` bytes behind the contents, to be received into.
    ///
    /// At most so many are received, and they are appended to the contents; with
    /// [`Flags::WAIT_ALL`](crate::driver::Flags::WAIT_ALL) exactly so many. A peek appends too. If
    /// the capacity does not suffice it grows, as by `reserve`. To use what there is, pass
    /// `buf.capacity() - buf.len()`.
    ///
    /// # Panics
    /// As for `reserve`: if the buffer would be too long.
    fn spare(self, bytes: usize) -> Spare<Self>
    where
        Self: SpareBuf,
    {
        Spare::new(self, bytes)
    }
}

impl<B: SendBuf> BufExt for B {}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use proptest::prelude::*;

    use super::*;
    use crate::buf::{AnyBuf, RecvBuf, SendBuf};

    /// The bytes that a send of a buffer sends.
    fn sent<B: SendBuf>(buf: &B) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut parts = 0;
        assert!(buf.each_part(&mut |ptr, len| {
            assert_eq!(buf.part(parts), (ptr, len));
            parts += 1;
            // SAFETY: a part of a buffer that nobody changes.
            bytes.extend_from_slice(unsafe { std::slice::from_raw_parts(ptr, len) });
            true
        }));
        assert_eq!(buf.parts(), parts);
        bytes
    }

    /// Receives bytes into a buffer.
    fn receive<B: RecvBuf>(buf: &mut B, bytes: &[u8]) {
        let mut left = bytes;
        buf.each_part_mut(&mut |ptr, len| {
            let (here, rest) = left.split_at(len.min(left.len()));
            // SAFETY: within the part.
            unsafe { std::ptr::copy_nonoverlapping(here.as_ptr(), ptr, here.len()) };
            left = rest;
            true
        });
        assert!(left.is_empty(), "there is room");
        // SAFETY: so many were just written.
        unsafe { buf.set_received(bytes.len()) };
    }

    #[test]
    fn a_receive_into_a_slice_fills_those_bytes_and_keeps_the_length() {
        fn check<B: super::super::SliceBuf + From<Vec<u8>>>(read: impl Fn(&B) -> Vec<u8>) {
            let mut slice = B::from(b"abcdefgh".to_vec()).slice(2..5);
            assert_eq!((slice.part_mut(0).1, slice.range()), (3, 2..5));
            receive(&mut slice, b"12");
            assert_eq!(sent(&slice), b"12e");
            assert_eq!(read(&slice.into_inner()), b"ab12efgh");
        }
        check::<Vec<u8>>(Clone::clone);
        check::<Box<[u8]>>(|b| b.to_vec());
        let mut spacious = Vec::with_capacity(4096);
        spacious.extend_from_slice(b"abcd");
        assert_eq!(spacious.slice(..).part_mut(0).1, 4, "not the capacity");
        let mut slice = BytesMut::from(&b"abcd"[..]).slice(1..=2);
        receive(&mut slice, b"12");
        assert_eq!(slice.into_inner(), &b"a12d"[..]);
    }

    #[test]
    fn a_receive_into_spare_room_appends_and_takes_no_more() {
        let mut buf = Vec::with_capacity(4096);
        buf.extend_from_slice(b"ab");
        let mut spare = buf.spare(3);
        assert_eq!(spare.part_mut(0).1, 3, "not the capacity");
        receive(&mut spare, b"cd");
        assert_eq!(spare.into_inner(), b"abcd");
        let mut spare = BytesMut::new().spare(5000);
        assert_eq!(spare.part_mut(0).1, 5000, "it has grown");
        receive(&mut spare, b"abc");
        let mut spare = spare.into_inner().spare(2);
        receive(&mut spare, b"de");
        assert_eq!(spare.into_inner(), &b"abcde"[..]);
    }

    #[test]
    fn a_buffer_that_was_split_gives_room_behind_its_own_contents_only() {
        let mut front = BytesMut::with_capacity(64);
        front.extend_from_slice(b"0123456789");
        let back = front.split_off(4);
        let mut spare = front.spare(8);
        receive(&mut spare, b"abcdefgh");
        assert_eq!((&spare.into_inner()[..], &back[..]), (&b"0123abcdefgh"[..], &b"456789"[..]));
    }

    #[test]
    fn small_handles_of_parts_need_no_allocation_and_keep_their_addresses() {
        fn check<B: RecvBuf>(mut buf: B) {
            assert!(size_of::<B>() <= 6 * size_of::<usize>());
            let before = buf.part_mut(0);
            let mut moved = [AnyBuf::to_recv(buf)];
            assert_eq!(moved[0].part(0), before);
        }
        check(vec![0; 8].slice(1..3));
        check(BytesMut::zeroed(8).slice(1..3));
        check(vec![0; 8].spare(3));
        check(BytesMut::zeroed(8).spare(3));
    }

    #[test]
    fn an_empty_slice_is_a_buffer_without_room() {
        let mut slice = b"ab".to_vec().slice(1..1);
        assert_eq!((SendBuf::parts(&slice), sent(&slice), slice.part_mut(0).1), (1, vec![], 0));
        assert_eq!(SendBuf::parts(&Vec::<Vec<u8>>::new().slice(..)), 1);
    }

    #[test]
    #[should_panic(expected = "range end index 5 out of range for a buffer of 4 bytes")]
    fn a_slice_beyond_the_contents_panics_although_there_is_capacity() {
        let mut buf = Vec::with_capacity(64);
        buf.extend_from_slice(b"abcd");
        buf.slice(2..5);
    }

    #[test]
    #[should_panic(expected = "slice index starts at 3 but ends at 2")]
    #[expect(clippy::reversed_empty_ranges, reason = "that is what is tested")]
    fn a_slice_that_ends_before_it_begins_panics() {
        b"abcd".to_vec().slice(3..2);
    }

    #[test]
    #[should_panic(expected = "slice index starts at 5 but ends at 4")]
    fn a_slice_that_begins_behind_the_contents_panics() {
        b"abcd".to_vec().slice(5..);
    }

    proptest! {
        #[test]
        fn a_slice_of_a_list_is_a_slice_of_its_bytes(
            list in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..5), 0..8),
            a in any::<prop::sample::Index>(),
            b in any::<prop::sample::Index>(),
        ) {
            let bytes = list.concat();
            let (a, b) = (a.index(bytes.len() + 1), b.index(bytes.len() + 1));
            let (start, end) = (a.min(b), a.max(b));
            let slice = list.slice(start..end);
            prop_assert_eq!(sent(&slice), &bytes[start..end]);
            let inner = (end - start) / 3..(end - start) / 2;
            prop_assert_eq!(sent(&slice.slice(inner.clone())), &bytes[start..end][inner]);
        }
    }
}
