//! Datagrams that are sent many at a time, without an operation; and sockets that share a port.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use overlapped::driver::{DatagramTo, SocketId};
use overlapped::options::DatagramOptions;
use overlapped::{ErrorKind, Op, Outcome};

use crate::harness::bench::Bench;
use crate::harness::place::On;

rules! {
    a_batch_leaves_as_far_as_there_is_room_and_the_rest_is_offered_again,
    what_the_system_has_against_one_stops_before_it,
    only_datagram_sockets_that_are_open_send_batches,
    sockets_that_share_a_port_keep_each_peer,
}

fn bound(bench: &mut Bench, options: &DatagramOptions, address: &str) -> (SocketId, SocketAddr) {
    let socket = bench.driver.datagram(address, options).unwrap();
    (socket, bench.driver.local_addr(socket).unwrap().ip().unwrap())
}

/// Sends all, and waits for room where there is none.
fn send_all(bench: &mut Bench, socket: SocketId, mut batch: &[DatagramTo<'_>]) {
    while let Some(first) = batch.first() {
        match bench.driver.send_datagrams(socket, batch).unwrap() {
            0 => {
                let send = bench.submit(Op::send_to(socket, first.bytes.to_vec(), first.to));
                bench.outcome_of(send).unwrap();
                batch = &batch[1..];
            }
            sent => batch = &batch[sent..],
        }
    }
}

fn a_batch_leaves_as_far_as_there_is_room_and_the_rest_is_offered_again(on: &On) {
    for address in ["127.0.0.1:0", "[::1]:0"] {
        let mut bench = on.bench();
        let (from, here) = bound(&mut bench, &DatagramOptions::new(), address);
        let (to, there) = bound(&mut bench, &DatagramOptions::new().receive_buffer(1 << 20), address);
        // More than one call takes, and of all lengths.
        let texts: Vec<Vec<u8>> = (0..100_u8).map(|number| vec![number; usize::from(number) * 3]).collect();
        let batch: Vec<DatagramTo<'_>> = texts.iter().map(|bytes| DatagramTo { bytes, to: there }).collect();
        send_all(&mut bench, from, &batch);
        let mut came = Vec::new();
        for _ in &texts {
            let receive = bench.submit(Op::recv_from(to, vec![0u8; 1000]));
            let end = bench.end_of(receive);
            let Ok(Outcome::ReceivedFrom(_, sender)) = end.result else { panic!("{end:?}") };
            assert_eq!(sender.ip(), Some(here));
            came.push(end.buf.unwrap().take::<Vec<u8>>().unwrap());
        }
        // In a simulation they overtake each other.
        came.sort();
        assert_eq!(came, texts);
        bench.close(from);
        bench.close(to);
        bench.finish();
    }
}

fn what_the_system_has_against_one_stops_before_it(on: &On) {
    let mut bench = on.bench();
    let (from, _) = bound(&mut bench, &DatagramOptions::new(), "127.0.0.1:0");
    let (to, there) = bound(&mut bench, &DatagramOptions::new(), "127.0.0.1:0");
    let large = vec![0; 65_508];
    let batch = [&b"small"[..], &large, b"small too"].map(|bytes| DatagramTo { bytes, to: there });
    send_all(&mut bench, from, &batch[..1]);
    let error = loop {
        match bench.driver.send_datagrams(from, &batch[1..]) {
            // A simulated network takes none now and then.
            Ok(sent) => assert_eq!(sent, 0),
            Err(error) => break error,
        }
    };
    assert_eq!((error.kind(), error.address()), (ErrorKind::Truncated, Some(&there.into())));
    send_all(&mut bench, from, &batch[2..]);
    for _ in 0..2 {
        let receive = bench.submit(Op::recv_from(to, vec![0u8; 100]));
        bench.outcome_of(receive).unwrap();
    }
    bench.close(from);
    bench.close(to);
    bench.finish();
}

fn only_datagram_sockets_that_are_open_send_batches(on: &On) {
    let mut bench = on.bench();
    let (socket, address) = bound(&mut bench, &DatagramOptions::new(), "127.0.0.1:0");
    let batch = [DatagramTo { bytes: b"x", to: address }];
    let kind = |bench: &mut Bench, socket| bench.driver.send_datagrams(socket, &batch).unwrap_err().kind();
    let stream = bench.driver.socket("127.0.0.1:80").unwrap();
    assert_eq!(kind(&mut bench, stream), ErrorKind::InvalidArgument);
    assert_eq!(kind(&mut bench, SocketId::NONE), ErrorKind::Closed);
    assert_eq!(bench.driver.send_datagrams(socket, &[]).unwrap(), 0);
    bench.close(stream);
    bench.close(socket);
    assert_eq!(kind(&mut bench, socket), ErrorKind::Closed);
    bench.finish();
}

fn sockets_that_share_a_port_keep_each_peer(on: &On) {
    let mut bench = on.bench();
    if !bench.driver.spreads_datagrams() {
        return bench.finish();
    }
    let shared = DatagramOptions::new().reuse_port(true);
    let (first, address) = bound(&mut bench, &shared, "127.0.0.1:0");
    let text = address.to_string();
    let sockets = [first, bound(&mut bench, &shared, &text).0, bound(&mut bench, &shared, &text).0];
    let alone = bench.driver.datagram(address, &DatagramOptions::new());
    assert_eq!(alone.unwrap_err().kind(), ErrorKind::InUse);
    let peers: Vec<SocketId> = (0..40).map(|_| bound(&mut bench, &DatagramOptions::new(), "127.0.0.1:0").0).collect();
    let receives = sockets.map(|socket| bench.submit(Op::recv_from_multi(socket)));
    let mut at: BTreeMap<SocketAddr, usize> = BTreeMap::new();
    for _ in 0..3 {
        for peer in &peers {
            send_all(&mut bench, *peer, &[DatagramTo { bytes: b"hello", to: address }]);
            let completion = bench.until("a datagram", |ended| {
                let at = ended.iter().position(|end| matches!(end.result, Ok(Outcome::Datagram(..))))?;
                Some(ended.remove(at))
            });
            let socket = receives.iter().position(|receive| *receive == completion.id);
            let Ok(Outcome::Datagram(_, from)) = completion.result else { unreachable!("it is one") };
            let socket = socket.expect("one of the three");
            assert_eq!(*at.entry(from.ip().unwrap()).or_insert(socket), socket, "{from} has moved");
        }
    }
    let mut used: Vec<usize> = at.values().copied().collect();
    used.sort_unstable();
    used.dedup();
    assert_eq!((at.len(), used), (40, vec![0, 1, 2]));
    for socket in sockets.into_iter().chain(peers) {
        bench.close(socket);
    }
    bench.finish();
}
