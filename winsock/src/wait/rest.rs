//! A thread that took a packet from a port counts as running there until it waits.

use std::cell::RefCell;
use std::sync::Arc;

/// What counts running threads: a port.
pub(crate) trait Runs: Send + Sync {
    /// A thread stops running.
    fn rest(&self);
    /// A thread goes on.
    fn run(&self);
}

/// For which port a thread runs. A thread that ends runs no more.
struct Running(RefCell<Option<Arc<dyn Runs>>>);

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(port) = self.0.take() {
            port.rest();
        }
    }
}

thread_local! {
    static RUNS_FOR: Running = const { Running(RefCell::new(None)) };
}

/// From now on this thread runs for this port, which has counted it.
pub(crate) fn runs_for(port: Arc<dyn Runs>) {
    let _ = RUNS_FOR.try_with(|here| here.0.replace(Some(port)));
}

/// This thread runs for no port any more; for which it did. The caller tells the port.
pub(crate) fn stop_running() -> Option<Arc<dyn Runs>> {
    RUNS_FOR.try_with(|here| here.0.take()).ok().flatten()
}

/// While this lives, the thread waits, and another may run in its place.
pub(crate) struct Resting(Option<Arc<dyn Runs>>);

impl Resting {
    pub(crate) fn begin() -> Resting {
        let port = stop_running();
        if let Some(port) = &port {
            port.rest();
        }
        Resting(port)
    }
}

impl Drop for Resting {
    fn drop(&mut self) {
        if let Some(port) = self.0.take() {
            port.run();
            runs_for(port);
        }
    }
}
