//! Spans of `tracing` for the lives of sessions, of all or of one in so many.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Mutex, MutexGuard, PoisonError};

use overlapped::Address;
use tracing::{Span, debug, field::Empty, info, info_span};

use super::event::FlightKind;
use crate::session::id::SessionId;

/// The spans of a shard's sessions. Only the shard's thread uses them; the lock is free.
pub(super) struct Spans {
    one_in: NonZeroU32,
    live: Mutex<Live>,
}

#[derive(Default)]
struct Live {
    /// Sessions that began.
    begun: u64,
    spans: HashMap<SessionId, Span>,
}

impl Spans {
    pub(super) fn new(one_in: NonZeroU32) -> Spans {
        Spans { one_in, live: Mutex::default() }
    }

    fn live(&self) -> MutexGuard<'_, Live> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A session begins, and has a span if it is one of those, and if anybody listens.
    pub(super) fn begin(&self, id: SessionId, peer: &Address, listener: Option<&str>) {
        {
            let mut live = self.live();
            live.begun += 1;
            if !(live.begun - 1).is_multiple_of(u64::from(self.one_in.get())) {
                return;
            }
        }
        // No lock is held: who listens is the user's code.
        let span = info_span!(target: "proactor::session", "session", %id, %peer, listener, reason = Empty);
        if !span.is_disabled() {
            self.live().spans.insert(id, span);
        }
    }

    /// Something happened to a session.
    pub(super) fn tell(&self, id: SessionId, kind: FlightKind) {
        let is_over = matches!(kind, FlightKind::Ended(_));
        let span = if is_over { self.live().spans.remove(&id) } else { self.of(id) };
        let Some(span) = span else { return };
        match kind {
            FlightKind::Closing(reason) => {
                span.record("reason", tracing::field::debug(reason));
                info!(target: "proactor::session", parent: &span, "{kind}");
            }
            FlightKind::Held(_) | FlightKind::Released(_) => {
                debug!(target: "proactor::session", parent: &span, "{kind}");
            }
            _ => info!(target: "proactor::session", parent: &span, "{kind}"),
        }
    }

    /// The span of a session, if it has one.
    pub(super) fn of(&self, id: SessionId) -> Option<Span> {
        self.live().spans.get(&id).cloned()
    }
}
