//! `Thread`: what is known of a thread.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{SystemTime, UNIX_EPOCH};

use super::apc::Apc;
use crate::handles::{self, Header, Object};
use crate::park;
use crate::wait::{Kind, Signal, WaitBlock, futex};

/// The exit code of a thread that has not ended.
pub(crate) const STILL_ACTIVE: u32 = 259;
/// APCs that may wait for one thread.
const MOST_APCS: usize = 1 << 20;

pub(crate) struct Thread {
    header: Header,
    /// Set when the thread has ended.
    signal: Signal,
    id: u32,
    block: Arc<WaitBlock>,
    apcs: Mutex<Apcs>,
    has_apcs: AtomicBool,
    exit_code: AtomicU32,
    /// Mutexes that this thread owns.
    owned: Mutex<Vec<Weak<dyn Object>>>,
    /// The handle that is closed when the thread ends; 0 for none.
    closes: AtomicUsize,
    /// How often it is suspended before it has begun.
    suspended: AtomicU32,
    begun: AtomicBool,
    prevented: AtomicBool,
    priority: AtomicI32,
    /// The kernel's number of the thread; 0 before it has begun.
    tid: AtomicI32,
    /// As a `FILETIME`.
    created: u64,
}

struct Apcs {
    queue: VecDeque<Apc>,
    open: bool,
}

static NEXT_ID: AtomicU32 = AtomicU32::new(0x1004);
static THREADS: Mutex<Option<HashMap<u32, Weak<Thread>>>> = Mutex::new(None);

fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn now_as_filetime() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    116_444_736_000_000_000 + (since.as_nanos() / 100) as u64
}

/// The thread with this id, if it is one that this library knows.
pub(crate) fn by_id(id: u32) -> Option<Arc<Thread>> {
    lock(&THREADS).as_ref()?.get(&id)?.upgrade()
}

/// The ids of all threads that are known here.
pub(crate) fn ids() -> Vec<u32> {
    let mut ids: Vec<u32> = lock(&THREADS).iter().flat_map(|threads| threads.keys().copied()).collect();
    ids.sort_unstable();
    ids
}

impl Object for Thread {
    fn header(&self) -> &Header {
        &self.header
    }

    fn signal(&self) -> Option<&Signal> {
        Some(&self.signal)
    }
}

impl Thread {
    /// The record of the thread that calls this, if `begun`; otherwise of one that is to start.
    pub(super) fn new(begun: bool, suspended: bool) -> Arc<Thread> {
        let id = NEXT_ID.fetch_add(4, Ordering::Relaxed);
        let thread = Arc::new(Thread {
            header: Header::new(),
            signal: Signal::new(Kind::Manual, 0),
            id,
            block: Arc::new(WaitBlock::new(id, if begun { park::current() } else { Arc::default() })),
            apcs: Mutex::new(Apcs { queue: VecDeque::new(), open: true }),
            has_apcs: AtomicBool::new(false),
            exit_code: AtomicU32::new(0),
            owned: Mutex::new(Vec::new()),
            closes: AtomicUsize::new(0),
            suspended: AtomicU32::new(suspended.into()),
            begun: AtomicBool::new(begun),
            prevented: AtomicBool::new(false),
            priority: AtomicI32::new(0),
            tid: AtomicI32::new(0),
            created: now_as_filetime(),
        });
        lock(&THREADS).get_or_insert_default().insert(id, Arc::downgrade(&thread));
        thread
    }

    pub(crate) fn id(&self) -> u32 {
        self.id
    }

    pub(crate) fn block(&self) -> &Arc<WaitBlock> {
        &self.block
    }

    pub(crate) fn priority(&self) -> &AtomicI32 {
        &self.priority
    }

    pub(crate) fn tid(&self) -> &AtomicI32 {
        &self.tid
    }

    pub(super) fn created(&self) -> u64 {
        self.created
    }

    // ---- APCs ----

    /// Queues an APC; `false` if the thread has ended or has too many.
    pub(crate) fn queue_apc(&self, apc: Apc) -> bool {
        let mut apcs = lock(&self.apcs);
        if !apcs.open || apcs.queue.len() >= MOST_APCS {
            return false;
        }
        apcs.queue.push_back(apc);
        self.has_apcs.store(true, Ordering::SeqCst);
        drop(apcs);
        self.block.alert();
        true
    }

    pub(crate) fn has_apcs(&self) -> bool {
        self.has_apcs.load(Ordering::SeqCst)
    }

    pub(super) fn next_apc(&self) -> Option<Apc> {
        if !self.has_apcs() {
            return None;
        }
        let mut apcs = lock(&self.apcs);
        let apc = apcs.queue.pop_front();
        self.has_apcs.store(!apcs.queue.is_empty(), Ordering::SeqCst);
        apc
    }

    // ---- mutexes ----

    /// The thread has got a mutex, perhaps not for the first time.
    pub(crate) fn owns(&self, mutex: &Arc<dyn Object>) {
        let mut owned = lock(&self.owned);
        let mutex = Arc::downgrade(mutex);
        if !owned.iter().any(|one| Weak::ptr_eq(one, &mutex)) {
            owned.push(mutex);
        }
    }

    /// The thread has released a mutex as often as it had got it.
    pub(crate) fn owns_no_more(&self, mutex: &Arc<dyn Object>) {
        let mutex = Arc::downgrade(mutex);
        lock(&self.owned).retain(|one| !Weak::ptr_eq(one, &mutex));
    }

    // ---- begin and end ----

    /// Suspends a thread that has not begun once more, and returns how often it was; `None` if it
    /// has begun.
    pub(super) fn suspend(&self) -> Option<u32> {
        let _ordered = lock(&self.owned);
        if self.begun.load(Ordering::SeqCst) {
            return None;
        }
        Some(self.suspended.fetch_add(1, Ordering::SeqCst))
    }

    /// Resumes it once, and returns how often it was suspended.
    pub(super) fn resume(&self) -> u32 {
        let _ordered = lock(&self.owned);
        let before = self.suspended.load(Ordering::SeqCst);
        if before > 0 {
            self.suspended.store(before - 1, Ordering::SeqCst);
        }
        if before == 1 {
            futex::wake(&raw const self.suspended, 1);
        }
        before
    }

    /// Ends a thread that has not begun: it begins and runs nothing. `false` if it has begun.
    pub(super) fn prevent(&self, code: u32) -> bool {
        let _ordered = lock(&self.owned);
        if self.begun.load(Ordering::SeqCst) {
            return false;
        }
        self.set_exit_code(code);
        self.prevented.store(true, Ordering::SeqCst);
        self.suspended.store(0, Ordering::SeqCst);
        futex::wake(&raw const self.suspended, 1);
        true
    }

    pub(super) fn is_prevented(&self) -> bool {
        self.prevented.load(Ordering::SeqCst)
    }

    /// The new thread waits until it may begin.
    pub(super) fn wait_until_resumed(&self) {
        loop {
            let suspended = {
                let _ordered = lock(&self.owned);
                let suspended = self.suspended.load(Ordering::SeqCst);
                if suspended == 0 {
                    self.begun.store(true, Ordering::SeqCst);
                    return;
                }
                suspended
            };
            futex::sleep(&self.suspended, suspended, None);
        }
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.signal.is_set()
    }

    /// `STILL_ACTIVE` until it has ended.
    pub(crate) fn exit_code(&self) -> u32 {
        if self.has_ended() { self.exit_code.load(Ordering::Acquire) } else { STILL_ACTIVE }
    }

    /// The code with which the thread ends.
    pub(super) fn final_code(&self) -> u32 {
        self.exit_code.load(Ordering::Acquire)
    }

    /// Has a handle closed when the thread ends.
    pub(super) fn close_at_end(&self, handle: usize) {
        self.closes.store(handle, Ordering::Release);
    }

    /// What the exit code is to be.
    pub(super) fn set_exit_code(&self, code: u32) {
        self.exit_code.store(code, Ordering::Release);
    }

    /// The thread ends: what it owns is abandoned, and those that wait for it go on.
    pub(super) fn end(&self) {
        let dropped = {
            let mut apcs = lock(&self.apcs);
            apcs.open = false;
            std::mem::take(&mut apcs.queue)
        };
        drop(dropped);
        let owned = std::mem::take(&mut *lock(&self.owned));
        for mutex in owned.iter().filter_map(Weak::upgrade) {
            if let Some(signal) = mutex.signal() {
                signal.abandon(self.id);
            }
        }
        if let Some(threads) = lock(&THREADS).as_mut() {
            threads.remove(&self.id);
        }
        self.signal.set();
        match self.closes.load(Ordering::Acquire) {
            0 => {}
            handle => drop(handles::close(handle)),
        }
    }
}
