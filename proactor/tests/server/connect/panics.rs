//! A panic in a call for an outbound session ends the session that opened it, and its partner.

use std::sync::mpsc;

use overlapped::driver::{Flags, Wait};
use overlapped::sim::Network;
use overlapped::{Driver, DriverConfig, ErrorKind, Op};
use proactor::{CloseReason, ConnectError, Flow, Handler, Origin, Server, Session, SessionId, Target};

use std::io::{ErrorKind as IoErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use crate::harness::backends;

const PATIENCE: Duration = Duration::from_secs(30);

/// The call that panics for the upstream's session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Call {
    Connected,
    Received,
    Ended,
    Heartbeat,
    Closed,
}

const CALLS: [Call; 5] = [Call::Connected, Call::Received, Call::Ended, Call::Heartbeat, Call::Closed];

/// Connects every client to an upstream, and panics for it. It does not pair them.
#[derive(Clone)]
struct Panicking {
    upstream: Target,
    call: Call,
    closed: mpsc::Sender<CloseReason>,
}

impl Panicking {
    fn panic_in(&self, call: Call, is_client: bool) {
        if !is_client && self.call == call {
            panic!("as this test wants");
        }
    }
}

impl Handler for Panicking {
    /// Whether it is the client.
    type State = bool;

    fn connected(&mut self, session: &Session) -> bool {
        let is_client = session.origin() == Origin::Accepted;
        self.panic_in(Call::Connected, is_client);
        if is_client {
            session.connect(self.upstream.clone(), 0).unwrap();
        }
        is_client
    }

    fn received(&mut self, session: &Session, is_client: &mut bool, _: &[u8]) -> Flow {
        self.panic_in(Call::Received, *is_client);
        if self.call == Call::Closed && !*is_client {
            session.close();
        }
        Flow::Continue
    }

    fn ended(&mut self, _: &Session, is_client: &mut bool) -> Flow {
        self.panic_in(Call::Ended, *is_client);
        Flow::Close
    }

    fn heartbeat(&mut self, _: &Session, is_client: &mut bool) {
        self.panic_in(Call::Heartbeat, *is_client);
    }

    fn connect_failed(&mut self, _: Option<&Session>, _: u64, error: &ConnectError) {
        panic!("{error}");
    }

    fn closed(&mut self, _: SessionId, is_client: bool, reason: &CloseReason) {
        self.panic_in(Call::Closed, is_client);
        if is_client {
            let _ = self.closed.send(*reason);
        }
    }
}

#[test]
fn the_opener_is_reset_and_told_why_whichever_call_panics() {
    for backend in backends() {
        for call in CALLS {
            let upstream = TcpListener::bind("127.0.0.1:0").unwrap();
            let target = upstream.local_addr().unwrap().into();
            let (closed, reasons) = mpsc::channel();
            let server = Server::builder()
                .listen("127.0.0.1:0")
                .shards(1)
                .backend(Some(backend))
                .timeouts(proactor::Timeouts::new().heartbeat(Duration::from_millis(20)))
                .start(Panicking { upstream: target, call, closed })
                .unwrap();
            let mut client = TcpStream::connect(&server.local_addrs()[0]).unwrap();
            client.set_read_timeout(Some(PATIENCE)).unwrap();
            let (mut stream, _) = upstream.accept().unwrap();
            match call {
                Call::Received | Call::Closed => stream.write_all(b"x").unwrap(),
                Call::Ended => stream.shutdown(std::net::Shutdown::Write).unwrap(),
                Call::Connected | Call::Heartbeat => {}
            }
            let error = client.read(&mut [0]).unwrap_err();
            assert_eq!(error.kind(), IoErrorKind::ConnectionReset, "{backend} {call:?}");
            let reason = reasons.recv_timeout(PATIENCE).unwrap();
            assert_eq!(reason, CloseReason::ByOpened, "{backend} {call:?}");
            server.handle().stop();
            server.wait().unwrap();
        }
    }
}

#[test]
fn the_opener_ends_under_every_schedule() {
    for seed in 0..200 {
        for call in [Call::Connected, Call::Received, Call::Ended, Call::Closed] {
            let network = Network::new(seed);
            let mut others = Driver::new(DriverConfig::new().network(network.clone())).unwrap();
            let listener = others.listen("10.0.0.2:80", &Default::default()).unwrap();
            others.submit(Op::accept(listener), 1).unwrap();
            let (closed, reasons) = mpsc::channel();
            let handler = Panicking { upstream: "10.0.0.2:80".parse().unwrap(), call, closed };
            let mut server = Server::builder().listen("10.0.0.1:80").shards(2).simulate(&network, handler).unwrap();
            let client = others.socket("10.0.0.1:80").unwrap();
            others.submit(Op::connect(client, "10.0.0.1:80"), 2).unwrap();
            others.submit(Op::recv_with(client, vec![0u8; 8], Flags::WAIT_ALL), 3).unwrap();
            let mut ended = None;
            server
                .run(|_| {
                    others.turn(Wait::Poll).unwrap();
                    while let Some(completion) = others.next() {
                        match (completion.token, completion.result) {
                            (1, Ok(overlapped::Outcome::Accepted(stream, _))) => {
                                let upstream = others.adopt(stream).unwrap();
                                match call {
                                    Call::Ended => {
                                        let how = overlapped::driver::ShutdownHow::Send;
                                        others.submit(Op::shutdown(upstream, how), 4).unwrap();
                                    }
                                    Call::Connected => {}
                                    _ => _ = others.submit(Op::send(upstream, b"x"), 4).unwrap(),
                                }
                            }
                            (3, result) => ended = Some(result.map(|_| ()).map_err(|error| error.kind())),
                            _ => {}
                        }
                    }
                    ended.is_some()
                })
                .unwrap();
            assert_eq!(ended, Some(Err(ErrorKind::Reset)), "seed {seed}, {call:?}");
            let _ = server.run(|_| false);
            assert_eq!(reasons.try_iter().collect::<Vec<_>>(), [CloseReason::ByOpened], "seed {seed}, {call:?}");
        }
    }
}
