//! Chat on one shared log. A member is a position in it, and has one send in flight that takes
//! everything up to the log's end. The floor of a fan-out: its cost without a library.
//!
//! A member that falls behind the start of the log is closed.

use std::collections::VecDeque;
use std::io;
use std::net::TcpListener;
use std::ops::Range;
use std::slice;

use io_uring::CompletionQueue;
use rustix::io::Errno;

use crate::buffers::{BUFFER_BYTES, Buffers};
use crate::log::{LOG_BYTES, Log};
use crate::ring::{self, Completed, Ring};

/// Few enough that one turn fills only a small part of the log, so that a prompt member never falls
/// behind it.
pub(crate) const BUFFERS: u16 = 64;
const _: () = assert!(4 * BUFFERS as u64 * BUFFER_BYTES as u64 <= LOG_BYTES);

const PREFIX_BYTES: usize = 4;
const PACKET_MAX_BYTES: usize = 64 * 1024;

pub(crate) struct Server<'a> {
    ring: Ring<'a>,
    buffers: Buffers,
    listener: TcpListener,
    room: Room,
    /// Members whose receive ended for want of a buffer.
    starved: Vec<u32>,
    /// Members whose send ended in this turn and that have more to receive.
    behind: Vec<u32>,
}

struct Room {
    log: Log,
    /// By place. One is closed only when nothing of it is in flight, so that no completion is ever
    /// stale.
    members: Vec<Option<Member>>,
    /// The earliest position of any member or send in flight.
    lowest: u64,
}

struct Member {
    /// Everything before it in the log has been sent.
    position: u64,
    sending: bool,
    receiving: bool,
    /// End of stream or an error, or too far behind: nothing more is received or sent.
    ended: bool,
    /// Ranges of the log, from `position` on, that are its own packets.
    own: VecDeque<Range<u64>>,
    /// The beginning of an incomplete packet.
    partial: Vec<u8>,
}

impl<'a> Server<'a> {
    pub(crate) fn new(ring: Ring<'a>, buffers: Buffers, listener: TcpListener) -> Self {
        let room = Room { log: Log::new(), members: Vec::new(), lowest: 0 };
        Self { ring, buffers, listener, room, starved: Vec::new(), behind: Vec::new() }
    }

    pub(crate) fn run(&mut self, mut completions: CompletionQueue<'_>) -> io::Result<()> {
        self.ring.accept(&self.listener)?;
        loop {
            self.ring.submit_and_wait()?;
            completions.sync();
            let end = self.room.log.end();
            while let Some(completed) = ring::next(&mut completions) {
                match completed.kind {
                    ring::ACCEPT => self.accepted(&completed)?,
                    ring::RECEIVE => self.received(&completed)?,
                    ring::SEND => self.sent(&completed)?,
                    _ => {}
                }
            }
            self.send(end < self.room.log.end())?;
            self.buffers.publish();
            if !self.starved.is_empty() && self.buffers.has_free() {
                for place in std::mem::take(&mut self.starved) {
                    self.receive_more(place)?;
                    self.room.close_if_idle(place, &mut self.ring)?;
                }
            }
        }
    }

    fn accepted(&mut self, completed: &Completed) -> io::Result<()> {
        let place = completed.result()?;
        self.room.join(place);
        self.receive_more(place)?;
        if !completed.more() {
            self.ring.accept(&self.listener)?;
        }
        Ok(())
    }

    fn receive_more(&mut self, place: u32) -> io::Result<()> {
        if let Some(member) = &mut self.room.members[place as usize]
            && !member.ended
            && !member.receiving
        {
            member.receiving = true;
            self.ring.receive(place)?;
        }
        Ok(())
    }

    fn received(&mut self, completed: &Completed) -> io::Result<()> {
        let place = completed.place;
        let member = self.room.member(place);
        member.receiving = completed.more();
        let result = completed.result();
        let length = *result.as_ref().unwrap_or(&0);
        let run = completed.buffer().map(|buffer| self.buffers.received(buffer, length));
        match (result, run) {
            (Ok(1..), Some(run)) if !member.ended => {
                // SAFETY: the kernel has filled these bytes, and does not write there before they
                // are given back.
                let bytes = unsafe { slice::from_raw_parts(self.buffers.address(run), run.length as usize) };
                self.room.said(place, bytes, &mut self.ring)?;
                self.buffers.give_back(run.buffer);
                if !completed.more() {
                    self.receive_more(place)?;
                }
            }
            (Err(error), None) if error.raw_os_error() == Some(Errno::NOBUFS.raw_os_error()) => {
                self.starved.push(place);
            }
            (_, run) => {
                if let Some(run) = run {
                    self.buffers.give_back(run.buffer);
                }
                member.end(place, &mut self.ring)?;
            }
        }
        self.room.close_if_idle(place, &mut self.ring)
    }

    fn sent(&mut self, completed: &Completed) -> io::Result<()> {
        let place = completed.place;
        let member = self.room.member(place);
        member.sending = false;
        match completed.result() {
            Ok(count) => {
                member.position += u64::from(count);
                self.behind.push(place);
            }
            Err(_) => member.end(place, &mut self.ring)?,
        }
        self.room.close_if_idle(place, &mut self.ring)
    }

    /// Sends to members that have something to receive: all, if anything was appended in this turn.
    fn send(&mut self, said: bool) -> io::Result<()> {
        if said {
            for place in 0..self.room.members.len() as u32 {
                self.room.send(place, &mut self.ring)?;
            }
        } else {
            for &place in &self.behind {
                self.room.send(place, &mut self.ring)?;
            }
        }
        self.behind.clear();
        Ok(())
    }
}

impl Room {
    fn join(&mut self, place: u32) {
        if self.members.len() <= place as usize {
            self.members.resize_with(place as usize + 1, || None);
        }
        self.members[place as usize] = Some(Member {
            position: self.log.end(),
            sending: false,
            receiving: false,
            ended: false,
            own: VecDeque::new(),
            partial: Vec::new(),
        });
    }

    fn member(&mut self, place: u32) -> &mut Member {
        self.members[place as usize].as_mut().expect("a member with an operation in flight is not closed")
    }

    /// Appends the packets that are whole, and keeps the rest.
    fn said(&mut self, place: u32, mut bytes: &[u8], ring: &mut Ring<'_>) -> io::Result<()> {
        let partial = &mut self.member(place).partial;
        if !partial.is_empty() {
            let mut begun = std::mem::take(partial);
            while let Some(missing) = missing(&begun) {
                if begun.len() >= PREFIX_BYTES && packet_bytes(&begun) > PACKET_MAX_BYTES {
                    return self.member(place).end(place, ring);
                }
                let (first, rest) = bytes.split_at(missing.min(bytes.len()));
                begun.extend_from_slice(first);
                bytes = rest;
                if first.len() < missing {
                    self.member(place).partial = begun;
                    return Ok(());
                }
            }
            self.append(place, &begun, ring)?;
        }
        let mut whole = 0;
        while missing(&bytes[whole..]).is_none() {
            whole += packet_bytes(&bytes[whole..]);
        }
        if whole > 0 {
            self.append(place, &bytes[..whole], ring)?;
        }
        let rest = &bytes[whole..];
        let member = self.member(place);
        if rest.len() >= PREFIX_BYTES && packet_bytes(rest) > PACKET_MAX_BYTES {
            return member.end(place, ring);
        }
        member.partial.extend_from_slice(rest);
        Ok(())
    }

    fn append(&mut self, speaker: u32, packets: &[u8], ring: &mut Ring<'_>) -> io::Result<()> {
        let start = self.log.end();
        let end = start + packets.len() as u64;
        if end - self.lowest > LOG_BYTES {
            self.leave_behind(end, ring)?;
        }
        self.log.append(packets);
        let member = self.member(speaker);
        match member.own.back_mut() {
            None if member.position == start && !member.sending => member.position = end,
            Some(last) if last.end == start => last.end = end,
            _ => member.own.push_back(start..end),
        }
        Ok(())
    }

    /// Ends those whose next bytes are about to be overwritten.
    fn leave_behind(&mut self, end: u64, ring: &mut Ring<'_>) -> io::Result<()> {
        let mut cut = false;
        self.lowest = self.log.end();
        for (place, member) in self.members.iter_mut().enumerate() {
            // A closed member may still have a send in flight.
            let Some(member) = member.as_mut().filter(|member| member.sending || !member.ended) else {
                continue;
            };
            if end - member.position > LOG_BYTES {
                cut |= member.sending;
                // It is closed when its last operation has ended, or when its next receive would
                // start.
                member.end(place as u32, ring)?;
            } else {
                self.lowest = self.lowest.min(member.position);
            }
        }
        // The kernel must be done with the bytes of its sends.
        if cut { ring.submit() } else { Ok(()) }
    }

    /// Sends what there is, unless a send is in flight: two on one socket could interleave.
    fn send(&mut self, place: u32, ring: &mut Ring<'_>) -> io::Result<()> {
        if let Some(member) = &mut self.members[place as usize]
            && !member.sending
            && !member.ended
            && let Some(next) = member.next(self.log.end())
        {
            member.sending = true;
            let (bytes, length) = self.log.contiguous(next.start, next.end);
            ring.send(place, bytes, length)?;
        }
        Ok(())
    }

    fn close_if_idle(&mut self, place: u32, ring: &mut Ring<'_>) -> io::Result<()> {
        let member = &mut self.members[place as usize];
        if member.take_if(|member| member.ended && !member.receiving && !member.sending).is_some() {
            ring.close(place)?;
        }
        Ok(())
    }
}

impl Member {
    /// The next range to send: up to its own next packet.
    fn next(&mut self, end: u64) -> Option<Range<u64>> {
        while let Some(own) = self.own.front() {
            if self.position < own.start {
                return Some(self.position..own.start);
            }
            self.position = own.end;
            self.own.pop_front();
        }
        (self.position < end).then_some(self.position..end)
    }

    fn end(&mut self, place: u32, ring: &mut Ring<'_>) -> io::Result<()> {
        self.ended = true;
        if self.receiving {
            ring.cancel(ring::RECEIVE, place)?;
        }
        if self.sending {
            ring.cancel(ring::SEND, place)?;
        }
        Ok(())
    }
}

/// Length of the packet that begins here, at least the four bytes of the prefix.
fn packet_bytes(bytes: &[u8]) -> usize {
    let prefix = bytes.first_chunk::<PREFIX_BYTES>().expect("the caller has seen a whole prefix");
    PREFIX_BYTES + u32::from_be_bytes(*prefix) as usize
}

/// Missing bytes, first of the prefix, then of the packet.
fn missing(bytes: &[u8]) -> Option<usize> {
    if bytes.len() < PREFIX_BYTES {
        return Some(PREFIX_BYTES - bytes.len());
    }
    packet_bytes(bytes).checked_sub(bytes.len()).filter(|missing| *missing > 0)
}
