//! Reading the [flight recorders](crate::flight) of a server's shards, and writing them to the log
//! when something has gone wrong.

use super::directory::Directory;
use crate::flight::{FlightEvent, Recorded};
use crate::session::id::SessionId;

/// Events of a session, and of a shard, that are written to the log.
const MOST_OF_SESSION: usize = 16;
const MOST_OF_SHARD: usize = 64;

impl Directory {
    /// Whether the shards record.
    pub(crate) fn has_flight(&self) -> bool {
        self.flight(0).is_some_and(|flight| flight.keeps())
    }

    /// The last events of a shard, the oldest first, or those of one session.
    pub(crate) fn flight_events(&self, shard: u16, session: Option<SessionId>) -> Vec<FlightEvent> {
        let recorded = self.flight(shard).map(|flight| flight.read()).unwrap_or_default();
        let is_wanted = |event: &Recorded| session.is_none_or(|wanted| event.session == Some(wanted));
        let told = |Recorded { at, session, listener, kind }| FlightEvent {
            at: at.since(self.began),
            shard,
            session,
            listener: self.listeners.get(usize::from(listener)).cloned(),
            kind,
        };
        recorded.into_iter().filter(is_wanted).map(told).collect()
    }

    /// The logic panicked for a session: what happened to that before.
    pub(crate) fn log_flight_of(&self, id: SessionId) {
        if self.flight(id.shard()).is_some_and(|flight| flight.may_dump()) {
            log(&self.flight_events(id.shard(), Some(id)), MOST_OF_SESSION);
        }
    }

    /// A shard has failed: what happened there before.
    #[cold]
    pub(crate) fn log_flight(&self, shard: u16) {
        log(&self.flight_events(shard, None), MOST_OF_SHARD);
    }
}

fn log(events: &[FlightEvent], most: usize) {
    for event in &events[events.len().saturating_sub(most)..] {
        tracing::error!("before that: {event}");
    }
}
