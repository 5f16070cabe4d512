//! SIGINT, SIGTERM and SIGHUP.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag::register_conditional_default;
use signal_hook::iterator::{Handle, Signals};

use super::signal::Signal;

const TAKEN: [i32; 3] = [SIGINT, SIGTERM, SIGHUP];

pub(super) struct Source {
    signals: Signals,
    /// Goes to the stopper, so that nothing is left taken when that has stopped.
    taken: Option<Taken>,
}

impl Source {
    pub(super) fn new() -> io::Result<Source> {
        let taken = Some(Taken::new()?);
        Ok(Source { signals: Signals::new(TAKEN)?, taken })
    }

    pub(super) fn stopper(&mut self) -> Stopper {
        Stopper { handle: self.signals.handle(), taken: self.taken.take() }
    }

    /// Waits for the next signal. `None`: it was stopped.
    pub(super) fn next(&mut self) -> Option<Signal> {
        match self.signals.forever().next()? {
            SIGHUP => Some(Signal::HangUp),
            _ => Some(Signal::Stop),
        }
    }
}

pub(super) struct Stopper {
    handle: Handle,
    taken: Option<Taken>,
}

impl Stopper {
    pub(super) fn stop(&mut self) {
        self.handle.close();
        self.taken = None;
    }
}

/// While one of these lives, the signals do not end the process.
///
/// Handlers stay installed for ever: the system cannot say whether another was installed over them.
/// So the first of them does what the system does by default, while nobody wants the signals.
struct Taken;

static USERS: Mutex<Users> = Mutex::new(Users { count: 0, nobody: None });

struct Users {
    count: usize,
    /// Nobody wants the signals. Made when the handlers are installed.
    nobody: Option<Arc<AtomicBool>>,
}

impl Taken {
    fn new() -> io::Result<Taken> {
        let mut users = USERS.lock().unwrap_or_else(PoisonError::into_inner);
        let nobody = match &users.nobody {
            Some(nobody) => Arc::clone(nobody),
            None => {
                let nobody = Arc::new(AtomicBool::new(false));
                for signal in TAKEN {
                    register_conditional_default(signal, Arc::clone(&nobody))?;
                }
                users.nobody = Some(Arc::clone(&nobody));
                nobody
            }
        };
        users.count += 1;
        nobody.store(false, Ordering::SeqCst);
        Ok(Taken)
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        let mut users = USERS.lock().unwrap_or_else(PoisonError::into_inner);
        users.count -= 1;
        if let (0, Some(nobody)) = (users.count, &users.nobody) {
            nobody.store(true, Ordering::SeqCst);
        }
    }
}
