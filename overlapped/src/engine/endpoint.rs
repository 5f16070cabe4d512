//! What a socket's handles and the engine's tables share.

use std::sync::{Arc, OnceLock};

use super::port::Association;
use crate::sync::{Mutex, MutexGuard, lock};
use crate::sys::view::View;
use crate::table::Key;

/// A socket of an engine: its key in the engine's table, the system's socket for direct use, and
/// its completion port.
pub(crate) struct Endpoint {
    key: Key,
    /// The system's socket while it is open. Its direct users hold the lock, so that it is not
    /// closed while they use it.
    view: Mutex<Option<View>>,
    association: OnceLock<Arc<Association>>,
}

impl Endpoint {
    pub(crate) fn new(key: Key, view: View) -> Endpoint {
        Endpoint { key, view: Mutex::new(Some(view)), association: OnceLock::new() }
    }

    pub(crate) fn key(&self) -> Key {
        self.key
    }

    /// The system's socket for direct use; `None` once the socket is closed.
    pub(crate) fn view(&self) -> MutexGuard<'_, Option<View>> {
        lock(&self.view)
    }

    /// Ends direct use: when this returns, nobody uses the system's socket directly any more.
    pub(crate) fn shut(&self) {
        let mut view = self.view();
        if let Some(view) = view.take() {
            view.hasten_close();
        }
    }

    pub(crate) fn association(&self) -> Option<&Arc<Association>> {
        self.association.get()
    }

    /// Associates it with a port. Fails if it is associated already.
    pub(crate) fn associate(&self, association: Association) -> Result<(), Arc<Association>> {
        self.association.set(Arc::new(association))
    }

    /// Whether its operations with a packet are first tried within their start.
    pub(crate) fn skips_packets(&self) -> bool {
        self.association().is_some_and(|association| association.skips())
    }
}
