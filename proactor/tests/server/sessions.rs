//! Sessions of an echo server: every byte comes back to its own client, and no client can harm
//! another.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use proactor::{CloseReason, Flow, Handler, Limits, NoMessage, SendError, Server, Session, SessionId};

use crate::harness::{
    PATIENCE, Refusing, ReportsIds, address_of, connect, finish, patient, pattern, raise_open_files, read_once,
    round_trip, wait_until,
};

/// Echoes, and reports why sessions end.
#[derive(Clone)]
struct Echo {
    closed: mpsc::Sender<CloseReason>,
    open: Arc<AtomicUsize>,
}

impl Echo {
    fn new() -> (Echo, mpsc::Receiver<CloseReason>) {
        let (closed, reasons) = mpsc::channel();
        (Echo { closed, open: Arc::default() }, reasons)
    }
}

impl Handler for Echo {
    type State = ();
    type Message = NoMessage;

    fn connected(&mut self, _: &Session) {
        self.open.fetch_add(1, Ordering::Relaxed);
    }

    fn received(&mut self, session: &Session, _: &mut (), packet: &[u8]) -> Flow {
        assert!(!packet.starts_with(b"panic"), "asked to panic");
        if packet.starts_with(b"quit") {
            return Flow::Close;
        }
        match session.send(packet) {
            Ok(()) => Flow::Continue,
            Err(_) => Flow::Close,
        }
    }

    fn closed(&mut self, _: SessionId, (): (), reason: &CloseReason) {
        self.open.fetch_sub(1, Ordering::Relaxed);
        let _ = self.closed.send(*reason);
    }
}

fn start(shards: usize) -> (Server, SocketAddr, mpsc::Receiver<CloseReason>) {
    raise_open_files();
    let (echo, reasons) = Echo::new();
    let server = Server::builder().listen("127.0.0.1:0").shards(shards).start(echo).unwrap();
    let address = address_of(&server);
    (server, address, reasons)
}

#[test]
fn every_size_in_every_split_comes_back_whole_before_the_end_of_the_stream() {
    let (server, address, reasons) = start(2);
    let mut sessions = 0;
    for len in [1, 2, 3, 63, 64, 65, 1000, 4095, 4096, 16_383, 16_384, 16_385, 65_536, 300_000, 1 << 20] {
        for piece in [1, 7, 1000, 16_384, 1 << 20] {
            if len / piece > 20_000 {
                continue;
            }
            let bytes = pattern(sessions, len);
            let back = round_trip(&connect(address), &bytes, piece);
            assert!(back == bytes, "{len} bytes in pieces of {piece}: {} came back", back.len());
            sessions += 1;
        }
    }
    for _ in 0..sessions {
        assert_eq!(reasons.recv_timeout(PATIENCE).unwrap(), CloseReason::ByPeer);
    }
    finish(server);
}

#[test]
fn hundreds_of_sessions_at_once_each_get_their_own_bytes() {
    let (server, address, _reasons) = start(2);
    std::thread::scope(|scope| {
        for worker in 0..8 {
            scope.spawn(move || {
                let streams: Vec<TcpStream> = (0..40).map(|_| connect(address)).collect();
                for round in 0..20 {
                    for (index, mut stream) in streams.iter().enumerate() {
                        stream.write_all(&pattern(worker * 1000 + index + round, 100 + round * 50)).unwrap();
                    }
                    for (index, mut stream) in streams.iter().enumerate() {
                        let expected = pattern(worker * 1000 + index + round, 100 + round * 50);
                        let mut back = vec![0; expected.len()];
                        stream.read_exact(&mut back).unwrap();
                        assert!(back == expected, "worker {worker}, session {index}, round {round}");
                    }
                }
            });
        }
    });
    finish(server);
}

#[test]
fn five_thousand_sessions_at_once() {
    let (server, address, _reasons) = start(2);
    let handle = server.handle();
    // Fewer if the limit of open files is lower. Tests that run beside this one need some too.
    let count = 5000.min(raise_open_files().saturating_sub(4000).max(200) / 2);
    let streams: Vec<TcpStream> = (0..count).map(|_| connect(address)).collect();
    for (index, mut stream) in streams.iter().enumerate() {
        stream.write_all(&pattern(index, 64)).unwrap();
    }
    for (index, mut stream) in streams.iter().enumerate() {
        let mut back = [0; 64];
        stream.read_exact(&mut back).unwrap();
        assert!(back[..] == pattern(index, 64), "session {index}");
    }
    assert_eq!(handle.sessions(), count);
    drop(streams);
    wait_until("all sessions have ended", || handle.sessions() == 0);
    finish(server);
}

#[test]
fn a_reset_harms_no_other_session() {
    let (server, address, reasons) = start(1);
    let mut quiet = connect(address);
    for round in 0..50 {
        let victim = connect(address);
        (&victim).write_all(&pattern(round, 5000)).unwrap();
        // Closing with unread input resets the connection.
        wait_until("an echo is there to be left unread", || victim.peek(&mut [0; 1]).unwrap_or(0) == 1);
        drop(victim);
        quiet.write_all(&[200; 10]).unwrap();
        quiet.read_exact(&mut [0; 10]).unwrap();
    }
    for _ in 0..50 {
        let reason = reasons.recv_timeout(PATIENCE).unwrap();
        assert!(matches!(reason, CloseReason::Reset | CloseReason::ByPeer), "{reason:?}");
    }
    finish(server);
}

#[test]
fn a_panic_in_the_handler_closes_its_session_only() {
    let (server, address, reasons) = start(1);
    let mut other = connect(address);
    let mut stream = connect(address);
    stream.write_all(b"panic").unwrap();
    let end = read_once(&stream, &mut [0; 1]);
    assert!(matches!(end, Ok(0)) || end.is_err_and(|error| error.kind() == ErrorKind::ConnectionReset));
    assert_eq!(reasons.recv_timeout(PATIENCE).unwrap(), CloseReason::Panic);
    other.write_all(&[201]).unwrap();
    other.read_exact(&mut [0; 1]).unwrap();
    finish(server);
}

#[test]
fn a_close_comes_after_what_is_queued() {
    let (server, address, reasons) = start(1);
    let mut stream = connect(address);
    stream.write_all(&[222; 100]).unwrap();
    let mut back = vec![0; 100];
    stream.read_exact(&mut back).unwrap();
    stream.write_all(b"quit").unwrap();
    assert_eq!(read_once(&stream, &mut back).unwrap(), 0);
    drop(stream);
    assert_eq!(reasons.recv_timeout(PATIENCE).unwrap(), CloseReason::ByHandler);
    finish(server);
}

#[test]
fn a_peer_that_does_not_read_cannot_send_on_and_loses_nothing() {
    let (server, address, _reasons) = start(1);
    let stream = connect(address);
    let bytes = pattern(1, 64 << 20);
    let written = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for piece in bytes.chunks(64 * 1024) {
                (&stream).write_all(piece).unwrap();
                written.fetch_add(piece.len(), Ordering::Relaxed);
            }
            stream.shutdown(Shutdown::Write).unwrap();
        });
        // The writer has to stop: the server reads no more than it can send back.
        let mut last = usize::MAX;
        wait_until("the writer is held up", || {
            std::thread::sleep(Duration::from_millis(200));
            let now = written.load(Ordering::Relaxed);
            std::mem::replace(&mut last, now) == now && now > 0
        });
        assert!(last < bytes.len(), "the server took everything in");
        // Other clients are served meanwhile.
        let other = pattern(2, 1000);
        assert!(round_trip(&connect(address), &other, 100) == other);
        let mut back = Vec::new();
        (&stream).read_to_end(&mut back).unwrap();
        assert!(back == bytes, "{} of {} bytes came back", back.len(), bytes.len());
    });
    finish(server);
}

#[test]
fn one_flooding_peer_does_not_starve_quiet_ones() {
    let (server, address, _reasons) = start(1);
    let flooder = connect(address);
    let over = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        let (flooder, over) = (&flooder, &over);
        scope.spawn(move || {
            let piece = [255; 256 * 1024];
            let mut stream = flooder;
            while over.load(Ordering::Relaxed) == 0 && stream.write_all(&piece).is_ok() {}
        });
        scope.spawn(move || {
            let mut stream = flooder;
            let mut sink = vec![0; 256 * 1024];
            while matches!(stream.read(&mut sink), Ok(1..)) {}
        });
        let quiet: Vec<TcpStream> = (0..20).map(|_| connect(address)).collect();
        for round in 0..100 {
            for mut stream in &quiet {
                let bytes = pattern(round, 64);
                stream.write_all(&bytes).unwrap();
                let mut back = [0; 64];
                stream.read_exact(&mut back).unwrap();
                assert!(back[..] == bytes);
            }
        }
        over.store(1, Ordering::Relaxed);
        flooder.shutdown(Shutdown::Both).unwrap();
    });
    finish(server);
}

/// Sends many bytes to each client and reads nothing. In a drain it closes, and leaves what came.
#[derive(Clone)]
struct Burst(usize);

impl Handler for Burst {
    type State = ();
    type Message = NoMessage;
    fn connected(&mut self, session: &Session) {
        session.send(&pattern(7, self.0)).unwrap();
    }
    fn received(&mut self, _: &Session, _: &mut (), _: &[u8]) -> Flow {
        Flow::Pause
    }
    fn draining(&mut self, session: &Session, _: &mut ()) {
        session.close();
    }
}

#[test]
fn draining_delivers_what_is_queued_even_if_input_is_left_unread() {
    const LEN: usize = 8 << 20;
    let builder = Server::builder().listen("127.0.0.1:0").shards(1).limits(Limits::new().outbox_bytes(2 * LEN));
    let server = builder.start(Burst(LEN)).unwrap();
    let handle = server.handle();
    let streams: Vec<TcpStream> = (0..4).map(|_| connect(address_of(&server))).collect();
    for mut stream in &streams {
        stream.write_all(&[250; 100_000]).unwrap();
        stream.read_exact(&mut [0; 1]).unwrap();
    }
    handle.drain(PATIENCE);
    for mut stream in &streams {
        stream.write_all(&[250; 1000]).unwrap();
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).unwrap();
        assert!(rest[..] == pattern(7, LEN)[1..], "{} of {} bytes", rest.len() + 1, LEN);
    }
    drop(streams);
    server.wait().unwrap();
    assert_eq!(handle.sessions(), 0);
}

#[test]
fn draining_ends_when_its_time_is_over() {
    let server = Server::builder()
        .listen("127.0.0.1:0")
        .shards(2)
        .limits(Limits::new().outbox_bytes(64 << 20))
        .start(Burst(32 << 20))
        .unwrap();
    let handle = server.handle();
    let streams: Vec<TcpStream> = (0..4).map(|_| connect(address_of(&server))).collect();
    wait_until("all are sessions", || handle.sessions() == 4);
    handle.drain(Duration::from_millis(200));
    server.wait().unwrap();
    assert_eq!(handle.sessions(), 0);
    drop(streams);
}

#[test]
fn a_handle_sends_to_and_closes_a_session_from_any_thread() {
    let (names, ids) = mpsc::channel();
    let server = Server::builder().listen("127.0.0.1:0").shards(2).start(ReportsIds(names)).unwrap();
    let handle = server.handle();
    let streams: Vec<TcpStream> = (0..10).map(|_| connect(address_of(&server))).collect();
    let ids: Vec<SessionId> = (0..10).map(|_| ids.recv_timeout(PATIENCE).unwrap()).collect();
    for id in &ids {
        handle.send(*id, format!("you are {id}")).unwrap();
        handle.close(*id).unwrap();
    }
    let mut told: Vec<String> = streams
        .iter()
        .map(|mut stream| {
            let mut text = String::new();
            stream.read_to_string(&mut text).unwrap();
            text
        })
        .collect();
    let mut expected: Vec<String> = ids.iter().map(|id| format!("you are {id}")).collect();
    told.sort();
    expected.sort();
    assert_eq!(told, expected);
    drop(streams);
    wait_until("all have ended", || handle.sessions() == 0);
    finish(server);
    assert_eq!(handle.send(ids[0], "late"), Err(SendError::Closed));
}

#[test]
fn sessions_never_exceed_their_limit_and_every_slot_is_given_back() {
    raise_open_files();
    let (echo, _reasons) = Echo::new();
    let open = Arc::clone(&echo.open);
    let builder = Server::builder().listen("127.0.0.1:0").shards(2).limits(Limits::new().sessions(50));
    let server = builder.start(echo).unwrap();
    let handle = server.handle();
    for _ in 0..3 {
        // A connect may fail: the server turns most of them away.
        let connects = (0..200).filter_map(|_| TcpStream::connect(address_of(&server)).ok());
        let streams: Vec<TcpStream> = connects.map(patient).collect();
        let served = streams
            .iter()
            .filter(|stream| {
                let mut stream = *stream;
                stream.write_all(&[200]).is_ok() && matches!(read_once(stream, &mut [0; 1]), Ok(1))
            })
            .count();
        assert_eq!(served, 50);
        assert!(open.load(Ordering::Relaxed) <= 50);
        drop(streams);
        wait_until("every slot is free again", || handle.sessions() == 0);
    }
    finish(server);
}

#[test]
fn errors_name_the_address_and_the_remedy() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let error = Server::builder().listen(address).shards(1).start(Echo::new().0).unwrap_err().to_string();
    assert!(error.contains(&address.to_string()) && error.contains("choose another port"), "{error}");
    let error = Server::builder().start(Echo::new().0).unwrap_err().to_string();
    assert!(error.contains("needs an address"), "{error}");
    let builder = Server::builder().listen("127.0.0.1:0").limits(Limits::new().outbox_bytes(100));
    assert!(builder.start(Echo::new().0).unwrap_err().to_string().contains("100 bytes"));
}

#[test]
fn a_server_listens_on_both_families_at_once() {
    let (echo, _reasons) = Echo::new();
    let builder = Server::builder().listen("127.0.0.1:0").listen("[::1]:0");
    let server = builder.shards(1).start(echo).unwrap();
    for address in server.local_addrs() {
        let bytes = pattern(3, 5000);
        assert!(round_trip(&connect(address.ip().unwrap()), &bytes, 500) == bytes, "{address}");
    }
    finish(server);
}

#[test]
fn a_start_that_fails_leaves_nothing_behind() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let free = Refusing::for_a_server();
    let builder = Server::builder().listen(free.address).listen(taken.local_addr().unwrap()).shards(3);
    assert!(builder.start(Echo::new().0).is_err());
    drop(std::net::TcpListener::bind(free.address).expect("the first address is free again"));
}

#[test]
fn a_session_that_pauses_and_resumes_loses_nothing() {
    #[derive(Clone)]
    struct Pausing(Arc<AtomicUsize>);
    impl Handler for Pausing {
        type State = usize;
        type Message = NoMessage;
        fn connected(&mut self, _: &Session) -> usize {
            0
        }
        fn received(&mut self, session: &Session, seen: &mut usize, packet: &[u8]) -> Flow {
            *seen += packet.len();
            self.0.fetch_add(packet.len(), Ordering::Relaxed);
            session.send(packet).unwrap();
            session.pause();
            // The receive is cancelled and started again each time, with packets in flight.
            session.resume();
            Flow::Continue
        }
    }
    let total = Arc::new(AtomicUsize::new(0));
    let builder = Server::builder().listen("127.0.0.1:0").shards(1);
    let server = builder.start(Pausing(Arc::clone(&total))).unwrap();
    let bytes = pattern(9, 4 << 20);
    assert!(round_trip(&connect(address_of(&server)), &bytes, 10_000) == bytes);
    assert_eq!(total.load(Ordering::Relaxed), bytes.len());
    finish(server);
}
