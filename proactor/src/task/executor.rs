//! A shard's executor: futures in a table, polled by the shard's thread and by no other.
//!
//! A waker is the key of a task, in an `Arc` with a flag. On the shard's own thread, a wake-up puts
//! the key into the run queue. On another thread it goes through a mailbox, which ends the driver's
//! wait. Only the shard's thread holds the future itself, runs it and drops it, so a future need
//! not be `Send`. (`async-task` leaves that to its caller: to spawn a future that is not `Send`
//! with a schedule function of one's own is `unsafe`, and its `spawn_local` panics if a waker is
//! dropped on another thread. This crate forbids the first and must not do the second.)
//!
//! What it promises:
//!
//! - **Bounded.** At most [`MOST_TASKS`] tasks. A task is in the queue, or in the mailbox, once,
//!   however often it is woken.
//! - **Contained.** A panic while a task is polled or dropped ends that task.
//! - **Nothing is left.** [`Executor::end`] drops every task; afterwards none can be spawned.
//! - **The same calls give the same order**, as long as no other thread wakes anything.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use overlapped::mailbox::{Mailbox, Sender, mailbox};
use overlapped::table::{Key, Table};
use overlapped::{Driver, Time};

use super::{error::SpawnError, lending::Lending, link::Link, offload::Offload};
use crate::panic::contained;
use crate::session::id::SessionId;
use crate::wheel::Wheel;

/// Tasks of one shard.
const MOST_TASKS: usize = 1 << 20;

thread_local! {
    /// The run queue of the shard that this thread is turning.
    static TURNING: RefCell<Option<Rc<RunQueue>>> = const { RefCell::new(None) };
}

/// Whether this thread is turning a shard.
pub(crate) fn is_on_shard() -> bool {
    TURNING.with_borrow(Option::is_some)
}

/// Where other threads report the tasks that they have woken. It needs no limit: a task is in it at
/// most once.
type TaskInbox = Sender<Key>;

/// The run queue.
struct RunQueue {
    inbox: Arc<TaskInbox>,
    queue: RefCell<VecDeque<Key>>,
}

struct TaskWaker {
    id: Key,
    inbox: Arc<TaskInbox>,
    /// It is in a queue, or has ended.
    queued: AtomicBool,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<TaskWaker>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<TaskWaker>) {
        // The poll sees all that was done before this wake-up, even if an earlier one causes it.
        if self.queued.swap(true, Ordering::AcqRel) {
            return;
        }
        let here = TURNING.try_with(|turning| match &*turning.borrow() {
            Some(local) if Arc::ptr_eq(&local.inbox, &self.inbox) => {
                local.queue.borrow_mut().push_back(self.id);
                true
            }
            _ => false,
        });
        if !here.unwrap_or(false) {
            // If the shard has ended, so has the task.
            let _ = self.inbox.send(self.id);
        }
    }
}

/// The session that a task belongs to.
#[derive(Clone)]
pub(crate) struct Owner {
    pub(crate) id: SessionId,
    pub(crate) link: Rc<Link>,
    /// The task is dropped when the session has ended.
    pub(crate) tied: bool,
}

type BoxedFuture = Pin<Box<dyn Future<Output = ()>>>;

struct Task {
    /// `None` while it is being polled.
    body: Option<(BoxedFuture, Waker)>,
    flag: Arc<TaskWaker>,
    owner: Option<Owner>,
}

/// The result of polling a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Polled {
    /// It had ended, or was not woken.
    Idle,
    /// It was polled, and waits or has ended.
    Ran,
    /// It has ended in a panic, and belonged to this session.
    Panicked(Option<SessionId>),
}

pub(crate) struct Executor {
    table: RefCell<Table<Task>>,
    local: Rc<RunQueue>,
    mail: RefCell<Mailbox<Key>>,
    pub(super) timers: RefCell<SleepTimers>,
    /// The task that is being polled.
    pub(super) current: Cell<Option<Key>>,
    pub(crate) lending: Lending,
    ended: Cell<bool>,
    /// Threads for blocking work. There are none on a simulated network.
    pub(super) offload: Option<Offload>,
}

impl Executor {
    pub(crate) fn new(driver: &Driver, offload: Option<Offload>) -> Rc<Executor> {
        let (mail, inbox) = mailbox(usize::MAX, driver.wake_handle());
        Rc::new(Executor {
            table: RefCell::new(Table::with_limit(MOST_TASKS)),
            local: Rc::new(RunQueue { inbox: Arc::new(mail), queue: RefCell::default() }),
            mail: RefCell::new(inbox),
            timers: RefCell::new(SleepTimers::new(driver.now())),
            current: Cell::new(None),
            lending: Lending::default(),
            ended: Cell::new(false),
            offload,
        })
    }

    /// This thread turns the shard until the result is dropped.
    pub(crate) fn enter(&self) -> Turning {
        Turning { before: TURNING.replace(Some(Rc::clone(&self.local))) }
    }

    /// Adds a task, to be polled for the first time in the shard's turn. Only for the shard's own
    /// thread.
    pub(crate) fn spawn(
        &self,
        owner: Option<Owner>,
        future: impl Future<Output = ()> + 'static,
    ) -> Result<(), SpawnError> {
        if self.ended.get() || owner.as_ref().is_some_and(|owner| owner.tied && owner.link.gone.get()) {
            return Err(SpawnError::Closed);
        }
        let future: BoxedFuture = Box::pin(future);
        let mut table = self.table.borrow_mut();
        if table.is_full() {
            // Dropping the future may use the table.
            drop(table);
            return Err(SpawnError::Full);
        }
        let id = table.next_key();
        if let Some(owner) = owner.as_ref().filter(|owner| owner.tied) {
            owner.link.tie(id);
        }
        let inbox = Arc::clone(&self.local.inbox);
        let flag = Arc::new(TaskWaker { id, inbox, queued: AtomicBool::new(true) });
        let waker = Waker::from(Arc::clone(&flag));
        table.insert(Task { body: Some((future, waker)), flag, owner });
        self.local.queue.borrow_mut().push_back(id);
        Ok(())
    }

    /// Whether there are as many tasks as there may be.
    pub(crate) fn is_full(&self) -> bool {
        self.table.borrow().is_full()
    }

    /// When the first timer of a task is due.
    #[inline]
    pub(crate) fn earliest_timer(&self) -> Option<Time> {
        self.timers.borrow().earliest()
    }

    /// The time of this turn. Says whether a timer may be due.
    #[inline]
    pub(crate) fn begin_turn(&self, now: Time) -> bool {
        let timers = &mut *self.timers.borrow_mut();
        timers.now = now;
        timers.wheel.may_have_due(now)
    }

    /// Whether other threads have woken tasks.
    #[inline]
    pub(crate) fn has_mail(&self) -> bool {
        !self.mail.borrow().is_empty()
    }

    /// The waker of a timer that is due.
    pub(crate) fn pop_due_timer(&self, now: Time) -> Option<Waker> {
        self.timers.borrow_mut().pop_due(now)
    }

    /// Tasks there are.
    pub(crate) fn tasks(&self) -> usize {
        self.table.borrow().len()
    }

    /// Takes in what other threads have woken.
    pub(crate) fn take_mail(&self) {
        let mut mail = self.mail.borrow_mut();
        if !mail.is_empty() {
            self.local.queue.borrow_mut().extend(mail.take());
        }
    }

    /// Whether a task is to be polled.
    pub(crate) fn is_woken(&self, id: Key) -> bool {
        self.table.borrow().get(id).is_some_and(|task| task.flag.queued.load(Ordering::Acquire))
    }

    /// Whether there is a task to be polled.
    #[inline]
    pub(crate) fn has_woken(&self) -> bool {
        !self.local.queue.borrow().is_empty()
    }

    /// The next in the run queue.
    pub(crate) fn pop_woken(&self) -> Option<Key> {
        self.local.queue.borrow_mut().pop_front()
    }

    /// Polls a task, if it was woken, before those that came earlier.
    pub(crate) fn poll_now(&self, id: Key) -> Polled {
        {
            // Its waker has just put it there. Left alone, such entries would pile up.
            let mut queue = self.local.queue.borrow_mut();
            if queue.back() == Some(&id) {
                queue.pop_back();
            }
        }
        self.poll(id)
    }

    /// Polls a task that has come out of the queue.
    pub(crate) fn poll(&self, id: Key) -> Polled {
        let body = self.table.borrow_mut().get_mut(id).and_then(|task| {
            let woken = task.body.is_some() && task.flag.queued.swap(false, Ordering::AcqRel);
            if woken { task.body.take() } else { None }
        });
        let Some((mut future, waker)) = body else { return Polled::Idle };
        let before = self.current.replace(Some(id));
        let polled = contained(|| future.as_mut().poll(&mut Context::from_waker(&waker)));
        self.current.set(before);
        if let Ok(Poll::Pending) = polled {
            let mut table = self.table.borrow_mut();
            if let Some(task) = table.get_mut(id) {
                task.body = Some((future, waker));
                return Polled::Ran;
            }
        }
        let owner = self.table.borrow_mut().remove(id).and_then(|task| self.forget(id, task));
        let panicked = polled.is_err() | !dropped(future);
        match panicked {
            true if owner.is_none() => {
                tracing::error!("a task that belongs to no session panicked");
                Polled::Panicked(None)
            }
            true => Polled::Panicked(owner),
            false => Polled::Ran,
        }
    }

    /// A task has left the table: from now on its wakers do nothing. Returns its owner.
    fn forget(&self, id: Key, task: Task) -> Option<SessionId> {
        task.flag.queued.store(true, Ordering::Release);
        let owner = task.owner?;
        if owner.tied {
            owner.link.untie(id);
        }
        Some(owner.id)
    }

    /// Drops a task.
    pub(crate) fn cancel(&self, id: Key) {
        let task = self.table.borrow_mut().remove(id);
        if let Some(mut task) = task {
            let body = task.body.take();
            self.forget(id, task);
            if let Some((future, _)) = body {
                dropped(future);
            }
        }
    }

    /// A session has ended: drops the tasks that are tied to it.
    pub(crate) fn session_ended(&self, link: &Link) {
        link.gone.set(true);
        while let Some(id) = link.first_tied() {
            link.untie(id);
            self.cancel(id);
        }
    }

    /// Drops every task. Their destructors may wake others, or try to spawn more.
    pub(crate) fn end(&self) {
        self.ended.set(true);
        let slots = self.table.borrow().slots();
        for slot in slots {
            let key = self.table.borrow().key_of(slot);
            if let Some(key) = key {
                self.cancel(key);
            }
        }
        self.local.queue.borrow_mut().clear();
    }
}

/// Drops a user's future. Says whether it did not panic.
fn dropped(future: BoxedFuture) -> bool {
    let whole = contained(|| drop(future)).is_ok();
    if !whole {
        tracing::error!("a task panicked when it was dropped");
    }
    whole
}

/// While it exists, wake-ups on this thread go into the shard's run queue.
pub(crate) struct Turning {
    before: Option<Rc<RunQueue>>,
}

impl Drop for Turning {
    fn drop(&mut self) {
        let _ = TURNING.try_with(|turning| turning.replace(self.before.take()));
    }
}

pub(super) struct SleepTimers {
    now: Time,
    wheel: Wheel,
    timers: Table<Timer>,
}

enum Timer {
    Waiting(Waker),
    Over,
}

impl SleepTimers {
    pub(super) fn new(now: Time) -> SleepTimers {
        SleepTimers { now, wheel: Wheel::new(), timers: Table::new() }
    }

    /// The time of the turn.
    pub(super) fn now(&self) -> Time {
        self.now
    }

    #[inline]
    pub(super) fn earliest(&self) -> Option<Time> {
        self.wheel.earliest()
    }

    /// Begins a turn, and returns the waker of a timer that is due.
    pub(super) fn pop_due(&mut self, now: Time) -> Option<Waker> {
        self.now = now;
        while let Some(slot) = self.wheel.pop_due(now) {
            if let Some(timer) = self.timers.at_mut(slot)
                && let Timer::Waiting(waker) = std::mem::replace(timer, Timer::Over)
            {
                return Some(waker);
            }
        }
        None
    }

    pub(super) fn start(&mut self, at: Time, waker: &Waker) -> Key {
        let key = self.timers.insert(Timer::Waiting(waker.clone()));
        self.wheel.insert(key.slot(), at);
        key
    }

    /// Renews the waker of a timer. Says whether the timer is over.
    pub(super) fn is_over(&mut self, key: Key, waker: &Waker) -> bool {
        match self.timers.get_mut(key) {
            Some(Timer::Waiting(kept)) => {
                kept.clone_from(waker);
                false
            }
            Some(Timer::Over) | None => true,
        }
    }

    /// Stops a timer. Returns its waker: dropping that may run user code.
    pub(super) fn stop(&mut self, key: Key) -> Option<Waker> {
        self.wheel.remove(key.slot());
        match self.timers.remove(key)? {
            Timer::Waiting(waker) => Some(waker),
            Timer::Over => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_timer_is_due_once_and_its_slot_serves_again() {
        let second = Time::ZERO + Duration::from_secs(1);
        let mut timers = SleepTimers::new(Time::ZERO);
        let first = timers.start(second, Waker::noop());
        assert!(!timers.is_over(first, Waker::noop()) && timers.pop_due(Time::ZERO).is_none());
        assert!(timers.pop_due(second + Duration::from_secs(1)).is_some());
        assert!(timers.is_over(first, Waker::noop()) && timers.earliest().is_none());
        assert!(timers.stop(first).is_none(), "its waker has been called");
        let next = timers.start(second, Waker::noop());
        assert_eq!(next.slot(), first.slot());
        assert!(timers.stop(first).is_none() && timers.stop(next).is_some());
    }
}
