//! Groups with real sockets: every packet of each member reaches all others, whole and in order, whoever comes, goes, or does not read.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use overlapped::report::Backend;
use overlapped::{Driver, DriverConfig};
use proactor::codec::Fixed;
use proactor::{Builder, CloseReason, Flow, Group, Handler, JoinError, Server, Session, SessionId, SlowConsumer};

const PATIENCE: Duration = Duration::from_secs(60);

/// Bytes of a packet in these tests: who says it, which of theirs it is, and bytes that follow from both.
const PACKET: usize = 100;

fn packet(who: u32, number: u32) -> [u8; PACKET] {
    let mut bytes = [(who ^ number) as u8; PACKET];
    bytes[..4].copy_from_slice(&who.to_be_bytes());
    bytes[4..8].copy_from_slice(&number.to_be_bytes());
    bytes
}

/// Who said a packet, and which of theirs it is.
fn said(bytes: &[u8]) -> (u32, u32) {
    let who = u32::from_be_bytes(bytes[..4].try_into().unwrap());
    let number = u32::from_be_bytes(bytes[4..8].try_into().unwrap());
    assert!(bytes == packet(who, number), "the packet is whole");
    (who, number)
}

/// What one says, the others hear.
#[derive(Clone)]
struct Chat {
    room: Group,
    closed: mpsc::Sender<(SessionId, CloseReason)>,
    names: Arc<Mutex<BTreeMap<SessionId, SocketAddr>>>,
}

impl Handler for Chat {
    /// The beginning of a packet.
    type State = Vec<u8>;

    fn connected(&mut self, session: &Session) -> Vec<u8> {
        self.names.lock().unwrap().insert(session.id(), session.peer_addr().ip().unwrap());
        session.join(&self.room).unwrap();
        Vec::new()
    }

    fn received(&mut self, session: &Session, kept: &mut Vec<u8>, bytes: &[u8]) -> Flow {
        kept.extend_from_slice(bytes);
        let whole = kept.len() / PACKET * PACKET;
        for packet in kept.drain(..whole).as_slice().chunks(PACKET) {
            self.room.broadcast_except(session.id(), packet).unwrap();
        }
        Flow::Continue
    }

    fn closed(&mut self, id: SessionId, _: Vec<u8>, reason: &CloseReason) {
        let _ = self.closed.send((id, *reason));
    }
}

struct Running {
    server: Server,
    room: Group,
    reasons: mpsc::Receiver<(SessionId, CloseReason)>,
    names: Arc<Mutex<BTreeMap<SessionId, SocketAddr>>>,
}

fn start(backend: Backend, shards: usize, build: impl FnOnce(Builder) -> Builder) -> Running {
    raise_open_files();
    let (closed, reasons) = mpsc::channel();
    let (room, names) = (Group::new(), Arc::default());
    let builder = Server::builder().bind("127.0.0.1:0").shards(shards).backend(Some(backend));
    let chat = Chat { room: room.clone(), closed, names: Arc::clone(&names) };
    let server = build(builder).start(chat).unwrap();
    Running { server, room, reasons, names }
}

#[cfg(unix)]
fn raise_open_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).unwrap();
}

/// Windows has no such limit.
#[cfg(windows)]
fn raise_open_files() {}

impl Running {
    /// Connects so many, and waits until all are members.
    fn connect(&self, count: usize) -> Vec<TcpStream> {
        let before = self.room.len();
        let address = self.server.local_addrs()[0].ip().unwrap();
        let streams = (0..count).map(|_| {
            let stream = TcpStream::connect(address).unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            stream.set_write_timeout(Some(PATIENCE)).unwrap();
            stream.set_nodelay(true).unwrap();
            stream
        });
        let streams = streams.collect();
        wait_until("all are members", || self.room.len() == before + count);
        streams
    }

    fn id_of(&self, stream: &TcpStream) -> SessionId {
        let address = stream.local_addr().unwrap();
        *self.names.lock().unwrap().iter().find(|(_, peer)| **peer == address).unwrap().0
    }

    fn finish(self) {
        let handle = self.server.handle();
        handle.stop();
        self.server.wait().unwrap();
        assert_eq!((handle.sessions(), self.room.len()), (0, 0));
    }
}

fn wait_until(what: &str, mut reached: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !reached() {
        assert!(Instant::now() < end, "never: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn read_packets(mut stream: &TcpStream, count: usize) -> Vec<(u32, u32)> {
    let mut bytes = [0; PACKET];
    (0..count)
        .map(|at| {
            stream.read_exact(&mut bytes).unwrap_or_else(|error| panic!("packet {at} of {count}: {error}"));
            said(&bytes)
        })
        .collect()
}

/// The backends of this system, but for what it refuses.
fn backends() -> Vec<Backend> {
    let works = |backend: &Backend| Driver::new(DriverConfig::new().backend(*backend)).is_ok();
    let backends: Vec<Backend> = Backend::of_this_system().iter().copied().filter(works).collect();
    assert!(!backends.is_empty());
    backends
}

/// On a thread for each stream, whose stack is small.
fn on_threads<'s, T: Send + 's>(
    scope: &'s std::thread::Scope<'s, '_>,
    streams: &'s [TcpStream],
    work: impl Fn(usize, &TcpStream) -> T + Send + Copy + 's,
) -> Vec<std::thread::ScopedJoinHandle<'s, T>> {
    let spawn = |(index, stream): (usize, &'s TcpStream)| {
        let builder = std::thread::Builder::new().stack_size(256 * 1024);
        builder.spawn_scoped(scope, move || work(index, stream)).unwrap()
    };
    streams.iter().enumerate().map(spawn).collect()
}

/// Every packet of each member reaches every other, in the order in which it was said, and all hear all in the same order.
fn chat(backend: Backend, shards: usize, members: usize, packets: usize) {
    let running = start(backend, shards, |builder| builder);
    let streams = running.connect(members);
    let all: Vec<Vec<(u32, u32)>> = std::thread::scope(|scope| {
        let streams = &streams[..];
        let readers = on_threads(scope, streams, move |_, stream| read_packets(stream, (members - 1) * packets));
        for round in 0..packets {
            for (who, mut stream) in streams.iter().enumerate() {
                stream.write_all(&packet(who as u32, round as u32)).unwrap();
            }
        }
        readers.into_iter().map(|reader| reader.join().unwrap()).collect()
    });
    for (who, heard) in all.iter().enumerate() {
        let mut next = vec![0; members];
        for (speaker, number) in heard {
            assert_ne!(*speaker as usize, who, "nobody hears himself");
            assert_eq!(next[*speaker as usize], *number, "{who} hears {speaker} in order");
            next[*speaker as usize] += 1;
        }
        // But for what the two say themselves, they hear the same in the same order.
        let common = |of: &[(u32, u32)]| -> Vec<(u32, u32)> {
            of.iter().copied().filter(|(speaker, _)| *speaker != 0 && *speaker as usize != who).collect()
        };
        assert!(common(heard) == common(&all[0]), "{who} hears all in another order than the first");
    }
    running.finish();
}

#[test]
fn five_hundred_members_each_hear_every_packet_of_all_others() {
    for backend in &backends() {
        chat(*backend, 2, 500, 6);
    }
}

#[test]
fn a_few_members_say_a_lot_on_three_shards() {
    for backend in &backends() {
        chat(*backend, 3, 7, 3000);
    }
}

#[test]
fn broadcasts_and_private_sends_of_other_threads_keep_their_order() {
    const MEMBERS: usize = 40;
    const PACKETS: u32 = 300;
    const THREADS: u32 = 3;
    for backend in &backends() {
        let running = start(*backend, 3, |builder| builder.outbox_bytes(1 << 20));
        let streams = running.connect(MEMBERS);
        let ids: Vec<SessionId> = streams.iter().map(|stream| running.id_of(stream)).collect();
        std::thread::scope(|scope| {
            // Each thread says 2n to all and 2n + 1 to one member after the other.
            let total =
                |index: usize| (THREADS * (PACKETS + (index as u32..PACKETS).step_by(MEMBERS).count() as u32)) as usize;
            let streams = &streams[..];
            let readers = on_threads(scope, streams, move |index, stream| {
                let mut last = [None; THREADS as usize];
                for (thread, number) in read_packets(stream, total(index)) {
                    let last = &mut last[thread as usize];
                    assert!(last.is_none_or(|last| number > last), "{thread} said {number} after {last:?}");
                    assert!(
                        number % 2 == 0 || *last == Some(number - 1),
                        "a private packet comes right behind its own"
                    );
                    *last = Some(number);
                }
            });
            for thread in 0..THREADS {
                let (room, handle, ids) = (running.room.clone(), running.server.handle(), &ids);
                scope.spawn(move || {
                    for number in 0..PACKETS {
                        room.broadcast(&packet(thread, 2 * number)).unwrap();
                        let to = ids[number as usize % MEMBERS];
                        handle.send(to, packet(thread, 2 * number + 1).to_vec()).unwrap();
                        if number % 16 == 0 {
                            // Faster than a member can be sent to for long, they would be too slow.
                            std::thread::sleep(Duration::from_millis(2));
                        }
                    }
                });
            }
            readers.into_iter().for_each(|reader| reader.join().unwrap());
        });
        running.finish();
    }
}

#[test]
fn who_joins_from_another_thread_hears_what_is_said_after_that_and_not_what_was_said_after_leaving() {
    #[derive(Clone)]
    struct Silent(mpsc::Sender<SessionId>);
    impl Handler for Silent {
        type State = ();
        fn connected(&mut self, session: &Session) {
            self.0.send(session.id()).unwrap();
        }
        fn received(&mut self, _: &Session, (): &mut (), _: &[u8]) -> Flow {
            Flow::Continue
        }
    }
    for backend in &backends() {
        let (names, ids) = mpsc::channel();
        let builder = Server::builder().bind("127.0.0.1:0").shards(2).backend(Some(*backend));
        let server = builder.start(Silent(names)).unwrap();
        let (handle, room) = (server.handle(), Group::new());
        let streams: Vec<TcpStream> =
            (0..4).map(|_| TcpStream::connect(server.local_addrs()[0].ip().unwrap()).unwrap()).collect();
        let ids: Vec<SessionId> = (0..4).map(|_| ids.recv_timeout(PATIENCE).unwrap()).collect();
        for round in 0..50 {
            for id in &ids {
                handle.join(*id, &room).unwrap();
                room.broadcast(&packet(round, 0)).unwrap();
                handle.leave(*id, &room).unwrap();
                room.broadcast(&packet(round, 1)).unwrap();
            }
        }
        ids.iter().for_each(|id| handle.close(*id).unwrap());
        for mut stream in &streams {
            let mut bytes = Vec::new();
            stream.read_to_end(&mut bytes).unwrap();
            let heard: Vec<(u32, u32)> = bytes.chunks(PACKET).map(said).collect();
            assert!(heard.iter().copied().eq((0..50).map(|round| (round, 0))), "{heard:?}");
        }
        // A group is of one server.
        let other = Server::builder().bind("127.0.0.1:0").shards(1).backend(Some(*backend));
        let other = other.start(Silent(mpsc::channel().0)).unwrap();
        assert_eq!(other.handle().join(ids[0], &room), Err(JoinError::OtherServer));
        drop(streams);
        handle.stop();
        server.wait().unwrap();
    }
}

/// One member does not read. The others miss nothing; the group's log stays within what an outbox and the segments around it are.
fn one_who_never_reads(backend: Backend, policy: SlowConsumer, members: usize) {
    const OUTBOX: usize = 128 * 1024;
    /// More than the buffers of the system take.
    const PACKETS: usize = 600;
    const LEN: usize = 16 * 1024;
    let running = start(backend, 2, |builder| builder.outbox_bytes(OUTBOX).slow_consumer(policy));
    let slow = running.connect(1);
    let slow_id = running.id_of(&slow[0]);
    let streams = running.connect(members - 1);
    let (heard, others) = (AtomicUsize::new(0), members - 1);
    let mut most = 0;
    std::thread::scope(|scope| {
        let (streams, heard) = (&streams[..], &heard);
        let readers = on_threads(scope, streams, move |_, mut stream| {
            let mut bytes = vec![0; LEN];
            for number in 0..PACKETS {
                stream.read_exact(&mut bytes).unwrap();
                assert_eq!(said(&bytes[..PACKET]), (9, number as u32));
                assert!(bytes[PACKET..] == *[number as u8; LEN - PACKET].as_slice());
                heard.fetch_add(1, Ordering::Relaxed);
            }
        });
        for number in 0..PACKETS {
            let mut bytes = vec![number as u8; LEN];
            bytes[..PACKET].copy_from_slice(&packet(9, number as u32));
            running.room.broadcast(&bytes).unwrap();
            most = most.max(running.room.log_memory());
            // Those who read are not to be too slow: no more than a few packets ahead of them.
            wait_until("the others keep up", || heard.load(Ordering::Relaxed) + 2 * others >= (number + 1) * others);
        }
        readers.into_iter().for_each(|reader| reader.join().unwrap());
    });
    // Twice: the index of a segment takes at most as much again.
    let bound = 2 * (OUTBOX + 8 * 64 * 1024);
    assert!(most <= bound, "{policy:?}: the log took {most} bytes, at most {bound}");
    let handle = running.server.handle();
    if policy == SlowConsumer::DropOldest {
        assert!(handle.stats().dropped > 0);
        assert_eq!(running.room.len(), members, "it is still there");
        assert!(running.reasons.try_recv().is_err());
        // It reads after all: whole packets, in order, and as many are missing as were dropped.
        handle.close(slow_id).unwrap();
        let mut bytes = Vec::new();
        (&slow[0]).read_to_end(&mut bytes).unwrap();
        let numbers: Vec<u32> = bytes.chunks(LEN).map(|bytes| said(&bytes[..PACKET]).1).collect();
        assert!(numbers.is_sorted() && numbers.len() > 1);
        assert_eq!(*numbers.last().unwrap() as usize, PACKETS - 1, "the newest are kept");
        assert_eq!(numbers.len() as u64 + handle.stats().dropped, PACKETS as u64);
    } else {
        assert_eq!(running.reasons.recv_timeout(PATIENCE).unwrap(), (slow_id, CloseReason::TooSlow));
        assert_eq!((running.room.len(), handle.stats().dropped), (others, 0));
    }
    running.finish();
}

#[test]
fn a_member_that_never_reads_is_met_by_the_policy_and_costs_nobody_else() {
    for backend in &backends() {
        for policy in [SlowConsumer::PauseReading, SlowConsumer::DropOldest, SlowConsumer::Close] {
            one_who_never_reads(*backend, policy, 20);
        }
    }
}

#[test]
fn one_of_five_hundred_members_never_reads() {
    one_who_never_reads(backends()[0], SlowConsumer::default(), 500);
}

/// What one says all hear, but for the one who says "block": it keeps its shard until it is let go.
#[derive(Clone)]
struct Blocking {
    room: Group,
    names: mpsc::Sender<SessionId>,
    blocked: mpsc::Sender<()>,
    let_go: Arc<Mutex<mpsc::Receiver<()>>>,
}

impl Handler for Blocking {
    type State = ();
    fn connected(&mut self, session: &Session) {
        session.join(&self.room).unwrap();
        self.names.send(session.id()).unwrap();
    }
    fn received(&mut self, _: &Session, (): &mut (), packet: &[u8]) -> Flow {
        if packet.starts_with(b"block") {
            self.blocked.send(()).unwrap();
            self.let_go.lock().unwrap().recv_timeout(PATIENCE).unwrap();
        } else {
            self.room.broadcast(packet).unwrap();
        }
        Flow::Continue
    }
}

#[test]
fn a_shard_whose_handler_blocks_costs_its_own_members_and_not_those_of_others() {
    // More than the log of the group holds.
    const PACKETS: u32 = 20_000;
    for backend in backends() {
        let (names, ids) = mpsc::channel();
        let ((block, blocked), (let_go, gone)) = (mpsc::channel(), mpsc::channel());
        let chat = Blocking { room: Group::new(), names, blocked: block, let_go: Arc::new(Mutex::new(gone)) };
        let builder = Server::builder().bind("127.0.0.1:0").shards(2).backend(Some(backend));
        let builder = builder.outbox_bytes(64 * 1024).slow_consumer(SlowConsumer::DropOldest);
        let server = builder.codec(Fixed::new(PACKET)).start(chat).unwrap();
        let mut members = BTreeMap::new();
        for _ in 0..2 {
            let stream = TcpStream::connect(server.local_addrs()[0].ip().unwrap()).unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            // The shard is what its name begins with.
            let id = ids.recv_timeout(PATIENCE).unwrap();
            members.insert(id.to_string(), (stream, id));
        }
        let [(stuck, stuck_id), (free, _)]: [(TcpStream, SessionId); 2] =
            members.into_values().collect::<Vec<_>>().try_into().unwrap();
        let mut block = [0; PACKET];
        block[..5].copy_from_slice(b"block");
        (&stuck).write_all(&block).unwrap();
        blocked.recv_timeout(PATIENCE).unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for number in 0..PACKETS {
                    (&free).write_all(&packet(1, number)).unwrap();
                }
            });
            let heard = read_packets(&free, PACKETS as usize);
            assert!(heard.into_iter().eq((0..PACKETS).map(|number| (1, number))));
        });
        let_go.send(()).unwrap();
        let handle = server.handle();
        // The newest have been kept for who was stuck.
        let mut heard = Vec::new();
        while heard.last() != Some(&(1, PACKETS - 1)) {
            heard.extend(read_packets(&stuck, 1));
        }
        assert!(heard.windows(2).all(|pair| pair[0].1 < pair[1].1));
        assert!(handle.stats().dropped > 0);
        assert_eq!(heard.len() as u64 + handle.stats().dropped, u64::from(PACKETS));
        handle.close(stuck_id).unwrap();
        handle.stop();
        server.wait().unwrap();
    }
}

#[test]
fn members_come_and_go_while_others_talk() {
    const STAY: usize = 20;
    for backend in &backends() {
        let running = start(*backend, 3, |builder| builder.outbox_bytes(1 << 20));
        let streams = running.connect(STAY);
        let address = running.server.local_addrs()[0].ip().unwrap();
        let (over, visits) = (AtomicBool::new(false), AtomicUsize::new(0));
        let said_in_all = std::thread::scope(|scope| {
            let (over, visits, room) = (&over, &visits, &running.room);
            let guests: Vec<_> = (0..4)
                .map(|guest: usize| {
                    scope.spawn(move || {
                        let mut round = guest;
                        while !over.load(Ordering::Relaxed) {
                            let mut stream = TcpStream::connect(address).unwrap();
                            stream.set_read_timeout(Some(PATIENCE)).unwrap();
                            // It hears every packet from its first on, then leaves in one of several ways.
                            let heard = read_packets(&stream, 1 + round % 5);
                            assert!(heard.windows(2).all(|pair| pair[1] == (7, pair[0].1 + 1)), "{heard:?}");
                            match round % 3 {
                                0 => drop(stream),
                                1 => stream.shutdown(Shutdown::Write).unwrap(),
                                _ => stream.write_all(&[0; 10]).unwrap(),
                            }
                            round += 1;
                            visits.fetch_add(1, Ordering::Relaxed);
                        }
                    })
                })
                .collect();
            let readers = on_threads(scope, &streams, move |_, mut stream| {
                let (mut bytes, mut next) = ([0; PACKET], 0);
                loop {
                    match stream.read_exact(&mut bytes) {
                        Ok(()) => assert_eq!(said(&bytes), (7, next)),
                        Err(error) if error.kind() == ErrorKind::UnexpectedEof => return next,
                        Err(error) => panic!("{error}"),
                    }
                    next += 1;
                }
            });
            let begun = Instant::now();
            let mut number = 0;
            // Until guests have come and gone some times, however busy the machine is, and long enough to cross many segments.
            while number < 20_000 || visits.load(Ordering::Relaxed) < 20 && begun.elapsed() < PATIENCE {
                room.broadcast(&packet(7, number)).unwrap();
                number += 1;
                if number % 64 == 0 {
                    std::thread::sleep(Duration::from_millis(1));
                }
            }
            over.store(true, Ordering::Relaxed);
            for guest in guests {
                // Who waits for a packet gets one.
                while !guest.is_finished() {
                    room.broadcast(&packet(7, number)).unwrap();
                    number += 1;
                    std::thread::sleep(Duration::from_millis(1));
                }
                guest.join().unwrap();
            }
            assert!(visits.load(Ordering::Relaxed) >= 20);
            wait_until("the guests are gone", || room.len() == STAY);
            running.server.handle().drain(PATIENCE);
            for reader in readers {
                assert_eq!(reader.join().unwrap(), number, "who stays hears everything");
            }
            number
        });
        assert!(said_in_all >= 20_000);
        drop(streams);
        let Running { server, room, .. } = running;
        server.wait().unwrap();
        assert_eq!(room.len(), 0);
        assert!(room.log_memory() < 256 * 1024, "nothing is kept for those who are gone: {}", room.log_memory());
    }
}

#[test]
fn draining_delivers_what_was_broadcast() {
    const LEN: usize = 100 * 1024;
    for backend in &backends() {
        let running = start(*backend, 2, |builder| builder.outbox_bytes(8 << 20));
        let streams = running.connect(10);
        for number in 0..60 {
            running.room.broadcast(&[number; LEN]).unwrap();
        }
        running.server.handle().drain(PATIENCE);
        for mut stream in &streams {
            let mut bytes = Vec::new();
            stream.read_to_end(&mut bytes).unwrap();
            assert_eq!(bytes.len(), 60 * LEN);
            assert!(
                bytes.chunks(LEN).enumerate().all(|(number, chunk)| chunk.iter().all(|byte| *byte == number as u8))
            );
        }
        drop(streams);
        for _ in 0..10 {
            assert_eq!(running.reasons.recv_timeout(PATIENCE).unwrap().1, CloseReason::Drained);
        }
        running.server.wait().unwrap();
        assert_eq!(running.room.len(), 0);
    }
}

/// What is issued while the member's shard still looks for where it begins is after it has become one.
#[test]
fn a_member_hears_what_is_broadcast_in_the_moment_in_which_it_is_counted() {
    for backend in backends() {
        let running = start(backend, 1, |builder| builder);
        let address = running.server.local_addrs()[0].ip().unwrap();
        for round in 0..500 {
            let stream = TcpStream::connect(address).unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
            while running.room.is_empty() {
                std::hint::spin_loop();
            }
            running.room.broadcast(&packet(0, round)).unwrap();
            assert_eq!(read_packets(&stream, 1), [(0, round)]);
            drop(stream);
            wait_until("it is gone", || running.room.is_empty());
        }
        running.finish();
    }
}

/// Asked for its last words, says some to all and some to itself, and ends.
#[derive(Clone)]
struct LastWords(Group);

impl Handler for LastWords {
    type State = ();
    fn connected(&mut self, session: &Session) {
        session.join(&self.0).unwrap();
    }
    fn received(&mut self, session: &Session, (): &mut (), how: &[u8]) -> Flow {
        for number in 0..6 {
            match number % 2 {
                0 => self.0.broadcast(&packet(0, number)).unwrap(),
                _ => session.send(&packet(0, number)).unwrap(),
            }
        }
        match how[0] {
            0 => return Flow::Close,
            1 => session.shutdown(),
            _ => session.leave(&self.0),
        }
        Flow::Continue
    }
}

#[test]
fn what_was_broadcast_and_sent_before_an_end_comes_in_the_order_in_which_it_was_issued() {
    for backend in backends() {
        let logic = LastWords(Group::new());
        let builder = Server::builder().bind("127.0.0.1:0").shards(1).backend(Some(backend));
        let server = builder.start(logic.clone()).unwrap();
        for how in [0, 1, 2] {
            let mut stream = TcpStream::connect(server.local_addrs()[0].ip().unwrap()).unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            stream.write_all(&[how]).unwrap();
            let expected: Vec<(u32, u32)> = (0..6).map(|number| (0, number)).collect();
            assert_eq!(read_packets(&stream, 6), expected, "{backend}, {how}");
            drop(stream);
            wait_until("it is gone", || server.handle().sessions() == 0);
        }
    }
}

#[test]
fn what_no_member_could_take_is_refused() {
    let running = start(backends()[0], 1, |builder| builder.outbox_bytes(64 * 1024));
    assert_eq!(Group::new().broadcast(&[0; 100]), Ok(()), "nobody is there");
    let streams = running.connect(1);
    running.room.broadcast(&[1; 32 * 1024]).unwrap();
    let error = running.room.broadcast(&[1; 32 * 1024 + 1]).unwrap_err();
    assert!(error.to_string().contains("32768"), "{error}");
    (&streams[0]).read_exact(&mut [0; 32 * 1024]).unwrap();
    running.finish();
}
