//! Codecs in the server, with real sockets, on every backend that works here: the packets of every session, whole and in order, and what ends a session
//! whose bytes are none.

use std::cell::RefCell;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::Duration;

use overlapped::driver::{ShutdownHow, Wait};
use overlapped::report::Backend;
use overlapped::sim::Network;
use overlapped::{Driver, DriverConfig, Op, Outcome};
use proactor::codec::{Codec, Decoded, Fixed, FrameError, Framing, LengthPrefixed, Lines, Raw};
use proactor::{CloseReason, Flow, Handler, SendError, Server, Session, SessionId};

const PATIENCE: Duration = Duration::from_secs(30);

/// Those that can be set up here; where io_uring is refused there is another.
fn backends() -> Vec<Backend> {
    let works = |backend: &Backend| Driver::new(DriverConfig::new().backend(*backend)).is_ok();
    let backends: Vec<Backend> = Backend::of_this_system().iter().copied().filter(works).collect();
    assert!(!backends.is_empty());
    backends
}

/// A server of one shard, so that sessions meet.
fn start<H: Handler>(backend: Backend, codec: Framing, handler: H) -> (Server, SocketAddr) {
    let builder = Server::builder().bind("127.0.0.1:0").shards(1).backend(Some(backend));
    let server = builder.linger(Duration::from_secs(1)).codec(codec).start(handler).unwrap();
    let address = server.local_addrs()[0].ip().unwrap();
    (server, address)
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

fn finish(server: Server) {
    let handle = server.handle();
    handle.stop();
    server.wait().unwrap();
    assert_eq!(handle.sessions(), 0, "a slot was not given back");
}

/// Packets that end in a NUL byte, and that begin with no `!`.
#[derive(Clone)]
struct NulEnded;

impl Codec for NulEnded {
    fn decode(&mut self, bytes: &[u8]) -> Result<Decoded, FrameError> {
        assert!(!bytes.starts_with(b"!"), "asked to panic");
        match bytes.iter().position(|byte| *byte == 0) {
            Some(end) => Ok(Decoded::Frame { packet: 0..end, consumed: end + 1 }),
            None => Ok(Decoded::Need(bytes.len() + 1)),
        }
    }
    fn encode(&mut self, packet: &[u8], out: &mut Vec<u8>) -> Result<(), FrameError> {
        out.extend_from_slice(packet);
        assert!(!packet.starts_with(b"?"), "asked to panic");
        out.push(0);
        Ok(())
    }
    fn max_bytes(&self) -> usize {
        1000
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Event {
    Packet(Vec<u8>),
    Closed(CloseReason),
}

/// Echoes packet by packet, and says what came and how it ended; what begins with `#` is not told.
#[derive(Clone)]
struct Echo(Sender<Event>);

impl Echo {
    fn new() -> (Echo, Receiver<Event>) {
        let (events, told) = mpsc::channel();
        (Echo(events), told)
    }
}

impl Handler for Echo {
    type State = bool;
    fn connected(&mut self, _: &Session) -> bool {
        true
    }
    fn received(&mut self, session: &Session, told: &mut bool, packet: &[u8]) -> Flow {
        *told = !packet.starts_with(b"#");
        if *told {
            self.0.send(Event::Packet(packet.to_vec())).unwrap();
        }
        match session.send(packet) {
            _ if packet == b"quit" => Flow::Close,
            Ok(()) => Flow::Continue,
            Err(error) => panic!("{error}"),
        }
    }
    fn closed(&mut self, _: SessionId, told: bool, reason: &CloseReason) {
        if told {
            let _ = self.0.send(Event::Closed(*reason));
        }
    }
}

fn event(events: &Receiver<Event>) -> Event {
    events.recv_timeout(PATIENCE).unwrap()
}

/// Writes in pieces while it reads what comes back, to the end.
fn exchange(stream: &TcpStream, bytes: &[u8], piece: usize) -> Vec<u8> {
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let mut stream = stream;
            for piece in bytes.chunks(piece) {
                stream.write_all(piece).unwrap();
            }
            stream.shutdown(Shutdown::Write).unwrap();
        });
        let (mut stream, mut back) = (stream, Vec::new());
        stream.read_to_end(&mut back).unwrap();
        back
    })
}

fn framed(codec: &Framing, packets: &[Vec<u8>]) -> Vec<u8> {
    let (mut codec, mut stream) = (codec.clone(), Vec::new());
    for packet in packets {
        codec.encode(packet, &mut stream).unwrap();
    }
    stream
}

/// Packets without a byte that means anything to a codec. The longest is so long that frames lie across several receive buffers.
fn packets(count: usize, longest: usize) -> Vec<Vec<u8>> {
    let len = |index: usize| index * index * 31 % (longest + 1);
    (0..count).map(|index| (0..len(index)).map(|at| 0x80 | (index * 7 + at) as u8).collect()).collect()
}

fn every_codec() -> Vec<(Framing, Vec<Vec<u8>>, usize)> {
    let prefixed = [
        LengthPrefixed::u8(),
        LengthPrefixed::u16().little_endian(),
        LengthPrefixed::u32(),
        LengthPrefixed::u32().counting_header(),
        LengthPrefixed::u64().little_endian().counting_header(),
    ];
    let mut all = vec![
        (Lines::new().max_line(50_000).into_framing(), 50_000),
        (Lines::new().crlf().into_framing(), 500),
        (NulEnded.into_framing(), 900),
    ];
    all.extend(prefixed.map(|codec| (codec.into_framing(), if codec == LengthPrefixed::u8() { 255 } else { 50_000 })));
    let mut all: Vec<_> = all
        .into_iter()
        .map(|(codec, longest)| {
            let count = if longest > 1000 { 100 } else { 2000 };
            (codec, packets(count, longest), longest)
        })
        .collect();
    let fixed = |bytes: usize, count: usize| vec![vec![0x81; bytes]; count];
    all.push((Fixed::new(1).into_framing(), fixed(1, 2000), 1));
    all.push((Fixed::new(40_000).into_framing(), fixed(40_000, 30), 40_000));
    all
}

#[test]
fn packets_come_whole_and_in_order_under_every_codec_byte_by_byte_and_all_at_once() {
    for backend in backends() {
        for (codec, packets, longest) in every_codec() {
            let (echo, events) = Echo::new();
            let (server, address) = start(backend, codec.clone(), echo);
            let few: Vec<_> = packets.iter().filter(|packet| packet.len() <= 300).take(6).cloned().collect();
            for (packets, piece) in [(&packets, usize::MAX), (&packets, 1000), (&few, 1)] {
                let stream = framed(&codec, packets);
                let back = exchange(&connect(address), &stream, piece);
                assert!(
                    back == stream,
                    "{codec:?} to {longest} on {backend}: {} of {} bytes",
                    back.len(),
                    stream.len()
                );
                for packet in packets {
                    assert!(event(&events) == Event::Packet(packet.clone()), "{codec:?} on {backend}: another packet");
                }
                assert_eq!(event(&events), Event::Closed(CloseReason::ByPeer), "{codec:?} on {backend}");
            }
            finish(server);
        }
    }
}

#[test]
fn a_rest_at_the_end_of_the_stream_is_a_line_or_a_breach_of_protocol() {
    for backend in backends() {
        let (echo, events) = Echo::new();
        let (server, address) = start(backend, Lines::new().into_framing(), echo);
        assert_eq!(exchange(&connect(address), b"one\r\ntwo", 1), b"one\ntwo\n");
        for expected in [b"one", b"two"] {
            assert_eq!(event(&events), Event::Packet(expected.to_vec()));
        }
        assert_eq!(event(&events), Event::Closed(CloseReason::ByPeer));
        finish(server);

        let (echo, events) = Echo::new();
        let (server, address) = start(backend, LengthPrefixed::u8().into_framing(), echo);
        assert_eq!(exchange(&connect(address), b"\x03one\x03tw", 1), b"\x03one");
        assert_eq!(event(&events), Event::Packet(b"one".to_vec()));
        assert_eq!(event(&events), Event::Closed(CloseReason::Protocol));
        finish(server);
    }
}

#[test]
fn what_is_no_frame_ends_its_session_with_its_reason_after_the_answers_and_no_other() {
    let counting = LengthPrefixed::u16().counting_header();
    let cases: [(Framing, &[u8], CloseReason); 6] = [
        (Lines::new().max_line(10).into_framing(), b"12345678901", CloseReason::FrameTooLarge),
        (LengthPrefixed::u8().max_packet(10).into_framing(), b"\x0b", CloseReason::FrameTooLarge),
        (LengthPrefixed::u32().max_packet(10).into_framing(), b"\xff\xff\xff\xff", CloseReason::FrameTooLarge),
        (LengthPrefixed::u64().into_framing(), b"\xff\xff\xff\xff\xff\xff\xff\xff", CloseReason::FrameTooLarge),
        (NulEnded.into_framing(), &[b'x'; 1000], CloseReason::FrameTooLarge),
        (counting.into_framing(), b"\x00\x01", CloseReason::Protocol),
    ];
    for backend in backends() {
        for (codec, bad, reason) in &cases {
            let (echo, events) = Echo::new();
            let (server, address) = start(backend, codec.clone(), echo);
            let quiet = framed(codec, &[b"#quiet".to_vec()]);
            let mut other = connect(address);
            let mut answered = |when: &str| {
                let mut back = vec![0; quiet.len()];
                other.write_all(&quiet).unwrap();
                other.read_exact(&mut back).unwrap_or_else(|error| panic!("{codec:?} on {backend}, {when}: {error}"));
                assert_eq!(back, quiet);
            };
            answered("before");
            let good = framed(codec, &[b"good".to_vec(), b"better".to_vec()]);
            let mut stream = connect(address);
            stream.write_all(&[&good, *bad].concat()).unwrap();
            let mut back = Vec::new();
            stream.read_to_end(&mut back).unwrap();
            assert_eq!(back, good, "{codec:?} on {backend}");
            drop(stream);
            assert_eq!(event(&events), Event::Packet(b"good".to_vec()));
            assert_eq!(event(&events), Event::Packet(b"better".to_vec()));
            assert_eq!(event(&events), Event::Closed(*reason), "{codec:?} on {backend}");
            answered("after");
            finish(server);
        }
    }
}

#[test]
fn an_unfinished_packet_is_too_slow_and_a_session_between_packets_is_not() {
    for backend in backends() {
        for codec in [Lines::new().into_framing(), LengthPrefixed::u8().into_framing()] {
            let (echo, events) = Echo::new();
            let builder = Server::builder().bind("127.0.0.1:0").shards(1).backend(Some(backend)).codec(codec.clone());
            let server = builder.read_timeout(Duration::from_millis(100)).start(echo).unwrap();
            let address = server.local_addrs()[0].ip().unwrap();
            let whole = framed(&codec, &[b"#whole".to_vec()]);
            let mut between = connect(address);
            let mut answered = || {
                let mut back = vec![0; whole.len()];
                between.write_all(&whole).unwrap();
                between.read_exact(&mut back).unwrap();
            };
            answered();
            let mut slow = connect(address);
            slow.write_all(&whole[..whole.len() - 1]).unwrap();
            let _ = slow.read_to_end(&mut Vec::new());
            assert_eq!(event(&events), Event::Closed(CloseReason::ReadTimeout), "{codec:?} on {backend}");
            answered();
            finish(server);
        }
    }
}

#[test]
fn a_close_in_the_middle_of_a_burst_hands_over_nothing_behind_it() {
    for backend in backends() {
        let (echo, events) = Echo::new();
        let (server, address) = start(backend, Lines::new().into_framing(), echo);
        let back = exchange(&connect(address), b"one\nquit\ntwo\nthree", usize::MAX);
        assert_eq!(back, b"one\nquit\n");
        assert_eq!(event(&events), Event::Packet(b"one".to_vec()));
        assert_eq!(event(&events), Event::Packet(b"quit".to_vec()));
        assert_eq!(event(&events), Event::Closed(CloseReason::ByHandler));
        finish(server);
    }
}

#[test]
fn a_codec_that_panics_costs_its_session_alone() {
    for backend in backends() {
        let (echo, events) = Echo::new();
        let (server, address) = start(backend, NulEnded.into_framing(), echo);
        let mut other = connect(address);
        for (bad, handed) in [(&b"!\0"[..], None), (b"?\0", Some(b"?".to_vec()))] {
            let mut stream = connect(address);
            stream.write_all(bad).unwrap();
            let _ = stream.read_to_end(&mut Vec::new());
            if let Some(packet) = handed {
                assert_eq!(event(&events), Event::Packet(packet));
            }
            assert_eq!(event(&events), Event::Closed(CloseReason::Panic));
            other.write_all(b"#\0").unwrap();
            other.read_exact(&mut [0; 2]).unwrap();
        }
        // From another thread too.
        let (names, ids) = mpsc::channel();
        let (server_of_names, address) = start(backend, NulEnded.into_framing(), Names(names));
        let mut stream = connect(address);
        let id = ids.recv_timeout(PATIENCE).unwrap();
        server_of_names.handle().send(id, "well").unwrap();
        server_of_names.handle().send(id, "?").unwrap();
        let mut back = Vec::new();
        let _ = stream.read_to_end(&mut back);
        assert!(b"well\0".starts_with(&back[..]), "a part of a frame was sent: {back:?}");
        finish(server_of_names);
        finish(server);
    }
}

#[test]
fn a_codec_that_cannot_be_cloned_costs_its_session_alone() {
    struct Fragile(Arc<AtomicBool>);
    impl Clone for Fragile {
        fn clone(&self) -> Fragile {
            assert!(!self.0.load(Ordering::Relaxed), "asked to panic");
            Fragile(Arc::clone(&self.0))
        }
    }
    impl Codec for Fragile {
        fn decode(&mut self, bytes: &[u8]) -> Result<Decoded, FrameError> {
            Raw.decode(bytes)
        }
        fn encode(&mut self, packet: &[u8], out: &mut Vec<u8>) -> Result<(), FrameError> {
            Raw.encode(packet, out)
        }
        fn max_bytes(&self) -> usize {
            Raw.max_bytes()
        }
    }
    let (echo, events) = Echo::new();
    let breaks = Arc::default();
    let codec = Fragile(Arc::clone(&breaks)).into_framing();
    let (server, address) = start(backends()[0], codec, echo);
    let mut other = connect(address);
    let mut answered = || {
        other.write_all(b"#").unwrap();
        other.read_exact(&mut [0]).unwrap();
    };
    answered();
    breaks.store(true, Ordering::Relaxed);
    let _ = connect(address).read_to_end(&mut Vec::new());
    breaks.store(false, Ordering::Relaxed);
    answered();
    assert_eq!(exchange(&connect(address), b"later", usize::MAX), b"later");
    assert_eq!(event(&events), Event::Packet(b"later".to_vec()));
    finish(server);
}

/// Says who has connected.
#[derive(Clone)]
struct Names(Sender<SessionId>);

impl Handler for Names {
    type State = ();
    fn connected(&mut self, session: &Session) {
        self.0.send(session.id()).unwrap();
    }
    fn received(&mut self, _: &Session, _: &mut (), _: &[u8]) -> Flow {
        Flow::Continue
    }
}

#[test]
fn a_packet_without_a_frame_is_an_error_of_the_send_and_nothing_is_queued() {
    #[derive(Clone)]
    struct Sends;
    impl Handler for Sends {
        type State = ();
        fn connected(&mut self, session: &Session) {
            let too_large = SendError::Frame(FrameError::TooLarge { limit: 10 });
            assert_eq!(session.send(b"12345678901"), Err(too_large));
            assert!(matches!(session.send(b"two\nlines"), Err(SendError::Frame(FrameError::Malformed(_)))));
            assert_eq!(session.queued(), 0);
            session.send(b"one line").unwrap();
            assert_eq!(session.queued(), b"one line\n".len());
            session.close();
        }
        fn received(&mut self, _: &Session, _: &mut (), _: &[u8]) -> Flow {
            Flow::Continue
        }
    }
    for backend in backends() {
        let (server, address) = start(backend, Lines::new().max_line(10).into_framing(), Sends);
        let (mut stream, mut back) = (connect(address), Vec::new());
        stream.read_to_end(&mut back).unwrap();
        assert_eq!(back, b"one line\n");
        finish(server);
    }
}

#[test]
fn packets_of_other_threads_are_framed_and_those_without_a_frame_dropped() {
    for backend in backends() {
        let (names, ids) = mpsc::channel();
        let (server, address) = start(backend, Lines::new().into_framing(), Names(names));
        let mut stream = connect(address);
        let id = ids.recv_timeout(PATIENCE).unwrap();
        for packet in ["one", "no\nline", "two"] {
            server.handle().send(id, packet).unwrap();
        }
        server.handle().close(id).unwrap();
        let mut back = Vec::new();
        stream.read_to_end(&mut back).unwrap();
        assert_eq!(back, b"one\ntwo\n");
        finish(server);
    }
}

thread_local! {
    /// Sessions that are paused, on the one shard's thread.
    static PAUSED: RefCell<Vec<Session>> = const { RefCell::new(Vec::new()) };
}

/// Pauses a session after `every` so many packets; `#resume` from another lets it go on.
#[derive(Clone)]
struct Pausing {
    every: usize,
    events: Sender<Event>,
}

impl Handler for Pausing {
    type State = usize;
    fn connected(&mut self, _: &Session) -> usize {
        0
    }
    fn received(&mut self, session: &Session, count: &mut usize, packet: &[u8]) -> Flow {
        if packet.starts_with(b"#") {
            if packet == b"#resume" {
                PAUSED.with_borrow_mut(|paused| paused.drain(..).for_each(|session| session.resume()));
            }
            session.send(packet).unwrap();
            return Flow::Continue;
        }
        self.events.send(Event::Packet(packet.to_vec())).unwrap();
        *count += 1;
        if !(*count).is_multiple_of(self.every) {
            return Flow::Continue;
        }
        PAUSED.with_borrow_mut(|paused| paused.push(session.clone()));
        Flow::Pause
    }
    fn closed(&mut self, _: SessionId, _: usize, reason: &CloseReason) {
        let _ = self.events.send(Event::Closed(*reason));
    }
}

/// Sends `stream` in pieces to a session that is paused after `every` so many packets, and resumes it each time.
fn pause(backend: Backend, codec: Framing, packets: &[Vec<u8>], stream: &[u8], piece: usize, every: usize) {
    let (events, told) = mpsc::channel();
    let (server, address) = start(backend, codec.clone(), Pausing { every, events });
    let mut control = connect(address);
    let mut answered = |order: &[u8]| {
        let order = framed(&codec, &[order.to_vec()]);
        let mut back = vec![0; order.len()];
        control.write_all(&order).unwrap();
        control.read_exact(&mut back).unwrap();
    };
    let mut client = connect(address);
    std::thread::scope(|scope| {
        scope.spawn(move || {
            for piece in stream.chunks(piece) {
                client.write_all(piece).unwrap();
            }
            client.shutdown(Shutdown::Write).unwrap();
        });
        for (number, packet) in packets.iter().enumerate() {
            assert!(
                event(&told) == Event::Packet(packet.clone()),
                "{codec:?} on {backend}: packet {number} is another"
            );
            if (number + 1) % every == 0 {
                // The shard goes through turns in which it could hand over more.
                for _ in 0..4 {
                    answered(b"#turn");
                }
                assert_eq!(told.try_recv().ok(), None, "{backend}: paused after packet {number}");
                answered(b"#resume");
            }
        }
        assert_eq!(event(&told), Event::Closed(CloseReason::ByPeer), "{codec:?} on {backend}");
    });
    finish(server);
}

#[test]
fn a_pause_in_the_middle_of_a_burst_loses_nothing_and_hands_over_nothing_more() {
    let lines: Vec<Vec<u8>> = (0..3000).map(|number: u32| number.to_string().into_bytes()).collect();
    // The last line has no end, and comes all the same.
    let mut stream = framed(&Lines::new().into_framing(), &lines);
    stream.pop();
    // More than the sockets and the session keep together: its peer is held up meanwhile.
    let length = LengthPrefixed::u32().into_framing();
    let large: Vec<Vec<u8>> = (0..400).map(|number| vec![number as u8 | 0x80; 60_000]).collect();
    let flood = framed(&length, &large);
    for backend in backends() {
        for (every, piece) in [(1000, usize::MAX), (500, 100), (7, usize::MAX)] {
            pause(backend, Lines::new().into_framing(), &lines, &stream, piece, every);
        }
        pause(backend, length.clone(), &large, &flood, usize::MAX, 150);
    }
}

#[test]
fn a_flood_of_small_packets_does_not_starve_others() {
    for backend in backends() {
        let (echo, events) = Echo::new();
        let (server, address) = start(backend, Lines::new().into_framing(), echo);
        let flooder = connect(address);
        std::thread::scope(|scope| {
            let flooder = &flooder;
            let flood = b"#\n".repeat(16 * 1024);
            scope.spawn(move || {
                let mut stream = flooder;
                while stream.write_all(&flood).is_ok() {}
            });
            scope.spawn(move || {
                let (mut stream, mut sink) = (flooder, vec![0; 64 * 1024]);
                while matches!(stream.read(&mut sink), Ok(1..)) {}
            });
            let mut quiet = connect(address);
            for _ in 0..50 {
                let mut back = [0; 6];
                quiet.write_all(b"quiet\n").unwrap();
                quiet.read_exact(&mut back).unwrap();
                assert_eq!(event(&events), Event::Packet(b"quiet".to_vec()));
            }
            flooder.shutdown(Shutdown::Both).unwrap();
        });
        finish(server);
    }
}

/// Echoes, and pauses and resumes its session now and then.
#[derive(Clone)]
struct Stutter;

impl Handler for Stutter {
    type State = usize;
    fn connected(&mut self, _: &Session) -> usize {
        0
    }
    fn received(&mut self, session: &Session, count: &mut usize, packet: &[u8]) -> Flow {
        *count += 1;
        if count.is_multiple_of(5) {
            session.pause();
            session.resume();
        }
        session.send(packet).map_or(Flow::Close, |()| Flow::Continue)
    }
}

/// What a client on a simulated network gets back, and the trace of the run.
fn simulated(seed: u64, codec: &Framing, stream: &[u8]) -> (Vec<u8>, u64) {
    const RECEIVED: u64 = 1;
    let network = Network::new(seed);
    let builder = Server::builder().bind("10.0.0.1:7").shards(2).codec(codec.clone());
    let mut server = builder.simulate(&network, Stutter).unwrap();
    let address = server.local_addrs()[0].clone();
    let mut client = Driver::new(DriverConfig::new().network(network.clone())).unwrap();
    let socket = client.socket(&address).unwrap();
    client.submit(Op::connect(socket, &address), 0).unwrap();
    client.submit(Op::send(socket, stream.to_vec()), 0).unwrap();
    client.submit(Op::shutdown(socket, ShutdownHow::Send), 0).unwrap();
    client.submit(Op::recv(socket, vec![0u8; 1000]), RECEIVED).unwrap();
    let (mut back, mut ended) = (Vec::new(), false);
    let came = server.run(|_| {
        client.turn(Wait::Poll).unwrap();
        while let Some(completion) = client.next() {
            match completion.result.unwrap() {
                Outcome::Received(0) => ended = true,
                Outcome::Received(_) => {
                    back.extend(completion.buf.unwrap().take::<Vec<u8>>().unwrap());
                    client.submit(Op::recv(socket, vec![0u8; 1000]), RECEIVED).unwrap();
                }
                _ => {}
            }
        }
        ended
    });
    assert!(came.unwrap(), "seed {seed}: it came to rest after {} of {} bytes", back.len(), stream.len());
    (back, network.trace())
}

#[test]
fn a_simulated_network_cuts_and_delays_as_it_likes_and_changes_nothing() {
    for (codec, packets, longest) in every_codec() {
        let stream = framed(&codec, &packets[..packets.len().min(200)]);
        for seed in 0..5 {
            let (back, trace) = simulated(seed, &codec, &stream);
            assert!(back == stream, "{codec:?} to {longest}, seed {seed}: {} of {} bytes", back.len(), stream.len());
            if seed == 0 {
                assert_eq!(simulated(seed, &codec, &stream).1, trace, "another run of the same seed");
            }
        }
    }
}

#[test]
fn a_codec_out_of_range_is_an_error_of_the_start_by_name() {
    let cases = [
        (Lines::new().max_line(0).into_framing(), "lines of at most 0 bytes"),
        (LengthPrefixed::u8().max_packet(256).into_framing(), "at most 256 bytes behind a length of 1 byte"),
        (Fixed::new(0).into_framing(), "frames of 0 bytes"),
    ];
    for (codec, name) in cases {
        let (echo, _events) = Echo::new();
        let error = Server::builder().bind("127.0.0.1:0").shards(1).codec(codec).start(echo).unwrap_err();
        assert!(error.to_string().contains(name), "{error}");
    }
    let (echo, _events) = Echo::new();
    let server = Server::builder().bind("127.0.0.1:0").shards(1).codec(Raw).start(echo).unwrap();
    finish(server);
}
