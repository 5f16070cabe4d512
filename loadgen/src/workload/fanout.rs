//! One member speaks and all others hear it. So many messages are under way at a time; one is done
//! when every other member has it whole and right, and what has become free is said in one write. A
//! unit is a delivery: one message at one member.

use std::collections::VecDeque;

use anyhow::{Result, bail, ensure};
use overlapped::Time;

use super::content::Content;
use super::load::Load;
use super::window::Window;

/// The member that speaks.
const SPEAKER: usize = 0;

pub(super) struct Room {
    said: Content,
    outstanding: u64,
    /// Bytes of the speaker's stream that were let go, and that were sent.
    released: u64,
    sent: u64,
    /// Bytes that each member has heard.
    heard: Vec<u64>,
    /// Messages that every other member has.
    done: u64,
    /// For each message after these: when it was let go, and how many members do not have it.
    under_way: VecDeque<(Time, usize)>,
}

impl Room {
    pub(super) fn new(members: usize, said: Content, outstanding: usize) -> Self {
        Self {
            said,
            outstanding: outstanding as u64,
            released: 0,
            sent: 0,
            heard: vec![0; members],
            done: 0,
            under_way: VecDeque::new(),
        }
    }

    /// Lets go of as many messages as are free. Whether there were any.
    fn say(&mut self, now: Time) -> bool {
        let free = self.outstanding - self.under_way.len() as u64;
        for _ in 0..free {
            self.under_way.push_back((now, self.heard.len() - 1));
        }
        self.released += free * self.said.message as u64;
        free > 0
    }
}

impl Load for Room {
    fn connections(&self) -> usize {
        self.heard.len()
    }

    fn start(&mut self, now: Time) {
        self.say(now);
    }

    fn unsent(&self, connection: usize) -> &[u8] {
        match connection {
            SPEAKER => self.said.at(self.sent, self.released - self.sent),
            _ => &[],
        }
    }

    fn sent(&mut self, _connection: usize, count: usize) {
        self.sent += count as u64;
    }

    fn received(&mut self, connection: usize, bytes: &[u8], now: Time, window: &mut Window) -> Result<()> {
        ensure!(connection != SPEAKER, "the speaker hears itself: {} bytes came", bytes.len());
        let content = self.said.heard();
        let (message, before) = (content.message as u64, self.heard[connection]);
        let more = self.said.comes_back(self.sent) - before;
        ensure!(
            bytes.len() as u64 <= more,
            "member {connection}, message {}: {} bytes came where {more} are under way",
            before / message,
            bytes.len(),
        );
        let agreeing = content.agreeing(before, bytes);
        let position = before + agreeing as u64;
        if agreeing < bytes.len() {
            let (number, byte) = (position / message, position % message);
            bail!("member {connection}, message {number}: byte {byte} of {message} is not what was said");
        }
        self.heard[connection] = position;
        for number in before / message..position / message {
            let (said, missing) = &mut self.under_way[(number - self.done) as usize];
            *missing -= 1;
            window.completed(1, now - *said);
        }
        Ok(())
    }

    fn other_senders(&mut self, now: Time, window: &Window, senders: &mut Vec<usize>) {
        while let Some((_, 0)) = self.under_way.front() {
            self.under_way.pop_front();
            self.done += 1;
        }
        if !window.is_over() && self.say(now) {
            senders.push(SPEAKER);
        }
    }

    fn is_answered(&self, connection: usize) -> bool {
        connection == SPEAKER || self.heard[connection] == self.said.comes_back(self.released)
    }

    fn describe(&self, connection: usize) -> String {
        let (message, said) = (self.said.heard().message as u64, self.released / self.said.message as u64);
        let heard = self.heard[connection];
        match connection {
            SPEAKER => format!("the speaker: {} bytes of {said} messages sent", self.sent),
            _ => {
                let (whole, part) = (heard / message, heard % message);
                format!("member {connection}: {whole} of {said} messages heard, and {part} bytes")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: usize = 10;
    const FRAMED: usize = 4 + SIZE;

    /// A room in which the first messages are sent, and their bytes.
    fn room(members: usize, outstanding: usize) -> (Room, Vec<u8>) {
        let mut room = Room::new(members, Content::random(SIZE, true, outstanding), outstanding);
        room.start(Time::ZERO);
        let said = room.unsent(SPEAKER).to_vec();
        assert_eq!(said.len(), outstanding * FRAMED);
        room.sent(SPEAKER, said.len());
        (room, said)
    }

    fn hear(room: &mut Room, member: usize, bytes: &[u8]) -> Result<()> {
        room.received(member, bytes, Time::ZERO, &mut Window::endless().unwrap())
    }

    /// What the speaker sends next.
    fn next(room: &mut Room) -> Vec<u8> {
        let mut senders = Vec::new();
        room.other_senders(Time::ZERO, &Window::endless().unwrap(), &mut senders);
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
    fn over_a_websocket_members_hear_the_message_without_its_mask() {
        let mut room = Room::new(3, Content::over_websocket(SIZE, 1), 1);
        room.start(Time::ZERO);
        for _ in 0..5 {
            let said = room.unsent(SPEAKER).to_vec();
            assert_eq!(said.len(), 6 + SIZE);
            room.sent(SPEAKER, said.len());
            let payload = said[6..].iter().zip(said[2..6].iter().cycle()).map(|(byte, key)| byte ^ key);
            let heard: Vec<u8> = [0x82, SIZE as u8].into_iter().chain(payload).collect();
            assert!(!room.is_answered(1));
            hear(&mut room, 1, &heard).unwrap();
            hear(&mut room, 2, &heard[..4]).unwrap();
            hear(&mut room, 2, &heard[4..]).unwrap();
            assert!(room.is_answered(1) && room.is_answered(2));
            next(&mut room);
        }
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
    fn the_content_is_said_over_and_over() {
        let (mut room, mut said) = room(2, 300);
        let mut in_all = 0;
        while in_all < 3 << 20 {
            in_all += said.len();
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
            assert_eq!(said.len(), 300 * FRAMED);
        }
    }
}
