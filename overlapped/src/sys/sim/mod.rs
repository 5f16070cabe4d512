//! The backend on a simulated network: no operating system at all.
//!
//! The network ([`state`]) moves bytes between ends ([`stream`]) and makes connections
//! ([`listener`]) as its clock moves. This backend holds a driver's operations. In each turn it
//! finds those that can go on, tries them in an order drawn from the seed, and hands out what comes
//! of them in that order. Only the turns of an operation's own driver serve it, so nothing touches
//! its buffers in between.

mod at_once;
mod codes;
mod config;
mod datagrams;
pub(crate) mod end;
mod faults;
mod link;
mod listener;
pub(crate) mod network;
mod parts;
mod random;
mod socket;
mod state;
mod stream;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;

use crate::address::Address;
use crate::buf::Pool;
use crate::error::{Action, Error, ErrorKind};
use crate::flags::{Direction, Flags};
use crate::id::OpId;
use crate::options::BackendOptions;
use crate::report::{Backend, Feature, Report};
use crate::table::Key;
use crate::time::Time;
use crate::wake::WakeHandle;

pub use config::NetworkConfig;
use end::End;
pub use link::Link;
pub use network::Network;
use parts::{Parts, WantDatagrams};
use stream::Found;

use super::op::{Event, Failure, OpKind, Outcome, Owned};
use super::{handle::Handle, stream::Stream};

/// An operation that has not ended.
struct Pending {
    id: OpId,
    /// Its socket, as the network names it.
    end: Key,
    cancelled: bool,
    /// It ends when it has been tried, as far as it goes.
    last_try: bool,
    want: Want,
}

enum Want {
    Accept {
        multi: bool,
    },
    Connect,
    Receive {
        parts: Parts,
        peek: bool,
    },
    ReceivePooled,
    /// In a box: streams are many, and these would make each larger.
    Datagrams(Box<WantDatagrams>),
    Send {
        parts: Parts,
    },
    Discard,
}

/// Bytes thrown away at a time.
const DISCARD_BYTES: usize = 64 * 1024;

pub(crate) struct Sim {
    pub(super) network: Network,
    host: u32,
    pub(super) seed: u64,
    pool: Rc<Pool>,
    turn_bytes: usize,
    /// At most one for each direction of a socket.
    pending: BTreeMap<(u32, Direction), Pending>,
    /// Where the operation of a driver's slot is among these.
    by_slot: BTreeMap<u32, (u32, Direction)>,
    /// Operations to be tried in the next turn.
    again: BTreeSet<(u32, Direction)>,
    /// Events of what ended in its start.
    ended: Vec<Event>,
    events: VecDeque<Event>,
    pub(super) wake: WakeHandle,
    pub(super) report: Report,
}

impl Sim {
    pub(crate) fn new(options: &BackendOptions, network: &Network, pool: Rc<Pool>, why: &str) -> Sim {
        let (host, seed) = network.lock().add_host();
        let feature = |name, why: &str| Feature { name, used: true, why: why.to_owned() };
        let report = Report {
            backend: Backend::Sim,
            why: why.to_owned(),
            features: vec![
                feature("virtual clock", "it moves in turns that wait, to what happens next"),
                feature("seeded order", "the same seed and program give the same run"),
            ],
        };
        Sim {
            network: network.clone(),
            host,
            seed,
            pool,
            turn_bytes: match options.turn_bytes {
                0 => usize::MAX,
                bytes => bytes as usize,
            },
            pending: BTreeMap::new(),
            by_slot: BTreeMap::new(),
            again: BTreeSet::new(),
            ended: Vec::new(),
            events: VecDeque::new(),
            // No thread sleeps: a turn asks whether it has been woken.
            wake: WakeHandle::new(|| {}),
            report,
        }
    }

    /// Says when the driver's earliest timer runs out. The network's clock stops there.
    pub(crate) fn set_alarm(&mut self, at: Option<Time>) {
        let state = &mut *self.network.lock();
        if let Some(host) = state.hosts.get_mut(&self.host)
            && std::mem::replace(&mut host.alarm, at) != at
        {
            let at = at.map_or(0, Time::as_nanos);
            state.trace.words(&[21, state.now.as_nanos(), self.host.into(), at]);
        }
    }

    pub(crate) fn attach(&mut self, socket: u32, handle: &Handle) -> Result<(), Error> {
        let of_this = match handle {
            Handle::Simulated(end) => Some(end.view()).filter(|end| end.network.is(&self.network)),
            _ => None,
        };
        let Some(end) = of_this else {
            let why = "it is not of the simulated network that this driver is on";
            return Err(Error::new(Action::Socket, ErrorKind::InvalidArgument).because(why));
        };
        if let Some(entry) = self.network.lock().sockets.get_mut(end.id) {
            entry.owner = Some((self.host, socket));
        }
        Ok(())
    }

    pub(crate) fn detach(&mut self, socket: u32, handle: &Handle) -> Result<(), Error> {
        let mut state = self.network.lock();
        if let Some(host) = state.hosts.get_mut(&self.host) {
            host.ready.retain(|(ready, _)| *ready != socket);
        }
        if let Some(entry) = state.sockets.get_mut(end_of(handle)) {
            entry.owner = None;
        }
        Ok(())
    }

    pub(crate) fn start(&mut self, id: OpId, kind: OpKind, socket: u32, handle: &Handle, owned: Option<&mut Owned>) {
        let end = end_of(handle);
        let parts = |owned: Option<&mut Owned>| Parts::of(owned.expect("what moves bytes owns a buffer"));
        let (direction, want) = match kind {
            OpKind::Accept { multi } => (Direction::Receive, Want::Accept { multi }),
            OpKind::Connect => {
                let address = owned.and_then(|owned| owned.address()).and_then(Address::ip);
                let asked = match address {
                    Some(address) => self.network.lock().connect(end, address),
                    None => Err(codes::WRONG_FAMILY),
                };
                match asked {
                    Ok(()) => (Direction::Send, Want::Connect),
                    Err(code) => return self.end_at_once(id, Err(Failure::Code(code))),
                }
            }
            OpKind::Recv { flags } | OpKind::Send { flags } if flags.contains(Flags::OUT_OF_BAND) => {
                return self.end_at_once(id, Err(Failure::Code(codes::UNSUPPORTED)));
            }
            OpKind::Recv { flags } => {
                (Direction::Receive, Want::Receive { parts: parts(owned), peek: flags.contains(Flags::PEEK) })
            }
            OpKind::RecvMulti => (Direction::Receive, Want::ReceivePooled),
            OpKind::Send { .. } => (Direction::Send, Want::Send { parts: parts(owned) }),
            OpKind::SendFile => match owned.expect("it owns a file").fill_from_file() {
                Ok(bytes) => (Direction::Send, Want::Send { parts: Parts::one(bytes) }),
                Err(failure) => return self.end_at_once(id, Err(failure)),
            },
            OpKind::Discard => (Direction::Receive, Want::Discard),
            OpKind::RecvFrom { .. } | OpKind::RecvFromMulti | OpKind::SendTo => match WantDatagrams::of(kind, owned) {
                Ok((direction, want)) => (direction, Want::Datagrams(Box::new(want))),
                Err(code) => return self.end_at_once(id, Err(Failure::Code(code))),
            },
            OpKind::Shutdown { how } => {
                let done = self.network.lock().shut_down(end, how);
                return self.end_at_once(id, done.map(|()| Outcome::ShutDown).map_err(Failure::Code));
            }
            OpKind::Close { .. } | OpKind::Timer | OpKind::LookUp => {
                unreachable!("closes come by `close`, the others are the driver's")
            }
            OpKind::Ready { .. } => unreachable!("nothing is watched here"),
        };
        let key = (socket, direction);
        let before = self.pending.insert(key, Pending { id, end, cancelled: false, last_try: false, want });
        debug_assert!(before.is_none(), "one operation for each direction of a socket");
        self.by_slot.insert(id.slot(), key);
        self.again.insert(key);
    }

    pub(crate) fn close(&mut self, id: OpId, _: u32, handle: Handle) {
        drop(handle);
        self.end_at_once(id, Ok(Outcome::Closed));
    }

    fn end_at_once(&mut self, id: OpId, result: Result<Outcome, Failure>) {
        self.ended.push(Event { id, more: false, result });
    }

    pub(crate) fn cancel(&mut self, id: OpId) {
        if let Some(key) = self.by_slot.get(&id.slot())
            && let Some(pending) = self.pending.get_mut(key).filter(|pending| pending.id == id)
        {
            pending.cancelled = true;
            self.again.insert(*key);
        }
    }

    /// A send is tried once more, and ends. Returns `false` if it has ended.
    pub(crate) fn hasten(&mut self, id: OpId) -> bool {
        let Some(key) = self.by_slot.get(&id.slot()) else { return false };
        let Some(pending) = self.pending.get_mut(key).filter(|pending| pending.id == id) else { return false };
        pending.last_try = true;
        self.again.insert(*key);
        true
    }

    /// Ends an attempt to connect that was cancelled.
    pub(crate) fn disconnect(&mut self, handle: &Handle) {
        self.network.lock().disconnect(end_of(handle));
    }

    pub(crate) fn turn(&mut self, until: Option<Time>) -> Result<(), Error> {
        loop {
            self.deliver();
            let over = until.is_some_and(|until| until <= self.network.now());
            if over || !self.events.is_empty() || !self.wake.may_wait() {
                self.wake.runs();
                return Ok(());
            }
            let moved = match until {
                Some(until) => self.network.advance_to(until),
                None => self.network.advance(),
            };
            self.wake.runs();
            if !moved {
                return Err(self.would_deadlock());
            }
        }
    }

    /// The error of a wait that could never end.
    fn would_deadlock(&self) -> Error {
        let state = self.network.lock();
        let others = state.hosts.iter().filter(|(host, entry)| **host != self.host && !entry.ready.is_empty()).count();
        let mut why = "nothing is to happen on the simulated network, and nobody has woken this driver".to_owned();
        if others > 0 {
            why +=
                &format!("; {others} other drivers on it have not yet taken what is there for them: turn those first");
        }
        Error::new(Action::Turn, ErrorKind::WouldDeadlock).because(why)
    }

    pub(crate) fn next(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Tries every operation that may be able to go on, in an order drawn from the seed.
    fn deliver(&mut self) {
        enum Due {
            Try((u32, Direction)),
            Ended(Event),
        }
        let due: Vec<Due> = {
            let mut state = self.network.lock();
            if let Some(host) = state.hosts.get_mut(&self.host) {
                self.again.append(&mut host.ready);
            }
            let tries = std::mem::take(&mut self.again).into_iter().map(Due::Try);
            let mut due: Vec<Due> = tries.chain(self.ended.drain(..).map(Due::Ended)).collect();
            state.random.shuffle(&mut due);
            due
        };
        for due in due {
            match due {
                Due::Try(key) => self.serve(key),
                Due::Ended(event) => self.tell(event),
            }
        }
    }

    fn tell(&mut self, event: Event) {
        let mut state = self.network.lock();
        let (kind, value) = match &event.result {
            Ok(Outcome::Connected | Outcome::ShutDown | Outcome::Closed | Outcome::Elapsed | Outcome::Ready) => (0, 0),
            Ok(Outcome::Received(bytes)) => (0, *bytes as u64),
            Ok(Outcome::Sent(bytes)) => (0, *bytes),
            Ok(Outcome::Accepted(_, peer)) => (1, peer.ip().map_or(0, |peer| peer.port().into())),
            Ok(Outcome::Packet(packet)) => (2, packet.len() as u64),
            Ok(Outcome::ReceivedFrom(bytes, _)) => (3, *bytes as u64),
            Ok(Outcome::Datagram(packet, _)) => (4, packet.len() as u64),
            Err(Failure::NoBuffer) => (5, 0),
            Err(Failure::Code(code)) => (6, *code as u64),
            Err(Failure::Truncated { bytes, .. }) => (7, u64::from(*bytes)),
            Err(Failure::File(code)) => (8, *code as u64),
            Err(Failure::FileEnded) => (9, 0),
        };
        let now = state.now.as_nanos();
        let name = u64::from(event.id.generation()) << 32 | u64::from(event.id.slot());
        state.trace.words(&[20, now, self.host.into(), name, event.more.into(), kind, value]);
        drop(state);
        self.events.push_back(event);
    }

    /// One operation goes on as far as it can.
    fn serve(&mut self, key: (u32, Direction)) {
        let Some(mut pending) = self.pending.remove(&key) else { return };
        let id = pending.id;
        // A cancel may come too late: the seed decides. For a connect that has ended it does.
        let mut last = None;
        let tries = !pending.cancelled || self.network.lock().random.once_in(2);
        if tries || matches!(pending.want, Want::Connect) {
            last = self.attempt(key, &mut pending);
        }
        let last = match last {
            None if !pending.cancelled && !pending.last_try => {
                self.pending.insert(key, pending);
                return;
            }
            None => Err(Failure::Code(codes::CANCELLED)),
            Some(result) => result,
        };
        self.by_slot.remove(&id.slot());
        self.tell(Event { id, more: false, result: last });
    }

    /// Gives the operation's last result, if it has come to that.
    fn attempt(&mut self, key: (u32, Direction), pending: &mut Pending) -> Option<Result<Outcome, Failure>> {
        let end = pending.end;
        match &mut pending.want {
            Want::Accept { multi } => {
                let multi = *multi;
                loop {
                    let (result, last) = {
                        let mut state = self.network.lock();
                        let (server, peer) = state.accept(end)?;
                        let last = !multi || state.ends_early();
                        drop(state);
                        let handle = Handle::simulated(End::new(&self.network, server));
                        (Ok(Outcome::Accepted(Stream(handle), Address::Ip(peer))), last)
                    };
                    if last {
                        return Some(result);
                    }
                    self.tell(Event { id: pending.id, more: true, result });
                }
            }
            Want::Connect => {
                let connected = self.network.lock().connected(end)?;
                Some(connected.map(|()| Outcome::Connected).map_err(Failure::Code))
            }
            Want::Receive { parts, peek } => match self.network.lock().receive(end, parts.len(), *peek) {
                Found::Nothing => None,
                Found::Bytes(bytes) => {
                    parts.fill(&bytes);
                    Some(Ok(Outcome::Received(bytes.len())))
                }
                Found::End => Some(Ok(Outcome::Received(0))),
                Found::Failed(code) => Some(Err(Failure::Code(code))),
            },
            Want::ReceivePooled => self.receive_pooled(key, pending.id, end),
            Want::Datagrams(want) => self.attempt_datagrams(key, pending.id, end, want),
            Want::Send { parts } => {
                let mut state = self.network.lock();
                match state.room(end, parts.len(), !pending.last_try) {
                    Ok(0) if parts.len() > 0 => None,
                    Ok(bytes) => {
                        state.send(end, &parts.read(bytes));
                        Some(Ok(Outcome::Sent(bytes as u64)))
                    }
                    Err(code) => Some(Err(Failure::Code(code))),
                }
            }
            Want::Discard => match self.network.lock().receive(end, DISCARD_BYTES, false) {
                Found::Nothing => None,
                Found::Bytes(bytes) => Some(Ok(Outcome::Received(bytes.len()))),
                Found::End => Some(Ok(Outcome::Received(0))),
                Found::Failed(code) => Some(Err(Failure::Code(code))),
            },
        }
    }

    fn receive_pooled(&mut self, key: (u32, Direction), id: OpId, end: Key) -> Option<Result<Outcome, Failure>> {
        let mut left = self.turn_bytes;
        loop {
            match self.network.lock().receive(end, 0, false) {
                Found::Nothing => return None,
                Found::Bytes(_) => {}
                Found::End => return Some(Ok(Outcome::Received(0))),
                Found::Failed(code) => return Some(Err(Failure::Code(code))),
            }
            if left == 0 {
                // The rest in the next turn.
                self.again.insert(key);
                return None;
            }
            let Some(buffer) = self.pool.take_returned() else { return Some(Err(Failure::NoBuffer)) };
            let most = (self.pool.config().buffer_bytes as usize).min(left);
            let mut state = self.network.lock();
            let found = state.receive(end, most, false);
            let last = state.ends_early();
            drop(state);
            let Found::Bytes(bytes) = found else {
                self.pool.put_back(buffer);
                continue;
            };
            left -= bytes.len();
            // SAFETY: the buffer was taken from the pool and is ours. It has room for `most` bytes,
            // and these are at most so many.
            unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), self.pool.buffer(buffer).as_ptr(), bytes.len()) };
            // SAFETY: the buffer is ours to hand over; so many bytes have been written just now.
            let packet = unsafe { self.pool.packet(buffer, bytes.len()) };
            if last {
                return Some(Ok(Outcome::Packet(packet)));
            }
            self.tell(Event { id, more: true, result: Ok(Outcome::Packet(packet)) });
        }
    }
}

impl Drop for Sim {
    fn drop(&mut self) {
        self.network.lock().hosts.remove(&self.host);
    }
}

/// The network's name of a socket that has been attached.
fn end_of(handle: &Handle) -> Key {
    match handle {
        Handle::Simulated(end) => end.view().id,
        _ => unreachable!("only sockets of the network are attached"),
    }
}
