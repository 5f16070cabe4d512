//! Why operations on a socket fail. The system tells a connection's cause of death once, to one
//! operation. What it says to the others would mislead.

use crate::address::Address;
use crate::error::{Action, Error, ErrorKind, code};
use crate::flags::{Flags, Role};
use crate::sys::handle::Handle;
use crate::sys::op::{OpKind, Outcome};

use super::Driver;

/// A connection survives what only one operation is refused.
pub(super) fn survives(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::Cancelled
            | ErrorKind::ShutDown
            | ErrorKind::OutOfMemory
            | ErrorKind::InvalidArgument
            | ErrorKind::Unsupported
            | ErrorKind::NotPermitted
            | ErrorKind::EndOfFile
    )
}

impl Driver {
    /// The error of an operation on a socket, of the system's code. A broken pipe has three
    /// meanings, a stream that is not connected any more has been reset, and one that never was
    /// cannot have been (as Wine has it).
    pub(super) fn failed_on(&self, socket: u32, action: Action, code: i32) -> Error {
        let error = Error::os(action, code);
        let entry = &self.sockets[socket];
        let broken_pipe = code::is_broken_pipe(code);
        if action == Action::Connect
            || !broken_pipe && !matches!(error.kind(), ErrorKind::NotConnected | ErrorKind::Reset)
        {
            return error;
        }
        if broken_pipe && entry.shut {
            return error.meaning(ErrorKind::ShutDown);
        }
        if entry.role != Role::Stream {
            return error;
        }
        if !entry.is_connected() {
            return error.meaning(ErrorKind::NotConnected);
        }
        match (error.kind(), entry.death()) {
            (ErrorKind::Reset, _) if !broken_pipe => error,
            (_, Some(code)) => Error::os(action, code),
            // Both streams have ended.
            (ErrorKind::NotConnected, None) if entry.shut => error,
            (_, None) if broken_pipe && self.has_ip_peer(socket) => error.meaning(ErrorKind::ShutDown),
            (_, None) => error.meaning(ErrorKind::Reset),
        }
    }

    /// The error of a receive or a send.
    pub(super) fn moving_error(&self, slot: u32, action: Action, code: i32) -> Error {
        let operation = &self.operations[slot];
        let error = self.failed_on(operation.socket, action, code);
        match operation.kind {
            OpKind::Recv { flags }
                if flags.contains(Flags::OUT_OF_BAND) && error.kind() == ErrorKind::InvalidArgument =>
            {
                error.because("there is no out-of-band data, or it has been received")
            }
            // Wine says so of a datagram without a destination.
            OpKind::Send { .. } if self.is_unaddressed(operation.socket, &error) => {
                error.meaning(ErrorKind::NotConnected)
            }
            _ => error,
        }
    }

    /// Whether a datagram was refused because its socket has no peer.
    fn is_unaddressed(&self, socket: u32, error: &Error) -> bool {
        error.kind() == ErrorKind::InvalidArgument
            && self.sockets[socket].role == Role::Datagram
            && self.ask_at(socket, Handle::peer_addr).is_none()
    }

    /// Whether a stream's TCP connection lives. If it cannot be sent on all the same, this end was
    /// shut down before the driver took it over. (A Unix socket has a peer also after that has
    /// gone.)
    fn has_ip_peer(&self, socket: u32) -> bool {
        self.ask_at(socket, Handle::peer_addr).is_some_and(|peer| peer.ip().is_some())
    }

    /// Asks the system something about a socket.
    fn ask_at<T>(&self, socket: u32, ask: impl FnOnce(&Handle) -> Result<T, Error>) -> Option<T> {
        let handle = self.sockets[socket].handle.as_ref()?;
        self.ask_of(handle, ask).ok()
    }

    /// The error of an operation that has an address.
    pub(super) fn failed_at_address(&mut self, slot: u32, action: Action, code: i32) -> Error {
        let socket = self.operations[slot].socket;
        let error = self.failed_on(socket, action, code);
        let Some(address) = self.operations.owned_mut(slot).and_then(|owned| owned.address().cloned()) else {
            return error;
        };
        let error = error.at_given(&address);
        let other_family = |own: Address| match (own.ip(), address.ip()) {
            (Some(own), Some(address)) => own.is_ipv4() != address.is_ipv4(),
            (own, address) => own.is_some() != address.is_some(),
        };
        match error.kind() {
            ErrorKind::InvalidArgument | ErrorKind::Unsupported
                if self.ask_at(socket, Handle::local_addr).is_some_and(other_family) =>
            {
                error.meaning(ErrorKind::InvalidArgument).because("the socket was made for another family of addresses")
            }
            ErrorKind::NotPermitted if action == Action::Send && code::is_no_permission(code) => {
                error.because("broadcast addresses need `DatagramOptions::broadcast`")
            }
            _ => error,
        }
    }

    /// Notes whether an error means that the connection is dead, and what it died of.
    pub(super) fn note_death(&mut self, slot: u32, error: &Error) {
        self.note_death_of(self.operations[slot].socket, error);
    }

    pub(super) fn note_death_of(&mut self, socket: u32, error: &Error) {
        let socket = &mut self.sockets[socket];
        // A datagram socket survives whatever peers and routers answer.
        if socket.role != Role::Stream || survives(error.kind()) {
            return;
        }
        // Only senders are told of a broken pipe. The peer had ended its stream in order before.
        // A code that means something else by itself would tell others the wrong thing.
        let tells = |code: &i32| !code::is_broken_pipe(*code) && code::kind_of(*code) == error.kind();
        let is_death = matches!(error.kind(), ErrorKind::Reset | ErrorKind::TimedOut | ErrorKind::Unreachable);
        socket.died(error.os_code().filter(|code| is_death && tells(code)));
    }

    /// The code of what a connection died of, which another operation was told. The system reports
    /// the end of the stream to this one, which is wrong.
    pub(super) fn died_of(&self, slot: u32) -> Option<i32> {
        let socket = &self.sockets[self.operations[slot].socket];
        socket.death().filter(|_| !socket.ended)
    }

    /// The error of what follows a send that was cut short; `None` if none was.
    pub(super) fn behind_a_gap(&self, socket: u32, action: Action) -> Option<Error> {
        let socket = &self.sockets[socket];
        let cause = socket.broken?;
        Some(match socket.death() {
            Some(code) => Error::os(action, code),
            None if survives(cause) => Error::new(action, ErrorKind::BrokenStream).because(cause.describe()),
            None => Error::new(action, cause),
        })
    }

    /// How an operation ends that fails after it has, perhaps, moved some bytes.
    pub(super) fn cut_short(&mut self, slot: u32, error: Error) -> Result<Outcome, Error> {
        let progress = self.operations.progress(slot);
        let operation = &self.operations[slot];
        match operation.kind {
            // What was taken out of the stream is delivered. The error will come again.
            OpKind::Recv { .. } if progress > 0 => self.received(slot),
            // It was not cancelled by the program: the stream was shut down for receiving.
            OpKind::Recv { .. } | OpKind::RecvMulti
                if error.kind() == ErrorKind::Cancelled && self.sockets[operation.socket].deaf =>
            {
                Ok(Outcome::Received(0))
            }
            OpKind::Send { .. } | OpKind::SendFile if progress > 0 => {
                self.sockets[operation.socket].broken = Some(error.kind());
                Err(error.after(progress))
            }
            _ => Err(error),
        }
    }
}
