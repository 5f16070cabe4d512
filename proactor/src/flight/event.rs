//! What the flight recorder tells of an event.

use std::fmt;
use std::time::Duration;

use crate::limits::Refusal;
use crate::session::{delivery::Delivery, holds::Hold, id::SessionId, reason::CloseReason};
use crate::shard::listeners::ListenerInfo;

/// Something that happened on a shard: [`Handle::flight_events`](crate::Handle::flight_events)
/// returns the last of them. Displayed, it is a line for a log.
#[derive(Clone, Debug)]
pub struct FlightEvent {
    pub(crate) at: Duration,
    pub(crate) shard: u16,
    pub(crate) session: Option<SessionId>,
    pub(crate) listener: Option<ListenerInfo>,
    pub(crate) kind: FlightKind,
}

impl FlightEvent {
    /// When it happened: the beginning of the shard's turn, counted from the start of the server.
    pub fn at(&self) -> Duration {
        self.at
    }

    /// The shard on which it happened, from 0 on.
    pub fn shard(&self) -> usize {
        usize::from(self.shard)
    }

    /// The session to which it happened, if it was one.
    pub fn session(&self) -> Option<SessionId> {
        self.session
    }

    /// The listener of a connection that was accepted or refused.
    pub fn listener(&self) -> Option<&ListenerInfo> {
        self.listener.as_ref()
    }

    /// What happened.
    pub fn kind(&self) -> FlightKind {
        self.kind
    }
}

/// What happened on a shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FlightKind {
    /// A connection was accepted, and is a session. With TLS or WebSocket, the logic hears of it
    /// when that is [open](FlightKind::Opened).
    Accepted,
    /// A connection that the logic asked for was made.
    Connected,
    /// The handshake of a session's TLS or WebSocket has succeeded.
    Opened,
    /// A connection was refused.
    Refused(Refusal),
    /// From here on the session is not read from, for this reason.
    Held(Hold),
    /// The reason is gone. It is read from when there is no other.
    Released(Hold),
    /// Packets were dropped because the session's peer took too little.
    Dropped {
        /// How many.
        packets: u64,
    },
    /// The session begins to close.
    Closing(CloseReason),
    /// The session's connection is gone.
    Ended(Delivery),
    /// Receives found no free buffer in the shard's pool, and waited for one.
    Starved {
        /// How many, in one turn.
        receives: u64,
    },
    /// A turn took 10 ms or longer. No other session of the shard was served meanwhile.
    SlowTurn {
        /// How long, from the end of its wait.
        took: Duration,
    },
}

impl FlightKind {
    /// What it is called, in snake case.
    ///
    /// ```
    /// # use proactor::{CloseReason, FlightKind};
    /// assert_eq!(FlightKind::Closing(CloseReason::Idle).name(), "closing");
    /// ```
    pub fn name(self) -> &'static str {
        match self {
            FlightKind::Accepted => "accepted",
            FlightKind::Connected => "connected",
            FlightKind::Opened => "opened",
            FlightKind::Refused(_) => "refused",
            FlightKind::Held(_) => "held",
            FlightKind::Released(_) => "released",
            FlightKind::Dropped { .. } => "dropped",
            FlightKind::Closing(_) => "closing",
            FlightKind::Ended(_) => "ended",
            FlightKind::Starved { .. } => "starved",
            FlightKind::SlowTurn { .. } => "slow_turn",
        }
    }
}

impl fmt::Display for FlightKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FlightKind::Accepted => f.write_str("accepted"),
            FlightKind::Connected => f.write_str("connected"),
            FlightKind::Opened => f.write_str("its handshake has succeeded"),
            FlightKind::Refused(refusal) => write!(f, "a connection is refused: {refusal}"),
            FlightKind::Held(hold) => write!(f, "not read from: {hold}"),
            FlightKind::Released(hold) => write!(f, "no longer {hold}"),
            FlightKind::Dropped { packets } => write!(f, "{packets} packets dropped: the peer is too slow"),
            FlightKind::Closing(reason) => write!(f, "closing: {reason}"),
            FlightKind::Ended(Delivery::Flushed) => f.write_str("ended"),
            FlightKind::Ended(Delivery::Cut { bytes }) => write!(f, "ended, {bytes} bytes short"),
            FlightKind::Starved { receives } => write!(f, "{receives} receives waited for a buffer"),
            FlightKind::SlowTurn { took } => write!(f, "a turn took {took:.1?}"),
        }
    }
}

impl fmt::Display for FlightEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.6} s, ", self.at.as_secs_f64())?;
        match self.session {
            Some(session) => write!(f, "{session:?}: ")?,
            None => write!(f, "shard {}: ", self.shard)?,
        }
        self.kind.fmt(f)?;
        match self.listener.as_ref().map(|listener| (listener.name(), listener.address())) {
            Some(("", address)) => write!(f, ", at {address}"),
            Some((name, _)) => write!(f, ", at {name}"),
            None => Ok(()),
        }
    }
}
