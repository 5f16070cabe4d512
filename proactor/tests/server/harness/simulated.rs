//! Clients on a simulated network.

use overlapped::{Driver, DriverConfig};
use proactor::Network;

/// The driver of a host of clients.
pub(crate) fn driver(network: &Network) -> Driver {
    Driver::new(DriverConfig::new().network(network.clone())).unwrap()
}
