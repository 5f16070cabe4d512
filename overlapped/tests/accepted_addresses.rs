//! Each accepted connection has the address of its own peer, however many come in one turn and
//! however late they are taken.

use std::net::TcpStream;

use overlapped::driver::Wait;
use overlapped::options::ListenOptions;
use overlapped::{Address, Driver, DriverConfig, Op, Outcome};

/// The peer of the next connection, if there is one in this turn.
fn next_peer(driver: &mut Driver) -> Option<Address> {
    driver.next().map(|completion| match completion.result.unwrap() {
        Outcome::Accepted(_, peer) => peer,
        other => panic!("an accept brings connections: {other:?}"),
    })
}

#[test]
fn each_accepted_connection_has_the_address_of_its_own_peer() {
    let mut driver = Driver::new(DriverConfig::new()).unwrap();
    let listener = driver.listen("127.0.0.1:0", &ListenOptions::new()).unwrap();
    let address = driver.local_addr(listener).unwrap().ip().unwrap();
    driver.submit(Op::accept_multi(listener), 0).unwrap();
    for group in [1, 2, 5, 16, 1, 3] {
        let connect = || -> Vec<TcpStream> { (0..group).map(|_| TcpStream::connect(address).unwrap()).collect() };
        let mut clients = connect();
        let mut peers = Vec::new();
        while peers.is_empty() {
            driver.turn(Wait::Forever).unwrap();
            peers.extend(next_peer(&mut driver));
        }
        // More come while some of the first may not have been taken.
        clients.append(&mut connect());
        while peers.len() < clients.len() {
            driver.turn(Wait::Forever).unwrap();
            peers.extend(std::iter::from_fn(|| next_peer(&mut driver)));
        }
        let own: Vec<Address> = clients.iter().map(|client| client.local_addr().unwrap().into()).collect();
        assert_eq!(peers, own);
    }
}
