//! A session as bytes, for another node to go on with.
//!
//! | bytes, numbers big-endian | |
//! |---|---|
//! | 1 | version, 1 |
//! | 1 | how many tokens it has had, at most 4 |
//! | 32 each | those: the newest, the one that its client has shown last, others |
//! | 8, 8 | how much of the client's stream has come; how much of the server's is confirmed |
//! | 4 and that | what was sent after that, or was queued |
//! | 4 and that | what has come and was not handed to the logic |
//! | 1 | 0 without a key; with one: 1 if another keeps it, 2 if it is shared, 3 if replaced |
//! | 4 and that | the key |
//! | 4 and that | what the logic has saved |

use super::letter::Rest;
use crate::registry::keys::IfTaken;
use crate::resume::token::Token;

/// What nodes of this version pack, and the only one that they read.
pub(crate) const VERSION: u8 = 1;
/// A client that was not told the newest one shows the second; one that is late, perhaps another.
const MOST_TOKENS: usize = 4;
/// More bytes than a session has had. Sums of counts below it have room.
const MOST_COUNTED: u64 = 1 << 62;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Packed {
    /// The newest first, then the one that its client has shown.
    pub(crate) tokens: Vec<Token>,
    /// How much of the client's stream has come.
    pub(crate) received: u64,
    /// How much of the server's the client has confirmed.
    pub(crate) confirmed: u64,
    /// What was sent after that, or was queued.
    pub(crate) kept: Vec<u8>,
    /// What has come and was not handed to the logic.
    pub(crate) unread: Vec<u8>,
    /// Its key, and what becomes of another session that has it.
    pub(crate) key: Option<(Vec<u8>, IfTaken)>,
    /// By the logic.
    pub(crate) saved: Vec<u8>,
}

impl Packed {
    /// `None` if it is longer than can be said.
    pub(crate) fn encode(&self) -> Option<Vec<u8>> {
        let mut wire = vec![VERSION];
        let tokens = &self.tokens[..self.tokens.len().min(MOST_TOKENS)];
        wire.push(tokens.len() as u8);
        tokens.iter().for_each(|token| wire.extend_from_slice(&token.0));
        wire.extend_from_slice(&self.received.to_be_bytes());
        wire.extend_from_slice(&self.confirmed.to_be_bytes());
        counted(&self.kept, &mut wire)?;
        counted(&self.unread, &mut wire)?;
        let (kind, key) = match &self.key {
            None => (0, &[][..]),
            Some((key, IfTaken::Refuse)) => (1, &key[..]),
            Some((key, IfTaken::Share)) => (2, &key[..]),
            Some((key, IfTaken::Replace)) => (3, &key[..]),
        };
        wire.push(kind);
        counted(key, &mut wire)?;
        counted(&self.saved, &mut wire)?;
        Some(wire)
    }

    /// `None`: no node has packed this.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Packed> {
        let mut rest = Rest(bytes);
        let [version, count] = rest.take()?;
        if version != VERSION || !(1..=MOST_TOKENS).contains(&usize::from(count)) {
            return None;
        }
        let tokens: Option<Vec<Token>> = (0..count).map(|_| rest.token()).collect();
        let (received, confirmed) = (rest.u64()?, rest.u64()?);
        if received.max(confirmed) >= MOST_COUNTED {
            return None;
        }
        let (kept, unread) = (rest.counted()?.to_vec(), rest.counted()?.to_vec());
        let [kind] = rest.take()?;
        let key = rest.counted()?.to_vec();
        let key = match kind {
            0 => None,
            1 => Some((key, IfTaken::Refuse)),
            2 => Some((key, IfTaken::Share)),
            3 => Some((key, IfTaken::Replace)),
            _ => return None,
        };
        let saved = rest.counted()?.to_vec();
        let packed = Packed { tokens: tokens?, received, confirmed, kept, unread, key, saved };
        rest.0.is_empty().then_some(packed)
    }
}

fn counted(bytes: &[u8], wire: &mut Vec<u8>) -> Option<()> {
    wire.extend_from_slice(&u32::try_from(bytes.len()).ok()?.to_be_bytes());
    wire.extend_from_slice(bytes);
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_is_the_same_elsewhere_and_nothing_shorter_is() {
        let token = |first: u8| Token(std::array::from_fn(|index| first + index as u8));
        let packed = Packed {
            tokens: vec![token(1), token(2)],
            received: 1 << 50,
            confirmed: 17,
            kept: b"kept".to_vec(),
            unread: b"unr".to_vec(),
            key: Some((b"user/7".to_vec(), IfTaken::Share)),
            saved: Vec::new(),
        };
        let wire = packed.encode().unwrap();
        assert_eq!(Packed::parse(&wire).as_ref(), Some(&packed));
        assert!((0..wire.len()).all(|len| Packed::parse(&wire[..len]).is_none()));
        assert_eq!(Packed::parse(&[&wire[..], b"x"].concat()), None);
        for if_taken in [IfTaken::Refuse, IfTaken::Replace] {
            let other = Packed { key: Some((b"user".to_vec(), if_taken)), ..packed.clone() };
            assert_eq!(Packed::parse(&other.encode().unwrap()), Some(other));
        }
        for (received, confirmed) in [(MOST_COUNTED, 17), (17, u64::MAX)] {
            let other = Packed { received, confirmed, ..packed.clone() };
            assert_eq!(Packed::parse(&other.encode().unwrap()), None, "sums of its counts would overflow");
        }
        let many = Packed { tokens: (0..9).map(token).collect(), key: None, ..packed };
        assert_eq!(Packed::parse(&many.encode().unwrap()).unwrap().tokens.len(), MOST_TOKENS);
    }
}
