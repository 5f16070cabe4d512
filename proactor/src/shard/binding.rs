//! Making the datagram sockets of a server, on its first shard.

use std::time::{Duration, Instant};

use overlapped::driver::{SocketId, Stream};
use overlapped::options::DatagramOptions;
use overlapped::{Address, Driver, Error, ErrorKind};

use crate::datagrams::config::Datagrams;

/// Pause between two tries of an address that is in use.
pub(super) const TRY_AGAIN: Duration = Duration::from_millis(5);

/// What the system's receive buffer of a socket is asked to hold: many datagrams come between two
/// turns.
const RECEIVE_BUFFER: usize = 1 << 20;
/// A datagram socket for one shard.
pub(crate) struct PortSocket {
    pub(crate) listener: u8,
    pub(crate) settings: Datagrams,
    pub(crate) socket: Socket,
}

/// Where a socket is.
pub(crate) enum Socket {
    /// In the driver of the shard.
    Own(SocketId),
    /// On its way there.
    Given(Stream),
}

/// The sockets of one address.
pub(super) struct Bound {
    pub(super) address: Address,
    /// One for each shard; or one, for the first, where the system does not give all of a peer's
    /// datagrams to the same of several.
    pub(super) sockets: Vec<Socket>,
    /// Duplicates. While one is open its socket stays where it is among those that share the port,
    /// and no peer moves to another.
    pub(super) held: Vec<Stream>,
}

/// Binds datagram sockets to an address. One in use is tried again.
pub(super) fn bind(driver: &mut Driver, address: &Address, shards: usize, until: Instant) -> Result<Bound, Error> {
    let is_v6 = address.ip().is_some_and(|ip| ip.is_ipv6());
    // Two sockets for both families, so that an IPv4 peer has an IPv4 address.
    let options = DatagramOptions::new().receive_buffer(RECEIVE_BUFFER).only_v6(is_v6.then_some(true));
    let first = loop {
        match driver.datagram(address, &options) {
            Err(error) if error.kind() == ErrorKind::InUse && Instant::now() < until => std::thread::sleep(TRY_AGAIN),
            result => break result?,
        }
    };
    let address = driver.local_addr(first)?;
    if shards == 1 || !driver.spreads_datagrams() {
        return Ok(Bound { address, sockets: vec![Socket::Own(first)], held: Vec::new() });
    }
    // The first has shown that no other process has the port. Sockets that share one would not.
    drop(driver.release(first)?);
    let options = options.reuse_port(true);
    let (mut sockets, mut held) = (Vec::new(), Vec::new());
    for shard in 0..shards {
        let socket = driver.datagram(&address, &options)?;
        // A simulated network has no duplicates, and keeps the places of sockets that are closed.
        held.extend(driver.duplicate(socket));
        sockets.push(if shard == 0 { Socket::Own(socket) } else { Socket::Given(driver.release(socket)?) });
    }
    Ok(Bound { address, sockets, held })
}
