//! A packet reaches every other member, and not its sender.

use std::io::Read;

use crate::client::{Client, packet};
use crate::server::Server;

/// While all members send at once: few enough packets per round that the sockets hold them all, and
/// enough rounds that a server's buffers wrap several times.
const ROUNDS: u64 = 100;
const ROUND_PACKETS: u64 = 50;
/// How many lengths their packets have.
const LENGTHS: usize = 2000;

/// Size and number of packets while one member does not read: far more than may be kept.
const LARGE_BYTES: usize = 8 * 1024;
const LARGE_PACKETS: u64 = 16 * 1024;

/// The memory kept for members that are behind must stay below this.
const GROWTH_MAX_BYTES: u64 = 64 * 1024 * 1024;

pub(crate) fn tried(server: &Server) {
    let mut members = vec![server.connect()];
    join(server, &mut members);
    join(server, &mut members);
    let two = [packet(64, 1), packet(0, 2)].concat();
    say(&mut members, 0, &[&two]);
    let cut = packet(300, 3);
    say(&mut members, 1, &[&cut[..2], &cut[2..100], &cut[100..]]);
    let burst: Vec<u8> = (0..100).flat_map(|seed| packet(100, seed)).collect();
    say(&mut members, 0, &[&burst]);
    // A member that heard itself would not receive this packet next.
    say(&mut members, 2, &[&packet(60_000, 4)]);
    say(&mut members, 0, &[&packet(5, 5)]);

    all_at_once(&mut members);

    members.remove(1).finish();
    members.remove(1).reset();
    join(server, &mut members);
    say(&mut members, 0, &[&packet(64, 6)]);
    one_that_never_reads(server, &mut members);
}

/// A new member greets, and has joined when the others hear it. The first member does not greet:
/// nobody may be there to hear it.
fn join(server: &Server, members: &mut Vec<Client>) {
    let newest = members.len();
    members.push(server.connect());
    say(members, newest, &[&packet(10, 7)]);
}

#[track_caller]
fn say(members: &mut [Client], speaker: usize, pieces: &[&[u8]]) {
    members[speaker].write_apart(pieces);
    let said = pieces.concat();
    for (_, member) in members.iter_mut().enumerate().filter(|(number, _)| *number != speaker) {
        member.expect(&said);
    }
}

/// Each hears the two others, in the order of each, and not itself.
fn all_at_once(members: &mut [Client]) {
    for round in 0..ROUNDS {
        let numbers = round * ROUND_PACKETS..(round + 1) * ROUND_PACKETS;
        for (speaker, member) in members.iter_mut().enumerate() {
            let said: Vec<u8> = numbers.clone().flat_map(|number| by(speaker, number)).collect();
            member.write(&said);
        }
        for (listener, member) in members.iter_mut().enumerate() {
            let mut next = [numbers.start; 3];
            for _ in 0..2 * ROUND_PACKETS {
                let mut begin = [0; 5];
                member.socket.read_exact(&mut begin).expect("the server delivers");
                let speaker = usize::from(begin[4]);
                assert!(speaker < 3 && speaker != listener, "{listener} hears {speaker}");
                let said = by(speaker, next[speaker]);
                assert_eq!(begin, said[..5], "the next of {speaker}");
                member.expect(&said[5..]);
                next[speaker] += 1;
            }
        }
    }
}

/// A packet that names its sender.
fn by(speaker: usize, number: u64) -> Vec<u8> {
    let length = 1 + number as usize * 37 % LENGTHS;
    let mut said = packet(length, 3 * number + speaker as u64);
    said[4] = speaker as u8;
    said
}

fn one_that_never_reads(server: &Server, members: &mut Vec<Client>) {
    join(server, members);
    let _stuck = members.pop();
    let [speaker, listener] = members.as_mut_slice() else {
        panic!("two are left");
    };
    let before = server.resident_bytes();
    for number in 0..LARGE_PACKETS {
        let said = packet(LARGE_BYTES, number);
        speaker.write(&said);
        listener.expect(&said);
    }
    let growth = server.resident_bytes().saturating_sub(before);
    assert!(growth < GROWTH_MAX_BYTES, "memory grew by {growth} bytes for one who never reads");
}
