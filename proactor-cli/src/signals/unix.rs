//! SIGINT and SIGTERM.

use std::io;
use std::thread;
use std::time::Duration;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// Collects requests to stop from now on; they no longer end the process.
pub(crate) struct StopRequests(Signals);

impl StopRequests {
    pub(crate) fn new() -> io::Result<StopRequests> {
        Signals::new([SIGINT, SIGTERM]).map(StopRequests)
    }

    /// Calls `asked` for every request, on its own thread, until the process ends. The argument is
    /// the time that stopping may take.
    pub(crate) fn each(mut self, mut asked: impl FnMut(Duration) + Send + 'static) {
        thread::spawn(move || {
            for _ in self.0.forever() {
                asked(Duration::MAX);
            }
        });
    }
}
