//! Time-outs, heart-beats and rates, as flags.

use std::io::{Read, Write};

use crate::harness::Running;
use crate::members::{Frames, Member, enter};

#[test]
fn each_time_out_closes_for_its_reason() {
    for (flag, begin, reason) in [
        ("--idle-timeout", &b"hello\n"[..], "nothing was sent or received for too long"),
        ("--read-timeout", b"hello\nhalf a li", "a packet took too long to arrive"),
        ("--handshake-timeout", b"half a li", "the first packet took too long"),
    ] {
        for command in ["chat", "echo"] {
            let server = Running::of(crate::harness::proactor(&[
                command,
                "--listen",
                "127.0.0.1:0",
                "--codec",
                "lines",
                flag,
                "100ms",
            ]));
            let mut member = Member::connect(&server, Frames::Lines);
            // On a busy machine the time may be over before this is written. It may be reset rather than closed in order, since what it began is not read.
            let _ = member.stream.get_mut().write_all(begin);
            let _ = member.stream.read_to_end(&mut Vec::new());
            drop(member);
            let summary = server.summary();
            assert!(summary.contains(&format!("1 session (1: {reason})")), "{command} {flag}: {summary}");
        }
    }
}

#[test]
fn a_heart_beat_is_an_empty_packet_for_one_who_was_sent_nothing() {
    for (codec, frames) in [("lines", Frames::Lines), ("length", Frames::Length(4)), ("length2", Frames::Length(2))] {
        for command in ["chat", "echo"] {
            let server = Running::of(crate::harness::proactor(&[
                command,
                "--listen",
                "127.0.0.1:0",
                "--codec",
                codec,
                "--heartbeat",
                "50ms",
            ]));
            let mut member = Member::connect(&server, frames);
            for _ in 0..3 {
                assert_eq!(member.hear(), b"", "{command} {codec}");
            }
        }
    }
}

#[test]
fn who_sends_faster_than_the_rate_is_held_and_loses_nothing() {
    let said = |number| format!("line{number:04}");
    for (flag, high, low) in [("--packet-rate", "100:1", "1:10"), ("--byte-rate", "900:9", "100:90")] {
        let chat = Running::chat(&[flag, high]);
        let mut members = enter(&chat, Frames::Lines, None, 2);
        for number in 0..20 {
            members[0].say(said(number).as_bytes());
        }
        for number in 0..20 {
            assert_eq!(members[1].hear_said(), said(number), "{flag}");
        }
        // What would take minutes is cut short by a drain, which hands over nothing that was held.
        const LINES: usize = 8_000;
        let mut chat = Running::chat(&[flag, low]);
        let mut members = enter(&chat, Frames::Lines, None, 2);
        let lines: Vec<u8> = (0..LINES).flat_map(|number| Frames::Lines.of(said(number).as_bytes())).collect();
        members[0].write(&lines);
        let mut heard = 0;
        while heard < 10 {
            assert_eq!(members[1].hear_said(), said(heard), "{flag}");
            heard += 1;
        }
        chat.interrupt();
        while let Some(line) = members[1].try_hear().unwrap() {
            assert_eq!(line, said(heard).as_bytes(), "{flag}");
            heard += 1;
        }
        assert!(heard < LINES, "{flag}: {heard} lines were let through");
        drop(members);
        assert_eq!(chat.ended().code(), Some(0));
    }
}
