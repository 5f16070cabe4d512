//! Chat on one shared log. A member is a position in it, and has one send in flight that takes
//! everything up to the log's end. The floor of a fan-out: its cost without a library.
//!
//! A member that falls behind the start of the log is closed.

use std::collections::VecDeque;
use std::io;
use std::ops::Range;
use std::slice;

use crate::buffers::{Run, Shape};
use crate::log::{LOG_BYTES, Log};
use crate::ring::{self, Ring};
use crate::server::{Flight, Io, Service};

/// Few enough that one turn fills only a small part of the log, so that a prompt member never falls
/// behind it.
pub(crate) const BUFFERS: Shape = Shape { count: 64, bytes: 16 * 1024, piece_by_piece: false };
const _: () = assert!(4 * BUFFERS.count as u64 * BUFFERS.bytes as u64 <= LOG_BYTES);

const PREFIX_BYTES: usize = 4;
const PACKET_MAX_BYTES: usize = 64 * 1024;

pub(crate) struct Room {
    log: Log,
    /// By place.
    members: Vec<Option<Member>>,
    /// The earliest position of any member or send in flight.
    lowest: u64,
    /// Where the log ended when everything in it was sent to all that could take it.
    told: u64,
    /// Members whose send ended in this turn and that have more to receive.
    behind: Vec<u32>,
}

pub(crate) struct Member {
    flight: Flight,
    /// Everything before it in the log has been sent.
    position: u64,
    /// Ranges of the log, from `position` on, that are its own packets.
    own: VecDeque<Range<u64>>,
    /// The beginning of an incomplete packet.
    partial: Vec<u8>,
}

impl Service for Room {
    type Connection = Member;

    fn connected(&mut self) -> Member {
        Member { flight: Flight::default(), position: self.log.end(), own: VecDeque::new(), partial: Vec::new() }
    }

    fn flight(member: &mut Member) -> &mut Flight {
        &mut member.flight
    }

    fn connections(&mut self) -> &mut Vec<Option<Member>> {
        &mut self.members
    }

    fn received(&mut self, place: u32, run: Run, io: &mut Io<'_>) -> io::Result<()> {
        // SAFETY: the kernel has filled these bytes, and does not write there before they are given
        // back.
        let bytes = unsafe { slice::from_raw_parts(io.buffers.address(run), run.length as usize) };
        self.said(place, bytes, &mut io.ring)?;
        io.buffers.give_back(run.buffer);
        Ok(())
    }

    fn sent(&mut self, place: u32, sent: io::Result<u32>, io: &mut Io<'_>) -> io::Result<()> {
        let member = self.at(place);
        match sent {
            Ok(count) => {
                member.position += u64::from(count);
                self.behind.push(place);
                Ok(())
            }
            Err(_) => member.end(place, &mut io.ring),
        }
    }

    fn ended(&mut self, place: u32, io: &mut Io<'_>) -> io::Result<()> {
        self.at(place).end(place, &mut io.ring)
    }

    /// Sends to members that have something to receive: all, if anything was appended in this turn.
    fn turned(&mut self, io: &mut Io<'_>) -> io::Result<()> {
        let mut behind = std::mem::take(&mut self.behind);
        if self.told < self.log.end() {
            self.told = self.log.end();
            (0..self.members.len() as u32).try_for_each(|place| self.send(place, &mut io.ring))?;
        } else {
            behind.iter().try_for_each(|&place| self.send(place, &mut io.ring))?;
        }
        behind.clear();
        self.behind = behind;
        Ok(())
    }
}

impl Room {
    pub(crate) fn new() -> Self {
        Self { log: Log::new(), members: Vec::new(), lowest: 0, told: 0, behind: Vec::new() }
    }

    /// Appends the packets that are whole, and keeps the rest.
    fn said(&mut self, place: u32, mut bytes: &[u8], ring: &mut Ring<'_>) -> io::Result<()> {
        let partial = &mut self.at(place).partial;
        if !partial.is_empty() {
            let mut begun = std::mem::take(partial);
            while let Some(missing) = missing(&begun) {
                if begun.len() >= PREFIX_BYTES && packet_bytes(&begun) > PACKET_MAX_BYTES {
                    return self.at(place).end(place, ring);
                }
                let (first, rest) = bytes.split_at(missing.min(bytes.len()));
                begun.extend_from_slice(first);
                bytes = rest;
                if first.len() < missing {
                    self.at(place).partial = begun;
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
        let member = self.at(place);
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
        let member = self.at(speaker);
        match member.own.back_mut() {
            None if member.position == start && !member.flight.sending => member.position = end,
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
            let Some(member) = member.as_mut().filter(|member| member.flight.sending || !member.flight.ended) else {
                continue;
            };
            if end - member.position > LOG_BYTES {
                cut |= member.flight.sending;
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
            && !member.flight.sending
            && !member.flight.ended
            && let Some(next) = member.next(self.log.end())
        {
            member.flight.sending = true;
            let (bytes, length) = self.log.contiguous(next.start, next.end);
            ring.send(place, bytes, length)?;
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
        self.flight.ended = true;
        if self.flight.receiving {
            ring.cancel(ring::RECEIVE, place)?;
        }
        if self.flight.sending {
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
