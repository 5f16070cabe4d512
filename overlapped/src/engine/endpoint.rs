//! What a socket's handles and the engine's tables share.

use std::num::NonZeroI32;
use std::sync::{Arc, OnceLock};

use super::park;
use super::port::Association;
use crate::error::{Action, Error, ErrorKind, code};
use crate::sync::{AtomicUsize, Mutex, MutexGuard, Ordering, lock};
use crate::sys::view::View;
use crate::table::Key;

/// A socket of an engine: its key in the engine's table, the system's socket for direct use, and
/// its completion port.
pub(crate) struct Endpoint {
    pub(super) key: Key,
    /// The system's socket while it is open. Its direct users hold the lock, so that it is not
    /// closed while they use it.
    view: Mutex<Direct>,
    /// The thread that the view is lent to; 0 for none.
    lent_to: AtomicUsize,
    pub(super) association: OnceLock<Arc<Association>>,
}

/// What its direct users share.
pub(crate) struct Direct {
    view: Option<View>,
    /// Its last transfer succeeded within its start.
    at_once: bool,
    /// What the connection died of, as a send or receive was told that was tried directly.
    death: Option<NonZeroI32>,
}

impl Direct {
    pub(crate) fn view(&self) -> Option<&View> {
        self.view.as_ref()
    }

    /// The system's socket for an operation that may succeed within its start: every second one
    /// may. The others go through the driver, and so behind everybody else's. A session whose peer
    /// always has more to say thus gets no more of a port's threads than one that awaits each
    /// answer: for each of its packets, one more operation.
    pub(crate) fn may_succeed(&self) -> Option<&View> {
        self.view.as_ref().filter(|_| !self.at_once)
    }

    /// A transfer has begun, and may have succeeded within its start.
    pub(crate) fn began(&mut self, at_once: bool) {
        self.at_once = at_once;
    }

    /// A failure that the driver will be told of, and that may end another operation meanwhile.
    pub(crate) fn failed(&mut self, code: i32) {
        let kind = Error::os(Action::Receive, code).kind();
        let is_death = matches!(kind, ErrorKind::Reset | ErrorKind::TimedOut | ErrorKind::Unreachable);
        // Only senders are told of a broken pipe.
        if is_death && !code::is_broken_pipe(code) && self.death.is_none() {
            self.death = NonZeroI32::new(code);
        }
    }
}

impl Endpoint {
    pub(crate) fn new(key: Key, view: View) -> Endpoint {
        let direct = Direct { view: Some(view), at_once: false, death: None };
        Endpoint { key, view: Mutex::new(direct), lent_to: AtomicUsize::new(0), association: OnceLock::new() }
    }

    /// The system's socket for direct use, while this is held.
    pub(crate) fn direct(&self) -> MutexGuard<'_, Direct> {
        lock(&self.view)
    }

    /// The same, unless someone uses it at this moment.
    pub(crate) fn direct_if_free(&self) -> Option<MutexGuard<'_, Direct>> {
        self.view.try_lock().ok()
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
        match self.direct().view() {
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
        let mut direct = self.direct();
        if let Some(view) = direct.view.take() {
            view.hasten_close();
        }
    }

    /// The code of what the connection died of, if a transfer was told that was tried directly. The
    /// system tells it once; to a receive that it ends as well it reports the end of the stream.
    pub(crate) fn died_of(&self) -> Option<i32> {
        // This thread's own loan would last for ever.
        self.check_not_lent_here(Action::Receive).ok()?;
        self.direct().death.map(NonZeroI32::get)
    }

    /// It has a new connection.
    pub(crate) fn connected(&self) {
        self.direct().death = None;
    }

    /// Whether its operations with a packet are first tried within their start.
    pub(crate) fn skips_packets(&self) -> bool {
        self.association.get().is_some_and(|association| association.skips())
    }
}
