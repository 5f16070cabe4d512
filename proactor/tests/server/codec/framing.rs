//! Codecs in the server: packets arrive whole and in order, and invalid bytes end their session.

use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use proactor::codec::{Codec, Decoded, Fixed, FrameError, Framing, LengthPrefixed, Lines, Raw};
use proactor::{CloseReason, Flow, Handler, NoMessage, SendError, Server, Session, Timeouts};

use super::echo::{Echo, Event, NulEnded, event, every_codec, framed, start};
use crate::harness::{PATIENCE, ReportsIds, address_of, backends, builder, connect, finish, round_trip};

#[test]
fn packets_arrive_whole_and_in_order_under_every_codec_in_every_split() {
    for backend in backends() {
        for (codec, packets, longest) in every_codec() {
            let (echo, events) = Echo::new();
            let (server, address) = start(backend, codec.clone(), echo);
            let few: Vec<_> = packets.iter().filter(|packet| packet.len() <= 300).take(6).cloned().collect();
            for (packets, piece) in [(&packets, usize::MAX), (&packets, 1000), (&few, 1)] {
                let stream = framed(&codec, packets);
                let back = round_trip(&connect(address), &stream, piece);
                assert!(
                    back == stream,
                    "{codec:?} to {longest} on {backend}: {} of {} bytes",
                    back.len(),
                    stream.len()
                );
                for packet in packets {
                    assert!(event(&events) == Event::Packet(packet.clone()), "{codec:?} on {backend}: another packet");
                }
                assert_eq!(event(&events), Event::Closed(CloseReason::ByPeer), "{codec:?} on {backend}");
            }
            finish(server);
        }
    }
}

#[test]
fn bytes_left_at_the_end_of_the_stream_are_a_line_or_a_protocol_error() {
    for backend in backends() {
        let (echo, events) = Echo::new();
        let (server, address) = start(backend, Lines::new().into_framing(), echo);
        assert_eq!(round_trip(&connect(address), b"one\r\ntwo", 1), b"one\ntwo\n");
        for expected in [b"one", b"two"] {
            assert_eq!(event(&events), Event::Packet(expected.to_vec()));
        }
        assert_eq!(event(&events), Event::Closed(CloseReason::ByPeer));
        finish(server);

        let (echo, events) = Echo::new();
        let (server, address) = start(backend, LengthPrefixed::u8().into_framing(), echo);
        assert_eq!(round_trip(&connect(address), b"\x03one\x03tw", 1), b"\x03one");
        assert_eq!(event(&events), Event::Packet(b"one".to_vec()));
        assert_eq!(event(&events), Event::Closed(CloseReason::Protocol));
        finish(server);
    }
}

#[test]
fn an_invalid_frame_ends_its_session_only_and_after_the_answers() {
    let counting = LengthPrefixed::u16().counting_header();
    let cases: [(Framing, &[u8], CloseReason); 6] = [
        (Lines::new().max_line(10).into_framing(), b"12345678901", CloseReason::FrameTooLarge),
        (LengthPrefixed::u8().max_packet(10).into_framing(), b"\x0b", CloseReason::FrameTooLarge),
        (LengthPrefixed::u32().max_packet(10).into_framing(), b"\xff\xff\xff\xff", CloseReason::FrameTooLarge),
        (LengthPrefixed::u64().into_framing(), b"\xff\xff\xff\xff\xff\xff\xff\xff", CloseReason::FrameTooLarge),
        (NulEnded.into_framing(), &[b'x'; 1000], CloseReason::FrameTooLarge),
        (counting.into_framing(), b"\x00\x01", CloseReason::Protocol),
    ];
    for backend in backends() {
        for (codec, bad, reason) in &cases {
            let (echo, events) = Echo::new();
            let (server, address) = start(backend, codec.clone(), echo);
            let quiet = framed(codec, &[b"#quiet".to_vec()]);
            let mut other = connect(address);
            let mut answered = |when: &str| {
                let mut back = vec![0; quiet.len()];
                other.write_all(&quiet).unwrap();
                other.read_exact(&mut back).unwrap_or_else(|error| panic!("{codec:?} on {backend}, {when}: {error}"));
                assert_eq!(back, quiet);
            };
            answered("before");
            let good = framed(codec, &[b"good".to_vec(), b"better".to_vec()]);
            let mut stream = connect(address);
            stream.write_all(&[&good, *bad].concat()).unwrap();
            let mut back = Vec::new();
            stream.read_to_end(&mut back).unwrap();
            assert_eq!(back, good, "{codec:?} on {backend}");
            drop(stream);
            assert_eq!(event(&events), Event::Packet(b"good".to_vec()));
            assert_eq!(event(&events), Event::Packet(b"better".to_vec()));
            assert_eq!(event(&events), Event::Closed(*reason), "{codec:?} on {backend}");
            answered("after");
            finish(server);
        }
    }
}

#[test]
fn an_unfinished_packet_times_out_and_a_session_between_packets_does_not() {
    for backend in backends() {
        for codec in [Lines::new().into_framing(), LengthPrefixed::u8().into_framing()] {
            let (echo, events) = Echo::new();
            let builder = builder(backend, 1).codec(codec.clone());
            let server = builder.timeouts(Timeouts::new().read(Duration::from_millis(100))).start(echo).unwrap();
            let address = address_of(&server);
            let whole = framed(&codec, &[b"#whole".to_vec()]);
            let mut between = connect(address);
            let mut answered = || {
                let mut back = vec![0; whole.len()];
                between.write_all(&whole).unwrap();
                between.read_exact(&mut back).unwrap();
            };
            answered();
            let mut slow = connect(address);
            slow.write_all(&whole[..whole.len() - 1]).unwrap();
            let _ = slow.read_to_end(&mut Vec::new());
            assert_eq!(event(&events), Event::Closed(CloseReason::ReadTimeout), "{codec:?} on {backend}");
            answered();
            finish(server);
        }
    }
}

#[test]
fn nothing_is_delivered_after_a_close_in_the_middle_of_a_burst() {
    for backend in backends() {
        let (echo, events) = Echo::new();
        let (server, address) = start(backend, Lines::new().into_framing(), echo);
        let back = round_trip(&connect(address), b"one\nquit\ntwo\nthree", usize::MAX);
        assert_eq!(back, b"one\nquit\n");
        assert_eq!(event(&events), Event::Packet(b"one".to_vec()));
        assert_eq!(event(&events), Event::Packet(b"quit".to_vec()));
        assert_eq!(event(&events), Event::Closed(CloseReason::ByHandler));
        finish(server);
    }
}

#[test]
fn a_codec_that_panics_ends_its_session_only() {
    for backend in backends() {
        let (echo, events) = Echo::new();
        let (server, address) = start(backend, NulEnded.into_framing(), echo);
        let mut other = connect(address);
        for (bad, handed) in [(&b"!\0"[..], None), (b"?\0", Some(b"?".to_vec()))] {
            let mut stream = connect(address);
            stream.write_all(bad).unwrap();
            let _ = stream.read_to_end(&mut Vec::new());
            if let Some(packet) = handed {
                assert_eq!(event(&events), Event::Packet(packet));
            }
            assert_eq!(event(&events), Event::Closed(CloseReason::Panic));
            other.write_all(b"#\0").unwrap();
            other.read_exact(&mut [0; 2]).unwrap();
        }
        // The same for a send from another thread.
        let (names, ids) = mpsc::channel();
        let (server_of_names, address) = start(backend, NulEnded.into_framing(), ReportsIds(names));
        let mut stream = connect(address);
        let id = ids.recv_timeout(PATIENCE).unwrap();
        server_of_names.handle().send(id, "well").unwrap();
        server_of_names.handle().send(id, "?").unwrap();
        let mut back = Vec::new();
        let _ = stream.read_to_end(&mut back);
        assert!(b"well\0".starts_with(&back[..]), "a part of a frame was sent: {back:?}");
        finish(server_of_names);
        finish(server);
    }
}

#[test]
fn a_codec_that_panics_when_it_is_cloned_ends_its_session_only() {
    struct Fragile(Arc<AtomicBool>);
    impl Clone for Fragile {
        fn clone(&self) -> Fragile {
            assert!(!self.0.load(Ordering::Relaxed), "asked to panic");
            Fragile(Arc::clone(&self.0))
        }
    }
    impl Codec for Fragile {
        fn decode(&mut self, bytes: &[u8]) -> Result<Decoded, FrameError> {
            Raw.decode(bytes)
        }
        fn encode(&mut self, packet: &[u8], out: &mut Vec<u8>) -> Result<(), FrameError> {
            Raw.encode(packet, out)
        }
        fn max_bytes(&self) -> usize {
            Raw.max_bytes()
        }
    }
    let (echo, events) = Echo::new();
    let breaks = Arc::default();
    let codec = Fragile(Arc::clone(&breaks)).into_framing();
    let (server, address) = start(backends()[0], codec, echo);
    let mut other = connect(address);
    let mut answered = || {
        other.write_all(b"#").unwrap();
        other.read_exact(&mut [0]).unwrap();
    };
    answered();
    breaks.store(true, Ordering::Relaxed);
    let _ = connect(address).read_to_end(&mut Vec::new());
    breaks.store(false, Ordering::Relaxed);
    answered();
    assert_eq!(round_trip(&connect(address), b"later", usize::MAX), b"later");
    assert_eq!(event(&events), Event::Packet(b"later".to_vec()));
    finish(server);
}

#[test]
fn a_packet_that_has_no_frame_is_an_error_of_the_send_and_queues_nothing() {
    #[derive(Clone)]
    struct Sends;
    impl Handler for Sends {
        type State = ();
        type Message = NoMessage;
        fn connected(&mut self, session: &Session) {
            let too_large = SendError::Frame(FrameError::TooLarge { limit: 10 });
            assert_eq!(session.send(b"12345678901"), Err(too_large));
            assert!(matches!(session.send(b"two\nlines"), Err(SendError::Frame(FrameError::Malformed(_)))));
            assert_eq!(session.queued(), 0);
            session.send(b"one line").unwrap();
            assert_eq!(session.queued(), b"one line\n".len());
            session.close();
        }
        fn received(&mut self, _: &Session, _: &mut (), _: &[u8]) -> Flow {
            Flow::Continue
        }
    }
    for backend in backends() {
        let (server, address) = start(backend, Lines::new().max_line(10).into_framing(), Sends);
        let (mut stream, mut back) = (connect(address), Vec::new());
        stream.read_to_end(&mut back).unwrap();
        assert_eq!(back, b"one line\n");
        finish(server);
    }
}

#[test]
fn packets_from_other_threads_are_framed_and_dropped_if_they_have_no_frame() {
    for backend in backends() {
        let (names, ids) = mpsc::channel();
        let (server, address) = start(backend, Lines::new().into_framing(), ReportsIds(names));
        let mut stream = connect(address);
        let id = ids.recv_timeout(PATIENCE).unwrap();
        for packet in ["one", "no\nline", "two"] {
            server.handle().send(id, packet).unwrap();
        }
        server.handle().close(id).unwrap();
        let mut back = Vec::new();
        stream.read_to_end(&mut back).unwrap();
        assert_eq!(back, b"one\ntwo\n");
        finish(server);
    }
}

#[test]
fn a_codec_out_of_range_is_named_by_the_error_of_the_start() {
    let cases = [
        (Lines::new().max_line(0).into_framing(), "lines of at most 0 bytes"),
        (LengthPrefixed::u8().max_packet(256).into_framing(), "at most 256 bytes behind a length of 1 byte"),
        (Fixed::new(0).into_framing(), "frames of 0 bytes"),
    ];
    for (codec, name) in cases {
        let (echo, _events) = Echo::new();
        let error = Server::builder().listen("127.0.0.1:0").shards(1).codec(codec).start(echo).unwrap_err();
        assert!(error.to_string().contains(name), "{error}");
    }
    let (echo, _events) = Echo::new();
    let server = Server::builder().listen("127.0.0.1:0").shards(1).codec(Raw).start(echo).unwrap();
    finish(server);
}
