//! `proactor chat`: a packet reaches all other members of its room and nobody else.

use std::io::{Read, Write};

use crate::harness::Running;
use crate::members::{Frames, Member, enter, finish};

/// Eight bytes each, so that they are packets of every codec.
fn said(who: usize, number: usize) -> String {
    format!("{who:02}.{number:05}")
}

#[test]
fn two_members_hear_each_other_but_not_themselves_in_every_codec() {
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
        // In arbitrary pieces.
        for piece in packets.chunks(1001) {
            members[0].write(piece);
        }
        for number in 0..500 {
            assert_eq!(members[1].hear_said(), said(0, number), "{name}");
        }
        members[1].say(said(1, 0).as_bytes());
        // This is the first packet it hears: its own packets are not sent back.
        assert_eq!(members[0].hear_said(), said(1, 0), "{name}");
        let summary = finish(chat, &mut members);
        assert!(
            summary.contains("chat has ended: 2 sessions (2: the server was drained), 0 refused, 0 packets dropped"),
            "{summary}"
        );
    }
}

#[test]
fn raw_bytes_reach_the_other_member_unchanged() {
    let chat = Running::chat(&["--codec", "raw", "--shards", "1"]);
    let (mut one, mut other) = (chat.connect(), chat.connect());
    // With one shard, the client that connected first joins first and hears the other arrive.
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
fn fifty_members_hear_all_packets_of_the_others_in_the_same_order() {
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
    // Nothing is left to hear.
    chat.interrupt();
    for (who, member) in members.iter_mut().enumerate() {
        while let Some(packet) = member.try_hear().unwrap() {
            assert!(packet.starts_with(b"here"), "{who} hears too much: {packet:?}");
        }
    }
}

#[test]
fn lines_may_end_in_cr_lf_and_the_last_needs_no_end() {
    let chat = Running::chat(&[]);
    let mut members = enter(&chat, Frames::Lines, None, 2);
    members[0].write(b"one\r\ntwo \xff\nthree");
    members[0].finish();
    while members[1].hear() != b"one" {}
    for expected in [&b"two \xff"[..], b"three"] {
        assert_eq!(members[1].hear(), expected);
    }
    assert!(members[0].is_ended());
}

#[test]
fn only_the_sender_of_an_oversized_frame_is_disconnected() {
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
fn a_drain_delivers_queued_packets() {
    const PACKETS: usize = 5_000;
    let mut chat = Running::chat(&["--shards", "2"]);
    let mut members = enter(&chat, Frames::Lines, None, 3);
    let packets: Vec<u8> = (0..PACKETS).flat_map(|number| Frames::Lines.of(said(0, number).as_bytes())).collect();
    members[0].write(&packets);
    for number in 0..PACKETS {
        assert_eq!(members[1].hear_said(), said(0, number));
    }
    // One member has heard everything, so all was sent; the other has not read yet.
    terminate(&chat);
    for number in 0..PACKETS {
        assert_eq!(members[2].hear_said(), said(0, number));
    }
    // The shards drain at different times: a member that left before would end by itself.
    for member in &mut members {
        assert!(member.is_ended(), "closed in order");
    }
    drop(members);
    assert_eq!(chat.ended().code(), Some(0));
    let (log, summary) = chat.rest_of_log();
    assert_eq!(log, "");
    assert!(summary.contains("3 sessions (3: the server was drained)"), "{summary}");
}

/// Uses SIGTERM, which ends a program at once under Wine.
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
fn rooms_are_named_by_the_first_packet_and_are_separate() {
    let chat = Running::chat(&["--rooms", "--shards", "2"]);
    let mut garden = enter(&chat, Frames::Lines, Some("garden"), 3);
    let mut kitchen = enter(&chat, Frames::Lines, Some("kitchen"), 2);
    garden[0].say(b"roses");
    kitchen[0].say(b"soup");
    for member in &mut garden[1..] {
        assert_eq!(member.hear_said(), "roses");
    }
    assert_eq!(kitchen[1].hear_said(), "soup");
    // The next packet each hears is from its own room: nothing came across from the other.
    garden[1].say(b"tulips");
    kitchen[1].say(b"salt");
    assert_eq!(garden[0].hear_said(), "tulips");
    assert_eq!(kitchen[0].hear_said(), "salt");
    // An empty room can be joined again.
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
