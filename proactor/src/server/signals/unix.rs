//! SIGINT, SIGTERM, SIGHUP, and SIGQUIT and SIGUSR2 if they are wanted.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR2};
use signal_hook::flag::register_conditional_default;
use signal_hook::iterator::{Handle, Signals};

use super::signal::Signal;

const ENDING: [i32; 3] = [SIGINT, SIGTERM, SIGHUP];

pub(super) struct Source {
    signals: Signals,
    /// They go to the stopper, so that nothing is left taken when that has stopped.
    taken: Vec<Taken>,
}

impl Source {
    pub(super) fn new() -> io::Result<Source> {
        let taken = vec![Taken::new(&ENDING, &ENDING_USERS)?];
        Ok(Source { signals: Signals::new(ENDING)?, taken })
    }

    pub(super) fn take_quit(&mut self) -> io::Result<()> {
        self.taken.push(Taken::new(&[SIGQUIT], &QUIT_USERS)?);
        self.signals.add_signal(SIGQUIT)
    }

    pub(super) fn take_upgrade(&mut self) -> io::Result<()> {
        self.taken.push(Taken::new(&[SIGUSR2], &UPGRADE_USERS)?);
        self.signals.add_signal(SIGUSR2)
    }

    pub(super) fn stopper(&mut self) -> Stopper {
        Stopper { handle: self.signals.handle(), taken: std::mem::take(&mut self.taken) }
    }

    /// Waits for the next signal. `None`: it was stopped.
    pub(super) fn next(&mut self) -> Option<Signal> {
        match self.signals.forever().next()? {
            SIGHUP => Some(Signal::HangUp),
            SIGQUIT => Some(Signal::Quit),
            SIGUSR2 => Some(Signal::Upgrade),
            _ => Some(Signal::Stop),
        }
    }
}

pub(super) struct Stopper {
    handle: Handle,
    taken: Vec<Taken>,
}

impl Stopper {
    pub(super) fn stop(&mut self) {
        self.handle.close();
        self.taken.clear();
    }
}

/// While one of these lives, the signals do not end the process.
///
/// Handlers stay installed for ever: the system cannot say whether another was installed over them.
/// So the first of them does what the system does by default, while nobody wants the signals.
struct Taken(&'static Mutex<Users>);

static ENDING_USERS: Mutex<Users> = Mutex::new(Users::NONE);
static QUIT_USERS: Mutex<Users> = Mutex::new(Users::NONE);
static UPGRADE_USERS: Mutex<Users> = Mutex::new(Users::NONE);

struct Users {
    count: usize,
    /// Nobody wants the signals. Made when the handlers are installed.
    nobody: Option<Arc<AtomicBool>>,
}

impl Users {
    const NONE: Users = Users { count: 0, nobody: None };
}

impl Taken {
    fn new(signals: &[i32], of: &'static Mutex<Users>) -> io::Result<Taken> {
        let mut users = of.lock().unwrap_or_else(PoisonError::into_inner);
        let nobody = match &users.nobody {
            Some(nobody) => Arc::clone(nobody),
            None => {
                let nobody = Arc::new(AtomicBool::new(false));
                for signal in signals {
                    register_conditional_default(*signal, Arc::clone(&nobody))?;
                }
                users.nobody = Some(Arc::clone(&nobody));
                nobody
            }
        };
        users.count += 1;
        nobody.store(false, Ordering::SeqCst);
        Ok(Taken(of))
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        let mut users = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        users.count -= 1;
        if let (0, Some(nobody)) = (users.count, &users.nobody) {
            nobody.store(true, Ordering::SeqCst);
        }
    }
}
