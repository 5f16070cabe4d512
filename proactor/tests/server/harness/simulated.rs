//! Clients on a simulated network.

use std::time::Duration;

use overlapped::driver::{CloseMode, SocketId};
use overlapped::{Address, Driver, DriverConfig, Op};
use proactor::{Handler, Network, Simulation, Time, Wait};

/// A close that delivers what was sent, if the other end takes it within a second.
pub(crate) const GRACEFUL: CloseMode = CloseMode::Graceful { linger: Duration::from_secs(1) };

/// The driver of a host of clients.
pub(crate) fn driver(network: &Network) -> Driver {
    Driver::new(DriverConfig::new().network(network.clone())).unwrap()
}

/// A client that connects.
pub(crate) fn client(driver: &mut Driver, address: &Address) -> SocketId {
    let socket = driver.socket(address).unwrap();
    driver.submit(Op::connect(socket, address), 0).unwrap();
    socket
}

/// A client that connects and receives whatever comes. What it receives has the token.
pub(crate) fn receiver(driver: &mut Driver, address: &Address, token: u64) -> SocketId {
    let socket = client(driver, address);
    driver.submit(Op::recv_multi(socket), token).unwrap();
    socket
}

/// Such clients, connecting to the first address of a server. The token of each is its index.
pub(crate) fn receivers<H: Handler>(
    network: &Network,
    server: &Simulation<H>,
    count: usize,
) -> (Driver, Vec<SocketId>) {
    let mut driver = driver(network);
    let address = &server.local_addrs()[0];
    let clients = (0..count as u64).map(|index| receiver(&mut driver, address, index)).collect();
    (driver, clients)
}

/// Gives the clients a turn, and drops what has completed.
pub(crate) fn turn(driver: &mut Driver) {
    driver.turn(Wait::Poll).unwrap();
    while driver.next().is_some() {}
}

/// Runs a server until a moment, then gives its clients a turn. Returns whether the server goes on.
pub(crate) fn run_until<H: Handler>(server: &mut Simulation<H>, driver: &mut Driver, until: Time) -> bool {
    server.run_until(until).unwrap();
    turn(driver);
    !server.has_ended()
}

/// No time in most cases, so that much happens at one moment; otherwise less than `most`.
pub(crate) fn some_pause(driver: &mut Driver, most: Duration) -> Duration {
    let most = most.as_nanos() as u64;
    Duration::from_nanos(if driver.random().is_multiple_of(3) { driver.random() % most } else { 0 })
}

/// One of two ways to close.
pub(crate) fn some_close(driver: &mut Driver) -> CloseMode {
    if driver.random().is_multiple_of(2) { CloseMode::Abort } else { GRACEFUL }
}

/// Closes all clients.
pub(crate) fn close_all(driver: &mut Driver, clients: &mut Vec<SocketId>, mode: CloseMode) {
    for socket in clients.drain(..) {
        driver.submit(Op::close(socket, mode), 0).unwrap();
    }
}
