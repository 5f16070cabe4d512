//! Signals, and console events on Windows: what ends a server from outside. One file per system,
//! each with the same `Source`.

use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use super::drain_options::DrainOptions;
use super::run::Server;
use crate::error::ServerError;

mod signal;
#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

pub use signal::Signal;
#[cfg(unix)]
use unix::{Source, Stopper};
#[cfg(windows)]
use windows::{Source, Stopper};

/// Time that sessions have to end, unless set.
const PATIENCE: Duration = Duration::from_secs(10);

/// The signals that end a server, taken over from now on. With it, a `main` is a whole daemon:
/// see [`Server::run_until`].
///
/// | system | drains the server, then stops it | logs a line |
/// |---|---|---|
/// | Unix | SIGTERM, SIGINT | SIGHUP, unless it [reloads](Signals::on_hang_up) |
/// | | | SIGQUIT is taken over only [for a call](Signals::on_quit) |
/// | | | SIGUSR2 is taken over only [for a call](Signals::on_upgrade) |
/// | Windows | Ctrl-C, Ctrl-Break; the console closes, log-off, shutdown | |
///
/// Make it before the server starts, so that a signal in between is not lost: it waits until the
/// signals are watched.
///
/// # What it does to the process
/// [`new`](Signals::new) installs handlers for these signals. A handler that was installed before
/// is still called. No signal mask is changed: a program that blocks the signals in all its threads
/// gets none, and the system calls of any thread may be interrupted. Watching takes one thread,
/// `signals`. When the last `Signals` and [`SignalWatch`] is dropped, the signals do what they do
/// by default: they end the process. (On Windows, the events of the console do nothing then.) A
/// forked child shares its parent's handlers, and signals to it reach the parent, until it calls
/// `exec`.
#[must_use = "signals that are taken over and not watched do nothing"]
pub struct Signals {
    source: Source,
    drain: DrainOptions,
    on_hang_up: Option<Call>,
    on_quit: Option<Call>,
    on_upgrade: Option<Call>,
}

type Call = Box<dyn FnMut() + Send>;

impl Signals {
    /// Takes the signals over from now on: they no longer end the process.
    ///
    /// # Errors
    /// The system refuses a handler, or has no descriptor left for it.
    pub fn new() -> Result<Signals, ServerError> {
        let source = Source::new().map_err(|error| failed("take signals over", &error))?;
        let drain = DrainOptions::new(PATIENCE);
        Ok(Signals { source, drain, on_hang_up: None, on_quit: None, on_upgrade: None })
    }

    /// How long the sessions may take to end after the first signal: 10 s by default. On Windows it
    /// is at most 4 s when the console closes, since the system ends the process soon after.
    pub fn patience(mut self, patience: Duration) -> Signals {
        self.drain = self.drain.within(patience);
        self
    }

    /// How the server is drained after the first signal, in place of a
    /// [patience](Signals::patience) alone.
    pub fn drain(mut self, options: DrainOptions) -> Signals {
        self.drain = options;
        self
    }

    /// What [`Server::run_until`] calls on SIGUSR2, which ends the process if this is not set: for
    /// example, starting a new process that [takes the listeners over](crate::Builder::take_over).
    /// It is called on the thread that watches signals: what takes long belongs on another one.
    /// There is no such signal on Windows.
    ///
    /// # Errors
    /// The system refuses a handler.
    pub fn on_upgrade(mut self, call: impl FnMut() + Send + 'static) -> Result<Signals, ServerError> {
        self.source.take_upgrade().map_err(|error| failed("take a signal over", &error))?;
        self.on_upgrade = Some(Box::new(call));
        Ok(self)
    }

    /// What [`Server::run_until`] calls on SIGHUP, instead of a line in the log: for example,
    /// `Tls::reload`. It is called on the thread that watches signals. There is no such signal on
    /// Windows.
    ///
    /// ```
    /// use proactor::Signals;
    ///
    /// # fn main() -> Result<(), proactor::ServerError> {
    /// let signals = Signals::new()?.on_hang_up(|| eprintln!("reading the certificates again"));
    /// # drop(signals);
    /// # Ok(())
    /// # }
    /// ```
    pub fn on_hang_up(mut self, call: impl FnMut() + Send + 'static) -> Signals {
        self.on_hang_up = Some(Box::new(call));
        self
    }

    /// Takes SIGQUIT over too, which otherwise ends the process with a core dump. What
    /// [`Server::run_until`] calls then, and the server goes on: for example, to print the
    /// [last events](crate::Handle::flight_events). A terminal sends it for Ctrl-\. It is called
    /// on the thread that watches signals. There is no such signal on Windows, where this does
    /// nothing.
    ///
    /// ```
    /// use proactor::{Handle, ServerError, Signals};
    ///
    /// fn print_on_quit(signals: Signals, handle: Handle) -> Result<Signals, ServerError> {
    ///     signals.on_quit(move || {
    ///         for event in handle.flight_events().unwrap_or_default() {
    ///             eprintln!("{event}");
    ///         }
    ///     })
    /// }
    /// # let _ = print_on_quit;
    /// ```
    ///
    /// # Errors
    /// The system refuses a handler.
    pub fn on_quit(mut self, call: impl FnMut() + Send + 'static) -> Result<Signals, ServerError> {
        self.source.take_quit().map_err(|error| failed("take SIGQUIT over", &error))?;
        self.on_quit = Some(Box::new(call));
        Ok(self)
    }

    /// Calls `told` for every signal, one after the other, on a thread of its own, until what this
    /// returns is dropped. For programs that do something else than [`Server::run_until`]. A panic
    /// in `told` is contained.
    ///
    /// # Errors
    /// The thread could not be started.
    pub fn watch(self, mut told: impl FnMut(Signal) + Send + 'static) -> Result<SignalWatch, ServerError> {
        let mut source = self.source;
        let stopper = source.stopper();
        let watch = move || {
            while let Some(signal) = source.next() {
                if catch_unwind(AssertUnwindSafe(|| told(signal))).is_err() {
                    tracing::error!("what was told of a signal panicked; signals are still watched");
                }
            }
        };
        let thread = std::thread::Builder::new().name("signals".into()).spawn(watch);
        thread.map_err(|error| failed("start a thread that watches signals", &error))?;
        Ok(SignalWatch { stopper })
    }
}

fn failed(what: &str, error: &io::Error) -> ServerError {
    ServerError::Thread(format!("could not {what}: {error}"))
}

/// Watches [`Signals`] until it is dropped. A call that is being made then is not waited for.
#[must_use = "the signals are watched until this is dropped"]
pub struct SignalWatch {
    stopper: Stopper,
}

impl Drop for SignalWatch {
    fn drop(&mut self) {
        self.stopper.stop();
    }
}

impl<M> Server<M> {
    /// Waits until the server has ended, and ends it when the process is asked to. The first signal
    /// [drains](crate::Handle::drain) it with the [patience](Signals::patience) of the signals, a
    /// second one [stops](crate::Handle::stop) it at once. SIGHUP is a warning in the log and
    /// nothing else, unless there is [something to reload](Signals::on_hang_up).
    ///
    /// It returns `Ok` also if the drain has cut sessions. For an exit status that says so, keep a
    /// [`handle`](Server::handle), and read [`Stats::drain_cut`](crate::Stats::drain_cut) at the
    /// end.
    ///
    /// ```no_run
    /// use std::time::Duration;
    ///
    /// use proactor::codec::Lines;
    /// use proactor::{Flow, Handler, NoMessage, Server, ServerError, Session, Signals};
    ///
    /// #[derive(Clone)]
    /// struct Echo;
    ///
    /// impl Handler for Echo {
    ///     type State = ();
    ///     type Message = NoMessage;
    ///     fn connected(&mut self, _: &Session) {}
    ///     fn received(&mut self, session: &Session, _: &mut (), packet: &[u8]) -> Flow {
    ///         session.send(packet).map_or(Flow::Close, |()| Flow::Continue)
    ///     }
    /// }
    ///
    /// fn main() -> Result<(), ServerError> {
    ///     let signals = Signals::new()?.patience(Duration::from_secs(30));
    ///     let server = Server::builder().listen(":7777").codec(Lines::new()).start(Echo)?;
    ///     server.run_until(signals)
    /// }
    /// ```
    ///
    /// # Errors
    /// As for [`wait`](Server::wait), or the signals could not be watched: then the server has been
    /// stopped.
    pub fn run_until(self, mut signals: Signals) -> Result<(), ServerError> {
        let (mut on_hang_up, mut on_quit) = (signals.on_hang_up.take(), signals.on_quit.take());
        let (mut on_upgrade, drain, mut is_first) = (signals.on_upgrade.take(), signals.drain, true);
        let handle = self.handle().untyped();
        let _watch = signals.watch(move |signal| {
            let drain = match signal {
                Signal::HangUp => {
                    return match &mut on_hang_up {
                        Some(call) => call(),
                        None => tracing::warn!("SIGHUP: there is nothing to reload; the server goes on"),
                    };
                }
                Signal::Quit => {
                    if let Some(call) = &mut on_quit {
                        call();
                    }
                    return;
                }
                Signal::Upgrade => return on_upgrade.iter_mut().for_each(|call| call()),
                Signal::Stop => drain,
                Signal::StopWithin(most) => drain.within(drain.patience.min(most)),
            };
            match std::mem::take(&mut is_first) {
                true => {
                    tracing::info!("asked to end: the server is drained, for at most {:?}", drain.patience);
                    handle.drain_as(drain);
                }
                false => {
                    tracing::warn!("asked to end again: the server is stopped");
                    handle.stop();
                }
            }
        })?;
        self.wait()
    }
}

impl fmt::Debug for Signals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signals").field("drain", &self.drain).finish_non_exhaustive()
    }
}

impl fmt::Debug for SignalWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignalWatch").finish_non_exhaustive()
    }
}
