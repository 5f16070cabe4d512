//! The driver's receive buffers: a fixed number of equal size. A packet borrows one and gives it
//! back when it is dropped.
//!
//! The backend takes buffers from the pool and fills them. A [`Packet`] is such a buffer in the
//! hands of the program. When it is dropped, the buffer goes on the pool's list of returns, which
//! the backend collects once a turn.
//!
//! Several packets may share a buffer: a backend may fill large ones piece by piece, and the
//! program may [share](Packet::share) its packets. The buffer goes back when the backend is done
//! with it and no packet holds a piece of it.

#![allow(unsafe_code, reason = "pooled buffers are written by the kernel")]

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::cell::{Cell, OnceCell, RefCell};
use std::fmt;
use std::ops::{Deref, Range};
use std::ptr::NonNull;
use std::rc::Rc;

use super::kinds::SendBuf;

/// How many receive buffers a driver has, and how large they are.
///
/// Without other settings: 256 buffers of 16 KiB, which is 4 MiB. The memory, and a cache line more
/// for each buffer, is reserved when the driver is made; the system provides it as it is used.
///
/// On epoll, kqueue and io_uring (Linux 6.17 and newer) a pool of at least 1 MiB comes with 16
/// buffers of 64 KiB more for what streams receive. On io_uring the kernel fills them piece by
/// piece. A stream's packet is then such a buffer or piece, of up to 64 KiB. Such a buffer is used
/// again when all its packets are dropped. While packets hold all of them, streams receive into the
/// others. The driver's [report](crate::Driver::report) says whether there are such buffers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolConfig {
    pub(crate) buffers: u16,
    pub(crate) buffer_bytes: u32,
}

impl Default for PoolConfig {
    fn default() -> PoolConfig {
        PoolConfig { buffers: 256, buffer_bytes: 16 * 1024 }
    }
}

impl PoolConfig {
    /// The settings that are described [above](PoolConfig).
    pub fn new() -> PoolConfig {
        PoolConfig::default()
    }

    /// Number of buffers: a power of two from 2 to 32,768.
    pub fn buffers(self, buffers: u16) -> PoolConfig {
        PoolConfig { buffers, ..self }
    }

    /// Bytes of each buffer: 64 to 1 MiB. No packet is longer, except as said
    /// [above](PoolConfig).
    pub fn buffer_bytes(self, buffer_bytes: u32) -> PoolConfig {
        PoolConfig { buffer_bytes, ..self }
    }

    /// Bytes of all buffers together.
    pub(crate) fn bytes(&self) -> usize {
        usize::from(self.buffers) * self.buffer_bytes as usize
    }

    /// The large buffers for streams that a driver with this pool may have: at most as many bytes
    /// as the pool, so that they are not what a small pool mostly consists of.
    pub(crate) fn for_streams(&self) -> Option<PoolConfig> {
        let streams = PoolConfig { buffers: STREAM_BUFFERS, buffer_bytes: STREAM_BUFFER_BYTES };
        (self.bytes() >= streams.bytes()).then_some(streams)
    }

    pub(crate) fn check(&self) -> Result<(), String> {
        if !self.buffers.is_power_of_two() || !(2..=32_768).contains(&self.buffers) {
            return Err(format!("pool of {} buffers: the number must be a power of two from 2 to 32768", self.buffers));
        }
        if !(64..=1 << 20).contains(&self.buffer_bytes) {
            return Err(format!("pool buffers of {} bytes: the size must be 64 to 1048576", self.buffer_bytes));
        }
        Ok(())
    }
}

/// All together fit into a processor's cache: on io_uring the kernel takes them in turn.
const STREAM_BUFFERS: u16 = 16;
/// What one peer may bring in a turn without other settings.
const STREAM_BUFFER_BYTES: u32 = 64 * 1024;

/// From one buffer's first byte to the next one's. It is not a power of two: most packets are
/// short, and the beginnings of buffers that are a power of two apart share a few sets of the
/// processor's caches and evict each other.
fn stride(config: PoolConfig) -> usize {
    config.buffer_bytes as usize + CACHE_LINE
}

const CACHE_LINE: usize = 64;

pub(crate) struct Pool {
    memory: NonNull<u8>,
    layout: Layout,
    config: PoolConfig,
    /// Buffers that packets have given back and the backend has not yet collected.
    returned: RefCell<Vec<u16>>,
    /// Packets there are.
    lent: Cell<usize>,
    /// Buffers that the backend is done with and packets hold.
    held: Cell<usize>,
    /// What of each buffer is in use.
    parts: Box<[Part]>,
    /// Other buffers that streams receive into.
    streams: OnceCell<Rc<Pool>>,
}

/// What of a buffer is in use.
#[derive(Clone, Default)]
struct Part {
    /// Bytes that packets were made of since the backend began to fill it piece by piece.
    #[cfg(target_os = "linux")]
    filled: Cell<u32>,
    /// Packets that hold a piece, and one for the backend while it fills it piece by piece.
    holders: Cell<u32>,
}

impl Pool {
    pub(crate) fn new(config: PoolConfig) -> Rc<Pool> {
        let bytes = usize::from(config.buffers) * stride(config);
        let layout = Layout::from_size_align(bytes, 4096).expect("at most 32 GiB, as checked");
        // SAFETY: the size is not zero.
        let Some(memory) = NonNull::new(unsafe { alloc(layout) }) else { handle_alloc_error(layout) };
        // All buffers begin as returned. The lowest is taken first, so that few connections touch
        // little memory.
        let returned = RefCell::new((0..config.buffers).rev().collect());
        let parts = vec![Part::default(); config.buffers.into()].into();
        let (lent, held, streams) = (Cell::new(0), Cell::new(0), OnceCell::new());
        Rc::new(Pool { memory, layout, config, returned, lent, held, parts, streams })
    }

    pub(crate) fn config(&self) -> PoolConfig {
        self.config
    }

    /// Streams receive into the buffers of another pool.
    #[cfg(unix)]
    pub(crate) fn set_for_streams(&self, streams: Rc<Pool>) {
        assert!(self.streams.set(streams).is_ok(), "they are set once");
    }

    /// The buffers that streams receive into first.
    pub(crate) fn for_streams(&self) -> &Pool {
        self.streams.get().map_or(self, |streams| streams)
    }

    /// Packets there are, in all buffers of the driver.
    pub(crate) fn lent(&self) -> usize {
        self.lent.get() + self.streams.get().map_or(0, |streams| streams.lent.get())
    }

    /// Whether there are buffers that the backend has or may collect.
    pub(crate) fn has_free(&self) -> bool {
        self.held.get() < usize::from(self.config.buffers)
    }

    #[cfg(target_os = "linux")]
    pub(crate) fn has_returned(&self) -> bool {
        !self.returned.borrow().is_empty()
    }

    /// The buffer that was returned last: its memory is most likely to be in the cache.
    pub(crate) fn take_returned(&self) -> Option<u16> {
        self.returned.borrow_mut().pop()
    }

    /// Gives back a buffer that no packet was made of.
    pub(crate) fn put_back(&self, index: u16) {
        self.returned.borrow_mut().push(index);
    }

    pub(crate) fn buffer(&self, index: u16) -> NonNull<u8> {
        assert!(index < self.config.buffers, "a buffer of this pool");
        // SAFETY: within the allocation.
        unsafe { self.memory.add(usize::from(index) * stride(self.config)) }
    }

    /// # Safety
    /// The backend owns buffer `index` and hands it over; its first `len` bytes are initialised.
    pub(crate) unsafe fn packet(self: &Rc<Pool>, index: u16, len: usize) -> Packet {
        // SAFETY: as the caller says.
        unsafe { self.packet_at(index, 0, len) }
    }

    /// # Safety
    /// The backend owns buffer `index` and hands it over; the `len` bytes from `offset` on are
    /// initialised.
    pub(crate) unsafe fn packet_at(self: &Rc<Pool>, index: u16, offset: usize, len: usize) -> Packet {
        self.held.set(self.held.get() + 1);
        self.parts[usize::from(index)].holders.set(1);
        // SAFETY: as the caller says.
        unsafe { self.lend(index, offset, len) }
    }

    /// The backend begins to fill a buffer piece by piece.
    #[cfg(target_os = "linux")]
    pub(crate) fn begin(&self, index: u16) {
        let part = &self.parts[usize::from(index)];
        part.filled.set(0);
        part.holders.set(1);
    }

    /// The next piece of a buffer. `goes_on` says whether the backend fills more of it.
    ///
    /// # Safety
    /// The buffer was [begun](Pool::begin), and all pieces before this one came this way. The
    /// backend hands this one over, and its `len` bytes are initialised.
    #[cfg(target_os = "linux")]
    pub(crate) unsafe fn piece(self: &Rc<Pool>, index: u16, len: usize, goes_on: bool) -> Packet {
        let part = &self.parts[usize::from(index)];
        let offset = part.filled.get() as usize;
        // SAFETY: as the caller says; the pieces before it end where it begins.
        let packet = unsafe { self.lend(index, offset, len) };
        part.filled.set((offset + len) as u32);
        if goes_on {
            part.holders.set(part.holders.get() + 1);
        } else {
            // The packet takes the backend's place.
            self.held.set(self.held.get() + 1);
        }
        packet
    }

    /// # Safety
    /// The `len` bytes from `offset` on of buffer `index` are initialised, and nobody writes to
    /// them while packets hold them.
    unsafe fn lend(self: &Rc<Pool>, index: u16, offset: usize, len: usize) -> Packet {
        assert!(offset + len <= self.config.buffer_bytes as usize, "no more than the buffer holds");
        self.lent.set(self.lent.get() + 1);
        // SAFETY: within the buffer, as just checked.
        let start = unsafe { self.buffer(index).add(offset) };
        Packet { start, len: len as u32, index, is_shared: Cell::new(false), pool: Rc::clone(self) }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        // SAFETY: allocated with this layout; the driver and all packets are gone.
        unsafe { dealloc(self.memory.as_ptr(), self.layout) }
    }
}

/// Received bytes in one of the driver's pooled buffers. Dereferences to `[u8]`; dropping it gives
/// the buffer back. It may share the buffer with other packets of the driver: the last one that is
/// dropped gives it back.
///
/// The pool is small and shared by every socket of the driver: use the bytes or copy them, and drop
/// the packet within the turn in which it came. Bytes that are to be sent on need no copy: a packet
/// can be sent, and so can a part of it that is [shared](Packet::share).
pub struct Packet {
    start: NonNull<u8>,
    len: u32,
    index: u16,
    /// Other packets may have some of these bytes.
    is_shared: Cell<bool>,
    pool: Rc<Pool>,
}

impl Packet {
    /// The bytes, to be changed in place. What is written there is the program's: the backend
    /// overwrites it when it fills the buffer again.
    ///
    /// `None`: the packet was [shared](Packet::share), or is a share, so that others may have these
    /// bytes.
    pub fn bytes_mut(&mut self) -> Option<&mut [u8]> {
        if self.is_shared.get() {
            return None;
        }
        // SAFETY: the caller of `packet` or `piece` promised that the bytes are initialised. No
        // other packet has them, and the backend does not write to them until this one is dropped.
        Some(unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.len as usize) })
    }

    /// Another packet with a part of this one's bytes, in the same buffer, as something to send or
    /// to keep for some turns. No bytes are copied.
    ///
    /// `None`: packets hold half of the pool's buffers. Then copy the bytes, so that what is sent
    /// to peers that do not read leaves buffers to receive into.
    ///
    /// # Panics
    /// If the range is not within the packet.
    pub fn share(&self, range: Range<usize>) -> Option<Packet> {
        let len = self[range.clone()].len() as u32;
        let pool = &self.pool;
        if pool.held.get() >= usize::from(pool.config.buffers) / 2 {
            return None;
        }
        let holders = &pool.parts[usize::from(self.index)].holders;
        holders.set(holders.get() + 1);
        pool.lent.set(pool.lent.get() + 1);
        // SAFETY: within the packet, as just checked.
        let start = unsafe { self.start.add(range.start) };
        self.is_shared.set(true);
        Some(Packet { start, len, index: self.index, is_shared: Cell::new(true), pool: Rc::clone(pool) })
    }

    /// Makes this packet and the next one a single packet, if the next one's bytes lie directly
    /// behind this one's.
    ///
    /// # Errors
    /// The next packet, unchanged: its bytes lie elsewhere.
    pub fn join(&mut self, next: Packet) -> Result<(), Packet> {
        let end = self.as_ptr_range().end;
        // Buffers do not touch each other, so it is the same one.
        if end != next.as_ptr() || !Rc::ptr_eq(&self.pool, &next.pool) {
            return Err(next);
        }
        self.len += next.len;
        self.is_shared.set(self.is_shared.get() || next.is_shared.get());
        Ok(())
    }
}

// SAFETY: the bytes lie in the pool's memory, which the packet keeps, and moving the packet does
// not move them. Nobody writes to them until all packets of the buffer are dropped.
unsafe impl SendBuf for Packet {
    fn parts(&self) -> usize {
        1
    }

    fn part(&self, i: usize) -> (*const u8, usize) {
        assert_eq!(i, 0, "a packet has one part");
        (self.as_ptr(), self.len())
    }
}

impl Deref for Packet {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        // SAFETY: the caller of `Pool::packet` promised that these bytes are initialised, and they
        // are not written to until all packets of the buffer are dropped.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len as usize) }
    }
}

impl Drop for Packet {
    fn drop(&mut self) {
        let pool = &self.pool;
        pool.lent.set(pool.lent.get() - 1);
        let holders = &pool.parts[usize::from(self.index)].holders;
        holders.set(holders.get() - 1);
        if holders.get() > 0 {
            return;
        }
        pool.held.set(pool.held.get() - 1);
        pool.put_back(self.index);
    }
}

impl fmt::Debug for Packet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Packet({} bytes)", self.len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_packet_gives_its_buffer_back_and_outlives_the_driver() {
        let pool = Pool::new(PoolConfig::new().buffers(2).buffer_bytes(64));
        let index = pool.take_returned().unwrap();
        // SAFETY: one byte is written before it is claimed.
        let packet = unsafe {
            pool.buffer(index).write(7);
            pool.packet(index, 1)
        };
        assert_eq!((pool.lent(), &packet[..]), (1, &[7][..]));
        let weak = Rc::downgrade(&pool);
        drop(pool);
        assert_eq!(packet[0], 7, "still there without the driver");
        let pool = weak.upgrade().unwrap();
        drop(packet);
        assert_eq!((pool.lent(), pool.take_returned()), (0, Some(index)));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_buffer_in_pieces_goes_back_when_neither_the_backend_nor_a_packet_has_it() {
        let pool = Pool::new(PoolConfig::new().buffers(2).buffer_bytes(64));
        for last_is_dropped_first in [false, true] {
            let index = pool.take_returned().unwrap();
            pool.begin(index);
            // SAFETY: all bytes are written before they are claimed, and claimed once.
            let (first, second) = unsafe {
                pool.buffer(index).write_bytes(7, 64);
                pool.buffer(index).write(1);
                (pool.piece(index, 1, true), pool.piece(index, 63, false))
            };
            assert_eq!((&first[..], &second[..], pool.lent()), (&[1][..], &[7; 63][..], 2));
            let (one, other) = if last_is_dropped_first { (second, first) } else { (first, second) };
            drop(one);
            assert!(pool.has_free() && pool.returned.borrow().len() == 1, "a packet holds it");
            drop(other);
            assert_eq!((pool.lent(), pool.held.get(), pool.returned.borrow().len()), (0, 0, 2));
        }
        let indexes = [pool.take_returned().unwrap(), pool.take_returned().unwrap()];
        // SAFETY: the bytes are written before they are claimed, and claimed once.
        let packets = indexes.map(|index| unsafe {
            pool.begin(index);
            pool.buffer(index).write_bytes(0, 64);
            drop(pool.piece(index, 10, true));
            assert!(pool.has_free() && !pool.returned.borrow().contains(&index), "the backend has it");
            pool.piece(index, 54, false)
        });
        assert!(!pool.has_free());
        drop(packets);
        assert!(pool.has_free());
    }

    #[test]
    fn a_shared_buffer_goes_back_with_its_last_packet_and_half_of_them_can_be_shared() {
        let pool = Pool::new(PoolConfig::new().buffers(4).buffer_bytes(64));
        // SAFETY: all bytes are written before they are claimed.
        let [mut first, second, mut third] = [1, 2, 3].map(|byte| unsafe {
            let index = pool.take_returned().unwrap();
            pool.buffer(index).write_bytes(byte, 64);
            pool.packet(index, 64)
        });
        assert!(third.share(0..64).is_none(), "packets hold three of four");
        assert!(third.bytes_mut().is_some_and(|bytes| bytes == [3; 64]), "nobody else has them");
        drop((second, third));
        let (mut whole, middle, rest) = {
            let share = |range| first.share(range).unwrap();
            (share(0..10), share(10..30), share(31..64))
        };
        assert_eq!((pool.lent(), pool.held.get()), (4, 1));
        assert!(first.bytes_mut().is_none() && whole.bytes_mut().is_none(), "others have them too");
        drop(first);
        assert!(whole.join(middle).is_ok());
        let Err(rest) = whole.join(rest) else { panic!("a byte is missing between them") };
        assert_eq!((&whole[..], &rest[..], pool.lent()), (&[1; 30][..], &[1; 33][..], 2));
        drop(whole);
        assert_eq!(pool.returned.borrow().len(), 3, "a packet holds it");
        drop(rest);
        assert_eq!((pool.lent(), pool.held.get(), pool.returned.borrow().len()), (0, 0, 4));
    }

    #[test]
    fn odd_sizes_are_refused_by_name() {
        assert!(PoolConfig::new().check().is_ok());
        let error = PoolConfig::new().buffers(100).buffer_bytes(4096).check().unwrap_err();
        assert!(error.contains("power of two"), "{error}");
        assert!(PoolConfig::new().buffers(4).buffer_bytes(63).check().is_err());
    }
}
