//! `Latch`: a wait for one thing that happens once. Blocking calls wait with it.

use std::sync::Arc;
use std::time::Instant;

use super::multiple::{Until, Waited, wait};
use super::signal::{Kind, Signal};

pub(crate) struct Latch(Signal);

impl Latch {
    pub(crate) fn new() -> Arc<Latch> {
        Arc::new(Latch(Signal::new(Kind::Manual, 0)))
    }

    /// It has happened.
    pub(crate) fn set(&self) {
        self.0.set();
    }

    /// Waits. `Waited::Alerted` means that the caller should run the thread's APCs
    /// (`thread::run_apcs`) and wait again.
    pub(crate) fn wait(&self, until: Option<Instant>, alertable: bool) -> Waited {
        wait(&[&self.0], false, until.map_or(Until::Never, Until::At), alertable)
    }
}
