//! The overlapped control block: a handle to an operation in flight.

use std::fmt;
use std::sync::Arc;
use std::task::Waker;

use super::ending::{Ending, Owner, Status};
use super::{core::Core, park};
use crate::driver::{Completion, Wait};
use crate::error::{Action, Error, ErrorKind, Failed};
use crate::flags::Flags;
use crate::id::OpId;

/// An operation in flight: `WSAOVERLAPPED`, initialised and owning what it needs.
///
/// The operation owns its buffers from its start until it has ended. Any thread may ask for its
/// status at any time. Its result is taken once, with [`result`](Overlapped::result) or by awaiting
/// it.
///
/// **Dropping the handle cancels the operation.** Its buffers are freed when the system no longer
/// uses them. If it has succeeded after all, its result is dropped: an accepted connection is
/// closed. Dropping neither blocks nor fails. A close goes on without its handle;
/// [`detach`](Overlapped::detach) lets any operation do so.
#[must_use = "dropping it cancels the operation"]
pub struct Overlapped<T: Ending> {
    core: Arc<Core>,
    id: OpId,
    action: Action,
    /// Set once its completion has been taken from the core.
    taken: Option<Status>,
    given: Option<T::Back>,
}

// Nothing points into it.
impl<T: Ending> Unpin for Overlapped<T> {}

impl<T: Ending> Overlapped<T> {
    pub(crate) fn new(core: Arc<Core>, id: OpId, action: Action) -> Overlapped<T> {
        Overlapped { core, id, action, taken: None, given: None }
    }

    /// The operation's id, for [`Engine::cancel`](crate::Engine::cancel).
    pub fn id(&self) -> OpId {
        self.id
    }

    /// How far it has come.
    pub fn status(&self) -> Status {
        match self.taken {
            Some(status) => status,
            None => self.core.status(self.id).expect("the operation exists until its result is taken"),
        }
    }

    /// Whether it has ended (`HasOverlappedIoCompleted`).
    pub fn has_ended(&self) -> bool {
        self.status() != Status::Pending
    }

    /// The result, if it has ended or ends within the wait (`WSAGetOverlappedResult`). It can be
    /// taken once.
    ///
    /// # Errors
    /// `Incomplete` if it has not ended by then: it goes on, and you can ask again.
    /// `InvalidArgument` if the result has been taken. `Closed` in a child that was forked after
    /// the start. `WouldDeadlock` if it would have to wait on the thread of an
    /// [`Engine`](crate::Engine). Otherwise the operation's own error;
    /// [`take_buf`](Overlapped::take_buf) then returns its buffer.
    pub fn result(&mut self, wait: Wait) -> Result<T, Error> {
        self.check_taken()?;
        self.core.process.check(self.action)?;
        park::begin();
        let mut ended = self.core.take(self.id, None);
        if ended.is_none() && wait == Wait::Poll {
            park::poll()?;
            ended = self.core.take(self.id, None);
        } else if ended.is_none() {
            let until = park::deadline(wait);
            let waker = park::waker();
            ended = loop {
                let ended = self.core.take(self.id, Some(&waker));
                if ended.is_some() || park::is_over(until) {
                    break ended;
                }
                park::park(until)?;
            };
        }
        match ended {
            Some(ended) => self.finish(ended).map_err(|Failed { error, given }| {
                self.given = Some(given);
                error
            }),
            None => Err(Error::new(self.action, ErrorKind::Incomplete)),
        }
    }

    fn check_taken(&self) -> Result<(), Error> {
        match self.taken {
            None => Ok(()),
            Some(_) => Err(Error::new(self.action, ErrorKind::InvalidArgument).because("its result has been taken")),
        }
    }

    #[inline]
    fn finish(&mut self, (flags, completion): (Flags, Completion)) -> Result<T, Failed<T::Back>> {
        self.taken = Some(Status::of(&completion));
        T::from_completion(completion, flags, &|| Arc::clone(&self.core) as Owner)
    }

    /// The result if it has ended, for the future. Otherwise `waker` is woken when it has.
    pub(super) fn poll_result(&mut self, waker: &Waker) -> Option<Result<T, Failed<T::Back>>> {
        assert!(self.taken.is_none(), "polled after its result was taken");
        self.core.take(self.id, Some(waker)).map(|ended| self.finish(ended))
    }

    /// What was handed over at the start, after [`result`](Overlapped::result) has returned the
    /// operation's error.
    pub fn take_buf(&mut self) -> Option<T::Back> {
        self.given.take()
    }

    /// Asks it to end early; `false` if it has ended already. It still ends once: with `Cancelled`,
    /// or with what it had done by then.
    pub fn cancel(&self) -> bool {
        self.taken.is_none() && self.core.cancel(self.id)
    }

    /// Lets it go on without this handle. Its result is dropped. It still ends with its socket:
    /// dropping the socket's last handle cancels it.
    pub fn detach(mut self) -> OpId {
        if self.taken.is_none() {
            self.core.discard(self.id, false);
            self.taken = Some(Status::Pending);
        }
        self.id
    }
}

impl<T: Ending> Drop for Overlapped<T> {
    fn drop(&mut self) {
        if self.taken.is_none() {
            self.core.discard(self.id, self.action != Action::Close);
        }
    }
}

impl<T: Ending> fmt::Debug for Overlapped<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Overlapped({:?}: {:?})", self.action, self.status())
    }
}
