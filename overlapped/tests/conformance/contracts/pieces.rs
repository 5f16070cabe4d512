//! Pooled packets that are held while others come: each keeps its bytes, and the pool goes on.

use overlapped::driver::OpId;
use overlapped::{Op, Outcome};

use crate::harness::bench::Bench;
use crate::harness::pattern;
use crate::harness::place::On;

rules! {
    held_packets_keep_their_bytes_while_others_come,
    as_many_packets_can_be_held_as_the_pool_has_buffers,
    a_flood_from_many_peers_arrives_whole_and_in_order,
}

/// The bytes of a packet, and the packet itself if it is held.
enum Got {
    Held(overlapped::buf::Packet),
    Copied(Vec<u8>),
}

impl Got {
    fn bytes(&self) -> &[u8] {
        match self {
            Got::Held(packet) => packet,
            Got::Copied(bytes) => bytes,
        }
    }
}

/// Takes the packets that have come.
fn take(bench: &mut Bench, receives: &[OpId], got: &mut [Vec<Got>], mut hold: impl FnMut() -> bool) {
    for completion in bench.seen.drain(..) {
        let of = receives.iter().position(|id| *id == completion.id).unwrap();
        let Ok(Outcome::Packet(packet)) = completion.result else { panic!("{completion:?}") };
        got[of].push(if hold() { Got::Held(packet) } else { Got::Copied(packet.to_vec()) });
    }
}

fn came(got: &[Got]) -> usize {
    got.iter().map(|got| got.bytes().len()).sum()
}

fn held_packets_keep_their_bytes_while_others_come(on: &On) {
    const MOST_HELD: usize = 100;
    let mut bench = on.bench();
    let pairs: Vec<_> = (0..5).map(|_| bench.pair()).collect();
    let receives: Vec<_> = pairs.iter().map(|(socket, _)| bench.submit(Op::recv_multi(*socket))).collect();
    let mut got: Vec<Vec<Got>> = pairs.iter().map(|_| Vec::new()).collect();
    let bytes = pattern(on.many(2 << 20));
    let (mut sent, mut seen, mut held) = (0, 0, 0);
    for length in [1, 700, 64, 30_000, 5, 2048, 60_001].into_iter().cycle() {
        let end = (sent + length).min(bytes.len());
        for (_, peer) in &pairs {
            bench.write(peer, &bytes[sent..end]);
        }
        sent = end;
        while got.iter().any(|got| came(got) < sent) {
            bench.until("packets", |seen| (!seen.is_empty()).then_some(()));
            take(&mut bench, &receives, &mut got, || {
                seen += 1;
                let hold = seen % 7 == 0 && held < MOST_HELD;
                held += usize::from(hold);
                hold
            });
        }
        if sent == bytes.len() {
            break;
        }
    }
    for got in &got {
        assert!(got.iter().flat_map(|got| got.bytes()).eq(&bytes), "a packet has changed");
    }
    drop(got);
    for (socket, _) in &pairs {
        bench.close(*socket);
    }
    bench.finish();
}

/// Also when much has come between any two that are held.
fn as_many_packets_can_be_held_as_the_pool_has_buffers(on: &On) {
    const HELD: usize = 200;
    let mut bench = on.bench();
    let ((quiet, few), (busy, much)) = (bench.pair(), bench.pair());
    let receives = [bench.submit(Op::recv_multi(quiet)), bench.submit(Op::recv_multi(busy))];
    let bytes = pattern(on.many(64 * 1024));
    let mut held = Vec::new();
    for turn in 0..HELD {
        bench.write(&few, &[turn as u8]);
        let packet = bench.next_of(receives[0]);
        let Ok(Outcome::Packet(packet)) = packet.result else { panic!("{packet:?}") };
        held.push(packet);
        let writer = bench.writer(&much, bytes.clone());
        let mut got = Vec::new();
        while got.len() < bytes.len() {
            let packet = bench.next_of(receives[1]);
            let Ok(Outcome::Packet(packet)) = packet.result else { panic!("{packet:?}") };
            got.extend_from_slice(&packet);
        }
        bench.written(writer);
        assert!(got == bytes, "what comes between");
    }
    assert_eq!(bench.driver.live().packets, HELD);
    assert!(held.iter().enumerate().all(|(turn, packet)| packet[..] == [turn as u8]));
    drop(held);
    bench.close(quiet);
    bench.close(busy);
    bench.finish();
}

fn a_flood_from_many_peers_arrives_whole_and_in_order(on: &On) {
    let mut bench = on.bench();
    let pairs: Vec<_> = (0..20).map(|_| bench.pair()).collect();
    let receives: Vec<_> = pairs.iter().map(|(socket, _)| bench.submit(Op::recv_multi(*socket))).collect();
    let mut got: Vec<Vec<Got>> = pairs.iter().map(|_| Vec::new()).collect();
    let bytes = pattern(on.many(1 << 20));
    let writers: Vec<_> = pairs.iter().map(|(_, peer)| bench.writer(peer, bytes.clone())).collect();
    while got.iter().any(|got| came(got) < bytes.len()) {
        bench.until("packets", |seen| (!seen.is_empty()).then_some(()));
        take(&mut bench, &receives, &mut got, || false);
    }
    for got in &got {
        assert!(got.iter().flat_map(|got| got.bytes()).eq(&bytes), "bytes are lost, mixed up or changed");
    }
    for writer in writers {
        bench.written(writer);
    }
    for (socket, _) in &pairs {
        bench.close(*socket);
    }
    bench.finish();
}
