//! Sections 12 (compressed messages of several kinds) and 13 (what is agreed on for that): 90 and
//! 126 cases. Both ends agree by their headers. The client keeps its window if it may; what comes
//! back is read by our client's end. Messages are fewer than on the list, which has 1000 a case: as
//! many as have 64 KiB, and at least two.

use std::sync::Arc;

use flate2::{Compress, Compression, FlushCompress};

use super::KEY;
use crate::websocket::config::WebSocket;
use crate::websocket::decoder::{Decoder, Found};
use crate::websocket::deflate::inflate::{Inflation, TAIL};
use crate::websocket::deflate::{Deflate, offer};
use crate::websocket::frame::{self, MessageKind, Role};
use crate::websocket::framing::{Settings, WebSocketFraming};
use crate::websocket::upgrade::Upgrade;

/// Of each case of a section: the length of its messages, and that of their fragments.
const ROWS: [(usize, usize); 18] = [
    (16, usize::MAX),
    (64, usize::MAX),
    (256, usize::MAX),
    (1024, usize::MAX),
    (4096, usize::MAX),
    (8192, usize::MAX),
    (16_384, usize::MAX),
    (32_768, usize::MAX),
    (65_536, usize::MAX),
    (131_072, usize::MAX),
    (8192, 256),
    (16_384, 256),
    (32_768, 256),
    (65_536, 256),
    (131_072, 256),
    (131_072, 1024),
    (131_072, 4096),
    (131_072, 32_768),
];
/// Bytes of the messages of a case, and of a content.
const EACH: usize = 64 * 1024;
const IN_ALL: usize = 256 * 1024;
const MOST: usize = 16 << 20;
/// A receive buffer.
const PIECE: usize = 16 * 1024;

/// Content that is looked at from place to place, as the files of the list are.
struct Content {
    kind: MessageKind,
    bytes: Vec<u8>,
}

impl Content {
    fn text(text: impl Fn(usize) -> String) -> Content {
        let bytes: String = (0..6000).map(text).collect();
        assert!(bytes.is_ascii() && bytes.len() > IN_ALL / 2, "it can be cut anywhere");
        Content { kind: MessageKind::Text, bytes: bytes.into() }
    }

    fn binary(byte: impl Fn(usize) -> u8) -> Content {
        Content { kind: MessageKind::Binary, bytes: (0..IN_ALL).map(byte).collect() }
    }

    fn message(&self, number: usize, len: usize) -> Vec<u8> {
        let from = number * len % (self.bytes.len() - len);
        self.bytes[from..from + len].to_vec()
    }
}

fn noise(index: usize) -> u8 {
    ((index as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8
}

fn json() -> Content {
    let word = |index| ["alpha", "beta", "gamma"][usize::from(noise(index)) % 3];
    Content::text(|index| format!("{{\"id\": {index}, \"name\": \"{}\", \"score\": {}}},\n", word(index), noise(index)))
}

/// The peer's compressor.
struct Peer {
    compressor: Compress,
    keeps: bool,
}

impl Peer {
    fn compress(&mut self, message: &[u8]) -> Vec<u8> {
        if !self.keeps {
            self.compressor.reset();
        }
        let mut out = Vec::with_capacity(message.len() + message.len() / 8 + 1000);
        self.compressor.compress_vec(message, &mut out, FlushCompress::Sync).unwrap();
        out.strip_suffix(&TAIL).unwrap().to_vec()
    }
}

/// One case: a client with this offer, and an echo with these settings. Returns how many of the
/// answers were compressed.
fn case(case: &str, offers: &str, server: &Deflate, content: &Content, (len, most): (usize, usize)) -> usize {
    let client = Deflate::new().peer_context(true);
    let (agreed, answer) = offer::accept([offers.as_bytes()].into_iter(), server).unwrap_or_else(|| panic!("{case}"));
    let of_client = offer::answered([answer.as_bytes()].into_iter(), &client).unwrap_or_else(|| panic!("{case}"));
    let keeps = agreed.kept.is_some();
    assert_eq!(keeps, !answer.contains("client_no_context_takeover"), "case {case}");
    let compressor = Compress::new_with_window_bits(Compression::new(6), false, of_client.send_bits);
    let mut peer = Peer { compressor, keeps };
    let settings = Settings::new(WebSocket::new().max_message(MOST).deflate(server), Role::Server, true);
    let mut echo = WebSocketFraming::new(Arc::new(settings));
    echo.begin(1, Upgrade::new("/", None, [], Some(agreed)));
    let mut ours = Decoder::new(Role::Client, MOST as u32);
    ours.inflate_by(Inflation::new(&client, &of_client));
    let mut compressed = 0;
    for number in 0..(EACH / len).clamp(2, 1000) {
        let message = content.message(number, len);
        let mut stream = Vec::new();
        frame::append_compressed(&mut stream, content.kind, &peer.compress(&message), most, || Some(KEY));
        let mut answers = Vec::new();
        for piece in stream.chunks(PIECE) {
            let (mut bytes, mut at) = (piece.to_vec(), 0);
            while let Some(found) = echo.decoder.next(&mut bytes, &mut at).unwrap_or_else(|_| panic!("case {case}")) {
                let Found::Message(kind, place) = found else { panic!("case {case}: {found:?}") };
                assert_eq!(kind, content.kind);
                let packet = echo.decoder.payload(&place, &bytes).to_vec();
                echo.kind = Some(kind);
                echo.encode(&packet, &mut answers).unwrap();
            }
        }
        compressed += usize::from(answers[0] & 0x40 != 0);
        let (mut at, begin) = (0, answers.len());
        let Ok(Some(Found::Message(kind, place))) = ours.next(&mut answers, &mut at) else { panic!("case {case}") };
        let is_same = ours.payload(&place, &answers) == message;
        assert!(kind == content.kind && is_same && at == begin, "case {case}: message {number}");
    }
    assert!(!echo.decoder.is_within() && !ours.is_within(), "case {case}");
    compressed
}

fn keeping() -> Deflate {
    Deflate::new().peer_context(true)
}

/// The 18 cases of one kind of content.
fn section_12(number: usize, content: &Content, can_shorten: bool) {
    for (index, row) in ROWS.into_iter().enumerate() {
        let name = format!("12.{number}.{}", index + 1);
        let compressed = case(&name, "permessage-deflate; client_max_window_bits", &keeping(), content, row);
        assert_eq!(compressed > 0, can_shorten && row.0 >= 256, "case {name}: {compressed} are compressed");
    }
}

#[test]
fn section_12_1_json() {
    section_12(1, &json(), true);
}

#[test]
fn section_12_2_a_picture() {
    let pixel = |index: usize| (((index % 512) / 4 + index / 2048) as u8).wrapping_add(noise(index) & 1);
    section_12(2, &Content::binary(pixel), true);
}

#[test]
fn section_12_3_human_text() {
    let words = ["Habe", "nun", "ach", "Philosophie", "Juristerei", "und", "Medizin", "mit", "heissem", "Bemuehn"];
    let word = |index| words[usize::from(noise(index)) % words.len()];
    let line = |index| (0..10).map(|at| word(10 * index + at)).collect::<Vec<_>>().join(" ") + ",\n";
    let text = Content::text(line);
    section_12(3, &Content { kind: MessageKind::Binary, ..text }, true);
}

#[test]
fn section_12_4_html() {
    section_12(
        4,
        &Content::text(|index| format!("<li><a href=\"/item/{index}\">Item {}</a></li>\n", noise(index))),
        true,
    );
}

#[test]
fn section_12_5_what_is_compressed_already() {
    let mut state = 1_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 40) as u8
    };
    let bytes: Vec<u8> = (0..IN_ALL).map(|_| next()).collect();
    section_12(5, &Content { kind: MessageKind::Binary, bytes }, false);
}

/// The offers of the sections 13.1 to 13.7.
const OFFERS: [&str; 7] = [
    "permessage-deflate; client_max_window_bits",
    "permessage-deflate; client_max_window_bits; server_no_context_takeover",
    "permessage-deflate; client_max_window_bits; server_max_window_bits=9",
    "permessage-deflate; client_max_window_bits; server_max_window_bits=15",
    "permessage-deflate; client_max_window_bits; server_no_context_takeover; server_max_window_bits=9",
    "permessage-deflate; client_max_window_bits; server_no_context_takeover; server_max_window_bits=15",
    "permessage-deflate; client_max_window_bits; server_no_context_takeover; server_max_window_bits=9, \
     permessage-deflate; client_max_window_bits; server_no_context_takeover, \
     permessage-deflate; client_max_window_bits",
];

fn section_13(sections: std::ops::RangeInclusive<usize>) {
    let json = json();
    for section in sections {
        for (index, row) in ROWS.into_iter().enumerate() {
            let (name, offer) = (format!("13.{section}.{}", index + 1), OFFERS[section - 1]);
            // Once with clients that keep their window, once with those that are told not to.
            let server = if index % 2 == 0 { keeping() } else { Deflate::new() };
            assert_eq!(case(&name, offer, &server, &json, row) > 0, row.0 >= 256, "case {name}");
        }
    }
}

#[test]
fn section_13_1_to_13_4_each_window() {
    section_13(1..=4);
}

#[test]
fn section_13_5_to_13_7_windows_that_are_not_kept_and_several_offers() {
    section_13(5..=7);
}
