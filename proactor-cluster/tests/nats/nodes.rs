//! Which nodes there are, and who is in a group on all of them.

use std::io::Write;
use std::net::TcpStream;

use proactor::codec::Lines;
use proactor::{Flow, Handler, NoMessage, Server, Session};
use proactor_cluster::Nats;

use crate::broker::{Broker, wait_until};

/// A line is a name: its session is in the room under that.
#[derive(Clone)]
struct Room;

impl Handler for Room {
    type State = ();
    type Message = NoMessage;
    fn connected(&mut self, _: &Session) {}
    fn received(&mut self, session: &Session, (): &mut (), name: &[u8]) -> Flow {
        let room = session.handle().group("room").unwrap();
        session.handle().watch_presence(&room).unwrap();
        session.identify(name).unwrap();
        session.join(&room).unwrap();
        Flow::Continue
    }
}

fn start(broker: &Broker, name: &str) -> Server {
    let node = Nats::new(broker.url()).node(name).connect().unwrap();
    let builder = Server::builder().listen("127.0.0.1:0").codec(Lines::new()).shards(2);
    builder.cluster(node).start(Room).unwrap()
}

fn enter(server: &Server, name: &str) -> TcpStream {
    let mut client = TcpStream::connect(server.local_addrs()[0].ip().unwrap()).unwrap();
    writeln!(client, "{name}").unwrap();
    client
}

/// The names of the nodes that a server knows, and the keys of who is in the room.
fn known(server: &Server) -> (Vec<String>, Vec<String>) {
    let nodes = server.handle().nodes().iter().map(|node| node.name.to_string()).collect();
    let present = server.handle().find_group("room").and_then(|room| room.present()).unwrap_or_default();
    let text = |key: &[u8]| String::from_utf8(key.to_vec()).unwrap();
    (nodes, present.keys.iter().map(|(key, _)| text(key)).collect())
}

#[test]
fn nodes_know_each_other_and_who_is_in_a_group() {
    let Some(mut broker) = Broker::start(&[]) else { return };
    let [a, b] = ["a", "b"].map(|name| start(&broker, name));
    let clients = [enter(&a, "ann"), enter(&b, "ben")];
    let strings = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let all_know = |servers: &[&Server], nodes: &[&str], keys: &[&str]| {
        let expected = (strings(nodes), strings(keys));
        wait_until("all to know", || servers.iter().all(|server| known(server) == expected));
    };
    all_know(&[&a, &b], &["a", "b"], &["ann", "ben"]);
    let queued = a.handle().nodes()[1].queued;
    assert!(queued.is_some(), "what waits in its bus is known");
    // One comes late.
    let c = start(&broker, "c");
    let eve = enter(&c, "eve");
    all_know(&[&a, &b, &c], &["a", "b", "c"], &["ann", "ben", "eve"]);
    // While NATS is away, one more is there, and one ends.
    broker.kill();
    let zoe = enter(&a, "zoe");
    drop((eve, c));
    broker.restart();
    all_know(&[&a, &b], &["a", "b"], &["ann", "ben", "zoe"]);
    drop((clients, zoe));
    all_know(&[&a, &b], &["a", "b"], &[]);
}
