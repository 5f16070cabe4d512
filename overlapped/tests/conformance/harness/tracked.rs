//! Values that count how often they are dropped.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread::ThreadId;

use overlapped::buf::{RecvBuf, SendBuf};

/// A number that several threads count up.
#[derive(Clone, Default)]
pub(crate) struct Counter(Arc<AtomicUsize>);

impl Counter {
    pub(crate) fn up(&self) -> usize {
        self.0.fetch_add(1, Ordering::SeqCst) + 1
    }

    pub(crate) fn down(&self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }

    pub(crate) fn get(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

/// A buffer that counts how many of its kind there are.
pub(crate) struct Tracked {
    pub(crate) bytes: Vec<u8>,
    living: Counter,
}

impl Tracked {
    pub(crate) fn new(bytes: Vec<u8>, living: &Counter) -> Tracked {
        living.up();
        Tracked { bytes, living: living.clone() }
    }
}

impl Drop for Tracked {
    fn drop(&mut self) {
        self.living.down();
    }
}

// SAFETY: as the vector's own.
unsafe impl RecvBuf for Tracked {
    fn parts(&self) -> usize {
        RecvBuf::parts(&self.bytes)
    }
    fn part_mut(&mut self, i: usize) -> (*mut u8, usize) {
        self.bytes.part_mut(i)
    }
    unsafe fn set_received(&mut self, bytes: usize) {
        // SAFETY: as the caller says; the bytes are the vector's.
        unsafe { self.bytes.set_received(bytes) }
    }
}

// SAFETY: as the vector's own.
unsafe impl SendBuf for Tracked {
    fn parts(&self) -> usize {
        SendBuf::parts(&self.bytes)
    }
    fn part(&self, i: usize) -> (*const u8, usize) {
        self.bytes.part(i)
    }
}

/// A buffer that is counted, and panics, when it is dropped.
pub(crate) struct Panics(pub(crate) Vec<u8>, pub(crate) Counter);

impl Drop for Panics {
    fn drop(&mut self) {
        self.1.up();
        panic!("as the test wants");
    }
}

// SAFETY: as the vector's own.
unsafe impl RecvBuf for Panics {
    fn parts(&self) -> usize {
        RecvBuf::parts(&self.0)
    }
    fn part_mut(&mut self, i: usize) -> (*mut u8, usize) {
        self.0.part_mut(i)
    }
    unsafe fn set_received(&mut self, bytes: usize) {
        // SAFETY: as the caller says; the bytes are the vector's.
        unsafe { self.0.set_received(bytes) }
    }
}

/// Records the thread that it was dropped on.
pub(crate) struct Dropped(pub(crate) mpsc::Sender<ThreadId>);

impl Drop for Dropped {
    fn drop(&mut self) {
        let _ = self.0.send(std::thread::current().id());
    }
}
