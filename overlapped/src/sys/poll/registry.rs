//! The system's list of sockets to watch: epoll on Linux, kqueue on macOS and the BSDs.
//!
//! In edge mode, and each socket once, for both directions. So a turn costs one wait, and waiting
//! for a socket again costs nothing. mio is the thinnest layer over both systems (no timer's
//! descriptor, no re-registration, no reading of the wake-up's counter): a wait is one system call.

use std::io;
use std::os::fd::RawFd;
use std::time::Duration;

use mio::unix::SourceFd;
use mio::{Events, Interest, Token};

use crate::error::{Action, Error};
use crate::wake::WakeHandle;

/// Readiness taken at a time.
const EVENTS: usize = 1024;
/// Names the wake-up; sockets are named by their slots, which are fewer.
const WAKE: Token = Token(usize::MAX);

pub(super) struct Registry {
    poll: mio::Poll,
    events: Events,
}

/// What the system reports of a socket.
#[derive(Clone, Copy, Debug)]
pub(super) struct Readiness {
    pub(super) socket: u32,
    pub(super) readable: bool,
    pub(super) writable: bool,
    /// The peer has sent its last byte, the connection is dead, or urgent data has come: a short
    /// receive has not necessarily brought everything.
    pub(super) exceptional: bool,
}

impl Registry {
    pub(super) fn new() -> Result<(Registry, WakeHandle), Error> {
        let failed = |error: io::Error| {
            Error::io(Action::Setup, &error).because("a queue of readiness events (epoll or kqueue) cannot be made")
        };
        let poll = mio::Poll::new().map_err(failed)?;
        let waker = mio::Waker::new(poll.registry(), WAKE).map_err(failed)?;
        // It fails only if the system has no memory for it. The thread then wakes at its next
        // timeout.
        let wake = WakeHandle::new(move || drop(waker.wake()));
        Ok((Registry { poll, events: Events::with_capacity(EVENTS) }, wake))
    }

    /// Watches a socket until it is removed or closed.
    pub(super) fn add(&self, fd: RawFd, socket: u32) -> io::Result<()> {
        let interest = Interest::READABLE | Interest::WRITABLE;
        #[cfg(target_os = "linux")]
        let interest = interest | Interest::PRIORITY;
        self.poll.registry().register(&mut SourceFd(&fd), Token(socket as usize), interest)
    }

    /// Stops watching a socket. Closing its descriptor would not do, if the program has another one
    /// for the same socket.
    pub(super) fn remove(&self, fd: RawFd) -> io::Result<()> {
        self.poll.registry().deregister(&mut SourceFd(&fd))
    }

    /// Waits until something is ready, the time is over, or a signal comes.
    pub(super) fn wait(&mut self, limit: Option<Duration>) -> io::Result<()> {
        match self.poll.poll(&mut self.events, limit) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                self.events.clear();
                Ok(())
            }
            waited => waited,
        }
    }

    /// What the last wait found.
    pub(super) fn found(&self) -> impl Iterator<Item = Readiness> {
        self.events.iter().filter(|event| event.token() != WAKE).map(|event| {
            let (ended, error) = (event.is_read_closed(), event.is_error());
            let dead = error || event.is_write_closed();
            Readiness {
                socket: event.token().0 as u32,
                readable: event.is_readable() || ended || dead,
                writable: event.is_writable() || dead,
                exceptional: ended || dead || event.is_priority(),
            }
        })
    }
}
