//! A socket that a driver owns, for what is done to it directly.

use crate::address::Address;
use crate::error::Error;
use crate::options::StreamOptions;

use super::{sim::end::EndView, socket::SystemView};

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
}
