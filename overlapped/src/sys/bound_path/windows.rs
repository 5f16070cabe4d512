//! Windows, where nothing is bound to a path: its Unix sockets have no overlapped accept or
//! connect.

use crate::address::Address;
use crate::error::{Action, Error, ErrorKind};

/// A path that can be bound to: there is none.
pub(in super::super) enum Free {}

/// Refuses a path. `None` for addresses without one.
pub(in super::super) fn prepare(address: &Address) -> Result<Option<Free>, Error> {
    match address.path() {
        Some(_) => Err(Error::new(Action::Bind, ErrorKind::Unsupported).at(address).because(NO_PATHS)),
        None => Ok(None),
    }
}

/// Why a path is refused.
const NO_PATHS: &str = "Unix sockets are not overlapped on Windows";

/// The file of a listener: there is none.
#[derive(Debug)]
pub(in super::super) enum BoundPath {}

impl BoundPath {
    pub(in super::super) fn made(free: Free) -> BoundPath {
        match free {}
    }

    pub(in super::super) fn leave(&self) {
        match *self {}
    }
}
