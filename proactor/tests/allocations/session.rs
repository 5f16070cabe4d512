//! How much memory an idle session takes: at most 256 bytes. Counted are the bytes that its shard's
//! thread holds.

use std::cell::OnceCell;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use proactor::codec::{Codec, Framing, LengthPrefixed, Raw};
use proactor::{
    Backend, Builder, Flow, Group, Handler, Limits, NoMessage, SendError, Server, Session, SessionId, Timeouts,
};

use crate::counting::bytes_held;
use crate::open_files::raise_open_files;
use crate::{backends, builder, connect};

/// Between these counts every table grows, by a thirty-second at a time.
const FEW: usize = 1_000;
const MANY: usize = 4_000;

type Deed = fn(&Session);

/// Echoes. Answers `QUESTION` with the bytes that its shard holds. For `DO` it runs `deed` and
/// answers nothing.
#[derive(Clone)]
struct Echo {
    group: Option<Group>,
    deed: Deed,
    done: Arc<AtomicUsize>,
    /// Beginnings of messages. A stream may bring one in pieces.
    begun: Vec<(SessionId, Vec<u8>)>,
}

const QUESTION: &[u8] = b"how many bytes?";
const DO: &[u8] = b"do it";

impl Echo {
    /// The message that `piece` completes. What has only begun is kept aside, and in no record of a
    /// session: that would count.
    fn whole(&mut self, session: &Session, piece: &[u8]) -> Option<Vec<u8>> {
        let id = session.id();
        let mut message = match self.begun.iter().position(|(of, _)| *of == id) {
            Some(place) => self.begun.swap_remove(place).1,
            None => Vec::new(),
        };
        message.extend_from_slice(piece);
        if [DO, QUESTION].iter().any(|one| message.len() < one.len() && one.starts_with(&message)) {
            self.begun.push((id, message));
            return None;
        }
        if self.begun.is_empty() {
            self.begun = Vec::new();
        }
        Some(message)
    }
}

impl Handler for Echo {
    type State = ();
    type Message = NoMessage;
    fn connected(&mut self, session: &Session) {
        if let Some(group) = &self.group {
            session.join(group).unwrap();
        }
    }
    fn received(&mut self, session: &Session, (): &mut (), packet: &[u8]) -> Flow {
        let Some(message) = self.whole(session, packet) else { return Flow::Continue };
        // Its memory must not be among what is counted.
        let held = bytes_held() - message.capacity() as i64;
        let sent = match &message[..] {
            DO => {
                (self.deed)(session);
                self.done.fetch_add(1, Ordering::Release);
                Ok(())
            }
            QUESTION => session.send(&held.to_be_bytes()),
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
    fn new(server: &Server, codec: impl Codec + Clone) -> Peer {
        Peer { stream: connect(server), codec: codec.into_framing() }
    }

    fn tell(&mut self, packet: &[u8]) {
        let mut frame = Vec::new();
        self.codec.encode(packet, &mut frame).unwrap();
        self.stream.write_all(&frame).unwrap();
    }

    /// Sends a packet, and receives one of `bytes` bytes.
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

/// The bytes of one more session, once there are some.
fn bytes_a_session(
    backend: Backend,
    codec: impl Codec + Clone,
    group: Option<Group>,
    with: impl FnOnce(Builder) -> Builder,
) -> i64 {
    bytes_a_session_that(|_| {}, backend, codec, group, with)
}

/// The same for sessions that have done something.
fn bytes_a_session_that(
    deed: Deed,
    backend: Backend,
    codec: impl Codec + Clone,
    group: Option<Group>,
    with: impl FnOnce(Builder) -> Builder,
) -> i64 {
    let builder = builder(backend).codec(codec.clone());
    let done = Arc::new(AtomicUsize::new(0));
    let server = with(builder).start(Echo { group, deed, done: Arc::clone(&done), begun: Vec::new() }).unwrap();
    let mut peers: Vec<Peer> = Vec::new();
    let mut grow = |sessions: usize| {
        while peers.len() < sessions {
            let mut peer = Peer::new(&server, codec.clone());
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

thread_local! {
    /// A group of the shard, and its only member.
    static ROOM: OnceCell<(Group, SessionId)> = const { OnceCell::new() };
}

/// A slow peer must not cost more memory than its outbox may hold.
#[test]
fn a_packet_that_does_not_fit_the_outbox_takes_no_memory() {
    const LARGE: usize = 8 << 20;
    static LARGE_PACKET: [u8; LARGE] = [0; LARGE];
    for backend in backends() {
        let deed = |session: &Session| {
            session.send(b"something").unwrap();
            let before = bytes_held();
            for _ in 0..2 {
                assert_eq!(session.send(&LARGE_PACKET), Err(SendError::Full));
            }
            session.send(&(bytes_held() - before).to_be_bytes()).unwrap();
        };
        let codec = LengthPrefixed::u32().max_packet(LARGE);
        let builder = builder(backend).codec(codec);
        let server = builder.start(Echo { group: None, deed, done: Arc::default(), begun: Vec::new() }).unwrap();
        let mut peer = Peer::new(&server, codec);
        assert_eq!(peer.ask(DO, 9), b"something");
        let mut answer = [0; 12];
        peer.stream.read_exact(&mut answer).unwrap();
        let held = i64::from_be_bytes(*answer.last_chunk().unwrap());
        assert!(held < 1 << 20, "{backend}: {held} bytes");
    }
}

#[test]
fn an_idle_session_takes_at_most_256_bytes() {
    // Both ends of the sessions, and some hundred files of the tests beside this one.
    if raise_open_files() < 2 * MANY + 1000 {
        eprintln!("skipped: the limit of open files is too low");
        return;
    }
    for backend in backends() {
        let minute = Duration::from_secs(60);
        let with_timeouts = |builder: Builder| {
            let timeouts = Timeouts::new().idle(minute).read(minute).write(minute);
            builder.timeouts(timeouts.handshake(minute).heartbeat(minute))
        };
        for (case, most, bytes) in [
            ("raw", 256, bytes_a_session(backend, Raw, None, |builder| builder)),
            ("length-prefixed", 256, bytes_a_session(backend, LengthPrefixed::u32(), None, |builder| builder)),
            // Deadlines, and an entry in the wheel.
            ("with timeouts", 320, bytes_a_session(backend, Raw, None, with_timeouts)),
            // The prefix of its address.
            (
                "with a limit per address",
                288,
                bytes_a_session(backend, Raw, None, |builder| {
                    builder.limits(Limits::new().sessions(2 * MANY).sessions_per_ip(MANY))
                }),
            ),
            // A member also has a position in the group's log.
            ("a member of a group", 512, bytes_a_session(backend, Raw, Some(Group::new()), |builder| builder)),
        ] {
            assert!((180..=most).contains(&bytes), "{backend}, {case}: {bytes} bytes a session");
        }
        let prefixed = LengthPrefixed::u32();
        let without_a_word = bytes_a_session(backend, prefixed, None, |builder| builder);
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
            ("a broadcast to others", |session| {
                // Only the first session joins.
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
            let bytes = bytes_a_session_that(deed, backend, prefixed, None, |builder| builder);
            assert!(
                bytes < without_a_word + 64,
                "{backend}: {bytes} bytes a session after {what}, {without_a_word} before"
            );
        }
        let nothing = |session: &Session| session.send(b"").unwrap();
        let bytes = bytes_a_session_that(nothing, backend, Raw, None, |builder| builder);
        assert!((180..=256).contains(&bytes), "{backend}: {bytes} bytes a session that has sent nothing");
    }
}
