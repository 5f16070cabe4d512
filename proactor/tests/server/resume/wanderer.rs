//! Nodes of a simulated cluster, and a client that goes from one to another.

use std::time::Duration;

use overlapped::driver::{CloseMode, SocketId};
use overlapped::{Driver, Op, Outcome};
use proactor::cluster::Cluster;
use proactor::codec::LengthPrefixed;
use proactor::{Builder, Listener, Network, Resume, ResumeClient, Resumed, Server, Simulation, Wait};

use super::logic::{Counting, answer};
use super::peer::{Budget, How};
use crate::harness::driver;

const STEP: Duration = Duration::from_millis(2);

fn address(node: usize) -> String {
    format!("10.0.0.{}:7777", node + 1)
}

pub(crate) struct Nodes {
    pub(crate) network: Network,
    pub(crate) cluster: Cluster,
    /// `None`: it has ended.
    pub(crate) nodes: Vec<Option<Simulation<Counting>>>,
    pub(crate) logics: Vec<Counting>,
    /// These are not turned.
    pub(crate) paused: Vec<usize>,
}

impl Nodes {
    pub(crate) fn new(seed: u64, count: usize, saves: bool) -> Nodes {
        Nodes::with(seed, count, saves, Resume::new().keep(1024), |builder| builder)
    }

    pub(crate) fn with(
        seed: u64,
        count: usize,
        saves: bool,
        resume: Resume,
        settings: impl Fn(Builder) -> Builder,
    ) -> Nodes {
        let network = Network::new(seed);
        let cluster = Cluster::simulated(&network);
        let first = Counting::saving(saves);
        let logics: Vec<Counting> = (0..count).map(|_| first.elsewhere()).collect();
        let start = |(node, logic): (usize, &Counting)| {
            let listener = Listener::new(address(node).as_str()).codec(LengthPrefixed::u16()).resume(resume.clone());
            let place = cluster.node(&format!("n{node}")).lease(Duration::from_secs(2));
            let builder = settings(Server::builder().listen(listener).shards(1 + node % 2).cluster(place));
            Some(builder.simulate(&network, logic.clone()).unwrap())
        };
        let nodes = logics.iter().enumerate().map(start).collect();
        let nodes = Nodes { network, cluster, nodes, logics, paused: Vec::new() };
        nodes.advance(Duration::from_millis(100));
        nodes
    }

    fn turning(&self) -> impl Iterator<Item = &Simulation<Counting>> {
        let nodes = self.nodes.iter().enumerate().filter(|(node, _)| !self.paused.contains(node));
        nodes.filter_map(|(_, node)| node.as_ref())
    }

    /// Lets time pass on all nodes.
    pub(crate) fn advance(&self, time: Duration) {
        let steps = (time.as_micros() / STEP.as_micros()).max(1) as u32;
        let count = self.turning().count().max(1) as u32;
        for _ in 0..steps {
            self.turning().for_each(|node| node.advance(time / steps / count));
        }
    }

    pub(crate) fn node(&self, node: usize) -> &Simulation<Counting> {
        self.nodes[node].as_ref().unwrap()
    }

    /// Sessions on all nodes.
    pub(crate) fn sessions(&self) -> usize {
        self.turning().map(|node| node.handle().stats().sessions).sum()
    }
}

struct Connection {
    socket: SocketId,
    /// It is the number of its operations' tokens.
    number: u64,
    left: Budget,
}

/// The client.
pub(crate) struct Wanderer {
    driver: Driver,
    pub(crate) client: ResumeClient,
    connection: Option<Connection>,
    /// Bytes of packets that have come, and are not whole.
    came: Vec<u8>,
    pub(crate) connections: u64,
    pub(crate) resumed: Vec<Resumed>,
    pub(crate) sent: usize,
    pub(crate) received: usize,
    /// The server has ended a connection that was not cut.
    pub(crate) is_lost: bool,
    /// All that was said and heard, for a twin.
    said: Vec<u8>,
    heard: Vec<u8>,
}

impl Wanderer {
    pub(crate) fn new(nodes: &Nodes) -> Wanderer {
        Wanderer {
            driver: driver(&nodes.network),
            client: ResumeClient::new(),
            connection: None,
            came: Vec::new(),
            connections: 0,
            resumed: Vec::new(),
            sent: 0,
            received: 0,
            is_lost: false,
            said: Vec::new(),
            heard: Vec::new(),
        }
    }

    /// A client that knows all that this one knows, which has had one connection.
    pub(crate) fn twin(nodes: &Nodes, other: &Wanderer) -> Wanderer {
        assert_eq!(other.connections, 1);
        let mut twin = Wanderer::new(nodes);
        twin.client.connected();
        twin.client.send(&other.said);
        twin.client.received(&other.heard).unwrap();
        twin.client.take_received();
        twin.client.take_wire();
        twin
    }

    /// Takes the connection over that another client has.
    pub(crate) fn take_connection(&mut self, other: &mut Wanderer) {
        std::mem::swap(&mut self.driver, &mut other.driver);
        (self.connection, self.connections) = (other.connection.take(), other.connections);
    }

    pub(crate) fn send(&mut self, packet: &[u8]) {
        let len = u16::try_from(packet.len()).unwrap().to_be_bytes();
        let frame = [&len[..], packet].concat();
        self.client.send(&frame);
        self.said.extend(frame);
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.connection.is_some()
    }

    pub(crate) fn connect(&mut self, node: usize, left: Budget) {
        let at = address(node);
        let socket = self.driver.socket(at.as_str()).unwrap();
        self.connections += 1;
        let number = self.connections;
        self.driver.submit(Op::connect(socket, at.as_str()), number).unwrap();
        self.driver.submit(Op::recv_multi(socket), number).unwrap();
        self.client.connected();
        (self.connection, self.is_lost) = (Some(Connection { socket, number, left }), false);
    }

    /// Ends the connection, if there is one.
    pub(crate) fn cut(&mut self, how: How) {
        let Some(Connection { socket, .. }) = self.connection.take() else { return };
        let mode = match how {
            How::Reset => CloseMode::Abort,
            How::Closed => CloseMode::Graceful { linger: Duration::from_secs(1) },
            How::Unseen => return,
        };
        self.driver.submit(Op::close(socket, mode), 0).unwrap();
    }

    /// Writes and reads what there is, and lets some time pass. A connection that is cut has its
    /// time to arrive.
    pub(crate) fn step(&mut self, nodes: &Nodes) {
        let cut = self.write().or_else(|| self.read());
        nodes.advance(STEP);
        if let Some(how) = cut {
            nodes.advance(Duration::from_millis(200));
            self.cut(how);
            let _ = self.driver.turn(Wait::Poll);
            nodes.advance(Duration::from_millis(200));
        }
    }

    /// Says how the connection is to be cut, if it is.
    fn write(&mut self) -> Option<How> {
        let wire = self.client.take_wire();
        let connection = self.connection.as_mut()?;
        let count = wire.len().min(connection.left.up);
        connection.left.up -= count;
        self.sent += count;
        if count > 0 {
            self.driver.submit(Op::send(connection.socket, wire[..count].to_vec()), connection.number).unwrap();
        }
        (count < wire.len()).then_some(connection.left.how)
    }

    fn read(&mut self) -> Option<How> {
        self.driver.turn(Wait::Poll).unwrap();
        let mut cut = None;
        while let Some(completion) = self.driver.next() {
            let Some(connection) = self.connection.as_mut() else { continue };
            if completion.token != connection.number || cut.is_some() {
                continue;
            }
            match completion.result {
                Ok(Outcome::Packet(packet)) => {
                    let count = packet.len().min(connection.left.down);
                    connection.left.down -= count;
                    self.received += count;
                    self.heard.extend_from_slice(&packet[..count]);
                    let resumed = self.client.received(&packet[..count]).unwrap();
                    if let Some(Resumed::Afresh(_)) = resumed {
                        self.came.clear();
                    }
                    self.resumed.extend(resumed);
                    self.came.extend(self.client.take_received());
                    cut = (count < packet.len()).then_some(connection.left.how);
                }
                // The end of the stream, or of the connection.
                Ok(Outcome::Received(0)) | Err(_) => {
                    let socket = connection.socket;
                    (self.connection, self.is_lost) = (None, true);
                    self.driver.submit(Op::close(socket, CloseMode::Abort), 0).unwrap();
                }
                Ok(_) => {}
            }
        }
        cut
    }

    /// The next packet that is whole.
    pub(crate) fn packet(&mut self) -> Option<Vec<u8>> {
        let (len, rest) = self.came.split_first_chunk::<2>()?;
        let len = usize::from(u16::from_be_bytes(*len));
        let packet = rest.get(..len)?.to_vec();
        self.came.drain(..2 + len);
        Some(packet)
    }

    /// The next packet, over as many connections as it takes: to the node and with the budget that
    /// `next` says.
    pub(crate) fn next(&mut self, nodes: &Nodes, next: &mut dyn FnMut() -> (usize, Budget)) -> Vec<u8> {
        for _ in 0..200_000 {
            if let Some(packet) = self.packet() {
                return packet;
            }
            if self.connection.is_none() {
                let (node, budget) = next();
                self.connect(node, budget);
            }
            self.step(nodes);
        }
        panic!("it gets nowhere: {:?}, {} connections", self.resumed, self.connections);
    }

    /// What was sent and not confirmed is not asked for again: the client has begun anew.
    pub(crate) fn forget(&mut self) {
        self.came.clear();
    }

    /// Expects a packet, over connections to this node that are not cut.
    pub(crate) fn expect(&mut self, nodes: &Nodes, node: usize, packet: &[u8]) {
        let came = self.next(nodes, &mut || (node, Budget::NONE));
        assert_eq!(String::from_utf8_lossy(&came), String::from_utf8_lossy(packet));
    }

    /// Asks, and expects the answer of a node.
    pub(crate) fn ask(&mut self, nodes: &Nodes, node: usize, packet: &[u8], number: u32) {
        self.send(packet);
        self.expect(nodes, node, &answer(number, packet));
    }

    /// Goes to a node, and waits for what becomes of the connection.
    pub(crate) fn come_to(&mut self, nodes: &Nodes, node: usize) -> Resumed {
        let before = self.resumed.len();
        self.connect(node, Budget::NONE);
        for _ in 0..10_000 {
            self.step(nodes);
            if let Some(resumed) = self.resumed.get(before) {
                return *resumed;
            }
            if self.connection.is_none() {
                self.connect(node, Budget::NONE);
            }
        }
        panic!("it is not answered");
    }
}
