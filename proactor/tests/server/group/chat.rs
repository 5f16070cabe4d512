//! A server whose sessions are members of one group, and its packets.

use std::collections::BTreeMap;
use std::io::Read;
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex, mpsc};

use proactor::{Backend, Builder, CloseReason, Flow, Group, Handler, NoMessage, Server, Session, SessionId};

use crate::harness::{address_of, builder, connect, raise_open_files, wait_until};

/// Bytes of a packet: its sender, its number, and a fill byte that depends on both.
pub(super) const PACKET: usize = 100;

pub(super) fn packet(who: u32, number: u32) -> [u8; PACKET] {
    let mut bytes = [(who ^ number) as u8; PACKET];
    bytes[..4].copy_from_slice(&who.to_be_bytes());
    bytes[4..8].copy_from_slice(&number.to_be_bytes());
    bytes
}

/// The sender and the number of a packet.
pub(super) fn sender_and_number(bytes: &[u8]) -> (u32, u32) {
    let who = u32::from_be_bytes(bytes[..4].try_into().unwrap());
    let number = u32::from_be_bytes(bytes[4..8].try_into().unwrap());
    assert!(bytes == packet(who, number), "the packet is whole");
    (who, number)
}

/// Broadcasts each packet to all others.
#[derive(Clone)]
struct Chat {
    group: Group,
    closed: mpsc::Sender<(SessionId, CloseReason)>,
    names: Arc<Mutex<BTreeMap<SessionId, SocketAddr>>>,
}

impl Handler for Chat {
    /// The beginning of a packet.
    type State = Vec<u8>;
    type Message = NoMessage;

    fn connected(&mut self, session: &Session) -> Vec<u8> {
        self.names.lock().unwrap().insert(session.id(), session.peer_addr().ip().unwrap());
        session.join(&self.group).unwrap();
        Vec::new()
    }

    fn received(&mut self, session: &Session, kept: &mut Vec<u8>, bytes: &[u8]) -> Flow {
        kept.extend_from_slice(bytes);
        let whole = kept.len() / PACKET * PACKET;
        for packet in kept.drain(..whole).as_slice().chunks(PACKET) {
            self.group.broadcast_except(session.id(), packet).unwrap();
        }
        Flow::Continue
    }

    fn closed(&mut self, id: SessionId, _: Vec<u8>, reason: &CloseReason) {
        let _ = self.closed.send((id, *reason));
    }
}

pub(super) struct Running {
    pub(super) server: Server,
    pub(super) group: Group,
    pub(super) reasons: mpsc::Receiver<(SessionId, CloseReason)>,
    pub(super) names: Arc<Mutex<BTreeMap<SessionId, SocketAddr>>>,
}

pub(super) fn start(backend: Backend, shards: usize, build: impl FnOnce(Builder) -> Builder) -> Running {
    raise_open_files();
    let (closed, reasons) = mpsc::channel();
    let (group, names) = (Group::new(), Arc::default());
    let chat = Chat { group: group.clone(), closed, names: Arc::clone(&names) };
    let server = build(builder(backend, shards)).start(chat).unwrap();
    Running { server, group, reasons, names }
}

impl Running {
    /// Connects clients, and waits until all are members.
    pub(super) fn connect(&self, count: usize) -> Vec<TcpStream> {
        let before = self.group.len();
        let address = address_of(&self.server);
        let streams = (0..count).map(|_| connect(address)).collect();
        wait_until("all are members", || self.group.len() == before + count);
        streams
    }

    pub(super) fn id_of(&self, stream: &TcpStream) -> SessionId {
        let address = stream.local_addr().unwrap();
        *self.names.lock().unwrap().iter().find(|(_, peer)| **peer == address).unwrap().0
    }

    pub(super) fn finish(self) {
        let handle = self.server.handle();
        handle.stop();
        self.server.wait().unwrap();
        assert_eq!((handle.sessions(), self.group.len()), (0, 0));
    }
}

pub(super) fn read_packets(mut stream: &TcpStream, count: usize) -> Vec<(u32, u32)> {
    let mut bytes = [0; PACKET];
    (0..count)
        .map(|at| {
            stream.read_exact(&mut bytes).unwrap_or_else(|error| panic!("packet {at} of {count}: {error}"));
            sender_and_number(&bytes)
        })
        .collect()
}

/// Works on each stream on a thread with a small stack.
pub(super) fn on_threads<'s, T: Send + 's>(
    scope: &'s std::thread::Scope<'s, '_>,
    streams: &'s [TcpStream],
    work: impl Fn(usize, &TcpStream) -> T + Send + Copy + 's,
) -> Vec<std::thread::ScopedJoinHandle<'s, T>> {
    let spawn = |(index, stream): (usize, &'s TcpStream)| {
        let builder = std::thread::Builder::new().stack_size(256 * 1024);
        builder.spawn_scoped(scope, move || work(index, stream)).unwrap()
    };
    streams.iter().enumerate().map(spawn).collect()
}
