//! How an attempt to connect fails, and how a task is told of its end.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use overlapped::{Address, ErrorKind};

use super::target::Target;
use crate::session::id::SessionId;
use crate::session::reason::CloseReason;
use crate::task::link::wake;
use crate::transport::failure::{Failure, FailureKind, TlsFailure};

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
    /// The connection was made, and TLS could not be agreed on: see
    /// [`tls_failure`](ConnectError::tls_failure).
    Tls,
    /// The connection was made, and the peer did not upgrade it to WebSocket.
    Upgrade,
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
    tls: Option<TlsFailure>,
    #[cfg(feature = "websocket")]
    status: Option<u16>,
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
        ConnectError {
            target,
            failure,
            detail: None,
            tried: Vec::new(),
            tls: None,
            #[cfg(feature = "websocket")]
            status: None,
        }
    }

    pub(crate) fn because(mut self, detail: impl Into<String>) -> ConnectError {
        self.detail = Some(detail.into());
        self
    }

    /// The attempt ended after these addresses were tried.
    pub(super) fn after(mut self, tried: Vec<Tried>, detail: Option<String>) -> ConnectError {
        (self.tried, self.detail) = (tried, detail);
        self
    }

    /// The connection was made, and its transport did not open.
    pub(crate) fn not_open(target: Target, failure: &Failure) -> ConnectError {
        let error = |failed| ConnectError::new(target, failed).because(failure.to_string());
        match failure.kind {
            FailureKind::Tls(kind) => ConnectError { tls: Some(kind), ..error(ConnectFailure::Tls) },
            #[cfg(feature = "websocket")]
            FailureKind::Upgrade(status) => ConnectError { status, ..error(ConnectFailure::Upgrade) },
            // Not of a connection that the server makes.
            FailureKind::Resume => error(ConnectFailure::Tls),
        }
    }

    /// The connection was made, and was closed before its transport was open.
    pub(crate) fn not_open_by(target: Target, reason: CloseReason) -> ConnectError {
        let failure = if target.is_over_tls() { ConnectFailure::Tls } else { ConnectFailure::Upgrade };
        ConnectError::new(target, failure).because(reason.to_string())
    }

    /// The status with which a server has refused the [upgrade](ConnectFailure::Upgrade) to
    /// WebSocket, if it has answered with one.
    #[cfg(feature = "websocket")]
    pub fn upgrade_status(&self) -> Option<u16> {
        self.status
    }

    /// What was wrong with TLS, if that has [failed](ConnectFailure::Tls).
    pub fn tls_failure(&self) -> Option<TlsFailure> {
        self.tls
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
            ConnectFailure::Tls => "TLS failed",
            ConnectFailure::Upgrade => "the upgrade to WebSocket failed",
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

/// What an attempt and the task that waits for it share.
#[derive(Default)]
pub(crate) struct ConnectWaiter {
    end: RefCell<Option<Result<SessionId, ConnectError>>>,
    waker: RefCell<Option<Waker>>,
}

impl ConnectWaiter {
    /// Whether the task still waits.
    pub(crate) fn is_awaited(this: &Rc<ConnectWaiter>) -> bool {
        Rc::strong_count(this) > 1
    }

    pub(crate) fn poll(&self, context: &Context<'_>) -> Poll<Result<SessionId, ConnectError>> {
        match self.end.borrow_mut().take() {
            Some(end) => Poll::Ready(end),
            None => {
                *self.waker.borrow_mut() = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }

    /// The attempt has ended: tells the task. Nothing may be borrowed, for a waker may run user
    /// code.
    pub(crate) fn ended(&self, end: Result<SessionId, ConnectError>) {
        *self.end.borrow_mut() = Some(end);
        let waker = self.waker.borrow_mut().take();
        if let Some(waker) = waker {
            wake(waker);
        }
    }
}
