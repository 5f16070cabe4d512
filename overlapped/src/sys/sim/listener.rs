//! Addresses, listeners, and how a connection is made.
//!
//! ```text
//! client                         listener's address
//! connect ── Asked ────────────▶ the new end is made, half open, with a place in the backlog
//! connected ◀──────── SynAck ──  (Refused if nobody listens; tried again if the backlog is full)
//!         ── Ack ──────────────▶ it can be accepted; what the client sends comes behind this
//! ```

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use crate::flags::Direction;
use crate::options::{ListenOptions, StreamOptions};
use crate::table::Key;

use super::codes;
use super::socket::{Item, Listener, Role, StreamEnd};
use super::state::{Happening, State, word};

/// After the last port comes this one again: see [`FIRST_PORT`](super::state::FIRST_PORT).
const LOWEST_PORT: u16 = 10_000;
/// How often a connect is tried if there is no answer.
const ATTEMPTS: u32 = 5;

/// Whether an address is reserved for documentation. Such addresses belong to nobody.
pub(super) fn is_nobodys(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => matches!(ip.octets(), [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _]),
        IpAddr::V6(ip) => ip.segments()[..2] == [0x2001, 0xdb8],
    }
}

pub(super) fn wildcard(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    }
}

impl State {
    /// The listener that a connect to this address reaches.
    fn listener_at(&self, address: SocketAddr) -> Option<Key> {
        let at = |ip| self.listeners.get(&(address.port(), ip)).copied();
        let takes_v4 = |id: &Key| !self.is_only_v6(*id);
        let exact = at(address.ip()).or_else(|| at(wildcard(address.ip())));
        exact.or_else(|| at(Ipv6Addr::UNSPECIFIED.into()).filter(takes_v4))
    }

    fn is_only_v6(&self, listener: Key) -> bool {
        matches!(&self.sockets[listener.slot()].role, Role::Listener(listener) if listener.only_v6)
    }

    /// Whether an address is taken: by the same one, or by one that it overlaps with.
    fn is_taken(&self, address: SocketAddr, only_v6: bool) -> bool {
        let (ip, port) = (address.ip(), address.port());
        let both = |ip: IpAddr, only_v6: bool| ip == IpAddr::V6(Ipv6Addr::UNSPECIFIED) && !only_v6;
        let meet = |other: IpAddr, other_only_v6: bool| {
            let all = ip.is_ipv4() == other.is_ipv4() && (ip.is_unspecified() || other.is_unspecified());
            ip == other || all || both(ip, only_v6) || both(other, other_only_v6)
        };
        let of_port = (port, IpAddr::V4(Ipv4Addr::UNSPECIFIED))..=(port, IpAddr::V6(Ipv6Addr::from(u128::MAX)));
        self.clients.range(of_port.clone()).any(|(_, client)| meet(*client, true))
            || self.listeners.range(of_port).any(|((_, other), id)| meet(*other, self.is_only_v6(*id)))
    }

    /// A free port of this address.
    fn free_port(&mut self, ip: IpAddr, only_v6: bool) -> Option<SocketAddr> {
        for _ in LOWEST_PORT..=u16::MAX {
            let address = SocketAddr::new(ip, self.next_port);
            self.next_port = if self.next_port == u16::MAX { LOWEST_PORT } else { self.next_port + 1 };
            if !self.is_taken(address, only_v6) {
                return Some(address);
            }
        }
        None
    }

    pub(super) fn listen(&mut self, mut address: SocketAddr, options: &ListenOptions) -> Result<Key, i32> {
        let only_v6 = options.only_v6;
        if is_nobodys(address.ip()) {
            return Err(codes::NOT_AVAILABLE);
        }
        if address.port() == 0 {
            address = self.free_port(address.ip(), only_v6).ok_or(codes::IN_USE)?;
        } else if self.is_taken(address, only_v6) {
            return Err(codes::IN_USE);
        }
        let id = self.insert(Role::Listener(Listener {
            queue: VecDeque::new(),
            half_open: 0,
            backlog: usize::try_from(options.backlog).unwrap_or(0).max(1),
            only_v6,
            stream: options.stream.clone(),
        }));
        self.sockets.get_mut(id).expect("just made").local = Some(address);
        self.listeners.insert((address.port(), address.ip()), id);
        self.trace.words(&[10, self.now.as_nanos(), word(id), address.port().into()]);
        Ok(id)
    }

    /// Gives an address to a socket that is going to connect.
    pub(super) fn bind(&mut self, socket: Key, mut address: SocketAddr) -> Result<(), i32> {
        match self.sockets.get(socket) {
            Some(socket) if matches!(socket.role, Role::Fresh | Role::Failed(_)) && socket.local.is_none() => {}
            _ => return Err(codes::INVALID),
        }
        if is_nobodys(address.ip()) {
            return Err(codes::NOT_AVAILABLE);
        }
        if address.port() == 0 {
            address = self.free_port(address.ip(), true).ok_or(codes::IN_USE)?;
        } else if self.is_taken(address, true) {
            return Err(codes::IN_USE);
        }
        self.clients.insert((address.port(), address.ip()));
        self.sockets.get_mut(socket).expect("seen just now").local = Some(address);
        self.trace.words(&[13, self.now.as_nanos(), word(socket), address.port().into()]);
        Ok(())
    }

    /// The address that a client connects from: the one that it is bound to, or one of its own.
    fn connects_from(&mut self, client: Key, to: IpAddr) -> Result<(), i32> {
        let local = match self.sockets[client.slot()].local {
            None => self.free_port(to, true).ok_or(codes::NOT_AVAILABLE)?,
            Some(local) if local.is_ipv4() != to.is_ipv4() => return Err(codes::WRONG_FAMILY),
            Some(local) if local.ip().is_unspecified() => {
                self.clients.remove(&(local.port(), local.ip()));
                SocketAddr::new(to, local.port())
            }
            Some(_) => return Ok(()),
        };
        self.clients.insert((local.port(), local.ip()));
        self.sockets.get_mut(client).expect("the caller has seen it").local = Some(local);
        Ok(())
    }

    /// Begins to connect.
    pub(super) fn connect(&mut self, client: Key, mut address: SocketAddr) -> Result<(), i32> {
        match self.sockets[client.slot()].role {
            Role::Fresh | Role::Failed(_) => {}
            Role::Connecting => return Err(codes::CONNECTING),
            Role::Stream(_) | Role::Listener(_) => return Err(codes::CONNECTED),
            Role::Datagrams(_) => return Err(codes::UNSUPPORTED),
        }
        if address.ip().is_unspecified() {
            let here = if address.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() };
            address.set_ip(here);
        }
        self.connects_from(client, address.ip())?;
        let socket = self.sockets.get_mut(client).expect("seen just now");
        (socket.role, socket.peer) = (Role::Connecting, Some(address));
        socket.connect += 1;
        let connect = socket.connect;
        let from = socket.local.map_or(0, |local| local.port());
        self.trace.words(&[11, self.now.as_nanos(), word(client), from.into(), address.port().into()]);
        let at = self.arrival();
        self.plan(at, Happening::Asked { client, connect, attempt: 0 });
        Ok(())
    }

    /// A connect is cancelled before it has ended.
    pub(super) fn disconnect(&mut self, client: Key) {
        if let Some(socket) = self.sockets.get_mut(client)
            && matches!(socket.role, Role::Connecting | Role::Failed(_))
        {
            (socket.role, socket.peer) = (Role::Fresh, None);
            self.trace.words(&[13, self.now.as_nanos(), word(client)]);
        }
    }

    /// Whether this is the connect that the socket is in.
    pub(super) fn is_connecting(&self, client: Key, connect: u32) -> bool {
        let socket = self.sockets.get(client);
        socket.is_some_and(|socket| matches!(socket.role, Role::Connecting) && socket.connect == connect)
    }

    /// How connecting has ended, if it has.
    pub(super) fn connected(&mut self, client: Key) -> Option<Result<(), i32>> {
        let socket = self.sockets.get_mut(client)?;
        match socket.role {
            Role::Stream(_) => Some(Ok(())),
            Role::Failed(code) => {
                // It may be tried again.
                (socket.role, socket.peer) = (Role::Fresh, None);
                Some(Err(code))
            }
            _ => None,
        }
    }

    pub(super) fn connect_failed(&mut self, client: Key, connect: u32, code: i32) {
        if self.is_connecting(client, connect)
            && let Some(socket) = self.sockets.get_mut(client)
        {
            socket.role = Role::Failed(code);
            self.mark(client, Direction::Send);
            self.mark(client, Direction::Receive);
        }
    }

    /// A connect has arrived at its address.
    pub(super) fn asked(&mut self, client: Key, connect: u32, attempt: u32) {
        if !self.is_connecting(client, connect) {
            return;
        }
        let socket = &self.sockets[client.slot()];
        let (from, to) = (socket.local, socket.peer.expect("it connects to someone"));
        let unanswered = is_nobodys(to.ip());
        let Some(listener) = self.listener_at(to).filter(|_| !unanswered) else {
            if unanswered {
                return self.ask_again(client, connect, attempt);
            }
            let at = self.arrival();
            return self.plan(at, Happening::Refused { client, connect });
        };
        let Role::Listener(entry) = &mut self.sockets.get_mut(listener).expect("it is in the table").role else {
            unreachable!("listeners listen")
        };
        if entry.queue.len() + entry.half_open >= entry.backlog {
            return self.ask_again(client, connect, attempt);
        }
        entry.half_open += 1;
        let options = entry.stream.clone();
        let server = self.insert(Role::Stream(StreamEnd::new(client, Some(listener))));
        let socket = self.sockets.get_mut(server).expect("just made");
        (socket.local, socket.peer, socket.accepted, socket.connect) = (Some(to), from, true, connect);
        self.set_options(server, &options);
        self.post(server, Item::SynAck);
    }

    fn ask_again(&mut self, client: Key, connect: u32, attempt: u32) {
        let later = self.now + Duration::from_secs(1 << attempt);
        if attempt + 1 < ATTEMPTS {
            return self.plan(later, Happening::Asked { client, connect, attempt: attempt + 1 });
        }
        self.connect_failed(client, connect, codes::TIMED_OUT);
    }

    /// The handshake is over: the connection can be accepted.
    pub(super) fn opened(&mut self, server: Key, listener: Key) {
        match self.sockets.get_mut(listener).map(|socket| &mut socket.role) {
            Some(Role::Listener(entry)) => {
                entry.half_open -= 1;
                entry.queue.push_back(server);
                self.mark(listener, Direction::Receive);
            }
            _ => self.abandon(server),
        }
    }

    /// A half-open connection ends before it can be accepted.
    pub(super) fn forget_half_open(&mut self, server: Key, listener: Key) {
        if let Some(Role::Listener(entry)) = self.sockets.get_mut(listener).map(|socket| &mut socket.role) {
            entry.half_open -= 1;
        }
        self.sockets.remove(server);
    }

    /// Takes a connection out of the backlog.
    pub(super) fn accept(&mut self, listener: Key) -> Option<(Key, SocketAddr)> {
        let Some(Role::Listener(entry)) = self.sockets.get_mut(listener).map(|socket| &mut socket.role) else {
            return None;
        };
        let server = entry.queue.pop_front()?;
        let peer = self.sockets[server.slot()].peer.expect("an accepted connection has a peer");
        Some((server, peer))
    }

    /// The listener is closed: connections in its backlog are reset.
    pub(super) fn unlisten(&mut self, listener: Key) {
        let Some(socket) = self.sockets.remove(listener) else { return };
        if let Some(local) = socket.local {
            self.listeners.remove(&(local.port(), local.ip()));
        }
        if let Role::Listener(entry) = socket.role {
            for server in entry.queue {
                self.abandon(server);
            }
        }
    }

    pub(super) fn set_options(&mut self, socket: Key, options: &StreamOptions) {
        if let Some(socket) = self.sockets.get_mut(socket) {
            socket.send_bytes = options.send_buffer.unwrap_or(socket.send_bytes).max(1);
            socket.receive_bytes = options.receive_buffer.unwrap_or(socket.receive_bytes).max(1);
            socket.reset_on_close = options.linger.map_or(socket.reset_on_close, |linger| linger.is_zero());
        }
    }
}
