//! Accepting: every client that has connected is delivered, whatever it did meanwhile.

use overlapped::driver::{Stream, Wait};
use overlapped::report::Backend;
use overlapped::{ErrorKind, Op, Outcome};

use crate::harness::bench::Bench;
use crate::harness::place::On;

rules! {
    a_client_that_sent_and_reset_before_the_accept_is_delivered_with_its_bytes,
    a_client_that_sent_and_closed_before_the_accept_is_delivered_with_its_bytes,
}

fn a_client_that_sent_and_reset_before_the_accept_is_delivered_with_its_bytes(on: &On) {
    early_clients(on, true);
}

fn a_client_that_sent_and_closed_before_the_accept_is_delivered_with_its_bytes(on: &On) {
    early_clients(on, false);
}

fn early_clients(on: &On, reset: bool) {
    for multi in [false, true] {
        let mut bench = on.bench();
        let (listener, address) = bench.listen();
        let mut clients = Vec::new();
        for number in 0..4u8 {
            let (peer, local) = bench.connect(&address);
            bench.write(&peer, &[b'a' + number; 9]);
            bench.settle();
            if reset {
                bench.reset(peer)
            } else {
                bench.drop_peer(peer)
            }
            bench.settle();
            clients.push(local);
        }
        let again = || if multi { Op::accept_multi(listener) } else { Op::accept(listener) };
        let mut accept = bench.submit(again());
        // Windows drops clients that have reset their connections. It must not end the accept.
        let drops = reset && on.backend == Backend::Winsock;
        let (_last, last) = bench.connect(&address);
        clients.push(last);
        let mut delivered = 0;
        while let Some((number, client)) = clients.get(delivered).map(|client| (delivered, client.clone())) {
            let result = bench.next_of(accept).result;
            let Ok(Outcome::Accepted(stream, peer)) = result else { panic!("an accept accepts: {result:?}") };
            if number < 4 && !multi {
                accept = bench.submit(again());
            }
            if drops && peer != client {
                assert_eq!(peer, clients[4]);
                break;
            }
            assert_eq!(peer, client, "client {number}");
            delivered += 1;
            if number < 4 {
                check(&mut bench, stream, [b'a' + number as u8; 9], reset);
            }
        }
        bench.close(listener);
        bench.turn(Wait::Poll);
        bench.seen.clear();
        bench.finish();
    }
}

/// The bytes that came, and how the stream ended.
fn check(bench: &mut Bench, stream: Stream, sent: [u8; 9], reset: bool) {
    let socket = bench.driver.adopt(stream).unwrap();
    let mut came = Vec::new();
    let end = loop {
        let receive = bench.submit(Op::recv(socket, Vec::<u8>::with_capacity(100)));
        let end = bench.end_of(receive);
        match end.result {
            Ok(Outcome::Received(1..)) => came.extend(end.buf.unwrap().take::<Vec<u8>>().unwrap()),
            other => break other,
        }
    };
    assert_eq!(came, sent);
    match end {
        Ok(Outcome::Received(0)) => assert!(!reset, "the client has reset the connection"),
        Err(error) => assert!(reset && error.kind() == ErrorKind::Reset, "{error}"),
        other => panic!("{other:?}"),
    }
    bench.close(socket);
}
