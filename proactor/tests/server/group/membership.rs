//! Members that join and leave while others broadcast.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use proactor::{Group, JoinError, Limits, SessionId};

use super::chat::{PACKET, Running, on_threads, packet, read_packets, sender_and_number, start};
use crate::harness::{PATIENCE, ReportsIds, address_of, backends, builder, connect, wait_until};

#[test]
fn a_member_by_handle_receives_what_is_broadcast_between_its_join_and_its_leave() {
    for backend in &backends() {
        let (names, ids) = mpsc::channel();
        let server = builder(*backend, 2).start(ReportsIds(names)).unwrap();
        let (handle, group) = (server.handle(), Group::new());
        let streams: Vec<TcpStream> = (0..4).map(|_| connect(address_of(&server))).collect();
        let ids: Vec<SessionId> = (0..4).map(|_| ids.recv_timeout(PATIENCE).unwrap()).collect();
        for round in 0..50 {
            for id in &ids {
                handle.join(*id, &group).unwrap();
                group.broadcast(&packet(round, 0)).unwrap();
                handle.leave(*id, &group).unwrap();
                group.broadcast(&packet(round, 1)).unwrap();
            }
        }
        ids.iter().for_each(|id| handle.close(*id).unwrap());
        for mut stream in &streams {
            let mut bytes = Vec::new();
            stream.read_to_end(&mut bytes).unwrap();
            let received: Vec<(u32, u32)> = bytes.chunks(PACKET).map(sender_and_number).collect();
            assert!(received.iter().copied().eq((0..50).map(|round| (round, 0))), "{received:?}");
        }
        // A group belongs to one server.
        let other = builder(*backend, 1).start(ReportsIds(mpsc::channel().0)).unwrap();
        assert_eq!(other.handle().join(ids[0], &group), Err(JoinError::OtherServer));
        drop(streams);
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
        let sent_in_all = std::thread::scope(|scope| {
            let (over, visits, group) = (&over, &visits, &running.group);
            let guests: Vec<_> = (0..4)
                .map(|guest: usize| {
                    scope.spawn(move || {
                        let mut round = guest;
                        while !over.load(Ordering::Relaxed) {
                            let mut stream = connect(address);
                            // It receives every packet from its first on, then leaves in one of
                            // three ways.
                            let received = read_packets(&stream, 1 + round % 5);
                            assert!(received.windows(2).all(|pair| pair[1] == (7, pair[0].1 + 1)), "{received:?}");
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
                        Ok(()) => assert_eq!(sender_and_number(&bytes), (7, next)),
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
                group.broadcast(&packet(7, number)).unwrap();
                number += 1;
                if number % 64 == 0 {
                    std::thread::sleep(Duration::from_millis(1));
                }
            }
            over.store(true, Ordering::Relaxed);
            for guest in guests {
                // A guest that waits for a packet gets one.
                while !guest.is_finished() {
                    group.broadcast(&packet(7, number)).unwrap();
                    number += 1;
                    std::thread::sleep(Duration::from_millis(1));
                }
                guest.join().unwrap();
            }
            assert!(visits.load(Ordering::Relaxed) >= 20);
            wait_until("the guests have left", || group.len() == STAY);
            running.server.handle().drain(PATIENCE);
            for reader in readers {
                assert_eq!(reader.join().unwrap(), number, "a member that stays receives everything");
            }
            number
        });
        assert!(sent_in_all >= 20_000);
        drop(streams);
        let Running { server, group, .. } = running;
        server.wait().unwrap();
        assert_eq!(group.len(), 0);
        assert!(
            group.log_memory() < 256 * 1024,
            "the log keeps nothing for members that have left: {}",
            group.log_memory()
        );
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
            // At once, but for a server that needs this processor.
            for tries in 1_u64.. {
                if !running.group.is_empty() {
                    break;
                }
                if tries.is_multiple_of(1 << 10) {
                    std::thread::yield_now();
                }
            }
            running.group.broadcast(&packet(0, round)).unwrap();
            assert_eq!(read_packets(&stream, 1), [(0, round)]);
            drop(stream);
            wait_until("the member has left", || running.group.is_empty());
        }
        running.finish();
    }
}
