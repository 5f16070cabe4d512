//! Accepting: for `accept`, which makes a socket, and for `AcceptEx`, which gives its connection to
//! a socket that the program has made, and may wait for the first bytes.

use std::ops::Range;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};

use overlapped::Driver;
use overlapped::ErrorKind;
use overlapped::driver::{CloseMode, Flags, Op, Outcome, Stream};

use super::end::{End, Ended, enter, leave};
use super::hub::{Key, Last, Work};
use super::memory::Memory;
use super::receive::adopted;
use crate::error::status::{STATUS_CANCELLED, STATUS_INVALID_PARAMETER};
use crate::error::system::{status_of_wsa, wsa_of_error};
use crate::socket::address::Name;
use crate::socket::entry::{Direction, InFlight, Socket, State};

/// What `accept` waits for.
#[derive(Default)]
pub(crate) struct Place(Mutex<Option<(OwnedFd, Name)>>);

impl Place {
    pub(crate) fn take(&self) -> Option<(OwnedFd, Name)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn put(&self, fd: OwnedFd, name: Name) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((fd, name));
    }
}

/// What `AcceptEx` was given.
pub(crate) struct Premade {
    pub socket: Arc<Socket>,
    /// Where the first bytes go.
    pub memory: Memory,
    /// Where the addresses go, behind them: how much room each has.
    pub names: *mut u8,
    pub local_len: u32,
    pub remote_len: u32,
}

// SAFETY: the memory is the operation's until it has ended.
unsafe impl Send for Premade {}

pub(crate) enum Into {
    Place(Arc<Place>),
    Premade(Premade),
}

pub(crate) struct Accept {
    pub listener: Arc<Socket>,
    pub end: Option<End>,
    pub into: Into,
    /// It has its connection, and waits for bytes of it.
    pub receiving: bool,
}

/// Before each address that `AcceptEx` writes: how long it is.
const LEN_BYTES: usize = 4;

/// Writes an address where `GetAcceptExSockaddrs` finds it.
unsafe fn write_name(at: *mut u8, room: u32, name: &Name) {
    let mut len = (room as usize).saturating_sub(LEN_BYTES) as i32;
    // SAFETY: the program lends so many bytes to the operation.
    unsafe {
        name.write(at.add(LEN_BYTES), &raw mut len);
        at.cast::<i32>().write_unaligned(len);
    }
}

/// The address that `AcceptEx` wrote there, and its length.
///
/// # Safety
/// `AcceptEx` was given this place, with so much room.
pub(crate) unsafe fn read_name(at: *mut u8, room: u32) -> (*mut u8, i32) {
    // SAFETY: as the caller promises.
    let len = unsafe { at.cast::<i32>().read_unaligned() };
    (at.wrapping_add(LEN_BYTES), len.clamp(0, room.saturating_sub(LEN_BYTES as u32) as i32))
}

impl Accept {
    fn accepted(&mut self, stream: Stream, key: Key) -> Option<Ended> {
        let Ok(fd) = OwnedFd::try_from(stream) else { return Some(Ended::failed(STATUS_INVALID_PARAMETER)) };
        let (local, peer) = (Name::local(fd.as_raw_fd()), Name::peer(fd.as_raw_fd()));
        match &self.into {
            Into::Place(place) => {
                place.put(fd, peer.unwrap_or_else(|_| Name::any(self.listener.family)));
                Some(Ended::well(0))
            }
            Into::Premade(premade) => {
                let any = Name::any(self.listener.family);
                // SAFETY: the program lends this memory to the operation.
                unsafe {
                    write_name(premade.names, premade.local_len, &local.unwrap_or(any));
                    write_name(premade.names.add(premade.local_len as usize), premade.remote_len, &peer.unwrap_or(any));
                }
                let mut core = premade.socket.core();
                if core.state != State::Promised {
                    return Some(Ended::failed(STATUS_CANCELLED));
                }
                Socket::replace(&mut core, fd, CloseMode::Now);
                Socket::connected(&mut core);
                (core.context_due, core.bound) = (true, true);
                if premade.memory.total() == 0 {
                    return Some(Ended::well(0));
                }
                self.receiving = true;
                // A close of this socket ends the wait too.
                enter(&mut core, InFlight { key, overlapped: 0, thread: 0, direction: Direction::Receive });
                None
            }
        }
    }

    fn op(&self, driver: &mut Driver) -> Result<Op, Ended> {
        match &self.into {
            Into::Premade(premade) if self.receiving => {
                let id = adopted(&premade.socket, driver)?;
                Ok(Op::recv_with(id, premade.memory.lend(0), Flags::NONE))
            }
            _ => Ok(Op::accept(adopted(&self.listener, driver)?)),
        }
    }

    fn over(&mut self, key: Key, ended: Ended) -> Option<Op> {
        if let Into::Premade(premade) = &self.into {
            leave(&premade.socket, key);
            let mut core = premade.socket.core();
            if core.state == State::Promised {
                core.state = State::Fresh;
            }
        }
        leave(&self.listener, key);
        if let Some(end) = self.end.take() {
            end.finish(ended);
        }
        None
    }
}

impl Work for Accept {
    fn step(&mut self, last: Last, key: Key, driver: &mut Driver) -> Option<Op> {
        let ended = match last {
            Last::Nothing => None,
            Last::Cancelled => Some(Ended::failed(STATUS_CANCELLED)),
            Last::Ended(Ok(Outcome::Accepted(stream, _))) => self.accepted(stream, key),
            Last::Ended(Ok(Outcome::Received(bytes))) => Some(Ended::well(bytes)),
            Last::Ended(Ok(_)) => Some(Ended::well(0)),
            // A listener that is closed is shut down first, and the system tells that in its own
            // way.
            Last::Ended(Err(_)) if matches!(self.listener.core().state, State::Closed) => {
                Some(Ended::failed(STATUS_CANCELLED))
            }
            // The client waits, and so does this: the driver tries again later.
            Last::Ended(Err(error)) if error.kind() == ErrorKind::TooManyFiles => None,
            Last::Ended(Err(error)) => Some(Ended::failed(status_of_wsa(wsa_of_error(&error)))),
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
        let buffer = match &self.into {
            Into::Premade(premade) => {
                premade.memory.lies_in(addresses) || addresses.contains(&(premade.names as usize))
            }
            Into::Place(_) => false,
        };
        buffer || addresses.contains(&self.end.as_ref().map_or(0, End::overlapped))
    }
    fn dies_with(&self, thread: u32) -> bool {
        self.end.as_ref().is_some_and(|end| end.dies_with(thread))
    }
}
