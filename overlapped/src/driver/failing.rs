//! The backend itself has failed: every operation still ends, once, with that error.
//!
//! What the system has in its hands is cancelled and waited for, as when a driver is dropped: what had come before is given first, and buffers come back. An operation that the
//! system does not let go of ends without its buffer, which stays here until the driver is dropped: nothing is freed that could still be written to.

use std::collections::VecDeque;
use std::time::Duration;

use crate::error::{Action, Error, ErrorKind};
use crate::op::Completion;

use super::Driver;
use super::slots::Stage;

/// How long the system is given to let go.
const PATIENCE: Duration = Duration::from_secs(1);

/// What is left of a driver whose backend has failed.
pub(super) struct Failure {
    error: Error,
    /// What operations that the system had have come to.
    ends: VecDeque<Completion>,
    /// How many slots the system has not let go of, although their operations have ended.
    orphans: usize,
}

impl Failure {
    pub(super) fn orphans(&self) -> usize {
        self.orphans
    }

    pub(super) fn next(&mut self) -> Option<Completion> {
        self.ends.pop_front()
    }
}

impl Driver {
    /// The failure as the error of something that was, or is, to be done.
    pub(super) fn failure(&self, action: Action) -> Option<Error> {
        self.failure.as_ref().map(|failure| failed(&failure.error, action))
    }

    /// Ends everything. From here on nothing is started, and the backend is not asked for anything any more.
    #[cold]
    pub(super) fn fail(&mut self, error: &Error) {
        tracing::error!("{error}: all operations end with that");
        self.slots.close();
        let mut ends = VecDeque::new();
        while let Some(event) = self.backend.next() {
            ends.extend(self.handle_event(event));
        }
        let (before, ready, limit) = (ends.len(), self.ready.len(), self.now() + PATIENCE);
        let has_let_go = self.let_go(limit, |driver, event| ends.extend(driver.handle_event(event)));
        // What was cancelled because of the failure, or stood behind a send that was cut short by that, ends with the failure.
        let ends_now = ends.range_mut(before..).map(|end| &mut end.result);
        for result in ends_now.chain(self.ready.range_mut(ready..).map(|(_, result)| result)) {
            if let Err(cancelled) = result
                && matches!(cancelled.kind(), ErrorKind::Cancelled | ErrorKind::BrokenStream)
            {
                *result = Err(failed(error, cancelled.action()).after(cancelled.transferred()));
            }
        }
        if !has_let_go {
            tracing::error!("the system does not let go of all operations; their memory is kept");
        }
        self.listed.clear();
        self.starved.clear();
        let mut orphans = 0;
        for slot in self.slots.indices() {
            self.slots[slot].listed = false;
            let error = failed(error, self.slots[slot].what.action());
            match self.slots[slot].stage {
                Stage::Free | Stage::Ready | Stage::Orphaned => {}
                Stage::Kernel => {
                    self.clear_deadline(slot);
                    let error = error.after(self.slots.progress(slot));
                    let (id, token) = (self.slots.id(slot), self.slots[slot].token);
                    self.slots[slot].stage = Stage::Orphaned;
                    ends.push_back(Completion { id, token, more: false, result: Err(error), buf: None });
                    orphans += 1;
                }
                stage @ (Stage::Queued | Stage::Submitting | Stage::Parked) => {
                    if stage == Stage::Queued {
                        self.leave_queue(slot);
                    }
                    let result = self.cut_short(slot, error);
                    self.end(slot, result);
                }
            }
        }
        self.failure = Some(Box::new(Failure { error: failed(error, Action::Turn), ends, orphans }));
    }
}

fn failed(error: &Error, action: Action) -> Error {
    error.of(action).because("the driver's backend has failed")
}

/// Fails, if there are to be more failures.
#[cfg(test)]
pub(super) fn on_demand(failures: &mut u32) -> Result<(), Error> {
    match failures.checked_sub(1) {
        None => Ok(()),
        Some(left) => {
            *failures = left;
            Err(Error::os(Action::Turn, tests::CODE))
        }
    }
}

#[cfg(test)]
mod tests;
