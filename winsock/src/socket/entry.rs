//! A socket: what the program's `SOCKET` means. The system's descriptor is behind it and may
//! change.

use std::any::Any;
use std::collections::VecDeque;
use std::os::fd::{FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use overlapped::driver::{CloseMode, Op, SocketId, Stream};
use overlapped::{Driver, Error};

use super::address::Name;
use crate::deliver;
use crate::handles::{Header, Object};
use crate::io::hub::{self, Key, Last, Work};
use crate::park::Parker;
use crate::wait::Signal;

/// What a socket has become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Fresh,
    /// An `AcceptEx` is to give it its connection.
    Promised,
    Listening,
    /// A connect that does not block is under way.
    Connecting,
    Connected,
    Closed,
}

/// An operation in flight.
#[derive(Clone, Copy)]
pub(crate) struct InFlight {
    pub key: Key,
    /// The address of its `OVERLAPPED`; 0 for a blocking call.
    pub overlapped: usize,
    /// The thread that started it.
    pub thread: u32,
    pub direction: Direction,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Receive,
    Send,
}

/// What `setsockopt` keeps here because the system has no such thing.
#[derive(Clone, Default)]
pub(crate) struct Kept {
    pub receive_timeout: u32,
    pub send_timeout: u32,
    pub receive_buffer: Option<i32>,
    pub send_buffer: Option<i32>,
    pub exclusive: bool,
    pub reuse: bool,
    pub debug: i32,
    pub conditional_accept: bool,
    pub port_unreachable: bool,
    /// Options that were set, with the system's numbers: for a descriptor that takes this one's
    /// place.
    pub set: Vec<(i32, i32, Vec<u8>)>,
}

/// What changes while the socket lives.
pub(crate) struct Core {
    pub fd: RawFd,
    /// The driver's number of it, when it has been given to the driver.
    pub id: Option<SocketId>,
    pub state: State,
    pub bound: bool,
    pub nonblocking: bool,
    pub in_flight: Vec<InFlight>,
    /// How many of those receive or accept, and how many send or connect.
    pub receives: u32,
    pub sends: u32,
    /// The last receive took all that there was.
    pub drained: bool,
    /// The errno of what the connection died of, which the system tells once.
    pub death: i32,
    pub shut_receive: bool,
    pub shut_send: bool,
    pub connected_at: Option<Instant>,
    /// It was accepted by `AcceptEx` or connected by `ConnectEx`, and its context has not been
    /// updated.
    pub context_due: bool,
    /// The code of a connect that does not block and has failed.
    pub connect_error: u32,
    pub kept: Kept,
    /// Connections that a condition function has put off, with the names of their peers.
    pub deferred: VecDeque<(OwnedFd, Name)>,
    /// What `WSAEventSelect` has asked for: a record of `readiness`.
    pub watched: Option<Arc<dyn Watched>>,
    /// Threads that wait in `select` or `WSAPoll` for it.
    pub pollers: Vec<Arc<Parker>>,
    /// `WSAPROTOCOL_INFO`-like facts that outlive a descriptor.
    pub flags: u32,
}

/// What `WSAEventSelect` wants to hear of a socket.
pub(crate) trait Watched: Any + Send + Sync {
    /// A call has used what an event had told of: the event may come again.
    fn rearm(&self, socket: &Arc<Socket>, events: u32);
    /// A connection that this socket has accepted is watched in the same way.
    fn inherit(&self, accepted: &Arc<Socket>);
    /// The socket is closed.
    fn end(&self);
}

pub(crate) struct Socket {
    header: Header,
    pub completion: Arc<deliver::Completion>,
    /// The system's numbers.
    pub family: i32,
    pub kind: i32,
    pub protocol: i32,
    core: Mutex<Core>,
}

impl Socket {
    pub(crate) fn new(fd: RawFd, family: i32, kind: i32, protocol: i32, flags: u32) -> Socket {
        Socket {
            header: Header::new(),
            completion: if flags & 1 != 0 {
                deliver::Completion::new()
            } else {
                deliver::Completion::without_overlapped()
            },
            family,
            kind,
            protocol,
            core: Mutex::new(Core {
                fd,
                id: None,
                state: State::Fresh,
                bound: false,
                nonblocking: false,
                in_flight: Vec::new(),
                receives: 0,
                sends: 0,
                drained: false,
                death: 0,
                shut_receive: false,
                shut_send: false,
                connected_at: None,
                context_due: false,
                connect_error: 0,
                kept: Kept::default(),
                deferred: VecDeque::new(),
                pollers: Vec::new(),
                watched: None,
                flags,
            }),
        }
    }

    pub(crate) fn core(&self) -> MutexGuard<'_, Core> {
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn is_stream(&self) -> bool {
        self.kind == libc::SOCK_STREAM
    }

    /// The driver's number of the socket, which is given to it at its first operation.
    pub(crate) fn adopt(&self, driver: &mut Driver) -> Result<SocketId, Adopted> {
        let mut core = self.core();
        if let Some(id) = core.id {
            return Ok(id);
        }
        if core.fd < 0 {
            return Err(Adopted::Closed);
        }
        // SAFETY: the descriptor is this socket's, and the driver's from here on.
        let fd = unsafe { OwnedFd::from_raw_fd(core.fd) };
        let stream = match (core.state, self.is_stream(), self.family) {
            (State::Listening, ..) if self.family == libc::AF_UNIX => {
                Stream::from(std::os::unix::net::UnixListener::from(fd))
            }
            (State::Listening, ..) => Stream::from(std::net::TcpListener::from(fd)),
            (_, true, libc::AF_UNIX) => Stream::from(std::os::unix::net::UnixStream::from(fd)),
            (_, true, _) => Stream::from(std::net::TcpStream::from(fd)),
            (_, false, _) => Stream::from(std::net::UdpSocket::from(fd)),
        };
        match driver.adopt(stream) {
            Ok(id) => {
                core.id = Some(id);
                Ok(id)
            }
            Err(failed) => {
                // The descriptor stays this socket's.
                if let Ok(fd) = OwnedFd::try_from(failed.given) {
                    std::mem::forget(fd);
                }
                Err(Adopted::Refused(failed.error))
            }
        }
    }

    /// Takes the descriptor away, to be closed in this way. Operations in flight are cancelled.
    pub(crate) fn shed(core: &mut Core, mode: CloseMode) {
        let Some(hub) = hub::hub() else { return };
        for one in &core.in_flight {
            hub.cancel(one.key);
        }
        let fd = std::mem::replace(&mut core.fd, -1);
        match core.id.take() {
            Some(id) => {
                hub.push(Box::new(Close { id, mode }));
            }
            None if fd >= 0 && matches!(mode, CloseMode::Graceful { .. }) => {
                // SAFETY: the descriptor is this socket's, and the work's from here on.
                let fd = unsafe { OwnedFd::from_raw_fd(fd) };
                hub.push(Box::new(CloseNew { stream: Some(Stream::from(std::net::TcpStream::from(fd))), mode }));
            }
            None if fd >= 0 => {
                // SAFETY: the descriptor is this socket's, and nobody else has it.
                unsafe { libc::close(fd) };
            }
            None => {}
        }
    }

    /// Gives it another descriptor, which begins with the options that were set.
    pub(crate) fn replace(core: &mut Core, fd: OwnedFd, mode: CloseMode) {
        Socket::shed(core, mode);
        core.fd = fd.into_raw_fd();
        for (level, name, value) in &core.kept.set {
            // SAFETY: it reads the value, as long as it is.
            unsafe {
                libc::setsockopt(core.fd, *level, *name, value.as_ptr().cast(), value.len() as libc::socklen_t);
            }
        }
        (core.death, core.drained) = (0, false);
        (core.shut_receive, core.shut_send) = (false, false);
        core.connected_at = None;
    }

    /// It has a connection from now on.
    pub(crate) fn connected(core: &mut Core) {
        core.state = State::Connected;
        core.connected_at = Some(Instant::now());
        (core.death, core.connect_error) = (0, 0);
    }

    /// The program has closed it.
    fn close(&self) {
        let mut core = self.core();
        if core.state == State::Closed {
            return;
        }
        let hard =
            core.kept.set.iter().rev().find(|(level, name, _)| (*level, *name) == (libc::SOL_SOCKET, libc::SO_LINGER));
        let aborts = hard.is_some_and(|(_, _, value)| value.len() == 8 && value[..4] != [0; 4] && value[4..] == [0; 4]);
        let watched = core.watched.take();
        if core.state == State::Listening && core.fd >= 0 {
            // An operation of the driver's keeps the descriptor a little longer.
            // SAFETY: a system call without memory.
            unsafe { libc::shutdown(core.fd, libc::SHUT_RDWR) };
        }
        Socket::shed(&mut core, if aborts { CloseMode::Abort } else { CloseMode::Now });
        core.state = State::Closed;
        let pollers = std::mem::take(&mut core.pollers);
        drop(core);
        pollers.iter().for_each(|parker| parker.unpark());
        if let Some(watched) = watched {
            watched.end();
        }
        if let Some(hub) = hub::hub() {
            hub.hasten();
        }
    }
}

/// Why the driver does not have a socket.
pub(crate) enum Adopted {
    Closed,
    Refused(Error),
}

impl Drop for Socket {
    fn drop(&mut self) {
        let core = self.core.get_mut().unwrap_or_else(PoisonError::into_inner);
        if core.fd >= 0 || core.id.is_some() {
            Socket::shed(core, CloseMode::Now);
        }
    }
}

impl Object for Socket {
    fn header(&self) -> &Header {
        &self.header
    }

    fn signal(&self) -> Option<&Signal> {
        Some(self.completion.signal())
    }

    fn completion(&self) -> Option<&dyn Any> {
        Some(&self.completion)
    }

    fn cancel(&self, overlapped: Option<usize>, thread: Option<u32>) -> usize {
        let core = self.core();
        let is_meant = |one: &&InFlight| {
            one.overlapped != 0
                && overlapped.is_none_or(|overlapped| overlapped == one.overlapped)
                && thread.is_none_or(|thread| thread == one.thread)
        };
        let keys: Vec<Key> = core.in_flight.iter().filter(is_meant).map(|one| one.key).collect();
        drop(core);
        let Some(hub) = hub::hub() else { return 0 };
        keys.iter().for_each(|key| hub.cancel(*key));
        if !keys.is_empty() {
            hub.hasten();
        }
        keys.len()
    }

    fn last_handle_closed(self: Arc<Self>) {
        self.close();
    }
}

/// Closes what the driver has of a socket.
struct Close {
    id: SocketId,
    mode: CloseMode,
}

impl Work for Close {
    fn step(&mut self, last: Last, _: Key, _: &mut Driver) -> Option<Op> {
        matches!(last, Last::Nothing).then(|| Op::close(self.id, self.mode))
    }
}

/// Closes a connection that the driver has not been given before.
struct CloseNew {
    stream: Option<Stream>,
    mode: CloseMode,
}

impl Work for CloseNew {
    fn step(&mut self, _: Last, _: Key, driver: &mut Driver) -> Option<Op> {
        let id = driver.adopt(self.stream.take()?).ok()?;
        Some(Op::close(id, self.mode))
    }
}
