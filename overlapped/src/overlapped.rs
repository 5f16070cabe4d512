//! The overlapped control block: a handle to an operation in flight.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use crate::driver::Wait;
use crate::ending::{Ending, Raw};
use crate::error::{Action, Error, ErrorKind, Failed};
use crate::id::OpId;
use crate::op::Outcome;
use crate::park;
use crate::proactor::Core;

/// How far an operation has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It has not ended (`STATUS_PENDING`).
    Pending,
    /// It has ended, and done what it was asked for.
    Succeeded,
    /// It has ended, and failed.
    Failed(ErrorKind),
}

impl Status {
    pub(crate) fn of(result: &Result<Outcome, Error>) -> Status {
        match result {
            Ok(_) => Status::Succeeded,
            Err(error) => Status::Failed(error.kind()),
        }
    }
}

/// An operation in flight: `WSAOVERLAPPED`, initialised and in charge of what it needs.
///
/// From its start until it has ended the operation owns its buffers. Its state can be asked for at any time, from any thread; its result is
/// taken once, with [`result`](Overlapped::result) or by awaiting it.
///
/// **Dropping it cancels the operation**; the buffers are freed when the system has let go of them, and whatever it brought after all
/// (an accepted connection) is closed. Dropping neither blocks nor fails. (A close goes on without its handle.)
/// [`detach`](Overlapped::detach) lets any operation go on without it.
#[must_use = "dropping it cancels the operation"]
pub struct Overlapped<T: Ending> {
    core: Arc<Core>,
    id: OpId,
    action: Action,
    /// Once its ending has been taken from the core.
    taken: Option<Status>,
    given: Option<T::Back>,
}

// It is a name and what was given back; nothing points into it.
impl<T: Ending> Unpin for Overlapped<T> {}

impl<T: Ending> Overlapped<T> {
    pub(crate) fn new(core: Arc<Core>, id: OpId, action: Action) -> Overlapped<T> {
        Overlapped { core, id, action, taken: None, given: None }
    }

    /// The operation's name, for [`Proactor::cancel`](crate::Proactor::cancel).
    pub fn id(&self) -> OpId {
        self.id
    }

    /// How far it has come.
    pub fn status(&self) -> Status {
        match self.taken {
            Some(status) => status,
            None => self.core.status(self.id).expect("it is there until its ending is taken"),
        }
    }

    /// Whether it has ended (`HasOverlappedIoCompleted`).
    pub fn has_ended(&self) -> bool {
        self.status() != Status::Pending
    }

    /// The result, if it has ended or ends within the wait (`WSAGetOverlappedResult`). It is given once.
    ///
    /// # Errors
    /// `Incomplete` if it has not ended by then: it goes on, and can be asked again. `InvalidArgument` if the result has been given already.
    /// `WouldDeadlock` if it would have to wait on the thread of a [`Proactor`](crate::Proactor). Otherwise the operation's own error; its buffer
    /// is then had from [`take_buf`](Overlapped::take_buf).
    pub fn result(&mut self, wait: Wait) -> Result<T, Error> {
        self.check_taken()?;
        let mut raw = self.core.take(self.id, None);
        if raw.is_none() && wait == Wait::Poll {
            park::poll()?;
            raw = self.core.take(self.id, None);
        } else if raw.is_none() {
            let until = park::deadline(wait);
            let waker = park::waker();
            raw = loop {
                let raw = self.core.take(self.id, Some(&waker));
                if raw.is_some() || park::is_over(until) {
                    break raw;
                }
                park::park(until)?;
            };
        }
        match raw {
            Some(raw) => self.finish(raw).map_err(|Failed { error, given }| {
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

    fn finish(&mut self, raw: Raw) -> Result<T, Failed<T::Back>> {
        self.taken = Some(Status::of(&raw.result));
        T::from_raw(raw, &self.core)
    }

    /// What was handed over at the start, after [`result`](Overlapped::result) has given the operation's error.
    pub fn take_buf(&mut self) -> Option<T::Back> {
        self.given.take()
    }

    /// Asks it to end early. It still ends once: with `Cancelled`, or with what it had already brought. `false` if it has ended already.
    pub fn cancel(&self) -> bool {
        self.taken.is_none() && self.core.cancel(self.id)
    }

    /// Lets it go on without this handle: what it brings is dropped.
    pub fn detach(mut self) -> OpId {
        if self.taken.is_none() {
            self.core.discard(self.id, false);
            self.taken = Some(Status::Pending);
        }
        self.id
    }
}

impl<T: Ending> Future for Overlapped<T> {
    type Output = Result<T, Failed<T::Back>>;

    /// Ready when the operation has ended. Works under any executor.
    ///
    /// # Panics
    /// If it is polled after it was ready, or after [`result`](Overlapped::result) gave the result.
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        assert!(self.taken.is_none(), "polled after its result was taken");
        match self.core.take(self.id, Some(context.waker())) {
            Some(raw) => Poll::Ready(self.finish(raw)),
            None => Poll::Pending,
        }
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
