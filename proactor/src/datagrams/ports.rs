//! The datagram sockets of a shard, and what it keeps of the sessions that come by them.

use overlapped::driver::SocketId;
use overlapped::{Address, Driver, Error, Op, Time};

use super::config::Datagrams;
use super::cookie::{Control, ControlKind, CookieKey};
use super::drops::{DatagramCounts, DatagramDrop};
use super::outgoing::{Outgoing, packets, queued_bytes};
use super::peers::{Origin, Peer, Peers, Proof};
use crate::meter::Meter;
use crate::session::id::SessionId;

/// One datagram socket of a shard.
pub(crate) struct Port {
    pub(crate) socket: SocketId,
    /// The index of its listener.
    pub(crate) listener: u8,
    pub(crate) address: Address,
    pub(crate) settings: Datagrams,
    outgoing: Outgoing,
    /// The first that waits is being sent by an operation, which waits for room.
    pub(crate) is_blocked: bool,
    /// Its receive has failed, and begins again at this moment.
    pub(crate) again_at: Option<Time>,
}

/// What a datagram that has come is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Came {
    /// A packet of this session.
    For(u32),
    /// The first of a session.
    New(Newcomer),
    /// The same, and the session in this slot gives way to it.
    Instead(u32, Newcomer),
    /// There is nothing more to do.
    Done,
}

/// A peer that is to have a session.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Newcomer {
    pub(crate) origin: Origin,
    pub(crate) proof: Proof,
    pub(crate) nonce: Option<[u8; 8]>,
}

pub(crate) struct Ports {
    pub(crate) ports: Vec<Port>,
    pub(crate) peers: Peers,
    key: CookieKey,
    /// Sessions whose bytes wait no longer.
    done: Vec<SessionId>,
    closing: Vec<SessionId>,
    /// Some of these may go.
    has_news: bool,
    pub(crate) counts: DatagramCounts,
    /// Where packets are framed.
    pub(crate) frame: Vec<u8>,
    meter: Meter,
}

impl Ports {
    /// `secret` is the key of the cookies.
    pub(crate) fn new(secret: [u64; 2], meter: Meter) -> Ports {
        Ports {
            ports: Vec::new(),
            peers: Peers::default(),
            key: CookieKey::new(secret),
            done: Vec::new(),
            closing: Vec::new(),
            has_news: false,
            counts: DatagramCounts::default(),
            frame: Vec::new(),
            meter,
        }
    }

    pub(crate) fn add(&mut self, socket: SocketId, listener: u8, address: Address, settings: Datagrams) {
        let (outgoing, is_blocked, again_at) = (Outgoing::default(), false, None);
        self.ports.push(Port { socket, listener, address, settings, outgoing, is_blocked, again_at });
    }

    /// What to do with a datagram. The exchange of cookies is answered here.
    pub(crate) fn came(&mut self, (port, from): Origin, bytes: &[u8], now: Time) -> Came {
        let origin = (port, from);
        let Some(Port { settings, outgoing, listener, .. }) = self.ports.get_mut(port as usize) else {
            return Came::Done;
        };
        self.counts.came();
        if let Some(meter) = &self.meter {
            meter.of(*listener).received_bytes.add(bytes.len() as u64);
        }
        if bytes.len() > settings.max_bytes.max(settings.cookies as usize * super::cookie::CONTROL_BYTES) {
            self.counts.dropped(DatagramDrop::Oversized);
            return Came::Done;
        }
        let found = self.peers.find(origin);
        if !settings.cookies {
            let proof = if settings.trusts { Proof::Proved } else { Proof::Owed(0) };
            return found.map_or(Came::New(Newcomer { origin, proof, nonce: None }), Came::For);
        }
        let control = Control::parse(bytes);
        match (control, found) {
            (Some(Control { kind: ControlKind::Hello, nonce, .. }), _) => {
                let cookie = self.key.cookie(port, from, nonce, now);
                outgoing.answer(from, &Control { kind: ControlKind::Cookie, nonce, cookie }.bytes());
                Came::Done
            }
            (Some(control @ Control { kind: ControlKind::Return, nonce, .. }), _)
                if self.key.is_valid(port, from, &control, now) =>
            {
                let newcomer = Newcomer { origin, proof: Proof::Proved, nonce: Some(nonce) };
                match found {
                    None => Came::New(newcomer),
                    // It came twice, or our answer was lost.
                    Some(slot) if self.peers.at(slot).is_some_and(|peer| peer.nonce == newcomer.nonce) => {
                        self.answer_open(origin, nonce);
                        Came::Done
                    }
                    Some(slot) => Came::Instead(slot, newcomer),
                }
            }
            (_, Some(_)) if bytes.len() > settings.max_bytes => {
                self.counts.dropped(DatagramDrop::Oversized);
                Came::Done
            }
            (_, Some(slot)) => Came::For(slot),
            (_, None) => {
                self.counts.dropped(DatagramDrop::NoCookie);
                Came::Done
            }
        }
    }

    /// Tells a peer that its session has begun.
    pub(crate) fn answer_open(&mut self, (port, to): Origin, nonce: [u8; 8]) {
        if let Some(port) = self.ports.get_mut(port as usize) {
            port.outgoing.answer(to, &Control { kind: ControlKind::Open, nonce, cookie: [0; 16] }.bytes());
        }
    }

    /// A session has begun.
    pub(crate) fn begin(&mut self, id: SessionId, newcomer: Newcomer, now: Time) {
        let Newcomer { origin, proof, nonce } = newcomer;
        let Some(port) = self.ports.get(origin.0 as usize) else { return };
        self.peers.insert(Peer::new(id, origin, proof, nonce, now), port.settings.idle);
    }

    /// Queues what was taken from a session's outbox, as far as its peer may be sent it.
    pub(crate) fn queue<'b>(&mut self, id: SessionId, pieces: impl Iterator<Item = &'b [u8]>) {
        let Some(peer) = self.peers.of(id) else { return };
        let (port, to) = peer.origin;
        let Some(Port { outgoing, .. }) = self.ports.get_mut(port as usize) else { return };
        let (mut taken, mut waiting) = (0, 0);
        for piece in pieces {
            taken += piece.len();
            for packet in packets(piece) {
                if peer.may_be_sent(packet.len()) {
                    waiting += queued_bytes(packet);
                    outgoing.push(id, to, packet);
                } else {
                    self.counts.dropped(DatagramDrop::Unproved);
                }
            }
        }
        if !peer.takes(taken, waiting) {
            self.done.push(id);
        }
    }

    /// Sends what waits in the ports, as far as the system takes it.
    pub(crate) fn send(&mut self, driver: &mut Driver, wait: impl Fn(&mut Driver, Op, u32) -> bool) {
        for index in 0..self.ports.len() {
            while let Some(port) = self.ports.get_mut(index)
                && !port.is_blocked
                && !port.outgoing.is_empty()
            {
                let socket = port.socket;
                match port.outgoing.with_batch(|batch| driver.send_datagrams(socket, batch)) {
                    Ok(0) => {
                        let Some((item, bytes)) = port.outgoing.first() else { break };
                        let op = Op::send_to(socket, bytes.to_vec(), item.to);
                        port.is_blocked = wait(driver, op, index as u32);
                        if !port.is_blocked {
                            self.left(index, false);
                        }
                    }
                    Ok(count) => (0..count).for_each(|_| self.left(index, true)),
                    Err(error) => self.refused(index, &error),
                }
            }
        }
    }

    /// The send that waited for room has ended.
    pub(crate) fn waited(&mut self, port: u32, result: Result<(), &Error>) {
        let Some(entry) = self.ports.get_mut(port as usize) else { return };
        if std::mem::take(&mut entry.is_blocked) {
            match result {
                Ok(()) => self.left(port as usize, true),
                Err(error) => self.refused(port as usize, error),
            }
        }
    }

    fn refused(&mut self, port: usize, error: &Error) {
        tracing::debug!("a datagram is dropped: {error}");
        self.left(port, false);
    }

    /// The first that waits in a port has left, or is dropped.
    fn left(&mut self, port: usize, is_sent: bool) {
        let Some(port) = self.ports.get_mut(port) else { return };
        let Some(item) = port.outgoing.pop() else { return };
        if is_sent {
            self.counts.left(1);
            if let Some(meter) = &self.meter {
                meter.of(port.listener).sent_bytes.add(item.bytes as u64);
            }
        } else {
            self.counts.dropped(DatagramDrop::Unsent);
        }
        let Some(id) = item.session else { return };
        let Some(peer) = self.peers.of(id) else { return };
        if is_sent {
            peer.traffic.sent += item.bytes as u64;
        }
        if peer.waits_no_longer(item.queued_bytes()) {
            self.done.push(id);
        }
    }

    /// How many bytes were taken from a session's outbox since this was last asked.
    pub(crate) fn taken(&mut self, id: SessionId) -> usize {
        self.peers.of(id).map_or(0, Peer::take_taken)
    }

    /// A session whose bytes wait no longer.
    pub(crate) fn pop_done(&mut self) -> Option<SessionId> {
        self.done.pop()
    }

    /// A session is closing. Unless it is to go at once, what waits leaves before.
    pub(crate) fn close(&mut self, id: SessionId, at_once: bool) {
        self.peers.part(id.slot());
        self.closing.push(id);
        self.has_news = true;
        if at_once {
            self.hasten(id);
        }
    }

    /// A closing session waits no longer. Says whether it waited for something.
    pub(crate) fn hasten(&mut self, id: SessionId) -> bool {
        self.has_news = true;
        self.peers.of(id).is_some_and(Peer::hasten)
    }

    /// The sessions that are closing, to look at each. Those that go on waiting are to be
    /// [kept](Ports::keep_closing).
    pub(crate) fn take_closing(&mut self) -> Vec<SessionId> {
        self.has_news = false;
        std::mem::take(&mut self.closing)
    }

    /// Whether the end of a closing session waits for what is to be sent. Keeps it if so.
    pub(crate) fn keep_closing(&mut self, id: SessionId) -> bool {
        let waits = self.peers.of(id).is_some_and(|peer| peer.holds_up_end());
        if waits {
            self.closing.push(id);
        }
        waits
    }

    /// Whether there is something to do at once.
    pub(crate) fn has_to_go_on(&self) -> bool {
        let can_send = |port: &Port| !port.is_blocked && !port.outgoing.is_empty();
        self.has_news || !self.done.is_empty() || self.ports.iter().any(can_send)
    }

    /// When it has something to do without being told, but for silent peers.
    pub(crate) fn earliest_again(&self) -> Option<Time> {
        self.ports.iter().filter_map(|port| port.again_at).min()
    }

    /// Whether no session is left, and nothing waits.
    pub(crate) fn is_over(&self) -> bool {
        self.peers.is_empty() && self.closing.is_empty() && self.ports.iter().all(|port| port.outgoing.is_empty())
    }

    /// The address of the socket that a session came by.
    pub(crate) fn local_addr(&mut self, slot: u32) -> Option<Address> {
        let (port, _) = self.peers.at(slot)?.origin;
        Some(self.ports.get(port as usize)?.address.clone())
    }
}
