//! Outbound connections: which address wins, what an error says, limits, and what ends an attempt.

use std::io::{Read, Write};
#[cfg(target_os = "linux")]
use std::net::TcpStream;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::{Duration, Instant};

use overlapped::ErrorKind;
use proactor::{
    Address, Backend, Builder, CloseReason, ConnectError, ConnectFailure, Flow, Handle, Handler, NoMessage, Origin,
    Outbound, Server, ServerError, Session, SessionId, Target,
};
#[cfg(target_os = "linux")]
use socket2::{Domain, Socket, Type};

use crate::harness::{PATIENCE, Refusing, backends, builder, wait_until};

#[derive(Debug)]
enum Event {
    /// An outbound session: its token, whether it has an opener, and its peer.
    Connected(u64, bool, Address),
    Failed(u64, bool, Failure),
    Received(Vec<u8>),
    Closed(CloseReason),
}

/// Sends a greeting on each outbound session. On an accepted session a packet is a target to
/// connect to, or `close`.
#[derive(Clone)]
struct Dialler(Sender<Event>);

impl Dialler {
    fn tell(&self, event: Event) {
        let _ = self.0.send(event);
    }
}

impl Handler for Dialler {
    type State = bool;
    type Message = NoMessage;

    fn connected(&mut self, session: &Session) -> bool {
        if let Origin::Connected { token, opener } = session.origin() {
            session.send(b"hello").unwrap();
            self.tell(Event::Connected(token, opener.is_some(), session.peer_addr().clone()));
            return true;
        }
        false
    }

    fn received(&mut self, session: &Session, outbound: &mut bool, packet: &[u8]) -> Flow {
        if *outbound {
            self.tell(Event::Received(packet.to_vec()));
        } else if packet == b"close" {
            return Flow::Close;
        } else {
            let target: Target = std::str::from_utf8(packet).unwrap().parse().unwrap();
            session.connect(target, 1).unwrap();
        }
        Flow::Continue
    }

    fn connect_failed(&mut self, opener: Option<&Session>, token: u64, error: &ConnectError) {
        self.tell(Event::Failed(token, opener.is_some(), Failure::of(error)));
    }

    fn closed(&mut self, _: SessionId, outbound: bool, reason: &CloseReason) {
        if outbound {
            self.tell(Event::Closed(*reason));
        }
    }
}

/// What a test checks of an error.
#[derive(Debug)]
struct Failure {
    kind: ConnectFailure,
    tried: Vec<(SocketAddr, Option<ErrorKind>)>,
    text: String,
}

impl Failure {
    fn of(error: &ConnectError) -> Failure {
        let kind = |error: &Option<overlapped::Error>| error.as_ref().map(overlapped::Error::kind);
        let tried = error.tried().iter().map(|tried| (tried.address.ip().unwrap(), kind(&tried.error)));
        Failure { kind: error.failure(), tried: tried.collect(), text: error.to_string() }
    }
}

struct Bench {
    server: Server,
    handle: Handle,
    events: Receiver<Event>,
}

impl Bench {
    fn new(backend: Backend, settings: impl Fn(Builder) -> Builder) -> Bench {
        let (sender, events) = mpsc::channel();
        let server = settings(builder(backend, 2)).start(Dialler(sender)).unwrap();
        Bench { handle: server.handle(), server, events }
    }

    fn event(&self) -> Event {
        self.events.recv_timeout(PATIENCE).unwrap()
    }

    /// Expects a new outbound session and returns its peer.
    fn connected(&self, expected: u64) -> Address {
        match self.event() {
            Event::Connected(token, false, peer) if token == expected => peer,
            other => panic!("{other:?}"),
        }
    }

    fn failed(&self, expected: u64) -> Failure {
        match self.event() {
            Event::Failed(token, false, failure) if token == expected => failure,
            other => panic!("{other:?}"),
        }
    }

    /// Checks that every slot is given back. The drain ends only when every socket is closed.
    fn finish(self) {
        wait_until("every slot is given back", || self.handle.stats().outbound == 0);
        self.handle.drain(PATIENCE);
        self.server.wait().unwrap();
    }
}

fn listener(ip: impl Into<IpAddr>, port: u16) -> Option<TcpListener> {
    TcpListener::bind((ip.into(), port)).ok()
}

/// A listener with a full backlog: it answers no more connections.
#[cfg(target_os = "linux")]
struct Silent {
    address: SocketAddr,
    _listener: Socket,
    _backlog: Vec<TcpStream>,
}

#[cfg(target_os = "linux")]
impl Silent {
    fn new() -> Silent {
        let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        listener.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
        listener.listen(0).unwrap();
        let address = listener.local_addr().unwrap().as_socket().unwrap();
        let mut backlog = Vec::new();
        while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(300)) {
            backlog.push(stream);
            assert!(backlog.len() < 100, "the backlog never fills");
        }
        Silent { address, _listener: listener, _backlog: backlog }
    }
}

#[test]
fn an_outbound_session_is_like_any_other() {
    for backend in backends() {
        let bench = Bench::new(backend, |builder| builder);
        let upstream = listener(Ipv4Addr::LOCALHOST, 0).unwrap();
        let address = upstream.local_addr().unwrap();
        bench.handle.connect(address, 5).unwrap();
        let mut stream = upstream.accept().unwrap().0;
        assert_eq!(bench.connected(5), address);
        let mut hello = [0; 5];
        stream.read_exact(&mut hello).unwrap();
        assert_eq!(&hello, b"hello");
        stream.write_all(b"and you").unwrap();
        assert!(matches!(bench.event(), Event::Received(bytes) if bytes == b"and you"));
        let stats = bench.handle.stats();
        assert_eq!((stats.sessions, stats.outbound, stats.connected), (0, 1, 1));
        drop(stream);
        assert!(matches!(bench.event(), Event::Closed(CloseReason::ByPeer)));
        bench.finish();
    }
}

/// The options are those of TCP, and a path has none.
#[cfg(unix)]
#[test]
fn a_path_is_connected_to_whatever_the_options_of_tcp_connections() {
    for backend in backends() {
        let outbound = Outbound::new().keep_alive(Duration::from_secs(60));
        let bench = Bench::new(backend, |builder| builder.outbound(outbound.clone()));
        let path = std::env::temp_dir().join(format!("proactor-outbound-{}-{backend}.sock", std::process::id()));
        let upstream = std::os::unix::net::UnixListener::bind(&path).unwrap();
        bench.handle.connect(Address::from(path.as_path()), 5).unwrap();
        let stream = upstream.accept().unwrap().0;
        assert_eq!(bench.connected(5).path(), Some(path.as_path()));
        drop((stream, std::fs::remove_file(&path)));
        assert!(matches!(bench.event(), Event::Closed(_)));
        bench.finish();
    }
}

#[test]
fn a_name_is_resolved_and_an_unknown_name_is_an_error() {
    for backend in backends() {
        let bench = Bench::new(backend, |builder| builder);
        let upstream = listener(Ipv4Addr::LOCALHOST, 0).unwrap();
        let port = upstream.local_addr().unwrap().port();
        // `localhost` may have an address of each family. Only one of them listens.
        bench.handle.connect(Target::host("localhost", port).unwrap(), 1).unwrap();
        assert_eq!(bench.connected(1), upstream.local_addr().unwrap());
        drop(upstream);
        assert!(matches!(bench.event(), Event::Closed(_)));
        bench.handle.connect(Target::host("no-such-host.invalid", 80).unwrap(), 2).unwrap();
        let failure = bench.failed(2);
        assert_eq!((failure.kind, failure.tried.len()), (ConnectFailure::NotFound, 0));
        assert!(failure.text.starts_with("could not connect to no-such-host.invalid:80: no address was found ("));
        bench.finish();
    }
}

#[test]
fn the_error_names_every_address_that_was_tried() {
    for backend in backends() {
        let bench = Bench::new(backend, |builder| builder);
        let nobody = [Refusing::v4(), Refusing::v4()];
        let [one, other] = [nobody[0].address, nobody[1].address];
        bench.handle.connect(vec![one, other, one], 3).unwrap();
        let failure = bench.failed(3);
        assert_eq!(failure.kind, ConnectFailure::Failed);
        assert_eq!(failure.tried, [(one, Some(ErrorKind::Refused)), (other, Some(ErrorKind::Refused))]);
        for address in [one, other] {
            assert!(failure.text.contains(&format!("could not connect {address}: ")), "{}", failure.text);
        }
        bench.handle.connect(Vec::new(), 4).unwrap();
        assert_eq!(bench.failed(4).kind, ConnectFailure::NotFound);
        assert_eq!(bench.handle.stats().connects_failed, 2);
        bench.finish();
    }
}

#[test]
fn the_first_address_that_answers_wins_in_either_family() {
    let Some(v6) = listener(Ipv6Addr::LOCALHOST, 0) else { return eprintln!("no IPv6 here") };
    let v6 = (v6.local_addr().unwrap(), v6);
    let v4 = listener(Ipv4Addr::LOCALHOST, 0).unwrap();
    let v4 = (v4.local_addr().unwrap(), v4);
    let nobody = [Refusing::at(Ipv6Addr::LOCALHOST), Refusing::v4(), Refusing::v4()];
    let [nobody_v6, nobody_v4, nobody_else] = [nobody[0].address, nobody[1].address, nobody[2].address];
    for backend in backends() {
        let bench = Bench::new(backend, |builder| builder);
        let cases = [
            (vec![nobody_v6, v4.0], v4.0),
            (vec![nobody_v4, v6.0], v6.0),
            (vec![v6.0, v4.0], v6.0),
            (vec![v4.0, v6.0], v4.0),
            (vec![nobody_v6, nobody_v4, nobody_else, v6.0], v6.0),
        ];
        for (addresses, expected) in cases {
            bench.handle.connect(addresses.clone(), 9).unwrap();
            assert_eq!(bench.connected(9), expected, "of {addresses:?} on {backend}");
            let listener = if expected == v4.0 { &v4.1 } else { &v6.1 };
            drop(listener.accept().unwrap());
            // It is a reset if the greeting arrives after the close.
            assert!(matches!(bench.event(), Event::Closed(_)));
        }
        bench.finish();
    }
}

#[test]
#[cfg(target_os = "linux")]
fn an_address_that_does_not_answer_delays_the_next_and_is_given_up() {
    let silent = Silent::new();
    for backend in backends() {
        let bench = Bench::new(backend, |builder| builder);
        let upstream = listener(Ipv4Addr::LOCALHOST, 0).unwrap();
        let address = upstream.local_addr().unwrap();
        bench.handle.connect(vec![silent.address, address], 1).unwrap();
        assert_eq!(bench.connected(1), address);
        drop(upstream);
        assert!(matches!(bench.event(), Event::Closed(_)));
        // Ends only when the socket of the losing attempt is closed.
        bench.finish();
    }
}

#[test]
#[cfg(target_os = "linux")]
fn all_addresses_together_share_one_time_out() {
    let silent = Silent::new();
    for backend in backends() {
        let bench = Bench::new(backend, |builder| {
            builder.outbound(Outbound::new().connect_timeout(Duration::from_millis(1500)))
        });
        let began = Instant::now();
        let nobody = Refusing::v4();
        bench.handle.connect(vec![silent.address, nobody.address], 1).unwrap();
        let failure = bench.failed(1);
        assert!(began.elapsed() >= Duration::from_millis(1500));
        assert_eq!(failure.kind, ConnectFailure::TimedOut);
        assert_eq!(failure.tried.len(), 2);
        assert_eq!(failure.tried[1], (silent.address, None));
        assert!(failure.text.ends_with(&format!("{}: no answer", silent.address)), "{}", failure.text);
        bench.finish();
    }
}

#[test]
fn outbound_sessions_never_exceed_their_limit() {
    for backend in backends() {
        let bench = Bench::new(backend, |builder| builder.outbound(Outbound::new().sessions(2)));
        let upstream = listener(Ipv4Addr::LOCALHOST, 0).unwrap();
        let address = upstream.local_addr().unwrap();
        bench.handle.connect(address, 1).unwrap();
        bench.handle.connect(address, 2).unwrap();
        let error = bench.handle.connect(address, 3).unwrap_err();
        assert_eq!(error.failure(), ConnectFailure::Limit);
        assert!(error.to_string().contains("2 outbound sessions"), "{error}");
        for _ in 0..2 {
            assert!(matches!(bench.event(), Event::Connected(1 | 2, false, _)));
        }
        // A slot is free again when its session or its attempt has ended.
        drop(upstream.accept().unwrap());
        assert!(matches!(bench.event(), Event::Closed(_)));
        let nobody = Refusing::v4();
        for token in 10..20 {
            let end = Instant::now() + PATIENCE;
            while let Err(error) = bench.handle.connect(nobody.address, token) {
                assert_eq!(error.failure(), ConnectFailure::Limit);
                assert!(Instant::now() < end, "the slot is not given back");
            }
            assert_eq!(bench.failed(token).kind, ConnectFailure::Failed);
        }
        drop(upstream);
        assert!(matches!(bench.event(), Event::Closed(_)));
        bench.finish();
    }
}

#[test]
#[cfg(target_os = "linux")]
fn an_attempt_ends_with_its_opener() {
    let silent = Silent::new();
    for backend in backends() {
        let bench = Bench::new(backend, |builder| builder);
        let mut client = TcpStream::connect(&bench.server.local_addrs()[0]).unwrap();
        client.write_all(silent.address.to_string().as_bytes()).unwrap();
        wait_until("a connection is asked for", || bench.handle.stats().outbound > 0);
        client.write_all(b"close").unwrap();
        let Event::Failed(1, false, failure) = bench.event() else { panic!("the opener still exists") };
        assert_eq!((failure.kind, failure.tried), (ConnectFailure::Cancelled, vec![(silent.address, None)]));
        drop(client);
        bench.finish();
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_drain_cancels_every_attempt_and_refuses_new_ones() {
    let silent = Silent::new();
    for backend in backends() {
        let bench = Bench::new(backend, |builder| builder);
        for token in 0..20 {
            bench.handle.connect(silent.address, token).unwrap();
        }
        bench.handle.drain(PATIENCE);
        let mut tokens: Vec<u64> = (0..20)
            .map(|_| match bench.event() {
                Event::Failed(token, false, failure) => {
                    assert_eq!(failure.kind, ConnectFailure::Ending);
                    token
                }
                other => panic!("{other:?}"),
            })
            .collect();
        tokens.sort_unstable();
        assert_eq!(tokens, (0..20).collect::<Vec<u64>>());
        assert_eq!(bench.handle.connect(silent.address, 0).unwrap_err().failure(), ConnectFailure::Ending);
        bench.finish();
    }
}

#[test]
fn a_setting_out_of_range_is_named_by_the_error_of_the_start() {
    let start = |builder: Builder| match builder.start(Dialler(mpsc::channel().0)) {
        Err(ServerError::Config(text)) => text,
        _ => panic!("the server starts"),
    };
    let builder = Server::builder().listen("127.0.0.1:0").shards(1);
    assert!(
        start(builder.clone().outbound(Outbound::new().sessions(1 << 30)))
            .starts_with("1073741824 outbound sessions: must be at most ")
    );
    assert!(
        start(builder.outbound(Outbound::new().connect_timeout(Duration::ZERO)))
            .starts_with("connect timeout: must be more than 0")
    );
}
