//! Closing never waits.
//!
//! With `SO_LINGER` and a time, the system lets `close` wait until everything is sent, or that
//! long: also on a socket that does not block, and with it everybody whom this thread serves. (On
//! Windows such a close can fail and leave the socket open.) Sockets that this crate makes have no
//! such option, unless it is asked for. Those that others have had may, so these are looked at
//! before they are closed. What is unsent is sent
//! after the close all the same. A time of zero, by which closing resets the connection, stays.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use socket2::Socket;

use super::facts::Facts;
use super::sharing::Sharing;

/// A socket of the system, which is closed without waiting.
#[derive(Debug)]
pub(in crate::sys) struct Closing {
    socket: Socket,
    /// Others than this crate have, or have had, the socket, and may have set the option; or it was
    /// asked for.
    lent: AtomicBool,
    pub(super) facts: Facts,
    /// `None` if there is no other descriptor or view of it, and no path.
    pub(super) sharing: Option<Arc<Sharing>>,
}

impl Closing {
    pub(super) fn new(socket: Socket, sharing: Option<Arc<Sharing>>) -> Closing {
        Closing { socket, lent: AtomicBool::new(false), facts: Facts::NEW, sharing }
    }

    pub(super) fn is_lent(&self) -> bool {
        self.lent.load(Ordering::Relaxed) || self.sharing.as_ref().is_some_and(|sharing| sharing.is_lent())
    }

    /// Others have it too from here on.
    pub(super) fn lent(&self) {
        self.lent.store(true, Ordering::Relaxed);
    }

    /// Makes closing not wait.
    pub(super) fn hasten(&self) {
        if self.is_lent() {
            hasten(&self.socket);
        }
    }

    /// The socket with its options as they are.
    pub(in crate::sys) fn into_inner(self) -> Socket {
        let closing = std::mem::ManuallyDrop::new(self);
        // SAFETY: each is read once, and not dropped otherwise.
        unsafe {
            drop(std::ptr::read(&raw const closing.sharing));
            std::ptr::read(&raw const closing.socket)
        }
    }
}

impl Deref for Closing {
    type Target = Socket;
    fn deref(&self) -> &Socket {
        &self.socket
    }
}

impl Drop for Closing {
    fn drop(&mut self) {
        self.hasten();
    }
}

/// Takes the time from a socket's linger.
pub(super) fn hasten(socket: &Socket) {
    // Of a socket that has no linger this fails, and closing does not wait.
    if let Ok(Some(time)) = socket.linger()
        && time > Duration::ZERO
    {
        let _ = socket.set_linger(None);
    }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;
    use crate::sys::socket::SystemSocket;

    fn lingers(time: Duration) -> (SystemSocket, Socket) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let socket = Socket::from(TcpStream::connect(listener.local_addr().unwrap()).unwrap());
        let other = socket.try_clone().unwrap();
        socket.set_linger(Some(time)).unwrap();
        (SystemSocket::of(socket).unwrap(), other)
    }

    #[test]
    fn only_a_time_is_taken_and_only_from_sockets_that_others_have() {
        let (zero, second) = (Duration::ZERO, Duration::from_secs(1));
        for (lent, set, left) in
            [(true, second, None), (true, zero, Some(zero)), (false, second, Some(second)), (false, zero, Some(zero))]
        {
            let (socket, other) = lingers(set);
            if lent {
                socket.lent();
            }
            drop(socket);
            assert_eq!(other.linger().unwrap(), left, "when it is dropped");
            let (mut socket, other) = lingers(set);
            let view = socket.kept_view();
            if lent {
                view.lent();
            }
            view.hasten_close();
            assert_eq!(other.linger().unwrap(), left, "before an engine closes it");
        }
    }

    #[test]
    fn a_socket_that_is_given_away_keeps_its_linger() {
        let (socket, _) = lingers(Duration::from_secs(1));
        socket.lent();
        assert_eq!(socket.socket.into_inner().linger().unwrap(), Some(Duration::from_secs(1)));
    }
}
