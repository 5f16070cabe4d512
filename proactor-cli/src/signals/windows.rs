//! What a console tells its programs: Ctrl-C, Ctrl-Break, and that it is being closed.

use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll};
use std::thread;
use std::time::Duration;

use tokio::signal::windows as console;

/// Windows ends a program that does not end by itself within 5 s of its console being closed (`HandlerRoutine`, time-outs); the rest is
/// for ending in order.
const WHEN_CLOSED: Duration = Duration::from_secs(4);

/// Requests to end, kept from when this is made; none of them ends the process at once any more.
///
/// The system ends the process as soon as the handler of a close, a log-off or a shutdown returns. Tokio's never does, so
/// the process lives until `main` returns.
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

    /// Calls `asked` for every request, on a thread of its own, for as long as the process lives. It is told how long ending may take.
    pub(crate) fn each(mut self, mut asked: impl FnMut(Duration) + Send + 'static) {
        thread::spawn(move || {
            // It fails on a proactor's own thread only, which this is not.
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
