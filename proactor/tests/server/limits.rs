//! Limits: never one session too many, and every slot is given back.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use proactor::{
    Builder, CloseReason, Flow, Handle, Handler, Limits, NoMessage, Rate, Refusal, Server, ServerError, Session,
    SessionId, Timeouts,
};

use crate::harness::{PATIENCE, address_of, backends, builder, exchange, raise_open_files, read_once, wait_until};

/// Sends `!` to each admitted client, echoes, and counts sessions independently of the server.
#[derive(Clone, Default)]
struct Doorman {
    there: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
    /// Sessions now and at most, by the last byte of the peer's address.
    of_ip: Arc<[(AtomicUsize, AtomicUsize); 32]>,
}

fn last_byte(session: &Session) -> usize {
    match session.peer_addr().ip().map(|peer| peer.ip()) {
        Some(IpAddr::V4(ip)) => usize::from(ip.octets()[3]) % 32,
        _ => 0,
    }
}

impl Handler for Doorman {
    type State = usize;
    type Message = NoMessage;

    fn connected(&mut self, session: &Session) -> usize {
        let ip = last_byte(session);
        self.most.fetch_max(self.there.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        let (there, most) = &self.of_ip[ip];
        most.fetch_max(there.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        session.send(b"!").unwrap();
        ip
    }

    fn received(&mut self, session: &Session, _: &mut usize, packet: &[u8]) -> Flow {
        session.send(packet).map_or(Flow::Close, |()| Flow::Continue)
    }

    fn closed(&mut self, _: SessionId, ip: usize, _: &CloseReason) {
        self.of_ip[ip].0.fetch_sub(1, Ordering::SeqCst);
        self.there.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Runs a test on each backend, and checks that every slot is given back.
fn on_each_backend(settings: impl Fn(Builder) -> Builder, test: impl Fn(SocketAddr, &Handle, &Doorman)) {
    raise_open_files();
    for backend in backends() {
        let doorman = Doorman::default();
        let server = settings(builder(backend, 2)).start(doorman.clone()).unwrap();
        let handle = server.handle();
        test(address_of(&server), &handle, &doorman);
        handle.stop();
        server.wait().unwrap();
        let stats = handle.stats();
        assert_eq!((stats.sessions, stats.handshakes), (0, 0), "a slot was not given back");
        assert_eq!(stats.accepted, stats.closed_in_all());
    }
}

/// Connects from 127.0.0.`last`. `None` if the connection was reset at once.
fn try_connect_from(last: u8, server: SocketAddr) -> Option<TcpStream> {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((Ipv4Addr::new(127, 0, 0, last), 0)).into()).unwrap();
    match socket.connect(&server.into()) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::ConnectionReset => return None,
        Err(error) => panic!("{error}"),
    }
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_nodelay(true).unwrap();
    Some(stream)
}

/// Whether the connection was admitted.
fn is_admitted(stream: &TcpStream) -> bool {
    let mut byte = [0];
    match read_once(stream, &mut byte) {
        Ok(1) => byte == *b"!",
        Ok(_) => false,
        Err(error) if error.kind() == ErrorKind::ConnectionReset => false,
        Err(error) => panic!("neither admitted nor refused: {error}"),
    }
}

fn admitted(last: u8, server: SocketAddr) -> Option<TcpStream> {
    try_connect_from(last, server).filter(is_admitted)
}

#[test]
fn a_storm_of_20_000_never_exceeds_the_limits_and_gives_every_slot_back() {
    const SESSIONS: usize = 1000;
    const PER_IP: usize = 100;
    const THREADS: usize = 8;
    const ATTEMPTS: usize = 20_000 / THREADS;
    let settings = |builder: Builder| builder.limits(Limits::new().sessions(SESSIONS).sessions_per_ip(PER_IP));
    on_each_backend(settings, |server, handle, doorman| {
        std::thread::scope(|scope| {
            for thread in 0..THREADS {
                scope.spawn(move || {
                    let mut held: VecDeque<TcpStream> = VecDeque::new();
                    for attempt in 0..ATTEMPTS {
                        // One address connects far too often. The others share the rest.
                        let last = if attempt % 4 == 0 { 1 } else { 2 + (attempt * 7 + thread) % 28 };
                        held.extend(admitted(last as u8, server));
                        // All threads together want more sessions than there may be.
                        if held.len() > 160 {
                            held.drain(..40 + attempt % 60);
                        }
                        assert!(handle.sessions() <= SESSIONS);
                    }
                });
            }
        });
        wait_until("every session has ended", || handle.sessions() == 0);
        let stats = handle.stats();
        assert_eq!(stats.accepted + stats.refused_in_all(), 20_000, "{stats:?}");
        assert_eq!(stats.accepted, stats.closed_in_all(), "{stats:?}");
        assert!(stats.refused(Refusal::Sessions) > 0 && stats.refused(Refusal::SessionsPerIp) > 0, "{stats:?}");
        let most = doorman.most.load(Ordering::SeqCst);
        assert_eq!(most, SESSIONS, "the limit was reached, and no more");
        for (last, (there, most)) in doorman.of_ip.iter().enumerate() {
            assert!(most.load(Ordering::SeqCst) <= PER_IP, "127.0.0.{last}: {most:?}");
            assert_eq!(there.load(Ordering::SeqCst), 0);
        }

        // Every slot is free again: the limit can be reached, not exceeded, and each session that
        // ends admits one more.
        let mut all: Vec<TcpStream> = Vec::new();
        for last in 1..=10 {
            for _ in 0..PER_IP {
                all.push(admitted(last, server).expect("there are free slots"));
            }
        }
        assert!(admitted(20, server).is_none());
        assert_eq!(handle.stats().refused(Refusal::Sessions), stats.refused(Refusal::Sessions) + 1);
        all.pop();
        wait_until("its slot is free", || handle.sessions() == SESSIONS - 1);
        assert!(admitted(1, server).is_none(), "its address is at its limit");
        assert!(admitted(20, server).is_some());
    });
}

#[test]
fn an_accept_rate_admits_its_burst_then_its_rate() {
    on_each_backend(
        |builder| builder.limits(Limits::new().accept_rate(Rate::per_second(2).burst(5))),
        |server, handle, _| {
            let began = Instant::now();
            let held: Vec<TcpStream> = (0..40).filter_map(|_| admitted(1, server)).collect();
            let worth = began.elapsed().as_secs() as usize * 2 + 2;
            assert!(held.len() >= 5 && held.len() <= 5 + worth, "{} in {:?}", held.len(), began.elapsed());
            assert_eq!(handle.stats().refused(Refusal::AcceptRate), 40 - held.len() as u64);
            wait_until("the rate admits one more", || admitted(1, server).is_some());
        },
    );
}

#[test]
fn silent_clients_take_only_handshake_slots() {
    on_each_backend(
        |builder| builder.limits(Limits::new().handshakes(3)),
        |server, handle, _| {
            let silent: Vec<TcpStream> = (0..3).map(|_| admitted(1, server).unwrap()).collect();
            assert_eq!(handle.stats().handshakes, 3);
            assert!(admitted(1, server).is_none());
            assert_eq!(handle.stats().refused(Refusal::Handshakes), 1);
            exchange(&silent[0], b"hello");
            let next = admitted(1, server).expect("one of three has sent a packet");
            assert!(admitted(1, server).is_none());
            drop(silent);
            wait_until("a silent client that leaves gives its slot back", || handle.stats().handshakes == 1);
            drop(next);
        },
    );
}

#[test]
fn refused_clients_are_told_why_while_there_is_room() {
    on_each_backend(
        |builder| builder.limits(Limits::new().sessions(1).refusal("!full\n")),
        |server, handle, _| {
            let first = admitted(1, server).unwrap();
            let told = |mut stream: TcpStream| {
                let mut all = Vec::new();
                // The stream ends in order, although the client has sent something. The server does
                // not wait long for that.
                let _ = stream.write_all(b"let me in");
                stream.read_to_end(&mut all).unwrap();
                all
            };
            for _ in 0..100 {
                assert_eq!(told(try_connect_from(1, server).unwrap()), b"!full\n");
            }
            // More than the server tells at once: it resets the rest.
            let storm: Vec<TcpStream> = (0..300).filter_map(|_| try_connect_from(1, server)).collect();
            wait_until("all are refused", || handle.stats().refused(Refusal::Sessions) == 400);
            assert_eq!(handle.sessions(), 1);
            exchange(&first, b"still here");
            drop(storm);
        },
    );
}

#[test]
fn a_session_over_its_packet_rate_is_slowed_down_and_others_are_not() {
    on_each_backend(
        |builder| builder.limits(Limits::new().packet_rate(Rate::per_second(100).burst(10))),
        |server, handle, _| {
            let fast = admitted(1, server).unwrap();
            let other = admitted(1, server).unwrap();
            let began = Instant::now();
            for round in 0..50_u8 {
                exchange(&fast, &[round]);
                if round == 30 {
                    (0..10_u8).for_each(|round| exchange(&other, &[round]));
                }
            }
            let least = Duration::from_millis(1000 * (50 - 10 - 1) / 100);
            assert!(began.elapsed() >= least, "50 packets in {:?}", began.elapsed());
            assert_eq!(handle.stats().closed_in_all(), 0, "no session is closed for it");
        },
    );
}

#[test]
fn a_session_over_its_byte_rate_is_slowed_down_and_keeps_every_byte() {
    const BYTES: usize = 600_000;
    on_each_backend(
        |builder| builder.limits(Limits::new().byte_rate(Rate::per_second(400_000).burst(50_000))),
        |server, handle, _| {
            let stream = admitted(1, server).unwrap();
            let bytes: Vec<u8> = (0..BYTES).map(|index| (index % 251) as u8).collect();
            let began = Instant::now();
            let back = std::thread::scope(|scope| {
                scope.spawn(|| (&stream).write_all(&bytes).unwrap());
                let mut back = vec![0; BYTES];
                (&stream).read_exact(&mut back).unwrap();
                back
            });
            assert!(back == bytes);
            // Buffers that were in flight when the burst was used up come on top. In practice a
            // few, at most the pool's four megabytes.
            let least = Duration::from_millis(1000 * (BYTES as u64 - 50_000 - 300_000) / 400_000);
            assert!(began.elapsed() >= least, "{BYTES} bytes in {:?}", began.elapsed());
            assert_eq!(handle.sessions(), 1, "it is not closed for it");
        },
    );
}

#[cfg(unix)]
#[test]
fn peers_without_an_address_are_not_counted_by_address() {
    use std::os::unix::net::UnixStream;
    let path = std::env::temp_dir().join(format!("proactor-limits-{}.sock", std::process::id()));
    for backend in backends() {
        let builder = Server::builder().listen(format!("unix:{}", path.display()).as_str()).shards(1);
        let limits = Limits::new().sessions_per_ip(1).sessions(3);
        let _server = builder.limits(limits).backend(Some(backend)).start(Doorman::default()).unwrap();
        let connect = || {
            let mut stream = UnixStream::connect(&path).unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            let mut byte = [0];
            stream.read_exact(&mut byte).is_ok().then_some(stream)
        };
        let held: Vec<UnixStream> = (0..4).filter_map(|_| connect()).collect();
        assert_eq!(held.len(), 3);
    }
}

#[test]
fn a_setting_out_of_range_is_named_by_the_error_of_the_start() {
    let day = Duration::from_secs(24 * 60 * 60);
    type Setting = fn(Builder) -> Builder;
    let wrong: [(&str, Setting); 14] = [
        ("0 sessions", |b| b.limits(Limits::new().sessions(0))),
        ("sessions: must be", |b| b.limits(Limits::new().sessions(usize::MAX))),
        ("1000000 sessions: must be 1 to 262079", |b| b.shards(1).limits(Limits::new().sessions(1_000_000))),
        ("a limit of 0", |b| b.limits(Limits::new().sessions_per_ip(0))),
        ("a limit of 0", |b| b.limits(Limits::new().handshakes(0))),
        ("prefix of 0", |b| b.limits(Limits::new().ipv6_prefix(0))),
        ("prefix of 129", |b| b.limits(Limits::new().ipv6_prefix(129))),
        ("accept rate", |b| b.limits(Limits::new().accept_rate(0))),
        ("packet rate", |b| b.limits(Limits::new().packet_rate(Rate::per_second(1).burst(0)))),
        ("byte rate", |b| b.limits(Limits::new().byte_rate(0))),
        ("refusal of 1025", |b| b.limits(Limits::new().refusal(vec![0; 1025]))),
        ("idle timeout", |b| b.timeouts(Timeouts::new().idle(Duration::ZERO))),
        ("heartbeat", |b| b.timeouts(Timeouts::new().heartbeat(Duration::ZERO))),
        ("lifetime", |b| b.timeouts(Timeouts::new().lifetime(Duration::from_secs(181 * 24 * 60 * 60)))),
    ];
    for (what, setting) in wrong {
        match setting(Server::builder().listen("127.0.0.1:0").shards(1)).start(Doorman::default()) {
            Err(ServerError::Config(text)) => assert!(text.contains(what), "{text} does not say {what}"),
            other => panic!("{what}: {other:?}"),
        }
    }
    let most = Server::builder()
        .listen("127.0.0.1:0")
        .shards(1)
        .timeouts(Timeouts::new().lifetime(day * 180))
        .limits(Limits::new().ipv6_prefix(128));
    most.start(Doorman::default()).unwrap();
    // Each shard has sockets of its own.
    let million = Server::builder().listen("127.0.0.1:0").shards(4).limits(Limits::new().sessions(1_000_000));
    million.start(Doorman::default()).unwrap();
}

#[test]
fn limits_that_change_hold_for_connections_from_then_on() {
    let settings = |builder: Builder| builder.limits(Limits::new().sessions(2));
    on_each_backend(settings, |server, handle, _| {
        let two = [admitted(1, server).unwrap(), admitted(2, server).unwrap()];
        assert!(admitted(3, server).is_none());
        handle.set_limits(&Limits::new().sessions(3).sessions_per_ip(1)).unwrap();
        let third = admitted(3, server).unwrap();
        handle.set_limits(&Limits::new().sessions(1).byte_rate(1 << 20)).unwrap();
        for stream in two.iter().chain([&third]) {
            exchange(stream, b"they stay");
        }
        drop(two);
        wait_until("two have ended", || handle.stats().sessions == 1);
        assert!(admitted(4, server).is_none());
        drop(third);
        wait_until("all have ended", || handle.stats().sessions == 0);
        exchange(&admitted(4, server).unwrap(), b"with a rate");
        let error = handle.set_limits(&Limits::new().sessions(0)).unwrap_err();
        assert!(matches!(&error, ServerError::Config(why) if why.starts_with("0 sessions")), "{error}");
        wait_until("there is room", || handle.stats().sessions == 0);
        assert!(admitted(5, server).is_some(), "a fault changes nothing");
    });
}
