//! What a socket's handles and the engine's tables share.

use std::sync::{Arc, OnceLock};

use super::park;
use super::port::Association;
use crate::error::{Action, Error, ErrorKind};
use crate::sync::{AtomicUsize, Mutex, MutexGuard, Ordering, lock};
use crate::sys::view::View;
use crate::table::Key;

/// A socket of an engine: its key in the engine's table, the system's socket for direct use, and
/// its completion port.
pub(crate) struct Endpoint {
    key: Key,
    /// The system's socket while it is open. Its direct users hold the lock, so that it is not
    /// closed while they use it.
    view: Mutex<Option<View>>,
    /// The thread that the view is lent to; 0 for none.
    lent_to: AtomicUsize,
    association: OnceLock<Arc<Association>>,
}

impl Endpoint {
    pub(crate) fn new(key: Key, view: View) -> Endpoint {
        Endpoint { key, view: Mutex::new(Some(view)), lent_to: AtomicUsize::new(0), association: OnceLock::new() }
    }

    pub(crate) fn key(&self) -> Key {
        self.key
    }

    /// The system's socket for direct use; `None` once the socket is closed.
    pub(crate) fn view(&self) -> MutexGuard<'_, Option<View>> {
        lock(&self.view)
    }

    /// Lets the caller's code use the system's socket directly. The socket is not closed meanwhile.
    pub(crate) fn lend<R>(&self, action: Action, f: impl FnOnce(&View) -> R) -> Result<R, Error> {
        /// The end of the loan, also by a panic.
        struct Lent<'a>(&'a AtomicUsize);
        impl Drop for Lent<'_> {
            fn drop(&mut self) {
                self.0.store(0, Ordering::Relaxed);
            }
        }
        self.check_not_lent_here(action)?;
        match &*self.view() {
            Some(view) => {
                self.lent_to.store(park::this_thread(), Ordering::Relaxed);
                let _lent = Lent(&self.lent_to);
                Ok(f(view))
            }
            None => Err(Error::new(action, ErrorKind::Closed).because("the socket is closed")),
        }
    }

    /// Refuses what would wait for this thread's own use of the view. (Only this thread writes its
    /// own number, so what it reads is no older.)
    pub(crate) fn check_not_lent_here(&self, action: Action) -> Result<(), Error> {
        if self.lent_to.load(Ordering::Relaxed) != park::this_thread() {
            return Ok(());
        }
        let why = "this thread is inside of the socket's `with_descriptor`, which it would wait for";
        Err(Error::new(action, ErrorKind::WouldDeadlock).because(why))
    }

    /// Ends direct use: when this returns, nobody uses the system's socket directly any more.
    pub(crate) fn shut(&self) {
        *self.view() = None;
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
