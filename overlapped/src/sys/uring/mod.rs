//! The backend on Linux's io_uring.
//!
//! A request's `user_data` is its operation's slot and generation and the kind of request, so that
//! a completion says what it is without a lookup. One system call a turn submits, waits and
//! collects.

mod accept;
mod buf_ring;
mod complete;
pub(crate) mod direct;
mod direct_table;
mod enter;
mod on_the_spot;
mod probe;
mod request;
mod setup;
mod start;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsRawFd, FromRawFd, RawFd};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use io_uring::types::Fd;
use io_uring::{IoUring, cqueue, opcode, squeue};

use crate::buf::Pool;
use crate::error::{Action, Error};
use crate::id::OpId;
use crate::options::BackendOptions;
use crate::report::Report;
use crate::table::Table;
use crate::time::Time;
use crate::wake::WakeHandle;

use super::socket::unix::disconnect;
use super::{clock, handle::Handle, message::Message, op::Event, op::Outcome, process::Process};
use buf_ring::BufRing;
use direct_table::DirectTable;
use enter::Entrance;
use on_the_spot::OnTheSpot;
use probe::Features;
use request::{Request, user_data};

/// Bytes thrown away at a time.
const DISCARD_BYTES: usize = 64 * 1024;
/// One entry is kept for the wake-up, and one because closing a direct descriptor may take two.
const KEPT_ENTRIES: usize = 2;
/// How often the kernel is asked to take a request on. It does so the first time, unless memory is
/// short.
const INSTALL_TRIES: u32 = 100;

/// What this backend remembers of an operation's slot: the kind of request in the low byte and the
/// number of its message above that. It is kept for each idle session.
#[derive(Clone, Copy)]
struct Slot(u32);

/// The number of no message. The driver has at most so many operations, which are numbered from 0.
const NO_MESSAGE: u32 = u32::MAX >> 8;

impl Slot {
    fn new(request: Request, message: u32) -> Slot {
        Slot(message << 8 | request as u32)
    }

    fn request(self) -> Request {
        Request::of(self.0.into())
    }

    fn message(self) -> u32 {
        self.0 >> 8
    }
}

pub(crate) struct Uring {
    process: Process,
    ring: IoUring,
    entrance: Entrance,
    buffers: BufRing,
    /// For streams, where the kernel can fill buffers piece by piece.
    pieces: Option<BufRing>,
    slots: Vec<Slot>,
    /// The messages of operations in flight, by number. Few have one.
    messages: Table<Box<Message>>,
    #[expect(clippy::vec_box, reason = "a message must not move while the kernel reads it")]
    spare: Vec<Box<Message>>,
    /// Events of operations that ended without a request.
    ended: VecDeque<Event>,
    spot: OnTheSpot,
    /// Operations that a cancel has not found: they have ended, or were just being tried again.
    missed: Vec<OpId>,
    /// Completions that came while [`descriptor_of`](Uring::descriptor_of) waited for its own.
    early: RefCell<VecDeque<cqueue::Entry>>,
    pub(super) wake: WakeHandle,
    alarm: EventFd,
    /// What the kernel reads from the wake-up's descriptor. Boxed, because it must not move.
    wake_count: Box<u64>,
    wake_armed: bool,
    discard: Box<[u8]>,
    features: Features,
    direct: DirectTable,
    turn_bytes: u32,
    pub(super) report: Report,
}

impl Uring {
    pub(crate) fn new(options: &BackendOptions, pool: Rc<Pool>, why: &str) -> Result<Uring, Error> {
        let (mut ring, mut report, deferred) = setup::ring(options, why)?;
        let features = Features { deferred, ..probe::probe(&mut ring, options, &mut report)? };
        let pieces = BufRing::in_pieces(&ring, &pool, features.pieces, &mut report);
        let buffers = BufRing::register(&ring, pool)?;
        let alarm = EventFd::new()?;
        let rings = alarm.clone();
        let wake = WakeHandle::new(move || rings.ring());
        let (entrance, feature) = Entrance::new(&ring);
        report.features.push(feature);
        let direct = DirectTable::new(&ring, options, &mut report)?;
        Ok(Uring {
            process: Process::this(),
            ring,
            entrance,
            buffers,
            pieces,
            slots: Vec::new(),
            messages: Table::new(),
            spare: Vec::new(),
            ended: VecDeque::new(),
            spot: OnTheSpot::default(),
            missed: Vec::new(),
            early: RefCell::default(),
            wake,
            alarm,
            wake_count: Box::new(0),
            wake_armed: false,
            discard: vec![0; DISCARD_BYTES].into(),
            features,
            direct,
            turn_bytes: options.turn_bytes,
            report,
        })
    }

    pub(crate) fn has_room(&mut self) -> Result<bool, Error> {
        let kept = if self.direct.is_there() { KEPT_ENTRIES } else { 1 };
        if self.free_entries() > kept {
            return Ok(true);
        }
        self.enter(Some(Duration::ZERO))?;
        Ok(self.free_entries() > kept)
    }

    fn free_entries(&mut self) -> usize {
        let queue = self.ring.submission();
        queue.capacity() - queue.len()
    }

    fn push(&mut self, entry: squeue::Entry) {
        // SAFETY: what the entry points to is owned by the operation (buffers, message, handle) or
        // by this backend (wake-up, discard buffer). Both outlive the request, because the driver
        // waits for its last event before it lets go.
        let pushed = unsafe { self.ring.submission().push(&entry) };
        pushed.expect("the driver asks for room first");
    }

    pub(crate) fn attach(&mut self, _: u32, _: &Handle) -> Result<(), Error> {
        Ok(())
    }

    /// Puts a stream into the ring's table, if there is one and it fits.
    pub(crate) fn take_in(&mut self, socket: u32, handle: Handle) -> Handle {
        self.direct.take_in(&self.ring, socket, handle)
    }

    pub(crate) fn detach(&mut self, _: u32, handle: &Handle) -> Result<(), Error> {
        match handle {
            Handle::Direct(direct) => self.direct.take_out(&self.ring, direct),
            _ => Ok(()),
        }
    }

    pub(crate) fn direct(&self) -> usize {
        self.direct.used()
    }

    /// An ordinary descriptor of a socket that has none. The kernel makes it when it takes the
    /// request on, so nothing is waited for. What else has completed by then is handed out later.
    pub(crate) fn descriptor_of(&self, handle: &Handle) -> Result<Option<Handle>, Error> {
        let Handle::Direct(direct) = handle else { return Ok(None) };
        let entry = direct_table::install(direct).user_data(Request::Install as u64);
        let mut is_pushed = false;
        for _ in 0..INSTALL_TRIES {
            let pending = {
                // SAFETY: on this thread, to which the ring belongs, no other view of the queue is
                // open.
                let mut queue = unsafe { self.ring.submission_shared() };
                let has_room = queue.capacity() - queue.len() > KEPT_ENTRIES;
                // SAFETY: it names no memory.
                is_pushed = is_pushed || has_room && unsafe { queue.push(&entry) }.is_ok();
                queue.len() as u32
            };
            self.submit(pending, Some(Duration::ZERO))?;
            // SAFETY: as for the other queue.
            for entry in unsafe { self.ring.completion_shared() } {
                if Request::of(entry.user_data()) == Request::Install {
                    let handle = direct_table::installed(entry.result())?;
                    if direct.is_lent() {
                        handle.lent();
                    }
                    return Ok(Some(handle));
                }
                self.early.borrow_mut().push_back(entry);
            }
        }
        Err(Error::os(Action::Socket, libc::ENOMEM).because("the kernel does not take requests on"))
    }

    /// Sees to it that closing a socket does not wait. It waits for a linger that others have set.
    pub(crate) fn hasten_close(&self, handle: &Handle) {
        if !handle.is_lent() {
            return;
        }
        match handle {
            // An ordinary descriptor, which is not the last one, does that when it is dropped.
            Handle::Direct(_) => drop(self.descriptor_of(handle)),
            handle => handle.system().hasten_close(),
        }
    }

    /// Ends an attempt to connect whose request was cancelled: without this the kernel goes on.
    pub(crate) fn disconnect(&mut self, handle: &Handle) {
        let Handle::Direct(direct) = handle else { return disconnect(&handle.system().socket) };
        if !self.has_room().unwrap_or(false) {
            // The entries that are left are kept. The ring has failed, or completions have to be
            // taken first. The next connect of this socket finds the attempt.
            return;
        }
        self.push(direct_table::disconnect(direct).user_data(Request::Cancel as u64));
    }

    pub(crate) fn cancel(&mut self, id: OpId) {
        let target = user_data(id, self.slots[id.slot() as usize].request());
        self.push(opcode::AsyncCancel::new(target).build().user_data(user_data(id, Request::Cancel)));
    }

    /// An operation that a cancel has missed, which may not have ended.
    pub(crate) fn missed(&mut self) -> Option<OpId> {
        self.missed.pop()
    }

    pub(crate) fn turn(&mut self, until: Option<Time>) -> Result<(), Error> {
        self.buffers.refill();
        if let Some(pieces) = &mut self.pieces {
            pieces.refill();
        }
        if !self.wake_armed {
            let ptr: *mut u64 = &mut *self.wake_count;
            let entry = opcode::Read::new(Fd(self.alarm.raw_fd()), ptr.cast(), size_of::<u64>() as u32).build();
            self.push(entry.user_data(Request::Wake as u64));
            self.wake_armed = true;
        }
        let limit = match until {
            None => None,
            Some(Time::ZERO) => Some(Duration::ZERO),
            Some(until) => Some(until - clock::now()),
        };
        let is_to_submit = !self.ring.submission().is_empty();
        if self.spot.may_skip_enter(!self.ended.is_empty(), is_to_submit) {
            self.wake.runs();
            return Ok(());
        }
        let idle = self.ended.is_empty() && self.early.get_mut().is_empty() && self.ring.completion().is_empty();
        let limit = if idle && self.wake.may_wait() { limit } else { Some(Duration::ZERO) };
        let entered = self.enter(limit);
        self.wake.runs();
        self.spot.begin_turn(self.early.get_mut().len() + self.ring.completion().len());
        entered
    }

    /// Submits, runs the kernel's deferred work, and waits for one completion unless `limit` is
    /// zero.
    fn enter(&mut self, limit: Option<Duration>) -> Result<(), Error> {
        let pending = self.ring.submission().len() as u32;
        self.submit(pending, limit)
    }

    fn submit(&self, pending: u32, limit: Option<Duration>) -> Result<(), Error> {
        match self.entrance.enter(pending, limit) {
            Ok(()) => Ok(()),
            Err(error) => match error.raw_os_error() {
                // ETIME: the wait is over. EINTR: a signal. EBUSY: completions have to be taken
                // first. EAGAIN: the kernel is short of memory for requests; they stay in the queue
                // and are tried again.
                Some(libc::ETIME | libc::EINTR | libc::EBUSY | libc::EAGAIN) => Ok(()),
                _ => Err(Error::io(Action::Turn, &error)),
            },
        }
    }

    pub(crate) fn next(&mut self) -> Option<Event> {
        if let Some(event) = self.ended.pop_front() {
            return Some(event);
        }
        loop {
            let entry = match self.early.get_mut().pop_front() {
                Some(entry) => entry,
                None => self.ring.completion().next()?,
            };
            if let Some(event) = self.translate(&entry) {
                return Some(event);
            }
        }
    }

    /// Sends at once what the socket takes without a wait, if that is much or this turn has brought
    /// little.
    #[inline]
    pub(crate) fn send_at_once(&mut self, handle: &Handle, bytes: &[u8]) -> Option<Result<usize, i32>> {
        self.spot.send(handle, bytes, 0).or_else(|| on_the_spot::send_large(handle, bytes))
    }

    /// Whether all of these starts may be sends that are made at once.
    #[inline]
    pub(crate) fn starts_at_once(&self, waiting: usize) -> bool {
        (1..=self.spot.left()).contains(&waiting)
    }

    #[inline]
    pub(crate) fn has_ended(&self) -> bool {
        !self.ended.is_empty()
    }

    /// The next end of a send that ended as it was started.
    #[inline]
    pub(crate) fn next_sent(&mut self) -> Option<Event> {
        let is_sent = matches!(self.ended.front()?.result, Ok(Outcome::Sent(_)));
        if is_sent { self.ended.pop_front() } else { None }
    }

    pub(crate) fn leak(&mut self) {
        std::mem::forget(std::mem::take(&mut self.messages));
        std::mem::forget(std::mem::take(&mut self.discard));
        self.buffers.leak();
        if let Some(pieces) = &mut self.pieces {
            pieces.leak();
        }
    }
}

impl Drop for Uring {
    /// Ends the wake-up's read, the one request that the driver does not know of.
    fn drop(&mut self) {
        if !self.process.is_this() {
            // The queues are memory that a forked child shares with its parent.
            return;
        }
        let deadline = Instant::now() + Duration::from_secs(1);
        while self.wake_armed && Instant::now() < deadline {
            if self.free_entries() > 0 {
                self.push(opcode::AsyncCancel::new(Request::Wake as u64).build().user_data(Request::Cancel as u64));
            }
            if self.enter(Some(Duration::from_millis(10))).is_err() {
                break;
            }
            while self.next().is_some() {}
        }
        if self.wake_armed {
            std::mem::forget(std::mem::take(&mut self.wake_count));
        }
        self.direct.clear(&self.ring);
        self.entrance.leave();
    }
}

/// An `eventfd`. It blocks, so that io_uring waits for it and does not report that there is
/// nothing.
#[derive(Clone)]
struct EventFd(Arc<File>);

impl EventFd {
    fn new() -> Result<EventFd, Error> {
        // SAFETY: a plain system call; the result is checked.
        let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC) };
        if fd < 0 {
            return Err(Error::io(Action::Setup, &std::io::Error::last_os_error()));
        }
        // SAFETY: the descriptor is new and nobody else's.
        Ok(EventFd(Arc::new(unsafe { File::from_raw_fd(fd) })))
    }

    fn ring(&self) {
        // A write fails only when the counter is full, and then the reader is awake anyway.
        let _ = (&*self.0).write(&1u64.to_ne_bytes());
    }

    fn raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}
