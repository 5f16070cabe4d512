//! Packets that stand for their key, for a peer of a real system that does not read at first.

use std::io::{ErrorKind, Read};
use std::net::TcpStream;
use std::sync::mpsc::{self, Receiver, Sender};

use proactor::codec::LengthPrefixed;
use proactor::{Builder, Delivery, Flow, Handler, Limits, Server, Session, SessionId};

use crate::harness::{PATIENCE, address_of, connect, on_each_backend};

const KEYS: u64 = 4;
const HUGE: usize = 32 << 20;
const LEN: usize = 10_000;
const VERSIONS: u64 = 100;

/// What a session on a real system is told to do.
enum Command {
    Close,
    ShutDown,
    Abort,
    Report,
}

/// Does as it is told, and reports bytes that are queued and what became of them.
#[derive(Clone)]
struct Obedient {
    ids: Sender<SessionId>,
    queued: Sender<usize>,
    ends: Sender<Delivery>,
}

impl Handler for Obedient {
    type State = ();
    type Message = Command;
    fn connected(&mut self, session: &Session) {
        self.ids.send(session.id()).unwrap();
    }
    fn received(&mut self, _: &Session, (): &mut (), _: &[u8]) -> Flow {
        Flow::Continue
    }
    fn message(&mut self, session: &Session, (): &mut (), command: Command) {
        self.queued.send(session.queued()).unwrap();
        match command {
            Command::Close => session.close(),
            Command::ShutDown => session.shutdown(),
            Command::Abort => session.abort(),
            Command::Report => {}
        }
    }
    fn released(&mut self, _: SessionId, delivery: Delivery) {
        let _ = self.ends.send(delivery);
    }
}

struct Running {
    server: Server<Command>,
    stream: TcpStream,
    queued: Receiver<usize>,
    ends: Receiver<Delivery>,
}

/// A session whose peer has more to take than the system holds, and for which packets of keys wait
/// behind that, which has been told this command.
fn start(builder: Builder, command: Command) -> Running {
    let ((ids, new), (queued, reports), (ends, endings)) = (mpsc::channel(), mpsc::channel(), mpsc::channel());
    let builder =
        builder.codec(LengthPrefixed::u32().max_packet(2 * HUGE)).limits(Limits::new().outbox_bytes(4 * HUGE));
    let server = builder.start(Obedient { ids, queued, ends }).unwrap();
    let stream = connect(address_of(&server));
    let id = new.recv_timeout(PATIENCE).unwrap();
    let handle = server.handle();
    handle.send(id, vec![0xee; HUGE]).unwrap();
    for version in 0..VERSIONS {
        for key in 0..KEYS {
            handle.send_latest(id, key, packet(key, version)).unwrap();
        }
    }
    handle.post(id, command).unwrap();
    Running { server, stream, queued: reports, ends: endings }
}

fn packet(key: u64, version: u64) -> Vec<u8> {
    let mut packet = vec![key as u8; LEN];
    packet[..8].copy_from_slice(&version.to_be_bytes());
    packet
}

impl Running {
    fn frame(&self) -> Vec<u8> {
        let mut len = [0; 4];
        (&self.stream).read_exact(&mut len).unwrap();
        let mut frame = vec![0; u32::from_be_bytes(len) as usize];
        (&self.stream).read_exact(&mut frame).unwrap();
        frame
    }

    /// Reads all that was queued. A packet of each key may have left with the first, if the mail
    /// came in several turns; and with the next send only one more.
    fn read(&self) {
        assert!(self.frame() == [0xee; HUGE]);
        let mut next = [0; KEYS as usize];
        let mut frames = 0;
        while next != [VERSIONS; KEYS as usize] {
            let frame = self.frame();
            let (key, version) = (u64::from(frame[LEN - 1]), u64::from_be_bytes(frame[..8].try_into().unwrap()));
            assert!(frame == packet(key, version), "whole");
            assert!(version >= next[key as usize], "{version} of key {key} is old");
            next[key as usize] = version + 1;
            frames += 1;
        }
        assert!(frames <= 2 * KEYS, "{frames} frames: they were not replaced");
        let queued = self.queued.recv_timeout(PATIENCE).unwrap();
        assert!(queued >= HUGE + 4 + KEYS as usize * (LEN + 4), "they count");
    }

    fn read_end(&self) {
        assert_eq!((&self.stream).read(&mut [0; 64]).unwrap(), 0, "nothing more comes");
    }

    fn finish(self) {
        drop(self.stream);
        assert_eq!(self.ends.recv_timeout(PATIENCE).unwrap(), Delivery::Flushed);
        self.server.handle().stop();
        self.server.wait().unwrap();
    }
}

#[test]
fn a_slow_peer_gets_the_newest_of_each_key_and_its_session_goes_on() {
    on_each_backend(|builder| {
        let running = start(builder, Command::Report);
        running.read();
        running.finish();
    });
}

#[test]
fn the_last_of_each_key_comes_when_the_session_is_closed_or_shut_down() {
    for command in [|| Command::Close, || Command::ShutDown] {
        on_each_backend(|builder| {
            let running = start(builder, command());
            running.read();
            running.read_end();
            running.finish();
        });
    }
}

#[test]
fn the_last_of_each_key_comes_when_the_server_is_drained() {
    on_each_backend(|builder| {
        let running = start(builder, Command::Report);
        let handle = running.server.handle();
        handle.drain(PATIENCE);
        running.read();
        running.read_end();
        drop(running.stream);
        running.server.wait().unwrap();
        let stats = handle.stats();
        assert_eq!((stats.drained, stats.drain_cut, stats.cut), (1, 0, 0));
    });
}

#[test]
fn an_abort_cuts_what_waits_and_counts_it() {
    on_each_backend(|builder| {
        let running = start(builder, Command::Abort);
        let queued = running.queued.recv_timeout(PATIENCE).unwrap();
        assert!(queued >= HUGE + 4 + KEYS as usize * (LEN + 4), "they count");
        let delivery = running.ends.recv_timeout(PATIENCE).unwrap();
        assert_eq!(delivery, Delivery::Cut { bytes: queued as u64 });
        let error = (&running.stream).read_to_end(&mut Vec::new()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        running.server.handle().stop();
        running.server.wait().unwrap();
    });
}
