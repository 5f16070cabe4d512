//! Dropping a driver: cancel everything, wait until the kernel has let go, and only then free memory.

use std::rc::Rc;
use std::time::Duration;

use crate::sys::Event;
use crate::time::Time;

use super::Driver;
use super::slots::Stage;

/// How long dropping a driver waits for the kernel to let go, before it leaks what the kernel still holds.
const DROP_PATIENCE: Duration = Duration::from_secs(10);

impl Driver {
    /// Cancels what the system has, and waits until it has let go of everything, or the moment has come; `told` is given what happens to it. Starts nothing. Says whether it
    /// has let go.
    pub(super) fn let_go(&mut self, limit: Time, mut told: impl FnMut(&mut Driver, Event)) -> bool {
        loop {
            let mut held = 0;
            for slot in self.slots.indices() {
                if self.slots[slot].stage == Stage::Kernel {
                    held += 1;
                    // A cancel that found the request on its way from one wait to the next is asked again.
                    self.slots[slot].cancelled = true;
                    self.list(slot);
                } else if self.slots[slot].stage == Stage::Submitting {
                    // Never handed over: nothing is owed.
                    self.slots[slot].stage = Stage::Parked;
                }
            }
            if held == 0 {
                return true;
            }
            let asked = self.flush();
            #[cfg(test)]
            let asked = asked.and(super::failing::on_demand(&mut self.failures));
            let soon = (self.now() + Duration::from_millis(50)).min(limit);
            let turned = asked.and_then(|()| self.backend.turn(Some(soon)));
            while let Some(event) = self.backend.next() {
                told(self, event);
            }
            if turned.is_err() || self.now() >= limit {
                return false;
            }
        }
    }
}

impl Drop for Driver {
    /// Cancels everything and waits until the kernel has let go. It is bounded: what the kernel will not let go of in ten seconds is leaked
    /// rather than freed, and said in the log.
    fn drop(&mut self) {
        for slot in self.slots.indices() {
            if self.slots[slot].stage == Stage::Orphaned {
                self.slots[slot].stage = Stage::Kernel;
            }
        }
        let limit = self.now() + DROP_PATIENCE;
        let has_let_go = self.let_go(limit, |driver, event| {
            if let Some(slot) = driver.slots.find(event.id)
                && driver.slots[slot].stage == Stage::Kernel
                && !event.more
            {
                driver.slots[slot].stage = Stage::Parked;
            }
        });
        if has_let_go {
            return;
        }
        tracing::error!(
            "a driver was dropped and the kernel did not let go of all its operations; their memory is leaked"
        );
        for slot in self.slots.indices() {
            if self.slots[slot].stage == Stage::Kernel {
                std::mem::forget(self.slots.cargo(slot).and_then(|cargo| cargo.buf.take()));
            }
        }
        self.backend.leak();
        std::mem::forget(Rc::clone(&self.pool));
    }
}
