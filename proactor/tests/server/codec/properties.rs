//! Codecs and `Assembly` without sockets. A stream gives the same packets however it is split and
//! wherever its reader stops. Garbage takes no more memory than the codec's maximum.

use bytes::Bytes;
use proactor::codec::{Assembly, BacklogFull, Codec, Decoded, Fixed, FrameError, Framing, LengthPrefixed, Lines, Raw};
use proptest::collection::vec;
use proptest::prelude::*;

/// SLIP (RFC 1055): a codec that returns packets that it made. Frames end in END, which is escaped
/// inside a frame. Empty frames are skipped.
#[derive(Clone)]
struct Slip;

const END: u8 = 0xC0;
const ESCAPE: u8 = 0xDB;
const ESCAPED_END: u8 = 0xDC;
const ESCAPED_ESCAPE: u8 = 0xDD;
const SLIP_BYTES: usize = 300;

impl Codec for Slip {
    fn decode(&mut self, bytes: &[u8]) -> Result<Decoded, FrameError> {
        let ends = bytes.iter().take_while(|byte| **byte == END).count();
        if ends > 0 {
            return Ok(Decoded::Skip(ends));
        }
        let Some(end) = bytes.iter().position(|byte| *byte == END) else {
            return Ok(Decoded::Need(bytes.len() + 1));
        };
        if end >= SLIP_BYTES {
            return Err(FrameError::TooLarge { limit: SLIP_BYTES });
        }
        let (mut packet, mut frame) = (Vec::new(), bytes[..end].iter());
        while let Some(byte) = frame.next() {
            packet.push(match (*byte, byte) {
                (ESCAPE, _) => match frame.next() {
                    Some(&ESCAPED_END) => END,
                    Some(&ESCAPED_ESCAPE) => ESCAPE,
                    _ => return Err(FrameError::Malformed("an escape of nothing")),
                },
                (byte, _) => byte,
            });
        }
        Ok(Decoded::Made { packet: packet.into(), consumed: end + 1 })
    }

    fn encode(&mut self, packet: &[u8], out: &mut Vec<u8>) -> Result<(), FrameError> {
        if packet.is_empty() {
            return Err(FrameError::Malformed("an empty packet"));
        }
        let escaped = packet.iter().filter(|byte| matches!(**byte, END | ESCAPE)).count();
        if packet.len() + escaped >= SLIP_BYTES {
            return Err(FrameError::TooLarge { limit: SLIP_BYTES });
        }
        for byte in packet {
            match *byte {
                END => out.extend([ESCAPE, ESCAPED_END]),
                ESCAPE => out.extend([ESCAPE, ESCAPED_ESCAPE]),
                byte => out.push(byte),
            }
        }
        out.push(END);
        Ok(())
    }

    fn max_bytes(&self) -> usize {
        SLIP_BYTES
    }
}

const MAX: usize = 200;

fn prefixed() -> impl Strategy<Value = LengthPrefixed> {
    let width = prop_oneof![
        Just(LengthPrefixed::u8()),
        Just(LengthPrefixed::u16()),
        Just(LengthPrefixed::u32()),
        Just(LengthPrefixed::u64())
    ];
    (width, any::<bool>(), any::<bool>()).prop_map(|(mut codec, little, counting)| {
        if little {
            codec = codec.little_endian();
        }
        if counting {
            codec = codec.counting_header();
        }
        codec.max_packet(MAX)
    })
}

/// Every codec but `Raw`, whose packets depend on how the stream was split.
fn framing() -> impl Strategy<Value = Framing> {
    prop_oneof![
        Just(Lines::new().max_line(MAX).into_framing()),
        Just(Lines::new().max_line(MAX).crlf().into_framing()),
        prefixed().prop_map(Codec::into_framing),
        (1..MAX).prop_map(|bytes| Fixed::new(bytes).into_framing()),
        Just(Slip.into_framing()),
    ]
}

/// Random bytes with many that mean something to a codec: otherwise the first byte would fail.
fn garbage(most: usize) -> impl Strategy<Value = Vec<u8>> {
    let telling = |byte: u8| match byte {
        0..16 => b'\n',
        16..32 => b'\r',
        32..40 => END,
        40..48 => ESCAPE,
        48..112 => byte % 4,
        any => any,
    };
    vec(any::<u8>(), 0..most).prop_map(move |bytes| bytes.into_iter().map(telling).collect())
}

/// Lengths of pieces, and whether the reader stops after a packet. Both repeat.
fn way() -> impl Strategy<Value = (Vec<usize>, Vec<bool>)> {
    let len = prop_oneof![4 => 1..4usize, 3 => 1..70usize, 1 => 1..2000usize];
    (vec(len, 1..40), vec(any::<bool>(), 1..40))
}

type Packets = (Vec<Vec<u8>>, Option<FrameError>);

/// The packets that the codec finds in the whole stream.
fn reference(mut codec: Framing, stream: &[u8]) -> Packets {
    let (mut packets, mut at, mut ended) = (Vec::new(), 0, false);
    loop {
        let rest = &stream[at..];
        let decoded = if ended { codec.end(rest) } else { codec.decode(rest).map(Some) };
        match decoded {
            Ok(Some(Decoded::Frame { packet, consumed })) => {
                packets.push(rest[packet].to_vec());
                at += consumed;
            }
            Ok(Some(Decoded::Made { packet, consumed })) => {
                packets.push(packet.to_vec());
                at += consumed;
            }
            Ok(Some(Decoded::Skip(consumed))) => at += consumed,
            Ok(Some(Decoded::Need(total))) if total > codec.max_bytes() => {
                return (packets, Some(FrameError::TooLarge { limit: codec.max_bytes() }));
            }
            Ok(Some(Decoded::Need(_))) => ended = true,
            Ok(None) => return (packets, None),
            Err(error) => return (packets, Some(error)),
        }
    }
}

/// The packets that `Assembly` finds when the stream comes in pieces and the reader stops.
fn assembled(mut codec: Framing, stream: &[u8], (lens, stops): &(Vec<usize>, Vec<bool>)) -> Packets {
    let most = codec.max_bytes();
    let (mut lens, mut stops) = (lens.iter().cycle(), stops.iter().cycle());
    let (mut assembly, mut packets) = (Assembly::new(), Vec::new());
    let (mut rest, mut stopped) = (stream, false);
    while !rest.is_empty() {
        let (mut piece, behind) = rest.split_at(rest.len().min(*lens.next().unwrap()));
        rest = behind;
        if stopped {
            // This piece comes while the reader is stopped.
            assembly.keep(piece, usize::MAX).unwrap();
            piece = &[];
            stopped = false;
        }
        loop {
            match assembly.next(&mut codec, &mut piece) {
                Ok(Some(packet)) => packets.push(packet.to_vec()),
                Ok(None) => break,
                Err(error) => return (packets, Some(error)),
            }
            if *stops.next().unwrap() {
                assembly.keep(piece, usize::MAX).unwrap();
                (stopped, piece) = (true, &[]);
                break;
            }
        }
        assert!(piece.is_empty(), "it asks for more bytes and leaves some");
        if !stopped {
            assert!(assembly.is_waiting());
            assert!(assembly.len() < most && assembly.memory() <= most, "{assembly:?} for frames of {most}");
        }
    }
    loop {
        let packet = match assembly.next(&mut codec, &mut &[][..]) {
            Ok(Some(packet)) => packet.to_vec(),
            Ok(None) => match assembly.end(&mut codec) {
                Ok(Some(packet)) => packet.to_vec(),
                Ok(None) => return (packets, None),
                Err(error) => return (packets, Some(error)),
            },
            Err(error) => return (packets, Some(error)),
        };
        packets.push(packet);
    }
}

proptest! {
    #[test]
    fn any_split_with_any_stops_gives_the_packets_that_were_sent(
        codec in framing(),
        sent in vec(garbage(MAX), 0..12),
        way in way(),
    ) {
        let (mut stream, mut expected, mut encoder) = (Vec::new(), Vec::new(), codec.clone());
        for packet in sent {
            let before = stream.len();
            // Some codecs refuse some packets. Their own tests check which.
            if encoder.encode(&packet, &mut stream).is_ok() {
                prop_assert!(stream.len() - before <= codec.max_bytes());
                expected.push(packet);
            } else {
                prop_assert_eq!(stream.len(), before);
            }
        }
        prop_assert_eq!(&reference(codec.clone(), &stream), &(expected.clone(), None));
        prop_assert_eq!(assembled(codec, &stream, &way), (expected, None));
    }

    #[test]
    fn garbage_gives_the_same_packets_and_the_same_error_in_any_split(
        codec in framing(),
        stream in garbage(1000),
        way in way(),
    ) {
        prop_assert_eq!(reference(codec.clone(), &stream), assembled(codec, &stream, &way));
    }

    #[test]
    fn raw_bytes_all_come_in_order(len in 0..40_000usize, way in way()) {
        let stream: Vec<u8> = (0..len).map(|at| ((at * at) >> 3) as u8).collect();
        let (packets, error) = assembled(Raw.into_framing(), &stream, &way);
        prop_assert!(packets.iter().all(|packet| (1..=16 * 1024).contains(&packet.len())));
        prop_assert_eq!((packets.concat(), error), (stream, None));
    }

    #[test]
    fn a_codec_that_breaks_its_contract_is_an_error_and_no_panic(
        answers in vec(answer(), 1..20),
        stream in garbage(300),
        way in way(),
    ) {
        let codec = Scripted { answers, at: 0 }.into_framing();
        // No panic, no endless loop, and no memory over the maximum.
        let _ = assembled(codec, &stream, &way);
    }

    #[test]
    fn no_more_bytes_are_kept_than_the_limit(pieces in vec(vec(any::<u8>(), 0..50), 0..50), limit in 0..500usize) {
        let (mut assembly, mut kept) = (Assembly::new(), Vec::new());
        for piece in &pieces {
            match assembly.keep(piece, limit) {
                Ok(()) => kept.extend_from_slice(piece),
                Err(BacklogFull) => prop_assert!(kept.len() + piece.len() > limit),
            }
            prop_assert_eq!(assembly.len(), kept.len());
            prop_assert!(assembly.memory() <= limit);
        }
    }
}

/// Returns the given answers, then asks for more bytes.
#[derive(Clone, Debug)]
struct Scripted {
    answers: Vec<Decoded>,
    at: usize,
}

fn answer() -> impl Strategy<Value = Decoded> {
    let len = || 0..80usize;
    prop_oneof![
        (len(), len(), len()).prop_map(|(start, end, consumed)| Decoded::Frame { packet: start..end, consumed }),
        len().prop_map(|len| Decoded::Frame { packet: 0..len, consumed: len }),
        len().prop_map(|consumed| Decoded::Made { packet: Bytes::from_static(b"made"), consumed }),
        len().prop_map(Decoded::Skip),
        len().prop_map(Decoded::Need),
    ]
}

impl Codec for Scripted {
    fn decode(&mut self, bytes: &[u8]) -> Result<Decoded, FrameError> {
        self.at += 1;
        Ok(self.answers.get(self.at - 1).cloned().unwrap_or(Decoded::Need(bytes.len() + 1)))
    }
    fn encode(&mut self, _: &[u8], _: &mut Vec<u8>) -> Result<(), FrameError> {
        Err(FrameError::Malformed("there is no frame"))
    }
    fn max_bytes(&self) -> usize {
        64
    }
}

/// Counts calls of `decode`.
#[derive(Clone)]
struct Counted(Framing, std::sync::Arc<std::sync::atomic::AtomicUsize>);

impl Codec for Counted {
    fn decode(&mut self, bytes: &[u8]) -> Result<Decoded, FrameError> {
        self.1.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        self.0.decode(bytes)
    }
    fn encode(&mut self, packet: &[u8], out: &mut Vec<u8>) -> Result<(), FrameError> {
        self.0.encode(packet, out)
    }
    fn max_bytes(&self) -> usize {
        self.0.max_bytes()
    }
}

#[test]
fn a_frame_of_known_length_in_many_pieces_needs_few_calls_of_decode() {
    const LEN: usize = 100_000;
    let asked = std::sync::Arc::default();
    let inner = LengthPrefixed::u32().max_packet(LEN).into_framing();
    let mut codec = Counted(inner, std::sync::Arc::clone(&asked)).into_framing();
    let mut stream = Vec::new();
    codec.encode(&[7; LEN], &mut stream).unwrap();
    let (mut assembly, mut packets) = (Assembly::new(), 0);
    for mut piece in stream.chunks(1) {
        while let Some(packet) = assembly.next(&mut codec, &mut piece).unwrap() {
            assert_eq!(packet.len(), LEN);
            packets += 1;
        }
    }
    assert_eq!(packets, 1);
    let asked = asked.load(std::sync::atomic::Ordering::Relaxed);
    assert!(asked <= 8, "asked {asked} times");
}

#[test]
fn a_header_of_a_long_frame_reserves_no_memory() {
    let mut codec = LengthPrefixed::u32().max_packet(1 << 29).into_framing();
    let mut assembly = Assembly::new();
    let mut piece = &[0x20, 0, 0, 0, 1, 2, 3][..];
    assert!(assembly.next(&mut codec, &mut piece).unwrap().is_none());
    assert!(assembly.memory() < 100, "{}", assembly.memory());
    let mut over = &[0x20, 0, 0, 1][..];
    let mut other = Assembly::new();
    let error = other.next(&mut codec, &mut over).unwrap_err();
    assert_eq!((error, other.memory()), (FrameError::TooLarge { limit: 1 << 29 }, 0));
}

#[test]
fn a_packet_within_one_piece_is_a_slice_of_it_and_nothing_is_held_between_frames() {
    let mut codec = LengthPrefixed::u8().into_framing();
    let mut assembly = Assembly::new();
    let stream = *b"\x03one\x03two\x05three";
    let mut piece = &stream[..9];
    for at in [1, 5] {
        let packet = assembly.next(&mut codec, &mut piece).unwrap().unwrap();
        assert_eq!(packet.as_ptr(), stream[at..].as_ptr(), "copied");
    }
    assert!(assembly.next(&mut codec, &mut piece).unwrap().is_none());
    assert_eq!(assembly.len(), 1);
    let mut piece = &stream[9..];
    assert_eq!(&*assembly.next(&mut codec, &mut piece).unwrap().unwrap(), b"three");
    assert!(assembly.next(&mut codec, &mut piece).unwrap().is_none());
    assert_eq!(assembly.memory(), 0);
}

#[test]
fn an_unterminated_rest_is_a_line_or_a_frame_cut_short() {
    let rest = |codec: Framing, bytes: &[u8]| assembled(codec, bytes, &(vec![1], vec![false]));
    assert_eq!(rest(Lines::new().into_framing(), b"one\ntwo"), (vec![b"one".to_vec(), b"two".to_vec()], None));
    assert_eq!(rest(Lines::new().into_framing(), b"one\n"), (vec![b"one".to_vec()], None));
    let cut_short = (vec![], Some(FrameError::Unfinished));
    assert_eq!(rest(Fixed::new(3).into_framing(), b"on"), cut_short);
    assert_eq!(rest(LengthPrefixed::u16().into_framing(), b"\0"), cut_short);
    assert_eq!(rest(LengthPrefixed::u16().into_framing(), b"\0\x01"), cut_short);
    assert_eq!(rest(Raw.into_framing(), b""), (vec![], None));
}
