//! Why a connection was not made.

use std::fmt;

use overlapped::{Address, ErrorKind};

use super::target::Target;

/// What kind of failure it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ConnectFailure {
    /// The name could not be looked up, or has no address.
    NotFound,
    /// None of its addresses could be connected to: each one's error says why.
    Failed,
    /// It took longer than the [connect timeout](crate::Outbound::connect_timeout).
    TimedOut,
    /// The session that asked for it has been closed.
    Cancelled,
    /// There are as many outbound sessions as there [may be](crate::Outbound::sessions), or too
    /// many lookups wait.
    Limit,
    /// The server, or the session that asked, is ending.
    Ending,
}

/// Why a connection was not made: the target, and each address that was tried, with its error.
#[derive(Debug)]
pub struct ConnectError {
    pub(super) target: Target,
    pub(super) failure: ConnectFailure,
    /// The error of the lookup, or which limit was reached.
    pub(super) detail: Option<String>,
    pub(super) tried: Vec<Tried>,
}

/// An address that was tried.
#[derive(Debug)]
pub struct Tried {
    /// The address.
    pub address: Address,
    /// Why it failed. `None`: it had not answered when the attempt ended.
    pub error: Option<overlapped::Error>,
}

impl ConnectError {
    pub(crate) fn new(target: Target, failure: ConnectFailure) -> ConnectError {
        ConnectError { target, failure, detail: None, tried: Vec::new() }
    }

    /// It was made, and closed before anyone used it.
    pub(crate) fn closed(target: Target) -> ConnectError {
        ConnectError::new(target, ConnectFailure::Cancelled).because("it was closed at once")
    }

    pub(crate) fn because(mut self, detail: impl Into<String>) -> ConnectError {
        self.detail = Some(detail.into());
        self
    }

    /// The target of the connection.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// What kind of failure it was.
    pub fn failure(&self) -> ConnectFailure {
        self.failure
    }

    /// The addresses that were tried, in the order in which they failed. Those that had not
    /// answered come last.
    pub fn tried(&self) -> &[Tried] {
        &self.tried
    }

    /// Whether every address that was tried refused the connection.
    pub fn is_refused(&self) -> bool {
        let refused = |tried: &Tried| tried.error.as_ref().is_some_and(|error| error.kind() == ErrorKind::Refused);
        !self.tried.is_empty() && self.tried.iter().all(refused)
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "could not connect to {}: ", self.target)?;
        f.write_str(match self.failure {
            ConnectFailure::NotFound => "no address was found",
            ConnectFailure::Failed => "no address could be reached",
            ConnectFailure::TimedOut => "it took too long",
            ConnectFailure::Cancelled => "nobody waits for it any more",
            ConnectFailure::Limit => "a limit was reached",
            ConnectFailure::Ending => "the server or the session is ending",
        })?;
        if let Some(detail) = &self.detail {
            write!(f, " ({detail})")?;
        }
        for tried in &self.tried {
            match &tried.error {
                Some(error) if error.address() == Some(&tried.address) => write!(f, "; {error}")?,
                Some(error) => write!(f, "; {}: {error}", tried.address)?,
                None => write!(f, "; {}: no answer", tried.address)?,
            }
        }
        Ok(())
    }
}

impl std::error::Error for ConnectError {}
