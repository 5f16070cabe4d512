//! The backend on Linux's io_uring.
//!
//! A request's `user_data` is its operation's slot and generation and the kind of request, so that what the kernel hands back says
//! what it is without a look-up. One system call a turn submits, waits and collects.

mod accept;
mod buf_ring;
mod direct;
mod enter;
mod event_fd;
mod probe;
mod setup;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::os::fd::{FromRawFd, IntoRawFd, OwnedFd};
use std::rc::Rc;
use std::time::{Duration, Instant};

use io_uring::types::Fd;
use io_uring::{IoUring, cqueue, opcode, squeue};

use crate::buf::Pool;
use crate::driver::DriverConfig;
use crate::error::{Action, Error};
use crate::flags::ShutdownHow;
use crate::id::OpId;
use crate::report::Report;
use crate::time::Time;

use super::message::{MOST_BYTES, Message, NAME_BYTES, flag_bits};
use super::socket::sock_addr;
use super::{Event, Handle, Happened, Request, WakeHandle};
use buf_ring::BufRing;
pub(crate) use direct::Direct;
use enter::Entrance;
use event_fd::EventFd;
use probe::Features;

/// Bytes thrown away at a time.
const DISCARD_BYTES: usize = 64 * 1024;
/// One entry is kept for the wake-up, and one because the close of a direct descriptor may take two.
const KEPT_ENTRIES: usize = 2;
/// How often the kernel is asked to take on what it takes on at once, unless memory is short.
const INSTALL_TRIES: u32 = 100;
/// A send of no more is left to the kernel as a whole.
const MOST_UNTOLD_BYTES: u64 = 64 * 1024;

/// Kinds of request, the low byte of `user_data`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Plain = 0,
    /// It has a [`Message`].
    Vectored = 1,
    Accept = 2,
    Pooled = 3,
    Cancel = 4,
    Wake = 5,
    /// A datagram into its own buffers; it has a [`Message`], in which its sender is.
    From = 6,
    PooledFrom = 7,
    /// The close of a direct descriptor.
    CloseDirect = 8,
    /// An ordinary descriptor is made of a direct one.
    Install = 9,
}

impl Kind {
    fn of(user_data: u64) -> Kind {
        match user_data as u8 {
            0 => Kind::Plain,
            1 => Kind::Vectored,
            2 => Kind::Accept,
            3 => Kind::Pooled,
            4 => Kind::Cancel,
            5 => Kind::Wake,
            6 => Kind::From,
            8 => Kind::CloseDirect,
            9 => Kind::Install,
            _ => Kind::PooledFrom,
        }
    }
}

fn user_data(id: OpId, kind: Kind) -> u64 {
    debug_assert!(id.slot() < 1 << 24);
    u64::from(id.generation()) << 32 | u64::from(id.slot()) << 8 | kind as u64
}

fn op_id(user_data: u64) -> OpId {
    OpId::new((user_data as u32) >> 8, (user_data >> 32) as u32)
}

/// What this backend remembers of an operation's slot.
struct Slot {
    kind: Kind,
    scratch: Option<Box<Message>>,
}

pub(crate) struct Uring {
    ring: IoUring,
    entrance: Entrance,
    buffers: BufRing,
    slots: Vec<Slot>,
    #[expect(clippy::vec_box, reason = "a scratch must not move while the kernel reads it")]
    spare: Vec<Box<Message>>,
    /// What ended without the kernel.
    refused: VecDeque<Event>,
    /// What the kernel has told while something else was asked for.
    early: RefCell<VecDeque<cqueue::Entry>>,
    wake: WakeHandle,
    alarm: EventFd,
    /// What the kernel reads from the wake-up's descriptor; boxed, for it must not move.
    wake_count: Box<u64>,
    wake_armed: bool,
    discard: Box<[u8]>,
    features: Features,
    direct: direct::Table,
    turn_bytes: u32,
    report: Report,
}

impl Uring {
    pub(crate) fn new(config: &DriverConfig, pool: Rc<Pool>, why: &str) -> Result<Uring, Error> {
        let (mut ring, mut report, deferred) = setup::ring(config, why)?;
        let features = Features { deferred, ..probe::probe(&mut ring, config, &mut report)? };
        let buffers = BufRing::register(&ring, pool)?;
        let alarm = EventFd::new()?;
        let rings = alarm.clone();
        let wake = WakeHandle::new(move || rings.ring());
        let (entrance, feature) = Entrance::new(&ring);
        report.features.push(feature);
        let direct = direct::Table::new(&ring, config, &mut report)?;
        Ok(Uring {
            ring,
            entrance,
            buffers,
            slots: Vec::new(),
            spare: Vec::new(),
            refused: VecDeque::new(),
            early: RefCell::default(),
            wake,
            alarm,
            wake_count: Box::new(0),
            wake_armed: false,
            discard: vec![0; DISCARD_BYTES].into(),
            features,
            direct,
            turn_bytes: config.turn_bytes,
            report,
        })
    }

    pub(crate) fn report(&self) -> &Report {
        &self.report
    }

    pub(crate) fn wake_handle(&self) -> WakeHandle {
        self.wake.clone()
    }

    pub(crate) fn now(&self) -> Time {
        Time::real()
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
        // SAFETY: what the entry points to is owned by the operation (buffers, scratch, handle) or by this backend (wake-up,
        // discard buffer); both outlive the request, because the driver waits for its last event before it lets go.
        let pushed = unsafe { self.ring.submission().push(&entry) };
        pushed.expect("the driver asks for room first");
    }

    pub(crate) fn attach(&mut self, _: u32, _: &Handle) -> Result<(), Error> {
        Ok(())
    }

    /// A stream goes into the ring's table, if there is one and it fits.
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

    /// An ordinary descriptor of a socket that has none. The kernel makes it while it takes the request on, so nothing is waited for; what else has happened by
    /// then is told in its turn.
    pub(crate) fn descriptor_of(&self, handle: &Handle) -> Result<Option<Handle>, Error> {
        let Handle::Direct(direct) = handle else { return Ok(None) };
        let entry = direct::install(direct).user_data(Kind::Install as u64);
        let mut is_pushed = false;
        for _ in 0..INSTALL_TRIES {
            let pending = {
                // SAFETY: on this thread, to which the ring belongs, no other view of the queue is open.
                let mut queue = unsafe { self.ring.submission_shared() };
                let has_room = queue.capacity() - queue.len() > KEPT_ENTRIES;
                // SAFETY: it names no memory.
                is_pushed = is_pushed || has_room && unsafe { queue.push(&entry) }.is_ok();
                queue.len() as u32
            };
            self.submit(pending, Some(Duration::ZERO))?;
            // SAFETY: as for the other queue.
            for entry in unsafe { self.ring.completion_shared() } {
                if Kind::of(entry.user_data()) == Kind::Install {
                    return direct::installed(entry.result()).map(Some);
                }
                self.early.borrow_mut().push_back(entry);
            }
        }
        Err(Error::os(Action::Socket, libc::ENOMEM).because("the kernel does not take requests on"))
    }

    pub(crate) fn start(&mut self, id: OpId, _socket: u32, request: Request<'_>) {
        if self.slots.len() <= id.slot() as usize {
            self.slots.resize_with(id.slot() as usize + 1, || Slot { kind: Kind::Plain, scratch: None });
        }
        let (fd, is_direct) = direct::target(request.handle());
        let mut kind = Kind::Plain;
        let mut scratch: Option<Box<Message>> = None;
        let entry = match request {
            Request::Accept { handle, multi } => {
                kind = Kind::Accept;
                let multi = multi && self.features.multishot_accept;
                if multi && self.features.deferred && handle.system().is_ip() {
                    let scratch = scratch.insert(self.spare.pop().unwrap_or_else(Message::new));
                    accept::multi(fd, scratch)
                } else if multi {
                    opcode::AcceptMulti::new(fd).flags(libc::SOCK_CLOEXEC).build()
                } else {
                    let nowhere = std::ptr::null_mut();
                    opcode::Accept::new(fd, nowhere, nowhere.cast()).flags(libc::SOCK_CLOEXEC).build()
                }
            }
            Request::Connect { address, .. } => {
                let Ok(address) = sock_addr(address) else { return self.refuse(id, libc::EINVAL) };
                let scratch = scratch.insert(self.spare.pop().unwrap_or_else(Message::new));
                scratch.address = address;
                let (ptr, len) = (scratch.address.as_ptr(), scratch.address.len());
                opcode::Connect::new(fd, ptr.cast(), len).build()
            }
            Request::Recv { buf, skip, flags, .. } => {
                let flags = flag_bits(flags);
                if let Some((ptr, len)) = buf.single(skip) {
                    opcode::Recv::new(fd, ptr.as_ptr(), len.min(MOST_BYTES) as u32).flags(flags).build()
                } else {
                    let scratch = scratch.insert(self.spare.pop().unwrap_or_else(Message::new));
                    scratch.gather(buf, skip);
                    opcode::RecvMsg::new(fd, &raw mut scratch.header).flags(flags as u32).build()
                }
            }
            Request::RecvPooled { .. } => {
                kind = Kind::Pooled;
                self.receive_pooled(fd)
            }
            Request::Send { buf, skip, flags, .. } => {
                // With MSG_WAITALL the kernel itself goes on after a short write, where it can. It does not tell of it, so a large send, in which
                // much may happen, goes on by the driver.
                let wait_all = if buf.total() - skip <= MOST_UNTOLD_BYTES { libc::MSG_WAITALL } else { 0 };
                let flags = flag_bits(flags) | libc::MSG_NOSIGNAL | wait_all;
                if let Some((ptr, len)) = buf.single(skip) {
                    opcode::Send::new(fd, ptr.as_ptr(), len.min(MOST_BYTES) as u32).flags(flags).build()
                } else {
                    let scratch = scratch.insert(self.spare.pop().unwrap_or_else(Message::new));
                    scratch.gather(buf, skip);
                    opcode::SendMsg::new(fd, &raw const scratch.header).flags(flags as u32).build()
                }
            }
            Request::RecvFrom { buf, flags, .. } => {
                kind = Kind::From;
                let scratch = scratch.insert(self.spare.pop().unwrap_or_else(Message::new));
                scratch.gather(buf, 0);
                scratch.take_name();
                let flags = flag_bits(flags) as u32;
                opcode::RecvMsg::new(fd, &raw mut scratch.header).flags(flags).build()
            }
            Request::RecvFromPooled { .. } => {
                if !self.features.multishot_receive {
                    return self.refuse(id, libc::EOPNOTSUPP);
                }
                kind = Kind::PooledFrom;
                // The kernel writes a head, the sender's address and the datagram into the buffer.
                let scratch = scratch.insert(self.spare.pop().unwrap_or_else(Message::new));
                scratch.header.msg_namelen = NAME_BYTES;
                let group = self.buffers.group();
                opcode::RecvMsgMulti::new(fd, &raw const scratch.header, group).flags(libc::MSG_TRUNC as u32).build()
            }
            Request::SendTo { buf, address, .. } => {
                let Ok(address) = sock_addr(address) else { return self.refuse(id, libc::EINVAL) };
                let scratch = scratch.insert(self.spare.pop().unwrap_or_else(Message::new));
                scratch.gather(buf, 0);
                scratch.give_name(address);
                let flags = libc::MSG_NOSIGNAL as u32;
                opcode::SendMsg::new(fd, &raw const scratch.header).flags(flags).build()
            }
            Request::Shutdown { how, .. } => {
                let how = match how {
                    ShutdownHow::Receive => libc::SHUT_RD,
                    ShutdownHow::Send => libc::SHUT_WR,
                    ShutdownHow::Both => libc::SHUT_RDWR,
                };
                opcode::Shutdown::new(fd, how).build()
            }
            Request::Discard { .. } => {
                // On TCP, MSG_TRUNC throws the bytes away without a copy. All discards share the buffer: nobody reads it.
                let (ptr, len) = (self.discard.as_mut_ptr(), self.discard.len() as u32);
                opcode::Recv::new(fd, ptr, len).flags(libc::MSG_TRUNC).build()
            }
            Request::Close { handle: Handle::Direct(direct) } => {
                let (reset, close) = direct::close(&direct);
                if let Some(reset) = reset {
                    self.push(reset.user_data(user_data(id, Kind::Cancel)));
                }
                self.slots[id.slot() as usize] = Slot { kind: Kind::CloseDirect, scratch: None };
                return self.push(close.user_data(user_data(id, Kind::CloseDirect)));
            }
            Request::Close { handle } => {
                opcode::Close::new(Fd(OwnedFd::from(handle.into_socket()).into_raw_fd())).build()
            }
        };
        if scratch.is_some() && kind == Kind::Plain {
            kind = Kind::Vectored;
        }
        self.slots[id.slot() as usize] = Slot { kind, scratch };
        let entry = if is_direct { entry.flags(direct::FIXED) } else { entry };
        self.push(entry.user_data(user_data(id, kind)));
    }

    /// Ends a request that the kernel is not asked for.
    fn refuse(&mut self, id: OpId, code: i32) {
        self.refused.push_back(Event { id, more: false, happened: Happened::Failed(code) });
    }

    /// A request's scratch has served; it is kept for the next.
    fn release(&mut self, id: OpId) {
        // A slot is freed by its request's last event, so the scratch is this request's.
        if let Some(mut scratch) = self.slots[id.slot() as usize].scratch.take() {
            scratch.clear();
            self.spare.push(scratch);
        }
    }

    fn receive_pooled(&self, fd: Fd) -> squeue::Entry {
        let group = self.buffers.group();
        if !self.features.multishot_receive {
            let len = self.buffers.buffer_bytes();
            let entry = opcode::Recv::new(fd, std::ptr::null_mut(), len).buf_group(group).build();
            return entry.flags(squeue::Flags::BUFFER_SELECT);
        }
        let entry = opcode::RecvMulti::new(fd, group).build();
        match self.features.multishot_limit && self.turn_bytes > 0 {
            true => probe::with_limit(entry, self.turn_bytes),
            false => entry,
        }
    }

    pub(crate) fn cancel(&mut self, id: OpId) {
        let target = user_data(id, self.slots[id.slot() as usize].kind);
        self.push(opcode::AsyncCancel::new(target).build().user_data(user_data(id, Kind::Cancel)));
    }

    pub(crate) fn turn(&mut self, until: Option<Time>) -> Result<(), Error> {
        self.buffers.refill();
        if !self.wake_armed {
            let ptr: *mut u64 = &mut *self.wake_count;
            let entry = opcode::Read::new(Fd(self.alarm.raw_fd()), ptr.cast(), size_of::<u64>() as u32).build();
            self.push(entry.user_data(Kind::Wake as u64));
            self.wake_armed = true;
        }
        let limit = match until {
            None => None,
            Some(Time::ZERO) => Some(Duration::ZERO),
            Some(until) => Some(until - self.now()),
        };
        let idle = self.refused.is_empty() && self.early.get_mut().is_empty() && self.ring.completion().is_empty();
        if limit == Some(Duration::ZERO) || !idle || !self.wake.may_wait() {
            let entered = self.enter(Some(Duration::ZERO));
            self.wake.runs();
            return entered;
        }
        let entered = self.enter(limit);
        self.wake.runs();
        entered
    }

    /// Submits, runs what the kernel has put off, and waits for one completion if `limit` is not zero.
    fn enter(&mut self, limit: Option<Duration>) -> Result<(), Error> {
        let pending = self.ring.submission().len() as u32;
        self.submit(pending, limit)
    }

    fn submit(&self, pending: u32, limit: Option<Duration>) -> Result<(), Error> {
        match self.entrance.enter(pending, limit) {
            Ok(()) => Ok(()),
            Err(error) => match error.raw_os_error() {
                // ETIME: the wait is over. EINTR: a signal. EBUSY: completions have to be taken first. EAGAIN: the kernel
                // is short of memory for requests; they stay in the queue and are tried again.
                Some(libc::ETIME | libc::EINTR | libc::EBUSY | libc::EAGAIN) => Ok(()),
                _ => Err(Error::io(Action::Turn, &error)),
            },
        }
    }

    pub(crate) fn next(&mut self) -> Option<Event> {
        if let Some(event) = self.refused.pop_front() {
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

    fn translate(&mut self, entry: &cqueue::Entry) -> Option<Event> {
        let (id, result, flags) = (op_id(entry.user_data()), entry.result(), entry.flags());
        let more = cqueue::more(flags);
        let happened = match Kind::of(entry.user_data()) {
            Kind::Cancel => return None,
            Kind::Wake => {
                self.wake_armed = false;
                return None;
            }
            Kind::Pooled => {
                let buffer = cqueue::buffer_select(flags);
                match (result, buffer) {
                    (1.., Some(buffer)) => Happened::Packet(self.buffers.packet(buffer, result as usize)),
                    (_, buffer) => {
                        if let Some(buffer) = buffer {
                            self.buffers.put_back(buffer);
                        }
                        match result {
                            0.. => Happened::Moved(0),
                            _ if -result == libc::ENOBUFS => Happened::Starved,
                            _ => Happened::Failed(-result),
                        }
                    }
                }
            }
            Kind::Accept => {
                let happened = self.accepted(id, entry);
                if !more {
                    self.release(id);
                }
                happened
            }
            Kind::Vectored => {
                self.release(id);
                moved(result)
            }
            Kind::From => {
                let scratch = self.slots[id.slot() as usize].scratch.as_ref().expect("it was given one");
                let truncated = scratch.header.msg_flags & libc::MSG_TRUNC != 0;
                let happened = match result {
                    0.. => Happened::MovedFrom { bytes: result as u32, from: scratch.name(), truncated },
                    _ => Happened::Failed(-result),
                };
                self.release(id);
                happened
            }
            Kind::PooledFrom => {
                let happened = self.datagram(id, result, cqueue::buffer_select(flags));
                if !more {
                    self.release(id);
                }
                happened
            }
            Kind::CloseDirect => {
                if result >= 0 {
                    self.direct.closed();
                }
                moved(result)
            }
            Kind::Install => {
                // Nobody waits for it any more.
                drop(direct::installed(result));
                return None;
            }
            Kind::Plain => moved(result),
        };
        Some(Event { id, more, happened })
    }

    fn accepted(&mut self, id: OpId, entry: &cqueue::Entry) -> Happened {
        if entry.result() < 0 {
            return moved(entry.result());
        }
        // SAFETY: the kernel has just made this descriptor for us.
        let fd = unsafe { OwnedFd::from_raw_fd(entry.result()) };
        if let Some(name) = &self.slots[id.slot() as usize].scratch
            && self.early.borrow().is_empty()
            && accept::is_last(&mut self.ring, entry.user_data())
        {
            let peer = name.name();
            return Happened::Accepted(Handle::accepted_from(fd, &peer), peer);
        }
        let handle = Handle::accepted(fd);
        match handle.peer_addr() {
            Ok(peer) => Happened::Accepted(handle, peer),
            // It was reset while it stood in the backlog.
            Err(_) => Happened::Failed(libc::ECONNABORTED),
        }
    }

    /// A datagram in a pooled buffer, behind a head and its sender's address.
    fn datagram(&mut self, id: OpId, result: i32, buffer: Option<u16>) -> Happened {
        let Some(buffer) = buffer else {
            return if result == -libc::ENOBUFS { Happened::Starved } else { Happened::Failed(-result) };
        };
        let scratch = self.slots[id.slot() as usize].scratch.as_ref().expect("it was given one");
        let parsed = match usize::try_from(result) {
            Ok(bytes) => self.buffers.datagram(buffer, bytes, &scratch.header),
            Err(_) => Err(-result),
        };
        parsed.unwrap_or_else(|code| {
            self.buffers.put_back(buffer);
            Happened::Failed(code)
        })
    }

    pub(crate) fn leak(&mut self) {
        for slot in &mut self.slots {
            std::mem::forget(slot.scratch.take());
        }
        std::mem::forget(std::mem::take(&mut self.discard));
        self.buffers.leak();
    }
}

impl Drop for Uring {
    /// The wake-up's read is the one request that the driver does not know of.
    fn drop(&mut self) {
        let deadline = Instant::now() + Duration::from_secs(1);
        while self.wake_armed && Instant::now() < deadline {
            if self.free_entries() > 0 {
                self.push(opcode::AsyncCancel::new(Kind::Wake as u64).build().user_data(Kind::Cancel as u64));
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

fn moved(result: i32) -> Happened {
    match result {
        0.. => Happened::Moved(result as u32),
        _ => Happened::Failed(-result),
    }
}
