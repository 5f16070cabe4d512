//! The driver's receive buffers: a fixed number of equal size. A packet borrows one and gives it
//! back when it is dropped.
//!
//! The backend takes buffers from the pool and fills them. A [`Packet`] is such a buffer in the
//! hands of the program. Dropping it puts the buffer on the pool's list of returns, which the
//! backend collects once a turn.

#![allow(unsafe_code, reason = "pooled buffers are written by the kernel")]

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::cell::{Cell, RefCell};
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;
use std::rc::Rc;

/// How many receive buffers a driver has, and how large they are.
///
/// Without other settings: 256 buffers of 16 KiB, which is 4 MiB. The memory, and a cache line more
/// for each buffer, is reserved when the driver is made; the system provides it as it is used.
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

    /// Bytes of each buffer: 64 to 1 MiB. No packet is longer.
    pub fn buffer_bytes(self, buffer_bytes: u32) -> PoolConfig {
        PoolConfig { buffer_bytes, ..self }
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
    /// Buffers that packets hold.
    lent: Cell<usize>,
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
        Rc::new(Pool { memory, layout, config, returned, lent: Cell::new(0) })
    }

    pub(crate) fn config(&self) -> PoolConfig {
        self.config
    }

    pub(crate) fn lent(&self) -> usize {
        self.lent.get()
    }

    /// Whether there are buffers that no packet holds.
    pub(crate) fn has_free(&self) -> bool {
        self.lent.get() < usize::from(self.config.buffers)
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
        assert!(offset + len <= self.config.buffer_bytes as usize, "no more than the buffer holds");
        self.lent.set(self.lent.get() + 1);
        // SAFETY: within the buffer, as just checked.
        let start = unsafe { self.buffer(index).add(offset) };
        Packet { start, len: len as u32, index, pool: Rc::clone(self) }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        // SAFETY: allocated with this layout; the driver and all packets are gone.
        unsafe { dealloc(self.memory.as_ptr(), self.layout) }
    }
}

/// Received bytes in one of the driver's pooled buffers. Dereferences to `[u8]`, which may be
/// changed in place; dropping it gives the buffer back.
///
/// The pool is small and shared by every socket of the driver: use the bytes or copy them, and drop
/// the packet within the turn in which it came.
pub struct Packet {
    start: NonNull<u8>,
    len: u32,
    index: u16,
    pool: Rc<Pool>,
}

impl Deref for Packet {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        // SAFETY: the caller of `Pool::packet` promised that these bytes are initialised, and the
        // buffer is this packet's alone until it is dropped.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len as usize) }
    }
}

/// What is written there is the program's: the backend overwrites it when it fills the buffer
/// again.
impl DerefMut for Packet {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above. No other packet has these bytes, and the backend does not write to
        // them until this one is dropped.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.len as usize) }
    }
}

impl Drop for Packet {
    fn drop(&mut self) {
        self.pool.lent.set(self.pool.lent.get() - 1);
        self.pool.put_back(self.index);
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
    fn odd_sizes_are_refused_by_name() {
        assert!(PoolConfig::new().check().is_ok());
        let error = PoolConfig::new().buffers(100).buffer_bytes(4096).check().unwrap_err();
        assert!(error.contains("power of two"), "{error}");
        assert!(PoolConfig::new().buffers(4).buffer_bytes(63).check().is_err());
    }
}
