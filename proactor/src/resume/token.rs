//! Tokens: what a client shows to get its session back.

use std::fmt;
use std::hash::{BuildHasher, Hasher, RandomState};

use overlapped::table::Key;
use siphasher::sip128::{Hasher128, SipHasher24};

use crate::session::id::SessionId;

pub(crate) const TOKEN_BYTES: usize = 32;

/// Names a session, and shows that who has it was given it by this server:
///
/// | bytes | |
/// |---|---|
/// | 0..6 | the server: a random number of this start; of a node, the beginning of its number |
/// | 6..16 | the session: its shard, slot and generation |
/// | 16..32 | a secret |
///
/// For a client these are 32 bytes without a meaning.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Token(pub(crate) [u8; TOKEN_BYTES]);

/// What of a token is no secret: no other session has it.
pub(crate) type Name = [u8; 16];

impl Token {
    pub(crate) fn name(&self) -> Name {
        std::array::from_fn(|index| self.0[index])
    }

    /// What the number of the node that made it begins with.
    pub(crate) fn server(&self) -> [u8; 6] {
        std::array::from_fn(|index| self.0[index])
    }

    pub(crate) fn session(&self) -> SessionId {
        let number = |at: usize| u32::from_be_bytes(std::array::from_fn(|index| self.0[at + index]));
        SessionId::new(u16::from_be_bytes([self.0[6], self.0[7]]), Key::new(number(8), number(12)))
    }

    /// Whether they are the same. Takes as long wherever they differ.
    pub(crate) fn is(&self, other: &Token) -> bool {
        self.0.iter().zip(&other.0).fold(0, |differ, (own, other)| differ | (own ^ other)) == 0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Who reads a log must not get a session by it.
        write!(f, "the token of {:?}", self.session())
    }
}

/// Makes the tokens of a server. Who does not know its key of 128 bits cannot make one.
#[derive(Clone)]
pub(crate) struct Mint {
    server: [u8; 6],
    key: [u64; 2],
}

impl Mint {
    pub(crate) fn new() -> Mint {
        // The standard library has its keys from the system.
        Mint::of_number(RandomState::new().hash_one(0))
    }

    /// The mint of a node of a cluster, which no other start of a node has the number of.
    pub(crate) fn of_number(number: u64) -> Mint {
        let random = || RandomState::new().hash_one(0);
        let server = number.to_be_bytes();
        Mint { server: std::array::from_fn(|index| server[index]), key: [random(), random()] }
    }

    /// The token of a session. `nonce` differs for each session that its shard has had.
    pub(crate) fn token(&self, id: SessionId, nonce: u64) -> Token {
        let mut bytes = [0; TOKEN_BYTES];
        bytes[..6].copy_from_slice(&self.server);
        bytes[6..8].copy_from_slice(&id.shard().to_be_bytes());
        bytes[8..12].copy_from_slice(&id.slot().to_be_bytes());
        bytes[12..16].copy_from_slice(&id.key().generation().to_be_bytes());
        let mut hasher = SipHasher24::new_with_keys(self.key[0], self.key[1]);
        hasher.write(&bytes[..16]);
        hasher.write_u64(nonce);
        bytes[16..].copy_from_slice(&hasher.finish128().as_u128().to_be_bytes());
        Token(bytes)
    }

    /// Whether a token may be one of this server.
    pub(crate) fn made(&self, token: &Token) -> bool {
        token.server() == self.server
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_names_its_session_and_is_no_other() {
        let mint = Mint::new();
        let id = SessionId::new(3, Key::new(17, 9));
        let token = mint.token(id, 1);
        assert_eq!(token.session(), id);
        assert!(mint.made(&token) && token.is(&mint.token(id, 1)));
        assert!(!token.is(&mint.token(id, 2)) && !Mint::new().made(&token));
        assert_eq!(format!("{token:?}"), "the token of session 3.17.9", "no secret is in a log");
        for byte in 0..TOKEN_BYTES {
            let mut other = token.clone();
            other.0[byte] ^= 1;
            assert!(!token.is(&other), "{byte}");
        }
    }
}
