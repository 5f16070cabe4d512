//! Receiving: of streams, of datagrams, and of messages with what comes beside them.

use std::ops::Range;
use std::sync::Arc;

use overlapped::Driver;
use overlapped::ErrorKind;
use overlapped::driver::{Flags, Op, Outcome, SocketId};

use super::attempt::{self, MSG_OOB, MSG_PARTIAL, MSG_PEEK, MSG_WAITALL};
use super::beside::Beside;
use super::end::{End, Ended, leave, leave_locked};
use super::hub::{Key, Last, Work};
use super::memory::Memory;
use crate::error::status::{
    STATUS_ACCESS_VIOLATION, STATUS_BUFFER_OVERFLOW, STATUS_CANCELLED, STATUS_PORT_UNREACHABLE,
};
use crate::error::system::{status_of_wsa, wsa_of, wsa_of_error};
use crate::error::{ERROR_OPERATION_ABORTED, WSAECONNRESET};
use crate::socket::entry::{Adopted, Socket};

/// A receive that has to wait.
pub(crate) struct Receive {
    pub socket: Arc<Socket>,
    pub end: Option<End>,
    pub memory: Memory,
    pub flags: u32,
    /// Bytes that were received when it began, of a receive that waits for all.
    pub moved: usize,
    pub beside: Beside,
    /// The driver's number of the socket, if it was known when this began.
    pub id: Option<SocketId>,
}

impl Receive {
    /// It waits until there is something, and then receives it with a call that tells more than the
    /// driver does.
    fn looks_first(&self) -> bool {
        !self.socket.is_stream() || self.flags & MSG_PEEK != 0 || !self.beside.message.is_null()
    }

    fn op(&self, driver: &mut Driver) -> Result<Op, Ended> {
        let id = match self.id {
            Some(id) => id,
            None => adopted(&self.socket, driver)?,
        };
        if self.looks_first() {
            return Ok(Op::recv_with(id, vec![0u8; 1], Flags::PEEK));
        }
        let mut flags = Flags::NONE;
        if self.flags & MSG_WAITALL != 0 {
            flags = flags | Flags::WAIT_ALL;
        }
        if self.flags & MSG_OOB != 0 {
            flags = flags | Flags::OUT_OF_BAND;
        }
        Ok(Op::recv_with(id, self.memory.lend(self.moved), flags))
    }

    /// There is something: receives it. `None` if it was gone again.
    fn look(&self) -> Option<Ended> {
        let core = self.socket.core();
        if core.fd < 0 {
            return Some(Ended::failed(STATUS_CANCELLED));
        }
        now(&self.socket, core.fd, &self.memory, self.flags, &self.beside).map(|ended| match ended {
            Ok(ended) => ended,
            Err(code) => Ended::code(code),
        })
    }

    fn over(&mut self, key: Key, ended: Ended) -> Option<Op> {
        leave(&self.socket, key);
        if let Some(end) = self.end.take() {
            end.finish(ended);
        }
        None
    }
}

/// The driver's number of a socket.
pub(crate) fn adopted(socket: &Socket, driver: &mut Driver) -> Result<SocketId, Ended> {
    socket.adopt(driver).map_err(|why| match why {
        Adopted::Closed => Ended::failed(STATUS_CANCELLED),
        Adopted::Refused(error) => Ended::code(wsa_of_error(&error)),
    })
}

/// Receives without waiting, with everything that comes beside the bytes. `None` if nothing is
/// there.
pub(crate) fn now(
    socket: &Socket,
    fd: i32,
    memory: &Memory,
    flags: u32,
    beside: &Beside,
) -> Option<Result<Ended, u32>> {
    if socket.is_stream() && beside.message.is_null() {
        return match attempt::receive(fd, memory, flags) {
            Ok(bytes) => Some(Ok(Ended::well(bytes))),
            Err(libc::EAGAIN) => None,
            Err(code) => Some(Err(wsa_of(code))),
        };
    }
    match attempt::receive_message(fd, memory, flags, beside.wants_control()) {
        Ok(came) => {
            let mut ended = Ended::well(came.bytes);
            if !beside.write(&came) {
                ended.status = STATUS_ACCESS_VIOLATION;
            } else if came.truncated {
                (ended.status, ended.flags) = (STATUS_BUFFER_OVERFLOW, MSG_PARTIAL);
            }
            Some(Ok(ended))
        }
        Err(libc::EAGAIN) => None,
        // What came back for a datagram that was sent.
        Err(libc::ECONNREFUSED) if !socket.is_stream() => Some(Err(WSAECONNRESET)),
        Err(code) => Some(Err(wsa_of(code))),
    }
}

impl Work for Receive {
    fn step(&mut self, last: Last, key: Key, driver: &mut Driver) -> Option<Op> {
        let ended = match last {
            Last::Nothing => None,
            Last::Cancelled => Some(Ended::failed(STATUS_CANCELLED)),
            Last::Ended(Ok(_)) if self.looks_first() => self.look(),
            Last::Ended(Err(error)) if self.looks_first() && error.kind() == ErrorKind::Truncated => self.look(),
            Last::Ended(Ok(Outcome::Received(bytes))) => {
                let mut core = self.socket.core();
                core.drained = bytes < self.memory.total() - self.moved;
                let died = bytes == 0 && self.memory.total() > 0 && core.death != 0;
                let ended = if died { Ended::code(wsa_of(core.death)) } else { Ended::well(self.moved + bytes) };
                leave_locked(&mut core, key);
                drop(core);
                if let Some(end) = self.end.take() {
                    end.finish(ended);
                }
                return None;
            }
            Last::Ended(Ok(_)) => Some(Ended::well(self.moved)),
            Last::Ended(Err(error)) => {
                let code = wsa_of_error(&error);
                if code == WSAECONNRESET {
                    self.socket.core().death = libc::ECONNRESET;
                }
                Some(match error.kind() {
                    _ if self.moved > 0 => Ended::well(self.moved),
                    ErrorKind::Refused if !self.socket.is_stream() => Ended::failed(STATUS_PORT_UNREACHABLE),
                    _ if code == ERROR_OPERATION_ABORTED => Ended::failed(STATUS_CANCELLED),
                    _ => Ended::failed(status_of_wsa(code)),
                })
            }
        };
        if let Some(ended) = ended {
            return self.over(key, ended);
        }
        match self.op(driver) {
            Ok(op) => Some(op),
            Err(ended) => self.over(key, ended),
        }
    }

    fn lies_in(&self, addresses: &Range<usize>) -> bool {
        let overlapped = self.end.as_ref().map_or(0, End::overlapped);
        addresses.contains(&overlapped) || self.memory.lies_in(addresses) || self.beside.lies_in(addresses)
    }
    fn dies_with(&self, thread: u32) -> bool {
        self.end.as_ref().is_some_and(|end| end.dies_with(thread))
    }
}
