//! Console events: Ctrl-C, Ctrl-Break and closing.

use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll};
use std::thread;
use std::time::Duration;

use tokio::signal::windows as console;

/// Windows ends a program 5 s after its console was closed (`HandlerRoutine`, timeouts). The rest
/// is left for a graceful end.
const WHEN_CLOSED: Duration = Duration::from_secs(4);

/// Collects requests to stop from now on; they no longer end the process at once.
///
/// Windows ends the process as soon as the handler of a close, log-off or shutdown event returns.
/// Tokio's handler never returns, so the process lives until `main` returns.
pub(crate) struct StopRequests {
    ctrl_c: console::CtrlC,
    ctrl_break: console::CtrlBreak,
    close: console::CtrlClose,
    logoff: console::CtrlLogoff,
    shutdown: console::CtrlShutdown,
}

impl StopRequests {
    pub(crate) fn new() -> io::Result<StopRequests> {
        Ok(StopRequests {
            ctrl_c: console::ctrl_c()?,
            ctrl_break: console::ctrl_break()?,
            close: console::ctrl_close()?,
            logoff: console::ctrl_logoff()?,
            shutdown: console::ctrl_shutdown()?,
        })
    }

    /// Calls `asked` for every request, on its own thread, until the process ends. The argument is
    /// the time that stopping may take.
    pub(crate) fn each(mut self, mut asked: impl FnMut(Duration) + Send + 'static) {
        thread::spawn(move || {
            // `block_on` fails only on an engine's own thread.
            while let Ok(most) = overlapped::future::block_on(poll_fn(|context| self.poll(context))) {
                asked(most);
            }
        });
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Duration> {
        if self.ctrl_c.poll_recv(context).is_ready() || self.ctrl_break.poll_recv(context).is_ready() {
            return Poll::Ready(Duration::MAX);
        }
        let end = self.close.poll_recv(context).is_ready()
            || self.logoff.poll_recv(context).is_ready()
            || self.shutdown.poll_recv(context).is_ready();
        if end { Poll::Ready(WHEN_CLOSED) } else { Poll::Pending }
    }
}
