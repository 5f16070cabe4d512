//! The last events of the server's shards.

use std::time::SystemTime;

use hyper::StatusCode;
use proactor::{Delivery, FlightEvent, FlightKind, SessionId};
use serde::Serialize;

use super::answer::Failure;
use super::listing::listener_of;
use super::parameters::Parameters;
use super::place::Running;

pub(super) const PARAMETERS: &[&str] = &["session", "shard", "limit"];
/// The newest events that are told if nothing else is asked for, and at most.
const USUAL_EVENTS: u64 = 1_000;
const MOST_EVENTS: u64 = 10_000;

/// The newest events that were asked for.
#[derive(Debug, Serialize)]
pub(super) struct Page {
    /// All that were asked for and are kept.
    total: usize,
    /// The oldest first.
    events: Vec<Told>,
}

/// What is said of an event.
#[derive(Debug, Serialize)]
pub(super) struct Told {
    time: String,
    /// Since the server's start.
    seconds: f64,
    shard: usize,
    session: Option<String>,
    event: &'static str,
    reason: Option<String>,
    /// Packets, bytes or receives, by the event.
    count: Option<u64>,
    took_seconds: Option<f64>,
    listener: Option<String>,
    text: String,
}

impl Told {
    fn new(event: &FlightEvent, since: SystemTime) -> Told {
        let kind = event.kind();
        let reason = match kind {
            FlightKind::Refused(refusal) => Some(refusal.label().to_owned()),
            FlightKind::Held(hold) | FlightKind::Released(hold) => Some(hold.to_string()),
            FlightKind::Closing(reason) => Some(reason.label().to_owned()),
            FlightKind::Ended(Delivery::Flushed) => Some("flushed".to_owned()),
            FlightKind::Ended(_) => Some("cut".to_owned()),
            _ => None,
        };
        let (count, took) = match kind {
            FlightKind::Dropped { packets } => (Some(packets), None),
            FlightKind::Ended(Delivery::Cut { bytes }) => (Some(bytes), None),
            FlightKind::Starved { receives } => (Some(receives), None),
            FlightKind::SlowTurn { took } => (None, Some(took.as_secs_f64())),
            _ => (None, None),
        };
        let time = since.checked_add(event.at()).unwrap_or(since);
        Told {
            time: humantime::format_rfc3339_micros(time).to_string(),
            seconds: event.at().as_secs_f64(),
            shard: event.shard(),
            session: event.session().map(|session| session.to_string()),
            event: kind.name(),
            reason,
            count,
            took_seconds: took,
            listener: event.listener().map(listener_of),
            text: kind.to_string(),
        }
    }
}

/// The last events of a session, if the server records.
pub(super) fn of_session(running: &Running, id: SessionId) -> Option<Vec<Told>> {
    let events = running.subject.handle.flight_events_of(id)?;
    Some(events.iter().map(|event| Told::new(event, running.since)).collect())
}

/// The newest events that the parameters ask for.
pub(super) fn page(running: &Running, parameters: &Parameters) -> Result<Page, Failure> {
    let handle = &running.subject.handle;
    let limit = parameters.number("limit", 1, MOST_EVENTS)?.unwrap_or(USUAL_EVENTS) as usize;
    let shard = parameters.number("shard", 0, u64::MAX)?;
    let session = parameters.get("session").map(session_of).transpose()?;
    let events = match session {
        Some(id) => handle.flight_events_of(id),
        None => handle.flight_events(),
    };
    let Some(mut events) = events else {
        return Err(Failure::new(
            StatusCode::CONFLICT,
            "the server records no events: start it with --flight-recorder N",
        ));
    };
    events.retain(|event| shard.is_none_or(|shard| event.shard() as u64 == shard));
    let newest = &events[events.len().saturating_sub(limit)..];
    let told = newest.iter().map(|event| Told::new(event, running.since));
    Ok(Page { total: events.len(), events: told.collect() })
}

pub(super) fn session_of(text: &str) -> Result<SessionId, Failure> {
    text.parse().map_err(|error| Failure::bad(format!("{text:?} is {error}")))
}
