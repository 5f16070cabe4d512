//! A session that goes from one node of a cluster to another: two servers in one process, and a
//! client that comes back to the other one with each packet. The count goes with the session.
//!
//! ```text
//! cargo run -p proactor --example resume_nodes
//! ```

use std::error::Error;
use std::io::{Read, Write};
use std::net::TcpStream;

use proactor::cluster::Cluster;
use proactor::codec::Lines;
use proactor::{Flow, Handler, Listener, NoMessage, Resume, ResumeClient, Resumed, Server, Session};

/// Numbers the lines of a session.
#[derive(Clone)]
struct Counter {
    node: &'static str,
}

impl Handler for Counter {
    type State = u64;
    type Message = NoMessage;
    fn connected(&mut self, _: &Session) -> u64 {
        0
    }
    fn received(&mut self, session: &Session, lines: &mut u64, line: &[u8]) -> Flow {
        *lines += 1;
        let answer = [format!("{lines} on {}: ", self.node).as_bytes(), line].concat();
        session.send(&answer).map_or(Flow::Close, |()| Flow::Continue)
    }
    fn save(&mut self, _: &Session, lines: &mut u64) -> Option<Vec<u8>> {
        Some(lines.to_be_bytes().to_vec())
    }
    fn restore(&mut self, _: &Session, saved: &[u8]) -> Option<u64> {
        Some(u64::from_be_bytes(saved.try_into().ok()?))
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let cluster = Cluster::in_process();
    let start = |node: &'static str| {
        let listener = Listener::new("127.0.0.1:0").codec(Lines::new()).resume(Resume::new());
        Server::builder().listen(listener).cluster(cluster.node(node)).start(Counter { node })
    };
    let servers = [start("one")?, start("two")?];
    // Each tells the others that it is there.
    while servers.iter().any(|server| server.handle().nodes().len() < 2) {
        std::thread::yield_now();
    }
    let mut client = ResumeClient::new();
    for (index, word) in ["the", "count", "goes", "with", "the", "session"].iter().enumerate() {
        let mut connection = TcpStream::connect(&servers[index % 2].local_addrs()[0])?;
        client.connected();
        client.send(format!("{word}\n").as_bytes());
        let mut line = Vec::new();
        while !line.ends_with(b"\n") {
            connection.write_all(&client.take_wire())?;
            let mut bytes = [0; 256];
            let count = connection.read(&mut bytes)?;
            if let Some(Resumed::Afresh(why)) = client.received(&bytes[..count])? {
                return Err(why.to_string().into());
            }
            line.extend(client.take_received());
        }
        print!("{}", String::from_utf8(line)?);
    }
    Ok(())
}
