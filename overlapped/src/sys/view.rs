//! A socket that a driver owns, for what is done to it directly.

use crate::address::Address;
use crate::error::Error;
use crate::options::{DatagramOptions, StreamOptions};

use super::descriptor::Descriptor;
use super::{
    sim::end::EndView,
    socket::{SystemSocket, SystemView},
};

/// A socket that a driver owns, for options, addresses, and transfers that do not wait.
///
/// It is used only while the gate of its socket is held. The gate is shut before the socket is
/// closed.
#[derive(Debug)]
pub(crate) enum View {
    System(SystemView),
    Simulated(EndView),
}

impl View {
    pub(crate) fn local_addr(&self) -> Result<Address, Error> {
        match self {
            View::System(view) => view.local_addr(),
            View::Simulated(view) => view.local_addr(),
        }
    }

    pub(crate) fn peer_addr(&self) -> Result<Address, Error> {
        match self {
            View::System(view) => view.peer_addr(),
            View::Simulated(view) => view.peer_addr(),
        }
    }

    /// Others have the socket too from here on, and may set its options.
    pub(crate) fn lent(&self) {
        if let View::System(view) = self {
            view.lent();
        }
    }

    /// It is about to be closed, which is not to wait.
    pub(crate) fn hasten_close(&self) {
        if let View::System(view) = self {
            view.hasten_close();
        }
    }

    pub(crate) fn set_options(&self, options: &StreamOptions) -> Result<(), Error> {
        match self {
            View::System(view) => view.set_options(options),
            View::Simulated(view) => view.set_options(options),
        }
    }

    pub(crate) fn set_datagram_options(&self, options: &DatagramOptions) -> Result<(), Error> {
        match self {
            View::System(view) => view.set_datagram_options(options),
            View::Simulated(_) => Err(EndView::lacks("datagrams")),
        }
    }

    pub(crate) fn bind(&self, address: &Address) -> Result<(), Error> {
        match self {
            View::System(view) => view.bind(address),
            View::Simulated(view) => view.bind(address),
        }
    }

    /// The caller says with [`lent`](View::lent) if it may be used to set options.
    pub(crate) fn descriptor(&self) -> Result<Descriptor<'_>, Error> {
        match self {
            View::System(view) => Ok(view.descriptor()),
            View::Simulated(_) => Err(EndView::lacks("a descriptor")),
        }
    }

    /// Another descriptor of the same socket.
    pub(crate) fn duplicate(&self) -> Result<SystemSocket, Error> {
        match self {
            View::System(view) => view.duplicate(),
            View::Simulated(_) => Err(EndView::lacks("a descriptor to duplicate")),
        }
    }
}
