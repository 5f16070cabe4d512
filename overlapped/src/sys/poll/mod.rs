//! The backend on readiness: epoll on Linux, kqueue on macOS and the BSDs.
//!
//! An operation is tried first. Only if the system has nothing for it, it waits for readiness. Each
//! socket is added to the system's list once, in edge mode. So a message costs a call to receive, a
//! call to send, and its share of one wait for all sockets.
//!
//! Operations that end once are tried when they are started. Those that go on (pooled receives,
//! accepting) are tried when an event is asked for, one result of each socket after the other. So
//! what one peer sends neither takes every pooled buffer nor keeps others waiting.

mod attempt;
mod connect;
mod features;
mod registry;
mod renew;
mod sockets;
#[cfg(test)]
mod tests;
mod transfer;

use std::collections::{HashMap, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use socket2::SockAddr;

use crate::buf::Pool;
use crate::error::{Action, Error};
use crate::flags::{Direction, Flags, ShutdownHow};
use crate::id::OpId;
use crate::options::BackendOptions;
use crate::report::{Backend, Report};
use crate::table::grow;
use crate::time::Time;
use crate::wake::WakeHandle;

use super::message::{MOST_BYTES, Message};
use super::op::{Event, Failure, OpKind, Outcome, Owned};
use super::{clock, handle::Handle, socket::sock_addr};
use connect::Connecting;
use registry::Registry;
use sockets::{NONE, Request, Requests, Socket};

/// Bytes thrown away at a time.
const DISCARD_BYTES: usize = 64 * 1024;
/// Attempts in a turn, without those that a start makes at once. The answers of these sockets leave
/// before more sockets are tried, while the system's records of the connections are in the cache.
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
    /// Indexed by the driver's number of a socket.
    sockets: Vec<Socket>,
    requests: Requests,
    pool: Rc<Pool>,
    /// Larger ones, for streams. While packets hold all of them, streams receive into the others.
    streams: Option<Rc<Pool>>,
    /// Events of what has ended.
    ended: VecDeque<Event>,
    /// Directions of sockets that are believed ready and have an operation, in the order in which
    /// they are tried.
    ready: VecDeque<(u32, Direction)>,
    /// Those that have used up their share of this turn.
    next_turn: Vec<(u32, Direction)>,
    /// Sockets whose connects are to be tried again soon.
    connect_again: Vec<u32>,
    /// The addresses that connecting sockets had before, where a failed one has to be renewed.
    before_connect: HashMap<u32, SockAddr>,
    /// Messages to use again.
    #[expect(clippy::vec_box, reason = "their boxes go into requests and come back")]
    spare: Vec<Box<Message>>,
    discard: Box<[u8]>,
    pub(super) wake: WakeHandle,
    /// The number of the turn. It wraps: a socket that takes an old turn for this one only goes on
    /// in the next one.
    turn: u32,
    turn_bytes: u32,
    /// Attempts since the system was last asked what has become ready.
    since_wait: u32,
    /// Attempts since the turn began.
    this_turn: u32,
    /// Connections accepted in this turn.
    accepted: u32,
    pub(super) report: Report,
}

impl Poll {
    pub(crate) fn new(options: &BackendOptions, pool: Rc<Pool>, why: &str) -> Result<Poll, Error> {
        let (registry, wake) = Registry::new()?;
        let streams = pool.config().for_streams().map(Pool::new);
        if let Some(streams) = &streams {
            pool.set_for_streams(Rc::clone(streams));
        }
        let features = features::features(streams.is_some());
        Ok(Poll {
            registry,
            sockets: Vec::new(),
            requests: Requests::new(),
            pool,
            streams,
            ended: VecDeque::new(),
            ready: VecDeque::new(),
            next_turn: Vec::new(),
            connect_again: Vec::new(),
            before_connect: HashMap::new(),
            spare: Vec::new(),
            discard: vec![0; DISCARD_BYTES].into(),
            wake,
            turn: 0,
            turn_bytes: options.turn_bytes,
            since_wait: 0,
            this_turn: 0,
            accepted: 0,
            report: Report { backend: Backend::Poll, why: why.to_owned(), features },
        })
    }

    pub(crate) fn attach(&mut self, socket: u32, handle: &Handle) -> Result<(), Error> {
        let index = socket as usize;
        let fd = handle.system().raw_fd();
        self.registry.add(fd, socket).map_err(|error| {
            let failed = Error::io(Action::Socket, &error);
            match error.raw_os_error() {
                Some(libc::ENOSPC) => {
                    failed.because("the limit of watched sockets (fs.epoll.max_user_watches) is reached")
                }
                _ => failed,
            }
        })?;
        let is_ip = handle.system().is_ip();
        if index >= self.sockets.len() {
            debug_assert_eq!(index, self.sockets.len(), "the driver numbers its sockets without gaps");
            grow(&mut self.sockets, index, || Socket::new(fd, is_ip));
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
        self.registry.remove(handle.system().raw_fd()).map_err(|error| Error::io(Action::Socket, &error))
    }

    pub(crate) fn start(&mut self, id: OpId, kind: OpKind, socket: u32, handle: &Handle, owned: Option<&mut Owned>) {
        debug_assert_eq!(
            handle.system().raw_fd(),
            self.sockets[socket as usize].fd,
            "it is the socket that was attached"
        );
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
                // Urgent data makes no socket ready, so it is tried at once.
                let urgent = flags.contains(Flags::OUT_OF_BAND);
                self.begin_if(socket, Direction::Receive, id, request, urgent);
            }
            OpKind::RecvMulti => self.begin(socket, Direction::Receive, id, Request::RecvMulti),
            OpKind::RecvFromMulti => self.begin(socket, Direction::Receive, id, Request::RecvFromMulti),
            OpKind::Discard => self.begin(socket, Direction::Receive, id, Request::Discard),
            // What the program reads and writes itself is not seen here, so the system is asked.
            OpKind::Ready { writable: false } => self.begin_if(socket, Direction::Receive, id, Request::Ready, true),
            OpKind::Ready { writable: true } => self.begin_if(socket, Direction::Send, id, Request::Ready, true),
            OpKind::RecvFrom { flags } => {
                let mut message = self.message();
                message.gather(owned());
                self.begin(socket, Direction::Receive, id, Request::RecvFrom { message, flags });
            }
            OpKind::Send { flags } => {
                let request = self.send_request(owned(), flags);
                self.begin(socket, Direction::Send, id, request);
            }
            OpKind::SendFile => match owned().fill_from_file() {
                Ok(bytes) => {
                    let (ptr, len) = (bytes.as_ptr().cast_mut(), bytes.len() as u32);
                    self.begin(socket, Direction::Send, id, Request::Send { ptr, len, flags: Flags::NONE });
                }
                Err(failure) => self.end(id, Err(failure)),
            },
            OpKind::SendTo => {
                let owned = owned();
                let Some(Ok(address)) = owned.address().map(sock_addr) else {
                    return self.end(id, Err(Failure::Code(libc::EINVAL)));
                };
                let mut message = self.message();
                message.gather(owned);
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
                    match handle.system().socket.shutdown(how) {
                        Ok(()) => Ok(Outcome::ShutDown),
                        Err(error) => Err(Failure::Code(error.raw_os_error().unwrap_or(libc::EIO))),
                    },
                );
            }
            OpKind::Close { .. } | OpKind::Timer | OpKind::LookUp => {
                unreachable!("closes come by `close`, the others are the driver's")
            }
        }
    }

    pub(crate) fn close(&mut self, id: OpId, socket: u32, handle: Handle) {
        debug_assert!(self.sockets[socket as usize].is_idle());
        // The system drops a socket from its list with the last descriptor, which saves a call for
        // each connection. A forked process has a copy of the descriptor until it runs its program.
        // An event that comes until then makes the next socket of this number try once in vain.
        if !handle.system().is_sole() {
            // An error would change nothing: the socket is closed all the same.
            let _ = self.registry.remove(handle.system().raw_fd());
        }
        drop(handle);
        self.end(id, Ok(Outcome::Closed));
    }

    fn recv_request(&mut self, owned: &mut Owned, flags: Flags) -> Request {
        match owned.single() {
            Some((_, 0)) => Request::Readable,
            Some((ptr, len)) => Request::Recv { ptr: ptr.as_ptr(), len: len.min(MOST_BYTES) as u32, flags },
            None => {
                let mut message = self.message();
                match message.gather(owned) {
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
        match owned.single() {
            Some((ptr, len)) => Request::Send { ptr: ptr.as_ptr(), len: len.min(MOST_BYTES) as u32, flags },
            None => {
                let mut message = self.message();
                let bytes = message.gather(owned) as u32;
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

    /// Begins an operation, and tries it at once if its direction is believed ready or `urgent`.
    fn begin_if(&mut self, socket: u32, direction: Direction, id: OpId, request: Request, urgent: bool) {
        let goes_on = matches!(request, Request::RecvMulti | Request::RecvFromMulti | Request::Accept { .. });
        self.set_pending(socket, direction, id, request);
        let side = self.sockets[socket as usize].side(direction);
        if !side.ready && !urgent {
            return;
        }
        if goes_on {
            self.list_ready(socket, direction);
        } else if let Some(event) = self.attempt(socket, direction) {
            self.ended.push_back(event);
        }
    }

    /// Makes this the operation of one direction of a socket.
    fn set_pending(&mut self, socket: u32, direction: Direction, id: OpId, request: Request) {
        let side = self.sockets[socket as usize].side(direction);
        debug_assert_eq!(side.pending(), NONE, "the driver has one operation in a direction at a time");
        side.set_pending(id.slot());
        self.requests.insert(id, socket, request);
    }

    /// The operation of one direction of a socket.
    fn pending(&mut self, socket: u32, direction: Direction) -> Option<(OpId, &mut Request)> {
        let slot = self.sockets[socket as usize].side(direction).pending();
        self.requests.at(slot)
    }

    /// Lists a direction to be tried when an event is asked for.
    fn list_ready(&mut self, socket: u32, direction: Direction) {
        let side = self.sockets[socket as usize].side(direction);
        if !std::mem::replace(&mut side.listed, true) {
            self.ready.push_back((socket, direction));
        }
    }

    fn connect(&mut self, id: OpId, socket: u32, address: Box<SockAddr>) {
        let entry = &mut self.sockets[socket as usize];
        // For the connect only. Once connected it blocks again, because it may be given away.
        entry.set_nonblocking(true);
        entry.forget();
        if cfg!(not(target_os = "linux")) {
            self.before_connect.extend(connect::local_addr(entry.fd).map(|local| (socket, local)));
        }
        let request = match connect::connect(entry.fd, &address) {
            Connecting::Done(connected) => {
                entry.connect_ended();
                if connected.is_ok() {
                    self.before_connect.remove(&socket);
                }
                return self.end(id, connected);
            }
            Connecting::UnderWay => Request::Connect(address),
            Connecting::Later => {
                self.connect_again.push(socket);
                Request::ConnectLater(address)
            }
        };
        self.set_pending(socket, Direction::Send, id, request);
    }

    /// A connect has failed or was cancelled.
    pub(crate) fn connect_failed(&mut self, socket: u32, handle: &Handle, cancelled: bool) {
        if cfg!(not(target_os = "linux")) {
            self.renew(socket, handle);
        } else if cancelled {
            connect::disconnect(handle);
        }
    }

    /// Puts a new socket of the system into the place of one that cannot connect any more. It has
    /// the same descriptor, the same options and, if its owner had bound it, the same address.
    fn renew(&mut self, socket: u32, handle: &Handle) {
        let Some(local) = self.before_connect.remove(&socket) else { return };
        // If one of these fails, the next operation says what is wrong with the socket.
        let _ = self.registry.remove(handle.system().raw_fd());
        let _ = renew::renew(&handle.system().socket, &local);
        self.sockets[socket as usize].renewed();
        let _ = self.registry.add(handle.system().raw_fd(), socket);
    }

    pub(crate) fn cancel(&mut self, id: OpId) {
        // If it is not there it has ended, and its event is on the way.
        let Some(socket) = self.requests.socket_of(id) else { return };
        let request = self.requests.remove(id.slot());
        let entry = &mut self.sockets[socket as usize];
        for direction in [Direction::Receive, Direction::Send] {
            let side = entry.side(direction);
            if side.pending() == id.slot() {
                side.set_pending(NONE);
            }
        }
        if let Some(request) = request {
            if matches!(request, Request::Connect(_) | Request::ConnectLater(_)) {
                entry.connect_ended();
            }
            self.release(request);
        }
        self.end(id, Err(Failure::Code(libc::ECANCELED)));
    }

    /// A send is tried once more, and ends. Returns `false` if it has ended.
    pub(crate) fn hasten(&mut self, id: OpId) -> bool {
        let Some(socket) = self.requests.socket_of(id) else { return false };
        match self.attempt(socket, Direction::Send) {
            Some(event) => self.ended.push_back(event),
            None => self.cancel(id),
        }
        true
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
            self.list_ready(socket, direction);
        }
        let busy = !self.ended.is_empty() || !self.ready.is_empty();
        (self.this_turn, self.accepted) = (0, 0);
        if busy && self.since_wait < WAIT_EVERY {
            // There is enough to do. A later turn asks the system what else has become ready.
            self.wake.runs();
            return Ok(());
        }
        self.since_wait = 0;
        let until = self.with_connects(until);
        let limit = match until {
            _ if busy => Some(Duration::ZERO),
            None => None,
            Some(Time::ZERO) => Some(Duration::ZERO),
            Some(until) => Some(until - clock::now()),
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
                if ready && side.pending() != NONE && !std::mem::replace(&mut side.listed, true) {
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
        let soon = clock::now() + CONNECT_AGAIN;
        Some(until.map_or(soon, |until| until.min(soon)))
    }

    fn try_connects(&mut self) {
        for socket in std::mem::take(&mut self.connect_again) {
            if let Some((_, Request::ConnectLater(_))) = self.pending(socket, Direction::Send) {
                self.list_ready(socket, Direction::Send);
            }
        }
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
}
