//! What a driver keeps of operations that have ended, and of sends that were refused at once.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::buf::*;
use crate::driver::*;
use crate::error::*;
use crate::options::*;
use crate::sim::*;

/// Turns for a second; returns the completions.
fn run(driver: &mut Driver) -> Vec<Completion> {
    let mut all = Vec::new();
    let end = driver.now() + Duration::from_secs(1);
    while driver.now() < end {
        driver.turn(Wait::Until(end)).unwrap();
        all.extend(std::iter::from_fn(|| driver.next()));
    }
    all
}

#[test]
fn receives_that_were_cancelled_while_they_waited_for_a_buffer_are_forgotten() {
    const STREAMS: usize = 20;
    const HELD: usize = 2;
    let network = Network::new(1);
    let pool = PoolConfig::new().buffers(HELD as u16).buffer_bytes(64);
    let mut driver = Driver::new(DriverConfig::new().network(network).pool(pool)).unwrap();
    let listener = driver.listen("10.0.0.1:80", &ListenOptions::new()).unwrap();
    let address = driver.local_addr(listener).unwrap();
    driver.submit(Op::accept_multi(listener), 0).unwrap();
    for _ in 0..STREAMS {
        let client = driver.socket(&address).unwrap();
        driver.submit(Op::connect(client, &address), 0).unwrap();
        driver.submit(Op::send(client, b"hello"), 0).unwrap();
    }
    let mut streams = Vec::new();
    for completion in run(&mut driver) {
        if let Outcome::Accepted(stream, _) = completion.result.unwrap() {
            streams.push(driver.adopt(stream).unwrap());
        }
    }
    assert_eq!(streams.len(), STREAMS);

    // All buffers are taken. The others wait, are cancelled, and are started again.
    let waiting = streams.split_off(HELD);
    for stream in streams {
        driver.submit(Op::recv_multi(stream), 0).unwrap();
    }
    let held = run(&mut driver);
    assert!(held.len() == HELD && held.iter().all(|held| matches!(held.result, Ok(Outcome::Packet(_)))), "{held:?}");
    for _ in 0..50 {
        let ids: Vec<OpId> = waiting.iter().map(|stream| driver.submit(Op::recv_multi(*stream), 1).unwrap()).collect();
        assert!(run(&mut driver).is_empty());
        assert!(ids.into_iter().all(|id| driver.cancel(id)));
        let ends = run(&mut driver);
        assert_eq!(ends.len(), STREAMS - HELD);
        assert!(ends.iter().all(|end| matches!(&end.result, Err(error) if error.kind() == ErrorKind::Cancelled)));
        assert!(driver.starved.len() <= 4 * STREAMS, "{}", driver.starved.len());
    }
    // Those that wait now get buffers, one after the other.
    for (index, stream) in waiting.iter().enumerate() {
        driver.submit(Op::recv_multi(*stream), index as u64).unwrap();
    }
    assert!(run(&mut driver).is_empty());
    drop(held);
    let mut served = BTreeSet::new();
    for _ in 0..STREAMS {
        let came = run(&mut driver);
        let packets = came.iter().filter(|completion| matches!(completion.result, Ok(Outcome::Packet(_))));
        served.extend(packets.map(|completion| completion.token));
    }
    assert_eq!(served.len(), STREAMS - HELD);
}

#[test]
fn operations_that_end_before_a_turn_hands_them_over_are_forgotten() {
    let mut driver = Driver::new(DriverConfig::new().network(Network::new(1))).unwrap();
    let listener = driver.listen("10.0.0.1:80", &ListenOptions::new()).unwrap();
    for round in 0..1000 {
        let accept = driver.submit(Op::accept(listener), round).unwrap();
        assert!(driver.cancel(accept));
        assert_eq!(driver.next().unwrap().token, round);
        assert!(driver.listed.len() <= 4, "{} operations are listed", driver.listed.len());
    }
}

/// Streams may have buffers of their own. They are of no use to a datagram: without a buffer it is
/// not tried again and again.
#[test]
#[cfg(unix)]
fn a_datagram_without_a_buffer_waits_until_a_packet_is_dropped() {
    const HELD: usize = 2;
    let pool = PoolConfig::new().buffers(HELD as u16).buffer_bytes(1 << 20);
    let mut driver = Driver::new(DriverConfig::new().pool(pool)).unwrap();
    let socket = driver.datagram("127.0.0.1:0", &Default::default()).unwrap();
    let address = driver.local_addr(socket).unwrap().ip().unwrap();
    let peer = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    driver.submit(Op::recv_from_multi(socket), 0).unwrap();
    let mut held = Vec::new();
    for i in 0..=HELD as u8 {
        peer.send_to(&[i], address).unwrap();
    }
    while driver.starved.is_empty() {
        driver.turn(Wait::For(Duration::from_millis(10))).unwrap();
        held.extend(std::iter::from_fn(|| driver.next()));
    }
    assert_eq!(held.len(), HELD);
    for _ in 0..10 {
        driver.turn(Wait::Poll).unwrap();
        assert_eq!(driver.starved.len(), 1, "it is tried again");
        assert!(driver.next().is_none());
    }
    drop(held);
    let last = loop {
        driver.turn(Wait::For(Duration::from_millis(10))).unwrap();
        if let Some(completion) = driver.next() {
            break completion;
        }
    };
    assert!(matches!(last.result, Ok(Outcome::Datagram(ref packet, _)) if packet[..] == [HELD as u8]), "{last:?}");
}

#[cfg(unix)]
#[test]
fn a_connection_dies_of_a_send_at_once_only_if_the_system_says_that_it_is_dead() {
    for (code, is_dead) in [
        (libc::EINTR, false),
        (libc::ENOBUFS, false),
        (libc::EIO, false),
        (libc::ECONNRESET, true),
        (libc::ETIMEDOUT, true),
        (libc::EHOSTUNREACH, true),
    ] {
        let mut driver = Driver::new(DriverConfig::new().network(Network::new(1))).unwrap();
        let listener = driver.listen("10.0.0.1:80", &ListenOptions::new()).unwrap();
        let address = driver.local_addr(listener).unwrap();
        driver.submit(Op::accept_multi(listener), 0).unwrap();
        let client = driver.socket(&address).unwrap();
        driver.submit(Op::connect(client, &address), 0).unwrap();
        assert_eq!(run(&mut driver).len(), 2, "connected and accepted");
        driver.refused_at_once(client.slot(), code);
        assert_eq!(driver.sockets[client.slot()].is_dead(), is_dead, "code {code}");
    }
}
