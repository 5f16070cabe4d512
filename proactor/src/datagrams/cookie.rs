//! Cookies: a peer returns what was sent to its address, and so shows that it is there. Nothing is
//! kept for one that has not.

use std::hash::Hasher;
use std::net::{IpAddr, SocketAddr};

use overlapped::Time;
use siphasher::sip128::{Hasher128, SipHasher24};

/// Each datagram of the exchange has so many bytes, so no answer is longer than its question.
pub(crate) const CONTROL_BYTES: usize = 32;

const MAGIC: [u8; 7] = *b"PRACTOR";

/// A cookie holds in the slot of time in which it was made, and in the next.
const SLOT_NANOS: u64 = 15_000_000_000;

/// What a datagram of the exchange is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum ControlKind {
    /// A client asks for a cookie.
    Hello = 1,
    /// The server sends one.
    Cookie = 2,
    /// The client returns it.
    Return = 3,
    /// The session has begun.
    Open = 4,
}

/// A datagram of the exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Control {
    pub(crate) kind: ControlKind,
    /// What the client has chosen.
    pub(crate) nonce: [u8; 8],
    pub(crate) cookie: [u8; 16],
}

impl Control {
    /// What a datagram says, if it is one of the exchange.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Control> {
        let bytes: &[u8; CONTROL_BYTES] = bytes.try_into().ok()?;
        let (head, cookie) = bytes.split_first_chunk::<16>()?;
        let (magic, nonce) = head.split_first_chunk::<8>()?;
        let kind = match magic.split_last()? {
            (_, rest) if *rest != MAGIC => return None,
            (1, _) => ControlKind::Hello,
            (2, _) => ControlKind::Cookie,
            (3, _) => ControlKind::Return,
            (4, _) => ControlKind::Open,
            _ => return None,
        };
        let cookie: [u8; 16] = cookie.try_into().ok()?;
        let has_cookie = matches!(kind, ControlKind::Cookie | ControlKind::Return);
        if !has_cookie && cookie != [0; 16] {
            return None;
        }
        Some(Control { kind, nonce: nonce.try_into().ok()?, cookie })
    }

    pub(crate) fn bytes(&self) -> [u8; CONTROL_BYTES] {
        let mut bytes = [0; CONTROL_BYTES];
        bytes[..7].copy_from_slice(&MAGIC);
        bytes[7] = self.kind as u8;
        bytes[8..16].copy_from_slice(&self.nonce);
        bytes[16..].copy_from_slice(&self.cookie);
        bytes
    }
}

/// Makes cookies, and knows its own.
pub(crate) struct CookieKey([u8; 16]);

impl CookieKey {
    pub(crate) fn new(secret: [u64; 2]) -> CookieKey {
        let mut key = [0; 16];
        key[..8].copy_from_slice(&secret[0].to_le_bytes());
        key[8..].copy_from_slice(&secret[1].to_le_bytes());
        CookieKey(key)
    }

    /// The cookie for a peer of a port.
    pub(crate) fn cookie(&self, port: u32, peer: SocketAddr, nonce: [u8; 8], now: Time) -> [u8; 16] {
        self.in_slot(port, peer, nonce, now.as_nanos() / SLOT_NANOS)
    }

    fn in_slot(&self, port: u32, peer: SocketAddr, nonce: [u8; 8], slot: u64) -> [u8; 16] {
        let mut hasher = SipHasher24::new_with_key(&self.0);
        // Every field has a length of its own, so no two peers give the same bytes.
        hasher.write(&slot.to_le_bytes());
        hasher.write(&port.to_le_bytes());
        hasher.write(&peer.port().to_le_bytes());
        hasher.write(&nonce);
        match peer.ip() {
            IpAddr::V4(ip) => hasher.write(&ip.octets()),
            IpAddr::V6(ip) => hasher.write(&ip.octets()),
        }
        hasher.finish128().as_bytes()
    }

    /// Whether a cookie was made for this peer, and holds.
    pub(crate) fn is_valid(&self, port: u32, peer: SocketAddr, control: &Control, now: Time) -> bool {
        let slot = now.as_nanos() / SLOT_NANOS;
        let is_of = |slot| is_equal(&self.in_slot(port, peer, control.nonce, slot), &control.cookie);
        // Both are computed, whichever it is.
        is_of(slot) | (slot > 0 && is_of(slot - 1))
    }
}

/// Compares in a time that says nothing of where they differ.
fn is_equal(a: &[u8; 16], b: &[u8; 16]) -> bool {
    let difference = u128::from_ne_bytes(*a) ^ u128::from_ne_bytes(*b);
    std::hint::black_box(difference) == 0
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn peer(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_cookie_is_valid_for_its_peer_its_nonce_its_port_and_its_time() {
        let key = CookieKey::new([1, 2]);
        let (ann, nonce) = (peer("10.0.0.1:5000"), *b"12345678");
        let made = Time::ZERO + Duration::from_secs(100);
        let control = Control { kind: ControlKind::Return, nonce, cookie: key.cookie(0, ann, nonce, made) };
        let valid = |port, from: &str, control: &Control, at: u64| {
            key.is_valid(port, peer(from), control, Time::ZERO + Duration::from_secs(at))
        };
        assert!(valid(0, "10.0.0.1:5000", &control, 100));
        assert!(valid(0, "10.0.0.1:5000", &control, 119), "the next slot begins at 105 and ends at 120");
        assert!(!valid(0, "10.0.0.1:5000", &control, 120));
        assert!(!valid(0, "10.0.0.1:5000", &control, 89), "it was not made then");
        assert!(!valid(1, "10.0.0.1:5000", &control, 100));
        for other in ["10.0.0.1:5001", "10.0.0.2:5000", "[::ffff:10.0.0.1]:5000"] {
            assert!(!valid(0, other, &control, 100), "{other}");
        }
        assert!(!valid(0, "10.0.0.1:5000", &Control { nonce: *b"12345679", ..control }, 100));
        for bit in 0..128 {
            let cookie = (u128::from_le_bytes(control.cookie) ^ 1 << bit).to_le_bytes();
            assert!(!valid(0, "10.0.0.1:5000", &Control { cookie, ..control }, 100));
        }
        let other_key = CookieKey::new([1, 3]);
        assert!(!other_key.is_valid(0, ann, &control, made));
    }

    #[test]
    fn what_is_no_datagram_of_the_exchange_is_a_packet() {
        let hello = Control { kind: ControlKind::Hello, nonce: [7; 8], cookie: [0; 16] };
        assert_eq!(Control::parse(&hello.bytes()), Some(hello));
        let mut with_more = hello.bytes().to_vec();
        with_more.push(0);
        assert_eq!(Control::parse(&with_more), None);
        assert_eq!(Control::parse(&hello.bytes()[..31]), None);
        let with_cookie = Control { cookie: [1; 16], ..hello };
        assert_eq!(Control::parse(&with_cookie.bytes()), None);
        let mut other = hello.bytes();
        other[7] = 5;
        assert_eq!(Control::parse(&other), None);
        other[7] = 1;
        other[0] = b'p';
        assert_eq!(Control::parse(&other), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            prop_assert!(Control::parse(&bytes).is_none_or(|control| control.bytes() == bytes[..]));
        }
    }
}
