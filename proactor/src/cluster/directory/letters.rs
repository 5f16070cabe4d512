//! What the directories of two nodes write to each other.
//!
//! | bytes | meaning |
//! |---|---|
//! | 1 | 1 to 5: give the key up, have you got it, I have it no longer, send, close |
//! | 4, 2, 4, 4 | for the first two: the epoch and the session that the key's record names |
//! | 2 | length of the key; big-endian, as all numbers |
//! | that | the key |
//! | the rest | what is to be sent |

use bytes::Bytes;

use super::holders::{encode_session, split_session};
use crate::session::id::SessionId;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Letter {
    /// The sessions with this key are to be closed: another takes it.
    GiveUp(Named),
    /// If nobody there has the key, its record is to go.
    Look(Named),
    /// The answer to both: the key is free there.
    Gone,
    /// A packet for the sessions with this key.
    Send(Bytes),
    /// The sessions with this key are to be closed.
    Close,
}

/// What a record says of the node that a letter is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) epoch: u32,
    pub(super) session: SessionId,
}

/// What a letter with a packet takes besides it and its key.
pub(crate) const LETTER_BYTES: usize = 3;

const GIVE_UP: u8 = 1;
const LOOK: u8 = 2;
const GONE: u8 = 3;
const SEND: u8 = 4;
const CLOSE: u8 = 5;

impl Letter {
    pub(super) fn encode(&self, key: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut named = |kind: u8, named: &Named| {
            bytes.push(kind);
            bytes.extend_from_slice(&named.epoch.to_be_bytes());
            encode_session(named.session, &mut bytes);
        };
        match self {
            Letter::GiveUp(holder) => named(GIVE_UP, holder),
            Letter::Look(holder) => named(LOOK, holder),
            Letter::Gone => bytes.push(GONE),
            Letter::Send(_) => bytes.push(SEND),
            Letter::Close => bytes.push(CLOSE),
        }
        bytes.extend_from_slice(&(key.len() as u16).to_be_bytes());
        bytes.extend_from_slice(key);
        if let Letter::Send(packet) = self {
            bytes.extend_from_slice(packet);
        }
        bytes
    }

    /// The key, and what is written of it. `None`: no node has written this.
    pub(super) fn parse(bytes: &Bytes) -> Option<(Bytes, Letter)> {
        let (kind, rest) = bytes.split_first()?;
        let (named, rest) = match *kind {
            GIVE_UP | LOOK => {
                let (epoch, rest) = rest.split_first_chunk()?;
                let (session, rest) = split_session(rest)?;
                (Some(Named { epoch: u32::from_be_bytes(*epoch), session }), rest)
            }
            _ => (None, rest),
        };
        let (len, rest) = rest.split_first_chunk()?;
        let (key, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*len)))?;
        let letter = match (*kind, named) {
            (GIVE_UP, Some(named)) => Letter::GiveUp(named),
            (LOOK, Some(named)) => Letter::Look(named),
            (GONE, None) => Letter::Gone,
            (SEND, None) => Letter::Send(bytes.slice_ref(rest)),
            (CLOSE, None) => Letter::Close,
            _ => return None,
        };
        (rest.is_empty() || *kind == SEND).then(|| (bytes.slice_ref(key), letter))
    }
}

#[cfg(test)]
mod tests {
    use overlapped::table::Key;

    use super::*;

    #[test]
    fn a_letter_is_read_as_it_was_written_and_one_that_is_cut_is_refused() {
        let named = Named { epoch: 5, session: SessionId::new(1, Key::new(2, 3)) };
        let packet = Bytes::from_static(b"hello");
        for letter in
            [Letter::GiveUp(named), Letter::Look(named), Letter::Gone, Letter::Send(packet.clone()), Letter::Close]
        {
            let bytes = Bytes::from(letter.encode(b"user/7"));
            assert_eq!(Letter::parse(&bytes), Some((Bytes::from_static(b"user/7"), letter.clone())));
            let is_send = matches!(letter, Letter::Send(_));
            let head = bytes.len() - if is_send { packet.len() } else { 0 };
            assert!((0..head).all(|len| Letter::parse(&bytes.slice(..len)).is_none()), "{letter:?}");
            let longer = Bytes::from([&bytes[..], b"x"].concat());
            assert_eq!(Letter::parse(&longer).is_some(), is_send, "{letter:?}");
        }
    }
}
