//! Lists of a server's sessions, for any thread.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use overlapped::mailbox::MailError;

use super::handle::Handle;
use super::parking;
use crate::error::SendError;
use crate::session::{id::SessionId, info::SessionInfo};
use crate::shard::directory::Mail;
use crate::shard::listing::List;
use crate::task::executor::is_on_shard;

impl<M> Handle<M> {
    /// Lists the sessions that pass a filter. No shard is stopped: each looks at 1,000 sessions in
    /// a turn, between its other work. A session that is there all the while is in the list once;
    /// one that begins or ends meanwhile may be in it or not.
    ///
    /// The filter is called on the shards' threads, so it must be quick and must not block. If it
    /// panics, that is logged, and the list lacks sessions. What it refuses takes no memory.
    ///
    /// To count all sessions, [`sessions`](Handle::sessions) is enough.
    ///
    /// ```
    /// # use proactor::{Handle, SendError};
    /// /// Closes those without a key that have been there for a minute.
    /// async fn close_strangers(handle: &Handle) -> Result<(), SendError> {
    ///     let is_stranger = |session: &proactor::SessionInfo| {
    ///         session.key().is_none() && session.age().as_secs() >= 60
    ///     };
    ///     for stranger in handle.list_sessions(is_stranger)?.await {
    ///         handle.close(stranger.id())?;
    ///     }
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    /// `Full` if 64 lists are being made, or the mailbox of a shard is full. If the server has
    /// ended, the list is empty.
    pub fn list_sessions(
        &self,
        filter: impl Fn(&SessionInfo) -> bool + Send + Sync + 'static,
    ) -> Result<SessionList, SendError> {
        let shards = self.directory.shard_count();
        let made = List::new(Box::new(filter), usize::from(shards), &self.directory.lists);
        let (list, jobs) = made.ok_or(SendError::Full)?;
        for (shard, job) in (0..shards).zip(jobs) {
            // A shard that has ended has none: its job is dropped.
            if let Err(MailError::Full(_)) = self.directory.mail(shard, Mail::List(job)) {
                return Err(SendError::Full);
            }
        }
        Ok(SessionList(list))
    }

    /// Looks one session up: the list has it, or is empty if it has ended. Only its shard is asked,
    /// and looks at no other session.
    ///
    /// ```
    /// # use proactor::{Handle, SendError, SessionId};
    /// async fn is_slow(handle: &Handle, id: SessionId) -> Result<bool, SendError> {
    ///     let found = handle.look_up(id)?.await;
    ///     Ok(found.first().is_some_and(|session| session.queued() > 64 * 1024))
    /// }
    /// ```
    ///
    /// # Errors
    /// As for [`list_sessions`](Handle::list_sessions).
    pub fn look_up(&self, id: SessionId) -> Result<SessionList, SendError> {
        let made = List::new(Box::new(move |info| info.id() == id), 1, &self.directory.lists);
        let (list, jobs) = made.ok_or(SendError::Full)?;
        for job in jobs {
            if let Err(MailError::Full(_)) = self.directory.mail(id.shard(), Mail::List(job.only(id))) {
                return Err(SendError::Full);
            }
        }
        Ok(SessionList(list))
    }
}

/// A list of sessions that is being made: a future, for any thread and any runtime.
/// [`Handle::list_sessions`] returns it. If it is dropped, the shards stop looking.
#[must_use = "it is to be awaited"]
pub struct SessionList(List);

impl SessionList {
    /// Waits for the list and blocks this thread meanwhile, for code that is not async.
    ///
    /// # Panics
    /// On the thread of a shard, which would wait for itself. Spawn a task there
    /// ([`Session::spawn`](crate::Session::spawn)).
    ///
    /// On a simulated network it does not return unless another thread turns the server.
    pub fn wait(self) -> Vec<SessionInfo> {
        assert!(!is_on_shard(), "a shard's thread cannot wait for a list of sessions; await it in a task");
        parking::wait(|waker| self.0.poll(waker))
    }
}

impl Future for SessionList {
    type Output = Vec<SessionInfo>;

    fn poll(self: Pin<&mut SessionList>, context: &mut Context<'_>) -> Poll<Vec<SessionInfo>> {
        self.0.poll(context.waker())
    }
}

impl fmt::Debug for SessionList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionList")
    }
}
