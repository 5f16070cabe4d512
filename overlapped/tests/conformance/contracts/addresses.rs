//! Addresses as texts and pairs, wherever a driver takes one.

use std::net::Ipv4Addr;

use overlapped::{ErrorKind, Op, Outcome};

use crate::harness::place::On;

rules! {
    a_text_or_a_pair_is_an_address_to_listen_on_and_to_connect_to,
    a_text_or_a_pair_is_an_address_to_send_to: "its peers are real sockets",
    a_host_name_is_refused_with_a_hint_and_the_operation_is_given_back,
}

fn a_text_or_a_pair_is_an_address_to_listen_on_and_to_connect_to(on: &On) {
    let mut bench = on.bench();
    let listener = bench.driver.listen((Ipv4Addr::LOCALHOST, 0), &Default::default()).unwrap();
    let address = bench.driver.local_addr(listener).unwrap();
    let port = address.ip().unwrap().port();
    for round in 0..4 {
        let socket = match round {
            0 => bench.driver.socket("127.0.0.1:0"),
            1 => bench.driver.socket(("127.0.0.1", 0)),
            _ => bench.driver.socket(address.to_string()),
        };
        let socket = socket.unwrap();
        let accept = bench.submit(Op::accept(listener));
        let connect = match round {
            0 => Op::connect(socket, address.to_string()),
            1 => Op::connect(socket, ("127.0.0.1", port)),
            2 => Op::connect(socket, ([127, 0, 0, 1], port)),
            _ => Op::connect(socket, address.to_string().as_str()),
        };
        let connect = bench.submit(connect);
        assert!(matches!(bench.outcome_of(connect), Ok(Outcome::Connected)));
        assert!(matches!(bench.outcome_of(accept), Ok(Outcome::Accepted(..))));
        assert_eq!(bench.driver.peer_addr(socket).unwrap(), address);
        bench.close(socket);
    }
    bench.close(listener);
    bench.finish();
}

fn a_text_or_a_pair_is_an_address_to_send_to(on: &On) {
    let mut bench = on.bench();
    let from = bench.driver.datagram("127.0.0.1:0", &Default::default()).unwrap();
    let to = bench.driver.datagram(("127.0.0.1", 0), &Default::default()).unwrap();
    let port = bench.driver.local_addr(to).unwrap().ip().unwrap().port();
    for op in [
        Op::send_to(from, b"text", format!("127.0.0.1:{port}")),
        Op::send_to(from, b"text", ("127.0.0.1", port)),
        Op::send_to(from, b"text", (Ipv4Addr::LOCALHOST, port)),
    ] {
        let recv = bench.submit(Op::recv(to, Vec::<u8>::with_capacity(16)));
        let send = bench.submit(op);
        assert!(matches!(bench.outcome_of(send), Ok(Outcome::Sent(4))));
        assert_eq!(bench.bytes_of(recv), b"text");
    }
    bench.close(from);
    bench.close(to);
    bench.finish();
}

fn a_host_name_is_refused_with_a_hint_and_the_operation_is_given_back(on: &On) {
    let mut bench = on.bench();
    let socket = bench.driver.socket("127.0.0.1:0").unwrap();
    let hint = |error: &overlapped::Error| {
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        assert!(error.to_string().contains("'localhost:80' is not an address but a host name"), "{error}");
    };
    hint(&bench.driver.listen("localhost:80", &Default::default()).unwrap_err());
    hint(&bench.driver.socket(("localhost", 80)).unwrap_err());
    hint(&bench.driver.datagram("localhost:80", &Default::default()).unwrap_err());
    let refused = bench.driver.submit(Op::connect(socket, "localhost:80"), 0).unwrap_err();
    hint(&refused.error);
    let refused = bench.driver.submit(Op::send_to(socket, b"kept".to_vec(), "localhost:80"), 0).unwrap_err();
    hint(&refused.error);
    assert_eq!(refused.given.into_buf().unwrap().take::<Vec<u8>>().unwrap(), b"kept");
    assert_eq!(bench.driver.live().operations, 0);
    bench.close(socket);
    bench.finish();
}
