//! What happened, in one word: the kind in the highest byte, a code in the next, a number below.

use std::time::Duration;

use super::event::FlightKind;
use crate::limits::{NO_LISTENER, Refusal};
use crate::meter::reason_of;
use crate::proxy_protocol::ProxyHeaderFault;
use crate::session::{delivery::Delivery, holds::Hold};

/// The largest number that is kept. As nanoseconds, that is 78 hours.
const MOST: u64 = (1 << 48) - 1;

const ACCEPTED: u8 = 1;
const CONNECTED: u8 = 2;
const OPENED: u8 = 3;
const REFUSED: u8 = 4;
const HELD: u8 = 5;
const RELEASED: u8 = 6;
const DROPPED: u8 = 7;
const CLOSING: u8 = 8;
const ENDED: u8 = 9;
const STARVED: u8 = 10;
const SLOW_TURN: u8 = 11;

const REFUSALS: [Refusal; 18] = [
    Refusal::Sessions,
    Refusal::SessionsPerIp,
    Refusal::Handshakes,
    Refusal::TlsHandshakes,
    Refusal::AcceptRate,
    Refusal::ShardFull,
    Refusal::Ending,
    Refusal::ProxyHeader(ProxyHeaderFault::Missing),
    Refusal::ProxyHeader(ProxyHeaderFault::Untrusted),
    Refusal::ProxyHeader(ProxyHeaderFault::Line),
    Refusal::ProxyHeader(ProxyHeaderFault::LineTooLong),
    Refusal::ProxyHeader(ProxyHeaderFault::Kind),
    Refusal::ProxyHeader(ProxyHeaderFault::Addresses),
    Refusal::ProxyHeader(ProxyHeaderFault::Field),
    Refusal::ProxyHeader(ProxyHeaderFault::TooLong),
    Refusal::ProxyHeader(ProxyHeaderFault::TimedOut),
    Refusal::ProxyHeader(ProxyHeaderFault::Ended),
    Refusal::ProxyHeader(ProxyHeaderFault::Checksum),
];

/// The listener is that of a connection which is accepted or refused.
pub(super) fn encode(kind: FlightKind, listener: u8) -> u64 {
    let (kind, code, number) = match kind {
        FlightKind::Accepted => (ACCEPTED, 0, listener.into()),
        FlightKind::Connected => (CONNECTED, 0, NO_LISTENER.into()),
        FlightKind::Opened => (OPENED, 0, NO_LISTENER.into()),
        FlightKind::Refused(refusal) => {
            let place = REFUSALS.iter().position(|known| *known == refusal);
            (REFUSED, place.map_or(u8::MAX, |place| place as u8), listener.into())
        }
        FlightKind::Held(hold) => (HELD, hold as u8, 0),
        FlightKind::Released(hold) => (RELEASED, hold as u8, 0),
        FlightKind::Dropped { packets } => (DROPPED, 0, packets),
        FlightKind::Closing(reason) => (CLOSING, reason as u8, 0),
        FlightKind::Ended(Delivery::Flushed) => (ENDED, 0, 0),
        FlightKind::Ended(Delivery::Cut { bytes }) => (ENDED, 1, bytes),
        FlightKind::Starved { receives } => (STARVED, 0, receives),
        FlightKind::SlowTurn { took } => (SLOW_TURN, 0, u64::try_from(took.as_nanos()).unwrap_or(MOST)),
    };
    u64::from(kind) << 56 | u64::from(code) << 48 | number.min(MOST)
}

/// What happened, and the index of the listener. `None`: no event was written so.
pub(super) fn decode(word: u64) -> Option<(FlightKind, u8)> {
    let (kind, code, number) = ((word >> 56) as u8, (word >> 48) as u8, word & MOST);
    let hold = || Hold::ALL.iter().copied().find(|hold| *hold as u8 == code);
    let (kind, listener) = match kind {
        ACCEPTED => (FlightKind::Accepted, number as u8),
        CONNECTED => (FlightKind::Connected, NO_LISTENER),
        OPENED => (FlightKind::Opened, NO_LISTENER),
        REFUSED => (FlightKind::Refused(*REFUSALS.get(usize::from(code))?), number as u8),
        HELD => (FlightKind::Held(hold()?), NO_LISTENER),
        RELEASED => (FlightKind::Released(hold()?), NO_LISTENER),
        DROPPED => (FlightKind::Dropped { packets: number }, NO_LISTENER),
        CLOSING => (FlightKind::Closing(reason_of(usize::from(code))?), NO_LISTENER),
        ENDED if code == 0 => (FlightKind::Ended(Delivery::Flushed), NO_LISTENER),
        ENDED => (FlightKind::Ended(Delivery::Cut { bytes: number }), NO_LISTENER),
        STARVED => (FlightKind::Starved { receives: number }, NO_LISTENER),
        SLOW_TURN => (FlightKind::SlowTurn { took: Duration::from_nanos(number) }, NO_LISTENER),
        _ => return None,
    };
    Some((kind, listener))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_happened_is_read_as_it_was_written() {
        let mut all = vec![
            FlightKind::Accepted,
            FlightKind::Connected,
            FlightKind::Opened,
            FlightKind::Dropped { packets: 3 },
            FlightKind::Ended(Delivery::Flushed),
            FlightKind::Ended(Delivery::Cut { bytes: 0 }),
            FlightKind::Ended(Delivery::Cut { bytes: 1 << 40 }),
            FlightKind::Starved { receives: 7 },
            FlightKind::SlowTurn { took: Duration::from_millis(12) },
        ];
        all.extend(REFUSALS.map(FlightKind::Refused));
        all.extend(Hold::ALL.iter().flat_map(|hold| [FlightKind::Held(*hold), FlightKind::Released(*hold)]));
        let reasons = (0..).map_while(reason_of).map(FlightKind::Closing);
        all.extend(reasons);
        let mut words: Vec<u64> = all.iter().map(|kind| encode(*kind, 4)).collect();
        for (kind, word) in all.iter().zip(&words) {
            assert_eq!(decode(*word).map(|(kind, _)| kind), Some(*kind));
        }
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), all.len());
        assert_eq!(decode(encode(FlightKind::Accepted, 4)), Some((FlightKind::Accepted, 4)));
        assert_eq!(decode(0), None);
    }

    #[test]
    fn numbers_that_are_too_large_stay_in_their_place() {
        let kind = FlightKind::SlowTurn { took: Duration::MAX };
        assert_eq!(
            decode(encode(kind, 0)),
            Some((FlightKind::SlowTurn { took: Duration::from_nanos(MOST) }, NO_LISTENER))
        );
        let kind = FlightKind::Dropped { packets: u64::MAX };
        assert_eq!(decode(encode(kind, 0)), Some((FlightKind::Dropped { packets: MOST }, NO_LISTENER)));
    }
}
