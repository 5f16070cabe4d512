//! Descriptors that are watched for readiness.

use std::fmt;

use super::operation::Operation;
use super::port::CompletionPort;
use super::socket::Socket;
use crate::driver::Op;
use crate::error::Error;
use crate::flags::CloseMode;

/// A descriptor of another kind than the engine's sockets (a pipe, a terminal, an `eventfd`, a
/// socket of another library) that is watched for readiness:
/// [`Engine::watch`](crate::Engine::watch).
///
/// It holds a duplicate of the descriptor, which it closes when the last clone is dropped; waits in
/// flight then end with `Cancelled`. The program's own descriptor stays the program's, with its
/// settings as they are. Reading and writing are the program's affair.
#[derive(Clone)]
pub struct Watched(Socket);

impl Watched {
    #[cfg(unix)]
    pub(super) fn new(socket: Socket) -> Watched {
        Watched(socket)
    }

    /// Waits until a read would not wait: because there is something to read, or the end, or an
    /// error. Ends at once if that is so already. As any operation, it ends in one of the four
    /// ways, can be cancelled, and takes a [deadline](Operation::deadline).
    ///
    /// Several waits end one after the other, in the order in which they were started. That it has
    /// ended means that the descriptor *was* ready: others may have read meanwhile, so read without
    /// waiting (`O_NONBLOCK`).
    pub fn readable(&self) -> Operation<'_, ()> {
        self.0.operation(Op::readable(Op::NO_SOCKET))
    }

    /// Waits until a write would not wait: because there is room, or an error. Otherwise as
    /// [`readable`](Watched::readable); waits of both kinds do not wait for each other.
    pub fn writable(&self) -> Operation<'_, ()> {
        self.0.operation(Op::writable(Op::NO_SOCKET))
    }

    /// Associates it with a completion port, as [`Socket::associate`] does.
    ///
    /// # Errors
    /// `InvalidArgument` if it is associated already.
    pub fn associate(&self, port: &CompletionPort, key: usize) -> Result<(), Error> {
        self.0.associate(port, key)
    }

    /// Asks every wait in flight to end early, and returns how many there were.
    pub fn cancel_all(&self) -> usize {
        self.0.cancel_all()
    }

    /// Ends the watch for all clones. Waits in flight end with `Cancelled`.
    pub fn close(&self) -> Operation<'_, ()> {
        self.0.close(CloseMode::Now)
    }
}

impl fmt::Debug for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Watched")
    }
}
