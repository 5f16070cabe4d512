//! The end of a driver: because it is dropped, or because its backend has failed.
//!
//! In both cases everything is cancelled, and the kernel is given time to let go. Memory that the
//! kernel may still write to is never freed.

use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use crate::error::{Action, Error, ErrorKind};
use crate::sys::op::Event;
use crate::time::Time;

use super::Driver;
use super::operations::{BackendFailure, Completion, Ready, Stage, failed};

/// How long dropping a driver waits for the kernel to let go, before it leaks what the kernel
/// holds.
const DROP_PATIENCE: Duration = Duration::from_secs(10);
/// How long the kernel is given to let go after a failure.
const FAILURE_PATIENCE: Duration = Duration::from_secs(1);

impl Driver {
    /// The failure of the backend, if it has failed, as the error of this action.
    #[inline]
    pub(super) fn backend_failure(&self, action: Action) -> Option<Error> {
        self.failure.as_ref().map(|failure| failed(&failure.error, action))
    }

    /// Cancels what the system has, and waits until it has let go of everything, or until the
    /// moment `limit`. `on_event` is given what happens meanwhile. Starts nothing. Says whether the
    /// system has let go.
    fn let_go(&mut self, limit: Time, mut on_event: impl FnMut(&mut Driver, Event)) -> bool {
        loop {
            let mut held = 0;
            for slot in self.operations.slots() {
                let Some(operation) = self.operations.at_mut(slot) else { continue };
                match operation.stage {
                    Stage::Kernel => {
                        held += 1;
                        // In every round: a cancel does not find a request on its way from one wait
                        // to the next.
                        operation.cancelled = true;
                        self.list(slot);
                    }
                    // It was never handed over.
                    Stage::Submitting => operation.stage = Stage::Parked,
                    _ => {}
                }
            }
            if held == 0 {
                return true;
            }
            let asked = self.flush();
            #[cfg(test)]
            let asked = asked.and(on_demand(&mut self.failures));
            let soon = (self.now() + Duration::from_millis(50)).min(limit);
            let turned = asked.and_then(|()| self.backend.turn(Some(soon)));
            while let Some(event) = self.backend.next() {
                on_event(self, event);
            }
            if turned.is_err() || self.now() >= limit {
                return false;
            }
        }
    }

    /// The thread that turns this driver has panicked, perhaps in the middle of something: ends
    /// every operation as after a failure of the backend.
    #[cold]
    pub(crate) fn end_after_panic(&mut self) {
        if self.failure.is_none() {
            self.fail(&Error::new(Action::Turn, ErrorKind::Other).because("the thread that turns the driver panicked"));
        }
    }

    /// The backend has failed: ends every operation with that error. From here on nothing is
    /// started, and the backend is not called any more.
    ///
    /// What had come before is given first, and buffers come back. An operation that the system
    /// does not let go of ends without its buffer, which is kept until the driver is dropped.
    #[cold]
    pub(super) fn fail(&mut self, error: &Error) {
        tracing::error!("{error}: all operations end with that");
        self.operations.close();
        let mut ends = VecDeque::new();
        while let Some(event) = self.backend.next() {
            ends.extend(self.on_event(event));
        }
        let (before, ready, limit) = (ends.len(), self.ready.len(), self.now() + FAILURE_PATIENCE);
        let has_let_go = self.let_go(limit, |driver, event| ends.extend(driver.on_event(event)));
        // What was cancelled because of the failure, or was behind a send that this cut short, ends
        // with the failure.
        let ends_now = ends.range_mut(before..).map(|end| &mut end.result);
        for result in ends_now.chain(self.ready.range_mut(ready..).map(Ready::result)) {
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
        self.floods.clear();
        self.paused.clear();
        let mut orphans = 0;
        for slot in self.operations.slots() {
            let Some(operation) = self.operations.at_mut(slot) else { continue };
            operation.listed = false;
            let error = failed(error, operation.kind.action());
            match operation.stage {
                Stage::Ready | Stage::Orphaned => {}
                Stage::Kernel => {
                    operation.stage = Stage::Orphaned;
                    let token = operation.token();
                    self.clear_deadline(slot);
                    let error = error.after(self.operations.progress(slot));
                    let id = self.operations.id(slot);
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
        self.failure = Some(Box::new(BackendFailure { error: failed(error, Action::Turn), ends, orphans }));
    }
}

impl Drop for Driver {
    /// Cancels everything and waits until the kernel has let go. What it does not let go of in ten
    /// seconds is leaked, and an error is logged.
    fn drop(&mut self) {
        if !self.process.is_this() {
            // What is in flight is the parent's, and so are the sockets: closing one that was lent
            // would set its linger.
            return std::mem::forget(std::mem::take(&mut self.sockets));
        }
        for slot in self.operations.slots() {
            if let Some(operation) = self.operations.at_mut(slot)
                && operation.stage == Stage::Orphaned
            {
                operation.stage = Stage::Kernel;
            }
        }
        let limit = self.now() + DROP_PATIENCE;
        let has_let_go = self.let_go(limit, |driver, event| {
            if let Some(operation) = driver.operations.get_mut(event.id)
                && operation.stage == Stage::Kernel
                && !event.more
            {
                operation.stage = Stage::Parked;
            }
        });
        let handles = self.sockets.iter().filter_map(|(_, socket)| socket.handle.as_ref());
        handles.for_each(|handle| self.backend.hasten_close(handle));
        if has_let_go {
            return;
        }
        tracing::error!(
            "a driver was dropped and the kernel did not let go of all its operations; their memory is leaked"
        );
        for slot in self.operations.slots() {
            if self.operations.at_mut(slot).is_some_and(|operation| operation.stage == Stage::Kernel) {
                std::mem::forget(self.operations.owned_mut(slot).and_then(|owned| owned.buf.take()));
            }
        }
        self.backend.leak();
        std::mem::forget(Rc::clone(&self.pool));
    }
}

/// The code of a failure that a test asks for: no such descriptor.
#[cfg(test)]
pub(super) const TEST_CODE: i32 = if cfg!(windows) { 6 } else { 9 };

/// Fails as often as a test asks for.
#[cfg(test)]
pub(super) fn on_demand(failures: &mut u32) -> Result<(), Error> {
    match failures.checked_sub(1) {
        None => Ok(()),
        Some(left) => {
            *failures = left;
            Err(Error::os(Action::Turn, TEST_CODE))
        }
    }
}

#[cfg(test)]
mod tests;
