//! The bytes of the resume protocol: how a connection begins. `docs/resume.md` describes them for
//! those who write a client.

use std::time::Duration;

use super::token::{TOKEN_BYTES, Token};

/// What both sides' first bytes are: the protocol and its version.
pub(crate) const MAGIC: [u8; 4] = *b"PRS1";

const NEW: u8 = 0;
const RESUME: u8 = 1;

const FRESH: u8 = 0;
const RESUMED: u8 = 1;
const AFRESH: u8 = 2;
const MOVED: u8 = 3;

/// The first bytes of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Hello {
    New,
    /// It has so much of the server's stream.
    Resume {
        token: Token,
        has: u64,
    },
}

/// What the server answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// A session begins. With a reason, it is not the one that was asked for.
    Fresh { afresh: Option<Afresh>, token: Token, window: Duration, keep: u32 },
    /// The session goes on. The server has so much of the client's stream.
    Resumed { has: u64 },
    /// The same, and the session has come from another node: it has another token from now on.
    Moved { has: u64, token: Token },
}

/// Why a session was not resumed, and another one began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
#[repr(u8)]
pub enum Afresh {
    /// The server has no such session: the token is wrong, or the session has ended, by its logic
    /// or because its client was away for too long or too much waited for it.
    Unknown = 1,
    /// The token is from another server, or from before this one was started.
    OtherServer = 2,
    /// The client has not what the server no longer keeps, or more than the server has sent.
    OutOfWindow = 3,
    /// The server cannot move the connection to the thread that has the session.
    CannotMove = 4,
    /// The session is on another node of the cluster, and cannot be handed over: its logic does not
    /// [save](crate::Handler::save) it, or the logic here did not
    /// [restore](crate::Handler::restore) it.
    NotHandedOver = 5,
    /// The node of the cluster that has the session did not hand it over in time: it has ended, is
    /// cut off, or too slow.
    NodeSilent = 6,
}

impl Afresh {
    /// The reason of a code. A later server may have more of them.
    pub(crate) fn of_code(code: u8) -> Afresh {
        match code {
            2 => Afresh::OtherServer,
            3 => Afresh::OutOfWindow,
            4 => Afresh::CannotMove,
            5 => Afresh::NotHandedOver,
            6 => Afresh::NodeSilent,
            _ => Afresh::Unknown,
        }
    }
}

impl std::fmt::Display for Afresh {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Afresh::Unknown => "the server has no such session any more",
            Afresh::OtherServer => "the session was one of another server",
            Afresh::OutOfWindow => "the server does not keep what the client lacks",
            Afresh::CannotMove => "the server cannot move the connection to its session",
            Afresh::NotHandedOver => "the session is on another node, which cannot hand it over",
            Afresh::NodeSilent => "the node that has the session did not hand it over in time",
        })
    }
}

/// Bytes that are none of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed(pub(crate) &'static str);

/// Takes big-endian numbers and tokens off the front of bytes.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    /// `None` if more bytes have to come.
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (first, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*first)
    }

    /// Whether the first bytes are those of the protocol, as far as they have come.
    fn magic(&mut self) -> Result<Option<()>, Malformed> {
        let came = self.0.len().min(MAGIC.len());
        if self.0[..came] != MAGIC[..came] {
            return Err(Malformed("it does not begin with PRS1"));
        }
        Ok(self.take::<4>().map(drop))
    }
}

impl Hello {
    pub(crate) fn write(&self, wire: &mut Vec<u8>) {
        wire.extend_from_slice(&MAGIC);
        match self {
            Hello::New => wire.push(NEW),
            Hello::Resume { token, has } => {
                wire.push(RESUME);
                wire.extend_from_slice(&token.0);
                wire.extend_from_slice(&has.to_be_bytes());
            }
        }
    }

    /// The hello and its length, or `None` if more bytes have to come.
    pub(crate) fn read(bytes: &[u8]) -> Result<Option<(Hello, usize)>, Malformed> {
        let mut reader = Reader(bytes);
        if reader.magic()?.is_none() {
            return Ok(None);
        }
        let hello = match reader.take().map(|[kind]| kind) {
            None => return Ok(None),
            Some(NEW) => Some(Hello::New),
            Some(RESUME) => reader.resume(),
            Some(_) => return Err(Malformed("it asks neither for a new session nor for one that was")),
        };
        Ok(hello.map(|hello| (hello, bytes.len() - reader.0.len())))
    }
}

impl Reader<'_> {
    fn resume(&mut self) -> Option<Hello> {
        let token = Token(self.take::<TOKEN_BYTES>()?);
        Some(Hello::Resume { token, has: u64::from_be_bytes(self.take()?) })
    }

    fn moved(&mut self) -> Option<Answer> {
        let has = u64::from_be_bytes(self.take()?);
        Some(Answer::Moved { has, token: Token(self.take::<TOKEN_BYTES>()?) })
    }

    fn fresh(&mut self, afresh: Option<Afresh>) -> Option<Answer> {
        let token = Token(self.take::<TOKEN_BYTES>()?);
        let window = Duration::from_millis(u64::from(u32::from_be_bytes(self.take()?)));
        Some(Answer::Fresh { afresh, token, window, keep: u32::from_be_bytes(self.take()?) })
    }
}

impl Answer {
    pub(crate) fn write(&self, wire: &mut Vec<u8>) {
        wire.extend_from_slice(&MAGIC);
        match self {
            Answer::Fresh { afresh, token, window, keep } => {
                match afresh {
                    None => wire.push(FRESH),
                    Some(reason) => wire.extend_from_slice(&[AFRESH, *reason as u8]),
                }
                wire.extend_from_slice(&token.0);
                let window = u32::try_from(window.as_millis()).unwrap_or(u32::MAX);
                wire.extend_from_slice(&window.to_be_bytes());
                wire.extend_from_slice(&keep.to_be_bytes());
            }
            Answer::Resumed { has } => {
                wire.push(RESUMED);
                wire.extend_from_slice(&has.to_be_bytes());
            }
            Answer::Moved { has, token } => {
                wire.push(MOVED);
                wire.extend_from_slice(&has.to_be_bytes());
                wire.extend_from_slice(&token.0);
            }
        }
    }

    /// The answer and its length, or `None` if more bytes have to come.
    pub(crate) fn read(bytes: &[u8]) -> Result<Option<(Answer, usize)>, Malformed> {
        let mut reader = Reader(bytes);
        if reader.magic()?.is_none() {
            return Ok(None);
        }
        let answer = match reader.take().map(|[kind]| kind) {
            None => return Ok(None),
            Some(FRESH) => reader.fresh(None),
            Some(RESUMED) => reader.take().map(|has| Answer::Resumed { has: u64::from_be_bytes(has) }),
            Some(AFRESH) => match reader.take().map(|[reason]| reason) {
                None => None,
                Some(code) => reader.fresh(Some(Afresh::of_code(code))),
            },
            Some(MOVED) => reader.moved(),
            Some(_) => return Err(Malformed("it answers neither with a session nor with a reason")),
        };
        Ok(answer.map(|answer| (answer, bytes.len() - reader.0.len())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token() -> Token {
        Token(std::array::from_fn(|index| index as u8))
    }

    #[test]
    fn what_is_written_is_read_and_never_before_its_last_byte() {
        for hello in [Hello::New, Hello::Resume { token: token(), has: u64::MAX - 1 }] {
            let mut wire = Vec::new();
            hello.write(&mut wire);
            for cut in 0..wire.len() {
                assert_eq!(Hello::read(&wire[..cut]), Ok(None), "{cut}");
            }
            wire.push(7);
            assert_eq!(Hello::read(&wire), Ok(Some((hello, wire.len() - 1))));
        }
        let fresh = |afresh| Answer::Fresh { afresh, token: token(), window: Duration::from_secs(30), keep: 99 };
        let afresh = (1..=6).map(|code| fresh(Some(Afresh::of_code(code))));
        let moved = Answer::Moved { has: 1 << 41, token: token() };
        for answer in [fresh(None), Answer::Resumed { has: 1 << 40 }, moved].into_iter().chain(afresh) {
            let mut wire = Vec::new();
            answer.write(&mut wire);
            for cut in 0..wire.len() {
                assert_eq!(Answer::read(&wire[..cut]), Ok(None), "{cut}");
            }
            assert_eq!(Answer::read(&wire), Ok(Some((answer, wire.len()))));
        }
    }

    #[test]
    fn nonsense_is_refused_with_its_first_wrong_byte() {
        for bytes in [&b"G"[..], b"PRS2", b"PRS1\x02"] {
            assert!(Hello::read(bytes).is_err(), "{bytes:?}");
        }
        assert!(Answer::read(b"PRS1\x04").is_err() && Answer::read(b"H").is_err());
    }
}
