//! Console events: Ctrl-C, Ctrl-Break, closing, log-off and shutdown.

use std::future::poll_fn;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::signal::windows as console;

use super::signal::Signal;

/// Windows ends a program 5 s after its console was closed (`HandlerRoutine`, timeouts). The rest
/// is left for a graceful end.
const WHEN_CLOSED: Duration = Duration::from_secs(4);

/// Windows ends the process as soon as the handler of a close, log-off or shutdown event returns.
/// Tokio's handler never returns, so the process lives until `main` returns.
pub(super) struct Source {
    ctrl_c: console::CtrlC,
    ctrl_break: console::CtrlBreak,
    close: console::CtrlClose,
    logoff: console::CtrlLogoff,
    shutdown: console::CtrlShutdown,
    stop: Arc<Mutex<Stop>>,
}

#[derive(Default)]
struct Stop {
    is_stopped: bool,
    waker: Option<Waker>,
}

impl Source {
    pub(super) fn new() -> io::Result<Source> {
        Ok(Source {
            ctrl_c: console::ctrl_c()?,
            ctrl_break: console::ctrl_break()?,
            close: console::ctrl_close()?,
            logoff: console::ctrl_logoff()?,
            shutdown: console::ctrl_shutdown()?,
            stop: Arc::default(),
        })
    }

    /// There is no such signal.
    pub(super) fn take_quit(&mut self) -> io::Result<()> {
        Ok(())
    }

    /// There is no such signal.
    pub(super) fn take_upgrade(&mut self) -> io::Result<()> {
        Ok(())
    }

    pub(super) fn stopper(&mut self) -> Stopper {
        Stopper(Arc::clone(&self.stop))
    }

    /// Waits for the next event. `None`: it was stopped.
    pub(super) fn next(&mut self) -> Option<Signal> {
        // `block_on` fails only on an engine's own thread.
        overlapped::future::block_on(poll_fn(|context| self.poll(context))).ok().flatten()
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Signal>> {
        {
            let mut stop = self.stop.lock().unwrap_or_else(PoisonError::into_inner);
            if stop.is_stopped {
                return Poll::Ready(None);
            }
            stop.waker = Some(context.waker().clone());
        }
        if self.ctrl_c.poll_recv(context).is_ready() || self.ctrl_break.poll_recv(context).is_ready() {
            return Poll::Ready(Some(Signal::Stop));
        }
        let end = self.close.poll_recv(context).is_ready()
            || self.logoff.poll_recv(context).is_ready()
            || self.shutdown.poll_recv(context).is_ready();
        if end { Poll::Ready(Some(Signal::StopWithin(WHEN_CLOSED))) } else { Poll::Pending }
    }
}

pub(super) struct Stopper(Arc<Mutex<Stop>>);

impl Stopper {
    pub(super) fn stop(&mut self) {
        let waker = {
            let mut stop = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            stop.is_stopped = true;
            stop.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}
