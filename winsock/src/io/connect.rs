//! Connecting, and sending the first bytes.

use std::ops::Range;
use std::sync::Arc;

use overlapped::Driver;
use overlapped::driver::{Op, Outcome};

use super::end::{End, Ended, leave};
use super::hub::{Key, Last, Work};
use super::memory::Memory;
use super::receive::adopted;
use crate::error::status::{STATUS_CANCELLED, STATUS_INVALID_PARAMETER};
use crate::error::system::{status_of_wsa, wsa_of_error};
use crate::socket::address::Name;
use crate::socket::entry::{Socket, State};

pub(crate) struct Connect {
    pub socket: Arc<Socket>,
    pub end: Option<End>,
    pub to: Name,
    /// What `ConnectEx` sends.
    pub memory: Option<Memory>,
    pub sending: bool,
    /// `ConnectEx`: the context is to be updated.
    pub is_ex: bool,
}

impl Connect {
    fn op(&self, driver: &mut Driver) -> Result<Op, Ended> {
        let id = adopted(&self.socket, driver)?;
        if let (true, Some(memory)) = (self.sending, &self.memory) {
            return Ok(Op::send(id, memory.lend(0)));
        }
        let address = self.to.to_address().ok_or(Ended::failed(STATUS_INVALID_PARAMETER))?;
        Ok(Op::connect(id, address))
    }

    fn over(&mut self, key: Key, ended: Ended) -> Option<Op> {
        leave(&self.socket, key);
        if let Some(end) = self.end.take() {
            end.finish(ended);
        }
        None
    }
}

impl Work for Connect {
    fn step(&mut self, last: Last, key: Key, driver: &mut Driver) -> Option<Op> {
        let ended = match last {
            Last::Nothing => None,
            Last::Cancelled => Some(Ended::failed(STATUS_CANCELLED)),
            Last::Ended(Ok(Outcome::Connected)) => {
                let mut core = self.socket.core();
                Socket::connected(&mut core);
                (core.context_due, core.bound) = (self.is_ex, true);
                self.sending = self.memory.as_ref().is_some_and(|memory| memory.total() > 0);
                if self.sending { None } else { Some(Ended::well(0)) }
            }
            Last::Ended(Ok(Outcome::Sent(bytes))) => Some(Ended::well(bytes as usize)),
            Last::Ended(Ok(_)) => Some(Ended::well(0)),
            Last::Ended(Err(error)) => Some(Ended::failed(status_of_wsa(wsa_of_error(&error)))),
        };
        if let Some(ended) = ended {
            let mut core = self.socket.core();
            // The same socket may try again.
            if core.state == State::Connecting {
                core.state = State::Fresh;
            }
            drop(core);
            return self.over(key, ended);
        }
        match self.op(driver) {
            Ok(op) => Some(op),
            Err(ended) => self.over(key, ended),
        }
    }

    fn lies_in(&self, addresses: &Range<usize>) -> bool {
        let overlapped = self.end.as_ref().map_or(0, End::overlapped);
        addresses.contains(&overlapped) || self.memory.as_ref().is_some_and(|memory| memory.lies_in(addresses))
    }
    fn dies_with(&self, thread: u32) -> bool {
        self.end.as_ref().is_some_and(|end| end.dies_with(thread))
    }
}
