//! What a session's task returns.

use std::fmt;

/// What a session's task may return: nothing, or a `Result` with an error that can be shown.
pub trait TaskOutput {
    /// The error as text, if it is one.
    fn into_error(self) -> Option<String>;
}

impl TaskOutput for () {
    fn into_error(self) -> Option<String> {
        None
    }
}

impl<T, E: fmt::Display> TaskOutput for Result<T, E> {
    fn into_error(self) -> Option<String> {
        self.err().map(|error| error.to_string())
    }
}
