//! What can go wrong with a connection, by kind.

use std::fmt;

use overlapped::{Error, ErrorKind};
use serde::Serialize;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    Refused,
    ConnectTimedOut,
    NotConnected,
    Tls,
    ClosedByServer,
    Reset,
    NoAnswer,
    WrongAnswer,
    UnaskedAnswer,
    Failed,
}

impl FaultKind {
    pub fn name(self) -> &'static str {
        match self {
            FaultKind::Refused => "connection refused",
            FaultKind::ConnectTimedOut => "connecting took too long",
            FaultKind::NotConnected => "could not connect",
            FaultKind::Tls => "TLS failed",
            FaultKind::ClosedByServer => "closed by the server",
            FaultKind::Reset => "reset",
            FaultKind::NoAnswer => "no answer",
            FaultKind::WrongAnswer => "wrong answer",
            FaultKind::UnaskedAnswer => "more answers than messages",
            FaultKind::Failed => "failed",
        }
    }
}

/// The end of a connection that should not have ended. Each has at most one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub kind: FaultKind,
    pub text: String,
}

impl Fault {
    pub fn new(kind: FaultKind, text: impl Into<String>) -> Fault {
        Fault { kind, text: text.into() }
    }

    /// A connection that was not made.
    pub fn connecting(error: &Error) -> Fault {
        let kind = match error.kind() {
            ErrorKind::Refused => FaultKind::Refused,
            ErrorKind::TimedOut => FaultKind::ConnectTimedOut,
            _ => FaultKind::NotConnected,
        };
        let remedy = match error.kind() {
            ErrorKind::Refused | ErrorKind::NotFound => "; start the server there, or correct --connect",
            ErrorKind::AddressNotAvailable | ErrorKind::InUse => {
                "; this machine may be out of local ports for that address: ask for fewer --connections, or wait until those of the last run are free again (a minute)"
            }
            ErrorKind::TooManyFiles => "; raise the limit of open files (ulimit -n), or ask for fewer --connections",
            _ => "",
        };
        Fault::new(kind, format!("{error}{remedy}"))
    }

    /// A connection that was lost.
    pub fn lost(error: &Error) -> Fault {
        let kind = match error.kind() {
            ErrorKind::Reset | ErrorKind::BrokenStream => FaultKind::Reset,
            _ => FaultKind::Failed,
        };
        Fault::new(kind, error.to_string())
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind.name(), self.text)
    }
}
