//! SIGINT and SIGTERM.

use std::io;
use std::thread;
use std::time::Duration;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// Requests to end, kept from when this is made; none of them ends the process any more.
pub(crate) struct StopRequests(Signals);

impl StopRequests {
    pub(crate) fn new() -> io::Result<StopRequests> {
        Signals::new([SIGINT, SIGTERM]).map(StopRequests)
    }

    /// Calls `asked` for every request, on a thread of its own, for as long as the process lives. It is told how long ending may take.
    pub(crate) fn each(mut self, mut asked: impl FnMut(Duration) + Send + 'static) {
        thread::spawn(move || {
            for _ in self.0.forever() {
                asked(Duration::MAX);
            }
        });
    }
}
