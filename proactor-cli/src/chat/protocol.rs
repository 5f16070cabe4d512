//! The messages of the subprotocol `proactor.chat`, and what names and texts may be. docs/chat.md
//! describes them.

use serde::{Deserialize, Serialize};

pub(super) const PROTOCOL: &str = "proactor.chat";

/// In characters.
const LONGEST_NAME: usize = 32;
pub(super) const LONGEST_TEXT: usize = 2_000;
/// In bytes.
const LONGEST_KEY: usize = 64;

/// What a page says.
#[derive(Debug, Deserialize, PartialEq, Eq)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Request {
    /// The first message; later ones change the name or the room.
    Enter {
        name: String,
        room: String,
        /// A secret of the page: with it, it takes the place of an earlier connection of its own.
        #[serde(default)]
        key: String,
    },
    Text {
        text: String,
    },
}

/// What a page is told.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Message<'m> {
    /// It is in a room.
    Room {
        name: &'m str,
        room: &'m str,
        people: Vec<&'m str>,
        guests: usize,
    },
    /// Others have come or left. `guests` is how many there are without the subprotocol.
    Presence {
        #[serde(skip_serializing_if = "Option::is_none")]
        joined: Option<&'m str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        left: Option<&'m str>,
        guests: usize,
    },
    /// Somebody has talked; a guest if there is no name.
    Text {
        #[serde(skip_serializing_if = "Option::is_none")]
        name: Option<&'m str>,
        text: &'m str,
    },
    Refused {
        reason: Refusal,
        text: &'m str,
    },
}

impl Message<'_> {
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("texts and numbers can be written")
    }
}

/// Why a request was not granted. The session goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Refusal {
    NameInvalid,
    NameTaken,
    RoomInvalid,
    RoomFull,
    TextInvalid,
    TextTooLong,
    NotEntered,
    Unavailable,
}

impl Refusal {
    /// For the person at the page.
    pub(super) fn text(self) -> &'static str {
        match self {
            Refusal::NameInvalid => "A name has 1 to 32 visible characters, and no colon.",
            Refusal::NameTaken => "Somebody in this room has this name: take another one.",
            Refusal::RoomInvalid => "The name of a room has 1 to 32 visible characters.",
            Refusal::RoomFull => "The room is full: take another one.",
            Refusal::TextInvalid => "A message is one line of visible characters.",
            Refusal::TextTooLong => "The message is too long: make two of it.",
            Refusal::NotEntered => "Enter a room first.",
            Refusal::Unavailable => "The room cannot be entered now: try again.",
        }
    }
}

/// Reads a message. `Err` says what is wrong, in few words, for the close frame.
pub(super) fn parse(message: &[u8]) -> Result<Request, String> {
    let request = serde_json::from_slice(message).map_err(|error| format!("not a message of {PROTOCOL}: {error}"))?;
    match request {
        Request::Enter { key, .. } if key.len() > LONGEST_KEY => Err(format!("a key of more than {LONGEST_KEY} bytes")),
        request => Ok(request),
    }
}

/// A person's name as it is shown, with single spaces.
pub(super) fn name(text: &str) -> Result<String, Refusal> {
    match tidy(text) {
        Some(name) if !name.contains(':') => Ok(name),
        _ => Err(Refusal::NameInvalid),
    }
}

pub(super) fn room(text: &str) -> Result<String, Refusal> {
    tidy(text).ok_or(Refusal::RoomInvalid)
}

/// What names are compared by.
pub(super) fn folded(name: &str) -> String {
    name.to_lowercase()
}

fn tidy(text: &str) -> Option<String> {
    // Before it is copied.
    if text.len() > 16 * LONGEST_NAME {
        return None;
    }
    let words: Vec<&str> = text.split_whitespace().collect();
    let tidy = words.join(" ");
    let is_good = !tidy.is_empty() && tidy.chars().count() <= LONGEST_NAME && !tidy.chars().any(is_hidden);
    is_good.then_some(tidy)
}

/// What somebody says.
pub(super) fn text(text: &str) -> Result<&str, Refusal> {
    let text = text.trim();
    if text.len() > 4 * LONGEST_TEXT || text.chars().count() > LONGEST_TEXT {
        Err(Refusal::TextTooLong)
    } else if text.is_empty() || text.chars().any(char::is_control) {
        Err(Refusal::TextInvalid)
    } else {
        Ok(text)
    }
}

/// What a guest has sent, as pages show it: bytes that are no text are replaced, and the rest of a
/// long packet is left out.
pub(super) fn text_of_guest(packet: &[u8]) -> String {
    // A character has at most four bytes.
    let begin = &packet[..packet.len().min(4 * LONGEST_TEXT + 4)];
    let text = String::from_utf8_lossy(begin);
    let visible = text.chars().map(|sign| match sign {
        '\t' => ' ',
        sign if sign.is_control() => char::REPLACEMENT_CHARACTER,
        sign => sign,
    });
    let mut shown: String = visible.take(LONGEST_TEXT).collect();
    if text.chars().nth(LONGEST_TEXT).is_some() || begin.len() < packet.len() {
        shown.push('…');
    }
    shown
}

/// Characters that cannot be seen, or that change how those around them are shown: a name with
/// them could be taken for another's.
fn is_hidden(sign: char) -> bool {
    let is_listed = matches!(
        sign,
        '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{2800}'
            | '\u{3164}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff0}'..='\u{ffff}'
            | '\u{e0000}'..='\u{e0fff}'
    );
    is_listed || sign.is_control()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_tidied_or_refused() {
        assert_eq!(name("  Ada   Lovelace ").as_deref(), Ok("Ada Lovelace"));
        assert_eq!(name("김철수").as_deref(), Ok("김철수"));
        assert_eq!(name(&"é".repeat(32)).map(|name| name.chars().count()), Ok(32));
        for bad in ["", "  ", "a:b", "a\u{200b}b", "a\u{202e}b", "a\0b", "\u{feff}", "\u{3164}", &"x".repeat(33)] {
            assert_eq!(name(bad), Err(Refusal::NameInvalid), "{bad:?}");
        }
        assert_eq!(room("a:b").as_deref(), Ok("a:b"));
        assert_eq!(room("\u{2060}"), Err(Refusal::RoomInvalid));
        assert_eq!(folded("ÀDA"), folded("àda"));
    }

    #[test]
    fn texts_are_one_line_of_limited_length() {
        assert_eq!(text(" hello "), Ok("hello"));
        assert_eq!(text("two\nlines"), Err(Refusal::TextInvalid));
        assert_eq!(text(" \t"), Err(Refusal::TextInvalid));
        assert!(text(&"😀".repeat(LONGEST_TEXT)).is_ok());
        assert_eq!(text(&"x".repeat(LONGEST_TEXT + 1)), Err(Refusal::TextTooLong));
    }

    #[test]
    fn what_guests_send_can_be_shown() {
        assert_eq!(text_of_guest(b"a\tb\x1b[31m\xff"), "a b\u{fffd}[31m\u{fffd}");
        assert_eq!(text_of_guest(b""), "");
        let long = text_of_guest(&[b'x'; 1 << 20]);
        assert_eq!((long.chars().count(), long.ends_with('…')), (LONGEST_TEXT + 1, true));
        assert_eq!(text_of_guest("😀".repeat(LONGEST_TEXT).as_bytes()).chars().count(), LONGEST_TEXT);
    }

    #[test]
    fn messages_are_what_the_page_of_the_documents_says() {
        let enter = br#"{"type":"enter","name":"Ada","room":"lobby","later":1}"#;
        let entered = Request::Enter { name: "Ada".into(), room: "lobby".into(), key: String::new() };
        assert_eq!(parse(enter), Ok(entered));
        for bad in [&b"{"[..], b"[]", b"{\"type\":\"shout\"}", b"{\"type\":\"text\"}", b"\xff", &b"[".repeat(10_000)] {
            assert!(parse(bad).unwrap_err().starts_with("not a message of proactor.chat"), "{}", bad.escape_ascii());
        }
        assert!(
            parse(format!(r#"{{"type":"enter","name":"","room":"","key":"{}"}}"#, "k".repeat(65)).as_bytes()).is_err()
        );
        let says = |message: Message<'_>| String::from_utf8(message.to_bytes()).unwrap();
        let presence = Message::Presence { joined: Some("Bo"), left: None, guests: 2 };
        assert_eq!(says(presence), r#"{"type":"presence","joined":"Bo","guests":2}"#);
        assert_eq!(says(Message::Text { name: None, text: "<b>\"" }), r#"{"type":"text","text":"<b>\""}"#);
        let refused = Message::Refused { reason: Refusal::NameTaken, text: "no" };
        assert_eq!(says(refused), r#"{"type":"refused","reason":"name_taken","text":"no"}"#);
    }
}
