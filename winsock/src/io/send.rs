//! Sending: bytes of a stream, and datagrams.

use std::any::Any;
use std::ops::Range;
use std::sync::Arc;

use overlapped::Driver;
use overlapped::driver::{Flags, Op, Outcome};

use super::attempt::MSG_OOB;
use super::end::{End, Ended, leave};
use super::hub::{Key, Last, Work};
use super::memory::Memory;
use super::parts::gathered;
use super::receive::adopted;
use crate::error::status::STATUS_CANCELLED;
use crate::error::system::{status_of_wsa, wsa_of_error};
use crate::error::{WSAECONNABORTED, WSAECONNRESET, WSAENOTCONN, WSAESHUTDOWN};
use crate::socket::address::Name;
use crate::socket::entry::{Core, Socket, State};

/// A send that has to wait.
pub(crate) struct Send {
    pub socket: Arc<Socket>,
    pub end: Option<End>,
    pub memory: Memory,
    pub flags: u32,
    /// Bytes that were sent when it began.
    pub moved: usize,
    pub to: Option<Name>,
    pub beyond: Beyond,
}

/// What a send has beyond its bytes.
#[derive(Default)]
pub(crate) struct Beyond {
    /// Memory that is freed at its end.
    #[expect(dead_code, reason = "held for its drop")]
    pub kept: Option<Box<dyn Any + std::marker::Send>>,
    /// What is done to the socket when all has been sent.
    pub after: Option<fn(&Arc<Socket>)>,
}

impl Send {
    fn op(&self, driver: &mut Driver) -> Result<Op, Ended> {
        let id = adopted(&self.socket, driver)?;
        // SAFETY: the program has lent the memory.
        let many = if self.socket.is_stream() { None } else { unsafe { gathered(&self.memory) } };
        let to = self.to.and_then(Name::to_address);
        if let Some(datagram) = many {
            return Ok(match to {
                Some(address) => Op::send_to(id, datagram, address),
                None => Op::send_with(id, datagram, Flags::NONE),
            });
        }
        let lent = self.memory.lend(self.moved);
        if let Some(address) = to {
            return Ok(Op::send_to(id, lent, address));
        }
        let flags = if self.flags & MSG_OOB != 0 { Flags::OUT_OF_BAND } else { Flags::NONE };
        Ok(Op::send_with(id, lent, flags))
    }

    fn over(&mut self, key: Key, ended: Ended) -> Option<Op> {
        leave(&self.socket, key);
        if let Some(after) = self.beyond.after.filter(|_| ended.status.is_success()) {
            after(&self.socket);
        }
        if let Some(end) = self.end.take() {
            end.finish(ended);
        }
        None
    }
}

/// The Winsock code of a send that failed with this code: what a broken pipe means depends on what
/// the socket has been through.
pub(crate) fn code_of_send(core: &Core, code: u32) -> u32 {
    match code {
        WSAESHUTDOWN if core.shut_send => WSAESHUTDOWN,
        WSAESHUTDOWN if core.state != State::Connected => WSAENOTCONN,
        WSAESHUTDOWN if core.death != 0 => WSAECONNRESET,
        WSAESHUTDOWN => WSAECONNABORTED,
        code => code,
    }
}

impl Work for Send {
    fn step(&mut self, last: Last, key: Key, driver: &mut Driver) -> Option<Op> {
        let ended = match last {
            Last::Nothing => {
                return match self.op(driver) {
                    Ok(op) => Some(op),
                    Err(ended) => self.over(key, ended),
                };
            }
            Last::Cancelled => Ended::failed(STATUS_CANCELLED),
            Last::Ended(Ok(Outcome::Sent(bytes))) => Ended::well(self.moved + bytes as usize),
            Last::Ended(Ok(_)) => Ended::well(self.moved),
            Last::Ended(Err(error)) => {
                let mut core = self.socket.core();
                let code = wsa_of_error(&error);
                if code == WSAECONNRESET {
                    core.death = libc::ECONNRESET;
                }
                Ended::failed(status_of_wsa(code_of_send(&core, code)))
            }
        };
        self.over(key, ended)
    }

    fn lies_in(&self, addresses: &Range<usize>) -> bool {
        let overlapped = self.end.as_ref().map_or(0, End::overlapped);
        addresses.contains(&overlapped) || self.memory.lies_in(addresses)
    }
    fn dies_with(&self, thread: u32) -> bool {
        self.end.as_ref().is_some_and(|end| end.dies_with(thread))
    }
}
