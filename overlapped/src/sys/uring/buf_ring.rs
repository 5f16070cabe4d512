//! The pool's buffers, offered to the kernel in a ring.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
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
        let mut buffers = BufRing { pool, group, entries, layout, tail: 0 };
        // SAFETY: the memory is page-aligned, holds `count` entries, and is freed after the ring
        // (see the order of fields in `Uring`).
        unsafe { ring.submitter().register_buf_ring_with_flags(entries.as_ptr() as u64, count, group, flags) }?;
        buffers.refill();
        Ok(buffers)
    }

    pub(super) fn group(&self) -> u16 {
        self.group
    }

    /// Whether there is a buffer that no packet holds.
    pub(super) fn has_free(&self) -> bool {
        self.pool.has_free()
    }

    pub(super) fn buffer_bytes(&self) -> u32 {
        self.pool.config().buffer_bytes
    }

    /// Offers every buffer that packets have given back.
    pub(super) fn refill(&mut self) {
        if !self.pool.has_returned() {
            return;
        }
        let (mask, bytes) = (self.pool.config().buffers - 1, self.buffer_bytes());
        while let Some(buffer) = self.pool.take_returned() {
            // SAFETY: masked, the index is within the ring. An entry beyond the stored tail is
            // ours, and the kernel does not write here.
            let entry = unsafe { &mut *self.entries.as_ptr().add(usize::from(self.tail & mask)) };
            entry.set_addr(self.pool.buffer(buffer).as_ptr() as u64);
            entry.set_len(bytes);
            entry.set_bid(buffer);
            self.pool.begin(buffer);
            self.tail = self.tail.wrapping_add(1);
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
