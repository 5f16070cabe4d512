//! Every broadcast reaches all members, whole and in order.

use std::io::{Read, Write};
use std::time::Duration;

use proactor::{Backend, CloseReason, Flow, Group, Handler, Limits, NoMessage, Session, SessionId};

use super::chat::{on_threads, packet, read_packets, start};
use crate::harness::{PATIENCE, address_of, backends, builder, connect, wait_until};

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
    for (who, received) in all.iter().enumerate() {
        let mut next = vec![0; members];
        for (sender, number) in received {
            assert_ne!(*sender as usize, who, "a member received its own packet");
            assert_eq!(next[*sender as usize], *number, "{who} received {sender} out of order");
            next[*sender as usize] += 1;
        }
        // Nobody receives its own packets, so leave out those of the two that are compared.
        let common = |of: &[(u32, u32)]| -> Vec<(u32, u32)> {
            of.iter().copied().filter(|(sender, _)| *sender != 0 && *sender as usize != who).collect()
        };
        assert!(common(received) == common(&all[0]), "{who} and 0 received the same packets in another order");
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
                    assert!(last.is_none_or(|last| number > last), "{thread}: {number} after {last:?}");
                    assert!(
                        number % 2 == 0 || *last == Some(number - 1),
                        "a private packet comes right after its broadcast"
                    );
                    *last = Some(number);
                }
            });
            for thread in 0..THREADS {
                let (group, handle, ids) = (running.group.clone(), running.server.handle(), &ids);
                scope.spawn(move || {
                    for number in 0..PACKETS {
                        group.broadcast(&packet(thread, 2 * number)).unwrap();
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
fn draining_delivers_what_was_broadcast() {
    const LEN: usize = 100 * 1024;
    for backend in &backends() {
        let running = start(*backend, 2, |builder| builder.limits(Limits::new().outbox_bytes(8 << 20)));
        let streams = running.connect(10);
        for number in 0..60 {
            running.group.broadcast(&[number; LEN]).unwrap();
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
        assert_eq!(running.group.len(), 0);
    }
}

/// Broadcasts and sends in turn, then ends its session as the packet says.
#[derive(Clone)]
struct LastWords(Group);

impl Handler for LastWords {
    type State = ();
    type Message = NoMessage;
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
            wait_until("the session has ended", || server.handle().sessions() == 0);
        }
    }
}

#[test]
fn a_broadcast_that_no_outbox_could_hold_is_refused() {
    let running = start(backends()[0], 1, |builder| builder.limits(Limits::new().outbox_bytes(64 * 1024)));
    assert_eq!(Group::new().broadcast(&[0; 100]), Ok(()), "a group without members takes any packet");
    let streams = running.connect(1);
    running.group.broadcast(&[1; 32 * 1024]).unwrap();
    let error = running.group.broadcast(&[1; 32 * 1024 + 1]).unwrap_err();
    assert!(error.to_string().contains("32768"), "{error}");
    (&streams[0]).read_exact(&mut [0; 32 * 1024]).unwrap();
    running.finish();
}
