//! What an idle session takes of the program's memory, counted in bytes that its shard has asked for: no more than 512, on either backend of Linux.
//!
//! Alone in its file, for the limit of open files is the process's.
#![cfg(unix)]

mod counting;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use overlapped::{Backend, Driver, DriverConfig};
use proactor::codec::{Codec, Framing, LengthPrefixed, Raw};
use proactor::{Builder, Flow, Group, Handler, Server, Session};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use counting::bytes_held;

/// Tables grow by doubling: at both of these they are all but full.
const FEW: usize = 1_000;
const MANY: usize = 4_000;

/// Echoes; to a question it answers what its shard holds.
#[derive(Clone)]
struct Echo {
    group: Option<Group>,
}

const QUESTION: &[u8] = b"how many bytes?";

impl Handler for Echo {
    type State = ();
    fn connected(&mut self, session: &Session) {
        if let Some(group) = &self.group {
            session.join(group).unwrap();
        }
    }
    fn received(&mut self, session: &Session, (): &mut (), packet: &[u8]) -> Flow {
        let sent = match packet {
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

    /// Sends a packet, and receives one of so many bytes.
    fn ask(&mut self, packet: &[u8], bytes: usize) -> Vec<u8> {
        let (mut frame, mut back) = (Vec::new(), Vec::new());
        self.codec.encode(packet, &mut frame).unwrap();
        self.stream.write_all(&frame).unwrap();
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
    let builder = Server::builder().bind("127.0.0.1:0").shards(1).backend(Some(backend)).codec(codec.clone());
    let server = with(builder).start(Echo { group }).unwrap();
    let address = server.local_addrs()[0].ip().unwrap();
    let mut peers: Vec<Peer> = Vec::new();
    let mut grow = |sessions: usize| {
        while peers.len() < sessions {
            let mut peer = Peer::new(address, codec.clone());
            assert_eq!(peer.ask(&[b'x'; 64], 64), [b'x'; 64]);
            peers.push(peer);
        }
        peers[0].held_by_the_shard()
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

#[test]
fn an_idle_session_takes_at_most_512_bytes() {
    if !raise_file_limit(2 * MANY as u64 + 200) {
        eprintln!("skipped: the limit of open files is too low");
        return;
    }
    let mut tried = 0;
    for backend in Backend::of_this_system() {
        if Driver::new(DriverConfig { backend: Some(*backend), ..DriverConfig::default() }).is_err() {
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
        tried += 1;
    }
    assert!(tried > 0, "no backend works here");
}
