//! What a port's queue holds.

use std::any::Any;
use std::fmt;

use crate::buf::Crossing;
use crate::driver::Completion;
use crate::engine::ending::{Ending, Owner, Status, other_type};
use crate::error::{Action, Error, ErrorKind, Failed};
use crate::flags::Flags;
use crate::id::OpId;

/// A packet of a completion port: an operation that has ended, or one that the program has posted.
pub struct CompletionPacket {
    /// The key of the socket's association, or of the [`post`](crate::CompletionPort::post).
    pub key: usize,
    /// The token of the operation, or of the [`post`](crate::CompletionPort::post).
    pub token: u64,
    completion: Option<(Crossing<Completion>, Owner)>,
    flags: Flags,
    status: Status,
    action: Option<Action>,
    given: Option<Box<dyn Any + Send>>,
}

impl CompletionPacket {
    pub(super) fn posted(key: usize, token: u64) -> CompletionPacket {
        let (flags, status) = (Flags::NONE, Status::Succeeded);
        CompletionPacket { key, token, completion: None, flags, status, action: None, given: None }
    }

    pub(super) fn of_operation(
        (key, token): (usize, u64),
        action: Action,
        flags: Flags,
        completion: Crossing<Completion>,
        owner: Owner,
    ) -> CompletionPacket {
        let (status, action) = (Status::of(completion.get()), Some(action));
        CompletionPacket { key, token, completion: Some((completion, owner)), flags, status, action, given: None }
    }

    /// What the operation did; `None` for a posted packet.
    pub fn action(&self) -> Option<Action> {
        self.action
    }

    /// How the operation ended.
    pub fn status(&self) -> Status {
        self.status
    }

    /// The operation's result. It can be taken once.
    ///
    /// # Errors
    /// The operation's own error; [`take_buf`](CompletionPacket::take_buf) then returns its buffer.
    /// `InvalidArgument` if the result has been taken, has another type, or the packet was posted.
    pub fn result<T: Ending>(&mut self) -> Result<T, Error> {
        let invalid = |why| Err(Error::new(Action::Port, ErrorKind::InvalidArgument).because(why));
        let Some(action) = self.action else { return invalid("the packet is not that of an operation") };
        let Some((completion, _)) = &self.completion else {
            return invalid("the packet's result has been taken");
        };
        if !T::matches(action, completion.get()) {
            return Err(other_type(action));
        }
        let (completion, owner) = self.completion.take().expect("checked above");
        T::from_completion(completion.into_inner(), self.flags, &|| owner.clone()).map_err(|Failed { error, given }| {
            self.given = Some(Box::new(given));
            error
        })
    }

    /// The buffer of type `B` that the operation was given, after
    /// [`result`](CompletionPacket::result) has returned the operation's error.
    pub fn take_buf<B: 'static>(&mut self) -> Option<B> {
        let given = self.given.take()?;
        match given.downcast() {
            Ok(buf) => Some(*buf),
            Err(other) => {
                self.given = Some(other);
                None
            }
        }
    }
}

impl fmt::Debug for CompletionPacket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CompletionPacket")
            .field("key", &self.key)
            .field("token", &self.token)
            .field("action", &self.action)
            .field("status", &self.status)
            .finish()
    }
}

/// What a start through [`Operation::to_port`](crate::engine::Operation::to_port) has led to.
#[derive(Debug)]
pub enum Queued {
    /// A packet will come, or has come already. With the operation's id for
    /// [`Engine::cancel`](crate::Engine::cancel).
    Pending(OpId),
    /// The operation succeeded at once, on a socket that
    /// [skips the packet](crate::Socket::skip_packet_on_success) then. This is its packet; none is
    /// queued.
    Done(CompletionPacket),
}
