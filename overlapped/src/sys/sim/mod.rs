//! The backend on a simulated network: no operating system at all.
//!
//! The network ([`network`]) moves bytes between ends ([`stream`]) and makes connections ([`listener`]) as its clock moves. This backend holds a driver's requests
//! and sees, in each turn, which of them can go on: those are tried in an order drawn from the seed, and what comes of them is
//! handed out in that order. Requests are served by the turns of their own driver only, so nothing touches their buffers in between.

mod codes;
mod end;
mod listener;
mod network;
mod parts;
mod random;
mod stream;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;

use crate::address::Address;
use crate::buf::Pool;
use crate::driver::DriverConfig;
use crate::error::{Action, Error, ErrorKind};
use crate::flags::Flags;
use crate::id::OpId;
use crate::report::{self, Feature, Report};
use crate::time::Time;

use super::{Event, Handle, Happened, Request, WakeHandle};

pub(crate) use end::{End, EndView};
use network::Side;
pub use network::{Network, NetworkConfig};
use parts::Parts;
use stream::Found;

/// A request that has not ended.
struct Pending {
    id: OpId,
    /// The network's number of its socket.
    end: u64,
    cancelled: bool,
    want: Want,
}

enum Want {
    Accept { multi: bool },
    Connect,
    Receive { parts: Parts, peek: bool },
    ReceivePooled,
    Send { parts: Parts },
    Discard,
}

/// Bytes thrown away at a time.
const DISCARD_BYTES: usize = 64 * 1024;

pub(crate) struct Sim {
    network: Network,
    host: u32,
    seed: u64,
    pool: Rc<Pool>,
    turn_bytes: usize,
    /// At most one for each side of a socket.
    pending: BTreeMap<(u32, Side), Pending>,
    /// Which of these an operation's slot has.
    by_slot: BTreeMap<u32, (u32, Side)>,
    /// Requests to be tried in the next turn.
    again: BTreeSet<(u32, Side)>,
    /// What ended when it was started.
    ended: Vec<Event>,
    events: VecDeque<Event>,
    wake: WakeHandle,
    report: Report,
}

impl Sim {
    pub(crate) fn new(config: &DriverConfig, network: &Network, pool: Rc<Pool>, why: &str) -> Sim {
        let (host, seed) = network.lock().add_host();
        let feature = |name, why: &str| Feature { name, used: true, why: why.to_owned() };
        let report = Report {
            backend: report::Backend::Sim,
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
            turn_bytes: match config.turn_bytes {
                0 => usize::MAX,
                bytes => bytes as usize,
            },
            pending: BTreeMap::new(),
            by_slot: BTreeMap::new(),
            again: BTreeSet::new(),
            ended: Vec::new(),
            events: VecDeque::new(),
            // Nobody sleeps: a turn looks whether it has been woken.
            wake: WakeHandle::new(|| {}),
            report,
        }
    }

    pub(crate) fn report(&self) -> &Report {
        &self.report
    }

    pub(crate) fn wake_handle(&self) -> WakeHandle {
        self.wake.clone()
    }

    pub(crate) fn now(&self) -> Time {
        self.network.now()
    }

    pub(crate) fn network(&self) -> &Network {
        &self.network
    }

    /// What the driver's own random source begins with.
    pub(crate) fn seed(&self) -> u64 {
        self.seed
    }

    /// When the driver's earliest timer runs out: that is a thing to come on the network.
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
        if let Some(entry) = self.network.lock().sockets.get_mut(&end.id) {
            entry.owner = Some((self.host, socket));
        }
        Ok(())
    }

    pub(crate) fn detach(&mut self, socket: u32, handle: &Handle) -> Result<(), Error> {
        let mut state = self.network.lock();
        if let Some(host) = state.hosts.get_mut(&self.host) {
            host.ready.retain(|(ready, _)| *ready != socket);
        }
        if let Some(entry) = state.sockets.get_mut(&end_of(handle)) {
            entry.owner = None;
        }
        Ok(())
    }

    pub(crate) fn has_room(&mut self) -> Result<bool, Error> {
        Ok(true)
    }

    pub(crate) fn start(&mut self, id: OpId, socket: u32, request: Request<'_>) {
        let (side, end, want) = match request {
            Request::Accept { handle, multi } => (Side::Receive, end_of(handle), Want::Accept { multi }),
            Request::Connect { handle, address } => {
                let end = end_of(handle);
                let asked = match address.ip() {
                    Some(address) => self.network.lock().connect(end, address),
                    None => Err(codes::WRONG_FAMILY),
                };
                match asked {
                    Ok(()) => (Side::Send, end, Want::Connect),
                    Err(code) => return self.end_at_once(id, Happened::Failed(code)),
                }
            }
            Request::Recv { flags, .. } | Request::Send { flags, .. } if flags.contains(Flags::OUT_OF_BAND) => {
                return self.end_at_once(id, Happened::Failed(codes::UNSUPPORTED));
            }
            Request::Recv { handle, buf, skip, flags } => {
                let want = Want::Receive { parts: Parts::of(buf, skip), peek: flags.contains(Flags::PEEK) };
                (Side::Receive, end_of(handle), want)
            }
            Request::RecvPooled { handle } => (Side::Receive, end_of(handle), Want::ReceivePooled),
            Request::Send { handle, buf, skip, .. } => {
                (Side::Send, end_of(handle), Want::Send { parts: Parts::of(buf, skip) })
            }
            Request::Discard { handle } => (Side::Receive, end_of(handle), Want::Discard),
            Request::RecvFrom { .. } | Request::RecvFromPooled { .. } | Request::SendTo { .. } => {
                return self.end_at_once(id, Happened::Failed(codes::UNSUPPORTED));
            }
            Request::Shutdown { handle, how } => {
                let done = self.network.lock().shut_down(end_of(handle), how);
                return self.end_at_once(id, done.map_or_else(Happened::Failed, |()| Happened::Moved(0)));
            }
            Request::Close { handle } => {
                drop(handle);
                return self.end_at_once(id, Happened::Moved(0));
            }
        };
        let key = (socket, side);
        let before = self.pending.insert(key, Pending { id, end, cancelled: false, want });
        debug_assert!(before.is_none(), "one request for each side of a socket");
        self.by_slot.insert(id.slot(), key);
        self.again.insert(key);
    }

    fn end_at_once(&mut self, id: OpId, happened: Happened) {
        self.ended.push(Event { id, more: false, happened });
    }

    pub(crate) fn cancel(&mut self, id: OpId) {
        if let Some(key) = self.by_slot.get(&id.slot())
            && let Some(pending) = self.pending.get_mut(key).filter(|pending| pending.id == id)
        {
            pending.cancelled = true;
            self.again.insert(*key);
        }
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

    /// What is said instead of waiting for ever.
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

    pub(crate) fn leak(&mut self) {}

    /// Tries every request that may be able to go on, in an order drawn from the seed.
    fn deliver(&mut self) {
        enum Due {
            Try((u32, Side)),
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
        let (kind, value) = match &event.happened {
            Happened::Moved(bytes) => (0, u64::from(*bytes)),
            Happened::Accepted(_, peer) => (1, peer.ip().map_or(0, |peer| peer.port().into())),
            Happened::Packet(packet) => (2, packet.len() as u64),
            Happened::MovedFrom { bytes, .. } => (3, u64::from(*bytes)),
            Happened::PacketFrom { packet, .. } => (4, packet.len() as u64),
            Happened::Starved => (5, 0),
            Happened::Failed(code) => (6, *code as u64),
        };
        let now = state.now.as_nanos();
        let name = u64::from(event.id.generation()) << 32 | u64::from(event.id.slot());
        state.trace.words(&[20, now, self.host.into(), name, event.more.into(), kind, value]);
        drop(state);
        self.events.push_back(event);
    }

    /// One request goes on as far as it can.
    fn serve(&mut self, key: (u32, Side)) {
        let Some(mut pending) = self.pending.remove(&key) else { return };
        let id = pending.id;
        // A cancel may come too late.
        let mut last = None;
        if !pending.cancelled || self.network.lock().random.once_in(2) {
            last = self.attempt(key, &mut pending);
        }
        let last = match last {
            None if !pending.cancelled => {
                self.pending.insert(key, pending);
                return;
            }
            None => Happened::Failed(codes::CANCELLED),
            Some(happened) => happened,
        };
        self.by_slot.remove(&id.slot());
        self.tell(Event { id, more: false, happened: last });
    }

    /// Gives the request's last event, if it has come to that.
    fn attempt(&mut self, key: (u32, Side), pending: &mut Pending) -> Option<Happened> {
        let end = pending.end;
        match &mut pending.want {
            Want::Accept { multi } => {
                let multi = *multi;
                loop {
                    let (happened, last) = {
                        let mut state = self.network.lock();
                        let (server, peer) = state.accept(end)?;
                        let last = !multi || state.ends_early();
                        drop(state);
                        let handle = Handle::Simulated(End::new(&self.network, server));
                        (Happened::Accepted(handle, Address::Ip(peer)), last)
                    };
                    if last {
                        return Some(happened);
                    }
                    self.tell(Event { id: pending.id, more: true, happened });
                }
            }
            Want::Connect => {
                let connected = self.network.lock().connected(end)?;
                Some(connected.map_or_else(Happened::Failed, |()| Happened::Moved(0)))
            }
            Want::Receive { parts, peek } => match self.network.lock().receive(end, parts.len(), *peek) {
                Found::Nothing => None,
                Found::Bytes(bytes) => {
                    parts.fill(&bytes);
                    Some(Happened::Moved(bytes.len() as u32))
                }
                Found::End => Some(Happened::Moved(0)),
                Found::Failed(code) => Some(Happened::Failed(code)),
            },
            Want::ReceivePooled => self.receive_pooled(key, pending.id, end),
            Want::Send { parts } => {
                let mut state = self.network.lock();
                match state.room(end, parts.len()) {
                    Ok(0) if parts.len() > 0 => None,
                    Ok(bytes) => {
                        state.send(end, &parts.read(bytes));
                        Some(Happened::Moved(bytes as u32))
                    }
                    Err(code) => Some(Happened::Failed(code)),
                }
            }
            Want::Discard => match self.network.lock().receive(end, DISCARD_BYTES, false) {
                Found::Nothing => None,
                Found::Bytes(bytes) => Some(Happened::Moved(bytes.len() as u32)),
                Found::End => Some(Happened::Moved(0)),
                Found::Failed(code) => Some(Happened::Failed(code)),
            },
        }
    }

    fn receive_pooled(&mut self, key: (u32, Side), id: OpId, end: u64) -> Option<Happened> {
        let mut left = self.turn_bytes;
        loop {
            match self.network.lock().receive(end, 0, false) {
                Found::Nothing => return None,
                Found::Bytes(_) => {}
                Found::End => return Some(Happened::Moved(0)),
                Found::Failed(code) => return Some(Happened::Failed(code)),
            }
            if left == 0 {
                // The rest in the next turn.
                self.again.insert(key);
                return None;
            }
            let Some(buffer) = self.pool.take_returned() else { return Some(Happened::Starved) };
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
            // SAFETY: the buffer was taken from the pool and is ours, and has room for `most` bytes, of which these are no more.
            unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), self.pool.buffer(buffer).as_ptr(), bytes.len()) };
            // SAFETY: the buffer is ours to hand over; so many bytes have been written just now.
            let packet = unsafe { self.pool.packet(buffer, bytes.len()) };
            let happened = Happened::Packet(packet);
            if last {
                return Some(happened);
            }
            self.tell(Event { id, more: true, happened });
        }
    }
}

impl Drop for Sim {
    fn drop(&mut self) {
        self.network.lock().hosts.remove(&self.host);
    }
}

/// The network's number of a socket that has been attached.
fn end_of(handle: &Handle) -> u64 {
    match handle {
        Handle::Simulated(end) => end.view().id,
        _ => unreachable!("only sockets of the network are attached"),
    }
}
