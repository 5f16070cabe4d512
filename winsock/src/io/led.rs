//! What only the thread that leads touches: the driver, and the work that it has.

use std::ops::Range;

use overlapped::Driver;
use overlapped::driver::OpId;

use super::work::{Command, Key, Work};

pub(super) struct Running {
    pub(super) generation: u32,
    pub(super) work: Box<dyn Work>,
    /// Of its operation with the driver.
    pub(super) id: Option<OpId>,
    pub(super) cancelled: bool,
    /// Its memory is gone: it ends without having told anybody.
    pub(super) buried: bool,
}

/// What only the leader touches.
pub(super) struct Led {
    pub(super) driver: Driver,
    pub(super) running: Vec<Option<Running>>,
    /// Kept for its memory.
    pub(super) commands: Vec<Command>,
    pub(super) ended: Vec<u32>,
}

impl Led {
    pub(super) fn new(driver: Driver) -> Led {
        Led { driver, running: Vec::new(), commands: Vec::new(), ended: Vec::new() }
    }

    pub(super) fn cancel(&mut self, key: Key) {
        let running = self.running.get_mut(key.slot as usize).and_then(Option::as_mut);
        let Some(running) = running.filter(|running| running.generation == key.generation) else { return };
        running.cancelled = true;
        if let Some(id) = running.id {
            self.driver.cancel(id);
        }
    }

    pub(super) fn cancel_of(&mut self, thread: u32) {
        for running in self.running.iter_mut().flatten() {
            if running.work.dies_with(thread) {
                running.cancelled = true;
                if let Some(id) = running.id {
                    self.driver.cancel(id);
                }
            }
        }
    }

    pub(super) fn bury(&mut self, left: &Range<usize>) {
        for running in self.running.iter_mut().flatten() {
            if running.work.lies_in(left) {
                running.buried = true;
                if let Some(id) = running.id {
                    self.driver.cancel(id);
                }
            }
        }
    }
}
