//! Sections 9 (limits) and 10 (fragments by themselves), and what is over a limit.

use super::{Answer, DONE, Input, MOST, SHORT, TOO_BIG, echo, pong, text};
use crate::websocket::frame::MessageKind;

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

#[test]
fn section_9_1_and_9_2_long_messages_of_one_frame() {
    for (index, size) in [64 * KIB, 256 * KIB, MIB, 4 * MIB, 8 * MIB, 16 * MIB].into_iter().enumerate() {
        let payload = vec![b'*'; size];
        let input = Input::new().text(&payload).close(1000, "");
        input.gives_in_pieces(&format!("9.1.{}", index + 1), 16 * KIB, &[text(&payload), DONE]);
        let input = Input::new().binary(&payload);
        input.gives_in_pieces(&format!("9.2.{}", index + 1), 16 * KIB, &[Answer::Binary(payload)]);
    }
}

#[test]
fn section_9_3_and_9_4_long_messages_in_fragments() {
    let payload = vec![b'*'; 4 * MIB];
    for (index, size) in [64, 256, KIB, 4 * KIB, 16 * KIB, 64 * KIB, 256 * KIB, MIB, 4 * MIB].into_iter().enumerate() {
        let input = Input::new().message(MessageKind::Text, &payload, size);
        input.gives_in_pieces(&format!("9.3.{}", index + 1), 16 * KIB, &[text(&payload)]);
        let input = Input::new().message(MessageKind::Binary, &payload, size);
        input.gives_in_pieces(&format!("9.4.{}", index + 1), 16 * KIB, &[Answer::Binary(payload.clone())]);
    }
}

#[test]
fn section_9_5_and_9_6_long_messages_in_small_pieces() {
    let payload = vec![b'*'; MIB];
    for (index, piece) in [64, 128, 256, 512, 1024, 2048].into_iter().enumerate() {
        Input::new().text(&payload).gives_in_pieces(&format!("9.5.{}", index + 1), piece, &[text(&payload)]);
        let input = Input::new().binary(&payload);
        input.gives_in_pieces(&format!("9.6.{}", index + 1), piece, &[Answer::Binary(payload.clone())]);
    }
}

#[test]
fn section_9_7_and_9_8_many_messages() {
    for size in [0, 16, 64, 256, KIB, 4 * KIB] {
        let payload = vec![b'*'; size];
        let mut input = Input::new();
        for _ in 0..1000 {
            input = input.text(&payload).binary(&payload);
        }
        let answers: Vec<Answer> = (0..1000).flat_map(|_| [text(&payload), Answer::Binary(payload.clone())]).collect();
        input.gives_in_pieces("9.7 and 9.8", 16 * KIB, &answers);
        input.gives_in_pieces("9.7 and 9.8", 1, &answers);
    }
}

#[test]
fn section_10_a_message_in_fragments_of_1300_bytes() {
    let payload = vec![b'*'; 65_536];
    Input::new().message(MessageKind::Text, &payload, 1300).gives("10.1.1", &[text(&payload)]);
}

#[test]
fn a_message_over_the_limit_is_refused_by_its_header() {
    let most = 100;
    let whole = Input::new().binary([1; 100]).binary([1; 101]).0;
    let (answers, _) = echo([&whole[..]], most);
    assert_eq!(answers, [Answer::Binary(vec![1; 100]), TOO_BIG]);
    let header_end = whole.len() - 101;
    let (answers, closed) = echo(whole.chunks(1), most);
    assert_eq!((answers.len(), closed), (2, header_end - 1), "nothing of its payload is waited for");

    let in_fragments = Input::new().first([b'a'; 60]).ping("between").last([b'a'; 41]).0;
    assert_eq!(echo([&in_fragments[..]], most).0, [pong("between"), TOO_BIG]);
    let exact = Input::new().first([b'a'; 60]).last([b'a'; 40]).0;
    assert_eq!(echo(exact.chunks(1), most).0, [text([b'a'; 100])]);
    // A length that no memory has.
    let endless = b"\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00";
    assert_eq!(echo([&endless[..]], MOST).0, [TOO_BIG]);
    let counted = Input::new().first("a").0;
    let overflowing = [&counted[..], b"\x80\xff\x7f\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00"].concat();
    assert_eq!(echo([&overflowing[..]], u32::MAX).0, [TOO_BIG]);
}

#[test]
fn fragments_of_one_byte_or_of_none_come_to_an_end() {
    for payload in [&b"x"[..], b""] {
        let mut input = Input::new().first(payload);
        for _ in 0..SHORT {
            input = input.next(payload);
        }
        let (answers, _) = echo(input.0.chunks(7), SHORT as u32);
        assert_eq!(answers, [TOO_BIG], "fragments of {} bytes", payload.len());
        let frame = 6 + payload.len();
        let (answers, _) = echo(input.0[..SHORT * frame].chunks(7), SHORT as u32);
        assert!(answers.is_empty(), "as many as the limit has bytes");
    }
}
