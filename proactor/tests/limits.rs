//! Limits of the server with real sockets, on every backend of this system: never one session too many, and no place is lost.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use overlapped::report::Backend;
use proactor::{Builder, CloseReason, Flow, Handle, Handler, Rate, Refusal, Server, ServerError, Session, SessionId};

const PATIENCE: Duration = Duration::from_secs(30);

/// Both ends of many connections are held here, and a machine's usual limit of open files is low.
#[cfg(unix)]
fn raise_open_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).unwrap();
}

#[cfg(windows)]
fn raise_open_files() {}

/// Says a byte to whoever is admitted, echoes, and counts for itself who is there.
#[derive(Clone, Default)]
struct Doorman {
    there: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
    /// By the last byte of the peer's address.
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

/// Runs a server with these settings on each backend that works here.
fn on_each_backend(settings: impl Fn(Builder) -> Builder, test: impl Fn(SocketAddr, &Handle, &Doorman)) {
    raise_open_files();
    let mut ran = 0;
    for backend in Backend::of_this_system() {
        let doorman = Doorman::default();
        let builder = settings(Server::builder().bind("127.0.0.1:0").shards(2).backend(Some(*backend)));
        let server = match builder.start(doorman.clone()) {
            Ok(server) => server,
            // One that this system does not let us have is another test's business.
            Err(error @ ServerError::Io(_)) => {
                eprintln!("not on {backend}: {error}");
                continue;
            }
            Err(error) => panic!("{error}"),
        };
        let handle = server.handle();
        test(server.local_addrs()[0].ip().unwrap(), &handle, &doorman);
        handle.stop();
        server.wait().unwrap();
        let stats = handle.stats();
        assert_eq!((stats.sessions, stats.handshakes), (0, 0), "a place was not given back");
        assert_eq!(stats.accepted, stats.closed_in_all());
        ran += 1;
    }
    assert!(ran > 0);
}

/// Connects from a loopback address of its own; `None` if it was reset before that had returned.
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

/// Whether the server has taken a connection for a session.
fn is_admitted(stream: &TcpStream) -> bool {
    let (mut stream, mut byte) = (stream, [0]);
    match stream.read(&mut byte) {
        Ok(1) => byte == *b"!",
        Ok(_) => false,
        Err(error) if error.kind() == ErrorKind::ConnectionReset => false,
        Err(error) => panic!("neither admitted nor refused: {error}"),
    }
}

fn admitted(last: u8, server: SocketAddr) -> Option<TcpStream> {
    try_connect_from(last, server).filter(is_admitted)
}

fn echo(mut stream: &TcpStream, bytes: &[u8]) {
    stream.write_all(bytes).unwrap();
    let mut back = vec![0; bytes.len()];
    stream.read_exact(&mut back).unwrap();
    assert_eq!(back, bytes);
}

fn wait_until(what: &str, mut reached: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !reached() {
        assert!(Instant::now() < end, "never: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_storm_of_20_000_is_never_one_session_too_many_and_leaves_every_place_free() {
    const SESSIONS: usize = 1000;
    const PER_IP: usize = 100;
    const THREADS: usize = 8;
    const ATTEMPTS: usize = 20_000 / THREADS;
    let settings = |builder: Builder| builder.max_sessions(SESSIONS).max_sessions_per_ip(PER_IP);
    on_each_backend(settings, |server, handle, doorman| {
        std::thread::scope(|scope| {
            for thread in 0..THREADS {
                scope.spawn(move || {
                    let mut held: VecDeque<TcpStream> = VecDeque::new();
                    for attempt in 0..ATTEMPTS {
                        // One address comes far too often, the others share what there is.
                        let last = if attempt % 4 == 0 { 1 } else { 2 + (attempt * 7 + thread) % 28 };
                        held.extend(admitted(last as u8, server));
                        // More are wanted than there may be; and they end in their hundreds.
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

        // Every place is free again: as many as may be are admitted, not one more, and one for each that leaves.
        let mut all: Vec<TcpStream> = Vec::new();
        for last in 1..=10 {
            for _ in 0..PER_IP {
                all.push(admitted(last, server).expect("there are places"));
            }
        }
        assert!(admitted(20, server).is_none());
        assert_eq!(handle.stats().refused(Refusal::Sessions), stats.refused(Refusal::Sessions) + 1);
        all.pop();
        wait_until("its place is free", || handle.sessions() == SESSIONS - 1);
        assert!(admitted(1, server).is_none(), "its address has all it may have");
        assert!(admitted(20, server).is_some());
    });
}

#[test]
fn an_accept_rate_admits_its_burst_and_what_the_time_is_worth() {
    on_each_backend(
        |builder| builder.accept_rate(Rate::per_second(2).burst(5)),
        |server, handle, _| {
            let began = Instant::now();
            let held: Vec<TcpStream> = (0..40).filter_map(|_| admitted(1, server)).collect();
            let worth = began.elapsed().as_secs() as usize * 2 + 2;
            assert!(held.len() >= 5 && held.len() <= 5 + worth, "{} in {:?}", held.len(), began.elapsed());
            assert_eq!(handle.stats().refused(Refusal::AcceptRate), 40 - held.len() as u64);
            wait_until("time brings places", || admitted(1, server).is_some());
        },
    );
}

#[test]
fn those_who_say_nothing_take_only_the_places_of_handshakes() {
    on_each_backend(
        |builder| builder.max_handshakes(3),
        |server, handle, _| {
            let silent: Vec<TcpStream> = (0..3).map(|_| admitted(1, server).unwrap()).collect();
            assert_eq!(handle.stats().handshakes, 3);
            assert!(admitted(1, server).is_none());
            assert_eq!(handle.stats().refused(Refusal::Handshakes), 1);
            echo(&silent[0], b"hello");
            let next = admitted(1, server).expect("one of three has spoken");
            assert!(admitted(1, server).is_none());
            drop(silent);
            wait_until("who leaves without a word gives the place back", || handle.stats().handshakes == 1);
            drop(next);
        },
    );
}

#[test]
fn the_refused_are_told_why_as_far_as_there_is_room() {
    on_each_backend(
        |builder| builder.max_sessions(1).refusal("!full\n"),
        |server, handle, _| {
            let first = admitted(1, server).unwrap();
            let told = |mut stream: TcpStream| {
                let mut all = Vec::new();
                // In order to the end of the stream, also for one that has sent something.
                stream.write_all(b"let me in").unwrap();
                stream.read_to_end(&mut all).unwrap();
                all
            };
            for _ in 0..100 {
                assert_eq!(told(try_connect_from(1, server).unwrap()), b"!full\n");
            }
            // More than can be told at once: some are reset, and nobody waits.
            let storm: Vec<TcpStream> = (0..300).filter_map(|_| try_connect_from(1, server)).collect();
            wait_until("all are refused", || handle.stats().refused(Refusal::Sessions) == 400);
            assert_eq!(handle.sessions(), 1);
            echo(&first, b"still here");
            drop(storm);
        },
    );
}

#[test]
fn a_session_over_its_packet_rate_is_slowed_down_and_others_are_not() {
    on_each_backend(
        |builder| builder.packet_rate(Rate::per_second(100).burst(10)),
        |server, handle, _| {
            let fast = admitted(1, server).unwrap();
            let other = admitted(1, server).unwrap();
            let began = Instant::now();
            for round in 0..50_u8 {
                echo(&fast, &[round]);
                if round == 30 {
                    (0..10_u8).for_each(|round| echo(&other, &[round]));
                }
            }
            let least = Duration::from_millis(1000 * (50 - 10 - 1) / 100);
            assert!(began.elapsed() >= least, "50 packets in {:?}", began.elapsed());
            assert_eq!(handle.stats().closed_in_all(), 0, "nobody is closed for it");
        },
    );
}

#[test]
fn a_session_over_its_byte_rate_is_slowed_down_and_keeps_every_byte() {
    const BYTES: usize = 600_000;
    on_each_backend(
        |builder| builder.byte_rate(Rate::per_second(400_000).burst(50_000)),
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
            // What was under way when the burst was used up comes on top of it: at most the pool's four megabytes, in practice a few buffers.
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
    for backend in Backend::of_this_system() {
        let builder = Server::builder().bind(format!("unix:{}", path.display()).as_str()).shards(1);
        let server = builder.max_sessions_per_ip(1).max_sessions(3).backend(Some(*backend)).start(Doorman::default());
        let Ok(_server) = server else { continue };
        let connect = || {
            let mut stream = UnixStream::connect(&path).unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            let mut byte = [0];
            (stream.read(&mut byte).unwrap_or(0) == 1).then_some(stream)
        };
        let held: Vec<UnixStream> = (0..4).filter_map(|_| connect()).collect();
        assert_eq!(held.len(), 3);
    }
}

#[test]
fn settings_out_of_range_are_errors_of_the_start() {
    let day = Duration::from_secs(24 * 60 * 60);
    type Setting = fn(Builder) -> Builder;
    let wrong: [(&str, Setting); 13] = [
        ("0 sessions", |b| b.max_sessions(0)),
        ("sessions: must be", |b| b.max_sessions(usize::MAX)),
        ("a limit of 0", |b| b.max_sessions_per_ip(0)),
        ("a limit of 0", |b| b.max_handshakes(0)),
        ("prefix of 0", |b| b.ipv6_prefix(0)),
        ("prefix of 129", |b| b.ipv6_prefix(129)),
        ("accept rate", |b| b.accept_rate(0)),
        ("packet rate", |b| b.packet_rate(Rate::per_second(1).burst(0))),
        ("byte rate", |b| b.byte_rate(0)),
        ("refusal of 1025", |b| b.refusal(vec![0; 1025])),
        ("idle time-out", |b| b.idle_timeout(Duration::ZERO)),
        ("heart-beat", |b| b.heartbeat(Duration::ZERO)),
        ("lifetime", |b| b.lifetime(Duration::from_secs(181 * 24 * 60 * 60))),
    ];
    for (what, setting) in wrong {
        match setting(Server::builder().bind("127.0.0.1:0").shards(1)).start(Doorman::default()) {
            Err(ServerError::Config(text)) => assert!(text.contains(what), "{text} does not say {what}"),
            other => panic!("{what}: {other:?}"),
        }
    }
    let most = Server::builder().bind("127.0.0.1:0").shards(1).lifetime(day * 180).ipv6_prefix(128);
    most.start(Doorman::default()).unwrap();
}
