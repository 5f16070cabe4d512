//! What an idle session takes of the program's memory, counted in bytes that its shard has asked for: no more than 512, on either backend of Linux.
//!
//! Alone in its file, for the limit of open files is the process's.
#![cfg(unix)]

mod counting;

use std::cell::OnceCell;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use overlapped::report::Backend;
use overlapped::{Driver, DriverConfig};
use proactor::codec::{Codec, Framing, LengthPrefixed, Raw};
use proactor::{Builder, Flow, Group, Handler, SendError, Server, Session, SessionId};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use counting::bytes_held;

/// Tables grow by doubling: at both of these they are all but full.
const FEW: usize = 1_000;
const MANY: usize = 4_000;

type Deed = fn(&Session);

/// Echoes; to a question it answers what its shard holds, and when it is told to do something it does that and answers nothing.
#[derive(Clone)]
struct Echo {
    group: Option<Group>,
    deed: Deed,
    done: Arc<AtomicUsize>,
}

const QUESTION: &[u8] = b"how many bytes?";
const DO: &[u8] = b"do it";

impl Handler for Echo {
    type State = ();
    fn connected(&mut self, session: &Session) {
        if let Some(group) = &self.group {
            session.join(group).unwrap();
        }
    }
    fn received(&mut self, session: &Session, (): &mut (), packet: &[u8]) -> Flow {
        let sent = match packet {
            DO => {
                (self.deed)(session);
                self.done.fetch_add(1, Ordering::Release);
                Ok(())
            }
            QUESTION => session.send(&bytes_held().to_be_bytes()),
            packet => session.send(packet),
        };
        sent.map_or(Flow::Close, |()| Flow::Continue)
    }
}

/// A client's end of a session.
struct Peer {
    stream: TcpStream,
    codec: Framing,
}

impl Peer {
    fn new(address: SocketAddr, codec: impl Codec + Clone) -> Peer {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        Peer { stream, codec: codec.into_framing() }
    }

    fn tell(&mut self, packet: &[u8]) {
        let mut frame = Vec::new();
        self.codec.encode(packet, &mut frame).unwrap();
        self.stream.write_all(&frame).unwrap();
    }

    /// Sends a packet, and receives one of so many bytes.
    fn ask(&mut self, packet: &[u8], bytes: usize) -> Vec<u8> {
        let mut back = Vec::new();
        self.tell(packet);
        self.codec.encode(&vec![0; bytes], &mut back).unwrap();
        self.stream.read_exact(&mut back).unwrap();
        back.split_off(back.len() - bytes)
    }

    fn held_by_the_shard(&mut self) -> i64 {
        i64::from_be_bytes(self.ask(QUESTION, 8).try_into().unwrap())
    }
}

/// What one session more costs, once there are some.
fn bytes_a_session(
    backend: Backend,
    codec: impl Codec + Clone,
    group: Option<Group>,
    with: impl FnOnce(Builder) -> Builder,
) -> i64 {
    bytes_a_session_that(|_| {}, backend, codec, group, with)
}

/// The same, of sessions that have done something.
fn bytes_a_session_that(
    deed: Deed,
    backend: Backend,
    codec: impl Codec + Clone,
    group: Option<Group>,
    with: impl FnOnce(Builder) -> Builder,
) -> i64 {
    let builder = Server::builder().bind("127.0.0.1:0").shards(1).backend(Some(backend)).codec(codec.clone());
    let done = Arc::new(AtomicUsize::new(0));
    let server = with(builder).start(Echo { group, deed, done: Arc::clone(&done) }).unwrap();
    let address = server.local_addrs()[0].ip().unwrap();
    let mut peers: Vec<Peer> = Vec::new();
    let mut grow = |sessions: usize| {
        while peers.len() < sessions {
            let mut peer = Peer::new(address, codec.clone());
            assert_eq!(peer.ask(&[b'x'; 64], 64), [b'x'; 64]);
            peer.tell(DO);
            peers.push(peer);
        }
        while done.load(Ordering::Acquire) < sessions {
            std::thread::yield_now();
        }
        peers.last_mut().unwrap().held_by_the_shard()
    };
    let before = grow(FEW);
    let after = grow(MANY);
    (after - before) / (MANY - FEW) as i64
}

/// Whether the system lets this process have so many files.
fn raise_file_limit(files: u64) -> bool {
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).unwrap();
    maximum.is_none_or(|maximum| maximum >= files)
}

thread_local! {
    /// Of a shard: a group, and its one member.
    static ROOM: OnceCell<(Group, SessionId)> = const { OnceCell::new() };
}

/// Nobody is to hold memory for a packet that was refused: the outbox of a peer that is slow takes no more than its limit allows.
#[test]
fn a_packet_for_which_there_is_no_room_takes_no_memory() {
    const LARGE: usize = 8 << 20;
    static LARGE_PACKET: [u8; LARGE] = [0; LARGE];
    for backend in Backend::of_this_system() {
        if Driver::new(DriverConfig::new().backend(*backend)).is_err() {
            continue;
        }
        let deed = |session: &Session| {
            session.send(b"something").unwrap();
            let before = bytes_held();
            for _ in 0..2 {
                assert_eq!(session.send(&LARGE_PACKET), Err(SendError::Full));
            }
            session.send(&(bytes_held() - before).to_be_bytes()).unwrap();
        };
        let codec = LengthPrefixed::u32().max_packet(LARGE);
        let builder = Server::builder().bind("127.0.0.1:0").shards(1).backend(Some(*backend)).codec(codec);
        let server = builder.start(Echo { group: None, deed, done: Arc::default() }).unwrap();
        let mut peer = Peer::new(server.local_addrs()[0].ip().unwrap(), codec);
        assert_eq!(peer.ask(DO, 9), b"something");
        let mut answer = [0; 12];
        peer.stream.read_exact(&mut answer).unwrap();
        let held = i64::from_be_bytes(*answer.last_chunk().unwrap());
        assert!(held < 1 << 20, "{backend}: {held} bytes");
    }
}

#[test]
fn an_idle_session_takes_at_most_512_bytes() {
    if !raise_file_limit(2 * MANY as u64 + 200) {
        eprintln!("skipped: the limit of open files is too low");
        return;
    }
    let mut tried = 0;
    for backend in Backend::of_this_system() {
        if Driver::new(DriverConfig::new().backend(*backend)).is_err() {
            continue;
        }
        let minute = Duration::from_secs(60);
        let with_timeouts = |builder: Builder| {
            let builder = builder.idle_timeout(minute).read_timeout(minute).write_timeout(minute);
            builder.handshake_timeout(minute).heartbeat(minute)
        };
        for (case, bytes) in [
            ("raw", bytes_a_session(*backend, Raw, None, |builder| builder)),
            ("length-prefixed", bytes_a_session(*backend, LengthPrefixed::u32(), None, |builder| builder)),
            ("with time-outs", bytes_a_session(*backend, Raw, None, with_timeouts)),
        ] {
            assert!((200..=512).contains(&bytes), "{backend}, {case}: {bytes} bytes a session");
        }
        // A member keeps its place in the group's log.
        let member = bytes_a_session(*backend, Raw, Some(Group::new()), |builder| builder);
        assert!((200..=768).contains(&member), "{backend}: {member} bytes a member of a group");
        let prefixed = LengthPrefixed::u32();
        let without_a_word = bytes_a_session(*backend, prefixed, None, |builder| builder);
        let deeds: [(&str, Deed); 3] = [
            ("a packet too long", |session| {
                let sent = session.send(&[0; 100_000]);
                assert!(matches!(sent, Err(SendError::Frame(_))), "{sent:?}");
            }),
            ("a membership that has ended", |session| {
                let group = Group::new();
                session.join(&group).unwrap();
                session.leave(&group);
            }),
            ("being the one who is not told", |session| {
                // The first is told.
                let group = ROOM.with(|room| {
                    let made = || (Group::new(), session.id());
                    let (group, first) = room.get_or_init(made);
                    if *first == session.id() {
                        session.join(group).unwrap();
                    }
                    group.clone()
                });
                group.broadcast_except(session.id(), b"!").unwrap();
            }),
        ];
        for (what, deed) in deeds {
            let bytes = bytes_a_session_that(deed, *backend, prefixed, None, |builder| builder);
            assert!(
                bytes < without_a_word + 64,
                "{backend}: {bytes} bytes a session after {what}, {without_a_word} before"
            );
        }
        let nothing = |session: &Session| session.send(b"").unwrap();
        let bytes = bytes_a_session_that(nothing, *backend, Raw, None, |builder| builder);
        assert!((200..=512).contains(&bytes), "{backend}: {bytes} bytes a session that has sent nothing");
        tried += 1;
    }
    assert!(tried > 0, "no backend works here");
}
