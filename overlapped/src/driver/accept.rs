//! What comes of accepting, and the pauses when descriptors or memory have run out.

use std::time::Duration;

use crate::error::{Action, Error, ErrorKind, code};
use crate::id::SocketId;
use crate::sys::handle::Handle;
use crate::sys::op::{Event, Outcome};
use crate::time::Time;

use super::Driver;
use super::complete::os_code;
use super::operations::{Completion, Stage};

/// How long accepting pauses when descriptors or memory have run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

impl Driver {
    /// Whether a client waits in the backlog of a listener. If that cannot be found out, one may.
    /// With a listener that several processes accept on, each learns so whether the system has
    /// woken it for a client that is still there.
    pub fn has_client(&self, listener: SocketId) -> bool {
        let handle = self.sockets.get(listener.0).and_then(|socket| socket.handle.as_ref());
        handle.is_some_and(|listener| self.backend.has_client(listener))
    }

    pub(super) fn accepted(&mut self, event: Event, multi: bool, cancelled: bool) -> Option<Completion> {
        let slot = event.id.slot();
        match event.result {
            Ok(outcome) => {
                // A connection begins with the options of its listener.
                if let Outcome::Accepted(stream, _) = &outcome
                    && self.listener_of(slot).is_some_and(Handle::is_lent)
                {
                    stream.0.lent();
                }
                if !multi {
                    return Some(self.finish(slot, Ok(outcome)));
                }
                if !event.more {
                    self.go_on(slot, cancelled);
                }
                Some(self.one_result(event.id, Ok(outcome)))
            }
            Err(failure) => {
                let code = os_code(&failure);
                // An accept that goes on although it was cancelled has yet to say that it has
                // ended.
                if code::accept_goes_on(code) && (event.more || !cancelled) {
                    // A connection died in the backlog. Nobody has to know.
                    if !event.more {
                        self.begin(slot);
                    }
                    return None;
                }
                let error = Error::os(Action::Accept, code);
                let exhausted = matches!(error.kind(), ErrorKind::TooManyFiles | ErrorKind::OutOfMemory);
                if !exhausted || cancelled {
                    return Some(self.finish(slot, Err(error)));
                }
                self.accepts_again = self.now() + ACCEPT_PAUSE;
                // A system may look for a descriptor before it looks for a client. Without a client
                // there is nothing to tell.
                let told = self.is_awaited(slot);
                if told && !multi {
                    return Some(self.finish(slot, Err(error)));
                }
                if !event.more {
                    self.pauses(slot);
                }
                told.then(|| self.one_result(event.id, Err(error)))
            }
        }
    }

    /// Whether a client waits for this accept.
    fn is_awaited(&self, slot: u32) -> bool {
        self.listener_of(slot).is_none_or(|listener| self.backend.has_client(listener))
    }

    fn listener_of(&self, slot: u32) -> Option<&Handle> {
        self.sockets[self.operations[slot].socket].handle.as_ref()
    }

    /// An accept is about to begin. It pauses if one has failed a moment ago for want of
    /// descriptors: else a program that accepts again after each failure would do nothing else.
    pub(super) fn pauses(&mut self, slot: u32) -> bool {
        if self.accepts_again == Time::ZERO || self.now() >= self.accepts_again {
            self.accepts_again = Time::ZERO;
            return false;
        }
        self.operations[slot].stage = Stage::Parked;
        self.paused.push(self.operations.id(slot));
        true
    }

    /// When accepts that pause go on, if there are any.
    #[inline]
    pub(super) fn pause_ends(&self) -> Option<Time> {
        (!self.paused.is_empty()).then_some(self.accepts_again)
    }

    /// The pause is over.
    pub(super) fn go_on_accepting(&mut self) {
        for id in std::mem::take(&mut self.paused) {
            // It may have ended meanwhile.
            if self.operations.get(id).is_some_and(|operation| operation.stage == Stage::Parked) {
                self.begin(id.slot());
            }
        }
    }
}
