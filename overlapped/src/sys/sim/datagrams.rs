//! Datagrams: each finds its own way, and some do not.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use crate::flags::Direction;
use crate::id::OpId;
use crate::options::DatagramOptions;
use crate::sys::datagrams::DatagramTo;
use crate::sys::op::{Event, Failure, Outcome};
use crate::table::Key;

use super::listener::{is_nobodys, wildcard};
use super::parts::WantDatagrams;
use super::socket::{Datagrams, Role};
use super::state::{Datagram, FIRST_PORT, Happening, State, word};
use super::{Sim, codes};

/// The longest datagram over IPv4.
const MOST_BYTES: usize = 65_507;
/// What a datagram takes of a receive buffer besides its bytes, so that empty ones fill it too.
const OVERHEAD: usize = 64;

impl State {
    /// Makes a datagram socket and binds it.
    pub(super) fn datagram(&mut self, mut address: SocketAddr, options: &DatagramOptions) -> Result<Key, i32> {
        if is_nobodys(address.ip()) {
            return Err(codes::NOT_AVAILABLE);
        }
        if address.port() == 0 {
            address.set_port(self.free_datagram_port(address.ip()).ok_or(codes::IN_USE)?);
        }
        let place = (address.port(), address.ip());
        let may_share = |id: &Option<Key>| {
            let socket = id.and_then(|id| self.sockets.get(id));
            options.reuse_port && socket.is_none_or(|socket| matches!(&socket.role, Role::Datagrams(own) if own.shares))
        };
        if !self.datagrams.get(&place).is_none_or(|there| there.iter().all(may_share)) {
            return Err(codes::IN_USE);
        }
        let id = self.insert(Role::Datagrams(Datagrams { shares: options.reuse_port, ..Datagrams::default() }));
        let socket = self.sockets.get_mut(id).expect("just made");
        socket.local = Some(address);
        socket.receive_bytes = options.receive_buffer.unwrap_or(socket.receive_bytes);
        self.datagrams.entry(place).or_default().push(Some(id));
        self.trace.words(&[40, self.now.as_nanos(), word(id), address.port().into()]);
        Ok(id)
    }

    fn free_datagram_port(&mut self, ip: IpAddr) -> Option<u16> {
        (FIRST_PORT..=u16::MAX).find(|port| !self.datagrams.contains_key(&(*port, ip)))
    }

    /// A datagram socket is closed. Others of its port keep their part.
    pub(super) fn close_datagrams(&mut self, id: Key) {
        let Some(local) = self.sockets.remove(id).and_then(|socket| socket.local) else { return };
        let place = (local.port(), local.ip());
        let Some(there) = self.datagrams.get_mut(&place) else { return };
        there.iter_mut().filter(|other| **other == Some(id)).for_each(|other| *other = None);
        if there.iter().all(Option::is_none) {
            self.datagrams.remove(&place);
        }
    }

    /// Sends datagrams as far as the socket takes them now. The seed decides how far that is.
    pub(super) fn send_datagrams(&mut self, from: Key, datagrams: &[DatagramTo<'_>]) -> Result<usize, i32> {
        let is_short = self.random.once_in(self.config.short_sends);
        let most = if is_short { self.random.next() as usize % (datagrams.len() + 1) } else { datagrams.len() };
        for (sent, datagram) in datagrams[..most].iter().enumerate() {
            match self.send_datagram(from, datagram.bytes, datagram.to) {
                Ok(()) => {}
                Err(_) if sent > 0 => return Ok(sent),
                Err(code) => return Err(code),
            }
        }
        Ok(most)
    }

    /// Sends a datagram on its way.
    pub(super) fn send_datagram(&mut self, from: Key, bytes: &[u8], to: SocketAddr) -> Result<(), i32> {
        let Some(mut local) = self.sockets.get(from).and_then(|socket| socket.local) else {
            return Err(codes::INVALID);
        };
        if bytes.len() > MOST_BYTES {
            return Err(codes::TOO_LONG);
        }
        if local.is_ipv4() != to.is_ipv4() {
            return Err(codes::WRONG_FAMILY);
        }
        if local.ip().is_unspecified() {
            // Every host has every address.
            local.set_ip(to.ip());
        }
        self.trace.words(&[41, self.now.as_nanos(), word(from), to.port().into()]);
        self.trace.bytes(bytes);
        if self.random.once_in(self.config.lost_datagrams) {
            return Ok(());
        }
        let copies = if self.random.once_in(self.config.doubled_datagrams) { 2 } else { 1 };
        for _ in 0..copies {
            // Each takes its own time, so they overtake each other.
            let at = self.arrival();
            self.plan(at, Happening::Datagram(Box::new(Datagram { from: local, to, bytes: bytes.to_vec() })));
        }
        Ok(())
    }

    /// The socket that a datagram reaches.
    fn datagram_socket(&self, from: SocketAddr, to: SocketAddr) -> Option<Key> {
        let at = |ip| self.datagrams.get(&(to.port(), ip));
        let both = || at(Ipv6Addr::UNSPECIFIED.into()).filter(|_| to.is_ipv6());
        let there = at(to.ip()).or_else(|| at(wildcard(to.ip()))).or_else(both)?;
        // All of one peer to the same of the sockets that share the port.
        let ip = match from.ip() {
            IpAddr::V4(ip) => ip.to_bits().into(),
            IpAddr::V6(ip) => ip.to_bits(),
        };
        let hash = (ip ^ ip >> 64) as u64 ^ u64::from(from.port()).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        there[(hash % there.len() as u64) as usize]
    }

    /// A datagram has arrived. If nobody is there, or there is no room, it is lost.
    pub(super) fn datagram_arrives(&mut self, from: SocketAddr, to: SocketAddr, bytes: Vec<u8>) {
        let Some(id) = self.datagram_socket(from, to) else { return };
        let Some(socket) = self.sockets.get_mut(id) else { return };
        let Role::Datagrams(own) = &mut socket.role else { return };
        if own.taken + bytes.len() + OVERHEAD <= socket.receive_bytes {
            own.taken += bytes.len() + OVERHEAD;
            own.arrived.push_back((bytes, from));
            self.mark(id, Direction::Receive);
        }
    }

    /// Whether something has arrived.
    pub(super) fn has_datagram(&self, id: Key) -> bool {
        matches!(self.sockets.get(id).map(|socket| &socket.role), Some(Role::Datagrams(own)) if !own.arrived.is_empty())
    }

    /// Takes the first that has arrived.
    pub(super) fn take_datagram(&mut self, id: Key) -> Option<(Vec<u8>, SocketAddr)> {
        let Some(Role::Datagrams(own)) = self.sockets.get_mut(id).map(|socket| &mut socket.role) else { return None };
        let (bytes, from) = own.arrived.pop_front()?;
        own.taken -= bytes.len() + OVERHEAD;
        Some((bytes, from))
    }
}

impl Sim {
    /// Gives the last result of an operation of a datagram socket, if it has come to that.
    #[cold]
    #[inline(never)]
    pub(super) fn attempt_datagrams(
        &mut self,
        key: (u32, Direction),
        id: OpId,
        end: Key,
        want: &mut WantDatagrams,
    ) -> Option<Result<Outcome, Failure>> {
        match want {
            WantDatagrams::Receive { parts } => {
                let (bytes, from) = self.network.lock().take_datagram(end)?;
                let fits = bytes.len().min(parts.len());
                parts.fill(&bytes[..fits]);
                Some(match fits < bytes.len() {
                    true => Err(Failure::Truncated { bytes: fits as u32, from: from.into() }),
                    false => Ok(Outcome::ReceivedFrom(fits, from.into())),
                })
            }
            WantDatagrams::ReceivePooled => self.receive_from_pooled(key, id, end),
            WantDatagrams::Send { parts, to } => {
                let bytes = parts.read(parts.len());
                let sent = self.network.lock().send_datagram(end, &bytes, *to);
                Some(sent.map(|()| Outcome::Sent(bytes.len() as u64)).map_err(Failure::Code))
            }
        }
    }

    /// Goes on with a multishot receive of datagrams.
    fn receive_from_pooled(&mut self, key: (u32, Direction), id: OpId, end: Key) -> Option<Result<Outcome, Failure>> {
        let mut left = self.turn_bytes;
        while self.network.lock().has_datagram(end) {
            if left == 0 {
                // The rest in the next turn.
                self.again.insert(key);
                return None;
            }
            let Some(buffer) = self.pool.take_returned() else { return Some(Err(Failure::NoBuffer)) };
            let (bytes, from) = self.network.lock().take_datagram(end).expect("it is there");
            left = left.saturating_sub(bytes.len().max(1));
            let fits = bytes.len().min(self.pool.config().buffer_bytes as usize);
            // SAFETY: the buffer was taken from the pool and is ours. It has room for these.
            unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), self.pool.buffer(buffer).as_ptr(), fits) };
            let result = if fits < bytes.len() {
                self.pool.put_back(buffer);
                Err(Failure::Truncated { bytes: fits as u32, from: from.into() })
            } else {
                // SAFETY: the buffer is ours to hand over; so many bytes were just written.
                Ok(Outcome::Datagram(unsafe { self.pool.packet(buffer, fits) }, from.into()))
            };
            if self.network.lock().ends_early() {
                return Some(result);
            }
            self.tell(Event { id, more: true, result });
        }
        None
    }
}
