//! The end of a connect, and what waits for it.
//!
//! Sends and shutdowns that were started behind a connect wait for it in their queue. Receives that
//! are started while it is in flight wait too. Otherwise one of them could be told of the connect's
//! failure, which the system reports once.

use crate::error::{Action, Error, ErrorKind};
use crate::flags::Role;
use crate::sys::op::{Failure, OpKind, Outcome};

use super::Driver;
use super::complete::os_code;
use super::operations::{Completion, Stage};

impl Driver {
    /// The backend has ended a connect.
    pub(super) fn connect_ended(&mut self, slot: u32, result: Result<Outcome, Failure>) -> Completion {
        let operation = &self.operations[slot];
        let (index, cancelled) = (operation.socket, operation.cancelled);
        let failure = match result {
            Ok(_) => {
                self.sockets[index].connected();
                self.go_on_receiving(index);
                return self.finish(slot, Ok(Outcome::Connected));
            }
            Err(failure) => failure,
        };
        let error = self.failed_at_address(slot, Action::Connect, os_code(&failure));
        match error.kind() {
            // Nothing was attempted. If there is a connection it goes on.
            ErrorKind::AlreadyConnected | ErrorKind::InvalidArgument | ErrorKind::Unsupported => {
                self.go_on_receiving(index);
            }
            _ if self.sockets[index].role == Role::Stream => {
                let handle = self.sockets[index].handle.as_ref().expect("operations end before the socket is closed");
                self.backend.connect_failed(index, handle, cancelled);
                self.connect_is_over(slot);
            }
            _ => {}
        }
        self.finish(slot, Err(error))
    }

    /// A connect has failed, or was cancelled before the backend had it. What waits for it ends.
    pub(super) fn connect_is_over(&mut self, slot: u32) {
        let index = self.operations[slot].socket;
        let sends = self.sockets[index].sends.slots(&self.operations);
        for behind in sends.iter().copied().skip_while(|send| *send != slot).skip(1) {
            if self.operations[behind].kind == OpKind::Connect {
                // What is behind this one waits for it, and so do the receives.
                return;
            }
            self.end_unconnected(behind);
        }
        let goes_on = |send: u32| send != slot && self.operations[send].stage != Stage::Ready;
        if !self.sockets[index].is_connecting() || sends.first().is_some_and(|first| goes_on(*first)) {
            return;
        }
        self.sockets[index].set_connecting(false);
        for receive in self.sockets[index].receives.slots(&self.operations) {
            if self.operations[receive].stage == Stage::Queued {
                self.end_unconnected(receive);
            }
        }
    }

    fn end_unconnected(&mut self, slot: u32) {
        self.leave_queue(slot);
        let error = Error::new(self.operations[slot].kind.action(), ErrorKind::NotConnected);
        self.end(slot, Err(error.because("the connect that it waited for has failed")));
    }

    /// Receives no longer wait for a connect.
    fn go_on_receiving(&mut self, index: u32) {
        let socket = &mut self.sockets[index];
        let waited = socket.is_connecting();
        socket.set_connecting(false);
        if waited
            && let Some(first) = socket.receives.head()
            && self.operations[first].stage == Stage::Queued
        {
            self.begin(first);
        }
    }
}
