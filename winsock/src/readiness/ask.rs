//! One wait for the readiness of several sockets. The system is asked; routines of the thread run
//! meanwhile.

use std::sync::Arc;
use std::time::Instant;

use crate::io::attempt;
use crate::io::hub;
use crate::io::settle::settle;
use crate::park::{self, Parker};
use crate::socket::entry::{Socket, State};
use crate::thread;

/// What is asked of a socket, and what it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ready {
    pub read: bool,
    /// Not only an end or an error.
    pub has_bytes: bool,
    pub write: bool,
    /// Urgent data, or a connect that has failed.
    pub except: bool,
    /// The peer has ended the stream or the connection.
    pub hung_up: bool,
    pub error: bool,
    /// The program has closed the socket.
    pub closed: bool,
}

impl Ready {
    pub(crate) fn any(self) -> bool {
        self.read || self.write || self.except || self.hung_up || self.error
    }
}

pub(crate) struct Asked {
    pub socket: Arc<Socket>,
    pub wanted: Ready,
    pub is: Ready,
}

/// The system's question for a socket.
fn question(asked: &Asked) -> libc::pollfd {
    let core = asked.socket.core();
    let mut events = 0;
    let stream = asked.socket.is_stream();
    let connected = core.state == State::Connected || !stream;
    if asked.wanted.read && (connected || core.state == State::Listening) {
        events |= libc::POLLIN | libc::POLLRDHUP;
    }
    if connected {
        events |= if asked.wanted.write { libc::POLLOUT } else { 0 };
        events |= if asked.wanted.except { libc::POLLPRI } else { 0 };
    }
    if core.state == State::Connecting && (asked.wanted.write || asked.wanted.except) {
        events |= libc::POLLOUT;
    }
    // Of a socket that is neither connected nor listens, the system would tell that it is hung up.
    let fd = if events == 0 { -1 } else { core.fd };
    libc::pollfd { fd, events, revents: 0 }
}

/// What the system's answer means.
fn meaning(asked: &Asked, answer: i16) -> Ready {
    let mut core = asked.socket.core();
    settle(&mut core);
    let failed = core.connect_error != 0;
    let stream = asked.socket.is_stream();
    let connected = core.state == State::Connected || !stream;
    let has = |events: i16| answer & events != 0;
    let gone = has(libc::POLLERR | libc::POLLHUP);
    let listens = core.state == State::Listening;
    let readable = (connected || listens) && (has(libc::POLLIN) || gone || !core.deferred.is_empty());
    Ready {
        read: asked.wanted.read && readable,
        has_bytes: connected && has(libc::POLLIN) && attempt::unread(core.fd) > 0,
        write: asked.wanted.write && connected && (has(libc::POLLOUT) || gone),
        except: asked.wanted.except && (failed || has(libc::POLLPRI)),
        hung_up: connected && stream && has(libc::POLLRDHUP | libc::POLLHUP) || failed,
        error: connected && has(libc::POLLERR) || failed,
        closed: core.state == State::Closed,
    }
}

/// Has a thread woken when the socket is closed; `false` if it is already.
fn begin_poll(socket: &Socket, parker: &Arc<Parker>) -> bool {
    let mut core = socket.core();
    core.pollers.push(Arc::clone(parker));
    core.state != State::Closed
}

/// Waits until one of the sockets is something that is wanted of it (`enough`), or until the time
/// is over. Returns whether one is.
pub(crate) fn wait(asked: &mut [Asked], until: Option<Instant>, enough: impl Fn(&Asked) -> bool) -> bool {
    if let Some(hub) = hub::hub() {
        hub.hasten();
    }
    let thread = thread::current();
    let parker = park::current();
    loop {
        let mut polls: Vec<libc::pollfd> = asked.iter().map(question).collect();
        // SAFETY: it writes the entries that it is given, and does not wait.
        unsafe { libc::poll(polls.as_mut_ptr(), polls.len() as libc::nfds_t, 0) };
        for (one, poll) in asked.iter_mut().zip(&polls) {
            one.is = meaning(one, poll.revents);
        }
        if asked.iter().any(|one| one.is.closed || enough(one)) {
            return true;
        }
        if until.is_some_and(|until| until <= Instant::now()) {
            return false;
        }
        let id = thread.block().begin(true);
        if !thread.has_apcs() {
            // What the system always tells, and nobody waits for, would end the wait at once.
            polls
                .iter_mut()
                .filter(|poll| poll.revents & (libc::POLLERR | libc::POLLHUP) != 0)
                .for_each(|poll| poll.fd = -1);
            // Only as long as nothing changes: what each socket is asked for may depend on that.
            if asked.iter().all(|one| begin_poll(&one.socket, &parker)) {
                parker.poll(&mut polls, until);
            }
            asked.iter().for_each(|one| one.socket.core().pollers.retain(|poller| !Arc::ptr_eq(poller, &parker)));
        }
        thread.block().give_up(id);
        thread::run_apcs();
    }
}
