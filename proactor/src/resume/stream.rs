//! What two sides have of each other's stream of bytes, and what each keeps because the other may
//! lack it. Both sides of a connection use it, and it outlives the connection. Knows no socket.
//!
//! A connection keeps the order of bytes, so both sides only count them. The end of a stream counts
//! as one byte.

use std::collections::VecDeque;

use super::wire::Malformed;

/// A record with bytes of the stream: how many follow, in 4 bytes, and those.
pub(crate) const DATA: u8 = 0x10;
/// A record that says how many bytes of the peer's stream have come, in 8 bytes.
pub(crate) const ACK: u8 = 0x11;
/// The stream ends.
pub(crate) const END: u8 = 0x12;

/// A peer is told what has come when that is this part of what it may keep.
const ACK_PART: usize = 16;

#[derive(Debug)]
pub(crate) struct Stream {
    /// How much of the peer's stream has come.
    received: u64,
    /// How much of that the peer was told of.
    told: u64,
    has_peer_ended: bool,
    /// How much of the own stream the peer has confirmed, its end excepted.
    confirmed: u64,
    /// What was sent after that.
    kept: VecDeque<u8>,
    has_ended: bool,
    is_end_confirmed: bool,
    /// Bytes that may be kept. What would be more has to wait.
    keep: usize,
    /// The beginning of a record.
    head: [u8; 9],
    head_len: usize,
    /// Bytes of the record of data that are still to come.
    left: usize,
}

impl Stream {
    pub(crate) fn new(keep: usize) -> Stream {
        Stream {
            received: 0,
            told: 0,
            has_peer_ended: false,
            confirmed: 0,
            kept: VecDeque::new(),
            has_ended: false,
            is_end_confirmed: false,
            keep,
            head: [0; 9],
            head_len: 0,
            left: 0,
        }
    }

    /// The stream of a session that goes on here: so much of the peer's stream has come, and these
    /// bytes of the own were sent behind `confirmed`.
    pub(crate) fn going_on(keep: usize, received: u64, confirmed: u64, kept: Vec<u8>) -> Stream {
        Stream { received, told: received, confirmed, kept: kept.into(), ..Stream::new(keep) }
    }

    /// What it is for another place to go on from: how much of the peer's stream has come, how much
    /// of the own is confirmed, and what was sent after that.
    pub(crate) fn into_parts(self) -> (u64, u64, Vec<u8>) {
        (self.received, self.confirmed, self.kept.into())
    }

    pub(crate) fn set_keep(&mut self, keep: usize) {
        self.keep = keep;
    }

    /// How many bytes may be sent now.
    pub(crate) fn room(&self) -> usize {
        // What the peer has ended is not resumed.
        if self.has_peer_ended {
            return usize::MAX;
        }
        self.keep.saturating_sub(self.kept.len())
    }

    /// Bytes that the peer has not confirmed.
    pub(crate) fn kept(&self) -> usize {
        self.kept.len()
    }

    /// How much of the peer's stream has come.
    pub(crate) fn received(&self) -> u64 {
        self.received
    }

    pub(crate) fn has_peer_ended(&self) -> bool {
        self.has_peer_ended
    }

    /// Appends to `wire` a record with these bytes, and keeps them until the peer has confirmed
    /// them.
    pub(crate) fn seal(&mut self, plain: &[u8], wire: &mut Vec<u8>) {
        self.acknowledge(1, wire);
        if !self.has_peer_ended {
            self.kept.extend(plain);
        }
        write_data(plain.len(), [plain, &[]], wire);
    }

    /// Appends to `wire` that the own stream ends. Does nothing the second time.
    pub(crate) fn end(&mut self, wire: &mut Vec<u8>) {
        if !std::mem::replace(&mut self.has_ended, true) {
            self.acknowledge(1, wire);
            wire.push(END);
        }
    }

    /// Appends to `wire` how much has come, if the peer should know by now.
    pub(crate) fn acknowledge_if_due(&mut self, wire: &mut Vec<u8>) {
        self.acknowledge(self.due(), wire);
    }

    /// Whether the peer should be told what has come. Behind the own end nothing is said.
    pub(crate) fn owes_acknowledgement(&self) -> bool {
        !self.has_ended && self.received - self.told >= self.due()
    }

    /// How much has to come before the peer is told.
    fn due(&self) -> u64 {
        if self.has_peer_ended { 1 } else { (self.keep / ACK_PART).max(1) as u64 }
    }

    fn acknowledge(&mut self, least: u64, wire: &mut Vec<u8>) {
        if self.received - self.told >= least {
            self.told = self.received;
            wire.push(ACK);
            wire.extend_from_slice(&self.received.to_be_bytes());
        }
    }

    /// Makes of received records the bytes of the peer's stream, in place.
    ///
    /// # Errors
    /// The peer broke the protocol. Nothing more may be received. What was good before is there.
    pub(crate) fn receive(&mut self, bytes: &mut Vec<u8>) -> Result<(), Malformed> {
        let (mut at, mut plain, mut done) = (0, 0, Ok(()));
        while at < bytes.len() && done.is_ok() {
            if self.left > 0 {
                let count = self.left.min(bytes.len() - at);
                bytes.copy_within(at..at + count, plain);
                (at, plain, self.left) = (at + count, plain + count, self.left - count);
                self.received += count as u64;
                continue;
            }
            self.head[self.head_len] = bytes[at];
            (at, self.head_len) = (at + 1, self.head_len + 1);
            done = self.record();
        }
        bytes.truncate(plain);
        done
    }

    /// One more byte of a record's head has come.
    fn record(&mut self) -> Result<(), Malformed> {
        let [kind, number @ ..] = &self.head;
        match (*kind, self.head_len) {
            (DATA | END, _) if self.has_peer_ended => return Err(Malformed("it goes on behind its end")),
            (DATA, 5) => self.left = u32::from_be_bytes([number[0], number[1], number[2], number[3]]) as usize,
            (ACK, 9) => {
                let mut has = u64::from_be_bytes(*number);
                if self.has_peer_ended {
                    // What is sent behind the peer's end is not kept, and not counted.
                    has = has.min(self.confirmed + self.kept.len() as u64);
                }
                if !self.confirm(has) {
                    return Err(Malformed("it confirms more than was sent"));
                }
            }
            (END, 1) => {
                self.has_peer_ended = true;
                self.received += 1;
            }
            (DATA | ACK, _) => return Ok(()),
            _ => return Err(Malformed("it is no record")),
        }
        self.head_len = 0;
        Ok(())
    }

    /// Whether the peer can go on if it has so much of the own stream.
    pub(crate) fn reaches(&self, has: u64) -> bool {
        let end = u64::from(self.has_ended);
        (self.confirmed..=self.confirmed + self.kept.len() as u64 + end).contains(&has)
    }

    /// The peer has so much of the own stream. Says whether that can be.
    fn confirm(&mut self, has: u64) -> bool {
        if !self.reaches(has) {
            return false;
        }
        let count = (has - self.confirmed).min(self.kept.len() as u64);
        self.kept.drain(..count as usize);
        self.confirmed += count;
        self.is_end_confirmed |= has > self.confirmed;
        if self.kept.is_empty() {
            // Most sessions are idle most of the time.
            self.kept = VecDeque::new();
        }
        true
    }

    /// Goes on over another connection, whose other side has so much of the own stream: appends to
    /// `wire` what that lacks. Says whether that can be; if not, nothing has changed.
    pub(crate) fn resume(&mut self, has: u64, wire: &mut Vec<u8>) -> bool {
        if !self.confirm(has) {
            return false;
        }
        // The peer is told by the answer, or by the hello, and begins its records anew.
        (self.told, self.head_len, self.left) = (self.received, 0, 0);
        if !self.kept.is_empty() {
            let (first, second) = self.kept.as_slices();
            write_data(self.kept.len(), [first, second], wire);
        }
        if self.has_ended && !self.is_end_confirmed {
            wire.push(END);
        }
        true
    }
}

fn write_data(len: usize, pieces: [&[u8]; 2], wire: &mut Vec<u8>) {
    let Ok(len) = u32::try_from(len) else {
        // An outbox is far smaller; two records say the same.
        let [first, second] = pieces;
        for piece in [first, second].into_iter().flat_map(|piece| piece.chunks(1 << 30)) {
            write_data(piece.len(), [piece, &[]], wire);
        }
        return;
    };
    wire.reserve(5 + len as usize);
    wire.push(DATA);
    wire.extend_from_slice(&len.to_be_bytes());
    pieces.iter().for_each(|piece| wire.extend_from_slice(piece));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn carried(from: &mut Stream, plain: &[u8]) -> Vec<u8> {
        let mut wire = Vec::new();
        from.seal(plain, &mut wire);
        wire
    }

    fn received(to: &mut Stream, wire: &[u8]) -> Vec<u8> {
        let mut plain = wire.to_vec();
        to.receive(&mut plain).unwrap();
        plain
    }

    #[test]
    fn records_come_in_any_pieces() {
        let (mut one, mut other) = (Stream::new(1000), Stream::new(1000));
        let mut wire = carried(&mut one, b"hello");
        wire.extend(carried(&mut one, b""));
        wire.extend(carried(&mut one, b" world"));
        one.end(&mut wire);
        one.end(&mut wire);
        let plain: Vec<u8> = wire.iter().flat_map(|byte| received(&mut other, &[*byte])).collect();
        assert_eq!(plain, b"hello world");
        assert!(other.has_peer_ended() && other.received() == 12, "its end counts as one");
        let mut answer = Vec::new();
        other.acknowledge_if_due(&mut answer);
        assert_eq!(received(&mut one, &answer), b"");
        assert!(one.is_end_confirmed && one.kept() == 0 && one.room() == 1000);
    }

    #[test]
    fn a_stream_that_is_cut_at_every_byte_goes_on_where_it_was() {
        let mut whole = Vec::new();
        let mut sender = Stream::new(1000);
        whole.extend(carried(&mut sender, b"one"));
        whole.extend(carried(&mut sender, b"two"));
        sender.end(&mut whole);
        for cut in 0..=whole.len() {
            let (mut from, mut to) = (Stream::new(1000), Stream::new(1000));
            carried(&mut from, b"one");
            carried(&mut from, b"two");
            from.end(&mut Vec::new());
            let mut plain = received(&mut to, &whole[..cut]);
            let mut again = Vec::new();
            assert!(from.resume(to.received(), &mut again));
            assert!(to.resume(0, &mut Vec::new()));
            plain.extend(received(&mut to, &again));
            assert_eq!(plain, b"onetwo", "cut at {cut}");
            assert!(to.has_peer_ended());
        }
    }

    #[test]
    fn what_is_kept_is_what_was_not_confirmed() {
        let (mut one, mut other) = (Stream::new(16), Stream::new(16));
        let wire = carried(&mut one, &[7; 20]);
        assert_eq!((one.kept(), one.room()), (20, 0), "one send may go over it");
        received(&mut other, &wire);
        let mut wire = Vec::new();
        other.seal(b"x", &mut wire);
        assert_eq!(received(&mut one, &wire), b"x");
        assert_eq!((one.kept(), one.room()), (0, 16), "a record of data brings what has come");
        assert!(one.reaches(20) && !one.reaches(19) && !one.reaches(21));
        assert!(!one.resume(19, &mut Vec::new()), "that is not kept any more");
    }

    #[test]
    fn a_peer_that_has_ended_its_stream_confirms_what_is_sent_later() {
        let (mut one, mut other) = (Stream::new(16), Stream::new(16));
        let mut wire = carried(&mut one, b"before");
        other.end(&mut wire);
        let (_, end) = wire.split_at(11);
        assert_eq!(received(&mut one, end), b"");
        let more = carried(&mut one, &[7; 100]);
        assert_eq!((received(&mut other, &wire[..11]), received(&mut other, &more).len()), (b"before".to_vec(), 100));
        let mut answer = Vec::new();
        other.acknowledge_if_due(&mut answer);
        assert_eq!(answer[1..], 106_u64.to_be_bytes());
        assert_eq!((received(&mut one, &answer), one.kept()), (vec![], 0));
    }

    #[test]
    fn what_was_good_before_a_fault_is_there() {
        let (mut one, mut other) = (Stream::new(16), Stream::new(16));
        let mut wire = carried(&mut one, b"good");
        wire.push(0x13);
        assert!(other.receive(&mut wire).is_err());
        assert_eq!((&wire[..], other.received()), (&b"good"[..], 4));
    }

    #[test]
    fn a_peer_that_breaks_the_protocol_is_found_out() {
        let ack = |number: u64| [&[ACK][..], &number.to_be_bytes()].concat();
        for wire in [vec![0x13], vec![0], ack(1), vec![END, END], vec![END, DATA]] {
            assert!(Stream::new(10).receive(&mut wire.clone()).is_err(), "{wire:?}");
        }
        let mut stream = Stream::new(10);
        carried(&mut stream, b"abc");
        assert!(stream.receive(&mut ack(2)).is_ok());
        assert!(stream.receive(&mut ack(1)).is_err(), "it takes back what it has confirmed");
    }
}
