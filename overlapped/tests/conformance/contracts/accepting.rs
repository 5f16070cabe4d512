//! Accepting: every client that has connected is delivered, whatever it did meanwhile.

use overlapped::{ErrorKind, Op, Outcome};

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
        let mut accept = bench.submit(if multi { Op::accept_multi(listener) } else { Op::accept(listener) });
        for (number, client) in clients.iter().enumerate() {
            let Ok(Outcome::Accepted(stream, peer)) = bench.next_of(accept).result else { panic!("an accept accepts") };
            assert_eq!(&peer, client, "client {number}");
            if !multi && number < 3 {
                accept = bench.submit(Op::accept(listener));
            }
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
            assert_eq!(came, [b'a' + number as u8; 9]);
            match end {
                Ok(Outcome::Received(0)) => assert!(!reset, "the client has reset the connection"),
                Err(error) => assert!(reset && error.kind() == ErrorKind::Reset, "{error}"),
                other => panic!("{other:?}"),
            }
            bench.close(socket);
        }
        bench.close(listener);
        bench.finish();
    }
}
