//! A member that never reads, under each policy: the others lose nothing.

use std::io::Write;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use socket2::SockRef;

use crate::harness::{Running, wait_until};
use crate::members::{Frames, Member, enter, finish};

/// In bytes.
const PACKET: usize = 16 * 1000;
/// More than a connection holds when nobody reads and its receive buffer cannot grow.
const MOST_BYTES: usize = 64 << 20;

fn packet(number: usize) -> Vec<u8> {
    let mut packet = format!("{number:08}").into_bytes();
    packet.resize(PACKET, b'.');
    packet
}

fn number_of(packet: &[u8]) -> usize {
    assert_eq!(packet.len(), PACKET, "packets are whole");
    assert!(packet[8..].iter().all(|byte| *byte == b'.'));
    std::str::from_utf8(&packet[..8]).unwrap().parse().unwrap()
}

/// Starts a chat with three members: a sender, a listener, and one that does not read.
fn start(arguments: &[&str]) -> (Running, Member, Member, Member) {
    let chat =
        Running::chat(&[&["--max-frame", "16000", "--outbox-bytes", "64KiB", "--shards", "2"], arguments].concat());
    let mut members = enter(&chat, Frames::Lines, None, 3);
    SockRef::from(members[2].stream.get_ref()).set_recv_buffer_size(16 * 1024).unwrap();
    let (idle, listener, speaker) = (members.pop(), members.pop(), members.pop());
    (chat, speaker.unwrap(), listener.unwrap(), idle.unwrap())
}

/// Sends packet after packet, each once the listener has received the previous one, until `enough`.
/// Returns the number sent.
fn converse(speaker: &mut Member, listener: &mut Member, mut enough: impl FnMut() -> bool) -> usize {
    let mut number = 0;
    while !enough() {
        assert!(number * PACKET < MOST_BYTES, "there is never an end of it");
        speaker.say(&packet(number));
        let mut heard = listener.hear();
        while heard.starts_with(b"here") {
            heard = listener.hear();
        }
        assert_eq!(number_of(&heard), number, "the listener misses nothing");
        number += 1;
    }
    number
}

#[test]
fn close_reports_the_reason_and_the_others_continue() {
    for policy in ["pause", "close"] {
        let (chat, mut speaker, mut listener, idle) = start(&["--slow-consumer", policy]);
        converse(&mut speaker, &mut listener, || idle.is_reset());
        converse_again(&mut speaker, &mut listener);
        drop(idle);
        let summary = finish(chat, &mut [speaker, listener]);
        assert!(
            summary.contains("1: the peer was too slow") && summary.contains(" 0 packets dropped"),
            "{policy}: {summary}"
        );
    }
}

fn converse_again(speaker: &mut Member, listener: &mut Member) {
    let mut rest = 10;
    converse(speaker, listener, || {
        rest -= 1;
        rest == 0
    });
}

#[test]
fn drop_oldest_delivers_whole_packets_in_order_and_the_last_one() {
    let (chat, mut speaker, mut listener, mut idle) = start(&["--slow-consumer", "drop-oldest"]);
    let mut bytes = 0;
    let count = converse(&mut speaker, &mut listener, || {
        bytes += PACKET;
        bytes > MOST_BYTES / 2
    });
    SockRef::from(idle.stream.get_ref()).set_recv_buffer_size(1 << 20).unwrap();
    let mut heard = Vec::new();
    while heard.last() != Some(&(count - 1)) {
        let packet = idle.hear();
        if packet.len() == PACKET {
            heard.push(number_of(&packet));
        }
    }
    assert!(heard.is_sorted_by(|one, next| one < next), "in order");
    assert!(heard.len() < count, "some were dropped");
    let summary = finish(chat, &mut [speaker, listener, idle]);
    assert!(summary.contains("3 sessions (3: the server was drained)"), "{summary}");
    let dropped = format!(" {} packets dropped", count - heard.len());
    assert!(summary.contains(&dropped), "{dropped}: {summary}");
}

#[test]
fn the_write_time_out_resets_a_member_that_takes_nothing() {
    let (chat, mut speaker, mut listener, idle) =
        start(&["--slow-consumer", "drop-oldest", "--write-timeout", "300ms"]);
    let (mut bytes, mut reset) = (0, false);
    converse(&mut speaker, &mut listener, || {
        bytes += PACKET;
        // The reset is reported once.
        reset |= idle.is_reset();
        reset || bytes > MOST_BYTES / 2
    });
    wait_until("it is reset", || reset || idle.is_reset());
    converse_again(&mut speaker, &mut listener);
    drop(idle);
    let summary = finish(chat, &mut [speaker, listener]);
    assert!(summary.contains("1: the peer took nothing for too long"), "{summary}");
}

#[test]
fn echo_continues_with_a_client_whose_answers_were_dropped() {
    let policy = ["--slow-consumer", "drop-oldest", "--outbox-bytes", "64KiB", "--max-frame", "16000"];
    let echo = Running::echo(&[&["--listen", "127.0.0.1:0", "--codec", "lines"], &policy[..]].concat());
    let mut client = Member::connect(&echo, Frames::Lines);
    SockRef::from(client.stream.get_ref()).set_recv_buffer_size(16 * 1024).unwrap();
    // The server keeps reading from it, however much is queued.
    let count = MOST_BYTES / 2 / PACKET;
    for number in 0..count {
        client.say(&packet(number));
    }
    SockRef::from(client.stream.get_ref()).set_recv_buffer_size(1 << 20).unwrap();
    let mut speaker = client.stream.get_ref().try_clone().unwrap();
    let heard = std::thread::scope(|scope| {
        let (told, is_told) = mpsc::channel::<()>();
        scope.spawn(move || {
            // Until an answer is not dropped.
            while is_told.recv_timeout(Duration::from_millis(5)) == Err(RecvTimeoutError::Timeout) {
                speaker.write_all(b"end\n").unwrap();
            }
        });
        let mut heard = Vec::new();
        loop {
            match client.hear() {
                end if end == b"end" => break,
                packet => heard.push(number_of(&packet)),
            }
        }
        drop(told);
        heard
    });
    assert!(heard.is_sorted_by(|one, next| one < next), "in order");
    assert!(heard.len() < count, "some were dropped");
}
