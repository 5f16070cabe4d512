//! What two nodes write to each other about a session that one is to hand over to the other. It is
//! in mail between nodes (`cluster/mail.rs`), which may be lost: who asks asks again.
//!
//! | letter | bytes, numbers big-endian |
//! |---|---|
//! | ask | `1`, version (1), ticket (8), packing (8), at (4), has (8), token (32), listener (8) |
//! | part | `2`, ticket (8), packing (8), bytes in all (4), from byte (4), the bytes |
//! | refused | `3`, ticket (8), the reason (1) |
//! | elsewhere | `4`, ticket (8), the number of the node that was given it (8) |
//! | taken | `5`, ticket (8), its token (32): all parts have come, and it goes on |
//! | dropped | `6`, ticket (8), its token (32): all parts have come, and it could not go on |

use crate::resume::token::{TOKEN_BYTES, Token};
use crate::resume::wire::Afresh;

const ASK: u8 = 1;
const PART: u8 = 2;
const REFUSED: u8 = 3;
const ELSEWHERE: u8 = 4;
const TAKEN: u8 = 5;
const DROPPED: u8 = 6;

/// Bytes of a part's head.
pub(crate) const PART_HEAD: usize = 25;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Letter<'l> {
    Ask(Ask),
    Answer(u64, Answer<'l>),
    /// The answer to this ticket is whole, and the session goes on, or could not.
    Came {
        ticket: u64,
        token: Token,
        goes_on: bool,
    },
}

/// Asks for a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ask {
    /// The newest version of packed sessions that the node reads.
    pub(crate) version: u8,
    /// Names the answer.
    pub(crate) ticket: u64,
    /// The packing that the node has the first parts of. 0: none.
    pub(crate) packing: u64,
    /// From this byte of that on.
    pub(crate) at: u32,
    /// What the client has of the server's stream.
    pub(crate) has: u64,
    pub(crate) token: Token,
    /// Differs for listeners that differ.
    pub(crate) listener: u64,
}

/// What a node that was asked says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer<'l> {
    /// So many bytes are the session, and these of them.
    Part {
        /// A node packs no two sessions with the same number. A later one is greater.
        packing: u64,
        total: u32,
        at: u32,
        bytes: &'l [u8],
    },
    Refused(Afresh),
    /// Another node was given it.
    Elsewhere(u64),
}

impl Letter<'_> {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut wire = Vec::new();
        match self {
            Letter::Ask(Ask { version, ticket, packing, at, has, token, listener }) => {
                wire.extend_from_slice(&[ASK, *version]);
                wire.extend_from_slice(&ticket.to_be_bytes());
                wire.extend_from_slice(&packing.to_be_bytes());
                wire.extend_from_slice(&at.to_be_bytes());
                wire.extend_from_slice(&has.to_be_bytes());
                wire.extend_from_slice(&token.0);
                wire.extend_from_slice(&listener.to_be_bytes());
            }
            Letter::Answer(ticket, answer) => {
                wire.push(match answer {
                    Answer::Part { .. } => PART,
                    Answer::Refused(_) => REFUSED,
                    Answer::Elsewhere(_) => ELSEWHERE,
                });
                wire.extend_from_slice(&ticket.to_be_bytes());
                match answer {
                    Answer::Part { packing, total, at, bytes } => {
                        wire.extend_from_slice(&packing.to_be_bytes());
                        wire.extend_from_slice(&total.to_be_bytes());
                        wire.extend_from_slice(&at.to_be_bytes());
                        wire.extend_from_slice(bytes);
                    }
                    Answer::Refused(reason) => wire.push(*reason as u8),
                    Answer::Elsewhere(node) => wire.extend_from_slice(&node.to_be_bytes()),
                }
            }
            Letter::Came { ticket, token, goes_on } => {
                wire.push(if *goes_on { TAKEN } else { DROPPED });
                wire.extend_from_slice(&ticket.to_be_bytes());
                wire.extend_from_slice(&token.0);
            }
        }
        wire
    }

    /// `None`: no node has written this.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Letter<'_>> {
        let (kind, rest) = bytes.split_first()?;
        let mut rest = Rest(rest);
        let letter = match *kind {
            ASK => Letter::Ask(Ask {
                version: rest.take::<1>()?[0],
                ticket: rest.u64()?,
                packing: rest.u64()?,
                at: rest.u32()?,
                has: rest.u64()?,
                token: rest.token()?,
                listener: rest.u64()?,
            }),
            PART => {
                let (ticket, packing) = (rest.u64()?, rest.u64()?);
                let (total, at) = (rest.u32()?, rest.u32()?);
                let bytes = std::mem::take(&mut rest.0);
                Letter::Answer(ticket, Answer::Part { packing, total, at, bytes })
            }
            REFUSED => Letter::Answer(rest.u64()?, Answer::Refused(Afresh::of_code(rest.take::<1>()?[0]))),
            ELSEWHERE => Letter::Answer(rest.u64()?, Answer::Elsewhere(rest.u64()?)),
            TAKEN | DROPPED => Letter::Came { ticket: rest.u64()?, token: rest.token()?, goes_on: *kind == TAKEN },
            _ => return None,
        };
        rest.0.is_empty().then_some(letter)
    }
}

/// What is left to be read of some bytes.
pub(super) struct Rest<'l>(pub(super) &'l [u8]);

impl<'l> Rest<'l> {
    pub(super) fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (first, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*first)
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_be_bytes)
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_be_bytes)
    }

    pub(super) fn token(&mut self) -> Option<Token> {
        self.take::<TOKEN_BYTES>().map(Token)
    }

    /// So many bytes as the next four say.
    pub(super) fn counted(&mut self) -> Option<&'l [u8]> {
        let len = self.u32()? as usize;
        let (first, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_is_parsed_and_nothing_shorter_or_longer() {
        let token = Token(std::array::from_fn(|index| index as u8));
        let letters = [
            Letter::Ask(Ask {
                version: 1,
                ticket: 1 << 60,
                packing: 1 << 50,
                at: 7,
                has: 1 << 40,
                token: token.clone(),
                listener: 9,
            }),
            Letter::Answer(3, Answer::Part { packing: 6, total: 100, at: 50, bytes: b"" }),
            Letter::Answer(4, Answer::Refused(Afresh::NotHandedOver)),
            Letter::Answer(5, Answer::Elsewhere(u64::MAX)),
            Letter::Came { ticket: 8, token: token.clone(), goes_on: true },
            Letter::Came { ticket: 8, token, goes_on: false },
        ];
        for letter in letters {
            let wire = letter.encode();
            assert_eq!(Letter::parse(&wire), Some(letter.clone()));
            assert!((0..wire.len()).all(|len| Letter::parse(&wire[..len]).is_none()), "{letter:?}");
            let longer = [&wire[..], b"x"].concat();
            let is_part = matches!(letter, Letter::Answer(_, Answer::Part { .. }));
            assert_eq!(Letter::parse(&longer).is_some(), is_part, "{letter:?}");
        }
        let part = Letter::Answer(3, Answer::Part { packing: 6, total: 9, at: 1, bytes: b"abc" }).encode();
        assert_eq!(part.len(), PART_HEAD + 3);
        assert_eq!(Letter::parse(&[0; 40]), None);
    }
}
