//! Codecs of `tokio_util` in the adapter find the packets of their formats in any split.

use bytes::Bytes;
use proactor::codec::{Assembly, Codec, FrameError, Framing, LengthPrefixed, Lines, TokioUtil};
use proptest::collection::vec;
use proptest::prelude::*;
use tokio_util::codec::{LengthDelimitedCodec, LinesCodec};

fn lines(max: usize) -> Framing {
    TokioUtil::<_, String>::new(LinesCodec::new(), max).into_framing()
}

fn frames(max: usize) -> Framing {
    TokioUtil::<_, Bytes>::new(LengthDelimitedCodec::new(), max).into_framing()
}

/// The packets of a stream that comes in pieces of these lengths, which repeat, and its error.
fn packets(codec: &mut Framing, stream: &[u8], lens: &[usize]) -> (Vec<Vec<u8>>, Option<FrameError>) {
    let (mut assembly, mut packets) = (Assembly::new(), Vec::new());
    let (mut rest, mut lens) = (stream, lens.iter().cycle());
    while !rest.is_empty() {
        let (mut piece, behind) = rest.split_at(rest.len().min(*lens.next().unwrap()));
        rest = behind;
        loop {
            match assembly.next(codec, &mut piece) {
                Ok(Some(packet)) => packets.push(packet.to_vec()),
                Ok(None) => break,
                Err(error) => return (packets, Some(error)),
            }
        }
        assert!(assembly.is_waiting() && assembly.memory() <= codec.max_bytes());
    }
    loop {
        match assembly.end(codec) {
            Ok(Some(packet)) => packets.push(packet.to_vec()),
            Ok(None) => return (packets, None),
            Err(error) => return (packets, Some(error)),
        }
    }
}

proptest! {
    #[test]
    fn lines_match_those_of_the_built_in_codec(text in "[a-z\r\n]{0,300}", lens in vec(1..50usize, 1..20)) {
        let (theirs, error) = packets(&mut lines(1000), text.as_bytes(), &lens);
        prop_assert_eq!(error, None);
        let (ours, _) = packets(&mut Lines::new().into_framing(), text.as_bytes(), &lens);
        prop_assert_eq!(theirs, ours);
    }

    #[test]
    fn frames_match_those_of_the_built_in_codec(sent in vec(vec(any::<u8>(), 0..100), 0..20), lens in vec(1..50usize, 1..20)) {
        let (mut theirs, mut ours) = (frames(1000), LengthPrefixed::u32().into_framing());
        let (mut stream, mut same) = (Vec::new(), Vec::new());
        for packet in &sent {
            theirs.encode(packet, &mut stream).unwrap();
            ours.encode(packet, &mut same).unwrap();
        }
        prop_assert_eq!(&stream, &same);
        prop_assert_eq!(packets(&mut theirs, &stream, &lens), (sent, None));
    }
}

#[test]
fn no_more_is_buffered_than_the_maximum() {
    let (found, error) = packets(&mut lines(10), b"123456789\n1234567890", &[7]);
    assert_eq!((found, error), (vec![b"123456789".to_vec()], Some(FrameError::TooLarge { limit: 10 })));
}

#[test]
fn errors_of_the_decoder_and_the_encoder_are_malformed_frames() {
    let (found, error) = packets(&mut frames(100), &[255; 8], &[3]);
    assert!(found.is_empty() && matches!(error, Some(FrameError::Malformed(_))), "{error:?}");
    let (_, error) = packets(&mut frames(100), &[0, 0, 0, 5, 1], &[3]);
    assert!(matches!(error, Some(FrameError::Malformed(_))), "a frame cut short: {error:?}");
    let mut out = b"before".to_vec();
    assert!(matches!(lines(100).encode(&[0xff], &mut out), Err(FrameError::Malformed(_))), "no text");
    assert_eq!(out, b"before");
    assert!(TokioUtil::<_, Bytes>::new(LengthDelimitedCodec::new(), 0).check().is_err());
}
