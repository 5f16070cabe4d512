//! Chatting: what one says, all others of the room hear, and nobody else.

use std::io::{Read, Write};

use crate::harness::Running;
use crate::members::{Frames, Member, enter, finish};

/// Eight bytes, so that they are packets of every codec.
fn said(who: usize, number: usize) -> String {
    format!("{who:02}.{number:05}")
}

#[test]
fn two_members_hear_each_other_in_every_codec_and_not_themselves() {
    let codecs = [
        ("lines", Frames::Lines),
        ("length", Frames::Length(4)),
        ("length2", Frames::Length(2)),
        ("fixed:8", Frames::Fixed(8)),
    ];
    for (name, frames) in codecs {
        let chat = Running::chat(&["--codec", name, "--shards", "2"]);
        let mut members = enter(&chat, frames, None, 2);
        let packets: Vec<u8> = (0..500).flat_map(|number| frames.of(said(0, number).as_bytes())).collect();
        // In pieces that end anywhere.
        for piece in packets.chunks(1001) {
            members[0].write(piece);
        }
        for number in 0..500 {
            assert_eq!(members[1].hear_said(), said(0, number), "{name}");
        }
        members[1].say(said(1, 0).as_bytes());
        // The first thing that it hears: nothing of what it said itself.
        assert_eq!(members[0].hear_said(), said(1, 0), "{name}");
        let summary = finish(chat, &mut members);
        assert!(
            summary.contains("chat has ended: 2 sessions (2: the server was drained), 0 refused, 0 packets dropped"),
            "{summary}"
        );
    }
}

#[test]
fn raw_bytes_reach_the_other_as_they_are() {
    let chat = Running::chat(&["--codec", "raw", "--shards", "1"]);
    let (mut one, mut other) = (chat.connect(), chat.connect());
    // With one shard whoever connected first is there first, and hears that the other is.
    other.write_all(b"here").unwrap();
    let mut here = [0; 4];
    one.read_exact(&mut here).unwrap();
    let bytes: Vec<u8> = (0..100_000_u32).map(|at| ((at * 31) >> 3) as u8).collect();
    one.write_all(&bytes).unwrap();
    let mut heard = vec![0; bytes.len()];
    other.read_exact(&mut heard).unwrap();
    assert!(heard == bytes);
}

#[test]
fn fifty_members_each_hear_every_packet_of_all_others_in_the_same_order() {
    const MEMBERS: usize = 50;
    const PACKETS: usize = 20;
    let chat = Running::chat(&["--shards", "2"]);
    let mut members = enter(&chat, Frames::Lines, None, MEMBERS);
    for number in 0..PACKETS {
        for (who, member) in members.iter_mut().enumerate() {
            member.say(said(who, number).as_bytes());
        }
    }
    let heard: Vec<Vec<String>> =
        members.iter_mut().map(|member| (0..(MEMBERS - 1) * PACKETS).map(|_| member.hear_said()).collect()).collect();
    for (who, heard_by_one) in heard.iter().enumerate() {
        for speaker in (0..MEMBERS).filter(|speaker| *speaker != who) {
            let of_one: Vec<&String> =
                heard_by_one.iter().filter(|packet| packet.starts_with(&format!("{speaker:02}."))).collect();
            assert!(
                of_one.into_iter().cloned().eq((0..PACKETS).map(|number| said(speaker, number))),
                "{who} hears {speaker}"
            );
        }
        let without = |packets: &[String]| -> Vec<String> {
            let others = packets
                .iter()
                .filter(|packet| !packet.starts_with(&format!("{who:02}.")) && !packet.starts_with("00."));
            others.cloned().collect()
        };
        assert!(without(heard_by_one) == without(&heard[0]), "{who} hears all in another order than the first");
    }
    // Nobody has anything left to hear.
    chat.interrupt();
    for (who, member) in members.iter_mut().enumerate() {
        while let Some(packet) = member.try_hear().unwrap() {
            assert!(packet.starts_with(b"here"), "{who} hears too much: {packet:?}");
        }
    }
}

#[test]
fn lines_may_end_in_cr_lf_may_be_empty_and_the_last_needs_no_end() {
    let chat = Running::chat(&[]);
    let mut members = enter(&chat, Frames::Lines, None, 2);
    members[0].write(b"one\r\n\ntwo \xff\nthree");
    members[0].finish();
    while members[1].hear() != b"one" {}
    for expected in [&b""[..], b"two \xff", b"three"] {
        assert_eq!(members[1].hear(), expected);
    }
    assert!(members[0].is_ended());
}

#[test]
fn whoever_sends_too_long_a_frame_is_closed_and_nobody_else() {
    for (name, frames) in [("lines", Frames::Lines), ("length", Frames::Length(4)), ("length2", Frames::Length(2))] {
        let chat = Running::chat(&["--codec", name, "--max-frame", "10", "--shards", "1"]);
        let mut members = enter(&chat, frames, None, 3);
        members[0].say(b"0123456789");
        members[0].say(b"0123456789a");
        for other in &mut members[1..] {
            assert_eq!(other.hear_said(), "0123456789", "{name}");
        }
        while members[0].try_hear().unwrap().is_some() {}
        members[1].say(b"go on");
        assert_eq!(members[2].hear_said(), "go on", "{name}");
        let summary = finish(chat, &mut members);
        assert!(summary.contains("1: a frame was over the limit;"), "{summary}");
    }
}

#[test]
fn a_drain_delivers_what_was_said() {
    const PACKETS: usize = 5_000;
    let mut chat = Running::chat(&["--shards", "2"]);
    let mut members = enter(&chat, Frames::Lines, None, 3);
    let packets: Vec<u8> = (0..PACKETS).flat_map(|number| Frames::Lines.of(said(0, number).as_bytes())).collect();
    members[0].write(&packets);
    for number in 0..PACKETS {
        assert_eq!(members[1].hear_said(), said(0, number));
    }
    // One has heard all, so all was said; the other has not read any.
    terminate(&chat);
    for number in 0..PACKETS {
        assert_eq!(members[2].hear_said(), said(0, number));
    }
    assert!(members[2].is_ended(), "closed in order");
    drop(members);
    assert_eq!(chat.ended().code(), Some(0));
    let (log, summary) = chat.rest_of_log();
    assert_eq!(log, "");
    assert!(summary.contains("3 sessions (3: the server was drained)"), "{summary}");
}

/// By SIGTERM, where there is one: under Wine it ends a program at once.
#[cfg(unix)]
fn terminate(chat: &Running) {
    use rustix::process::{Pid, Signal, kill_process};
    if crate::harness::windows() {
        return chat.interrupt();
    }
    kill_process(Pid::from_child(&chat.child), Signal::TERM).unwrap();
}

#[cfg(windows)]
fn terminate(chat: &Running) {
    chat.interrupt();
}

#[test]
fn rooms_are_named_by_the_first_packet_and_hear_nothing_of_each_other() {
    let chat = Running::chat(&["--rooms", "--shards", "2"]);
    let mut garden = enter(&chat, Frames::Lines, Some("garden"), 3);
    let mut kitchen = enter(&chat, Frames::Lines, Some("kitchen"), 2);
    garden[0].say(b"roses");
    kitchen[0].say(b"soup");
    for member in &mut garden[1..] {
        assert_eq!(member.hear_said(), "roses");
    }
    assert_eq!(kitchen[1].hear_said(), "soup");
    // Each hears what is said next in its own room, so nothing of the other's was between.
    garden[1].say(b"tulips");
    kitchen[1].say(b"salt");
    assert_eq!(garden[0].hear_said(), "tulips");
    assert_eq!(kitchen[0].hear_said(), "salt");
    // A room that all have left can be entered again.
    for member in &mut garden {
        member.finish();
        while member.try_hear().unwrap().is_some() {}
    }
    let mut again = enter(&chat, Frames::Lines, Some("garden"), 2);
    again[0].say(b"weeds");
    assert_eq!(again[1].hear_said(), "weeds");
    let mut verbose = Member::connect(&chat, Frames::Lines);
    verbose.say(&[b'x'; 257]);
    assert!(verbose.is_ended(), "a name of 257 bytes is too long");
}
