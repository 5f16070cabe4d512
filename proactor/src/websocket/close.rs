//! Close codes: which there are, which may be sent, which one a close reason is, and which one a
//! violation of the protocol has.

use std::fmt;

use crate::session::reason::CloseReason;

/// The code of a WebSocket's close: why an end closes the connection.
///
/// What a peer sent is [`Session::close_code`](crate::Session::close_code). What is sent follows
/// from the [`CloseReason`], or from [`Session::close_with`](crate::Session::close_with):
///
/// | reason | code |
/// |---|---|
/// | `ByHandler` | 1000 |
/// | `ByPeer` | the peer's own; none if it sent none |
/// | `Drained`, `ServerStopping`, `Idle`, `Lifetime` | 1001 |
/// | `Protocol` | 1002, or 1007 for text that is not UTF-8 |
/// | `Replaced`, `KeyLost`, `ByPartner` | 1008 |
/// | `FrameTooLarge` | 1009 |
/// | `Panic` | 1011 |
///
/// The other reasons end a connection without a close frame: its peer is lost, or does not take
/// what it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CloseCode(u16);

impl CloseCode {
    /// 1000: what the connection was for is done.
    pub const NORMAL: CloseCode = CloseCode(1000);
    /// 1001: this end goes away.
    pub const GOING_AWAY: CloseCode = CloseCode(1001);
    /// 1002: the other end broke the protocol.
    pub const PROTOCOL_ERROR: CloseCode = CloseCode(1002);
    /// 1003: a kind of message that this end does not take.
    pub const UNSUPPORTED: CloseCode = CloseCode(1003);
    /// 1007: a message that is not what it says, as text that is not UTF-8.
    pub const INVALID_DATA: CloseCode = CloseCode(1007);
    /// 1008: a rule of this end was broken.
    pub const POLICY: CloseCode = CloseCode(1008);
    /// 1009: a message over this end's limit.
    pub const TOO_BIG: CloseCode = CloseCode(1009);
    /// 1011: this end has failed.
    pub const INTERNAL_ERROR: CloseCode = CloseCode(1011);
    /// 1013: this end cannot serve now; try again later.
    pub const TRY_AGAIN_LATER: CloseCode = CloseCode(1013);

    /// A code that may be sent: 1000 to 1003, 1007 to 1014, and 3000 to 4999; those from 4000 on
    /// are the program's own. `None` for any other.
    ///
    /// ```
    /// use proactor::CloseCode;
    ///
    /// assert_eq!(CloseCode::new(4001).map(CloseCode::get), Some(4001));
    /// assert_eq!(CloseCode::new(1005), None, "it says that there was none");
    /// ```
    pub const fn new(code: u16) -> Option<CloseCode> {
        match code {
            1000..=1003 | 1007..=1014 | 3000..=4999 => Some(CloseCode(code)),
            _ => None,
        }
    }

    /// The number.
    pub const fn get(self) -> u16 {
        self.0
    }

    /// The code that tells a peer of a reason; `None` if a connection with that end is not closed
    /// by a close frame.
    pub(crate) fn of(reason: CloseReason) -> Option<CloseCode> {
        Some(match reason {
            CloseReason::ByHandler | CloseReason::ByPeer => CloseCode::NORMAL,
            CloseReason::Drained | CloseReason::ServerStopping | CloseReason::Idle | CloseReason::Lifetime => {
                CloseCode::GOING_AWAY
            }
            CloseReason::Protocol => CloseCode::PROTOCOL_ERROR,
            CloseReason::Replaced | CloseReason::KeyLost | CloseReason::ByPartner => CloseCode::POLICY,
            CloseReason::FrameTooLarge => CloseCode::TOO_BIG,
            CloseReason::Panic => CloseCode::INTERNAL_ERROR,
            _ => return None,
        })
    }
}

impl fmt::Display for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A peer broke the protocol. The connection ends with this code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Violation {
    pub(crate) code: CloseCode,
    pub(crate) what: &'static str,
}

impl Violation {
    pub(crate) const fn protocol(what: &'static str) -> Violation {
        Violation { code: CloseCode::PROTOCOL_ERROR, what }
    }

    pub(crate) const NOT_UTF8: Violation = Violation { code: CloseCode::INVALID_DATA, what: "text that is not UTF-8" };

    pub(crate) const TOO_BIG: Violation = Violation { code: CloseCode::TOO_BIG, what: "a message over the limit" };
}

/// The most bytes of a control frame's payload.
pub(crate) const MOST_CONTROL_BYTES: usize = 125;

/// The most bytes of a close frame's text.
pub(crate) const MOST_TEXT_BYTES: usize = MOST_CONTROL_BYTES - 2;

/// Reads a close frame's payload: its code, if it has one, and its text.
pub(crate) fn parse(payload: &[u8]) -> Result<Option<(CloseCode, &str)>, Violation> {
    let Some((code, text)) = payload.split_first_chunk::<2>() else {
        return match payload {
            [] => Ok(None),
            _ => Err(Violation::protocol("a close frame with half a code")),
        };
    };
    let code = CloseCode::new(u16::from_be_bytes(*code));
    let code = code.ok_or(Violation::protocol("a close code that may not be sent"))?;
    let text = str::from_utf8(text).map_err(|_| Violation::NOT_UTF8)?;
    Ok(Some((code, text)))
}

/// A close frame's payload, and how many bytes of it count. Of a text that is too long, as many
/// whole characters as fit are sent.
pub(crate) fn payload(code: Option<CloseCode>, text: &str) -> ([u8; MOST_CONTROL_BYTES], usize) {
    let mut payload = [0; MOST_CONTROL_BYTES];
    let Some(code) = code else { return (payload, 0) };
    let fits = (0..=text.len().min(MOST_TEXT_BYTES)).rev().find(|end| text.is_char_boundary(*end));
    let text = &text[..fits.unwrap_or(0)];
    payload[..2].copy_from_slice(&code.0.to_be_bytes());
    payload[2..2 + text.len()].copy_from_slice(text.as_bytes());
    (payload, 2 + text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_is_read_as_it_is_written_and_a_long_text_is_cut_between_characters() {
        let read = |code, text: &str| {
            let (bytes, len) = payload(code, text);
            parse(&bytes[..len]).map(|read| read.map(|(code, text)| (code.get(), text.to_owned())))
        };
        assert_eq!(read(None, "lost with the code"), Ok(None));
        assert_eq!(read(Some(CloseCode::NORMAL), ""), Ok(Some((1000, String::new()))));
        assert_eq!(read(Some(CloseCode::POLICY), "why"), Ok(Some((1008, "why".into()))));
        let long = "é".repeat(100);
        assert_eq!(read(Some(CloseCode::POLICY), &long), Ok(Some((1008, "é".repeat(61)))));
    }

    #[test]
    fn only_codes_that_may_be_sent_are_codes() {
        for code in 0..=u16::MAX {
            let may_be_sent = matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999);
            assert_eq!(CloseCode::new(code).is_some(), may_be_sent, "{code}");
            assert_eq!(parse(&code.to_be_bytes()).is_ok(), may_be_sent, "{code}");
        }
        assert!(parse(b"\x03").is_err());
        assert_eq!(parse(b"\x03\xe8\xff"), Err(Violation::NOT_UTF8));
    }
}
