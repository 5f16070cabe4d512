//! Connections of listeners that take the PROXY protocol, until their header is read. They have
//! their place among the sessions, and are none yet: the logic does not know them.

use overlapped::buf::{BufExt, Spare};
use overlapped::driver::{Completion, OpId, SocketId};
use overlapped::table::Table;
use overlapped::{Address, Driver, ErrorKind, Op, Outcome, Time};

use super::state::token;
use crate::connect::reset;
use crate::limits::{Permit, Refusal};
use crate::proxy_protocol::{Parsed, ProxyHeader, ProxyHeaderFault as Fault, ProxyProtocol, parse};

/// Bytes of room for what is received: most headers fit.
const ROOM: usize = 256;

/// A connection whose first bytes are still to be read.
struct Waiting {
    socket: SocketId,
    peer: Address,
    permit: Permit,
    rule: ProxyProtocol,
    deadline: Time,
    receive: Option<OpId>,
    is_ending: bool,
}

/// A connection that may become a session.
pub(crate) struct Introduced {
    pub(crate) socket: SocketId,
    /// Who is connected, and whom that one says that it speaks for.
    pub(crate) peer: Address,
    pub(crate) header: Option<ProxyHeader>,
    pub(crate) permit: Permit,
    /// What has come behind the header.
    pub(crate) rest: Vec<u8>,
}

/// How a connection's header ended.
pub(crate) enum Ended {
    Introduced(Introduced),
    /// It is closed. It had come by this listener.
    Refused(Address, u8, Refusal),
}

#[derive(Default)]
pub(crate) struct Headers {
    /// Each has a permit, so they are no more than the sessions that there may be.
    waiting: Table<Waiting>,
}

impl Headers {
    /// Reads the header of a new connection.
    pub(crate) fn read(
        &mut self,
        (socket, peer, permit): (SocketId, Address, Permit),
        rule: &ProxyProtocol,
        driver: &mut Driver,
    ) -> Option<Ended> {
        if rule.is_required() && !rule.trusts(&peer) {
            reset(socket, driver);
            return Some(Ended::Refused(peer, permit.listener(), Refusal::ProxyHeader(Fault::Untrusted)));
        }
        let deadline = driver.now() + rule.time();
        let waiting = Waiting { socket, peer, permit, rule: rule.clone(), deadline, receive: None, is_ending: false };
        self.receive(waiting, Vec::new(), driver)
    }

    fn receive(&mut self, mut waiting: Waiting, read: Vec<u8>, driver: &mut Driver) -> Option<Ended> {
        let op = Op::recv(waiting.socket, read.spare(ROOM)).with_deadline(waiting.deadline);
        let slot = self.waiting.next_key().slot();
        match driver.submit(op, token::of(token::HEADER, slot)) {
            Ok(receive) => {
                waiting.receive = Some(receive);
                self.waiting.insert(waiting);
                None
            }
            Err(_) => Some(refuse(waiting, Refusal::ShardFull, driver)),
        }
    }

    /// Bytes of a connection have come, or will not.
    pub(crate) fn completed(&mut self, slot: u32, completion: Completion, driver: &mut Driver) -> Option<Ended> {
        let waiting = self.waiting.remove_at(slot)?;
        if waiting.is_ending {
            return Some(refuse(waiting, Refusal::Ending, driver));
        }
        let read =
            completion.buf.and_then(|buf| buf.take::<Spare<Vec<u8>>>().ok()).map(Spare::into_inner).unwrap_or_default();
        let fault = match completion.result {
            Ok(Outcome::Received(1..)) => match parse(&read) {
                Ok(Parsed::Header(..)) if !waiting.rule.trusts(&waiting.peer) => Fault::Untrusted,
                Ok(Parsed::Header(header, taken)) => return Some(waiting.introduced(Some(header), &read[taken..])),
                Ok(Parsed::Incomplete) => return self.receive(waiting, read, driver),
                Ok(Parsed::NoHeader) if waiting.rule.is_required() => Fault::Missing,
                Ok(Parsed::NoHeader) => return Some(waiting.introduced(None, &read)),
                Err(fault) => fault,
            },
            Ok(_) => Fault::Ended,
            Err(error) if error.kind() != ErrorKind::TimedOut => Fault::Ended,
            Err(_) if waiting.rule.is_required() => Fault::TimedOut,
            Err(_) => return Some(waiting.introduced(None, &read)),
        };
        Some(refuse(waiting, Refusal::ProxyHeader(fault), driver))
    }

    /// Gives all up: no new sessions begin.
    pub(crate) fn end(&mut self, driver: &mut Driver) {
        for slot in self.waiting.slots() {
            if let Some(waiting) = self.waiting.at_mut(slot) {
                waiting.is_ending = true;
                if let Some(receive) = waiting.receive {
                    driver.cancel(receive);
                }
            }
        }
    }
}

impl Waiting {
    fn introduced(self, header: Option<ProxyHeader>, rest: &[u8]) -> Ended {
        let Waiting { socket, peer, permit, .. } = self;
        Ended::Introduced(Introduced { socket, peer, header, permit, rest: rest.to_vec() })
    }
}

/// Nothing is in flight for it.
fn refuse(waiting: Waiting, refusal: Refusal, driver: &mut Driver) -> Ended {
    reset(waiting.socket, driver);
    Ended::Refused(waiting.peer, waiting.permit.listener(), refusal)
}
