//! The flight recorder: the last events of each shard, for the question of what happened before.
//! Knows no socket.
//!
//! Only the shard's thread writes, and any thread reads at any time: also while the shard hangs in
//! its logic, which is when it is wanted. A server without a recorder asks an `Option` where
//! something happens, and once a turn.

mod code;
mod event;
mod ring;
mod spans;

pub use self::event::{FlightEvent, FlightKind};

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use overlapped::{Address, Time, table::Key};
use tracing::span::EnteredSpan;

use self::ring::{Ring, Words};
use self::spans::Spans;
use crate::limits::NO_LISTENER;
use crate::meter::Count;
use crate::session::id::SessionId;

/// Events of each sort that a shard may be asked to keep.
pub(crate) const MOST_EVENTS: usize = 1 << 16;
/// Turns from this length on are recorded.
const SLOW_TURN: Duration = Duration::from_millis(10);
/// The logic of a client that makes it panic again and again does not fill the log.
const LEAST_BETWEEN_DUMPS: Duration = Duration::from_secs(1);
/// No session has it: no slot is so large.
const NO_SESSION: u64 = u64::MAX;

/// The last events of one shard.
pub(crate) struct Recorder {
    shard: u16,
    /// When the shard's turn began.
    now: Count,
    /// Events there were.
    events: Count,
    rings: Option<Rings>,
    /// If sessions are traced.
    spans: Option<Spans>,
    /// What the driver had counted at the last turn.
    starvations: Count,
    /// When it was last written to the log, or 0.
    dumped: Count,
}

struct Rings {
    /// Beginnings and ends of sessions, refusals and slow turns.
    lives: Ring,
    /// What may happen many times in a session's life: holds, drops, starvation. Apart, so that one
    /// session that is held again and again does not push out the rest.
    flows: Ring,
}

/// A shard's recorder, if the server has one.
pub(crate) type Flight = Option<Arc<Recorder>>;

/// An event as it was recorded.
pub(crate) struct Recorded {
    pub(crate) at: Time,
    pub(crate) session: Option<SessionId>,
    /// The index of the listener, or that of none.
    pub(crate) listener: u8,
    pub(crate) kind: FlightKind,
}

impl Recorder {
    /// Keeps so many events of each sort, 0 for none, and traces one session in so many.
    pub(crate) fn new(shard: u16, events: usize, traced: Option<NonZeroU32>) -> Recorder {
        let rings = (events > 0).then(|| Rings { lives: Ring::new(events), flows: Ring::new(events) });
        Recorder {
            shard,
            now: Count::new(),
            events: Count::new(),
            rings,
            spans: traced.map(Spans::new),
            starvations: Count::new(),
            dumped: Count::new(),
        }
    }

    /// Whether it keeps events.
    pub(crate) fn keeps(&self) -> bool {
        self.rings.is_some()
    }

    /// Whether sessions have spans.
    pub(crate) fn traces(&self) -> bool {
        self.spans.is_some()
    }

    /// A session begins. `name` is that of its listener.
    pub(crate) fn begin(&self, id: SessionId, peer: &Address, listener: (u8, Option<&str>), kind: FlightKind) {
        if let Some(spans) = &self.spans {
            spans.begin(id, peer, listener.1);
        }
        self.record_at(Some(id), listener.0, kind);
    }

    /// Enters the span of a session, if it has one: what its logic logs is in it.
    pub(crate) fn enter(&self, id: SessionId) -> Option<EnteredSpan> {
        Some(self.spans.as_ref()?.of(id)?.entered())
    }

    pub(crate) fn begin_turn(&self, now: Time) {
        self.now.set(now.as_nanos());
    }

    /// The end of a turn that took so long, with what the driver has counted.
    pub(crate) fn end_turn(&self, took: Duration, starvations: u64) {
        let receives = starvations.saturating_sub(self.starvations.get());
        if receives > 0 {
            self.starvations.set(starvations);
            self.record(None, FlightKind::Starved { receives });
        }
        if took >= SLOW_TURN {
            self.record(None, FlightKind::SlowTurn { took });
        }
    }

    /// Something happened in this turn.
    pub(crate) fn record(&self, session: Option<SessionId>, kind: FlightKind) {
        self.record_at(session, NO_LISTENER, kind);
    }

    /// Something happened to a connection of a listener.
    pub(crate) fn record_at(&self, session: Option<SessionId>, listener: u8, kind: FlightKind) {
        if let (Some(spans), Some(id)) = (&self.spans, session) {
            spans.tell(id, kind);
        }
        let Some(rings) = &self.rings else { return };
        let session =
            session.map_or(NO_SESSION, |id| u64::from(id.key().slot()) << 32 | u64::from(id.key().generation()));
        self.events.add(1);
        let ring = match kind {
            FlightKind::Held(_) | FlightKind::Released(_) | FlightKind::Dropped { .. } | FlightKind::Starved { .. } => {
                &rings.flows
            }
            _ => &rings.lives,
        };
        ring.add([self.events.get(), self.now.get(), session, code::encode(kind, listener)]);
    }

    /// The events, the oldest first.
    pub(crate) fn read(&self) -> Vec<Recorded> {
        let Some(rings) = &self.rings else { return Vec::new() };
        let mut words: Vec<Words> = rings.lives.read().chain(rings.flows.read()).collect();
        words.sort_unstable();
        words.into_iter().filter_map(|words| self.event(words)).collect()
    }

    fn event(&self, [_, at, session, what]: Words) -> Option<Recorded> {
        let (kind, listener) = code::decode(what)?;
        let id = |key: u64| SessionId::new(self.shard, Key::new((key >> 32) as u32, key as u32));
        let session = (session != NO_SESSION).then(|| id(session));
        Some(Recorded { at: Time::from_nanos(at), session, listener, kind })
    }

    /// Whether it may be written to the log again, which then counts as done.
    pub(crate) fn may_dump(&self) -> bool {
        let (now, last) = (self.now.get().max(1), self.dumped.get());
        let may = last == 0 || Time::from_nanos(now).since(Time::from_nanos(last)) >= LEAST_BETWEEN_DUMPS;
        if may {
            self.dumped.set(now);
        }
        may
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::{holds::Hold, reason::CloseReason};

    fn kinds(recorder: &Recorder) -> Vec<FlightKind> {
        recorder.read().into_iter().map(|event| event.kind).collect()
    }

    #[test]
    fn one_session_that_is_held_again_and_again_does_not_push_out_the_rest() {
        let recorder = Recorder::new(3, 4, None);
        let id = SessionId::new(3, Key::new(7, 2));
        recorder.begin_turn(Time::from_nanos(5));
        recorder.record_at(Some(id), 1, FlightKind::Accepted);
        for turn in 0..100 {
            recorder.begin_turn(Time::from_nanos(10 + turn));
            recorder.record(Some(id), FlightKind::Held(Hold::OverRate));
            recorder.record(Some(id), FlightKind::Released(Hold::OverRate));
        }
        recorder.begin_turn(Time::from_nanos(500));
        recorder.record(Some(id), FlightKind::Closing(CloseReason::Idle));
        let held = [FlightKind::Held(Hold::OverRate), FlightKind::Released(Hold::OverRate)];
        let closing = FlightKind::Closing(CloseReason::Idle);
        assert_eq!(kinds(&recorder), [FlightKind::Accepted, held[0], held[1], held[0], held[1], closing]);
        let first = &recorder.read()[0];
        assert_eq!((first.at.as_nanos(), first.session, first.listener), (5, Some(id), 1));
    }

    #[test]
    fn turns_are_recorded_that_starved_or_took_long() {
        let recorder = Recorder::new(0, 8, None);
        recorder.end_turn(Duration::from_millis(9), 0);
        assert_eq!(kinds(&recorder), []);
        recorder.end_turn(Duration::from_millis(10), 3);
        recorder.end_turn(Duration::ZERO, 3);
        recorder.end_turn(Duration::ZERO, 4);
        let slow = FlightKind::SlowTurn { took: Duration::from_millis(10) };
        let starved = |receives| FlightKind::Starved { receives };
        assert_eq!(kinds(&recorder), [starved(3), slow, starved(1)]);
        assert!(recorder.read().iter().all(|event| event.session.is_none()));
    }

    #[test]
    fn the_log_is_written_to_once_a_second_at_most() {
        let recorder = Recorder::new(0, 8, None);
        recorder.begin_turn(Time::ZERO);
        assert!(recorder.may_dump());
        recorder.begin_turn(Time::from_nanos(999_999_999));
        assert!(!recorder.may_dump());
        recorder.begin_turn(Time::from_nanos(1_000_000_001));
        assert!(recorder.may_dump() && !recorder.may_dump());
    }
}
