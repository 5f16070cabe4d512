//! Clients of a chat, who speak in packets.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use crate::harness::{PATIENCE, Running};

/// How packets lie in the stream, told without the library.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Frames {
    Lines,
    /// A length of so many bytes.
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

    /// The next packet that is none of those by which [`enter`] finds out who has come.
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

    /// Whether something comes before long.
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

    /// Whether the server has reset the connection, which is told once; nothing is read from it to find out.
    pub(crate) fn is_reset(&self) -> bool {
        self.stream.get_ref().take_error().unwrap().is_some()
    }
}

/// How those begin who say that they are here; with a number of 4 digits behind it they have 8 bytes.
const HERE: &str = "here";

/// Connects so many, and waits until all hear each other. The first hears each of the others say that they are here, at least once; it must be the
/// first for whom that is done.
pub(crate) fn enter(chat: &Running, frames: Frames, room: Option<&str>, count: usize) -> Vec<Member> {
    let mut members: Vec<Member> = Vec::new();
    for number in 0..count {
        let mut member = Member::connect(chat, frames);
        if let Some(room) = room {
            member.say(room.as_bytes());
        }
        let here = format!("{HERE}{number:04}");
        if let Some(first) = members.first_mut() {
            // A shard may be slower than another to take in the one who came before.
            let end = Instant::now() + PATIENCE;
            loop {
                assert!(Instant::now() < end, "{number} is never heard");
                member.say(here.as_bytes());
                if first.has_something() && first.hear() == here.as_bytes() {
                    break;
                }
            }
        }
        members.push(member);
    }
    members
}

/// Drains the server, hears the rest that its members are sent, and gives back what the server says of what it has done.
pub(crate) fn finish(mut chat: Running, members: &mut [Member]) -> String {
    chat.interrupt();
    for member in members {
        while member.try_hear().unwrap().is_some() {}
        let _ = member.stream.get_ref().shutdown(Shutdown::Both);
    }
    assert_eq!(chat.ended().code(), Some(0));
    chat.rest_of_log().1
}
