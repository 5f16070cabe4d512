//! What is left of a driver whose backend has failed.

use std::collections::VecDeque;

use crate::error::{Action, Error};

use super::completion::Completion;

/// A backend has failed: the error, and the completions that are still to be taken.
pub(super) struct BackendFailure {
    error: Error,
    ends: VecDeque<Completion>,
    /// Operations that have ended although the system has not let go of them.
    orphans: usize,
}

impl BackendFailure {
    pub(super) fn new(error: &Error, ends: VecDeque<Completion>, orphans: usize) -> BackendFailure {
        BackendFailure { error: failed(error, Action::Turn), ends, orphans }
    }

    pub(super) fn orphans(&self) -> usize {
        self.orphans
    }

    /// The failure, as the error of this action.
    pub(super) fn error(&self, action: Action) -> Error {
        failed(&self.error, action)
    }

    pub(super) fn next(&mut self) -> Option<Completion> {
        self.ends.pop_front()
    }
}

/// A backend's error, as the error of this action.
pub(super) fn failed(error: &Error, action: Action) -> Error {
    error.of(action).because("the driver's backend has failed")
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
