//! `Port`: the queue of packets, and the threads that take from it.
//!
//! Packets leave in the order in which they came; the thread that began to wait last goes on first.
//! A packet is not handed to a thread: a thread is woken, and takes what is in front. One thread at
//! a time is on its way from waking to taking, and wakes the next if more is queued, so that a
//! burst does not wake more threads than there is work for.

use std::cell::Cell;
use std::collections::VecDeque;
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use crate::abi::Overlapped;
use crate::error::NtStatus;
use crate::handles::{Header, Object};
use crate::object::alarm;
use crate::park;
use crate::thread::{self, Thread};
use crate::wait::{Claimed, Kind, Runs, Signal, Until, WaitBlock, WaitId, runs_for, stop_running};

/// Packets that may wait in one port because they were posted.
const MOST_POSTED: usize = 1 << 24;
/// How long packets wait for threads that run before these are looked at.
const PATIENCE: Duration = Duration::from_millis(10);

/// One ended operation, or what a program has posted.
#[derive(Clone, Copy)]
pub(crate) struct Packet {
    pub(crate) key: usize,
    pub(crate) overlapped: *mut Overlapped,
    pub(crate) bytes: u32,
    pub(crate) status: NtStatus,
}

// SAFETY: the pointer is the program's and is only handed back to it.
unsafe impl Send for Packet {}

pub(crate) struct Port {
    header: Header,
    core: Mutex<Core>,
    /// Set while packets are queued, once somebody has waited for the port itself.
    signal: Signal,
    is_watched: AtomicBool,
    /// Threads that may run at once.
    limit: usize,
    /// Called when a packet comes and no thread waits: the pool starts threads then.
    nobody_waits: OnceLock<Box<dyn Fn() + Send + Sync>>,
}

struct Core {
    open: bool,
    queue: VecDeque<Packet>,
    /// Waiting threads, the latest at the end.
    waiting: Vec<(Arc<WaitBlock>, WaitId)>,
    /// Threads that have taken a packet and have not asked for the next, by the kernel's number.
    /// Only kept if there is a limit.
    running: Vec<i32>,
    /// Threads that have been woken and have not taken yet.
    waking: usize,
    /// Packets that were ever taken.
    taken: u64,
    /// Looked at again after `PATIENCE`, because packets wait for threads that run.
    looked_at: bool,
}

/// How a thread's ask for packets has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Took {
    /// So many.
    Packets(usize),
    TimedOut,
    /// APCs are to be run.
    Alerted,
    Closed,
}

/// Why a thread was woken: the index with which it was claimed.
const FOR_PACKET: usize = 0;
const FOR_CLOSE: usize = 1;

impl Object for Port {
    fn header(&self) -> &Header {
        &self.header
    }

    fn signal(&self) -> Option<&Signal> {
        let core = self.core();
        self.is_watched.store(true, Ordering::Relaxed);
        self.show(&core);
        drop(core);
        Some(&self.signal)
    }

    fn last_handle_closed(self: Arc<Port>) {
        let mut core = self.core();
        core.open = false;
        let waiting = std::mem::take(&mut core.waiting);
        let dropped = std::mem::take(&mut core.queue);
        drop(core);
        drop(dropped);
        for (block, id) in waiting {
            if block.claim(id, FOR_CLOSE, false) {
                block.unpark();
            }
        }
    }
}

impl Core {
    fn may_run(&self, limit: usize) -> bool {
        self.running.len() + self.waking < limit
    }

    /// This thread runs no more.
    fn rests(&mut self, thread: i32) {
        if let Some(at) = self.running.iter().position(|tid| *tid == thread) {
            self.running.swap_remove(at);
        }
    }

    /// The thread to wake, if there is a packet for it and none is on its way. A thread that turns
    /// the engine takes what it has found itself.
    #[inline]
    fn next_to_wake(&mut self, limit: usize) -> Option<Arc<WaitBlock>> {
        if self.queue.is_empty() || self.waking > 0 || self.waiting.is_empty() || !self.may_run(limit) {
            return None;
        }
        if let Some(at) = self.waiting.iter().rposition(|(block, _)| thread::is_of_this_thread(block)) {
            let (block, id) = self.waiting.remove(at);
            if block.claim(id, FOR_PACKET, false) {
                self.waking += 1;
                return Some(block);
            }
        }
        while let Some((block, id)) = self.waiting.pop() {
            if block.claim(id, FOR_PACKET, false) {
                self.waking += 1;
                return Some(block);
            }
        }
        None
    }
}

fn wake(block: Option<Arc<WaitBlock>>) {
    if let Some(block) = block {
        block.unpark();
    }
}

impl Port {
    /// A port for which so many threads may run at once. 0 means as many as the machine has
    /// processors, which is not enforced: more threads than that only share them.
    pub(crate) fn new(concurrency: u32) -> Port {
        let limit = if concurrency == 0 { usize::MAX } else { concurrency as usize };
        let core = Core {
            open: true,
            queue: VecDeque::new(),
            waiting: Vec::new(),
            running: Vec::new(),
            waking: 0,
            taken: 0,
            looked_at: false,
        };
        let signal = Signal::new(Kind::Manual, 0);
        Port {
            header: Header::new(),
            core: Mutex::new(core),
            signal,
            is_watched: AtomicBool::new(false),
            limit,
            nobody_waits: OnceLock::new(),
        }
    }

    fn core(&self) -> MutexGuard<'_, Core> {
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets the signal as the queue is.
    #[inline]
    fn show(&self, core: &Core) {
        if self.is_watched.load(Ordering::Relaxed) {
            if core.queue.is_empty() { self.signal.reset() } else { self.signal.set() }
        }
    }

    fn has_limit(&self) -> bool {
        self.limit != usize::MAX
    }

    /// Queues the packet of an operation. A closed port drops it.
    pub(crate) fn push(self: &Arc<Port>, packet: Packet) {
        let mut core = self.core();
        if !core.open {
            return;
        }
        core.queue.push_back(packet);
        self.show(&core);
        let next = core.next_to_wake(self.limit);
        self.mind_sleepers(&mut core);
        let nobody_waits = next.is_none() && core.waking == 0;
        drop(core);
        wake(next);
        if nobody_waits && let Some(call) = self.nobody_waits.get() {
            call();
        }
    }

    /// Has this called when a packet comes and no thread waits. No lock is held then.
    pub(crate) fn when_nobody_waits(&self, call: impl Fn() + Send + Sync + 'static) {
        let _ = self.nobody_waits.set(Box::new(call));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.core().queue.is_empty()
    }

    /// Queues what a program posts; `false` if there is too much.
    pub(crate) fn post(self: &Arc<Port>, packet: Packet) -> bool {
        if self.core().queue.len() >= MOST_POSTED {
            return false;
        }
        self.push(packet);
        true
    }

    /// Takes at most `most` packets, and waits for the first. No lock is held when this is called.
    pub(crate) fn take(
        self: &Arc<Port>,
        most: usize,
        until: Until,
        alertable: bool,
        give: &mut dyn FnMut(Packet),
    ) -> Took {
        let ran = self.stops_running();
        if let Some(took) = self.take_now(ran, most, give) {
            return took;
        }
        let thread = thread::current();
        if alertable && thread.has_apcs() {
            return Took::Alerted;
        }
        if until == Until::Now {
            // What has ended meanwhile may not have been told.
            park::poll();
            return self.take_now(false, most, give).unwrap_or(Took::TimedOut);
        }
        self.wait(&thread, most, until, alertable, give)
    }

    /// A thread that asks for the next packet has stopped running; `true` if it ran for this port,
    /// which then has not been told.
    fn stops_running(&self) -> bool {
        match stop_running() {
            Some(port) if ptr::addr_eq(Arc::as_ptr(&port), self) => true,
            Some(port) => {
                port.rest();
                false
            }
            None => false,
        }
    }

    /// Takes what there is. A thread that ran goes on with the next packet: no other is woken for
    /// it.
    fn take_now(self: &Arc<Port>, ran: bool, most: usize, give: &mut dyn FnMut(Packet)) -> Option<Took> {
        let mut core = self.core();
        if ran {
            core.rests(this_tid());
        }
        if !core.open {
            return Some(Took::Closed);
        }
        if core.queue.is_empty() || !core.may_run(self.limit) {
            return None;
        }
        Some(self.drain(core, most, give))
    }

    /// Takes packets from a queue that is not empty, and passes the work on.
    fn drain(self: &Arc<Port>, mut core: MutexGuard<'_, Core>, most: usize, give: &mut dyn FnMut(Packet)) -> Took {
        let mut taken = 0;
        while taken < most
            && let Some(packet) = core.queue.pop_front()
        {
            give(packet);
            taken += 1;
        }
        self.show(&core);
        core.taken += taken as u64;
        if self.has_limit() {
            core.running.push(this_tid());
        }
        let next = core.next_to_wake(self.limit);
        self.mind_sleepers(&mut core);
        drop(core);
        wake(next);
        if self.has_limit() {
            runs_for(self.clone());
        }
        Took::Packets(taken)
    }

    fn wait(
        self: &Arc<Port>,
        thread: &Arc<Thread>,
        most: usize,
        until: Until,
        alertable: bool,
        give: &mut dyn FnMut(Packet),
    ) -> Took {
        let block = thread.block();
        loop {
            let id = block.begin(alertable);
            {
                let mut core = self.core();
                if !core.open {
                    return Took::Closed;
                }
                // One may have come since the look.
                if !core.queue.is_empty() && core.may_run(self.limit) {
                    return self.drain(core, most, give);
                }
                core.waiting.push((Arc::clone(block), id));
            }
            if alertable && thread.has_apcs() {
                block.alert();
            }
            let in_time = block.park_until_claimed(until.instant());
            let claimed = if in_time { block.claimed() } else { block.give_up(id) };
            let mut core = self.core();
            match claimed {
                Some(Claimed::Object(FOR_PACKET, _)) => {
                    core.waking -= 1;
                    // A thread that was running may have been faster.
                    if !core.queue.is_empty() && core.may_run(self.limit) {
                        return self.drain(core, most, give);
                    }
                }
                Some(Claimed::Object(..)) => return Took::Closed,
                ended => {
                    core.waiting.retain(|(waiting, _)| !Arc::ptr_eq(waiting, block));
                    return if ended.is_some() { Took::Alerted } else { Took::TimedOut };
                }
            }
        }
    }
}

impl Port {
    /// Packets wait although threads do: all that may run have taken one. A thread that sleeps in a
    /// call that is not of this library does not rest by itself, so they are looked at.
    #[inline]
    fn mind_sleepers(self: &Arc<Port>, core: &mut Core) {
        if self.has_limit() {
            self.have_sleepers_looked_at(core);
        }
    }

    fn have_sleepers_looked_at(self: &Arc<Port>, core: &mut Core) {
        let stuck = !core.queue.is_empty() && !core.waiting.is_empty() && !core.may_run(self.limit);
        if !stuck || core.looked_at {
            return;
        }
        core.looked_at = true;
        let (port, taken) = (Arc::downgrade(self), core.taken);
        alarm::set(Instant::now() + PATIENCE, move || {
            if let Some(port) = port.upgrade() {
                port.look_at_sleepers(taken);
            }
        });
    }

    fn look_at_sleepers(self: &Arc<Port>, taken: u64) {
        let mut core = self.core();
        core.looked_at = false;
        if core.taken == taken {
            core.running.retain(|tid| !sleeps(*tid));
        }
        let next = core.next_to_wake(self.limit);
        self.mind_sleepers(&mut core);
        drop(core);
        wake(next);
    }
}

/// The kernel's number of this thread.
fn this_tid() -> i32 {
    thread_local! {
        static TID: Cell<i32> = const { Cell::new(0) };
    }
    TID.with(|tid| {
        if tid.get() == 0 {
            // SAFETY: only asks.
            tid.set(unsafe { libc::gettid() });
        }
        tid.get()
    })
}

/// Whether the kernel says that a thread sleeps, or that it is gone.
fn sleeps(tid: i32) -> bool {
    let Ok(text) = std::fs::read_to_string(format!("/proc/self/task/{tid}/stat")) else { return true };
    // After the name, which may hold anything.
    text.rsplit_once(')').is_none_or(|(_, after)| !after.trim_start().starts_with('R'))
}

impl Runs for Port {
    fn rest(&self) {
        let mut core = self.core();
        core.rests(this_tid());
        let next = core.next_to_wake(self.limit);
        drop(core);
        wake(next);
    }

    fn run(&self) {
        self.core().running.push(this_tid());
    }
}
