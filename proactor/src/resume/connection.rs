//! The server's side of one connection: what its client asks for, and the session's stream.

use super::config::Resume;
use super::stream::Stream;
use super::token::Token;
use super::wire::{Afresh, Answer, Hello, Malformed};

/// What lies between a connection and the session that it is one of.
pub(crate) struct Resuming {
    settings: Resume,
    phase: Phase,
}

enum Phase {
    /// The hello has come so far.
    Hello(Vec<u8>),
    /// It is not answered yet.
    Asked(Hello),
    Open {
        token: Token,
        /// Those that it had on other nodes: its client may not know the new one.
        before: Vec<Token>,
        stream: Stream,
    },
    /// Another node has the session.
    Gone,
}

impl Resuming {
    pub(crate) fn new(settings: Resume) -> Resuming {
        Resuming { settings, phase: Phase::Hello(Vec::new()) }
    }

    pub(crate) fn settings(&self) -> &Resume {
        &self.settings
    }

    pub(crate) fn is_open(&self) -> bool {
        matches!(self.phase, Phase::Open { .. })
    }

    /// The hello that has come, if it is not answered yet.
    pub(crate) fn asked(&self) -> Option<&Hello> {
        match &self.phase {
            Phase::Asked(hello) => Some(hello),
            _ => None,
        }
    }

    /// Takes what came, and leaves in `bytes` what it is of the session's stream.
    pub(crate) fn receive(&mut self, bytes: &mut Vec<u8>) -> Result<(), Malformed> {
        match &mut self.phase {
            Phase::Open { stream, .. } => return stream.receive(bytes),
            Phase::Gone => bytes.clear(),
            Phase::Asked(_) if bytes.is_empty() => {}
            Phase::Asked(_) => return Err(Malformed("it goes on before it is answered")),
            Phase::Hello(came) => {
                came.append(bytes);
                match Hello::read(came)? {
                    None => {}
                    Some((_, len)) if len < came.len() => return Err(Malformed("it goes on before it is answered")),
                    Some((hello, _)) => self.phase = Phase::Asked(hello),
                }
            }
        }
        Ok(())
    }

    /// A session begins. Appends the answer.
    pub(crate) fn begin(&mut self, token: Token, afresh: Option<Afresh>, answer: &mut Vec<u8>) {
        let keep = self.settings.keep_bytes();
        let window = self.settings.window_time();
        let keep_bytes = u32::try_from(keep).unwrap_or(u32::MAX);
        Answer::Fresh { afresh, token: token.clone(), window, keep: keep_bytes }.write(answer);
        self.phase = Phase::Open { token, before: Vec::new(), stream: Stream::new(keep) };
    }

    /// The session of another node goes on with this connection, whose client has so much of the
    /// server's stream. Appends the answer, and what the client lacks. Says whether that can be.
    pub(crate) fn go_on_from(
        &mut self,
        token: Token,
        before: Vec<Token>,
        mut stream: Stream,
        has: u64,
        answer: &mut Vec<u8>,
    ) -> bool {
        Answer::Moved { has: stream.received(), token: token.clone() }.write(answer);
        let can = stream.resume(has, answer);
        if can {
            self.phase = Phase::Open { token, before, stream };
        }
        can
    }

    /// Takes the session out: its tokens, the newest first, and its stream.
    pub(crate) fn take_session(&mut self) -> Option<(Vec<Token>, Stream)> {
        if !self.is_open() {
            return None;
        }
        match std::mem::replace(&mut self.phase, Phase::Gone) {
            Phase::Open { token, before, stream } => {
                let tokens = std::iter::once(token).chain(before).collect();
                Some((tokens, stream))
            }
            _ => None,
        }
    }

    /// The session of another connection goes on with this one, whose client has so much of the
    /// server's stream. Appends the answer, and what the client lacks.
    pub(crate) fn go_on(&mut self, other: Resuming, has: u64, answer: &mut Vec<u8>) {
        self.phase = other.phase;
        if let Phase::Open { stream, .. } = &mut self.phase {
            Answer::Resumed { has: stream.received() }.write(answer);
            stream.resume(has, answer);
        }
    }

    /// Whether a client that shows this, and has so much, may go on with the session.
    pub(crate) fn admits(&self, shown: &Token, has: u64) -> Result<(), Afresh> {
        match &self.phase {
            Phase::Open { token, before, .. } if !token.is(shown) && !before.iter().any(|token| token.is(shown)) => {
                Err(Afresh::Unknown)
            }
            Phase::Open { stream, .. } if !stream.reaches(has) => Err(Afresh::OutOfWindow),
            Phase::Open { .. } => Ok(()),
            _ => Err(Afresh::Unknown),
        }
    }

    /// The session's stream, if there is a session.
    pub(crate) fn stream(&self) -> Option<&Stream> {
        match &self.phase {
            Phase::Open { stream, .. } => Some(stream),
            _ => None,
        }
    }

    pub(crate) fn stream_mut(&mut self) -> Option<&mut Stream> {
        match &mut self.phase {
            Phase::Open { stream, .. } => Some(stream),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resume::token::Mint;
    use crate::session::id::SessionId;

    #[test]
    fn nothing_may_follow_a_hello_before_its_answer() {
        for more in [&b"PRS1\x00\x10"[..], b"PRS1\x00"] {
            let mut resuming = Resuming::new(Resume::new());
            let came = resuming.receive(&mut more.to_vec());
            assert_eq!(came.is_ok(), more.len() == 5);
            if came.is_ok() {
                assert_eq!(resuming.asked(), Some(&Hello::New));
                assert!(resuming.receive(&mut vec![0]).is_err());
            }
        }
    }

    #[test]
    fn a_session_goes_on_with_its_token_only() {
        let token = Mint::new().token("0.1.2".parse::<SessionId>().unwrap(), 3);
        let mut other = token.clone();
        other.0[31] ^= 1;
        let mut first = Resuming::new(Resume::new());
        assert_eq!(first.admits(&token, 0), Err(Afresh::Unknown), "there is no session");
        first.begin(token.clone(), None, &mut Vec::new());
        first.stream_mut().unwrap().seal(b"abc", &mut Vec::new());
        assert_eq!(first.admits(&other, 0), Err(Afresh::Unknown));
        assert_eq!(first.admits(&token, 4), Err(Afresh::OutOfWindow));
        assert_eq!(first.admits(&token, 2), Ok(()));
        let (mut second, mut wire) = (Resuming::new(Resume::new()), Vec::new());
        second.go_on(first, 2, &mut wire);
        assert!(second.is_open() && wire.ends_with(b"\x10\0\0\0\x01c"));
    }
}
