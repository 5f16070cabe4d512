//! A task that waits for an outbound connection.

use std::cell::RefCell;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};

use super::session::AsyncSession;
use crate::connector::{ConnectError, Target};
use crate::session::{Session, SessionId};

/// What the task and the shard's connector have between them.
#[derive(Default)]
pub(crate) struct Connecting {
    end: RefCell<Option<Result<SessionId, ConnectError>>>,
    waker: RefCell<Option<Waker>>,
}

impl Connecting {
    /// Whether the task still waits.
    pub(crate) fn is_awaited(this: &Rc<Connecting>) -> bool {
        Rc::strong_count(this) > 1
    }

    /// The attempt has ended: tells the task. Nothing may be borrowed, for its waker may be one of the user's.
    pub(crate) fn ended(&self, end: Result<SessionId, ConnectError>) {
        *self.end.borrow_mut() = Some(end);
        let waker = self.waker.borrow_mut().take();
        if let Some(waker) = waker {
            super::executor::wake(waker);
        }
    }
}

impl AsyncSession {
    /// Connects to a target, as [`Session::connect`] does, and waits for the session that becomes of it, which has a task of its own: the server's function is called for it
    /// too, and its [origin](Session::origin) has `token`. It can be [paired](Session::pair) with this one.
    ///
    /// If the future is dropped, no session becomes of the connection.
    ///
    /// ```
    /// use proactor::{AsyncSession, ConnectError, Origin};
    ///
    /// /// Passes on what comes, both ways.
    /// async fn proxy(session: AsyncSession) -> Result<(), ConnectError> {
    ///     if session.session().origin() == Origin::Accepted {
    ///         let upstream = session.connect("127.0.0.1:80".parse::<std::net::SocketAddr>().unwrap(), 0).await?;
    ///         let _ = session.session().pair(&upstream);
    ///     }
    ///     session.closed().await;
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    /// Why it could not be made: what [`Session::connect`] says at once, and what [`connect_failed`](crate::Handler::connect_failed) is told otherwise; `Cancelled` if one of the two
    /// sessions is closed meanwhile.
    pub async fn connect(&self, target: impl Into<Target>, token: u64) -> Result<Session, ConnectError> {
        let (target, connecting) = (target.into(), Rc::<Connecting>::default());
        let core = &self.session().core;
        core.borrow_mut().connect_for(self.id(), target.clone(), token, Some(Rc::clone(&connecting)))?;
        let id = poll_fn(|context| match connecting.end.borrow_mut().take() {
            Some(end) => Poll::Ready(end),
            None => {
                *connecting.waker.borrow_mut() = Some(context.waker().clone());
                Poll::Pending
            }
        })
        .await?;
        self.session().sibling(id).ok_or_else(|| ConnectError::closed(target))
    }
}
