//! Making sockets, on any thread.

use crate::address::Address;
use crate::error::Error;
#[cfg(unix)]
use crate::error::{Action, ErrorKind};
use crate::options::{DatagramOptions, ListenOptions};
use crate::time::Time;

use super::{clock, handle::Handle, sim::network::Network, socket::SystemSocket};

/// Makes the sockets of a backend, on any thread.
#[derive(Clone, Debug)]
pub(crate) enum Maker {
    System,
    Sim(Network),
}

impl Maker {
    pub(crate) fn listen(&self, address: &Address, options: &ListenOptions) -> Result<Handle, Error> {
        match self {
            Maker::System => SystemSocket::listen(address, options).map(Handle::System),
            Maker::Sim(network) => network.listen(address, options).map(Handle::simulated),
        }
    }

    pub(crate) fn stream(&self, family_of: &Address) -> Result<Handle, Error> {
        match self {
            Maker::System => SystemSocket::stream(family_of).map(Handle::System),
            Maker::Sim(network) => network.stream(family_of).map(Handle::simulated),
        }
    }

    pub(crate) fn datagram(&self, address: &Address, options: &DatagramOptions) -> Result<Handle, Error> {
        match self {
            Maker::System => SystemSocket::datagram(address, options).map(Handle::System),
            Maker::Sim(network) => network.datagram(address, options).map(Handle::simulated),
        }
    }

    /// A duplicate of a descriptor, to be watched.
    #[cfg(unix)]
    pub(crate) fn watch(&self, descriptor: std::os::fd::BorrowedFd<'_>) -> Result<Handle, Error> {
        match self {
            Maker::System => SystemSocket::watched(descriptor).map(Handle::System),
            Maker::Sim(_) => {
                let why = "a simulated network has no descriptors";
                Err(Error::new(Action::Readiness, ErrorKind::Unsupported).because(why))
            }
        }
    }

    /// This moment on the clock of these sockets' backend.
    pub(crate) fn now(&self) -> Time {
        match self {
            Maker::System => clock::now(),
            Maker::Sim(network) => network.now(),
        }
    }
}
