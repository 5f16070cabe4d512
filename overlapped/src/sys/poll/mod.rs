//! The backend on readiness: epoll on Linux, kqueue on macOS and the BSDs.
//!
//! An operation is tried first, and waits for readiness only if it would have had to wait. Each
//! socket is added to the system's list once, in edge mode. So a message costs its receive and its
//! send, and a share in the one wait that told of all sockets.
//!
//! Operations that end once are tried when they are started. Those that go on (pooled receives,
//! accepting) are tried when an event is asked for, one result of each socket after the other. So
//! what one peer sends neither takes every pooled buffer nor keeps others waiting.

mod attempt;
mod connect;
mod registry;
mod sockets;
#[cfg(test)]
mod tests;
mod transfer;

use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use crate::buf::Pool;
use crate::error::{Action, Error};
use crate::flags::{Direction, Flags, ShutdownHow};
use crate::id::OpId;
use crate::options::BackendOptions;
use crate::report::{Backend, Feature, Report};
use crate::time::Time;
use crate::wake::WakeHandle;

use super::handle::Handle;
use super::message::{MOST_BYTES, Message};
use super::op::{Event, Failure, OpKind, Outcome, Owned};
use super::socket::sock_addr;
use connect::Connecting;
use registry::Registry;
use sockets::{NONE, Pending, Request, Socket};

/// Bytes thrown away at a time.
const DISCARD_BYTES: usize = 64 * 1024;
/// Attempts in a turn, besides those that starts make. So the answers to some sockets leave before
/// the next sockets are tried: while the system's memory of those connections is still in the
/// cache.
const ATTEMPTS_A_TURN: u32 = 32;
/// Connections that are accepted in a turn before other sockets that are ready. Half of a turn's
/// attempts, so that however many connect, those that are connected are served.
const ACCEPTS_FIRST: u32 = ATTEMPTS_A_TURN / 2;
/// Attempts after which the system is asked what has become ready, even if there is enough to do.
const WAIT_EVERY: u32 = 64;
/// How soon connects are tried again that found a backlog full.
const CONNECT_AGAIN: Duration = Duration::from_millis(5);

pub(crate) struct Poll {
    registry: Registry,
    /// By the driver's numbers.
    sockets: Vec<Socket>,
    /// What has not ended, by the operation's slot.
    requests: Vec<Option<Pending>>,
    pool: Rc<Pool>,
    /// Events of what has ended.
    ended: VecDeque<Event>,
    /// Directions of sockets that are believed ready and have an operation, in the order in which
    /// they are tried.
    ready: VecDeque<(u32, Direction)>,
    /// Those that have used up their share of this turn.
    next_turn: Vec<(u32, Direction)>,
    /// Sockets whose connects are to be tried again soon.
    connect_again: Vec<u32>,
    /// Messages that have served.
    #[expect(clippy::vec_box, reason = "their boxes go into requests and come back")]
    spare: Vec<Box<Message>>,
    discard: Box<[u8]>,
    wake: WakeHandle,
    /// The number of the turn. It wraps: a socket that takes an old turn for this one only goes on
    /// in the next one.
    turn: u32,
    turn_bytes: u32,
    /// Attempts since the system was last asked what has become ready, and since the turn began.
    since_wait: u32,
    this_turn: u32,
    /// Connections accepted in this turn.
    accepted: u32,
    report: Report,
}

impl Poll {
    pub(crate) fn new(options: &BackendOptions, pool: Rc<Pool>, why: &str) -> Result<Poll, Error> {
        let (registry, wake) = Registry::new()?;
        Ok(Poll {
            registry,
            sockets: Vec::new(),
            requests: Vec::new(),
            pool,
            ended: VecDeque::new(),
            ready: VecDeque::new(),
            next_turn: Vec::new(),
            connect_again: Vec::new(),
            spare: Vec::new(),
            discard: vec![0; DISCARD_BYTES].into(),
            wake,
            turn: 0,
            turn_bytes: options.turn_bytes,
            since_wait: 0,
            this_turn: 0,
            accepted: 0,
            report: Report { backend: Backend::Poll, why: why.to_owned(), features: features() },
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
        Ok(true)
    }

    pub(crate) fn attach(&mut self, socket: u32, handle: &Handle) -> Result<(), Error> {
        let index = socket as usize;
        let fd = handle.raw_fd();
        self.registry.add(fd, socket).map_err(|error| Error::io(Action::Socket, &error))?;
        let is_ip = handle.system().is_ip();
        if index >= self.sockets.len() {
            debug_assert_eq!(index, self.sockets.len(), "the driver numbers its sockets without gaps");
            self.sockets.push(Socket::new(fd, is_ip));
        } else {
            debug_assert!(self.sockets[index].is_idle());
            self.sockets[index] = Socket::new(fd, is_ip);
        }
        Ok(())
    }

    pub(crate) fn detach(&mut self, socket: u32, handle: &Handle) -> Result<(), Error> {
        debug_assert!(self.sockets[socket as usize].is_idle());
        // A listener on which an accept was started does not block.
        self.sockets[socket as usize].set_nonblocking(false);
        self.registry.remove(handle.raw_fd()).map_err(|error| Error::io(Action::Socket, &error))
    }

    pub(crate) fn start(&mut self, id: OpId, kind: OpKind, socket: u32, handle: &Handle, owned: Option<&mut Owned>) {
        debug_assert_eq!(handle.raw_fd(), self.sockets[socket as usize].fd, "it is the socket that was attached");
        let owned = || owned.expect("it owns a buffer or an address");
        match kind {
            OpKind::Accept { multi } => {
                self.sockets[socket as usize].set_nonblocking(true);
                self.begin(socket, Direction::Receive, id, Request::Accept { multi });
            }
            OpKind::Connect => match owned().address().map(sock_addr) {
                Some(Ok(address)) => self.connect(id, socket, Box::new(address)),
                _ => self.end(id, Err(Failure::Code(libc::EINVAL))),
            },
            OpKind::Recv { flags } => {
                let request = self.recv_request(owned(), flags);
                // Readiness does not tell of urgent data: it is tried, and the system says.
                let urgent = flags.contains(Flags::OUT_OF_BAND);
                self.begin_if(socket, Direction::Receive, id, request, urgent);
            }
            OpKind::RecvMulti => self.begin(socket, Direction::Receive, id, Request::RecvMulti),
            OpKind::RecvFromMulti => self.begin(socket, Direction::Receive, id, Request::RecvFromMulti),
            OpKind::Discard => self.begin(socket, Direction::Receive, id, Request::Discard),
            OpKind::RecvFrom { flags } => {
                let mut message = self.message();
                message.gather(owned().buf_mut(), 0);
                self.begin(socket, Direction::Receive, id, Request::RecvFrom { message, flags });
            }
            OpKind::Send { flags } => {
                let request = self.send_request(owned(), flags);
                self.begin(socket, Direction::Send, id, request);
            }
            OpKind::SendTo => {
                let owned = owned();
                let Some(Ok(address)) = owned.address().map(sock_addr) else {
                    return self.end(id, Err(Failure::Code(libc::EINVAL)));
                };
                let mut message = self.message();
                message.gather(owned.buf_mut(), 0);
                message.give_name(address);
                self.begin(socket, Direction::Send, id, Request::SendTo { message });
            }
            OpKind::Shutdown { how } => {
                let how = match how {
                    ShutdownHow::Receive => std::net::Shutdown::Read,
                    ShutdownHow::Send => std::net::Shutdown::Write,
                    ShutdownHow::Both => std::net::Shutdown::Both,
                };
                self.end(
                    id,
                    match handle.socket().shutdown(how) {
                        Ok(()) => Ok(Outcome::ShutDown),
                        Err(error) => Err(Failure::Code(error.raw_os_error().unwrap_or(libc::EIO))),
                    },
                );
            }
            OpKind::Close { .. } | OpKind::Timer => unreachable!("closes come by `close`, timers are the driver's"),
        }
    }

    pub(crate) fn close(&mut self, id: OpId, socket: u32, handle: Handle) {
        debug_assert!(self.sockets[socket as usize].is_idle());
        // A socket leaves the system's list with its last descriptor, which saves a call for each
        // connection. (A process that is being forked has another one until it runs its own
        // program. An event of the old socket meanwhile costs the socket that has its number one
        // vain try.)
        if !handle.system().is_sole() {
            // It is watched, so this does not fail. If it did, closing would be all that is left.
            let _ = self.registry.remove(handle.raw_fd());
        }
        drop(handle);
        self.end(id, Ok(Outcome::Closed));
    }

    fn recv_request(&mut self, owned: &mut Owned, flags: Flags) -> Request {
        let skip = owned.progress;
        let buf = owned.buf_mut();
        match buf.single(skip) {
            Some((_, 0)) => Request::Readable,
            Some((ptr, len)) => Request::Recv { ptr: ptr.as_ptr(), len: len.min(MOST_BYTES) as u32, flags },
            None => {
                let mut message = self.message();
                match message.gather(buf, skip) {
                    0 => {
                        self.spare.push(message);
                        Request::Readable
                    }
                    bytes => Request::RecvParts { message, bytes: bytes as u32, flags },
                }
            }
        }
    }

    fn send_request(&mut self, owned: &mut Owned, flags: Flags) -> Request {
        let skip = owned.progress;
        let buf = owned.buf_mut();
        match buf.single(skip) {
            Some((ptr, len)) => Request::Send { ptr: ptr.as_ptr(), len: len.min(MOST_BYTES) as u32, flags },
            None => {
                let mut message = self.message();
                let bytes = message.gather(buf, skip) as u32;
                Request::SendParts { message, bytes, flags }
            }
        }
    }

    fn message(&mut self) -> Box<Message> {
        self.spare.pop().unwrap_or_else(Message::new)
    }

    /// An operation has ended; its event waits to be taken.
    fn end(&mut self, id: OpId, result: Result<Outcome, Failure>) {
        self.ended.push_back(Event { id, more: false, result });
    }

    fn begin(&mut self, socket: u32, direction: Direction, id: OpId, request: Request) {
        self.begin_if(socket, direction, id, request, false);
    }

    /// Begins an operation: tries it at once if its direction is believed ready, or `anyway`.
    fn begin_if(&mut self, socket: u32, direction: Direction, id: OpId, request: Request, anyway: bool) {
        let goes_on = matches!(request, Request::RecvMulti | Request::RecvFromMulti | Request::Accept { .. });
        self.wait_for(socket, direction, id, request);
        let side = self.sockets[socket as usize].side(direction);
        if !side.ready && !anyway {
            return;
        }
        if goes_on {
            self.list(socket, direction);
        } else if let Some(event) = self.attempt(socket, direction) {
            self.ended.push_back(event);
        }
    }

    /// Makes this the operation of one direction of a socket.
    fn wait_for(&mut self, socket: u32, direction: Direction, id: OpId, request: Request) {
        let side = self.sockets[socket as usize].side(direction);
        debug_assert_eq!(side.pending, NONE, "the driver has one operation in a direction at a time");
        side.pending = id.slot();
        if self.requests.len() <= id.slot() as usize {
            self.requests.resize_with(id.slot() as usize + 1, || None);
        }
        self.requests[id.slot() as usize] = Some(Pending { generation: id.generation(), socket, request });
    }

    /// The operation of one direction of a socket.
    fn waiting(&mut self, socket: u32, direction: Direction) -> Option<(OpId, &mut Request)> {
        let slot = self.sockets[socket as usize].side(direction).pending;
        let pending = self.requests.get_mut(slot as usize)?.as_mut()?;
        Some((OpId::new(slot, pending.generation), &mut pending.request))
    }

    /// Lists a direction to be tried when an event is asked for.
    fn list(&mut self, socket: u32, direction: Direction) {
        let side = self.sockets[socket as usize].side(direction);
        if !std::mem::replace(&mut side.listed, true) {
            self.ready.push_back((socket, direction));
        }
    }

    fn connect(&mut self, id: OpId, socket: u32, address: Box<socket2::SockAddr>) {
        let entry = &mut self.sockets[socket as usize];
        // It blocks again when it has connected: it may be given away then.
        entry.set_nonblocking(true);
        entry.forget();
        let request = match connect::connect(entry.fd, &address) {
            Connecting::Done(connected) => {
                // A datagram socket may have been receiving all the time.
                entry.receives.ready = true;
                entry.sends.ready = true;
                entry.set_nonblocking(false);
                return self.end(id, connected);
            }
            Connecting::UnderWay => Request::Connect,
            Connecting::Later => {
                self.connect_again.push(socket);
                Request::ConnectLater(address)
            }
        };
        self.wait_for(socket, Direction::Send, id, request);
    }

    pub(crate) fn cancel(&mut self, id: OpId) {
        // If it is not there it has ended, and its event is on the way.
        let Some(pending) = self.requests.get_mut(id.slot() as usize) else { return };
        let Some(pending) = pending.take_if(|pending| pending.generation == id.generation()) else { return };
        let entry = &mut self.sockets[pending.socket as usize];
        for direction in [Direction::Receive, Direction::Send] {
            let side = entry.side(direction);
            if side.pending == id.slot() {
                side.pending = NONE;
            }
        }
        if matches!(pending.request, Request::Connect | Request::ConnectLater(_)) {
            entry.set_nonblocking(false);
        }
        self.release(pending.request);
        self.end(id, Err(Failure::Code(libc::ECANCELED)));
    }

    /// An operation has ended: its message is kept for the next.
    fn release(&mut self, request: Request) {
        if let Request::RecvParts { mut message, .. }
        | Request::SendParts { mut message, .. }
        | Request::RecvFrom { mut message, .. }
        | Request::SendTo { mut message } = request
        {
            message.clear();
            self.spare.push(message);
        }
    }

    pub(crate) fn turn(&mut self, until: Option<Time>) -> Result<(), Error> {
        self.turn = self.turn.wrapping_add(1);
        for (socket, direction) in std::mem::take(&mut self.next_turn) {
            self.list(socket, direction);
        }
        let busy = !self.ended.is_empty() || !self.ready.is_empty();
        (self.this_turn, self.accepted) = (0, 0);
        if busy && self.since_wait < WAIT_EVERY {
            // There is enough to do. The system is asked later what else has become ready.
            self.wake.runs();
            return Ok(());
        }
        self.since_wait = 0;
        let until = self.with_connects(until);
        let limit = match until {
            _ if busy => Some(Duration::ZERO),
            None => None,
            Some(Time::ZERO) => Some(Duration::ZERO),
            Some(until) => Some(until - self.now()),
        };
        let waits = limit != Some(Duration::ZERO) && self.wake.may_wait();
        let waited = self.registry.wait(if waits { limit } else { Some(Duration::ZERO) });
        self.wake.runs();
        waited.map_err(|error| Error::io(Action::Turn, &error))?;
        self.note_readiness();
        self.try_connects();
        Ok(())
    }

    /// Notes what the wait has found, before any socket is detached or closed: so it is never taken
    /// for news of another socket.
    fn note_readiness(&mut self) {
        for found in self.registry.found() {
            let Some(entry) = self.sockets.get_mut(found.socket as usize) else { continue };
            entry.inexact |= found.exceptional;
            for (ready, direction) in [(found.readable, Direction::Receive), (found.writable, Direction::Send)] {
                let side = entry.side(direction);
                side.ready |= ready;
                if ready && side.pending != NONE && !std::mem::replace(&mut side.listed, true) {
                    self.ready.push_back((found.socket, direction));
                }
            }
        }
    }

    /// Until when a turn may wait: not past the moment when connects are to be tried again.
    fn with_connects(&self, until: Option<Time>) -> Option<Time> {
        if self.connect_again.is_empty() {
            return until;
        }
        let soon = self.now() + CONNECT_AGAIN;
        Some(until.map_or(soon, |until| until.min(soon)))
    }

    fn try_connects(&mut self) {
        for socket in std::mem::take(&mut self.connect_again) {
            if let Some((_, Request::ConnectLater(_))) = self.waiting(socket, Direction::Send) {
                self.list(socket, Direction::Send);
            }
        }
    }

    pub(crate) fn next(&mut self) -> Option<Event> {
        if let Some(event) = self.ended.pop_front() {
            return Some(event);
        }
        while self.this_turn < ATTEMPTS_A_TURN {
            let Some((socket, direction)) = self.ready.pop_front() else { break };
            self.this_turn += 1;
            self.sockets[socket as usize].side(direction).listed = false;
            if let Some(event) = self.attempt(socket, direction) {
                return Some(event);
            }
        }
        None
    }

    /// The system holds nothing between calls.
    pub(crate) fn leak(&mut self) {}
}

fn features() -> Vec<Feature> {
    let system = if cfg!(target_os = "linux") { "edge-triggered epoll" } else { "edge-triggered kqueue" };
    vec![
        Feature { name: system, used: true, why: "each socket is registered once, for both directions".to_owned() },
        Feature {
            name: "operation first",
            used: true,
            why: "only what would have had to wait waits for readiness; a short receive saves the vain one after it"
                .to_owned(),
        },
    ]
}
