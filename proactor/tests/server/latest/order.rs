//! Packets of keys among broadcasts, when their session ends.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use proactor::codec::{LengthPrefixed, Raw};
use proactor::{Flow, Group, Handler, Limits, Network, NoMessage, Server, Session, SessionId, Simulation};

use crate::harness::{address_of, connect, on_each_backend};

const AT: &str = "10.0.0.1:80";
const KIB: usize = 1024;
const OUTBOX: usize = 64 << 20;

/// What fills the system's buffers, so that all that follows waits.
const LONG: usize = 24 << 20;

/// The first session is a member. Each packet of the others is something to do with it.
#[derive(Clone, Default)]
struct Logic {
    group: Group,
    member: Arc<Mutex<Option<SessionId>>>,
}

impl Handler for Logic {
    type State = ();
    type Message = NoMessage;
    fn connected(&mut self, session: &Session) {
        let mut member = self.member.lock().unwrap();
        if member.is_none() {
            *member = Some(session.id());
            session.join(&self.group).unwrap();
        }
    }
    fn received(&mut self, session: &Session, (): &mut (), commands: &[u8]) -> Flow {
        let member = session.sibling(self.member.lock().unwrap().unwrap()).unwrap();
        for command in commands {
            match command {
                b'f' => member.send(&vec![b'f'; LONG]).unwrap(),
                b'b' => self.group.broadcast(&[b'b'; KIB]).unwrap(),
                b's' => member.send(&[b's'; KIB]).unwrap(),
                b'l' => member.send_latest(7, &[b'l'; KIB]).unwrap(),
                _ => member.close(),
            }
        }
        session.send(b"done").unwrap();
        Flow::Continue
    }
}

/// What is sent while nothing is taken, in the order of issue.
const CASES: [(&str, &str); 3] = [("b", "bl"), ("sb", "sbl"), ("bsb", "bsbl")];

fn simulate(logic: Logic) -> Simulation<Logic> {
    let builder = Server::builder().listen(AT).shards(1).codec(LengthPrefixed::u32().max_packet(LONG));
    builder.limits(Limits::new().outbox_bytes(OUTBOX)).simulate(&Network::new(1), logic).unwrap()
}

#[test]
fn a_packet_of_a_key_stays_behind_broadcasts_that_wait_when_its_session_closes() {
    for (queued, expected) in CASES {
        let sim = simulate(Logic::default());
        let codec = || LengthPrefixed::u32().max_packet(LONG);
        let (member, control) = (sim.client(AT, codec()), sim.client(AT, codec()));
        member.pause();
        control.send("f");
        control.expect("done");
        control.send(queued);
        control.expect("done");
        // The broadcasts are counted now, and wait.
        sim.advance(Duration::from_millis(100));
        control.send("lc");
        control.expect("done");
        member.resume();
        member.expect(vec![b'f'; LONG]);
        for kind in expected.bytes() {
            member.expect([kind; KIB]);
        }
        member.expect_closed();
    }
}

#[test]
fn on_a_system_too_a_packet_of_a_key_stays_behind_broadcasts_that_wait() {
    use std::io::{Read, Write};
    on_each_backend(|builder| {
        for (queued, expected) in CASES {
            let limits = Limits::new().outbox_bytes(OUTBOX);
            let server = builder.clone().shards(1).codec(Raw).limits(limits).start(Logic::default()).unwrap();
            let mut member = connect(address_of(&server));
            // Accepted in the order of coming: the member is the first.
            let mut control = connect(address_of(&server));
            for commands in ["f", queued, "lc"] {
                control.write_all(commands.as_bytes()).unwrap();
                let mut done = [0; 4];
                control.read_exact(&mut done).unwrap();
            }
            let mut came = Vec::new();
            member.read_to_end(&mut came).unwrap();
            let rest: Vec<u8> = expected.bytes().flat_map(|kind| [kind; KIB]).collect();
            assert!(came[LONG..] == rest, "for {queued}");
            server.handle().stop();
            server.wait().unwrap();
        }
    });
}
