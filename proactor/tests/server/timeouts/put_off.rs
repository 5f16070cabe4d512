//! A session whose end was put off, so that what has arrived is read, and whose logic then closes
//! it in order: it has the whole time of that close.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use overlapped::sim::NetworkConfig;
use overlapped::{Op, driver::SocketId};
use proactor::codec::Lines;
use proactor::{Delivery, Flow, Handler, Limits, Network, NoMessage, Server, Session, SessionId, Timeouts, Wait};

use crate::harness::driver;

const MILLISECOND: Duration = Duration::from_millis(1);
const ANSWER: usize = 4 << 20;

/// Answers with more than the system takes, and closes.
#[derive(Clone, Default)]
struct Answers(Arc<Mutex<Vec<Delivery>>>);

impl Handler for Answers {
    type State = ();
    type Message = NoMessage;
    fn connected(&mut self, _: &Session) {}
    fn received(&mut self, session: &Session, (): &mut (), _: &[u8]) -> Flow {
        session.send(&vec![b'a'; ANSWER]).unwrap();
        Flow::Close
    }
    fn released(&mut self, _: SessionId, delivery: Delivery) {
        self.0.lock().unwrap().push(delivery);
    }
}

/// A client whose line arrives while the server is stopped, shortly before the handshake's time is
/// over. It takes nothing. Returns whether its session was answered, and what has become of it.
fn run(seed: u64) -> (bool, Vec<Delivery>) {
    // Receives end early, so that one turn does not read all that has come.
    let network = Network::with_config(seed, NetworkConfig::new().early_ends(3).short_receives(2));
    let handler = Answers::default();
    let timeouts = Timeouts::new().handshake(MILLISECOND * 500).linger(Duration::from_secs(3600));
    let builder =
        Server::builder().listen("10.0.0.1:80").shards(1).codec(Lines::new().max_line(ANSWER)).timeouts(timeouts);
    let limits = Limits::new().outbox_bytes(2 * ANSWER);
    let mut server = builder.limits(limits).simulate(&network, handler.clone()).unwrap();
    let mut clients = driver(&network);
    let address = server.local_addrs()[0].clone();
    let socket: SocketId = clients.socket(&address).unwrap();
    clients.submit(Op::connect(socket, &address), 0).unwrap();
    let mut run_until = |clients: &mut overlapped::Driver, until| {
        clients.submit(Op::timer(until), 1).unwrap();
        let came = server.run(|_| {
            clients.turn(Wait::Poll).unwrap();
            while clients.next().is_some() {}
            network.now() >= until
        });
        assert!(came.unwrap());
        server.handle().stats().closings().count() == 0 && server.handle().sessions() == 1
    };
    run_until(&mut clients, network.now() + MILLISECOND * 400);
    clients.submit(Op::send(socket, b"a line in some pieces\n".to_vec()), 2).unwrap();
    let until = network.now() + MILLISECOND * 200;
    while network.now() < until {
        clients.turn(Wait::Poll).unwrap();
        network.advance_to(until);
    }
    run_until(&mut clients, network.now() + Duration::from_secs(60));
    let stats = server.handle().stats();
    let released = handler.0.lock().unwrap().clone();
    (stats.closed(proactor::CloseReason::HandshakeTimeout) == 0, released)
}

#[test]
fn an_answer_at_the_last_moment_has_the_whole_time_of_the_close() {
    let mut answered = 0;
    for seed in 0..200 {
        let (is_answered, released) = run(seed);
        if is_answered {
            answered += 1;
            assert_eq!(released, [], "seed {seed}: its peer has an hour to take the answer");
        }
    }
    assert!(answered > 100, "{answered} were answered");
}
