//! What a socket's handles and the engine's tables share.

use std::num::NonZeroI32;
use std::sync::{Arc, OnceLock};

use super::port::Association;
use crate::error::code;
use crate::sync::{Mutex, MutexGuard, lock};
use crate::sys::view::View;
use crate::table::Key;

/// A socket of an engine: its key in the engine's table, the system's socket for direct use, and
/// its completion port.
pub(crate) struct Endpoint {
    pub(super) key: Key,
    /// The system's socket while it is open. Its direct users hold the lock, so that it is not
    /// closed while they use it.
    view: Mutex<Direct>,
    pub(super) association: OnceLock<Arc<Association>>,
}

/// What its direct users share.
pub(crate) struct Direct {
    view: Option<View>,
    /// Operations that succeeded within their start, one after the other.
    at_once: u32,
    /// A send or receive that was tried directly found that the peer had reset the connection.
    reset: Option<NonZeroI32>,
}

/// Operations that may succeed within their start, one after the other. A session whose peer floods
/// it thus lets its thread go, even if no other session needs it.
const MOST_AT_ONCE: u32 = 32;

impl Direct {
    pub(crate) fn view(&self) -> Option<&View> {
        self.view.as_ref()
    }

    /// The system's socket for an operation that may succeed within its start.
    pub(crate) fn may_succeed(&mut self) -> Option<&View> {
        if self.at_once >= MOST_AT_ONCE {
            self.at_once = 0;
            return None;
        }
        self.view.as_ref()
    }

    pub(crate) fn succeeded(&mut self) {
        self.at_once += 1;
    }

    /// A failure that the driver will be told of, and that may end another operation meanwhile.
    pub(crate) fn failed(&mut self, code: i32) {
        self.reset = self.reset.or(NonZeroI32::new(code).filter(|_| code::is_reset(code)));
    }
}

impl Endpoint {
    pub(crate) fn new(key: Key, view: View) -> Endpoint {
        let direct = Direct { view: Some(view), at_once: 0, reset: None };
        Endpoint { key, view: Mutex::new(direct), association: OnceLock::new() }
    }

    /// The system's socket for direct use, while this is held.
    pub(crate) fn direct(&self) -> MutexGuard<'_, Direct> {
        lock(&self.view)
    }

    /// Ends direct use: when this returns, nobody uses the system's socket directly any more.
    pub(crate) fn shut(&self) {
        self.direct().view = None;
    }

    /// The code of a reset that a transfer found which was tried directly. The system tells of a
    /// reset once; to a receive that it ends as well it reports the end of the stream.
    pub(crate) fn found_reset(&self) -> Option<i32> {
        self.direct().reset.map(NonZeroI32::get)
    }

    /// Whether its operations with a packet are first tried within their start.
    pub(crate) fn skips_packets(&self) -> bool {
        self.association.get().is_some_and(|association| association.skips())
    }

    /// Whether packets wait for a thread of its port. They come first.
    pub(crate) fn has_waiting_packets(&self) -> bool {
        self.association.get().is_some_and(|association| association.port.has_waiting_packets())
    }
}
