//! Members that do not read, and shards that do not run.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};

use proactor::codec::Fixed;
use proactor::{Backend, CloseReason, Flow, Group, Handler, Limits, NoMessage, Session, SessionId, SlowConsumer};

use super::chat::{PACKET, on_threads, packet, read_packets, sender_and_number, start};
use crate::harness::{PATIENCE, address_of, backends, builder, connect, wait_until};

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
    let (received, others) = (AtomicUsize::new(0), members - 1);
    let mut most = 0;
    std::thread::scope(|scope| {
        let (streams, received) = (&streams[..], &received);
        let readers = on_threads(scope, streams, move |_, mut stream| {
            let mut bytes = vec![0; LEN];
            for number in 0..PACKETS {
                stream.read_exact(&mut bytes).unwrap();
                assert_eq!(sender_and_number(&bytes[..PACKET]), (9, number as u32));
                assert!(bytes[PACKET..] == *[number as u8; LEN - PACKET].as_slice());
                received.fetch_add(1, Ordering::Relaxed);
            }
        });
        for number in 0..PACKETS {
            let mut bytes = vec![number as u8; LEN];
            bytes[..PACKET].copy_from_slice(&packet(9, number as u32));
            running.group.broadcast(&bytes).unwrap();
            most = most.max(running.group.log_memory());
            // Stay only a few packets ahead of the readers, so that they do not count as slow.
            wait_until("the others keep up", || received.load(Ordering::Relaxed) + 2 * others >= (number + 1) * others);
        }
        readers.into_iter().for_each(|reader| reader.join().unwrap());
    });
    // Twice, because the index of a segment takes at most as much again.
    let bound = 2 * (OUTBOX + 8 * 64 * 1024);
    assert!(most <= bound, "{policy:?}: the log took {most} bytes, at most {bound}");
    let handle = running.server.handle();
    if policy == SlowConsumer::DropOldest {
        assert!(handle.stats().dropped > 0);
        assert_eq!(running.group.len(), members, "it is still a member");
        assert!(running.reasons.try_recv().is_err());
        // Now it reads: whole packets in order, and only those that were dropped are missing.
        handle.close(slow_id).unwrap();
        let mut bytes = Vec::new();
        (&slow[0]).read_to_end(&mut bytes).unwrap();
        let numbers: Vec<u32> = bytes.chunks(LEN).map(|bytes| sender_and_number(&bytes[..PACKET]).1).collect();
        assert!(numbers.is_sorted() && numbers.len() > 1);
        assert_eq!(*numbers.last().unwrap() as usize, PACKETS - 1, "the newest are kept");
        assert_eq!(numbers.len() as u64 + handle.stats().dropped, PACKETS as u64);
    } else {
        assert_eq!(running.reasons.recv_timeout(PATIENCE).unwrap(), (slow_id, CloseReason::TooSlow));
        assert_eq!((running.group.len(), handle.stats().dropped), (others, 0));
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
    group: Group,
    names: mpsc::Sender<SessionId>,
    blocked: mpsc::Sender<()>,
    let_go: Arc<Mutex<mpsc::Receiver<()>>>,
}

impl Handler for Blocking {
    type State = ();
    type Message = NoMessage;
    fn connected(&mut self, session: &Session) {
        session.join(&self.group).unwrap();
        self.names.send(session.id()).unwrap();
    }
    fn received(&mut self, _: &Session, (): &mut (), packet: &[u8]) -> Flow {
        if packet.starts_with(b"block") {
            self.blocked.send(()).unwrap();
            self.let_go.lock().unwrap().recv_timeout(PATIENCE).unwrap();
        } else {
            self.group.broadcast(packet).unwrap();
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
        let chat = Blocking { group: Group::new(), names, blocked: block, let_go: Arc::new(Mutex::new(gone)) };
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
            let received = read_packets(&free, PACKETS as usize);
            assert!(received.into_iter().eq((0..PACKETS).map(|number| (1, number))));
        });
        let_go.send(()).unwrap();
        let handle = server.handle();
        // The newest packets were kept for the stuck member.
        let mut received = Vec::new();
        while received.last() != Some(&(1, PACKETS - 1)) {
            received.extend(read_packets(&stuck, 1));
        }
        assert!(received.windows(2).all(|pair| pair[0].1 < pair[1].1));
        assert!(handle.stats().dropped > 0);
        assert_eq!(received.len() as u64 + handle.stats().dropped, u64::from(PACKETS));
        handle.close(stuck_id).unwrap();
        handle.stop();
        server.wait().unwrap();
    }
}
