//! Chat clients that send and receive packets.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use crate::harness::{PATIENCE, Running};

/// Framing, written without the library under test.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Frames {
    Lines,
    /// A length prefix of this many bytes.
    Length(usize),
    Fixed(usize),
}

impl Frames {
    pub(crate) fn of(self, packet: &[u8]) -> Vec<u8> {
        match self {
            Frames::Lines => [packet, b"\n"].concat(),
            Frames::Length(width) => {
                let length = (packet.len() as u64).to_be_bytes();
                [&length[8 - width..], packet].concat()
            }
            Frames::Fixed(_) => packet.to_vec(),
        }
    }
}

pub(crate) struct Member {
    pub(crate) stream: BufReader<TcpStream>,
    pub(crate) frames: Frames,
}

impl Member {
    pub(crate) fn connect(chat: &Running, frames: Frames) -> Member {
        Member { stream: BufReader::new(chat.connect()), frames }
    }

    /// At one of its addresses.
    pub(crate) fn connect_at(chat: &Running, index: usize, frames: Frames) -> Member {
        Member::try_connect_at(chat, index, frames).unwrap()
    }

    pub(crate) fn try_connect_at(chat: &Running, index: usize, frames: Frames) -> std::io::Result<Member> {
        Ok(Member { stream: BufReader::new(chat.try_connect_at(index)?), frames })
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) {
        self.stream.get_mut().write_all(bytes).unwrap();
    }

    pub(crate) fn say(&mut self, packet: &[u8]) {
        let frame = self.frames.of(packet);
        self.write(&frame);
    }

    /// The next packet; `None` at the end of the stream.
    pub(crate) fn try_hear(&mut self) -> std::io::Result<Option<Vec<u8>>> {
        if self.stream.fill_buf()?.is_empty() {
            return Ok(None);
        }
        let mut packet = Vec::new();
        match self.frames {
            Frames::Lines => {
                self.stream.read_until(b'\n', &mut packet)?;
                assert_eq!(packet.pop(), Some(b'\n'), "the line is whole");
            }
            Frames::Length(width) => {
                let mut length = [0; 8];
                self.stream.read_exact(&mut length[8 - width..])?;
                packet.resize(u64::from_be_bytes(length) as usize, 0);
                self.stream.read_exact(&mut packet)?;
            }
            Frames::Fixed(bytes) => {
                packet.resize(bytes, 0);
                self.stream.read_exact(&mut packet)?;
            }
        }
        Ok(Some(packet))
    }

    pub(crate) fn hear(&mut self) -> Vec<u8> {
        self.try_hear().unwrap().expect("there is more to hear")
    }

    /// The next packet that is not a greeting of [`enter`].
    pub(crate) fn hear_said(&mut self) -> String {
        loop {
            let packet = String::from_utf8(self.hear()).unwrap();
            if !packet.starts_with(HERE) {
                return packet;
            }
        }
    }

    pub(crate) fn is_ended(&mut self) -> bool {
        matches!(self.try_hear(), Ok(None))
    }

    pub(crate) fn finish(&mut self) {
        self.stream.get_mut().shutdown(Shutdown::Write).unwrap();
    }

    /// Whether a packet arrives soon.
    fn has_something(&mut self) -> bool {
        let stream = self.stream.get_mut();
        stream.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        let any = match self.stream.fill_buf() {
            Ok(bytes) => !bytes.is_empty(),
            Err(error) if [ErrorKind::WouldBlock, ErrorKind::TimedOut].contains(&error.kind()) => false,
            Err(error) => panic!("{error}"),
        };
        self.stream.get_mut().set_read_timeout(Some(PATIENCE)).unwrap();
        any
    }

    /// Whether the server has reset the connection. Reported once, and nothing is read.
    pub(crate) fn is_reset(&self) -> bool {
        self.stream.get_ref().take_error().unwrap().is_some()
    }
}

/// Prefix of a greeting. With a 4-digit number behind it, a greeting has 8 bytes.
const HERE: &str = "here";

/// Greets until another member hears it. A shard may take longer than another one to add a member.
fn greet_until_heard(hears: &mut Member, member: &mut Member, here: &str) {
    let end = Instant::now() + PATIENCE;
    loop {
        assert!(Instant::now() < end, "{here} is never heard");
        member.say(here.as_bytes());
        if hears.has_something() && hears.hear() == here.as_bytes() {
            break;
        }
    }
}

/// Waits until each of these members hears each other one.
pub(crate) fn until_all_hear_each_other(members: &mut [Member]) {
    for hearing in 0..members.len() {
        for number in (0..members.len()).filter(|number| *number != hearing) {
            let here = format!("{HERE}{:04}", 10 * hearing + number);
            let [hears, member] = members.get_disjoint_mut([hearing, number]).unwrap();
            greet_until_heard(hears, member, &here);
        }
    }
}

/// Connects `count` members and waits until all hear each other. The first member hears a greeting
/// of each of the others; it must be the first to finish.
pub(crate) fn enter(chat: &Running, frames: Frames, room: Option<&str>, count: usize) -> Vec<Member> {
    let mut members: Vec<Member> = Vec::new();
    for number in 0..count {
        let mut member = Member::connect(chat, frames);
        if let Some(room) = room {
            member.say(room.as_bytes());
        }
        let here = format!("{HERE}{number:04}");
        if let Some(first) = members.first_mut() {
            greet_until_heard(first, &mut member, &here);
        }
        members.push(member);
    }
    members
}

/// Drains the server, reads what its members are still sent, and returns its closing summary.
pub(crate) fn finish(mut chat: Running, members: &mut [Member]) -> String {
    chat.interrupt();
    for member in members {
        while member.try_hear().unwrap().is_some() {}
        let _ = member.stream.get_ref().shutdown(Shutdown::Both);
    }
    assert_eq!(chat.ended().code(), Some(0));
    chat.rest_of_log().1
}
