//! One member speaks and all others hear it. So many messages are under way at a time; one is done
//! when every other member has it whole and right, and what has become free is said in one write. A
//! unit is a delivery: one message at one member.

use std::time::Instant;

use anyhow::{Result, bail, ensure};

use super::load::{self, Load};
use super::measurement::Measurement;
use super::message::first_difference;
use super::pipelined::{PREFIX, append_packet};
use super::setup::Setup;
use super::window::Window;
use crate::Random;

/// The member that speaks.
const SPEAKER: usize = 0;

/// Different messages, said over and over in this order. A prime, so that no server's buffer holds
/// a whole number of rounds of them; far more than may be under way, so that neither an older nor a
/// later message passes for the one expected.
const DIFFERENT: usize = 1021;

/// The most that may be under way.
const MOST_OUTSTANDING: usize = 512;

pub(super) fn run(setup: &Setup) -> Result<Measurement> {
    let case = &setup.case;
    let (members, outstanding) = (case.get("members"), case.get("outstanding"));
    ensure!(members >= 2, "a fan-out has a speaker and somebody who hears it");
    ensure!(outstanding <= MOST_OUTSTANDING, "at most {MOST_OUTSTANDING} outstanding");
    ensure!(case.get("size") <= 1 << 20, "messages of at most 1 MiB");
    // Members that never read: in the room before anything is said, and held until the end.
    let stuck = setup.connect(case.get("stuck"))?;
    let sockets = setup.connect(members)?;
    let load = &mut Room::new(members, case.get("size"), outstanding);
    // One who enters after a message was said does not hear it.
    setup.let_server_rest()?;
    let measurement = load::run(sockets, load, setup.window()?)?;
    drop(stuck);
    Ok(measurement)
}

struct Room {
    /// All different messages in their frames, one after the other.
    script: Vec<u8>,
    /// Bytes of a message and its length.
    framed: usize,
    outstanding: usize,
    /// Messages that were let go, and bytes of them that were sent.
    said: u64,
    sent: u64,
    /// Messages that every other member has.
    done: u64,
    /// Bytes that each member has heard.
    heard: Vec<u64>,
    /// For each message under way, by its number modulo [`DIFFERENT`]: when it was let go, and how
    /// many members do not have it.
    under_way: Vec<(Instant, usize)>,
}

impl Room {
    fn new(members: usize, size: usize, outstanding: usize) -> Self {
        let mut random = Random::new(0x700);
        let mut script = Vec::with_capacity(DIFFERENT * (PREFIX + size));
        for _ in 0..DIFFERENT {
            append_packet(&mut script, size, &mut random);
        }
        Self {
            script,
            framed: PREFIX + size,
            outstanding,
            said: 0,
            sent: 0,
            done: 0,
            heard: vec![0; members],
            under_way: vec![(Instant::now(), 0); DIFFERENT],
        }
    }

    /// Lets go of as many messages as are free. Whether there were any.
    fn say(&mut self, now: Instant) -> bool {
        let most = self.done + self.outstanding as u64;
        let any = self.said < most;
        while self.said < most {
            let place = (self.said % DIFFERENT as u64) as usize;
            self.under_way[place] = (now, self.heard.len() - 1);
            self.said += 1;
        }
        any
    }

    fn said_bytes(&self) -> u64 {
        self.said * self.framed as u64
    }

    /// Where in the script a place of the endless stream is.
    fn place(&self, position: u64) -> usize {
        (position % self.script.len() as u64) as usize
    }
}

impl Load for Room {
    fn start(&mut self, now: Instant) {
        self.say(now);
    }

    fn unsent(&self, connection: usize) -> &[u8] {
        if connection != SPEAKER {
            return &[];
        }
        let begin = self.place(self.sent);
        let count = (self.said_bytes() - self.sent) as usize;
        &self.script[begin..self.script.len().min(begin + count)]
    }

    fn sent(&mut self, _connection: usize, count: usize) {
        self.sent += count as u64;
    }

    fn received(&mut self, connection: usize, bytes: &[u8], now: Instant, window: &mut Window) -> Result<()> {
        ensure!(connection != SPEAKER, "the speaker hears itself: {} bytes came", bytes.len());
        let before = self.heard[connection];
        let more = self.sent - before;
        ensure!(
            bytes.len() as u64 <= more,
            "member {connection}, message {}: {} bytes came where {more} are under way",
            before / self.framed as u64,
            bytes.len(),
        );
        let mut rest = bytes;
        let mut position = before;
        while !rest.is_empty() {
            let expected = &self.script[self.place(position)..];
            let (part, after) = rest.split_at(rest.len().min(expected.len()));
            if *part != expected[..part.len()] {
                let wrong = position + first_difference(part, expected) as u64;
                let framed = self.framed as u64;
                bail!(
                    "member {connection}, message {}: byte {} of {framed} is not what was said",
                    wrong / framed,
                    wrong % framed
                );
            }
            position += part.len() as u64;
            rest = after;
        }
        self.heard[connection] = position;
        for message in before / self.framed as u64..position / self.framed as u64 {
            let (said, missing) = &mut self.under_way[(message % DIFFERENT as u64) as usize];
            *missing -= 1;
            window.completed(1, now - *said);
        }
        Ok(())
    }

    fn other_senders(&mut self, now: Instant, window: &Window, senders: &mut Vec<usize>) {
        while self.done < self.said && self.under_way[(self.done % DIFFERENT as u64) as usize].1 == 0 {
            self.done += 1;
        }
        if !window.is_over() && self.say(now) {
            senders.push(SPEAKER);
        }
    }

    fn is_quiet(&self) -> bool {
        self.done == self.said
    }

    fn describe(&self, connection: usize) -> String {
        let framed = self.framed as u64;
        let heard = self.heard[connection];
        let (whole, part) = (heard / framed, heard % framed);
        match connection {
            SPEAKER => format!("the speaker: {} bytes of {} messages sent", self.sent, self.said),
            _ => format!("member {connection}: {whole} of {} messages heard, and {part} bytes", self.said),
        }
    }

    fn describe_outstanding(&self) -> String {
        let missing = self.under_way[(self.done % DIFFERENT as u64) as usize].1;
        let behind = (1..self.heard.len()).min_by_key(|&member| self.heard[member]);
        let behind = behind.map(|member| self.describe(member));
        format!("message {}: {missing} do not have it; {}", self.done, behind.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: usize = 10;
    const FRAMED: usize = PREFIX + SIZE;

    /// A room in which the first messages are sent, and their bytes.
    fn room(members: usize, outstanding: usize) -> (Room, Vec<u8>) {
        let mut room = Room::new(members, SIZE, outstanding);
        room.start(Instant::now());
        let said = room.unsent(SPEAKER).to_vec();
        assert_eq!(said.len(), outstanding * FRAMED);
        room.sent(SPEAKER, said.len());
        (room, said)
    }

    fn hear(room: &mut Room, member: usize, bytes: &[u8]) -> Result<()> {
        room.received(member, bytes, Instant::now(), &mut Window::for_test())
    }

    /// What the speaker sends next.
    fn next(room: &mut Room) -> Vec<u8> {
        let mut senders = Vec::new();
        room.other_senders(Instant::now(), &Window::for_test(), &mut senders);
        assert_eq!(senders.is_empty(), room.unsent(SPEAKER).is_empty());
        room.unsent(SPEAKER).to_vec()
    }

    #[test]
    fn a_message_is_done_when_all_others_have_it_and_the_next_is_said() {
        let (mut room, said) = room(4, 2);
        for member in 1..4 {
            assert!(next(&mut room).is_empty());
            hear(&mut room, member, &said[..FRAMED + 3]).unwrap();
        }
        let more = next(&mut room);
        assert_eq!(more.len(), FRAMED);
        assert_ne!(more, said[..FRAMED]);
        for member in 1..4 {
            hear(&mut room, member, &said[FRAMED + 3..]).unwrap();
        }
        assert_eq!(next(&mut room).len(), 2 * FRAMED);
    }

    #[test]
    fn errors_name_member_message_and_byte() {
        let (mut wrong, mut said) = room(3, 2);
        said[FRAMED + 5] ^= 1;
        let error = hear(&mut wrong, 2, &said).unwrap_err().to_string();
        assert!(error.contains("member 2, message 1: byte 5 of 14"), "{error}");

        let (mut missing, mut said) = room(3, 2);
        said.remove(FRAMED + 4);
        let error = hear(&mut missing, 1, &said).unwrap_err().to_string();
        assert!(error.contains("member 1, message 1: byte 4 of 14"), "{error}");
    }

    #[test]
    fn the_wrong_order_a_message_twice_and_too_much_are_errors() {
        let (mut swapped, mut said) = room(3, 2);
        said.rotate_left(FRAMED);
        assert!(hear(&mut swapped, 1, &said).is_err());

        let (mut twice, said) = room(3, 2);
        hear(&mut twice, 1, &said[..FRAMED]).unwrap();
        assert!(hear(&mut twice, 1, &said[..FRAMED]).is_err());

        let (mut more, said) = room(3, 1);
        assert!(hear(&mut more, 1, &[&said[..], &[0]].concat()).is_err());
    }

    #[test]
    fn the_speaker_hears_nothing() {
        let (mut room, said) = room(3, 1);
        assert!(hear(&mut room, SPEAKER, &said).is_err());
    }

    #[test]
    fn the_script_is_said_over_and_over() {
        let (mut room, mut said) = room(2, 2);
        for _ in 0..DIFFERENT {
            hear(&mut room, 1, &said).unwrap();
            said.clear();
            next(&mut room);
            loop {
                let part = room.unsent(SPEAKER).to_vec();
                if part.is_empty() {
                    break;
                }
                room.sent(SPEAKER, part.len());
                said.extend(part);
            }
            assert_eq!(said.len(), 2 * FRAMED);
        }
    }
}
