//! The logic and the peers of these tests.

use std::net::{SocketAddr, UdpSocket};
use std::sync::mpsc::Sender;

use proactor::{CloseReason, Flow, Group, Handler, NoMessage, Server, Session, SessionId};

use super::harness::PATIENCE;

/// Answers each packet with the same, and tells of beginnings and ends.
#[derive(Clone)]
pub(crate) struct Echo(pub(crate) Sender<Told>);

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// With the name of its shard's thread.
    Connected(SessionId, Option<String>),
    Closed(SessionId, CloseReason),
}

impl Handler for Echo {
    type State = ();
    type Message = NoMessage;
    fn connected(&mut self, session: &Session) {
        let _ = self.0.send(Told::Connected(session.id(), std::thread::current().name().map(str::to_owned)));
    }
    fn received(&mut self, session: &Session, _: &mut (), packet: &[u8]) -> Flow {
        match packet {
            b"quit" => Flow::Close,
            b"confirm" => {
                session.confirm_peer();
                Flow::Continue
            }
            _ => session.send(packet).map_or(Flow::Close, |()| Flow::Continue),
        }
    }
    fn closed(&mut self, id: SessionId, (): (), reason: &CloseReason) {
        let _ = self.0.send(Told::Closed(id, *reason));
    }
}

/// All members hear what one says, with their number before it; datagrams and streams alike.
#[derive(Clone)]
pub(crate) struct Chat(pub(crate) Group);

impl Handler for Chat {
    type State = ();
    type Message = NoMessage;
    fn connected(&mut self, session: &Session) {
        session.confirm_peer();
        session.join(&self.0).unwrap();
    }
    fn received(&mut self, _: &Session, _: &mut (), packet: &[u8]) -> Flow {
        self.0.broadcast(packet).map_or(Flow::Close, |_| Flow::Continue)
    }
}

/// A peer that is connected to an address.
pub(crate) fn peer(to: SocketAddr) -> UdpSocket {
    let peer = UdpSocket::bind(if to.is_ipv4() { "127.0.0.1:0" } else { "[::1]:0" }).unwrap();
    peer.set_read_timeout(Some(PATIENCE)).unwrap();
    peer.connect(to).unwrap();
    peer
}

/// What comes next.
pub(crate) fn heard(peer: &UdpSocket) -> Vec<u8> {
    let mut datagram = [0; 65_536];
    let bytes = peer.recv(&mut datagram).unwrap();
    datagram[..bytes].to_vec()
}

pub(crate) fn ask(peer: &UdpSocket, datagram: &[u8]) {
    peer.send(datagram).unwrap();
    assert_eq!(heard(peer), datagram);
}

/// The address of the last listener.
pub(crate) fn last_of<M>(server: &Server<M>) -> SocketAddr {
    server.local_addrs().last().and_then(|address| address.ip()).unwrap()
}
