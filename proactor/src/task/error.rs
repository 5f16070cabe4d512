//! Errors of tasks, and what a session's task may return.

use std::fmt;

const OTHER_HANDLER: &str =
    "the server runs another handler than the closure takes; name the type that was given to `start`";

/// Why a task was not spawned; it has been dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SpawnError {
    /// The shard has 1,048,576 tasks.
    Full,
    /// The session, or its shard, has ended.
    Closed,
    /// The result is for another handler than the one that the server was started with.
    OtherHandler,
}

impl fmt::Display for SpawnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SpawnError::Full => "the shard has too many tasks",
            SpawnError::Closed => "the session is closed",
            SpawnError::OtherHandler => OTHER_HANDLER,
        })
    }
}

impl std::error::Error for SpawnError {}

/// Why [offloaded](super::AsyncSession::offload) work has no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OffloadError {
    /// Too much work waits already: it has not begun.
    Full,
    /// It panicked.
    Panicked,
    /// A thread for it could not be started.
    NoThread,
    /// The session or the server has ended: it has not begun.
    Closed,
    /// The result is for another handler than the one that the server was started with.
    OtherHandler,
}

impl fmt::Display for OffloadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            OffloadError::Full => "too much work is waiting already",
            OffloadError::Panicked => "the work panicked",
            OffloadError::NoThread => "no thread could be started for the work",
            OffloadError::Closed => "the session or the server has ended",
            OffloadError::OtherHandler => OTHER_HANDLER,
        })
    }
}

impl std::error::Error for OffloadError {}

/// The time was over before the future was ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Elapsed;

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it took too long")
    }
}

impl std::error::Error for Elapsed {}

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
