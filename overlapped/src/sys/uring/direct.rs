//! Direct descriptors: sockets in a table of the ring that have no descriptor in the process.
//!
//! They do not count against the limit of open files, which is what they are for. A connection
//! comes as an ordinary descriptor, with everything that can be done to one. When a driver takes it
//! over it is put into the ring's table, at the number of the driver's slot. It leaves the table
//! when it is closed, before that number is used again. What does not fit stays an ordinary
//! descriptor.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::{Action, Error, ErrorKind};

/// A socket in the table.
#[derive(Debug)]
pub(crate) struct Direct {
    pub(super) index: u32,
    /// Closing is to reset the connection.
    pub(super) abort: AtomicBool,
    /// It had a connection when it came.
    pub(crate) connected: bool,
    /// Others have, or have had, the socket, and may have set its options.
    pub(super) lent: AtomicBool,
}

impl Direct {
    pub(crate) fn reset_on_close(&self) {
        self.abort.store(true, Ordering::Relaxed);
    }

    pub(crate) fn lent(&self) {
        self.lent.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_lent(&self) -> bool {
        self.lent.load(Ordering::Relaxed)
    }

    /// As an entry of the queue names it, with `IOSQE_FIXED_FILE`.
    pub(super) fn index(&self) -> i32 {
        self.index as i32
    }

    /// The error of what needs an ordinary descriptor.
    pub(crate) fn lacks(&self) -> Error {
        Error::new(Action::Option, ErrorKind::Unsupported).because("a direct descriptor is known to its ring alone")
    }
}
