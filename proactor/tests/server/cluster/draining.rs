//! A node that drains is in the cluster until its last session has gone, whichever shard that is
//! on.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::Duration;

use proactor::cluster::Cluster;
use proactor::codec::Lines;
use proactor::{Busy, Flow, Handler, NoMessage, Server, Session};

use crate::harness::{address_of, backends, builder, connect, finish, wait_until};

/// Each is watched by another shard.
const ROOMS: [&str; 2] = ["room/a", "room/b"];

/// "leave" leaves the rooms; any other line is a name, whose session is busy until it ends.
#[derive(Clone)]
struct Room;

impl Handler for Room {
    type State = Option<Busy>;
    type Message = NoMessage;
    fn connected(&mut self, _: &Session) -> Option<Busy> {
        None
    }
    fn received(&mut self, session: &Session, busy: &mut Option<Busy>, line: &[u8]) -> Flow {
        let rooms = ROOMS.map(|name| session.handle().group(name).unwrap());
        if line == b"leave" {
            rooms.iter().for_each(|room| session.leave(room));
            return Flow::Continue;
        }
        *busy = Some(session.busy());
        session.identify(line).unwrap();
        for room in &rooms {
            session.handle().watch_presence(room).unwrap();
            session.join(room).unwrap();
        }
        session.send(b"welcome").map_or(Flow::Close, |()| Flow::Continue)
    }
}

struct Client(BufReader<TcpStream>);

impl Client {
    fn new(server: &Server, name: &str) -> Client {
        let mut client = Client(BufReader::new(connect(address_of(server))));
        client.say(name);
        assert_eq!(client.line(), "welcome");
        client
    }

    fn say(&mut self, line: &str) {
        writeln!(self.0.get_mut(), "{line}").unwrap();
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }
}

/// Whether the rooms have so many of these people, as a server knows it.
fn are_there(server: &Server, names: &[&str]) -> bool {
    ROOMS.iter().all(|room| {
        let present = server.handle().group(*room).unwrap().present().unwrap_or_default();
        present.keys.iter().map(|(key, _)| &key[..]).eq(names.iter().map(|name| name.as_bytes()))
    })
}

#[test]
fn a_node_that_drains_is_in_the_cluster_until_its_last_session_has_gone() {
    // It takes seconds, and no work.
    std::thread::scope(|scope| {
        for leaves_first in [0, 1] {
            scope.spawn(move || drains_with_one_left(leaves_first));
        }
    });
}

fn drains_with_one_left(leaves_first: usize) {
    let cluster = Cluster::in_process();
    let [one, two] = ["one", "two"].map(|name| {
        let builder = builder(backends()[0], 2).codec(Lines::new()).cluster(cluster.node(name));
        builder.start(Room).unwrap()
    });
    // One on each shard.
    let mut clients = ["ann", "ben"].map(|name| Some(Client::new(&one, name)));
    let _cho = Client::new(&two, "cho");
    wait_until("all to be there", || are_there(&two, &["ann", "ben", "cho"]));
    one.handle().drain(Duration::from_secs(600));
    drop(clients[leaves_first].take());
    let stays = ["ben", "ann"][leaves_first];
    wait_until("the first to be gone", || are_there(&two, &[stays, "cho"]));
    // By now the shard without a session would have ended.
    std::thread::sleep(Duration::from_millis(200));
    let Some(client) = clients.iter_mut().flatten().next() else { panic!("one stays") };
    for _ in 0..2 {
        assert_eq!(two.handle().send_anywhere(stays, "hello").wait(), Ok(1));
        assert_eq!(client.line(), "hello", "{stays}");
    }
    client.say("leave");
    wait_until("the other to leave", || are_there(&two, &["cho"]));
    let told = || two.handle().nodes().iter().find(|node| &*node.name == "one").map(|node| node.uptime);
    let before = told();
    assert!(before.is_some());
    wait_until("the node to tell of itself twice", || {
        told().is_some_and(|uptime| Some(uptime) >= before.map(|before| before + Duration::from_secs(3)))
    });
    drop(clients);
    one.wait().unwrap();
    finish(two);
}
