//! The thread that keeps a service manager informed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Wake, Waker};
use std::thread::{self, JoinHandle, Thread};
use std::time::{Duration, Instant};

use proactor::Handle;

use super::checkup::Checkup;
use super::manager::Notify;
use crate::summary::counted;

/// How often it is seen whether the server drains, which nobody tells this thread.
const TICK: Duration = Duration::from_secs(1);
/// The least time between two lines of status.
const STATUS_TIME: Duration = Duration::from_secs(2);
/// A drain may take longer than the manager would wait: it is asked for this much more, as long as
/// the shards answer.
const MORE_TIME: Duration = Duration::from_secs(15);
/// However short the time of the watchdog is, shards are not asked more often.
const LEAST_TIME: Duration = Duration::from_millis(10);

/// Keeps the service manager informed until it is dropped, and then tells it that the server ends.
pub(crate) struct Keeper(Option<(Notify, Arc<Parked>, JoinHandle<()>)>);

/// The keeper's thread, to be woken.
struct Parked {
    thread: Thread,
    is_over: AtomicBool,
}

impl Wake for Parked {
    fn wake(self: Arc<Parked>) {
        self.thread.unpark();
    }
}

impl Keeper {
    /// The server is ready.
    pub(crate) fn start(notify: &Notify, handle: &Handle, shards: usize) -> Keeper {
        if notify.0.is_none() {
            return Keeper(None);
        }
        notify.tell(&format!("READY=1\nMAINPID={}\nSTATUS={}", std::process::id(), status(handle, false)));
        let informing = Informing {
            notify: notify.clone(),
            handle: handle.clone(),
            shards,
            checkup: None,
            next_checkup: Instant::now(),
            status: String::new(),
            next_status: Instant::now() + STATUS_TIME,
            is_ending: false,
        };
        let (send, receive) = std::sync::mpsc::channel();
        let body = move || {
            let parked = Arc::new(Parked { thread: thread::current(), is_over: AtomicBool::new(false) });
            if send.send(Arc::clone(&parked)).is_ok() {
                informing.run(&parked);
            }
        };
        match thread::Builder::new().name("notify".into()).spawn(body) {
            Ok(thread) => Keeper(receive.recv().ok().map(|parked| (notify.clone(), parked, thread))),
            Err(error) => {
                tracing::warn!("the service manager is told no more: could not start a thread: {error}");
                Keeper(None)
            }
        }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        let Some((notify, parked, thread)) = self.0.take() else { return };
        parked.is_over.store(true, Ordering::Release);
        parked.thread.unpark();
        let _ = thread.join();
        // A second time, if the thread has seen the drain: it does no harm.
        notify.tell("STOPPING=1\nSTATUS=the server has ended");
    }
}

struct Informing {
    notify: Notify,
    handle: Handle,
    shards: usize,
    /// A question that the shards have not all answered.
    checkup: Option<Checkup>,
    next_checkup: Instant,
    status: String,
    next_status: Instant,
    is_ending: bool,
}

impl Informing {
    fn run(mut self, parked: &Arc<Parked>) {
        let waker = Waker::from(Arc::clone(parked));
        while !parked.is_over.load(Ordering::Acquire) {
            let now = Instant::now();
            self.tell_of_drain();
            self.tell_status(now);
            let next = self.check(now, &mut Context::from_waker(&waker));
            thread::park_timeout(next.map_or(TICK, |next| next.saturating_duration_since(now).min(TICK)));
        }
    }

    fn tell_of_drain(&mut self) {
        if !self.is_ending && self.handle.is_ending() {
            self.is_ending = true;
            self.next_checkup = Instant::now();
            self.next_status = self.next_checkup;
            self.notify.tell("STOPPING=1");
        }
    }

    fn tell_status(&mut self, now: Instant) {
        if now < self.next_status {
            return;
        }
        let status = status(&self.handle, self.is_ending);
        if status != self.status {
            self.notify.tell(&format!("STATUS={status}"));
            self.status = status;
            self.next_status = now + STATUS_TIME;
        }
    }

    /// Asks the shards, and tells that the server is well when all have answered. Returns when it
    /// is to be called again at the latest, if no shard answers before.
    fn check(&mut self, now: Instant, context: &mut Context<'_>) -> Option<Instant> {
        let half = self.notify.watchdog().map(|time| (time / 2).max(LEAST_TIME));
        let period = match (half, self.is_ending) {
            (half, true) => half.unwrap_or(MORE_TIME).min(MORE_TIME / 3),
            (Some(half), false) => half,
            (None, false) => return None,
        };
        if self.checkup.is_none() && now >= self.next_checkup {
            self.checkup = Some(Checkup::new(self.shards));
            self.next_checkup = now + period;
        }
        let is_done = self.checkup.as_mut().map(|checkup| checkup.is_done(&self.handle, context));
        if is_done == Some(true) {
            self.checkup = None;
            let more_time = format!("EXTEND_TIMEOUT_USEC={}", MORE_TIME.as_micros());
            match (half, self.is_ending) {
                (Some(_), true) => self.notify.tell(&format!("WATCHDOG=1\n{more_time}")),
                (Some(_), false) => self.notify.tell("WATCHDOG=1"),
                (None, _) => self.notify.tell(&more_time),
            }
        }
        self.checkup.is_none().then_some(self.next_checkup)
    }
}

/// What `systemctl status` shows.
fn status(handle: &Handle, is_ending: bool) -> String {
    let sessions = counted(handle.sessions() as u64, "session");
    if is_ending { format!("draining: {sessions} left") } else { sessions }
}
