//! Groups: every broadcast reaches all members whole and in order, while others join, leave, or do
//! not read.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use proactor::codec::Fixed;
use proactor::{
    Backend, Builder, CloseReason, Flow, Group, Handler, JoinError, Limits, Server, Session, SessionId, SlowConsumer,
};

use crate::harness::{PATIENCE, ReportsIds, address_of, backends, builder, connect, raise_open_files, wait_until};

/// Bytes of a packet: its sender, its number, and a fill byte that depends on both.
const PACKET: usize = 100;

fn packet(who: u32, number: u32) -> [u8; PACKET] {
    let mut bytes = [(who ^ number) as u8; PACKET];
    bytes[..4].copy_from_slice(&who.to_be_bytes());
    bytes[4..8].copy_from_slice(&number.to_be_bytes());
    bytes
}

/// The sender and the number of a packet.
fn said(bytes: &[u8]) -> (u32, u32) {
    let who = u32::from_be_bytes(bytes[..4].try_into().unwrap());
    let number = u32::from_be_bytes(bytes[4..8].try_into().unwrap());
    assert!(bytes == packet(who, number), "the packet is whole");
    (who, number)
}

/// Broadcasts each packet to all others.
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
    let chat = Chat { room: room.clone(), closed, names: Arc::clone(&names) };
    let server = build(builder(backend, shards)).start(chat).unwrap();
    Running { server, room, reasons, names }
}

impl Running {
    /// Connects clients, and waits until all are members.
    fn connect(&self, count: usize) -> Vec<TcpStream> {
        let before = self.room.len();
        let address = address_of(&self.server);
        let streams = (0..count).map(|_| connect(address)).collect();
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

fn read_packets(mut stream: &TcpStream, count: usize) -> Vec<(u32, u32)> {
    let mut bytes = [0; PACKET];
    (0..count)
        .map(|at| {
            stream.read_exact(&mut bytes).unwrap_or_else(|error| panic!("packet {at} of {count}: {error}"));
            said(&bytes)
        })
        .collect()
}

/// Works on each stream on a thread with a small stack.
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

/// Every packet of each member reaches every other, in order, and in the same order for all.
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
        // Nobody receives its own packets, so leave out those of the two that are compared.
        let common = |of: &[(u32, u32)]| -> Vec<(u32, u32)> {
            of.iter().copied().filter(|(speaker, _)| *speaker != 0 && *speaker as usize != who).collect()
        };
        assert!(common(heard) == common(&all[0]), "{who} hears all in another order than the first");
    }
    running.finish();
}

#[test]
fn five_hundred_members_each_receive_every_packet_of_all_others() {
    for backend in &backends() {
        chat(*backend, 2, 500, 6);
    }
}

#[test]
fn a_few_members_send_many_packets_on_three_shards() {
    for backend in &backends() {
        chat(*backend, 3, 7, 3000);
    }
}

#[test]
fn broadcasts_and_private_sends_of_a_thread_keep_their_order() {
    const MEMBERS: usize = 40;
    const PACKETS: u32 = 300;
    const THREADS: u32 = 3;
    for backend in &backends() {
        let running = start(*backend, 3, |builder| builder.limits(Limits::new().outbox_bytes(1 << 20)));
        let streams = running.connect(MEMBERS);
        let ids: Vec<SessionId> = streams.iter().map(|stream| running.id_of(stream)).collect();
        std::thread::scope(|scope| {
            // Each thread broadcasts number 2n and sends 2n + 1 to one member after the other.
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
                            // Without pauses the members would be too slow.
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
fn a_member_by_handle_receives_what_is_broadcast_between_its_join_and_its_leave() {
    for backend in &backends() {
        let (names, ids) = mpsc::channel();
        let server = builder(*backend, 2).start(ReportsIds(names)).unwrap();
        let (handle, room) = (server.handle(), Group::new());
        let streams: Vec<TcpStream> = (0..4).map(|_| connect(address_of(&server))).collect();
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
        // A group belongs to one server.
        let other = builder(*backend, 1).start(ReportsIds(mpsc::channel().0)).unwrap();
        assert_eq!(other.handle().join(ids[0], &room), Err(JoinError::OtherServer));
        drop(streams);
        handle.stop();
        server.wait().unwrap();
    }
}

/// One member does not read. The others miss nothing, and the group's log stays small: an outbox
/// and some segments.
fn one_who_never_reads(backend: Backend, policy: SlowConsumer, members: usize) {
    const OUTBOX: usize = 128 * 1024;
    /// More than the socket buffers hold.
    const PACKETS: usize = 600;
    const LEN: usize = 16 * 1024;
    let running = start(backend, 2, |builder| builder.limits(Limits::new().outbox_bytes(OUTBOX)).slow_consumer(policy));
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
            // Stay only a few packets ahead of the readers, so that they do not count as slow.
            wait_until("the others keep up", || heard.load(Ordering::Relaxed) + 2 * others >= (number + 1) * others);
        }
        readers.into_iter().for_each(|reader| reader.join().unwrap());
    });
    // Twice, because the index of a segment takes at most as much again.
    let bound = 2 * (OUTBOX + 8 * 64 * 1024);
    assert!(most <= bound, "{policy:?}: the log took {most} bytes, at most {bound}");
    let handle = running.server.handle();
    if policy == SlowConsumer::DropOldest {
        assert!(handle.stats().dropped > 0);
        assert_eq!(running.room.len(), members, "it is still there");
        assert!(running.reasons.try_recv().is_err());
        // Now it reads: whole packets in order, and only those that were dropped are missing.
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
fn the_policy_applies_to_a_member_that_never_reads_and_others_miss_nothing() {
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

/// Broadcasts each packet. "block" blocks the thread of the shard until the test lets it go.
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
fn a_handler_that_blocks_does_not_delay_members_on_other_shards() {
    // More than the group's log holds.
    const PACKETS: u32 = 20_000;
    for backend in backends() {
        let (names, ids) = mpsc::channel();
        let ((block, blocked), (let_go, gone)) = (mpsc::channel(), mpsc::channel());
        let chat = Blocking { room: Group::new(), names, blocked: block, let_go: Arc::new(Mutex::new(gone)) };
        let builder =
            builder(backend, 2).limits(Limits::new().outbox_bytes(64 * 1024)).slow_consumer(SlowConsumer::DropOldest);
        let server = builder.codec(Fixed::new(PACKET)).start(chat).unwrap();
        let mut members = BTreeMap::new();
        for _ in 0..2 {
            let stream = connect(address_of(&server));
            // An id begins with its shard, so the map sorts them by shard.
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
        // The newest packets were kept for the stuck member.
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
fn members_join_and_leave_while_others_broadcast() {
    const STAY: usize = 20;
    for backend in &backends() {
        let running = start(*backend, 3, |builder| builder.limits(Limits::new().outbox_bytes(1 << 20)));
        let streams = running.connect(STAY);
        let address = address_of(&running.server);
        let (over, visits) = (AtomicBool::new(false), AtomicUsize::new(0));
        let said_in_all = std::thread::scope(|scope| {
            let (over, visits, room) = (&over, &visits, &running.room);
            let guests: Vec<_> = (0..4)
                .map(|guest: usize| {
                    scope.spawn(move || {
                        let mut round = guest;
                        while !over.load(Ordering::Relaxed) {
                            let mut stream = connect(address);
                            // It receives every packet from its first on, then leaves in one of
                            // three ways.
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
            // Long enough to cross many segments, and until guests have come and gone some times.
            while number < 20_000 || visits.load(Ordering::Relaxed) < 20 && begun.elapsed() < PATIENCE {
                room.broadcast(&packet(7, number)).unwrap();
                number += 1;
                if number % 64 == 0 {
                    std::thread::sleep(Duration::from_millis(1));
                }
            }
            over.store(true, Ordering::Relaxed);
            for guest in guests {
                // A guest that waits for a packet gets one.
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
        let running = start(*backend, 2, |builder| builder.limits(Limits::new().outbox_bytes(8 << 20)));
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

/// `Group::len` counts a member before its shard has looked up its position in the log. A broadcast
/// in between must reach it.
#[test]
fn a_member_receives_a_broadcast_as_soon_as_it_is_counted() {
    for backend in backends() {
        let running = start(backend, 1, |builder| builder);
        let address = address_of(&running.server);
        for round in 0..500 {
            let stream = connect(address);
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

/// Broadcasts and sends in turn, then ends its session as the packet says.
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
fn broadcasts_and_sends_before_an_end_arrive_in_order() {
    for backend in backends() {
        let logic = LastWords(Group::new());
        let server = builder(backend, 1).start(logic.clone()).unwrap();
        for how in [0, 1, 2] {
            let mut stream = connect(address_of(&server));
            stream.write_all(&[how]).unwrap();
            let expected: Vec<(u32, u32)> = (0..6).map(|number| (0, number)).collect();
            assert_eq!(read_packets(&stream, 6), expected, "{backend}, {how}");
            drop(stream);
            wait_until("it is gone", || server.handle().sessions() == 0);
        }
    }
}

#[test]
fn a_broadcast_that_no_outbox_could_hold_is_refused() {
    let running = start(backends()[0], 1, |builder| builder.limits(Limits::new().outbox_bytes(64 * 1024)));
    assert_eq!(Group::new().broadcast(&[0; 100]), Ok(()), "nobody is there");
    let streams = running.connect(1);
    running.room.broadcast(&[1; 32 * 1024]).unwrap();
    let error = running.room.broadcast(&[1; 32 * 1024 + 1]).unwrap_err();
    assert!(error.to_string().contains("32768"), "{error}");
    (&streams[0]).read_exact(&mut [0; 32 * 1024]).unwrap();
    running.finish();
}
