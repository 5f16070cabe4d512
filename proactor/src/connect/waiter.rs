//! A task that waits for an outbound connection.

use std::cell::RefCell;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use super::error::ConnectError;
use crate::session::id::SessionId;
use crate::task::waker::wake;

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
