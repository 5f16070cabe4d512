//! Several listeners in one server: each with its own codec, limits and name, told to the logic.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};

use proactor::codec::{Codec, Decoded, Fixed, FrameError, LengthPrefixed, Lines};
use proactor::{
    Address, AsyncSession, Builder, Flow, Group, Handler, Limits, Listener, ListenerLimits, NoMessage, Origin, Rate,
    Refusal, SendError, Server, ServerError, Session, SessionId, Target,
};

use crate::harness::{backends, connect, expect, finish, read_end, wait_until};

/// The addresses of the listeners.
fn addresses(server: &Server) -> Vec<SocketAddr> {
    server.local_addrs().iter().map(|address| address.ip().unwrap()).collect()
}

fn listener() -> Listener {
    Listener::new("127.0.0.1:0")
}

/// Runs a test on each backend, with one shard and with two.
fn on_each_backend(test: impl Fn(Builder)) {
    for backend in backends() {
        for shards in [1, 2] {
            test(Server::builder().shards(shards).backend(Some(backend)));
        }
    }
}

/// Answers each packet with the name of its listener and the packet.
#[derive(Clone)]
struct Names;

impl Handler for Names {
    type State = ();
    type Message = NoMessage;
    fn connected(&mut self, _: &Session) {}
    fn received(&mut self, session: &Session, (): &mut (), packet: &[u8]) -> Flow {
        let listener = session.listener().expect("every session was accepted");
        let answer = [format!("{}.{} ", listener.index(), listener.name()).as_bytes(), packet].concat();
        session.send(&answer).map_or(Flow::Close, |()| Flow::Continue)
    }
}

#[test]
fn each_listener_has_its_codec_and_its_name() {
    on_each_backend(|builder| {
        let builder = builder
            .codec(LengthPrefixed::u16())
            .listen("127.0.0.1:0")
            .listen(listener().name("admin").codec(Lines::new()))
            .listen(listener().name("status").codec(Fixed::new(4)));
        let server = builder.start(Names).unwrap();
        let [service, admin, status] = addresses(&server)[..] else { panic!("three listeners") };
        let mut service = connect(service);
        service.write_all(b"\0\x02hi").unwrap();
        expect(&service, b"\0\x050. hi");
        let mut admin = connect(admin);
        admin.write_all(b"stats\nmore\n").unwrap();
        expect(&admin, b"1.admin stats\n1.admin more\n");
        // Its answer does not fit its codec, so the session is closed.
        let mut status = connect(status);
        status.write_all(b"abcd").unwrap();
        read_end(&status);
        drop((service, admin));
        finish(server);
    });
}

#[test]
fn an_async_session_knows_its_listener_with_its_address() {
    on_each_backend(|builder| {
        let answer = |session: AsyncSession| async move {
            let listener = session.session().listener().expect("it was accepted");
            while let Some(packet) = session.next().await {
                session.send(&[&packet[..], b" at ", listener.address().to_string().as_bytes()].concat()).await?;
            }
            Ok::<(), SendError>(())
        };
        let server = builder.listen("127.0.0.1:0").listen(listener().codec(Lines::new())).serve(answer).unwrap();
        for (index, address) in addresses(&server).into_iter().enumerate() {
            let mut client = connect(address);
            client.write_all(b"here\n").unwrap();
            let expected = [format!("here\n at {address}"), format!("here at {address}\n")];
            expect(&client, expected[index].as_bytes());
        }
        finish(server);
    });
}

#[test]
fn a_session_that_the_server_connected_has_no_listener_and_the_servers_codec() {
    /// Connects to itself; the outbound session sends a line, and is answered with one.
    #[derive(Clone)]
    struct Dials(Arc<Mutex<Vec<String>>>);

    impl Handler for Dials {
        type State = ();
        type Message = NoMessage;
        fn connected(&mut self, session: &Session) {
            if session.origin() != Origin::Accepted {
                assert_eq!(session.listener(), None);
                session.send(b"a line").unwrap();
            }
        }
        fn received(&mut self, session: &Session, (): &mut (), packet: &[u8]) -> Flow {
            self.0.lock().unwrap().push(format!("{:?}", String::from_utf8_lossy(packet)));
            if session.origin() == Origin::Accepted {
                session.send(packet).unwrap();
            }
            Flow::Continue
        }
    }

    on_each_backend(|builder| {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let listener = listener().codec(Fixed::new(7));
        let server = builder.codec(Lines::new()).listen(listener).start(Dials(Arc::clone(&heard))).unwrap();
        let address: Address = server.local_addrs()[0].clone();
        // The listener sees seven bytes, "a line\n", and answers with them.
        server.handle().connect(Target::from(address), 0).unwrap();
        wait_until("both ends have heard", || heard.lock().unwrap().len() == 2);
        assert_eq!(*heard.lock().unwrap(), ["\"a line\\n\"", "\"a line\""]);
        finish(server);
    });
}

/// Whether a connection was admitted: it is answered.
fn is_admitted(stream: &mut TcpStream) -> bool {
    use std::io::Read;
    let mut answer = [0; 9];
    stream.write_all(b"x\n").is_ok() && stream.read_exact(&mut answer[..5]).is_ok()
}

#[test]
fn a_listener_has_sessions_of_its_own_within_the_total_of_the_server() {
    on_each_backend(|builder| {
        let few = ListenerLimits::new().sessions(1);
        let builder = builder
            .codec(Lines::new())
            .limits(Limits::new().sessions(3))
            .listen(listener())
            .listen(listener().limits(few));
        let server = builder.start(Names).unwrap();
        let [service, admin] = addresses(&server)[..] else { panic!("two listeners") };
        let (mut first, mut second) = (connect(admin), connect(service));
        assert!(is_admitted(&mut first) && is_admitted(&mut second));
        assert!(!is_admitted(&mut connect(admin)), "the listener is full");
        let mut third = connect(service);
        assert!(is_admitted(&mut third), "the server is not");
        assert!(!is_admitted(&mut connect(service)), "now it is");
        let handle = server.handle();
        assert_eq!(handle.stats().refused(Refusal::Sessions), 2);
        drop(first);
        wait_until("the place of the listener is free", || handle.sessions() == 2);
        assert!(is_admitted(&mut connect(admin)), "its place was given back");
        drop((second, third));
        finish(server);
    });
}

#[test]
fn a_listener_refuses_with_its_own_words_and_limits_its_own_rate() {
    on_each_backend(|builder| {
        let public = ListenerLimits::new().accept_rate(Rate::per_second(1)).refusal("come back later\n");
        let builder = builder
            .codec(Lines::new())
            .limits(Limits::new().refusal("no\n"))
            .listen(listener().limits(public))
            .listen(listener());
        let server = builder.start(Names).unwrap();
        let [public, other] = addresses(&server)[..] else { panic!("two listeners") };
        // All at once: a second admits one, and the burst of one is one more.
        let streams: Vec<TcpStream> = (0..20).map(|_| connect(public)).collect();
        let handle = server.handle();
        wait_until("all are seen to", || {
            let stats = handle.stats();
            stats.accepted + stats.refused(Refusal::AcceptRate) == 20
        });
        assert!(handle.stats().refused(Refusal::AcceptRate) > 0);
        assert!(is_admitted(&mut connect(other)), "the other listener has no rate");
        wait_until("a refused client is told", || {
            streams.iter().any(|stream| {
                stream.set_nonblocking(true).unwrap();
                let mut text = [0; 32];
                matches!(stream.peek(&mut text), Ok(bytes) if text[..bytes] == *b"come back later\n")
            })
        });
        drop(streams);
        finish(server);
    });
}

#[test]
fn what_a_listener_cannot_be_is_refused_by_name() {
    let config = |listener: Listener| match Server::builder().listen(listener).shards(1).start(Names) {
        Err(ServerError::Config(why)) => why,
        other => panic!("{other:?}"),
    };
    let admin = || listener().name("admin");
    let why = config(admin().limits(ListenerLimits::new().sessions(0)));
    assert!(why.starts_with("the listener \"admin\": 0 sessions: must be 1 to "), "{why}");
    assert!(config(listener().limits(ListenerLimits::new().sessions_per_ip(0))).starts_with("the listener on 127.0"));
    assert!(config(admin().codec(Fixed::new(0))).contains("\"admin\": frames of 0 bytes"));
    assert!(config(admin().limits(ListenerLimits::new().packet_rate(0))).contains("\"admin\": packet rate"));
    assert!(config(admin().limits(ListenerLimits::new().refusal(vec![b'x'; 2000]))).contains("a refusal of 2000"));
    let many = (0..256).fold(Server::builder(), |builder, _| builder.listen("127.0.0.1:0"));
    let Err(ServerError::Config(why)) = many.shards(1).start(Names) else { panic!("256 listeners") };
    assert_eq!(why, "256 addresses to listen on: must be at most 255");
}

/// All are in one room. A packet `!...` is broadcast to all others.
#[derive(Clone)]
struct Room(Group);

impl Handler for Room {
    type State = ();
    type Message = NoMessage;
    fn connected(&mut self, session: &Session) {
        session.join(&self.0).unwrap();
    }
    fn received(&mut self, session: &Session, (): &mut (), packet: &[u8]) -> Flow {
        match self.0.broadcast_except(session.id(), packet) {
            Ok(()) => {}
            Err(error) => session.send(error.to_string().as_bytes()).unwrap(),
        }
        if packet == b"leave" {
            session.leave(&self.0);
        }
        Flow::Continue
    }
}

/// Frames that are the packet and a dot: a codec of the user's.
#[derive(Clone)]
struct Dotted;

impl Codec for Dotted {
    fn decode(&mut self, bytes: &[u8]) -> Result<Decoded, FrameError> {
        match bytes.iter().position(|byte| *byte == b'.') {
            Some(end) => Ok(Decoded::Frame { packet: 0..end, consumed: end + 1 }),
            None => Ok(Decoded::Need(bytes.len() + 1)),
        }
    }
    fn encode(&mut self, packet: &[u8], out: &mut Vec<u8>) -> Result<(), FrameError> {
        out.extend_from_slice(packet);
        out.push(b'.');
        Ok(())
    }
    fn max_bytes(&self) -> usize {
        100
    }
}

#[test]
fn a_group_with_members_of_several_framings_frames_each_broadcast_for_each() {
    on_each_backend(|builder| {
        let room = Group::new();
        let builder = builder
            .codec(LengthPrefixed::u16())
            .listen(listener())
            .listen(listener().codec(Lines::new()))
            .listen(listener().codec(Dotted))
            .listen(listener().codec(LengthPrefixed::u16()));
        let server = builder.start(Room(room.clone())).unwrap();
        let mut streams: Vec<TcpStream> = addresses(&server).into_iter().map(connect).collect();
        wait_until("all are members", || room.len() == 4);
        let [framed, lines, dotted, same] = &mut streams[..] else { panic!("four listeners") };
        lines.write_all(b"one\n").unwrap();
        expect(framed, b"\0\x03one");
        expect(same, b"\0\x03one");
        expect(dotted, b"one.");
        framed.write_all(b"\0\x03two").unwrap();
        expect(lines, b"two\n");
        expect(same, b"\0\x03two");
        expect(dotted, b"two.");
        // What one member's codec has no frame for reaches nobody.
        framed.write_all(b"\0\x03a\nb").unwrap();
        let mut answer = [0; 2];
        std::io::Read::read_exact(framed, &mut answer).unwrap();
        let mut why = vec![0; usize::from(u16::from_be_bytes(answer))];
        std::io::Read::read_exact(framed, &mut why).unwrap();
        assert!(!why.is_empty());
        // A member that has left is not framed for.
        lines.write_all(b"leave\n").unwrap();
        expect(dotted, b"leave.");
        expect(framed, b"\0\x05leave");
        expect(same, b"\0\x05leave");
        wait_until("it has left", || room.len() == 3);
        same.write_all(b"\0\x03a\nb").unwrap();
        expect(framed, b"\0\x03a\nb");
        expect(dotted, b"a\nb.");
        // From outside too.
        room.broadcast(b"end").unwrap();
        expect(framed, b"\0\x03end");
        expect(same, b"\0\x03end");
        expect(dotted, b"end.");
        drop(streams);
        wait_until("the room is empty", || room.is_empty());
        finish(server);
    });
}

/// Hands ids out.
#[derive(Clone, Default)]
struct Ids(Arc<Mutex<Vec<SessionId>>>);

impl Handler for Ids {
    type State = ();
    type Message = NoMessage;
    fn connected(&mut self, session: &Session) {
        self.0.lock().unwrap().push(session.id());
    }
    fn received(&mut self, _: &Session, (): &mut (), _: &[u8]) -> Flow {
        Flow::Continue
    }
}

#[test]
fn another_thread_has_a_session_join_from_the_call_on_whatever_its_framing() {
    on_each_backend(|builder| {
        let ids = Ids::default();
        let server =
            builder.codec(Lines::new()).listen(listener()).listen(listener().codec(Dotted)).start(ids.clone()).unwrap();
        for round in 0..20 {
            let group = Group::new();
            let streams: Vec<TcpStream> = addresses(&server).into_iter().map(connect).collect();
            wait_until("both are there", || ids.0.lock().unwrap().len() == 2);
            let handle = server.handle();
            for id in ids.0.lock().unwrap().drain(..) {
                handle.join(id, &group).unwrap();
            }
            // Before the shards have heard of it, most of the time.
            group.broadcast(format!("round {round}").as_bytes()).unwrap();
            expect(&streams[0], format!("round {round}\n").as_bytes());
            expect(&streams[1], format!("round {round}.").as_bytes());
            drop(streams);
            wait_until("both have ended", || handle.sessions() == 0);
        }
        finish(server);
    });
}

#[test]
fn all_members_have_the_same_order_whatever_their_framing() {
    const THREADS: u32 = 3;
    const PACKETS: u32 = 500;
    on_each_backend(|builder| {
        let room = Group::new();
        let builder = builder.codec(Lines::new()).listen(listener()).listen(listener().codec(Dotted));
        let server = builder.start(Room(room.clone())).unwrap();
        let streams: Vec<TcpStream> = addresses(&server).into_iter().map(connect).collect();
        wait_until("both are members", || room.len() == 2);
        let read = |mut stream: &TcpStream| {
            let mut bytes = vec![0; 7 * (THREADS * PACKETS) as usize];
            std::io::Read::read_exact(&mut stream, &mut bytes).unwrap();
            bytes.chunks(7).map(|packet| packet[..6].to_vec()).collect::<Vec<_>>()
        };
        let (of_lines, of_dots) = std::thread::scope(|scope| {
            for thread in 0..THREADS {
                let room = &room;
                scope.spawn(move || {
                    for number in 0..PACKETS {
                        room.broadcast(format!("{thread}{number:05}").as_bytes()).unwrap();
                    }
                });
            }
            let dots = scope.spawn(|| read(&streams[1]));
            (read(&streams[0]), dots.join().unwrap())
        });
        assert!(of_lines == of_dots, "the orders differ");
        drop(streams);
        finish(server);
    });
}

#[test]
fn every_address_of_a_listener_has_its_codec_and_name() {
    on_each_backend(|builder| {
        let every = Listener::new("localhost:0").name("every").codec(Lines::new());
        let server = builder.listen(every).listen(listener().name("last")).start(Names).unwrap();
        let all = addresses(&server);
        let (last, every) = all.split_last().unwrap();
        for address in every {
            let mut client = connect(*address);
            client.write_all(b"here\n").unwrap();
            expect(&client, b"0.every here\n");
        }
        let mut client = connect(*last);
        client.write_all(b"here").unwrap();
        expect(&client, b"1.last here");
        finish(server);
    });
}
