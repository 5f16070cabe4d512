//! Cases of sections 1 to 7, 9, 10, 12 and 13 of the published Autobahn list, for an end that
//! echoes
//! messages; of 12 and 13 all 216. Each input comes whole, byte by byte and, if it is short, in
//! every two pieces: the
//! answers must be the same.

mod deflate;
mod fragments;
mod framing;
mod limits;
mod properties;
mod text;

use super::close::{self, CloseCode};
use super::decoder::{Decoder, Found};
use super::frame::{self, MessageKind, Opcode, Role};

const KEY: [u8; 4] = [0x8f, 0x01, 0xc2, 0x73];
/// As the longest message of the list.
const MOST: u32 = 16 << 20;
/// Inputs up to this long are also split in two at every byte.
const SHORT: usize = 2000;

/// What the echo answers.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Answer {
    Text(Vec<u8>),
    Binary(Vec<u8>),
    Pong(Vec<u8>),
    /// It closes, with a code of its own or with the peer's.
    Close(Option<u16>),
}

fn text(text: impl AsRef<[u8]>) -> Answer {
    Answer::Text(text.as_ref().to_vec())
}

fn pong(payload: impl AsRef<[u8]>) -> Answer {
    Answer::Pong(payload.as_ref().to_vec())
}

const BROKEN: Answer = Answer::Close(Some(1002));
const NOT_TEXT: Answer = Answer::Close(Some(1007));
const TOO_BIG: Answer = Answer::Close(Some(1009));
const DONE: Answer = Answer::Close(Some(1000));

/// Bytes that a client sends.
#[derive(Clone, Default)]
struct Input(Vec<u8>);

impl Input {
    fn new() -> Input {
        Input::default()
    }

    /// A frame with this first byte.
    fn frame(mut self, first: u8, payload: impl AsRef<[u8]>) -> Input {
        let before = self.0.len();
        frame::append(&mut self.0, Opcode::Ping, true, payload.as_ref(), Some(KEY));
        self.0[before] = first;
        self
    }

    fn text(self, text: impl AsRef<[u8]>) -> Input {
        self.frame(0x81, text)
    }

    fn binary(self, bytes: impl AsRef<[u8]>) -> Input {
        self.frame(0x82, bytes)
    }

    fn ping(self, payload: impl AsRef<[u8]>) -> Input {
        self.frame(0x89, payload)
    }

    /// The first fragment of a text.
    fn first(self, text: impl AsRef<[u8]>) -> Input {
        self.frame(0x01, text)
    }

    fn next(self, bytes: impl AsRef<[u8]>) -> Input {
        self.frame(0x00, bytes)
    }

    fn last(self, bytes: impl AsRef<[u8]>) -> Input {
        self.frame(0x80, bytes)
    }

    fn close(self, code: u16, text: &str) -> Input {
        self.frame(0x88, [&code.to_be_bytes()[..], text.as_bytes()].concat())
    }

    fn message(mut self, kind: MessageKind, message: &[u8], most: usize) -> Input {
        frame::append_message(&mut self.0, kind, message, most, || Some(KEY));
        self
    }

    /// Checks the answers of a case, however its input comes.
    #[track_caller]
    fn gives(&self, case: &str, answers: &[Answer]) {
        self.gives_in_pieces(case, self.0.len().max(1), answers);
        self.gives_in_pieces(case, 1, answers);
        if self.0.len() <= SHORT {
            for cut in 1..self.0.len() {
                let (one, two) = self.0.split_at(cut);
                assert_eq!(echo([one, two], MOST).0, answers, "case {case}, split at byte {cut}");
            }
        }
    }

    #[track_caller]
    fn gives_in_pieces(&self, case: &str, piece: usize, answers: &[Answer]) {
        let (given, _) = echo(self.0.chunks(piece), MOST);
        // Not by `assert_eq`, which would print megabytes.
        assert!(given == answers, "case {case}, in pieces of {piece}: {}", shown(&given));
    }
}

fn shown(answers: &[Answer]) -> String {
    answers.iter().map(|answer| format!("{answer:?}").chars().take(200).collect::<String>() + "; ").collect()
}

/// What an echo answers to pieces of a stream, and the piece after which it closed.
fn echo<'p>(pieces: impl IntoIterator<Item = &'p [u8]>, most: u32) -> (Vec<Answer>, usize) {
    let mut decoder = Decoder::new(Role::Server, most);
    let mut answers = Vec::new();
    for (index, piece) in pieces.into_iter().enumerate() {
        let mut bytes = piece.to_vec();
        let mut at = 0;
        loop {
            let answer = match decoder.next(&mut bytes, &mut at) {
                Ok(None) => break,
                Ok(Some(Found::Message(MessageKind::Text, place))) => text(decoder.payload(&place, &bytes)),
                Ok(Some(Found::Message(MessageKind::Binary, place))) => {
                    Answer::Binary(decoder.payload(&place, &bytes).to_vec())
                }
                Ok(Some(Found::Ping(place))) => pong(decoder.payload(&place, &bytes)),
                Ok(Some(Found::Pong)) => continue,
                Ok(Some(Found::Close(code))) => Answer::Close(code.map(CloseCode::get)),
                Err(violation) => {
                    answers.push(Answer::Close(Some(violation.code.get())));
                    return (answers, index);
                }
            };
            answers.push(answer);
        }
        assert_eq!(at, bytes.len(), "what more must come for is used up");
        assert!(decoder.held() <= most as usize + 125 + 14);
    }
    if !decoder.is_within() {
        assert_eq!(decoder.held(), 0, "between messages nothing is held");
    }
    (answers, usize::MAX)
}

/// What a server sends is what its client reads.
#[test]
fn frames_of_a_server_are_read_by_a_client() {
    let mut out = Vec::new();
    frame::append_message(&mut out, MessageKind::Text, "größer".as_bytes(), 2, || None);
    frame::append(&mut out, Opcode::Ping, true, b"!", None);
    let (payload, len) = close::payload(CloseCode::new(4000), "bye");
    frame::append(&mut out, Opcode::Close, true, &payload[..len], None);
    let mut decoder = Decoder::new(Role::Client, MOST);
    let mut found = Vec::new();
    for byte in out {
        let (mut bytes, mut at) = ([byte], 0);
        while let Some(what) = decoder.next(&mut bytes, &mut at).unwrap() {
            found.push(match what {
                Found::Message(_, place) | Found::Ping(place) => decoder.payload(&place, &bytes).to_vec(),
                Found::Pong => unreachable!("none was sent"),
                Found::Close(code) => code.map_or(0, CloseCode::get).to_string().into(),
            });
        }
    }
    assert_eq!(found, ["größer".as_bytes(), b"!", b"4000"]);
}
