//! Messages of a peer, compressed by flate2 itself, and ours.

use flate2::{Compress, Compression, FlushCompress};

use super::super::close::{CloseCode, Violation};
use super::super::decoder::{Decoder, Found};
use super::super::frame::{self, MessageKind, Opcode, Role};
use super::inflate::{Inflation, TAIL};
use super::{Agreed, Deflate, compress};

const KEY: [u8; 4] = [0x8f, 0x01, 0xc2, 0x73];
const MOST: u32 = 1 << 20;

/// A peer's compressor, which keeps its window or not.
struct Peer {
    compressor: Compress,
    keeps: bool,
}

impl Peer {
    fn new(bits: u8, keeps: bool) -> Peer {
        Peer { compressor: Compress::new_with_window_bits(Compression::new(6), false, bits), keeps }
    }

    fn compress(&mut self, message: &[u8]) -> Vec<u8> {
        if !self.keeps {
            self.compressor.reset();
        }
        let mut out = Vec::with_capacity(message.len() + message.len() / 8 + 1000);
        self.compressor.compress_vec(message, &mut out, FlushCompress::Sync).unwrap();
        if out.is_empty() {
            // Nothing to flush since the last message: an empty block.
            return vec![0];
        }
        assert!(out.len() < out.capacity() && out.ends_with(&TAIL));
        out.truncate(out.len() - TAIL.len());
        out
    }
}

fn decoder(deflate: &Deflate, keeps: bool, most: u32) -> Decoder {
    let kept = keeps.then(|| deflate.window().unwrap());
    let agreed = Agreed { send_bits: 15, receive_bits: 15, kept };
    let mut decoder = Decoder::new(Role::Server, most);
    decoder.inflate_by(Inflation::new(deflate, &agreed));
    // As an upgrade does, for as long as the test runs.
    std::mem::forget(agreed);
    decoder
}

/// A compressed message in fragments of so many bytes.
fn message(kind: MessageKind, compressed: &[u8], most: usize) -> Vec<u8> {
    let mut out = Vec::new();
    frame::append_compressed(&mut out, kind, compressed, most, || Some(KEY));
    out
}

/// What is found in pieces of a stream.
fn found<'p>(
    decoder: &mut Decoder,
    pieces: impl IntoIterator<Item = &'p [u8]>,
) -> Result<Vec<(MessageKind, Vec<u8>)>, Violation> {
    let mut all = Vec::new();
    for piece in pieces {
        let (mut bytes, mut at) = (piece.to_vec(), 0);
        while let Some(what) = decoder.next(&mut bytes, &mut at)? {
            if let Found::Message(kind, place) = what {
                all.push((kind, decoder.payload(&place, &bytes).to_vec()));
            }
        }
        assert!(decoder.held() <= 2 * MOST as usize);
    }
    Ok(all)
}

fn texts() -> Vec<Vec<u8>> {
    let long = "größer und größer, 一二三 ".repeat(300);
    ["", "a", "hello hello hello hello", &long, "", "hello hello hello hello"]
        .map(|text| text.as_bytes().to_vec())
        .into()
}

#[test]
fn the_examples_of_the_standard() {
    let usual = Deflate::new();
    for (bytes, kept) in [
        (&b"\xc1\x87\0\0\0\0\xf2\x48\xcd\xc9\xc9\x07\x00"[..], false),
        // In fragments.
        (b"\x41\x83\0\0\0\0\xf2\x48\xcd\x80\x84\0\0\0\0\xc9\xc9\x07\x00", false),
        // A block without compression.
        (b"\xc1\x8b\0\0\0\0\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00", false),
        // A block that says that it is the last.
        (b"\xc1\x88\0\0\0\0\xf3\x48\xcd\xc9\xc9\x07\x00\x00", false),
        // Two blocks.
        (b"\xc1\x8d\0\0\0\0\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00", false),
        (b"\xc1\x87\0\0\0\0\xf2\x48\xcd\xc9\xc9\x07\x00", true),
    ] {
        let all = found(&mut decoder(&usual, kept, MOST), [bytes]).unwrap();
        assert_eq!(all, [(MessageKind::Text, b"Hello".to_vec())], "{bytes:x?}");
    }
    // The second message refers to the first.
    let both = b"\xc1\x87\0\0\0\0\xf2\x48\xcd\xc9\xc9\x07\x00\xc1\x85\0\0\0\0\xf2\x00\x11\x00\x00";
    assert_eq!(found(&mut decoder(&usual, true, MOST), [&both[..]]).unwrap().len(), 2);
    assert!(found(&mut decoder(&usual, false, MOST), [&both[..]]).is_err(), "it was told not to");
}

#[test]
fn messages_in_any_pieces_and_fragments_are_what_was_sent() {
    let deflate = Deflate::new();
    for keeps in [false, true] {
        for bits in [9, 12, 15] {
            for most in [1, 7, usize::MAX] {
                let mut peer = Peer::new(bits, keeps);
                let mut stream = Vec::new();
                for text in texts() {
                    stream.extend(message(MessageKind::Text, &peer.compress(&text), most));
                    frame::append(&mut stream, Opcode::Ping, true, b"ping", Some(KEY));
                    frame::append(&mut stream, Opcode::Message(MessageKind::Binary), true, &text, Some(KEY));
                }
                let both = |text: Vec<u8>| [(MessageKind::Text, text.clone()), (MessageKind::Binary, text)];
                let expected: Vec<_> = texts().into_iter().flat_map(both).collect();
                for piece in [1, 3, 100, stream.len()] {
                    let mut decoder = decoder(&deflate, keeps, MOST);
                    assert_eq!(found(&mut decoder, stream.chunks(piece)).as_ref(), Ok(&expected), "pieces of {piece}");
                    assert!(!decoder.is_within());
                }
            }
        }
    }
}

#[test]
fn a_message_may_be_split_at_every_byte() {
    let text = "größer ".repeat(20).into_bytes();
    let stream = message(MessageKind::Text, &Peer::new(15, false).compress(&text), 10);
    for cut in 0..=stream.len() {
        let (one, two) = stream.split_at(cut);
        let all = found(&mut decoder(&Deflate::new(), false, MOST), [one, two]).unwrap();
        assert_eq!(all, [(MessageKind::Text, text.clone())], "split at {cut}");
    }
}

#[test]
fn a_control_frame_between_fragments_that_comes_in_pieces_loses_nothing() {
    let text = b"before and behind ".repeat(40);
    let compressed = Peer::new(15, false).compress(&text);
    let (one, two) = compressed.split_at(compressed.len() / 2);
    let mut stream = Vec::new();
    frame::append_compressed(&mut stream, MessageKind::Binary, one, usize::MAX, || Some(KEY));
    stream[0] &= 0x7f;
    frame::append(&mut stream, Opcode::Ping, true, &[9; 100], Some(KEY));
    frame::append(&mut stream, Opcode::Continuation, true, two, Some(KEY));
    for piece in 1..stream.len() {
        let all = found(&mut decoder(&Deflate::new(), false, MOST), stream.chunks(piece)).unwrap();
        assert_eq!(all, [(MessageKind::Binary, text.clone())], "pieces of {piece}");
    }
}

#[test]
fn what_is_no_deflate_or_is_cut_is_refused() {
    let whole = Peer::new(15, false).compress(&b"some words, some words, some more words".repeat(9));
    for end in 1..whole.len() {
        let cut = message(MessageKind::Binary, &whole[..end], usize::MAX);
        let refused = found(&mut decoder(&Deflate::new(), false, MOST), [&cut[..]]);
        assert_eq!(refused.map_err(|violation| violation.code), Err(CloseCode::INVALID_DATA), "cut at {end}");
    }
    for bad in [&b"\xff\xff\xff\xff"[..], b"\x07", b"\x00\x05\x00\x00\x00hello", b"\x03"] {
        for keeps in [false, true] {
            let bad = message(MessageKind::Binary, bad, usize::MAX);
            let refused = found(&mut decoder(&Deflate::new(), keeps, MOST), [&bad[..]]);
            assert!(refused.is_err() || keeps, "{bad:x?}");
        }
    }
    let good = message(MessageKind::Text, &Peer::new(15, false).compress(b"x"), usize::MAX);
    let mut refused = Decoder::new(Role::Server, MOST);
    assert!(refused.next(&mut good.clone(), &mut 0).is_err(), "nothing was agreed on");
}

#[test]
fn text_that_is_not_utf8_is_refused_as_soon_as_it_is_inflated() {
    let mut text = "good ".repeat(200).into_bytes();
    text.push(0xff);
    let mut peer = Peer::new(15, false);
    let mut compressed = peer.compress(&text);
    compressed.extend(TAIL);
    // More would come.
    let mut stream = message(MessageKind::Text, &compressed, usize::MAX);
    stream[0] &= 0x7f;
    let refused = found(&mut decoder(&Deflate::new(), false, MOST), stream.chunks(5));
    assert_eq!(refused, Err(Violation::NOT_UTF8));
    let cut = message(MessageKind::Text, &peer.compress("größer".as_bytes()[..3].into()), usize::MAX);
    assert_eq!(found(&mut decoder(&Deflate::new(), false, MOST), [&cut[..]]), Err(Violation::NOT_UTF8));
}

#[test]
fn a_bomb_is_refused_at_the_limit_and_takes_no_more_memory_than_that() {
    let bomb = Peer::new(15, false).compress(&vec![0; 64 << 20]);
    assert!(bomb.len() < 100_000);
    for most in [1000, 1 << 16, MOST] {
        for fragments in [1000, usize::MAX] {
            let stream = message(MessageKind::Binary, &bomb, fragments);
            let mut decoder = decoder(&Deflate::new(), false, most);
            let mut code = None;
            for piece in stream.chunks(10) {
                match found(&mut decoder, [piece]) {
                    Ok(all) => assert!(all.is_empty()),
                    Err(violation) => code = code.or(Some(violation.code)),
                }
                if code.is_some() {
                    break;
                }
            }
            assert_eq!(code, Some(CloseCode::TOO_BIG));
            assert!(decoder.held() <= most as usize + 64 * 1024 + 1, "{}", decoder.held());
        }
    }
    // By the factor, below the longest message.
    let some = message(MessageKind::Binary, &Peer::new(15, false).compress(&vec![0; 200_000]), usize::MAX);
    assert!(found(&mut decoder(&Deflate::new(), false, MOST), [&some[..]]).is_ok());
    let mut strict = decoder(&Deflate::new().max_expansion(20), false, MOST);
    assert_eq!(found(&mut strict, [&some[..]]), Err(Violation::TOO_BIG));
    // Empty blocks make nothing, and have an end too.
    let nothing = [&b"\0\0\0\xff\xff"[..]; 1000].concat();
    let endless = message(MessageKind::Binary, &nothing, usize::MAX);
    assert_eq!(found(&mut decoder(&Deflate::new(), false, 3000), [&endless[..]]), Err(Violation::TOO_BIG));
}

#[test]
fn windows_have_a_limit_and_come_back() {
    let deflate = Deflate::new().max_windows(2);
    let stream = message(MessageKind::Binary, &Peer::new(15, false).compress(&[7; 100]), usize::MAX);
    let (one, two) = stream.split_at(8);
    let mut decoders: Vec<Decoder> = (0..3).map(|_| decoder(&deflate, false, MOST)).collect();
    assert_eq!(found(&mut decoders[0], [one]), Ok(vec![]));
    assert_eq!(found(&mut decoders[1], [one]), Ok(vec![]));
    let refused = found(&mut decoders[2], [one]).map_err(|violation| violation.code);
    assert_eq!(refused, Err(CloseCode::TRY_AGAIN_LATER));
    assert_eq!(found(&mut decoders[0], [two]).unwrap().len(), 1);
    drop(decoders.remove(1));
    let mut other = decoder(&deflate, false, MOST);
    for _ in 0..10 {
        assert_eq!(found(&mut decoders[0], [&stream[..]]).unwrap().len(), 1);
        assert_eq!(found(&mut other, [one, two]).unwrap().len(), 1);
    }
}

#[test]
fn what_we_compress_is_shorter_or_not_sent_and_our_end_reads_it() {
    let mut state = 1_u64;
    let mut noise = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 33) as u8
    };
    let random: Vec<u8> = (0..5000).map(|_| noise()).collect();
    for bits in [9, 15] {
        for text in texts().into_iter().chain([vec![0; 300_000], b"{\"a\": 1}".repeat(10_000)]) {
            let mut sent = Vec::new();
            let is_shorter = compress::compressed(&text, 3, bits, |bytes| sent = bytes.to_vec());
            assert_eq!(is_shorter, text.len() > 20, "{} bytes", text.len());
            if is_shorter {
                assert!(sent.len() < text.len());
                let stream = message(MessageKind::Binary, &sent, usize::MAX);
                let all = found(&mut decoder(&Deflate::new(), false, MOST), [&stream[..]]).unwrap();
                assert!(all == [(MessageKind::Binary, text)]);
            }
        }
        assert!(!compress::compressed(&random, 3, bits, |_| panic!("it is not shorter")));
    }
}

#[test]
fn settings_out_of_range_are_named() {
    let fault = |deflate: Deflate| deflate.check().unwrap_err();
    assert!(fault(Deflate::new().window_bits(8)).contains("a window of 8 bits"));
    assert!(fault(Deflate::new().peer_window_bits(16)).contains("a peer's window of 16 bits"));
    assert!(fault(Deflate::new().level(10)).contains("a level of 10"));
    assert!(fault(Deflate::new().max_windows(0)).contains("at least 1"));
    assert!(fault(Deflate::new().max_expansion(0)).contains("at least 1"));
    Deflate::new().window_bits(9).level(9).check().unwrap();
}
