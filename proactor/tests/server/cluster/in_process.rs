//! Servers of one process as a cluster: threads, sockets, and a bus of the test's own.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex, Weak};
use std::thread;

use bytes::Bytes;
use proactor::cluster::{Bus, BusEvents, Cluster, ClusterNode, Subscriber, Topic, Unpublished};
use proactor::codec::Lines;
use proactor::{Flow, Handler, NoMessage, SendError, Server, Session};

use crate::harness::{address_of, backends, builder, connect, finish, wait_until};

const NODES: usize = 3;
const CLIENTS: usize = 4;
const LINES: usize = 300;

/// A client's lines are for the room that its first character names.
#[derive(Clone)]
struct Rooms;

impl Handler for Rooms {
    type State = ();
    type Message = NoMessage;
    fn connected(&mut self, session: &Session) {
        for room in ["0", "1"] {
            session.join(&session.handle().group(room).unwrap()).unwrap();
        }
    }
    fn received(&mut self, session: &Session, (): &mut (), line: &[u8]) -> Flow {
        let room = session.handle().group(&line[..1]).unwrap();
        room.broadcast_except(session.id(), line).unwrap();
        Flow::Continue
    }
}

fn node(at: ClusterNode, shards: usize) -> Server {
    let backend = backends()[0];
    builder(backend, shards).codec(Lines::new()).cluster(at).start(Rooms).unwrap()
}

fn has_members(servers: &[Server], members: usize) -> bool {
    servers.iter().all(|server| server.handle().find_group("0").is_some_and(|room| room.len() == members))
}

#[test]
fn members_on_all_nodes_hear_each_client_in_order_once() {
    let cluster = Cluster::in_process();
    let servers: Vec<Server> =
        (0..NODES).map(|index| node(cluster.node(&format!("n{index}")), 1 + index % 2)).collect();
    let clients: Vec<TcpStream> =
        servers.iter().flat_map(|server| (0..CLIENTS).map(|_| connect(address_of(server)))).collect();
    wait_until("all to be members", || has_members(&servers, CLIENTS));
    let all = clients.len();
    thread::scope(|scope| {
        for (who, client) in clients.iter().enumerate() {
            scope.spawn(move || {
                let mut client = client;
                for number in 0..LINES {
                    writeln!(client, "{} {who} {number}", number % 2).unwrap();
                }
            });
            scope.spawn(move || {
                let mut next = vec![[0, 1]; all];
                let mut lines = BufReader::new(client).lines();
                for _ in 0..(all - 1) * LINES {
                    let line = lines.next().unwrap().unwrap();
                    let numbers: Vec<usize> = line.split(' ').map(|number| number.parse().unwrap()).collect();
                    let [room, from, number] = numbers[..] else { panic!("{line}") };
                    assert_eq!(number, next[from][room], "{who} heard {line:?}");
                    next[from][room] += 2;
                }
            });
        }
    });
    for server in &servers {
        let stats = server.handle().cluster().unwrap();
        let (own, others) = ((CLIENTS * LINES) as u64, ((NODES - 1) * CLIENTS * LINES) as u64);
        assert_eq!((stats.published, stats.received, stats.missed, stats.unpublished), (own, others, 0, 0));
    }
    drop(clients);
    wait_until("the groups to be gone", || servers.iter().all(|server| server.handle().groups() == 0));
    servers.into_iter().for_each(finish);
}

#[test]
fn a_place_in_a_cluster_is_for_one_server() {
    let cluster = Cluster::in_process();
    let place = cluster.node("one");
    let server = node(place.clone(), 1);
    let builder = Server::builder().listen("127.0.0.1:0").shards(1);
    let fault = builder.clone().cluster(place).start(Rooms).unwrap_err();
    assert!(fault.to_string().contains("node one of the cluster is another server already"), "{fault}");
    for name in ["", "a\nb", &"n".repeat(65)] {
        let fault = builder.clone().cluster(cluster.node(name)).start(Rooms).unwrap_err();
        assert!(fault.to_string().contains("1 to 64 bytes"), "{fault}");
    }
    let network = proactor::Network::new(1);
    let fault = builder.cluster(Cluster::simulated(&network).node("two")).start(Rooms).unwrap_err();
    assert!(fault.to_string().contains("on a simulated network"), "{fault}");
    finish(server);
}

/// A bus that keeps what is published and who subscribes, and takes no more than three messages.
#[derive(Clone, Debug, Default)]
struct Narrow(Arc<Mutex<(Vec<Bytes>, Vec<Subscriber>)>>);

impl Bus for Narrow {
    fn max_message(&self) -> usize {
        200
    }
    fn topic(&self, subject: &str) -> Arc<dyn Topic> {
        let is_of_nodes = subject == "nodes" || subject.starts_with("n/");
        assert!(is_of_nodes || subject == "g/%200", "no other group is asked for");
        if is_of_nodes { Arc::new(Narrow::default()) } else { Arc::new(self.clone()) }
    }
    fn attach(&self, _: Weak<dyn BusEvents>) {}
}

impl Topic for Narrow {
    fn publish(&self, message: Bytes) -> Result<(), Unpublished> {
        let published = &mut self.0.lock().unwrap().0;
        if published.len() == 3 {
            return Err(Unpublished::Full);
        }
        published.push(message);
        Ok(())
    }
    fn subscribe(&self, subscriber: Subscriber) {
        self.0.lock().unwrap().1.push(subscriber);
    }
    fn unsubscribe(&self, subscriber: &Subscriber) {
        self.0.lock().unwrap().1.retain(|other| other != subscriber);
    }
}

#[derive(Clone)]
struct Member;

impl Handler for Member {
    type State = ();
    type Message = NoMessage;
    fn connected(&mut self, session: &Session) {
        session.join(&session.handle().group(" 0").unwrap()).unwrap();
    }
    fn received(&mut self, _: &Session, (): &mut (), _: &[u8]) -> Flow {
        Flow::Continue
    }
}

#[test]
fn limits_are_checked_before_anybody_gets_a_packet_and_invalid_messages_are_dropped() {
    let bus = Narrow::default();
    let builder =
        builder(backends()[0], 1).codec(Lines::new().max_line(100)).cluster(Cluster::on(bus.clone()).node("one"));
    let server = builder.start(Member).unwrap();
    let room = server.handle().group(" 0").unwrap();
    let published = || bus.0.lock().unwrap().0.len();
    // 87 of the 200 bytes are for the header.
    for packet in [&[b'x'; 114][..], &[b'x'; 101], b"two\nlines"] {
        assert!(matches!(room.broadcast(packet), Err(SendError::Frame(_))), "also without members here");
    }
    assert_eq!(published(), 0);
    let client = connect(address_of(&server));
    wait_until("the client to be a member", || room.len() == 1);
    let subscriber = bus.0.lock().unwrap().1[0].clone();
    for packet in [&[b'x'; 114][..], &[b'x'; 101], b"two\nlines"] {
        assert!(matches!(room.broadcast(packet), Err(SendError::Frame(_))));
    }
    for number in 0..5 {
        room.broadcast(format!("{number}").as_bytes()).unwrap();
    }
    let stats = || server.handle().cluster().unwrap();
    assert_eq!((published(), stats().published, stats().unpublished), (3, 3, 2));
    // What comes back is the node's own; what no node has made is counted.
    let own = bus.0.lock().unwrap().0[0].clone();
    subscriber.deliver(&own);
    assert!(own.ends_with(b"0"));
    let mut other = own.to_vec();
    other[2] ^= 1;
    subscriber.deliver(&other);
    subscriber.deliver(&other);
    subscriber.deliver(b"hello");
    subscriber.deliver(b"");
    // A packet that has no frame here is missing here.
    let unframed = [&other[..21], &[1, 3], b"one", b"two\nlines"].concat();
    subscriber.deliver(&unframed);
    assert_eq!((stats().received, stats().invalid, stats().missed, stats().stale), (1, 2, 1, 1));
    room.broadcast_here(b"here").unwrap();
    let lines: Vec<String> = BufReader::new(&client).lines().take(7).map(Result::unwrap).collect();
    assert_eq!(lines, ["0", "1", "2", "3", "4", "0", "here"]);
    assert_eq!(published(), 3);
    drop(client);
    wait_until("the subscription to end", || bus.0.lock().unwrap().1.is_empty());
    finish(server);
}
