//! Options for timeouts, heartbeats and rates.

use std::io::{Read, Write};

use crate::harness::Running;
use crate::members::{Frames, Member, enter};

#[test]
fn each_time_out_closes_with_its_own_reason() {
    for (flag, begin, reason) in [
        ("--idle-timeout", &b"hello\n"[..], "nothing was sent or received for too long"),
        ("--receive-timeout", b"hello\n", "nothing was received for too long"),
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
            // On a busy machine the timeout may come before this write, which then ends in a
            // reset: the server closes with unread input.
            let _ = member.stream.get_mut().write_all(begin);
            let _ = member.stream.read_to_end(&mut Vec::new());
            drop(member);
            let summary = server.summary();
            assert!(summary.contains(&format!("1 session (1: {reason})")), "{command} {flag}: {summary}");
        }
    }
}

#[test]
fn a_heart_beat_is_an_empty_packet_to_a_quiet_session() {
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
fn a_heart_beat_that_comes_always_comes_between_other_packets() {
    let server = Running::chat(&["--heartbeat", "50ms", "--heartbeat-always", "--receive-timeout", "20s"]);
    let mut members = enter(&server, Frames::Lines, None, 2);
    // What is said lets no time pass without a packet.
    let mut beats = 0;
    while beats < 3 {
        members[0].say(b"said");
        loop {
            match &members[1].hear()[..] {
                b"" => beats += 1,
                b"said" => break,
                other => assert!(other.starts_with(b"here"), "{other:?}"),
            }
        }
    }
}

#[test]
fn an_answer_to_a_heartbeat_reaches_nobody_and_names_no_room() {
    let pages = ["--http", "127.0.0.1:0"];
    for (flags, room) in [(&[][..], None), (&["--rooms"], Some("room")), (&pages, None)] {
        let server = Running::chat(flags);
        let mut members = enter(&server, Frames::Lines, room, 2);
        members[0].write(b"\nsaid\n");
        assert_eq!(members[1].hear_said(), "said", "{flags:?}");
        let mut late = Member::connect(&server, Frames::Lines);
        late.write(b"\n");
        if room.is_some() {
            late.write(b"room\n");
        }
        late.write(b"late\n");
        assert_eq!(members[1].hear_said(), "late", "{flags:?}");
    }
}

#[test]
fn a_session_over_its_rate_is_slowed_and_loses_nothing() {
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
        // The rest would take minutes. A drain cuts it at its deadline.
        const LINES: usize = 8_000;
        let mut chat = Running::chat(&[flag, low, "--drain-timeout", "300ms"]);
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
        assert_eq!(chat.ended().code(), Some(3), "packets were left");
    }
}
