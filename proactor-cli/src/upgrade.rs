//! Upgrading a running server: a new process takes its listeners over and says that it is ready,
//! and this one serves its sessions to their end. If the new one fails, this one goes on.

mod subject;
#[cfg(unix)]
mod unix;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use proactor::Signals;

pub(crate) use self::subject::Subject;
use crate::printing::say;

/// Upgrades a server, one at a time. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Upgrade(Arc<Inner>);

struct Inner {
    /// As it was called when it was started. The file may have been replaced since.
    #[cfg_attr(windows, expect(dead_code, reason = "no process is started"))]
    program: Option<PathBuf>,
    subject: OnceLock<Subject>,
    is_under_way: AtomicBool,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// The upgrade is over when it is dropped, also by a panic.
struct UnderWay(Upgrade);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.0.is_under_way.store(false, Ordering::SeqCst);
    }
}

impl Upgrade {
    /// To be made at the start, before the file of the program can have been replaced.
    pub(crate) fn new() -> Upgrade {
        Upgrade(Arc::new(Inner {
            program: program(),
            subject: OnceLock::new(),
            is_under_way: AtomicBool::new(false),
            thread: Mutex::default(),
        }))
    }

    /// Upgrades on SIGUSR2.
    pub(crate) fn on_signal(&self, signals: Signals) -> Result<Signals, proactor::ServerError> {
        let upgrade = self.clone();
        signals.on_upgrade(move || {
            if let Err(why) = upgrade.begin(|_| {}) {
                say(format_args!("SIGUSR2: no upgrade: {why}"));
            }
        })
    }

    /// The server runs now.
    pub(crate) fn serve(&self, subject: Subject) {
        let _ = self.0.subject.set(subject);
    }

    /// Begins an upgrade on a thread of its own. `ended` is told the number of the process that has
    /// taken over, or why none has; the log is told too.
    ///
    /// # Errors
    /// Why there can be no upgrade now.
    pub(crate) fn begin(&self, ended: impl FnOnce(Result<u32, String>) + Send + 'static) -> Result<(), String> {
        let Some(subject) = self.0.subject.get() else { return Err("the server is starting; try again".into()) };
        if subject.handle.is_ending() {
            return Err("the server is ending".into());
        }
        if std::process::id() == 1 {
            let why = "this is process 1 of its container, which ends with it: start a new container instead";
            return Err(why.into());
        }
        if self.0.is_under_way.swap(true, Ordering::SeqCst) {
            return Err("another upgrade is under way; wait until that has ended".into());
        }
        let under_way = UnderWay(self.clone());
        let upgrade = move || {
            let result = under_way.0.run();
            drop(under_way);
            // Only now: who reads that may begin another one.
            if let Err(why) = &result {
                say(format_args!("upgrade: {why}; this server goes on"));
            }
            ended(result);
        };
        match std::thread::Builder::new().name("upgrade".into()).spawn(upgrade) {
            Ok(thread) => {
                *self.thread() = Some(thread);
                Ok(())
            }
            Err(error) => Err(format!("a thread could not be started: {error}")),
        }
    }

    /// The server has ended. A process that was to take over and is not ready is ended first.
    pub(crate) fn end(&self) {
        let thread = self.thread().take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            say(format_args!("upgrade: its thread panicked; a process that it started may be left"));
        }
    }

    fn thread(&self) -> MutexGuard<'_, Option<JoinHandle<()>>> {
        self.0.thread.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) -> Result<u32, String> {
        let Some(subject) = self.0.subject.get() else { return Err("the server is starting".into()) };
        #[cfg(unix)]
        let result = unix::hand_over(subject, self.0.program.as_deref());
        #[cfg(windows)]
        let result =
            Err("Windows hands no listener to another process: start a second server on another port".to_owned());
        match &result {
            Ok(process) => {
                say(format_args!(
                    "upgrade: process {process} has taken over; this one serves its sessions to their end"
                ));
                (subject.handed_over)(*process);
                subject.handle.drain_as(subject.drain.handing_over());
                if let Some(admin) = &subject.admin {
                    admin.drain(LAST_ANSWERS);
                }
            }
            Err(_) => {
                if let Some(Err(why)) = subject.pid_file.as_ref().map(|file| file.restore()) {
                    say(format_args!("upgrade: {why}"));
                }
            }
        }
        result
    }
}

/// How long answers of the admin listener may take to leave.
const LAST_ANSWERS: Duration = Duration::from_secs(1);

/// The file that this process was started from: the name that was used for it, if that says where
/// it is, for it may be a link that points to another version by now.
fn program() -> Option<PathBuf> {
    let own = std::env::current_exe().ok();
    let named = std::env::args_os().next().map(PathBuf::from);
    let named = named.filter(|named| named.components().count() > 1 && named.exists());
    named.and_then(|named| std::path::absolute(named).ok()).or(own)
}
