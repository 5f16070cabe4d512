//! Why an option was not read or set.

use std::io;

/// Why an option was not read or set.
pub(super) enum Fault {
    Io(io::Error),
    /// The system has no such option, or not for this.
    Unsupported(&'static str),
    /// The value makes no sense.
    Invalid(&'static str),
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Fault {
        Fault::Io(error)
    }
}
