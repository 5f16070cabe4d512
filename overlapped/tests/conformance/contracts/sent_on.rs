//! Received packets that are sent on from the buffers that they lie in.

use overlapped::buf::{Packet, PoolConfig};
use overlapped::driver::{OpId, SocketId};
use overlapped::{Op, Outcome};

use crate::harness::bench::Bench;
use crate::harness::pattern;
use crate::harness::place::On;

rules! {
    what_is_sent_on_arrives_whole_while_more_comes,
    what_is_sent_to_a_peer_that_does_not_read_leaves_buffers_to_receive_into,
    a_send_of_packets_that_is_closed_gives_their_buffers_back,
}

/// More than goes to a peer that does not read: what is sent behind it waits.
fn fill(bench: &mut Bench, to: SocketId) -> OpId {
    bench.submit(Op::send(to, vec![1; 64 << 20]))
}

fn packet_of(bench: &mut Bench, receive: OpId) -> Packet {
    let completion = bench.next_of(receive);
    let Ok(Outcome::Packet(packet)) = completion.result else { panic!("{completion:?}") };
    packet
}

/// Adjacent parts are joined. What cannot be shared is copied.
fn what_is_sent_on_arrives_whole_while_more_comes(on: &On) {
    let mut bench = on.bench();
    let ((from, writer), (to, reader)) = (bench.pair(), bench.pair());
    let bytes = pattern(on.many(4 << 20));
    let receive = bench.submit(Op::recv_multi(from));
    let (writer, reader) = (bench.writer(&writer, bytes.clone()), bench.reader(&reader));
    let (mut came, mut shared, mut sends) = (0, 0, Vec::new());
    while came < bytes.len() {
        let packet = packet_of(&mut bench, receive);
        came += packet.len();
        let middle = packet.len() / 2;
        let halves = (packet.share(0..middle), packet.share(middle..packet.len()));
        let op = match halves {
            (Some(mut first), Some(second)) if packet.len().is_multiple_of(3) => {
                first.join(second).unwrap();
                Op::send(to, first)
            }
            (Some(first), Some(second)) => Op::send(to, vec![first, second]),
            _ => Op::send(to, packet.to_vec()),
        };
        shared += usize::from(bench.driver.live().packets > 1);
        sends.push(bench.submit(op));
    }
    assert!(shared > 0, "none was shared");
    for send in sends {
        let sent = bench.outcome_of(send);
        assert!(matches!(sent, Ok(Outcome::Sent(_))), "{sent:?}");
    }
    bench.written(writer);
    bench.close(to);
    assert!(bench.read_all(reader) == bytes, "bytes are lost, mixed up or changed");
    bench.close(from);
    bench.finish();
}

fn what_is_sent_to_a_peer_that_does_not_read_leaves_buffers_to_receive_into(on: &On) {
    const BUFFERS: usize = 16;
    let pool = PoolConfig::new().buffers(BUFFERS as u16).buffer_bytes(1024);
    let mut bench = on.bench_with(on.config().pool(pool));
    let ((from, writer), (to, stuck)) = (bench.pair(), bench.pair());
    fill(&mut bench, to);
    let receive = bench.submit(Op::recv_multi(from));
    let bytes = [7; 1024];
    let mut refused = false;
    for _ in 0..4 * BUFFERS {
        bench.write(&writer, &bytes);
        let mut came = 0;
        while came < bytes.len() {
            let packet = packet_of(&mut bench, receive);
            came += packet.len();
            let shared = packet.share(0..packet.len());
            refused |= shared.is_none();
            bench.submit(match shared {
                Some(shared) => Op::send(to, shared),
                None => Op::send(to, packet.to_vec()),
            });
        }
        let held = bench.driver.live().packets;
        assert!(held <= BUFFERS / 2, "{held} of {BUFFERS} buffers are held");
    }
    assert!(refused, "all that was sent was read");
    bench.drop_peer(stuck);
    bench.close(to);
    bench.close(from);
    bench.finish();
}

fn a_send_of_packets_that_is_closed_gives_their_buffers_back(on: &On) {
    let mut bench = on.bench();
    let ((from, writer), (to, stuck)) = (bench.pair(), bench.pair());
    let filler = fill(&mut bench, to);
    let receive = bench.submit(Op::recv_multi(from));
    bench.write(&writer, b"x");
    let packet = packet_of(&mut bench, receive);
    let first = bench.submit(Op::send(to, packet.share(0..1).unwrap()));
    let second = bench.submit(Op::send(to, vec![packet.share(0..1).unwrap(), packet]));
    bench.settle();
    assert_eq!(bench.driver.live().packets, 3, "they wait: {:?}", bench.seen);
    bench.close(to);
    for send in [filler, first, second] {
        assert!(bench.outcome_of(send).is_err());
    }
    assert_eq!(bench.driver.live().packets, 0);
    bench.drop_peer(stuck);
    bench.close(from);
    bench.finish();
}
