//! Sessions that go from one node to another over NATS, because their clients do.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Mutex;
use std::time::Duration;

use proactor::codec::LengthPrefixed;
use proactor::{
    Afresh, CloseReason, Flow, Handle, Handler, IfTaken, Limits, Listener, NoMessage, Resume, ResumeClient, Resumed,
    Server, Session,
};
use proactor_cluster::Nats;

use crate::broker::{Broker, PATIENCE, Scratch, wait_until};
use crate::proxy::Proxy;

/// Numbers the packets of a session, whose key is `one`. `many` is answered with 40 long packets.
#[derive(Clone)]
struct Counter;

impl Handler for Counter {
    type State = u32;
    type Message = NoMessage;
    fn connected(&mut self, _: &Session) -> u32 {
        0
    }
    fn received(&mut self, session: &Session, number: &mut u32, packet: &[u8]) -> Flow {
        *number += 1;
        if *number == 1 {
            session.identify_with(b"one", IfTaken::Refuse).unwrap();
        }
        session.send(&[format!("{number}:").as_bytes(), packet].concat()).unwrap();
        if packet == b"many" {
            (0..40).for_each(|number| session.send(&[number; 20_000]).unwrap());
        }
        Flow::Continue
    }
    fn save(&mut self, _: &Session, number: &mut u32) -> Option<Vec<u8>> {
        Some(number.to_be_bytes().to_vec())
    }
    fn restore(&mut self, _: &Session, saved: &[u8]) -> Option<u32> {
        saved.try_into().ok().map(u32::from_be_bytes)
    }
}

struct Node {
    handle: Handle,
    address: SocketAddr,
    /// It ends with this.
    _server: Mutex<Server>,
}

impl Node {
    fn join(url: &str, name: &str) -> Node {
        let place = Nats::new(url).node(name).directory(1).connect().unwrap().lease(Duration::from_secs(2));
        let listener = Listener::new("127.0.0.1:0").codec(LengthPrefixed::u16()).resume(Resume::new());
        let limits = Limits::new().outbox_bytes(2 << 20);
        let builder = Server::builder().listen(listener).limits(limits).shards(2).cluster(place);
        let server = builder.start(Counter).unwrap();
        let address = server.local_addrs()[0].ip().unwrap();
        Node { handle: server.handle(), address, _server: Mutex::new(server) }
    }
}

/// Two nodes that know each other.
fn nodes(urls: [&str; 2]) -> [Node; 2] {
    let nodes = [Node::join(urls[0], "a"), Node::join(urls[1], "b")];
    wait_until("the nodes to know each other", || nodes.iter().all(|node| node.handle.nodes().len() == 2));
    nodes
}

struct Client {
    resume: ResumeClient,
    connection: Option<TcpStream>,
    came: Vec<u8>,
    resumed: Vec<Resumed>,
}

impl Client {
    fn new() -> Client {
        Client { resume: ResumeClient::new(), connection: None, came: Vec::new(), resumed: Vec::new() }
    }

    fn send(&mut self, packet: &[u8]) {
        let len = u16::try_from(packet.len()).unwrap().to_be_bytes();
        self.resume.send(&[&len[..], packet].concat());
    }

    fn come_to(&mut self, node: &Node) {
        let connection = TcpStream::connect(node.address).unwrap();
        connection.set_read_timeout(Some(PATIENCE)).unwrap();
        self.connection = Some(connection);
        self.resume.connected();
    }

    /// Reads so many bytes at most. Says whether there were any.
    fn read(&mut self, most: usize) -> bool {
        let connection = self.connection.as_mut().unwrap();
        connection.write_all(&self.resume.take_wire()).unwrap();
        let mut bytes = vec![0; most];
        let count = connection.read(&mut bytes).unwrap();
        self.resumed.extend(self.resume.received(&bytes[..count]).unwrap());
        self.came.extend(self.resume.take_received());
        count > 0
    }

    fn expect(&mut self, packet: &[u8]) {
        let len = 2 + packet.len();
        while self.came.len() < len {
            assert!(self.read(65_536), "the connection has ended");
        }
        let came: Vec<u8> = self.came.drain(..len).collect();
        assert!(came[2..] == *packet, "{:?}", String::from_utf8_lossy(&came));
    }
}

#[test]
fn a_client_goes_back_and_forth_and_lacks_nothing() {
    let scratch = Scratch::new();
    let Some(broker) = Broker::start(&["-js", "-sd", scratch.0.to_str().unwrap()]) else { return };
    let nodes = nodes([&broker.url(), &broker.url()]);
    let mut client = Client::new();
    for number in 1..=20_usize {
        let packet = format!("packet {number}");
        client.send(packet.as_bytes());
        client.come_to(&nodes[number % 2]);
        client.expect(format!("{number}:{packet}").as_bytes());
    }
    assert_eq!(client.resumed[1..], [Resumed::WentOn; 19]);
    let last = &nodes[0];
    wait_until("the key to be where the session is", || {
        let places = last.handle.find_anywhere("one").wait().unwrap();
        places.len() == 1 && &*places[0].node == "a"
    });
    // What the client lacks is more than one message of NATS carries.
    client.send(b"many");
    client.expect(b"21:many");
    client.come_to(&nodes[1]);
    (0..40).for_each(|number| client.expect(&[number; 20_000]));
    let moved: u64 = nodes.iter().map(|node| node.handle.stats().closed(CloseReason::Moved)).sum();
    assert_eq!((moved, nodes[0].handle.sessions() + nodes[1].handle.sessions()), (20, 1));
}

#[test]
fn a_node_that_is_cut_off_has_its_time_and_the_client_starts_afresh() {
    let scratch = Scratch::new();
    let Some(broker) = Broker::start(&["-js", "-sd", scratch.0.to_str().unwrap()]) else { return };
    let proxy = Proxy::to(broker.port);
    let nodes = nodes([&proxy.url(), &broker.url()]);
    let mut client = Client::new();
    client.send(b"hello");
    client.come_to(&nodes[0]);
    client.expect(b"1:hello");
    proxy.cut();
    client.come_to(&nodes[1]);
    while client.resumed.len() < 2 {
        assert!(client.read(65_536), "the connection has ended");
    }
    assert_eq!(client.resumed[1], Resumed::Afresh(Afresh::NodeSilent));
    client.send(b"anew");
    client.expect(b"1:anew");
}
