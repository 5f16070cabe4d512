//! Time-outs, heart-beats and rates, as flags.

use std::io::Read;
use std::time::{Duration, Instant};

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
            member.write(begin);
            // It may be reset rather than closed in order, since what it began is not read.
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
fn who_sends_faster_than_the_rate_is_slowed_down_and_loses_nothing() {
    for (flag, rate) in [("--packet-rate", "20:1"), ("--byte-rate", "180:9")] {
        let chat = Running::chat(&[flag, rate]);
        let mut members = enter(&chat, Frames::Lines, None, 2);
        let began = Instant::now();
        for number in 0..8 {
            // Byte rates count what arrives at once.
            members[0].say(format!("line{number:04}").as_bytes());
            assert_eq!(members[1].hear_said(), format!("line{number:04}"), "{flag}");
        }
        // Seven of them wait for a twentieth of a second each. No machine is too slow for this bound.
        assert!(began.elapsed() >= Duration::from_millis(200), "{flag}: {:?}", began.elapsed());
    }
}
