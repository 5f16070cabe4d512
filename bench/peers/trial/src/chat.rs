//! What one says, every other hears, and the speaker does not.

use crate::client::{Client, packet};
use crate::server::Server;

/// Bytes of a packet while one member does not read, and how many of them are sent: far more than may be kept.
const LARGE_BYTES: usize = 8 * 1024;
const LARGE_PACKETS: u64 = 16 * 1024;

/// What is kept for members that are behind has to be less.
const GROWTH_MAX_BYTES: u64 = 64 * 1024 * 1024;

pub(crate) fn tried(server: &Server) {
    let mut members: Vec<Client> = Vec::new();
    for _ in 0..3 {
        join(server, &mut members);
    }
    let two = [packet(64, 1), packet(0, 2)].concat();
    say(&mut members, 0, &[&two]);
    let cut = packet(300, 3);
    say(&mut members, 1, &[&cut[..2], &cut[2..100], &cut[100..]]);
    let burst: Vec<u8> = (0..100).flat_map(|seed| packet(100, seed)).collect();
    say(&mut members, 0, &[&burst]);
    // Had one heard itself, the next packet would not be what it hears.
    say(&mut members, 2, &[&packet(60_000, 4)]);
    say(&mut members, 0, &[&packet(5, 5)]);

    // All at once: each hears the two others, each of these in its order.
    for (number, member) in members.iter_mut().enumerate() {
        let said: Vec<u8> = (0..50).flat_map(|seed| packet(number + 1, seed)).collect();
        member.write(&said);
    }
    for (number, member) in members.iter_mut().enumerate() {
        let mut heard = [0; 3];
        for _ in 0..100 {
            let mut prefix = [0; 4];
            std::io::Read::read_exact(&mut member.socket, &mut prefix).expect("the server delivers");
            let length = u32::from_be_bytes(prefix) as usize;
            assert!((1..=3).contains(&length), "no packet has {length} bytes");
            let from = length - 1;
            member.expect(&packet(length, heard[from])[4..]);
            heard[from] += 1;
        }
        assert_eq!(heard[number], 0, "nobody hears itself");
    }

    members.remove(1).finish();
    members.remove(1).reset();
    join(server, &mut members);
    say(&mut members, 0, &[&packet(64, 6)]);
    one_that_never_reads(server, &mut members);
}

/// A new member greets; that the others hear it shows that it is one.
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
