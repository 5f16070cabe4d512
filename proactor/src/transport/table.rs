//! The transports of a shard's sessions, and the memory that they share.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::hash::BuildHasherDefault;

use super::Transport;
use super::failure::Failure;
use super::opening::Opening;
use super::slot_hasher::SlotHasher;
use crate::outbox::Taken;
use crate::outbox::memory::SendMemory;

/// Buffers for unfinished records that are kept, and the largest.
const SPARE_INPUTS: usize = 64;
const SPARE_BYTES: usize = 64 * 1024;

/// Openings that may take a step in a turn. A step may cost a millisecond of arithmetic, and the
/// sessions that are open have their turn in between.
const MOST_STEPS: usize = 16;

/// The transports of those sessions that have one, by slot. Their records say whether they do.
#[derive(Default)]
pub(crate) struct Transports {
    /// Never gone through in its order, which differs from run to run.
    by_slot: HashMap<u32, Box<Transport>, BuildHasherDefault<SlotHasher>>,
    /// Those of connections that the server has made, and that are not open yet.
    outbound: BTreeSet<u32>,
    /// Where a transport puts what it makes of received bytes.
    plain: Vec<u8>,
    /// Where pieces of a send are put together.
    gathered: Vec<u8>,
    inputs: Vec<Vec<u8>>,
    /// Sessions whose transport failed while something was sent.
    failed: Vec<(u32, Failure)>,
    /// The turn, and the steps that openings have taken in it.
    steps: (u32, usize),
    /// Openings that wait for a later turn.
    postponed: VecDeque<u32>,
}

/// What has come of received bytes.
pub(crate) struct Heard {
    /// The bytes of the session. Their memory is to be [given back](Transports::give_back).
    pub(crate) plain: Vec<u8>,
    /// It has become open.
    pub(crate) is_open: bool,
    /// The peer has said that its stream ends.
    pub(crate) has_ended: bool,
    pub(crate) is_partial: bool,
    pub(crate) has_output: bool,
    /// The peer's hello is to be answered.
    pub(crate) is_asked: bool,
    /// The peer may have confirmed something, so that more may be sent.
    pub(crate) may_send_more: bool,
    pub(crate) failure: Option<Failure>,
}

impl Transports {
    pub(crate) fn insert(&mut self, slot: u32, transport: Transport) {
        if transport.opening().is_some_and(|opening| opening.outbound.is_some()) {
            self.outbound.insert(slot);
        }
        self.by_slot.insert(slot, Box::new(transport));
    }

    pub(crate) fn remove(&mut self, slot: u32) -> Option<Box<Transport>> {
        self.outbound.remove(&slot);
        self.by_slot.remove(&slot)
    }

    pub(crate) fn at(&self, slot: u32) -> Option<&Transport> {
        self.by_slot.get(&slot).map(|transport| &**transport)
    }

    pub(crate) fn at_mut(&mut self, slot: u32) -> Option<&mut Transport> {
        self.by_slot.get_mut(&slot).map(|transport| &mut **transport)
    }

    pub(crate) fn has_output(&self, slot: u32) -> bool {
        self.at(slot).is_some_and(Transport::has_output)
    }

    /// A session's oldest send has ended. Returns how many of the outbox's bytes were in it.
    pub(crate) fn send_ended(&mut self, slot: u32) -> usize {
        self.at_mut(slot).map_or(0, Transport::send_ended)
    }

    /// How many of the outbox's bytes a session may be sent now.
    #[inline]
    pub(crate) fn room(&self, slot: u32) -> usize {
        self.at(slot).map_or(usize::MAX, Transport::room)
    }

    /// Whether it is the transport of a session that can go on over another connection.
    pub(crate) fn is_resumable(&self, slot: u32) -> bool {
        self.at(slot).is_some_and(|transport| transport.resuming().is_some())
    }

    pub(crate) fn is_opening(&self, slot: u32) -> bool {
        self.at(slot).is_some_and(Transport::is_opening)
    }

    /// Drops a transport that was there for an upgrade only, if that is over. Says whether it did.
    #[cfg(feature = "websocket")]
    pub(crate) fn drop_if_done(&mut self, slot: u32) -> bool {
        let is_done = self.at(slot).is_some_and(Transport::is_done);
        if is_done {
            self.remove(slot);
        }
        is_done
    }

    /// Whether the session was running before it had its transport.
    pub(crate) fn is_of_running(&self, slot: u32) -> bool {
        self.at(slot).is_some_and(Transport::is_of_running)
    }

    /// The opening of a session, if its transport has just become open.
    pub(crate) fn take_opened(&mut self, slot: u32) -> Option<Box<Opening>> {
        let opening = self.by_slot.get_mut(&slot)?.take_opened()?;
        self.outbound.remove(&slot);
        Some(opening)
    }

    /// The connections that the server has made, and that are not open.
    pub(crate) fn outbound_openings(&self) -> Vec<u32> {
        self.outbound.iter().copied().collect()
    }

    /// Whether openings wait for the next turn.
    pub(crate) fn has_postponed(&self) -> bool {
        !self.postponed.is_empty()
    }

    /// The openings that go on in this turn.
    pub(crate) fn take_postponed(&mut self, turn: u32) -> Vec<u32> {
        let count = self.postponed.len().min(MOST_STEPS);
        self.steps = (turn, count);
        self.postponed.drain(..count).collect()
    }

    pub(crate) fn is_postponed(&self, slot: u32) -> bool {
        self.at(slot).is_some_and(Transport::is_postponed)
    }

    /// Keeps what was received for a later turn if too many openings have taken a step in this one.
    /// Says whether it did.
    pub(crate) fn postpones(&mut self, slot: u32, bytes: &[u8], turn: u32) -> bool {
        let Some(transport) = self.by_slot.get_mut(&slot).filter(|transport| transport.is_opening()) else {
            return false;
        };
        if self.steps.0 != turn {
            self.steps = (turn, 0);
        }
        let waits = self.steps.1 >= MOST_STEPS || transport.is_postponed();
        if waits && transport.postpone(bytes) {
            self.postponed.push_back(slot);
        }
        self.steps.1 += usize::from(!waits);
        waits
    }

    /// Keeps what was received for the next turn.
    pub(crate) fn postpone(&mut self, slot: u32, bytes: &[u8]) {
        if self.by_slot.get_mut(&slot).is_some_and(|transport| transport.postpone(bytes)) {
            self.postponed.push_back(slot);
        }
    }

    /// Gives a session's transport what was received, behind what was postponed.
    pub(crate) fn receive(&mut self, slot: u32, bytes: &mut [u8]) -> Option<Heard> {
        let transport = self.by_slot.get_mut(&slot)?;
        let mut plain = std::mem::take(&mut self.plain);
        let received = transport.receive(bytes, &mut plain, || self.inputs.pop().unwrap_or_default());
        if let Some(input) = transport.take_empty_input()
            && self.inputs.len() < SPARE_INPUTS
            && input.capacity() <= SPARE_BYTES
        {
            self.inputs.push(input);
        }
        Some(Heard {
            plain,
            is_open: !transport.is_opening() || received.is_ok() && transport.is_open(),
            has_ended: transport.has_ended(),
            is_partial: transport.is_partial(),
            has_output: transport.has_output(),
            is_asked: received.is_ok() && transport.is_asked(),
            may_send_more: transport.resuming().is_some(),
            failure: received.err(),
        })
    }

    pub(crate) fn give_back(&mut self, mut plain: Vec<u8>) {
        plain.clear();
        plain.shrink_to(SPARE_BYTES);
        self.plain = plain;
    }

    /// Appends to `wire` what a session's transport has to say, what it makes of `taken`, and, if
    /// that is asked for, its end. After an error, nothing of `taken` is there.
    pub(crate) fn seal(
        &mut self,
        slot: u32,
        taken: Option<Taken>,
        ends: bool,
        memory: &mut SendMemory,
        wire: &mut Vec<u8>,
    ) -> Result<(), Failure> {
        let Some(transport) = self.by_slot.get_mut(&slot) else { return Ok(()) };
        transport.take_output(wire);
        let acknowledged = transport.acknowledge(wire);
        let before = wire.len();
        let sealed = match taken {
            None => Ok(()),
            Some(Taken::Bytes(bytes)) => {
                let sealed = transport.seal(&bytes, wire);
                memory.keep(bytes);
                sealed
            }
            Some(Taken::Packet(packet)) => transport.seal(&packet, wire),
            Some(Taken::Packets(packets)) => packets.iter().try_for_each(|packet| transport.seal(packet, wire)),
            Some(Taken::Slice(slice)) => transport.seal(slice.as_ref(), wire),
            Some(Taken::Gather(gather)) => {
                // Short pieces share a record.
                self.gathered.clear();
                gather.iter().for_each(|piece| self.gathered.extend_from_slice(piece));
                memory.keep_gather(gather);
                let sealed = transport.seal(&self.gathered, wire);
                self.gathered.shrink_to(SPARE_BYTES);
                sealed
            }
        };
        let sealed = acknowledged.and(sealed);
        if sealed.is_err() {
            transport.forget_resuming();
            wire.truncate(before);
        } else if ends {
            transport.end(wire);
        }
        sealed
    }

    /// The transport of a session failed while something was sent: it is to be closed at the end of
    /// the turn.
    pub(crate) fn failed_to_seal(&mut self, slot: u32, failure: Failure) {
        self.failed.push((slot, failure));
    }

    pub(crate) fn has_failed(&self) -> bool {
        !self.failed.is_empty()
    }

    pub(crate) fn take_failed(&mut self) -> Vec<(u32, Failure)> {
        std::mem::take(&mut self.failed)
    }
}
