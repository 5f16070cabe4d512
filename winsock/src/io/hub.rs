//! The one driver of `overlapped` that all operations of the process go over, and which thread
//! turns it.
//!
//! On readiness (epoll), whichever thread waits takes the *lead*: it submits, waits in the kernel
//! and tells of what has ended, until its own wait is over. Other waiting threads follow: they
//! sleep until they are told. So a thread that serves a completion port alone does everything
//! itself, without a change of threads. A keeper thread sees to it that somebody leads while
//! operations are in flight. On io_uring, where the kernel ties a request to the thread that
//! submitted it, the keeper always leads.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, TryLockError, mpsc};
use std::time::{Duration, Instant};

use overlapped::driver::{Wait, WakeHandle};
use overlapped::report::Backend;

use super::led::{Led, Running};
use super::make::{asked_for, driver, spawn};
use super::work::{Command, Inbox};
pub(crate) use super::work::{Key, Last, Work};
use crate::park::{self, Lead, Parker, Turner};

/// How often the keeper looks whether anybody leads.
const TICK: Duration = Duration::from_millis(1);
/// The same, while somebody did each time. A tick costs two changes of threads.
const CALM_TICK: Duration = Duration::from_millis(10);
/// Turns that only told others, after which a thread leaves the lead to them: they come back to
/// wait soon, and then need not be woken.
const MOST_FOR_OTHERS: u32 = 3;
/// Ticks at which the keeper turns once by itself, before it has somebody lead.
const MOST_ALONE: u32 = 8;
/// Ticks without need of the keeper, after which it sleeps until it is called.
const QUIET_TICKS: u32 = 20;

/// A driver on readiness may change threads between calls.
struct Movable(Led);

// SAFETY: only a driver on readiness is moved. What it shares within itself (`Rc`) stays within it:
// no packet of its pool is ever taken out, and its buffers are `Lent`, which may move.
unsafe impl Send for Movable {}

pub(crate) struct Hub {
    inbox: Mutex<Inbox>,
    lead: Mutex<Option<Movable>>,
    wake: WakeHandle,
    /// Waiting threads may lead.
    shared: bool,
    /// The backend has failed for good. Nobody waits in it any more: all work ends with an error as
    /// soon as it is handed over.
    failed: AtomicBool,
    /// Somebody leads.
    led: AtomicBool,
    /// The keeper does, and will give the lead up if it is asked to.
    kept: AtomicBool,
    wanted: AtomicBool,
    /// How often anybody took the lead.
    epoch: AtomicU64,
    in_flight: AtomicU32,
    /// The keeper sleeps until it is called.
    asleep: AtomicU32,
    followers: Mutex<Vec<Arc<Parker>>>,
    keeper: Arc<Parker>,
    buried: AtomicU32,
}

static HUB: OnceLock<Option<&'static Hub>> = OnceLock::new();

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The hub; `None` if no driver could be made.
pub(crate) fn hub() -> Option<&'static Hub> {
    *HUB.get_or_init(|| {
        let hub = Hub::start()?;
        park::set_turner(hub);
        Some(hub)
    })
}

impl Hub {
    fn start() -> Option<&'static Hub> {
        let backend = asked_for();
        if backend == Backend::Poll {
            let driver = driver(backend).ok()?;
            let wake = driver.wake_handle();
            let hub = Hub::leak(wake, Some(Movable(Led::new(driver))));
            spawn(move || hub.keep())?;
            return Some(hub);
        }
        // The thread that makes this driver is the one that uses it.
        let (tell, told) = mpsc::channel();
        spawn(move || {
            let Ok(driver) = driver(backend) else { return };
            let hub = Hub::leak(driver.wake_handle(), None);
            hub.led.store(true, Ordering::SeqCst);
            let _ = tell.send(hub);
            hub.lead_alone(Led::new(driver));
        })?;
        told.recv().ok()
    }

    fn leak(wake: WakeHandle, led: Option<Movable>) -> &'static Hub {
        Box::leak(Box::new(Hub {
            inbox: Mutex::default(),
            shared: led.is_some(),
            failed: AtomicBool::new(false),
            lead: Mutex::new(led),
            wake,
            led: AtomicBool::new(false),
            kept: AtomicBool::new(false),
            wanted: AtomicBool::new(false),
            epoch: AtomicU64::new(0),
            in_flight: AtomicU32::new(0),
            asleep: AtomicU32::new(0),
            followers: Mutex::default(),
            keeper: Arc::default(),
            buried: AtomicU32::new(0),
        }))
    }

    /// Starts work. It is handed to the system when somebody next leads, at the latest a tick
    /// later: see [`hasten`](Hub::hasten).
    pub(crate) fn push(&self, work: Box<dyn Work>) -> Key {
        let mut inbox = lock(&self.inbox);
        let key = inbox.name();
        self.in_flight.fetch_add(1, Ordering::SeqCst);
        self.command(inbox, Command::Start(key, work));
        key
    }

    /// The same, for a receive on a socket that the driver watches already. If a thread leads, it
    /// is not woken: bytes that come wake it. But those that have come before this call do not. So
    /// the caller then looks whether there are any, and wakes the leader if so. Returns whether it
    /// is to do that.
    pub(crate) fn push_unhurried(&self, work: Box<dyn Work>) -> (Key, bool) {
        if !self.shared {
            return (self.push(work), false);
        }
        let mut inbox = lock(&self.inbox);
        let key = inbox.name();
        self.in_flight.fetch_add(1, Ordering::SeqCst);
        inbox.commands.push(Command::Start(key, work));
        drop(inbox);
        let led = self.led.load(Ordering::SeqCst);
        if !led {
            self.call_keeper();
        }
        (key, led)
    }

    /// Wakes the thread that leads.
    pub(crate) fn wake_leader(&self) {
        self.wake.wake();
        if !self.shared && self.has_failed() {
            self.keeper.unpark();
        }
    }

    fn has_failed(&self) -> bool {
        self.failed.load(Ordering::SeqCst)
    }

    /// Asks work to end early. It still tells of its end, once.
    pub(crate) fn cancel(&self, key: Key) {
        self.command(lock(&self.inbox), Command::Cancel(key));
    }

    /// A thread of the program has ended.
    pub(crate) fn thread_ended(&self, thread: u32) {
        if self.in_flight.load(Ordering::SeqCst) > 0 {
            self.command(lock(&self.inbox), Command::ThreadEnded(thread));
            self.hasten();
        }
    }

    /// Forgets what lies in a stretch of memory, within this time.
    pub(super) fn bury(&self, left: Range<usize>, patience: Duration) {
        let parker = park::current();
        self.in_flight.fetch_add(1, Ordering::SeqCst);
        self.command(lock(&self.inbox), Command::Bury(left, Arc::clone(&parker)));
        let until = Instant::now() + patience;
        while self.buried.load(Ordering::SeqCst) == 0 && Instant::now() < until {
            if self.led.load(Ordering::SeqCst) {
                self.wake_leader();
                parker.sleep_until(Some(Instant::now() + TICK));
            } else {
                self.hasten();
            }
        }
    }

    fn command(&self, mut inbox: MutexGuard<'_, Inbox>, command: Command) {
        inbox.commands.push(command);
        if self.led.load(Ordering::SeqCst) {
            let wakes = !std::mem::replace(&mut inbox.woken, true);
            drop(inbox);
            if wakes {
                self.wake_leader();
            }
        } else {
            drop(inbox);
            self.call_keeper();
        }
    }

    /// Has what was started handed to the system now. Locks of sockets must not be held.
    pub(crate) fn hasten(&self) {
        if self.shared && !self.led.load(Ordering::SeqCst) {
            self.turn_once();
        }
    }

    fn turn_once(&self) {
        let Some(mut guard) = self.try_lead() else { return };
        if let Some(Movable(led)) = &mut *guard {
            self.turn(led, Wait::Poll);
        }
        self.leave(guard);
    }

    fn try_lead(&self) -> Option<MutexGuard<'_, Option<Movable>>> {
        let guard = match self.lead.try_lock() {
            Ok(guard) => guard,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return None,
        };
        self.led.store(true, Ordering::SeqCst);
        self.epoch.fetch_add(1, Ordering::Relaxed);
        Some(guard)
    }

    fn leave(&self, guard: MutexGuard<'_, Option<Movable>>) {
        self.led.store(false, Ordering::SeqCst);
        drop(guard);
        if self.in_flight.load(Ordering::SeqCst) > 0 {
            self.call_keeper();
        }
    }

    /// Returns whether anybody was told of anything.
    fn turn(&self, led: &mut Led, wait: Wait) -> bool {
        self.submit(led);
        if led.driver.turn(wait).is_err() {
            self.failed.store(true, Ordering::SeqCst);
        }
        self.collect(led)
    }

    fn submit(&self, led: &mut Led) {
        loop {
            let mut commands = std::mem::take(&mut led.commands);
            {
                let mut inbox = lock(&self.inbox);
                inbox.free(&mut led.ended);
                if inbox.commands.is_empty() {
                    led.commands = commands;
                    return;
                }
                std::mem::swap(&mut commands, &mut inbox.commands);
                inbox.woken = false;
            }
            for command in commands.drain(..) {
                match command {
                    Command::Start(key, work) => self.step(led, key, work, Last::Nothing, false),
                    Command::Cancel(key) => led.cancel(key),
                    Command::ThreadEnded(thread) => led.cancel_of(thread),
                    Command::Bury(left, parker) => {
                        led.bury(&left);
                        self.in_flight.fetch_sub(1, Ordering::SeqCst);
                        self.buried.store(1, Ordering::SeqCst);
                        parker.unpark();
                    }
                }
            }
            led.commands = commands;
        }
    }

    fn collect(&self, led: &mut Led) -> bool {
        let mut told = false;
        while let Some(completion) = led.driver.next() {
            let slot = completion.token as usize;
            let Some(running) = led.running.get_mut(slot).and_then(Option::take) else { continue };
            if running.buried {
                // It keeps its name, and what it would write to.
                std::mem::forget(running.work);
                continue;
            }
            let key = Key { slot: slot as u32, generation: running.generation };
            self.step(led, key, running.work, Last::Ended(completion.result), running.cancelled);
            told = true;
        }
        told
    }

    fn step(&self, led: &mut Led, key: Key, mut work: Box<dyn Work>, mut last: Last, cancelled: bool) {
        loop {
            let Some(op) = work.step(last, key, &mut led.driver) else { break };
            if cancelled {
                last = Last::Cancelled;
                continue;
            }
            match led.driver.submit(op, key.slot.into()) {
                Ok(id) => {
                    let slot = key.slot as usize;
                    if led.running.len() <= slot {
                        led.running.resize_with(slot + 1, || None);
                    }
                    led.running[slot] =
                        Some(Running { generation: key.generation, work, id: Some(id), cancelled, buried: false });
                    return;
                }
                Err(failed) => last = Last::Ended(Err(failed.error)),
            }
        }
        led.ended.push(key.slot);
        self.in_flight.fetch_sub(1, Ordering::SeqCst);
    }

    /// The loop of a driver that stays on its thread.
    fn lead_alone(&self, mut led: Led) -> ! {
        while !self.has_failed() {
            self.turn(&mut led, Wait::Forever);
        }
        loop {
            self.turn(&mut led, Wait::Poll);
            self.keeper.sleep_until(None);
        }
    }

    fn call_keeper(&self) {
        if self.shared && self.asleep.load(Ordering::SeqCst) == 1 && self.asleep.swap(0, Ordering::SeqCst) == 1 {
            self.keeper.unpark();
        }
    }

    /// The keeper's loop.
    fn keep(&self) {
        let (mut quiet, mut alone, mut epoch, mut tick) = (0, 0, 0, TICK);
        loop {
            if quiet >= QUIET_TICKS {
                self.asleep.store(1, Ordering::SeqCst);
                let needed = !self.led.load(Ordering::SeqCst) && self.in_flight.load(Ordering::SeqCst) > 0;
                if !needed || self.asleep.swap(0, Ordering::SeqCst) == 0 {
                    self.keeper.sleep_until(None);
                }
                quiet = 0;
                epoch = self.epoch.load(Ordering::Relaxed);
            }
            std::thread::sleep(tick);
            let now = self.epoch.load(Ordering::Relaxed);
            tick = if now != epoch || self.led.load(Ordering::SeqCst) { CALM_TICK } else { TICK };
            if self.led.load(Ordering::SeqCst) {
                (quiet, alone) = (if now == epoch { quiet + 1 } else { 0 }, 0);
            } else if self.in_flight.load(Ordering::SeqCst) == 0 {
                (quiet, alone) = (quiet + 1, 0);
            } else if now != epoch {
                (quiet, alone) = (0, 0);
            } else if alone < MOST_ALONE {
                // All are busy. What they find when they come back is told now.
                alone += 1;
                self.turn_once();
            } else if !self.promote() {
                (quiet, alone) = (0, 0);
                self.keep_lead();
            }
            epoch = self.epoch.load(Ordering::Relaxed);
        }
    }

    /// Wakes a follower to take the lead.
    fn promote(&self) -> bool {
        let follower = lock(&self.followers).last().cloned();
        follower.inspect(|follower| follower.unpark()).is_some()
    }

    /// Nobody waits, and operations are in flight: the keeper leads until somebody else wants to,
    /// or has been told of something and so will come back.
    fn keep_lead(&self) {
        self.wanted.store(false, Ordering::SeqCst);
        self.kept.store(true, Ordering::SeqCst);
        if let Some(mut guard) = self.try_lead() {
            if let Some(Movable(led)) = &mut *guard {
                let mut for_others = 0;
                while !self.wanted.load(Ordering::SeqCst)
                    && !self.has_failed()
                    && self.in_flight.load(Ordering::SeqCst) > 0
                    && for_others < MOST_FOR_OTHERS
                {
                    for_others += u32::from(self.turn(led, Wait::Forever));
                }
            }
            self.kept.store(false, Ordering::SeqCst);
            self.led.store(false, Ordering::SeqCst);
            drop(guard);
            self.promote();
        }
        self.kept.store(false, Ordering::SeqCst);
    }
}

impl Turner for Hub {
    fn lead(&self, parker: &Parker, until: Option<Instant>) -> Lead {
        if !self.shared {
            return Lead::Sleep;
        }
        let Some(mut guard) = self.try_lead() else {
            if self.kept.load(Ordering::SeqCst) && !self.wanted.swap(true, Ordering::SeqCst) {
                self.wake.wake();
            }
            return Lead::Follow;
        };
        let (mut for_others, mut lead) = (0, Lead::Over);
        if let Some(Movable(led)) = &mut *guard
            && parker.leads()
        {
            loop {
                if self.has_failed() {
                    self.turn(led, Wait::Poll);
                    if parker.stops_leading() {
                        lead = Lead::Sleep;
                    }
                    break;
                }
                let left = until.map(|until| until.saturating_duration_since(Instant::now()));
                for_others += u32::from(self.turn(led, left.map_or(Wait::Forever, Wait::For)));
                let is_over = left.is_some_and(|left| left.is_zero());
                if is_over || parker.is_notified() {
                    break;
                }
                if for_others >= MOST_FOR_OTHERS && parker.stops_leading() {
                    lead = Lead::Sleep;
                    break;
                }
            }
        }
        self.leave(guard);
        // A thread that saw this one lead relied on it.
        if !lock(&self.inbox).commands.is_empty() {
            self.hasten();
        }
        lead
    }

    fn poll(&self) {
        if self.shared && self.in_flight.load(Ordering::SeqCst) > 0 {
            self.turn_once();
        }
    }

    fn follow(&self, parker: &Arc<Parker>) -> bool {
        if !self.shared {
            return true;
        }
        lock(&self.followers).push(Arc::clone(parker));
        self.led.load(Ordering::SeqCst)
    }

    fn unfollow(&self, parker: &Arc<Parker>) {
        if self.shared {
            let mut followers = lock(&self.followers);
            if let Some(at) = followers.iter().rposition(|other| Arc::ptr_eq(other, parker)) {
                followers.swap_remove(at);
            }
        }
    }

    fn interrupt(&self) {
        self.wake_leader();
    }
}
