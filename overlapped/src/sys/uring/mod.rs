//! The backend on Linux's io_uring.
//!
//! A request's `user_data` is its operation's slot and generation and the kind of request, so that a
//! completion says what it is without a look-up. One system call a turn submits, waits and collects.

mod accept;
mod buf_ring;
pub(crate) mod direct;
mod direct_table;
mod enter;
mod event_fd;
mod probe;
mod request;
mod setup;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::os::fd::{FromRawFd, IntoRawFd, OwnedFd};
use std::rc::Rc;
use std::time::{Duration, Instant};

use io_uring::types::Fd;
use io_uring::{IoUring, cqueue, opcode, squeue};

use crate::buf::Pool;
use crate::error::{Action, Error};
use crate::flags::ShutdownHow;
use crate::id::OpId;
use crate::options::BackendOptions;
use crate::report::Report;
use crate::time::Time;
use crate::wake::WakeHandle;

use super::handle::Handle;
use super::message::{MOST_BYTES, Message, NAME_BYTES, flag_bits};
use super::op::{Event, Failure, OpKind, Outcome, Owned};
use super::socket::sock_addr;
use super::stream::Stream;
use buf_ring::BufRing;
use direct_table::DirectTable;
use enter::Entrance;
use event_fd::EventFd;
use probe::Features;
use request::{Request, op_id, user_data};

/// Bytes thrown away at a time.
const DISCARD_BYTES: usize = 64 * 1024;
/// One entry is kept for the wake-up, and one because closing a direct descriptor may take two.
const KEPT_ENTRIES: usize = 2;
/// How often the kernel is asked to take a request on. It does so the first time, unless memory is
/// short.
const INSTALL_TRIES: u32 = 100;
/// A send of at most this many bytes is left to the kernel as a whole.
const MOST_UNTOLD_BYTES: u64 = 64 * 1024;

/// What this backend remembers of an operation's slot.
struct Slot {
    request: Request,
    message: Option<Box<Message>>,
}

pub(crate) struct Uring {
    ring: IoUring,
    entrance: Entrance,
    buffers: BufRing,
    slots: Vec<Slot>,
    #[expect(clippy::vec_box, reason = "a message must not move while the kernel reads it")]
    spare: Vec<Box<Message>>,
    /// Events of operations that ended without the kernel.
    refused: VecDeque<Event>,
    /// Completions that came while [`descriptor_of`](Uring::descriptor_of) waited for its own.
    early: RefCell<VecDeque<cqueue::Entry>>,
    wake: WakeHandle,
    alarm: EventFd,
    /// What the kernel reads from the wake-up's descriptor. Boxed, because it must not move.
    wake_count: Box<u64>,
    wake_armed: bool,
    discard: Box<[u8]>,
    features: Features,
    direct: DirectTable,
    turn_bytes: u32,
    report: Report,
}

impl Uring {
    pub(crate) fn new(options: &BackendOptions, pool: Rc<Pool>, why: &str) -> Result<Uring, Error> {
        let (mut ring, mut report, deferred) = setup::ring(options, why)?;
        let features = Features { deferred, ..probe::probe(&mut ring, options, &mut report)? };
        let buffers = BufRing::register(&ring, pool)?;
        let alarm = EventFd::new()?;
        let rings = alarm.clone();
        let wake = WakeHandle::new(move || rings.ring());
        let (entrance, feature) = Entrance::new(&ring);
        report.features.push(feature);
        let direct = DirectTable::new(&ring, options, &mut report)?;
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
            turn_bytes: options.turn_bytes,
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
        // SAFETY: what the entry points to is owned by the operation (buffers, message, handle) or by
        // this backend (wake-up, discard buffer). Both outlive the request, because the driver waits
        // for its last event before it lets go.
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

    /// An ordinary descriptor of a socket that has none. The kernel makes it when it takes the request
    /// on, so nothing is waited for. What else has completed by then is handed out later.
    pub(crate) fn descriptor_of(&self, handle: &Handle) -> Result<Option<Handle>, Error> {
        let Handle::Direct(direct) = handle else { return Ok(None) };
        let entry = direct_table::install(direct).user_data(Request::Install as u64);
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
                if Request::of(entry.user_data()) == Request::Install {
                    return direct_table::installed(entry.result()).map(Some);
                }
                self.early.borrow_mut().push_back(entry);
            }
        }
        Err(Error::os(Action::Socket, libc::ENOMEM).because("the kernel does not take requests on"))
    }

    pub(crate) fn start(&mut self, id: OpId, kind: OpKind, _: u32, handle: &Handle, owned: Option<&mut Owned>) {
        let (fd, is_direct) = direct_table::target(handle);
        let owned = || owned.expect("it owns a buffer or an address");
        let mut message = None;
        let (request, entry) = match kind {
            OpKind::Accept { multi } => (Request::Accept, self.accept(fd, handle, multi, &mut message)),
            OpKind::Connect => {
                let Some(Ok(address)) = owned().address.as_ref().map(sock_addr) else {
                    return self.refuse(id, libc::EINVAL);
                };
                let message = message.insert(self.message());
                message.address = address;
                let (ptr, len) = (message.address.as_ptr(), message.address.len());
                (Request::Connect, opcode::Connect::new(fd, ptr.cast(), len).build())
            }
            OpKind::Recv { flags } => {
                let (owned, flags) = (owned(), flag_bits(flags));
                let skip = owned.progress;
                let buf = owned.buf_mut();
                if let Some((ptr, len)) = buf.single(skip) {
                    let entry = opcode::Recv::new(fd, ptr.as_ptr(), len.min(MOST_BYTES) as u32);
                    (Request::Recv, entry.flags(flags).build())
                } else {
                    let message = message.insert(self.message());
                    message.gather(buf, skip);
                    let entry = opcode::RecvMsg::new(fd, &raw mut message.header);
                    (Request::RecvParts, entry.flags(flags as u32).build())
                }
            }
            OpKind::RecvMulti => (Request::RecvMulti, self.recv_multi(fd)),
            OpKind::Send { flags } => {
                let owned = owned();
                let skip = owned.progress;
                // With MSG_WAITALL the kernel itself goes on after a short write, where it can. It
                // does not tell of it. So the driver goes on with a large send, in which much may
                // happen.
                let wait_all = if owned.total - skip <= MOST_UNTOLD_BYTES { libc::MSG_WAITALL } else { 0 };
                let flags = flag_bits(flags) | libc::MSG_NOSIGNAL | wait_all;
                let buf = owned.buf_mut();
                if let Some((ptr, len)) = buf.single(skip) {
                    let entry = opcode::Send::new(fd, ptr.as_ptr(), len.min(MOST_BYTES) as u32);
                    (Request::Send, entry.flags(flags).build())
                } else {
                    let message = message.insert(self.message());
                    message.gather(buf, skip);
                    let entry = opcode::SendMsg::new(fd, &raw const message.header);
                    (Request::SendParts, entry.flags(flags as u32).build())
                }
            }
            OpKind::RecvFrom { flags } => {
                let message = message.insert(self.message());
                message.gather(owned().buf_mut(), 0);
                message.take_name();
                let entry = opcode::RecvMsg::new(fd, &raw mut message.header);
                (Request::RecvFrom, entry.flags(flag_bits(flags) as u32).build())
            }
            OpKind::RecvFromMulti => {
                if !self.features.multishot_receive {
                    return self.refuse(id, libc::EOPNOTSUPP);
                }
                // The kernel writes a head, the sender's address and the datagram into the buffer.
                let message = message.insert(self.message());
                message.header.msg_namelen = NAME_BYTES;
                let entry = opcode::RecvMsgMulti::new(fd, &raw const message.header, self.buffers.group());
                (Request::RecvFromMulti, entry.flags(libc::MSG_TRUNC as u32).build())
            }
            OpKind::SendTo => {
                let owned = owned();
                let Some(Ok(address)) = owned.address.as_ref().map(sock_addr) else {
                    return self.refuse(id, libc::EINVAL);
                };
                let message = message.insert(self.message());
                message.gather(owned.buf_mut(), 0);
                message.give_name(address);
                let entry = opcode::SendMsg::new(fd, &raw const message.header);
                (Request::SendParts, entry.flags(libc::MSG_NOSIGNAL as u32).build())
            }
            OpKind::Shutdown { how } => {
                let how = match how {
                    ShutdownHow::Receive => libc::SHUT_RD,
                    ShutdownHow::Send => libc::SHUT_WR,
                    ShutdownHow::Both => libc::SHUT_RDWR,
                };
                (Request::Shutdown, opcode::Shutdown::new(fd, how).build())
            }
            OpKind::Discard => {
                // On TCP, MSG_TRUNC throws the bytes away without a copy. All discards share the
                // buffer: nothing reads it.
                let (ptr, len) = (self.discard.as_mut_ptr(), self.discard.len() as u32);
                (Request::Discard, opcode::Recv::new(fd, ptr, len).flags(libc::MSG_TRUNC).build())
            }
            OpKind::Close { .. } | OpKind::Timer => {
                unreachable!("closes come by `close`, timers are the driver's")
            }
        };
        self.remember(id, request, message);
        let entry = if is_direct { entry.flags(direct_table::FIXED) } else { entry };
        self.push(entry.user_data(user_data(id, request)));
    }

    pub(crate) fn close(&mut self, id: OpId, _: u32, handle: Handle) {
        let (request, entry) = match handle {
            Handle::Direct(direct) => {
                let (reset, close) = direct_table::close(&direct);
                if let Some(reset) = reset {
                    self.push(reset.user_data(user_data(id, Request::Cancel)));
                }
                (Request::CloseDirect, close)
            }
            handle => {
                let fd = OwnedFd::from(handle.into_socket()).into_raw_fd();
                (Request::Close, opcode::Close::new(Fd(fd)).build())
            }
        };
        self.remember(id, request, None);
        self.push(entry.user_data(user_data(id, request)));
    }

    fn accept(&mut self, fd: Fd, handle: &Handle, multi: bool, message: &mut Option<Box<Message>>) -> squeue::Entry {
        let multi = multi && self.features.multishot_accept;
        if multi && self.features.deferred && handle.system().is_ip() {
            accept::multi(fd, message.insert(self.message()))
        } else if multi {
            opcode::AcceptMulti::new(fd).flags(libc::SOCK_CLOEXEC).build()
        } else {
            let nowhere = std::ptr::null_mut();
            opcode::Accept::new(fd, nowhere, nowhere.cast()).flags(libc::SOCK_CLOEXEC).build()
        }
    }

    fn message(&mut self) -> Box<Message> {
        self.spare.pop().unwrap_or_else(Message::new)
    }

    fn remember(&mut self, id: OpId, request: Request, message: Option<Box<Message>>) {
        if self.slots.len() <= id.slot() as usize {
            self.slots.resize_with(id.slot() as usize + 1, || Slot { request, message: None });
        }
        self.slots[id.slot() as usize] = Slot { request, message };
    }

    /// Ends an operation that the kernel is not asked for.
    fn refuse(&mut self, id: OpId, code: i32) {
        self.remember(id, Request::Connect, None);
        self.refused.push_back(Event { id, more: false, result: Err(Failure::Code(code)) });
    }

    /// A request's message has served; it is kept for the next.
    fn release(&mut self, id: OpId) {
        // The slot is used again only after its request's last event, so the message is this
        // request's.
        if let Some(mut message) = self.slots[id.slot() as usize].message.take() {
            message.clear();
            self.spare.push(message);
        }
    }

    fn recv_multi(&self, fd: Fd) -> squeue::Entry {
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
        let target = user_data(id, self.slots[id.slot() as usize].request);
        self.push(opcode::AsyncCancel::new(target).build().user_data(user_data(id, Request::Cancel)));
    }

    pub(crate) fn turn(&mut self, until: Option<Time>) -> Result<(), Error> {
        self.buffers.refill();
        if !self.wake_armed {
            let ptr: *mut u64 = &mut *self.wake_count;
            let entry = opcode::Read::new(Fd(self.alarm.raw_fd()), ptr.cast(), size_of::<u64>() as u32).build();
            self.push(entry.user_data(Request::Wake as u64));
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

    /// Submits, runs the kernel's deferred work, and waits for one completion unless `limit` is zero.
    fn enter(&mut self, limit: Option<Duration>) -> Result<(), Error> {
        let pending = self.ring.submission().len() as u32;
        self.submit(pending, limit)
    }

    fn submit(&self, pending: u32, limit: Option<Duration>) -> Result<(), Error> {
        match self.entrance.enter(pending, limit) {
            Ok(()) => Ok(()),
            Err(error) => match error.raw_os_error() {
                // ETIME: the wait is over. EINTR: a signal. EBUSY: completions have to be taken first.
                // EAGAIN: the kernel is short of memory for requests; they stay in the queue and are
                // tried again.
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
        let result = match Request::of(entry.user_data()) {
            Request::Recv => received(result),
            Request::RecvParts => {
                self.release(id);
                received(result)
            }
            Request::Send => done(result, Outcome::Sent(result as u64)),
            Request::SendParts => {
                self.release(id);
                done(result, Outcome::Sent(result as u64))
            }
            Request::RecvMulti => self.received_pooled(result, cqueue::buffer_select(flags)),
            Request::Accept => {
                let accepted = self.accepted(id, entry);
                if !more {
                    self.release(id);
                }
                accepted
            }
            Request::Connect => {
                self.release(id);
                done(result, Outcome::Connected)
            }
            Request::RecvFrom => {
                let received = self.received_from(id, result);
                self.release(id);
                received
            }
            Request::RecvFromMulti => {
                let received = self.received_datagram(id, result, cqueue::buffer_select(flags));
                if !more {
                    self.release(id);
                }
                received
            }
            Request::Shutdown => done(result, Outcome::ShutDown),
            Request::Discard => received(result),
            Request::Close => done(result, Outcome::Closed),
            Request::CloseDirect => {
                if result >= 0 {
                    self.direct.closed();
                }
                done(result, Outcome::Closed)
            }
            Request::Cancel => return None,
            Request::Wake => {
                self.wake_armed = false;
                return None;
            }
            Request::Install => {
                // What asked for it has given up.
                drop(direct_table::installed(result));
                return None;
            }
        };
        Some(Event { id, more, result })
    }

    fn received_pooled(&mut self, result: i32, buffer: Option<u16>) -> Result<Outcome, Failure> {
        if let (1.., Some(buffer)) = (result, buffer) {
            return Ok(Outcome::Packet(self.buffers.packet(buffer, result as usize)));
        }
        if let Some(buffer) = buffer {
            self.buffers.put_back(buffer);
        }
        match result {
            0.. => Ok(Outcome::Received(0)),
            _ if -result == libc::ENOBUFS => Err(Failure::NoBuffer),
            _ => Err(Failure::Code(-result)),
        }
    }

    /// A datagram in the operation's own buffers.
    fn received_from(&self, id: OpId, result: i32) -> Result<Outcome, Failure> {
        let message = self.slots[id.slot() as usize].message.as_ref().expect("it was given one");
        let Ok(bytes) = u32::try_from(result) else { return Err(Failure::Code(-result)) };
        let from = message.name();
        match message.header.msg_flags & libc::MSG_TRUNC {
            0 => Ok(Outcome::ReceivedFrom(bytes as usize, from)),
            _ => Err(Failure::Truncated { bytes, from }),
        }
    }

    fn accepted(&mut self, id: OpId, entry: &cqueue::Entry) -> Result<Outcome, Failure> {
        if entry.result() < 0 {
            return Err(Failure::Code(-entry.result()));
        }
        // SAFETY: the kernel has just made this descriptor for us.
        let fd = unsafe { OwnedFd::from_raw_fd(entry.result()) };
        if let Some(message) = &self.slots[id.slot() as usize].message
            && self.early.borrow().is_empty()
            && accept::is_last(&mut self.ring, entry.user_data())
        {
            let peer = message.name();
            return Ok(Outcome::Accepted(Stream(Handle::accepted_from(fd, &peer)), peer));
        }
        let handle = Handle::accepted(fd);
        match handle.peer_addr() {
            Ok(peer) => Ok(Outcome::Accepted(Stream(handle), peer)),
            // It was reset while it was in the backlog.
            Err(_) => Err(Failure::Code(libc::ECONNABORTED)),
        }
    }

    /// A datagram in a pooled buffer, behind a head and its sender's address.
    fn received_datagram(&mut self, id: OpId, result: i32, buffer: Option<u16>) -> Result<Outcome, Failure> {
        let Some(buffer) = buffer else {
            return Err(if result == -libc::ENOBUFS { Failure::NoBuffer } else { Failure::Code(-result) });
        };
        let message = self.slots[id.slot() as usize].message.as_ref().expect("it was given one");
        let received = match usize::try_from(result) {
            Ok(bytes) => self.buffers.datagram(buffer, bytes, &message.header),
            Err(_) => Err(Failure::Code(-result)),
        };
        if received.is_err() {
            self.buffers.put_back(buffer);
        }
        received
    }

    pub(crate) fn leak(&mut self) {
        for slot in &mut self.slots {
            std::mem::forget(slot.message.take());
        }
        std::mem::forget(std::mem::take(&mut self.discard));
        self.buffers.leak();
    }
}

impl Drop for Uring {
    /// Ends the wake-up's read, the one request that the driver does not know of.
    fn drop(&mut self) {
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

fn done(result: i32, outcome: Outcome) -> Result<Outcome, Failure> {
    if result >= 0 { Ok(outcome) } else { Err(Failure::Code(-result)) }
}

fn received(result: i32) -> Result<Outcome, Failure> {
    done(result, Outcome::Received(result as usize))
}
