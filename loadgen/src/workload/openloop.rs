//! Messages leave at a fixed rate, one connection after the other, whether or not earlier ones have
//! been answered. A unit is a message.
//!
//! The time that a message took is counted from when it was due, not from when it could be sent: a
//! server that stops for a while is charged for every message that had to wait meanwhile.

use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use hdrhistogram::Histogram;

use super::load::{self, Load};
use super::measurement::{Measurement, Offered};
use super::message::first_difference;
use super::setup::Setup;
use super::window::{Phase, Window};
use crate::Random;

/// Bytes prepared on a connection before any is sent. Messages beyond that are only counted.
const READY: usize = 64 * 1024;

pub(super) fn run(setup: &Setup) -> Result<Measurement> {
    let case = &setup.case;
    let (connections, size, rate) = (case.get("connections"), case.get("size"), case.get("rate"));
    ensure!(rate > 0, "openloop needs a rate: compare finds one, or give it as openloop:rate=100000");
    ensure!(size <= 1 << 20, "messages of at most 1 MiB");
    let sockets = setup.connect(connections)?;
    let mut schedule = Schedule::new(connections, size, rate as f64);
    let mut measurement = load::run(sockets, &mut schedule, setup.window()?)?;
    measurement.offered = Some(schedule.offered());
    Ok(measurement)
}

struct Schedule {
    connections: Vec<Connection>,
    begun: Instant,
    per_second: f64,
    released: u64,
    answered: u64,
    /// Released and not answered when the window began, and when it ended.
    behind: [Option<u64>; 2],
    /// By how much messages left later than they were due: what the generator is to blame for.
    late: Histogram<u64>,
}

struct Connection {
    number: usize,
    size: usize,
    /// Messages that are due; that are made; and that are answered.
    released: u64,
    made: u64,
    answered: u64,
    /// Made messages, and how much of them is sent.
    ready: Vec<u8>,
    sent: usize,
    /// Bytes sent and not back.
    under_way: usize,
    /// The message whose echo is next, and how much of it is back.
    expected: Box<[u8]>,
    echoed: usize,
}

impl Connection {
    fn new(number: usize, size: usize) -> Self {
        let mut expected = vec![0; size];
        fill(number, 0, &mut expected);
        Self {
            number,
            size,
            released: 0,
            made: 0,
            answered: 0,
            ready: Vec::new(),
            sent: 0,
            under_way: 0,
            expected: expected.into(),
            echoed: 0,
        }
    }

    fn make_ready(&mut self) {
        if self.sent == self.ready.len() {
            self.ready.clear();
            self.sent = 0;
        }
        while self.made < self.released && self.ready.len() < READY {
            let begin = self.ready.len();
            self.ready.resize(begin + self.size, 0);
            fill(self.number, self.made, &mut self.ready[begin..]);
            self.made += 1;
        }
    }

    fn sent(&mut self, count: usize) {
        self.sent += count;
        self.under_way += count;
        if self.sent == self.ready.len() {
            self.make_ready();
        }
    }

    /// Checks what came back.
    fn received(&mut self, mut bytes: &[u8]) -> Result<()> {
        ensure!(
            bytes.len() <= self.under_way,
            "connection {}, message {}: {} bytes came back where {} were outstanding",
            self.number,
            self.answered,
            bytes.len(),
            self.under_way
        );
        self.under_way -= bytes.len();
        while !bytes.is_empty() {
            let expected = &self.expected[self.echoed..];
            let (part, rest) = bytes.split_at(bytes.len().min(expected.len()));
            if *part != expected[..part.len()] {
                bail!(
                    "connection {}, message {}: byte {} of {} is not what was sent",
                    self.number,
                    self.answered,
                    self.echoed + first_difference(part, expected),
                    self.size
                );
            }
            self.echoed += part.len();
            if self.echoed == self.size {
                self.answered += 1;
                self.echoed = 0;
                fill(self.number, self.answered, &mut self.expected);
            }
            bytes = rest;
        }
        Ok(())
    }
}

fn fill(connection: usize, sequence: u64, message: &mut [u8]) {
    Random::new(((connection as u64) << 40) ^ sequence).fill(message);
}

impl Schedule {
    fn new(connections: usize, size: usize, per_second: f64) -> Self {
        Self {
            connections: (0..connections).map(|number| Connection::new(number, size)).collect(),
            begun: Instant::now(),
            per_second,
            released: 0,
            answered: 0,
            behind: [None; 2],
            late: Histogram::new(3).expect("three digits are few enough"),
        }
    }

    /// When a message is due, counted over all connections.
    fn due(&self, message: u64) -> Instant {
        self.begun + Duration::from_secs_f64(message as f64 / self.per_second)
    }

    /// Lets go of what is due, and names the connections that have it.
    fn release(&mut self, now: Instant, measuring: bool, senders: &mut Vec<usize>) {
        loop {
            let due = self.due(self.released);
            if due > now {
                return;
            }
            let place = (self.released % self.connections.len() as u64) as usize;
            let connection = &mut self.connections[place];
            connection.released += 1;
            connection.make_ready();
            senders.push(place);
            self.released += 1;
            if measuring {
                self.late.saturating_record((now - due).as_nanos() as u64);
            }
        }
    }

    fn offered(&self) -> Offered {
        let [begun, ended] = self.behind.map(|behind| behind.unwrap_or(0) as i64);
        Offered {
            per_second: self.per_second,
            fallen_behind: ended - begun,
            left_late_p99_us: self.late.value_at_quantile(0.99) as f64 / 1e3,
        }
    }
}

impl Load for Schedule {
    const PACED: bool = true;

    fn start(&mut self, now: Instant) {
        self.begun = now;
    }

    fn unsent(&self, connection: usize) -> &[u8] {
        let connection = &self.connections[connection];
        &connection.ready[connection.sent..]
    }

    fn sent(&mut self, connection: usize, count: usize) {
        self.connections[connection].sent(count);
    }

    fn received(&mut self, connection: usize, bytes: &[u8], now: Instant, window: &mut Window) -> Result<()> {
        let before = self.connections[connection].answered;
        self.connections[connection].received(bytes)?;
        let count = self.connections.len() as u64;
        for message in before..self.connections[connection].answered {
            self.answered += 1;
            window.completed(1, now.saturating_duration_since(self.due(message * count + connection as u64)));
        }
        Ok(())
    }

    fn other_senders(&mut self, now: Instant, window: &Window, senders: &mut Vec<usize>) {
        let behind = self.released - self.answered;
        match window.phase() {
            Phase::WarmUp => {}
            Phase::Measuring => _ = self.behind[0].get_or_insert(behind),
            Phase::Draining => {
                self.behind[1].get_or_insert(behind);
                return;
            }
        }
        self.release(now, window.phase() == Phase::Measuring, senders);
    }

    fn is_quiet(&self) -> bool {
        self.answered == self.released
    }

    fn describe(&self, connection: usize) -> String {
        let Connection { released, answered, under_way, .. } = self.connections[connection];
        format!("connection {connection}: {released} messages due, {answered} answered, {under_way} bytes under way")
    }

    fn describe_outstanding(&self) -> String {
        let waiting = self.connections.iter().position(|connection| connection.answered < connection.released);
        let waiting = waiting.map(|number| self.describe(number));
        format!("{} of {} messages answered; {}", self.answered, self.released, waiting.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A hundred messages a second over two connections, after the time given.
    fn after(milliseconds: u64) -> (Schedule, Vec<usize>) {
        let mut schedule = Schedule::new(2, 8, 100.0);
        let mut senders = Vec::new();
        let now = schedule.begun + Duration::from_millis(milliseconds);
        schedule.release(now, true, &mut senders);
        (schedule, senders)
    }

    fn send(schedule: &mut Schedule, connection: usize) -> Vec<u8> {
        let bytes = schedule.unsent(connection).to_vec();
        schedule.sent(connection, bytes.len());
        bytes
    }

    #[test]
    fn messages_are_due_by_the_clock_one_connection_after_the_other() {
        let (schedule, senders) = after(35);
        assert_eq!(senders, [0, 1, 0, 1]);
        assert_eq!((schedule.unsent(0).len(), schedule.unsent(1).len()), (16, 16));
    }

    #[test]
    fn time_counts_from_when_a_message_was_due() {
        let (mut schedule, _) = after(35);
        let sent = send(&mut schedule, 1);
        let mut window = Window::for_test();
        // Its second message was due after 30 ms.
        let now = schedule.begun + Duration::from_millis(130);
        schedule.received(1, &sent[..8], schedule.begun + Duration::from_millis(10), &mut window).unwrap();
        schedule.received(1, &sent[8..], now, &mut window).unwrap();
        assert_eq!(schedule.answered, 2);
        let longest = window.longest().as_secs_f64();
        assert!((longest - 0.1).abs() < 0.001, "{longest}");
    }

    #[test]
    fn wrong_swapped_and_extra_bytes_are_errors_where_they_are() {
        let (mut wrong, _) = after(35);
        let mut sent = send(&mut wrong, 0);
        sent[11] ^= 1;
        let error = wrong.connections[0].received(&sent).unwrap_err().to_string();
        assert!(error.contains("message 1: byte 3 of 8"), "{error}");

        let (mut swapped, _) = after(35);
        let mut sent = send(&mut swapped, 0);
        sent.rotate_left(8);
        assert!(swapped.connections[0].received(&sent).is_err());

        let (mut extra, _) = after(35);
        let sent = send(&mut extra, 0);
        assert!(extra.connections[0].received(&[&sent[..], &[0]].concat()).is_err());
    }

    #[test]
    fn due_messages_are_prepared_in_portions_and_all_are_sent() {
        let mut schedule = Schedule::new(1, 1000, 1e6);
        let now = schedule.begun + Duration::from_millis(1);
        schedule.release(now, true, &mut Vec::new());
        let mut all = Vec::new();
        loop {
            let part = send(&mut schedule, 0);
            assert!(part.len() < READY + 1000);
            if part.is_empty() {
                break;
            }
            all.extend(part);
        }
        assert_eq!(all.len() as u64, schedule.released * 1000);
        schedule.connections[0].received(&all).unwrap();
        assert_eq!(schedule.connections[0].answered, schedule.released);
    }
}
