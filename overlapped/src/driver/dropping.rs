//! Dropping a driver: cancel everything, wait until the kernel has let go, and only then free memory.

use std::rc::Rc;
use std::time::Duration;

use super::Driver;
use super::slots::Stage;

/// How long dropping a driver waits for the kernel to let go, before it leaks what the kernel still holds.
const DROP_PATIENCE: Duration = Duration::from_secs(10);

impl Drop for Driver {
    /// Cancels everything and waits until the kernel has let go. It is bounded: what the kernel will not let go of in ten seconds is leaked
    /// rather than freed, and said in the log.
    fn drop(&mut self) {
        let limit = self.now() + DROP_PATIENCE;
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
                return;
            }
            let asked = self.flush();
            let soon = (self.now() + Duration::from_millis(50)).min(limit);
            let turned = asked.and_then(|()| self.backend.turn(Some(soon)));
            while let Some(event) = self.backend.next() {
                if let Some(slot) = self.slots.find(event.id)
                    && self.slots[slot].stage == Stage::Kernel
                    && !event.more
                {
                    self.slots[slot].stage = Stage::Parked;
                }
            }
            if turned.is_err() || self.now() >= limit {
                break;
            }
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
