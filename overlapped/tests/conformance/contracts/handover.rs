//! Connections that move from driver to driver, of the same backend and of another, with their
//! unread bytes.

use overlapped::report::Backend;
use overlapped::{ErrorKind, Op, Outcome};

use crate::harness::pattern;
use crate::harness::place::On;
#[cfg(unix)]
use crate::harness::place::is_there;

rules! {
    a_connection_goes_round_all_backends: "its connections stay on its network",
    unread_bytes_move_with_the_connection,
    only_an_idle_open_socket_can_be_released,
    an_accepted_connection_is_adopted_by_another_driver,
}

/// This backend first, then the others of this system.
#[cfg(unix)]
fn backends(on: &On) -> Vec<Backend> {
    if on.is_simulated() {
        return vec![on.backend];
    }
    let all = [Backend::Uring, Backend::Poll];
    let others = all.into_iter().filter(|backend| *backend != on.backend);
    let there = |backend: &Backend| *backend == Backend::Poll || (cfg!(target_os = "linux") && is_there(*backend));
    [on.backend].into_iter().chain(others.filter(there)).collect()
}

#[cfg(windows)]
fn backends(on: &On) -> Vec<Backend> {
    vec![on.backend]
}

/// On Windows a socket stays with its completion port.
fn stays(on: &On) -> bool {
    on.backend == Backend::Winsock
}

fn a_connection_goes_round_all_backends(on: &On) {
    let mut bench = on.bench();
    let (mut socket, peer) = bench.pair();
    if stays(on) {
        assert_eq!(bench.driver.release(socket).unwrap_err().kind(), ErrorKind::Unsupported);
        bench.close(socket);
        return bench.finish();
    }
    for round in 0..3u8 {
        for backend in backends(on).into_iter().chain([on.backend]) {
            let stream = bench.driver.release(socket).unwrap();
            bench.finish();
            bench = On::new(backend).bench();
            socket = bench.driver.adopt(stream).unwrap();
            let recv = bench.submit(Op::recv_multi(socket));
            bench.settle();
            bench.write(&peer, &[round]);
            let came = bench.next_of(recv);
            assert!(matches!(came.result, Ok(Outcome::Packet(ref packet)) if packet[..] == [round]), "{came:?}");
            drop(came);
            let send = bench.submit(Op::send(socket, vec![round]));
            assert!(bench.outcome_of(send).is_ok());
            assert_eq!(bench.peer_reads(&peer, 9).unwrap(), [round], "on {backend}");
            bench.driver.cancel(recv);
            assert_eq!(bench.kind_of(recv), ErrorKind::Cancelled);
        }
    }
    bench.close(socket);
    bench.finish();
}

fn unread_bytes_move_with_the_connection(on: &On) {
    if stays(on) {
        return;
    }
    for backend in backends(on) {
        let mut bench = on.bench();
        let (socket, peer) = bench.pair();
        let recv = bench.submit(Op::recv(socket, vec![0u8; 1]));
        let bytes = pattern(5000);
        bench.write(&peer, &bytes);
        let mut got = bench.bytes_of(recv);
        bench.settle();
        let stream = bench.driver.release(socket).unwrap();
        let mut there = On { network: on.network.clone(), ..On::new(backend) }.bench();
        let socket = there.driver.adopt(stream).unwrap();
        let rest = there.submit(Op::recv_with(socket, vec![0u8; 4999], overlapped::driver::Flags::WAIT_ALL));
        got.extend(there.bytes_of(rest));
        assert!(got == bytes, "to {backend}");
        there.close(socket);
        there.finish();
        bench.drop_peer(peer);
        bench.finish();
    }
}

fn only_an_idle_open_socket_can_be_released(on: &On) {
    let mut bench = on.bench();
    let (socket, _peer) = bench.pair();
    let (listener, _) = bench.listen();
    let recv = bench.submit(Op::recv(socket, vec![0u8; 1]));
    for _ in 0..2 {
        assert_eq!(bench.driver.release(socket).unwrap_err().kind(), ErrorKind::InvalidArgument);
        bench.settle();
    }
    bench.driver.cancel(recv);
    assert_eq!(bench.kind_of(recv), ErrorKind::Cancelled);
    let accept = bench.submit(Op::accept_multi(listener));
    assert_eq!(bench.driver.release(listener).unwrap_err().kind(), ErrorKind::InvalidArgument);
    bench.driver.cancel(accept);
    assert_eq!(bench.kind_of(accept), ErrorKind::Cancelled);
    bench.close(socket);
    assert_eq!(bench.driver.release(socket).unwrap_err().kind(), ErrorKind::Closed);
    bench.close(listener);
    bench.finish();
}

/// An accepted connection belongs to no driver yet, also on Windows.
fn an_accepted_connection_is_adopted_by_another_driver(on: &On) {
    for backend in backends(on) {
        let mut bench = on.bench();
        let (listener, address) = bench.listen();
        let accept = bench.submit(Op::accept_multi(listener));
        let (client, name) = bench.connect(&address);
        let Ok(Outcome::Accepted(stream, peer)) = bench.next_of(accept).result else { panic!("it accepts") };
        assert_eq!(peer, name);
        bench.write(&client, b"already there");
        bench.settle();
        let mut there = On { network: on.network.clone(), ..On::new(backend) }.bench();
        let socket = there.driver.adopt(stream).unwrap();
        let recv = there.submit(Op::recv_with(socket, vec![0u8; 13], overlapped::driver::Flags::WAIT_ALL));
        assert_eq!(there.bytes_of(recv), b"already there", "accepted there, adopted by {backend}");
        assert_eq!(there.driver.peer_addr(socket).unwrap(), name);
        there.close(socket);
        there.finish();
        bench.close(listener);
        bench.finish();
    }
}
