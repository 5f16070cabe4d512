//! Outbound connections: they become sessions of the shard on which they were asked for, in the hands of the same handler.
//!
//! - Each attempt that was begun ends exactly once: in [`Handler::connected`](crate::Handler::connected), or in
//!   [`Handler::connect_failed`](crate::Handler::connect_failed), and never within the call that asks for it.
//! - It has a place of [`Builder::max_outbound`] from its beginning, which goes with the session, and is given back whichever way that ends.
//! - An attempt whose session is closed ends with it, and so do all when the server ends.
//!
//! What is asked for is in here; [`attempts`] is how it is done, [`race`] in which order, [`resolver`] where names are looked up.

mod attempts;
mod error;
mod race;
mod resolver;
mod target;

use std::sync::atomic::Ordering;
use std::time::Duration;

use overlapped::mailbox::MailError;

use crate::handle::{Handle, Mail, RUNNING};
use crate::limits::Permit;
use crate::server::Builder;
use crate::session::{Session, SessionId};

pub(crate) use attempts::{AttemptId, Connector, Ended};
pub use error::{ConnectError, ConnectFailure, Tried};
pub(crate) use resolver::{Found, Resolver};
pub use target::{Target, TargetError};

/// How a session came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin {
    /// A peer connected to one of the server's listeners.
    Accepted,
    /// The server connected to the peer.
    Connected {
        /// What was given to [`Session::connect`] or [`Handle::connect`].
        token: u64,
        /// The session that asked for it, if one did.
        opener: Option<SessionId>,
    },
}

/// A connection that is asked for on another thread.
pub(crate) struct Wanted {
    pub(crate) target: Target,
    pub(crate) token: u64,
    pub(crate) permit: Permit,
}

impl Session {
    /// Connects to a target, for this session: what becomes of it is a session of the same shard, which the handler is told of by
    /// [`connected`](crate::Handler::connected), as of an accepted one; its [`origin`](Session::origin) has `token` and this session's id. If it cannot be
    /// made, [`connect_failed`](crate::Handler::connect_failed) is told why. One of them is called, once, and not before this returns. If this session is closed, so is
    /// the attempt.
    ///
    /// ```
    /// use proactor::{ConnectError, Flow, Handler, Origin, Session, Target};
    ///
    /// /// Passes on what comes, both ways.
    /// #[derive(Clone)]
    /// struct Proxy(Target);
    ///
    /// impl Handler for Proxy {
    ///     type State = ();
    ///     fn connected(&mut self, session: &Session) {
    ///         match session.origin() {
    ///             Origin::Connected { opener: Some(client), .. } => {
    ///                 let Some(client) = session.sibling(client) else { return session.abort() };
    ///                 if client.pair(session).is_ok() {
    ///                     client.resume();
    ///                 }
    ///             }
    ///             _ => {
    ///                 session.pause();
    ///                 if session.connect(self.0.clone(), 0).is_err() {
    ///                     session.abort();
    ///                 }
    ///             }
    ///         }
    ///     }
    ///     fn received(&mut self, _: &Session, _: &mut (), _: &[u8]) -> Flow {
    ///         Flow::Close
    ///     }
    ///     fn connect_failed(&mut self, client: Option<&Session>, _: u64, error: &ConnectError) {
    ///         eprintln!("{error}");
    ///         if let Some(client) = client {
    ///             client.abort();
    ///         }
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    /// What can be said at once: `Limit`, if there are as many outbound sessions as there [may be](Builder::max_outbound); `Ending`, if this session or the
    /// server is ending. The handler is not told of these.
    pub fn connect(&self, target: impl Into<Target>, token: u64) -> Result<(), ConnectError> {
        self.core.borrow_mut().connect_for(self.id, target.into(), token, None)
    }
}

impl Handle {
    /// Connects to a target, on the shard that has the least to do: as [`Session::connect`], with no session that asks for it. If the server ends before that shard
    /// has heard of it, the handler is not told.
    ///
    /// # Errors
    /// `Limit` if there are as many outbound sessions as there [may be](Builder::max_outbound), or the shard's mailbox is full; `Ending` if the server is ending. The
    /// handler is not told of these.
    pub fn connect(&self, target: impl Into<Target>, token: u64) -> Result<(), ConnectError> {
        let (shared, target) = (&self.shared, target.into());
        if shared.phase.load(Ordering::Acquire) != RUNNING {
            return Err(ConnectError::new(target, ConnectFailure::Ending));
        }
        let Some(permit) = shared.admit_outbound() else { return Err(shared.too_many_outbound(target)) };
        let post = shared.posts.iter().min_by_key(|post| post.load.load(Ordering::Relaxed));
        let post = post.expect("a server has a shard");
        post.load.fetch_add(1, Ordering::Relaxed);
        let (mail, failure) = match post.mail.send(Mail::Connect(Box::new(Wanted { target, token, permit }))) {
            Ok(()) => return Ok(()),
            Err(MailError::Full(mail)) => (mail, ConnectFailure::Limit),
            Err(MailError::Closed(mail)) => (mail, ConnectFailure::Ending),
        };
        post.load.fetch_sub(1, Ordering::Relaxed);
        let Mail::Connect(wanted) = mail else { unreachable!("it is given back") };
        Err(ConnectError::new(wanted.target, failure).because("the shard's mailbox takes no more"))
    }
}

/// # Outbound connections
///
/// ```
/// use std::time::Duration;
///
/// use proactor::Server;
///
/// let builder = Server::builder().bind("0.0.0.0:7777").max_outbound(500).connect_timeout(Duration::from_secs(3));
/// ```
impl Builder {
    /// Outbound sessions there may be at once, with those that are being connected: 100,000 unless said otherwise, or as many as the drivers have sockets for. They
    /// do not count as [sessions](Builder::max_sessions), which are the accepted ones. 0 is none.
    pub fn max_outbound(mut self, sessions: usize) -> Builder {
        self.settings.outbound = Some(sessions);
        self
    }

    /// How long an outbound connection may take in all, from the look-up of its name to the address that answers: 10 s unless said otherwise.
    pub fn connect_timeout(mut self, time: Duration) -> Builder {
        self.settings.connect_timeout = time;
        self
    }
}
