//! The pool's buffers, offered to the kernel in a ring.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::cell::Cell;
use std::io;
use std::ptr::NonNull;
use std::rc::Rc;
use std::sync::atomic::{AtomicU16, Ordering};

use io_uring::IoUring;
use io_uring::types::{BufRingEntry, RecvMsgOut};

use crate::buf::{Packet, Pool};
use crate::error::{Action, Error};
use crate::report::{Feature, Report};
use crate::sys::message::name_of;
use crate::sys::op::{Failure, Outcome};

/// The buffers that are for one packet each.
const WHOLE: u16 = 0;
/// The buffers that are filled piece by piece.
const PIECES: u16 = 1;
/// `IOU_PBUF_RING_INC`: the kernel fills a buffer piece by piece.
const PIECE_BY_PIECE: u16 = 2;

pub(super) struct BufRing {
    pool: Rc<Pool>,
    group: u16,
    entries: NonNull<BufRingEntry>,
    layout: Layout,
    /// Where the next buffer goes. The kernel sees it when it is stored in the ring.
    tail: u16,
    /// How many of those that are filled piece by piece are in the ring. The others all are.
    share: Option<Share>,
}

impl BufRing {
    pub(super) fn register(ring: &IoUring, pool: Rc<Pool>) -> Result<BufRing, Error> {
        BufRing::offer(ring, pool, WHOLE, 0).map_err(|error| {
            Error::io(Action::Setup, &error).because("io_uring: a ring of provided buffers (Linux 5.19 and newer)")
        })
    }

    /// Buffers for streams, if the kernel knows well enough how to fill them piece by piece.
    pub(super) fn in_pieces(ring: &IoUring, pool: &Pool, known: bool, report: &mut Report) -> Option<BufRing> {
        let (pieces, why) = match pool.config().for_streams() {
            _ if !known => (None, "the kernel does not know them well enough (Linux 6.17)".to_owned()),
            None => (None, "the pool is smaller than 1 MiB".to_owned()),
            Some(config) => match BufRing::offer(ring, Pool::new(config), PIECES, PIECE_BY_PIECE) {
                Ok(pieces) => {
                    pool.set_for_streams(Rc::clone(&pieces.pool));
                    (Some(pieces), "one packet brings a burst, and small packets lie close together".to_owned())
                }
                Err(error) => (None, format!("the kernel refused them: {error}")),
            },
        };
        report.features.push(Feature { name: "buffers filled piece by piece", used: pieces.is_some(), why });
        pieces
    }

    fn offer(ring: &IoUring, pool: Rc<Pool>, group: u16, flags: u16) -> io::Result<BufRing> {
        let count = pool.config().buffers;
        let layout = Layout::array::<BufRingEntry>(count.into())
            .and_then(|layout| layout.align_to(4096))
            .expect("at most 512 KiB");
        // SAFETY: the size is not zero.
        let Some(entries) = NonNull::new(unsafe { alloc_zeroed(layout) }.cast()) else { handle_alloc_error(layout) };
        let share = (group == PIECES).then(Share::default);
        let mut buffers = BufRing { pool, group, entries, layout, tail: 0, share };
        // SAFETY: the memory is page-aligned, holds `count` entries, and is freed after the ring
        // (see the order of fields in `Uring`).
        unsafe { ring.submitter().register_buf_ring_with_flags(entries.as_ptr() as u64, count, group, flags) }?;
        buffers.refill();
        Ok(buffers)
    }

    pub(super) fn group(&self) -> u16 {
        self.group
    }

    /// A receive has found no buffer.
    pub(super) fn ran_out(&self) {
        if let Some(share) = &self.share {
            share.ran_out.set(true);
        }
    }

    /// Whether there is a buffer that no packet holds.
    pub(super) fn has_free(&self) -> bool {
        self.pool.has_free()
    }

    pub(super) fn buffer_bytes(&self) -> u32 {
        self.pool.config().buffer_bytes
    }

    /// Offers buffers that packets have given back: every one, or as many as a turn may need.
    pub(super) fn refill(&mut self) {
        let count = self.pool.config().buffers;
        let room = self.share.as_mut().map_or(count, |share| share.room(count));
        if room == 0 || !self.pool.has_returned() {
            return;
        }
        let (mask, bytes) = (self.pool.config().buffers - 1, self.buffer_bytes());
        let mut offered = 0;
        while offered < room
            && let Some(buffer) = self.pool.take_returned()
        {
            // SAFETY: masked, the index is within the ring. An entry beyond the stored tail is
            // ours, and the kernel does not write here.
            let entry = unsafe { &mut *self.entries.as_ptr().add(usize::from(self.tail & mask)) };
            entry.set_addr(self.pool.buffer(buffer).as_ptr() as u64);
            entry.set_len(bytes);
            entry.set_bid(buffer);
            self.pool.begin(buffer);
            self.tail = self.tail.wrapping_add(1);
            offered += 1;
        }
        if let Some(share) = &mut self.share {
            *share.offered.get_mut() += offered;
        }
        // SAFETY: the tail lies in the first entry's reserved field, which `set_*` do not touch.
        let tail = unsafe { &*BufRingEntry::tail(self.entries.as_ptr()).cast::<AtomicU16>() };
        tail.store(self.tail, Ordering::Release);
    }

    /// A buffer the kernel has filled.
    pub(super) fn packet(&self, buffer: u16, len: usize) -> Packet {
        // SAFETY: a completion names this buffer, so it is out of the ring, and says that so many
        // bytes are written.
        unsafe { self.pool.packet(buffer, len) }
    }

    /// The next piece of a buffer. `goes_on` says whether the kernel fills more of it.
    pub(super) fn piece(&self, buffer: u16, len: usize, goes_on: bool) -> Packet {
        if !goes_on && let Some(share) = &self.share {
            share.took();
        }
        // SAFETY: a completion names this buffer and says that so many bytes are written. All are
        // taken in the order in which the kernel filled it.
        unsafe { self.pool.piece(buffer, len, goes_on) }
    }

    /// A buffer in which the kernel has written a head, the sender's address and a datagram.
    pub(super) fn datagram(&self, buffer: u16, bytes: usize, header: &libc::msghdr) -> Result<Outcome, Failure> {
        // SAFETY: a completion names this buffer, so it is out of the ring, and says that so many
        // bytes are written.
        let written = unsafe { std::slice::from_raw_parts(self.pool.buffer(buffer).as_ptr(), bytes) };
        let message = RecvMsgOut::parse(written, header).map_err(|()| Failure::Code(libc::EIO))?;
        let payload = message.payload_data();
        let (start, len) = (payload.as_ptr() as usize - written.as_ptr() as usize, payload.len());
        let from = name_of(message.name_data());
        if message.is_payload_truncated() {
            return Err(Failure::Truncated { bytes: len as u32, from });
        }
        // SAFETY: as above; the payload lies within what is written.
        let packet = unsafe { self.pool.packet_at(buffer, start, len) };
        Ok(Outcome::Datagram(packet, from))
    }

    pub(super) fn put_back(&self, buffer: u16) {
        self.pool.put_back(buffer);
    }

    pub(super) fn leak(&mut self) {
        std::mem::forget(Rc::clone(&self.pool));
        self.layout = Layout::new::<()>();
    }
}

impl Drop for BufRing {
    fn drop(&mut self) {
        if self.layout.size() > 0 {
            // SAFETY: allocated with this layout, and the ring that reads it is gone.
            unsafe { dealloc(self.entries.as_ptr().cast(), self.layout) }
        }
    }
}

/// How many buffers are in a ring. The kernel takes them in the order in which they were offered:
/// if all were in it, each would be out of the processor's cache before it is taken again.
struct Share {
    /// So many are to be in it. All in the beginning.
    most: u16,
    /// So many are.
    offered: Cell<u16>,
    /// Those that the kernel has taken out since the last turn.
    taken: Cell<u16>,
    ran_out: Cell<bool>,
}

/// Buffers in the ring when turns take fewer.
const LEAST: u16 = 4;

impl Default for Share {
    fn default() -> Share {
        Share { most: u16::MAX, offered: Cell::new(0), taken: Cell::new(0), ran_out: Cell::new(false) }
    }
}

impl Share {
    /// A turn begins: so many buffers are to be added, of so many in all.
    fn room(&mut self, count: u16) -> u16 {
        let taken = self.taken.take();
        let wanted = if self.ran_out.take() { 2 * self.most } else { (taken + 2).max(self.most - 1) };
        self.most = wanted.clamp(LEAST, count);
        self.most.saturating_sub(self.offered.get())
    }

    /// The kernel has taken a buffer out.
    fn took(&self) {
        self.offered.set(self.offered.get() - 1);
        self.taken.set(self.taken.get() + 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ring_has_a_few_more_buffers_than_turns_take_and_twice_as_many_when_they_run_out() {
        const ALL: u16 = 16;
        let mut share = Share::default();
        let mut turn = |taken: u16, ran_out: bool| {
            (0..taken).for_each(|_| share.took());
            share.ran_out.set(ran_out);
            *share.offered.get_mut() += share.room(ALL);
            (share.most, share.offered.get())
        };
        assert_eq!(turn(0, false), (ALL, ALL), "all in the beginning");
        let last = (0..20).map(|_| turn(1, false)).last();
        assert_eq!(last, Some((LEAST, LEAST)), "few when turns take few");
        assert_eq!(turn(LEAST, true), (2 * LEAST, 2 * LEAST));
        assert_eq!(turn(2 * LEAST, true), (ALL, ALL));
        assert_eq!(turn(ALL, true), (ALL, ALL), "there are no more");
        let last = (0..20).map(|_| turn(5, false)).last();
        assert_eq!(last, Some((7, 7)));
    }
}
