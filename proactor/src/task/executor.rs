//! A shard's executor: futures in a table, polled by the shard's thread and by no other.
//!
//! A waker is the number of a task, in an `Arc` with a flag. On the shard's own thread, waking puts the number into the run queue; from
//! any other it goes through a mailbox, which ends the driver's wait. No thread but the shard's ever holds the future itself, so none but the shard's can run or drop
//! it, and a future need not be `Send`. (`async-task` leaves that to its caller: to spawn what is not `Send` with a schedule function of one's own is `unsafe`, and
//! its `spawn_local` panics where a waker is dropped on another thread. This crate forbids the first and must not do the second.)
//!
//! What it promises:
//!
//! - **Bounded.** At most [`MOST_TASKS`] tasks. A task is in the queue, or in the mailbox, once, however often it is woken.
//! - **Contained.** A panic while a task is polled or dropped ends that task.
//! - **Nothing is left.** [`Executor::end`] drops every task; afterwards none can be spawned.
//! - **The same calls give the same order**, as long as no other thread wakes anything.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::VecDeque;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use overlapped::Driver;
use overlapped::buf::Packet;
use overlapped::mailbox::{Mailbox, Sender, mailbox};

use super::error::SpawnError;
use super::link::Link;
use super::offload::Offload;
use super::timers::Timers;
use crate::handle::Handle;
use crate::session::SessionId;

/// Tasks of one shard.
const MOST_TASKS: usize = 1 << 20;

/// Names a task of a shard; never means a later one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TaskId {
    slot: u32,
    generation: u32,
}

thread_local! {
    /// The run queue of the shard that this thread is turning.
    static TURNING: RefCell<Option<Rc<Local>>> = const { RefCell::new(None) };
}

/// Where tasks are reported that were woken on another thread. It has no limit of its own: a task is in it at most once.
struct Home {
    mail: Sender<TaskId>,
}

/// The run queue.
struct Local {
    home: Arc<Home>,
    queue: RefCell<VecDeque<TaskId>>,
}

struct TaskWaker {
    id: TaskId,
    home: Arc<Home>,
    /// It is in a queue, or has ended.
    queued: AtomicBool,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<TaskWaker>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<TaskWaker>) {
        // What was done before a wake-up is seen by the poll that follows it, also if an earlier wake-up brings that about.
        if self.queued.swap(true, Ordering::AcqRel) {
            return;
        }
        let here = TURNING.try_with(|turning| match &*turning.borrow() {
            Some(local) if Arc::ptr_eq(&local.home, &self.home) => {
                local.queue.borrow_mut().push_back(self.id);
                true
            }
            _ => false,
        });
        if !here.unwrap_or(false) {
            // If the shard has ended, so has the task.
            let _ = self.home.mail.send(self.id);
        }
    }
}

/// On whose behalf a task runs.
#[derive(Clone)]
pub(crate) struct Owner {
    pub(crate) id: SessionId,
    pub(crate) link: Rc<Link>,
    /// It ends when the session has.
    pub(crate) tied: bool,
}

type BoxedFuture = Pin<Box<dyn Future<Output = ()>>>;

struct Task {
    /// Not there while it is being polled.
    body: Option<(BoxedFuture, Waker)>,
    flag: Arc<TaskWaker>,
    owner: Option<Owner>,
}

#[derive(Default)]
struct Table {
    tasks: Vec<(u32, Option<Task>)>,
    free: Vec<u32>,
}

impl Table {
    fn len(&self) -> usize {
        self.tasks.len() - self.free.len()
    }

    fn get_mut(&mut self, id: TaskId) -> Option<&mut Task> {
        let (generation, task) = self.tasks.get_mut(id.slot as usize)?;
        task.as_mut().filter(|_| *generation == id.generation)
    }

    fn next_id(&self) -> TaskId {
        match self.free.last() {
            Some(slot) => TaskId { slot: *slot, generation: self.tasks[*slot as usize].0 },
            None => TaskId { slot: self.tasks.len() as u32, generation: 0 },
        }
    }

    /// Puts a task where [`next_id`](Table::next_id) said.
    fn insert(&mut self, task: Task) {
        match self.free.pop() {
            Some(slot) => self.tasks[slot as usize].1 = Some(task),
            None => self.tasks.push((0, Some(task))),
        }
    }

    fn remove(&mut self, id: TaskId) -> Option<Task> {
        let (generation, place) = self.tasks.get_mut(id.slot as usize)?;
        if *generation != id.generation {
            return None;
        }
        let task = place.take()?;
        *generation = generation.wrapping_add(1);
        self.free.push(id.slot);
        Some(task)
    }
}

/// What came of polling a task.
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
    table: RefCell<Table>,
    local: Rc<Local>,
    mail: RefCell<Mailbox<TaskId>>,
    pub(crate) timers: RefCell<Timers>,
    /// The task that is being polled.
    current: Cell<Option<TaskId>>,
    /// The pooled buffer in which the packets lie that are being handed over.
    lent: RefCell<Option<Packet>>,
    ended: Cell<bool>,
    /// Where blocking work is done; none on a simulated network.
    pub(crate) offload: OnceCell<Offload>,
    /// The server, once the shard knows it.
    pub(crate) server: OnceCell<Handle>,
}

impl Executor {
    pub(crate) fn new(driver: &Driver) -> Rc<Executor> {
        let (mail, inbox) = mailbox(usize::MAX, driver.wake_handle());
        Rc::new(Executor {
            table: RefCell::default(),
            local: Rc::new(Local { home: Arc::new(Home { mail }), queue: RefCell::default() }),
            mail: RefCell::new(inbox),
            timers: RefCell::new(Timers::new(driver.now())),
            current: Cell::new(None),
            lent: RefCell::default(),
            ended: Cell::new(false),
            offload: OnceCell::new(),
            server: OnceCell::new(),
        })
    }

    /// This thread turns the shard until what is returned is dropped.
    pub(crate) fn enter(&self) -> Turning {
        Turning { before: TURNING.replace(Some(Rc::clone(&self.local))) }
    }

    /// Takes a task, to be polled for the first time in the shard's turn. Only for the shard's own thread.
    pub(crate) fn spawn(
        &self,
        owner: Option<Owner>,
        future: impl Future<Output = ()> + 'static,
    ) -> Result<(), SpawnError> {
        if self.ended.get() || owner.as_ref().is_some_and(|owner| owner.tied && owner.link.is_gone()) {
            return Err(SpawnError::Closed);
        }
        let future: BoxedFuture = Box::pin(future);
        let mut table = self.table.borrow_mut();
        if table.len() >= MOST_TASKS {
            // What it holds is dropped without the table.
            drop(table);
            return Err(SpawnError::Full);
        }
        let id = table.next_id();
        if let Some(owner) = owner.as_ref().filter(|owner| owner.tied) {
            owner.link.tie(id);
        }
        let home = Arc::clone(&self.local.home);
        let flag = Arc::new(TaskWaker { id, home, queued: AtomicBool::new(true) });
        let waker = Waker::from(Arc::clone(&flag));
        table.insert(Task { body: Some((future, waker)), flag, owner });
        self.local.queue.borrow_mut().push_back(id);
        Ok(())
    }

    /// The task that is being polled.
    pub(crate) fn current(&self) -> Option<TaskId> {
        self.current.get()
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

    /// Whether there is a task to be polled.
    pub(crate) fn has_woken(&self) -> bool {
        !self.local.queue.borrow().is_empty()
    }

    /// The next in the run queue.
    pub(crate) fn pop_woken(&self) -> Option<TaskId> {
        self.local.queue.borrow_mut().pop_front()
    }

    /// Polls a task, if it was woken, before those that have been in the queue for longer.
    pub(crate) fn poll_now(&self, id: TaskId) -> Polled {
        {
            // Where its waker has just put it, or it would gather there.
            let mut queue = self.local.queue.borrow_mut();
            if queue.back() == Some(&id) {
                queue.pop_back();
            }
        }
        self.poll(id)
    }

    /// Polls a task that has come out of the queue.
    pub(crate) fn poll(&self, id: TaskId) -> Polled {
        let body = self.table.borrow_mut().get_mut(id).and_then(|task| {
            let woken = task.body.is_some() && task.flag.queued.swap(false, Ordering::AcqRel);
            if woken { task.body.take() } else { None }
        });
        let Some((mut future, waker)) = body else { return Polled::Idle };
        let before = self.current.replace(Some(id));
        let polled = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(&mut Context::from_waker(&waker))));
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

    /// A task has left the table: from now on its wakers do nothing. Gives its owner.
    fn forget(&self, id: TaskId, task: Task) -> Option<SessionId> {
        task.flag.queued.store(true, Ordering::Release);
        let owner = task.owner?;
        if owner.tied {
            owner.link.untie(id);
        }
        Some(owner.id)
    }

    /// Drops a task.
    pub(crate) fn cancel(&self, id: TaskId) {
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
        link.gone();
        while let Some(id) = link.first_tied() {
            link.untie(id);
            self.cancel(id);
        }
    }

    /// Drops every task. What is dropped may wake others, or try to spawn more.
    pub(crate) fn end(&self) {
        self.ended.set(true);
        let last = self.table.borrow().tasks.len();
        for slot in 0..last {
            let generation = self.table.borrow().tasks[slot].0;
            self.cancel(TaskId { slot: slot as u32, generation });
        }
        self.local.queue.borrow_mut().clear();
    }

    // ---- the packets that are being handed over ----

    /// Calls with the bytes of a pooled buffer, of which slices can meanwhile be [`read`](Executor::read_lent) by tasks; then the buffer goes back to its pool.
    pub(crate) fn lend<R>(&self, packet: Packet, call: impl FnOnce(&[u8]) -> R) -> R {
        *self.lent.borrow_mut() = Some(packet);
        let result = call(self.lent.borrow().as_deref().unwrap_or_default());
        *self.lent.borrow_mut() = None;
        result
    }

    /// Where in the lent buffer a slice lies, if it does.
    pub(crate) fn place_in_lent(&self, bytes: &[u8]) -> Option<Range<usize>> {
        let lent = self.lent.borrow();
        let whole = lent.as_ref()?.as_ptr_range();
        let part = bytes.as_ptr_range();
        let within = whole.start <= part.start && part.end <= whole.end;
        within.then(|| {
            let start = part.start.addr() - whole.start.addr();
            start..start + bytes.len()
        })
    }

    /// Reads a slice of the lent buffer.
    pub(crate) fn read_lent<R>(&self, range: Range<usize>, read: impl FnOnce(&[u8]) -> R) -> R {
        let lent = self.lent.borrow();
        read(lent.as_deref().and_then(|bytes| bytes.get(range)).unwrap_or_default())
    }
}

/// Wakes whom a waker of the user's may wake, and contains its panic.
pub(crate) fn wake(waker: Waker) {
    if catch_unwind(AssertUnwindSafe(|| waker.wake())).is_err() {
        tracing::error!("a waker panicked");
    }
}

/// Drops what a user wrote; says whether it did so without a panic.
fn dropped(future: BoxedFuture) -> bool {
    let whole = catch_unwind(AssertUnwindSafe(|| drop(future))).is_ok();
    if !whole {
        tracing::error!("a task panicked when it was dropped");
    }
    whole
}

/// While it is there, wake-ups on this thread go into the shard's run queue.
pub(crate) struct Turning {
    before: Option<Rc<Local>>,
}

impl Drop for Turning {
    fn drop(&mut self) {
        let _ = TURNING.try_with(|turning| turning.replace(self.before.take()));
    }
}
