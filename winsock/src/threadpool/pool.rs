//! `Pool`: threads that take packets from a port of their own, and run callbacks for them.

use std::ffi::c_void;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use super::instance::{Instance, do_after};
use crate::error::NtStatus;
use crate::handles::{self, Header, Object};
use crate::object::alarm;
use crate::port::{Packet, Port, Took};
use crate::thread;
use crate::wait::Until;

/// Threads of a pool for which no other number was set.
const MOST_THREADS: usize = 500;
/// A thread that found nothing to do for so long ends.
const IDLE: Duration = Duration::from_secs(20);
/// What is queued for so long gets a thread more.
const PATIENCE: Duration = Duration::from_millis(10);

/// A callback to run.
type Job = Box<dyn FnOnce(&Instance) + Send>;

pub(super) struct Pool {
    header: Header,
    port: Arc<Port>,
    threads: Mutex<Threads>,
    /// Threads that wait for something to do.
    idle: AtomicUsize,
    /// Jobs and packets that have begun, to see whether any does.
    begun: AtomicUsize,
}

struct Threads {
    count: usize,
    most: usize,
    /// Looked at again after `PATIENCE`.
    looked_at: bool,
}

/// What runs a packet of an operation. Its handle is the key of the packet.
pub(super) struct PacketTarget {
    pub(super) header: Header,
    pub(super) run: RunPacket,
}

type RunPacket = Box<dyn Fn(&Instance, Packet) + Send + Sync>;

impl Object for Pool {
    fn header(&self) -> &Header {
        &self.header
    }
}

impl Object for PacketTarget {
    fn header(&self) -> &Header {
        &self.header
    }
}

/// The key of packets that carry a job in the place of an `OVERLAPPED`.
const JOB: usize = 0;

impl Pool {
    pub(super) fn new() -> Arc<Pool> {
        let pool = Arc::new(Pool {
            header: Header::new(),
            port: Arc::new(Port::new(0)),
            threads: Mutex::new(Threads { count: 0, most: MOST_THREADS, looked_at: false }),
            idle: AtomicUsize::new(0),
            begun: AtomicUsize::new(0),
        });
        let weak = Arc::downgrade(&pool);
        pool.port.when_nobody_waits(move || {
            if let Some(pool) = weak.upgrade() {
                pool.need_threads();
            }
        });
        pool
    }

    /// The pool of callbacks for which no other was named.
    pub(super) fn of_process() -> &'static Arc<Pool> {
        static POOL: OnceLock<Arc<Pool>> = OnceLock::new();
        POOL.get_or_init(Pool::new)
    }

    fn threads(&self) -> MutexGuard<'_, Threads> {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set_most_threads(&self, most: usize) {
        self.threads().most = most.clamp(1, MOST_THREADS);
    }

    /// The port to which operations for this pool send their packets. Such a pool always has a
    /// thread, which can start others.
    pub(super) fn port(self: &Arc<Pool>) -> &Arc<Port> {
        self.need_threads();
        &self.port
    }

    /// Queues a callback.
    pub(super) fn run(self: &Arc<Pool>, job: impl FnOnce(&Instance) + Send + 'static) {
        let job: Job = Box::new(job);
        let job = Box::into_raw(Box::new(job));
        self.port.push(Packet { key: JOB, overlapped: job.cast(), bytes: 0, status: NtStatus(0) });
    }

    /// Something is queued: starts a thread if none is idle and there are few, or else has this
    /// looked at again.
    fn need_threads(self: &Arc<Pool>) {
        if self.idle.load(Ordering::SeqCst) > 0 {
            return;
        }
        let mut threads = self.threads();
        let few = std::thread::available_parallelism().map_or(2, usize::from).max(2);
        if threads.count < few.min(threads.most) {
            self.start_thread(&mut threads);
        } else if !threads.looked_at && threads.count < threads.most {
            threads.looked_at = true;
            let (pool, begun) = (Arc::clone(self), self.begun.load(Ordering::SeqCst));
            alarm::set(Instant::now() + PATIENCE, move || pool.look_again(begun));
        }
    }

    /// Callbacks may wait for each other, so one that does not begin gets a thread of its own.
    fn look_again(self: &Arc<Pool>, begun: usize) {
        let mut threads = self.threads();
        threads.looked_at = false;
        if self.idle.load(Ordering::SeqCst) > 0 || self.port.is_empty() {
            return;
        }
        if self.begun.load(Ordering::SeqCst) == begun && threads.count < threads.most {
            self.start_thread(&mut threads);
        }
        drop(threads);
        self.need_threads();
    }

    fn start_thread(self: &Arc<Pool>, threads: &mut Threads) {
        let pool = Arc::into_raw(Arc::clone(self));
        if thread::spawn(work, pool.cast_mut().cast()) {
            threads.count += 1;
        } else {
            // SAFETY: no thread has got it.
            drop(unsafe { Arc::from_raw(pool) });
        }
    }

    /// Takes one packet and runs it; `false` if the thread is to end.
    fn turn(self: &Arc<Pool>) -> bool {
        let mut next = None;
        self.idle.fetch_add(1, Ordering::SeqCst);
        let took = self.port.take(1, Until::At(Instant::now() + IDLE), false, &mut |packet| next = Some(packet));
        self.idle.fetch_sub(1, Ordering::SeqCst);
        let Some(packet) = next else { return took == Took::Alerted };
        self.begun.fetch_add(1, Ordering::SeqCst);
        let instance = Instance::default();
        if packet.key == JOB {
            // SAFETY: `run` made it, and it is taken once.
            let job = unsafe { Box::from_raw(packet.overlapped.cast::<Job>()) };
            job(&instance);
        } else if let Some(target) = handles::get::<PacketTarget>(packet.key) {
            (target.run)(&instance, packet);
        }
        for what in instance.returned() {
            // SAFETY: the program has asked for it in the callback.
            unsafe { do_after(what) };
        }
        true
    }

    /// The thread found nothing to do; `false` if it stays nevertheless.
    fn leave(&self) -> bool {
        let mut threads = self.threads();
        // One stays: operations in flight may end at any time.
        let leaves = threads.count > 1 && self.port.is_empty();
        if leaves {
            threads.count -= 1;
        }
        leaves
    }
}

/// One thread of a pool.
unsafe extern "C-unwind" fn work(pool: *mut c_void) {
    // SAFETY: `start_thread` made the reference for this thread.
    let pool = unsafe { Arc::from_raw(pool.cast_const().cast::<Pool>()) };
    while pool.turn() || !pool.leave() {}
}
