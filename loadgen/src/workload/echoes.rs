//! Every connection sends messages, and each is answered on the same connection.

use std::collections::VecDeque;

use anyhow::{Context, Result, bail, ensure};
use hdrhistogram::Histogram;
use overlapped::Time;

use super::content::Content;
use super::load::Load;
use super::measurement::Offered;
use super::window::{Phase, Window};
use crate::echo::tally::histogram;
use crate::schedule::{Arrivals, Rhythm};

/// When messages are let go.
pub(super) enum Pace {
    /// Whenever at most `least` are under way on a connection, as many more as make it `most`.
    Closed { least: u64, most: u64 },
    /// One on each connection, which is then reset and made anew.
    OneEach,
    /// At a fixed rate, one connection after the other, whether or not earlier ones are answered.
    /// The time that a message takes counts from when it was due: a server that stops for a while
    /// is charged for every message that had to wait meanwhile.
    Open(Schedule),
}

pub(super) struct Schedule {
    per_second: u64,
    /// None before the load begins.
    arrivals: Option<Arrivals>,
    /// Released and not answered when the window began, and when it ended.
    behind: [Option<u64>; 2],
    /// By how much messages left later than they were due: what the generator is to blame for.
    late: Histogram<u64>,
}

impl Schedule {
    pub(super) fn new(per_second: u64) -> Self {
        Self { per_second, arrivals: None, behind: [None; 2], late: histogram() }
    }
}

/// How far a connection is.
#[derive(Clone, Copy)]
pub(super) struct Place {
    /// Where in the content it begins.
    begin: u64,
    /// Messages let go, and messages answered.
    released: u64,
    pub(super) answered: u64,
    /// Bytes.
    pub(super) sent: u64,
}

impl Place {
    /// Before the first message of the connection with this number.
    pub(super) fn first(said: &Content, connection: usize) -> Self {
        Self { begin: said.begin(connection), released: 0, answered: 0, sent: 0 }
    }

    /// What of the released messages is not sent, as far as it lies together.
    fn unsent(self, said: &Content) -> &[u8] {
        said.at(self.begin + self.sent, self.released * said.message as u64 - self.sent)
    }

    /// One message, which is sent at once.
    pub(super) fn say<'a>(&mut self, said: &'a Content) -> &'a [u8] {
        self.released += 1;
        let message = self.unsent(said);
        self.sent += message.len() as u64;
        message
    }

    pub(super) fn under_way(self) -> u64 {
        self.released - self.answered
    }
}

/// Checks what comes back on a connection.
pub(super) trait Answers: Default {
    /// Returns how many messages are answered by these bytes.
    fn received(&mut self, said: &Content, place: Place, bytes: &[u8]) -> Result<u64>;
}

/// The answer is the message itself.
#[derive(Default)]
pub(super) struct Echo {
    /// Bytes of the first message without an answer that are back.
    part: usize,
}

impl Answers for Echo {
    fn received(&mut self, said: &Content, place: Place, bytes: &[u8]) -> Result<u64> {
        let heard = said.heard();
        let message = heard.message;
        let echoed = place.answered * message as u64 + self.part as u64;
        let under_way = said.comes_back(place.sent) - echoed;
        ensure!(
            bytes.len() as u64 <= under_way,
            "message {}: {} bytes came back where {under_way} were outstanding",
            place.answered,
            bytes.len()
        );
        let agreeing = heard.agreeing(said.comes_back(place.begin) + echoed, bytes);
        if agreeing < bytes.len() {
            let wrong = self.part + agreeing;
            let number = place.answered + (wrong / message) as u64;
            bail!("message {number}: byte {} of {message} is not what was sent", wrong % message);
        }
        let back = self.part + bytes.len();
        self.part = back % message;
        Ok((back / message) as u64)
    }
}

struct Connection<A> {
    place: Place,
    /// When messages under way were let go or due: the number after the last of them, and the time.
    begun: VecDeque<(u64, Time)>,
    answers: A,
}

impl<A> Connection<A> {
    fn release(&mut self, messages: u64, since: Time) {
        self.place.released += messages;
        self.begun.push_back((self.place.released, since));
    }
}

pub(super) struct Echoes<A> {
    said: Content,
    pace: Pace,
    connections: Vec<Connection<A>>,
}

impl<A: Answers> Echoes<A> {
    pub(super) fn new(connections: usize, said: Content, pace: Pace) -> Self {
        let connection =
            |number| Connection { place: Place::first(&said, number), begun: VecDeque::new(), answers: A::default() };
        Self { connections: (0..connections).map(connection).collect(), said, pace }
    }

    /// Lets go of what may be now.
    fn release(&mut self, connection: usize, now: Time) {
        if let Pace::Closed { least, most } = self.pace {
            let connection = &mut self.connections[connection];
            let under_way = connection.place.under_way();
            if under_way <= least {
                connection.release(most - under_way, now);
            }
        }
    }
}

impl<A: Answers> Load for Echoes<A> {
    fn connections(&self) -> usize {
        self.connections.len()
    }

    fn start(&mut self, now: Time) {
        if let Pace::Open(schedule) = &mut self.pace {
            let rhythm = Rhythm::new(now, schedule.per_second);
            schedule.arrivals = Some(Arrivals::new(rhythm, self.connections.len(), 0, 1));
        }
        (0..self.connections.len()).for_each(|connection| self.release(connection, now));
    }

    fn begin(&mut self, connection: usize, now: Time) {
        self.connections[connection].release(1, now);
    }

    fn unsent(&self, connection: usize) -> &[u8] {
        self.connections[connection].place.unsent(&self.said)
    }

    fn sent(&mut self, connection: usize, count: usize) {
        self.connections[connection].place.sent += count as u64;
    }

    fn received(&mut self, number: usize, bytes: &[u8], now: Time, window: &mut Window) -> Result<()> {
        let connection = &mut self.connections[number];
        let answers = connection.answers.received(&self.said, connection.place, bytes);
        let answered = connection.place.answered + answers.with_context(|| format!("connection {number}"))?;
        while connection.place.answered < answered {
            let (end, since) = connection.begun[0];
            let units = answered.min(end) - connection.place.answered;
            window.completed(units, now - since);
            connection.place.answered += units;
            if connection.place.answered == end {
                connection.begun.pop_front();
            }
        }
        if !window.is_over() {
            self.release(number, now);
        }
        Ok(())
    }

    fn other_senders(&mut self, now: Time, window: &Window, senders: &mut Vec<usize>) {
        let Pace::Open(schedule) = &mut self.pace else { return };
        let behind = || self.connections.iter().map(|connection| connection.place.under_way()).sum();
        match window.phase() {
            Phase::WarmUp => {}
            Phase::Measuring => _ = schedule.behind[0].get_or_insert_with(behind),
            Phase::Draining => {
                schedule.behind[1].get_or_insert_with(behind);
                return;
            }
        }
        while let Some(arrivals) = &mut schedule.arrivals {
            let due = arrivals.next();
            if due > now {
                break;
            }
            let number = arrivals.pass();
            self.connections[number].release(1, due);
            senders.push(number);
            if window.phase() == Phase::Measuring {
                schedule.late.saturating_record((now - due).as_nanos() as u64);
            }
        }
    }

    fn is_answered(&self, connection: usize) -> bool {
        self.connections[connection].place.under_way() == 0
    }

    fn describe(&self, connection: usize) -> String {
        let Place { released, answered, sent, .. } = self.connections[connection].place;
        format!("connection {connection}: {released} messages due, {sent} bytes sent, {answered} messages answered")
    }

    fn next_due(&self) -> Option<Time> {
        match &self.pace {
            Pace::Open(schedule) => schedule.arrivals.as_ref().map(Arrivals::next),
            _ => None,
        }
    }

    fn reconnects(&self) -> bool {
        matches!(self.pace, Pace::OneEach)
    }

    fn offered(&self) -> Option<Offered> {
        let Pace::Open(schedule) = &self.pace else { return None };
        let [begun, ended] = schedule.behind.map(|behind| behind.unwrap_or(0) as i64);
        Some(Offered {
            per_second: schedule.per_second as f64,
            fallen_behind: ended - begun,
            left_late_p99_us: schedule.late.value_at_quantile(0.99) as f64 / 1e3,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::time::Duration;

    use super::*;

    const ONE: Pace = Pace::Closed { least: 0, most: 1 };

    fn at(ms: u64) -> Time {
        Time::ZERO + Duration::from_millis(ms)
    }

    fn begun(connections: usize, said: Content, pace: Pace) -> Echoes<Echo> {
        let mut load = Echoes::new(connections, said, pace);
        load.start(Time::ZERO);
        load
    }

    /// One message of so many bytes at a time.
    fn pings(size: usize) -> Echoes<Echo> {
        begun(2, Content::random(size, false, 1), ONE)
    }

    /// Bursts of three packets of ten bytes.
    fn bursts() -> Echoes<Echo> {
        begun(1, Content::random(10, true, 3), Pace::Closed { least: 0, most: 3 })
    }

    fn streams() -> Echoes<Echo> {
        let pace = Pace::Closed { least: 15, most: 16 };
        begun(2, Content::random(64 * 1024, false, 16), pace)
    }

    /// Sends all that may be sent; what was sent.
    fn send(load: &mut Echoes<Echo>, connection: usize) -> Vec<u8> {
        let mut all = Vec::new();
        while let part @ [_, ..] = load.unsent(connection) {
            let count = part.len();
            all.extend_from_slice(part);
            load.sent(connection, count);
        }
        all
    }

    fn receive(load: &mut Echoes<Echo>, connection: usize, bytes: &[u8]) -> Result<u64> {
        let mut window = Window::endless()?;
        load.received(connection, bytes, at(10), &mut window)?;
        Ok(window.units())
    }

    fn error(load: &mut Echoes<Echo>, connection: usize, bytes: &[u8]) -> String {
        format!("{:#}", receive(load, connection, bytes).unwrap_err())
    }

    #[test]
    fn an_echo_in_pieces_completes_with_its_last_byte() {
        let mut load = pings(13);
        let sent = send(&mut load, 1);
        assert_eq!(receive(&mut load, 1, &sent[..5]).unwrap(), 0);
        assert_eq!(receive(&mut load, 1, &sent[5..12]).unwrap(), 0);
        assert!(send(&mut load, 1).is_empty());
        assert_eq!(receive(&mut load, 1, &sent[12..]).unwrap(), 1);
        assert_ne!(send(&mut load, 1), sent);
    }

    #[test]
    fn one_wrong_bit_is_an_error_that_names_the_byte() {
        let mut load = pings(64);
        let mut sent = send(&mut load, 1);
        sent[40] ^= 1;
        let error = error(&mut load, 1, &sent);
        assert!(error.contains("connection 1: message 0: byte 40 of 64"), "{error}");
    }

    #[test]
    fn a_missing_byte_is_an_error_where_it_is_missing() {
        let mut load = pings(64);
        let mut sent = send(&mut load, 0);
        sent.remove(20);
        let error = error(&mut load, 0, &sent);
        assert!(error.contains("byte 20 of 64"), "{error}");
    }

    #[test]
    fn more_than_was_sent_is_an_error() {
        for mut load in [pings(8), bursts(), streams()] {
            let mut sent = send(&mut load, 0);
            sent.push(0);
            assert!(error(&mut load, 0, &sent).contains("were outstanding"));
        }
    }

    #[test]
    fn another_connections_or_the_previous_message_does_not_pass() {
        for size in [8, 64] {
            let mut load = pings(size);
            let (first, others) = (send(&mut load, 0), send(&mut load, 1));
            assert!(receive(&mut load, 0, &others).is_err());
            receive(&mut load, 0, &first).unwrap();
            send(&mut load, 0);
            assert!(receive(&mut load, 0, &first).is_err());
        }
    }

    #[test]
    fn a_packet_counts_when_its_last_byte_is_back() {
        let mut load = bursts();
        let sent = send(&mut load, 0);
        assert_eq!(sent.len(), 3 * 14);
        assert_eq!(receive(&mut load, 0, &sent[..13]).unwrap(), 0);
        assert_eq!(receive(&mut load, 0, &sent[13..29]).unwrap(), 2);
        assert!(load.unsent(0).is_empty(), "the next burst waits for all of this one");
        assert_eq!(receive(&mut load, 0, &sent[29..]).unwrap(), 1);
        assert_eq!(send(&mut load, 0).len(), 3 * 14);
    }

    #[test]
    fn two_packets_in_the_wrong_order_are_an_error_at_the_first() {
        let mut load = bursts();
        let mut sent = send(&mut load, 0);
        sent[14..].rotate_left(14);
        let error = error(&mut load, 0, &sent);
        assert!(error.contains("message 1: byte 4 of 14"), "{error}");
    }

    #[test]
    fn the_last_burst_does_not_pass_for_this_one() {
        let mut load = bursts();
        let first = send(&mut load, 0);
        receive(&mut load, 0, &first).unwrap();
        send(&mut load, 0);
        assert!(receive(&mut load, 0, &first).is_err());
    }

    #[test]
    fn a_mebibyte_of_a_stream_is_outstanding_and_echoes_make_room() {
        let mut load = streams();
        let sent = send(&mut load, 0);
        assert_eq!(sent.len(), 1 << 20);
        receive(&mut load, 0, &sent[..64 * 1024 - 1]).unwrap();
        assert!(send(&mut load, 0).is_empty());
        receive(&mut load, 0, &sent[64 * 1024 - 1..64 * 1024]).unwrap();
        assert_eq!(send(&mut load, 0).len(), 64 * 1024);
    }

    #[test]
    fn a_stream_goes_on_past_the_period() {
        let mut load = streams();
        for _ in 0..4 {
            let sent = send(&mut load, 0);
            assert_eq!(receive(&mut load, 0, &sent).unwrap(), 16);
        }
    }

    #[test]
    fn wrong_missing_and_swapped_bytes_of_a_stream_are_errors_where_they_are() {
        const PIECE: usize = 64 * 1024;
        let (mut wrong, mut missing, mut swapped) = (streams(), streams(), streams());
        let mut sent = send(&mut wrong, 0);
        sent[PIECE + 4_464] ^= 1;
        let error = error(&mut wrong, 0, &sent);
        assert!(error.contains("message 1: byte 4464 of 65536"), "{error}");
        let sent = send(&mut missing, 0);
        assert!(receive(&mut missing, 0, &sent[PIECE..]).is_err());
        let mut sent = send(&mut swapped, 0);
        sent[..2 * PIECE].rotate_left(PIECE);
        assert!(receive(&mut swapped, 0, &sent).is_err());
    }

    #[test]
    fn no_two_connections_send_the_same() {
        let load = Echoes::<Echo>::new(33, Content::random(64 * 1024, false, 16), ONE);
        let begins: HashSet<_> = load.connections.iter().map(|connection| connection.place.begin).collect();
        assert_eq!(begins.len(), 33);
    }

    /// A hundred messages a second over two connections, after the time given.
    fn after(ms: u64, per_second: u64, size: usize) -> (Echoes<Echo>, Vec<usize>) {
        let mut load = begun(2, Content::random(size, false, 1), Pace::Open(Schedule::new(per_second)));
        let mut senders = Vec::new();
        load.other_senders(at(ms), &Window::endless().unwrap(), &mut senders);
        (load, senders)
    }

    #[test]
    fn messages_are_due_by_the_clock_one_connection_after_the_other() {
        let (load, senders) = after(35, 100, 8);
        assert_eq!(senders, [0, 1, 0, 1]);
        assert_eq!((load.unsent(0).len(), load.unsent(1).len()), (16, 16));
        assert_eq!(load.offered().map(|offered| offered.per_second), Some(100.0));
    }

    #[test]
    fn time_counts_from_when_a_message_was_due() {
        let (mut load, _) = after(35, 100, 8);
        let sent = send(&mut load, 1);
        let mut window = Window::endless().unwrap();
        // Its second message was due after 30 ms.
        load.received(1, &sent[..8], at(10), &mut window).unwrap();
        load.received(1, &sent[8..], at(130), &mut window).unwrap();
        assert_eq!(window.units(), 2);
        let longest = window.longest().as_secs_f64();
        assert!((longest - 0.1).abs() < 0.001, "{longest}");
    }

    #[test]
    fn wrong_swapped_and_extra_bytes_of_due_messages_are_errors_where_they_are() {
        let (mut wrong, _) = after(35, 100, 8);
        let mut sent = send(&mut wrong, 0);
        sent[11] ^= 1;
        let error = error(&mut wrong, 0, &sent);
        assert!(error.contains("message 1: byte 3 of 8"), "{error}");
        let (mut swapped, _) = after(35, 100, 8);
        let mut sent = send(&mut swapped, 0);
        sent.rotate_left(8);
        assert!(receive(&mut swapped, 0, &sent).is_err());
        let (mut extra, _) = after(35, 100, 8);
        let sent = send(&mut extra, 0);
        assert!(receive(&mut extra, 0, &[&sent[..], &[0]].concat()).is_err());
    }

    #[test]
    fn all_due_messages_are_sent() {
        let (mut load, senders) = after(1, 2_000_000, 1000);
        assert_eq!(senders.len(), 2001);
        let sent = send(&mut load, 0);
        assert_eq!(sent.len(), 1001 * 1000);
        assert_eq!(receive(&mut load, 0, &sent).unwrap(), 1001);
        assert!(load.is_answered(0));
    }

    #[test]
    fn a_message_with_a_connection_of_its_own_is_followed_by_none() {
        let mut load = begun(1, Content::random(8, false, 1), Pace::OneEach);
        assert!(load.unsent(0).is_empty() && load.is_answered(0));
        load.begin(0, at(5));
        let sent = send(&mut load, 0);
        assert_eq!(receive(&mut load, 0, &sent).unwrap(), 1);
        assert!(load.unsent(0).is_empty() && load.is_answered(0));
        load.begin(0, at(15));
        assert_ne!(send(&mut load, 0), sent);
    }
}
