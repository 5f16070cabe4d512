//! The load of one thread: its connections on its own driver. A value with `turn`; the caller
//! decides who turns it, and on which network.
//!
//! It uses the [`Driver`] and not sessions of a server: an open loop needs deadlines to the
//! microsecond, and a shard's timers have ticks of 8.4 ms.
//!
//! A message counts from when it is made, before the system is asked to send it, or, in an open
//! loop, from when it was due. It ends when the driver has handed over the last byte of its answer.
//! So the delays of the generator are part of the latencies.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use overlapped::driver::{CloseMode, Wait};
use overlapped::mailbox::Mailbox;
use overlapped::report::Backend;
use overlapped::{Driver, Error, Time};

use super::connection::{Connection, Stage};
use super::fault::{Fault, FaultKind};
use super::messages::{Command, Event};
use super::plan::Plan;
use super::tally::{Tally, Totals};
use super::timeline::Timeline;
use crate::connections::{Connections, Happened};
use crate::schedule::{Arrivals, Rhythm};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Connecting,
    /// Until the other threads are ready.
    Ready,
    /// Until the load begins.
    Waiting(Time),
    Running,
    /// Nothing new is sent.
    Draining,
    Over,
}

/// Other backends than io_uring wait in whole milliseconds; the rest of a wait is spent polling.
const COARSE: Duration = Duration::from_millis(1);

/// Interval of the check for overdue answers.
const SCANS: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(1));

/// Time for closing at the end.
const CLOSING: Duration = Duration::from_secs(2);

pub(crate) struct Generator {
    wire: Connections,
    plan: Plan,
    thread: usize,
    commands: Mailbox<Command>,
    events: mpsc::Sender<Event>,
    /// Open connections of all threads.
    gauge: Arc<AtomicUsize>,
    phase: Phase,
    connections: Vec<Connection>,
    /// Connections before this one are begun.
    begun: usize,
    /// When connections may begin, if their rate is limited.
    attempts: Option<Rhythm>,
    connecting: usize,
    open: usize,
    /// Messages.
    under_way: u64,
    unanswered: u64,
    arrivals: Option<Arrivals>,
    tally: Option<Tally>,
    /// Counts from before the load begins.
    totals: Totals,
    scratch: Vec<u8>,
    next_scan: Time,
    is_coarse: bool,
}

impl Generator {
    pub(crate) fn new(
        driver: Driver,
        plan: Plan,
        thread: usize,
        commands: Mailbox<Command>,
        events: mpsc::Sender<Event>,
        gauge: Arc<AtomicUsize>,
    ) -> Generator {
        let numbers = (thread..plan.connections).step_by(plan.threads);
        let connections: Vec<_> = numbers.map(|number| Connection::new(&plan.script, number)).collect();
        let now = driver.now();
        Generator {
            is_coarse: matches!(driver.report().backend, Backend::Poll | Backend::Winsock),
            attempts: plan.connect_rate.map(|rate| Rhythm::new(now, rate)),
            wire: Connections::new(driver, connections.len()).over(plan.tls.clone()),
            plan,
            thread,
            commands,
            events,
            gauge,
            phase: Phase::Connecting,
            connections,
            begun: 0,
            connecting: 0,
            open: 0,
            under_way: 0,
            unanswered: 0,
            arrivals: None,
            tally: None,
            totals: Totals::new(),
            scratch: Vec::new(),
            next_scan: now,
        }
    }

    /// Turns until the load is over. Fails only if the driver itself does.
    pub(crate) fn run(mut self) -> Result<(), Error> {
        while self.turn(None)? {}
        let end = self.wire.driver().now() + CLOSING;
        while self.wire.driver().live().sockets > 0 && self.wire.driver().now() < end {
            self.wire.turn(Wait::Until(end))?;
            while self.wire.next().is_some() {}
        }
        Ok(())
    }

    /// One turn, with this wait or until the next deadline. Returns whether the load goes on.
    pub(crate) fn turn(&mut self, wait: Option<Wait>) -> Result<bool, Error> {
        let wait = wait.unwrap_or_else(|| self.wait());
        self.wire.turn(wait)?;
        loop {
            let command = self.commands.take().next();
            let Some(command) = command else { break };
            self.told(command);
        }
        while let Some((index, happened)) = self.wire.next() {
            self.happened(index, happened);
        }
        self.go_on();
        self.flush();
        Ok(self.phase != Phase::Over)
    }

    /// The next time at which it has something to do.
    pub(crate) fn deadline(&self) -> Time {
        let more = match self.phase {
            Phase::Connecting => self.next_attempt(),
            Phase::Ready | Phase::Draining | Phase::Over => None,
            Phase::Waiting(at) => Some(at),
            Phase::Running => self.tally.as_ref().map(|tally| tally.timeline.to),
        };
        let interval = self.tally.as_ref().map(Tally::interval_end);
        let first = more.into_iter().chain(interval).chain(self.next_arrival()).min();
        first.map_or(self.next_scan, |at| at.min(self.next_scan))
    }

    fn next_arrival(&self) -> Option<Time> {
        match self.phase {
            Phase::Running => self.arrivals.as_ref().map(Arrivals::next),
            _ => None,
        }
    }

    fn wait(&self) -> Wait {
        let (now, deadline) = (self.wire.driver().now(), self.deadline());
        if deadline <= now {
            return Wait::Poll;
        }
        if self.is_coarse && self.next_arrival() == Some(deadline) {
            let left = deadline - now;
            if left <= COARSE {
                std::thread::yield_now();
                return Wait::Poll;
            }
            return Wait::For(left - COARSE);
        }
        Wait::Until(deadline)
    }

    fn told(&mut self, command: Command) {
        let now = self.wire.driver().now();
        match command {
            Command::Begin(at) => {
                if self.phase == Phase::Ready {
                    self.begin(at);
                }
            }
            Command::Stop => {
                self.count_up_to(now);
                if let Some(tally) = &mut self.tally {
                    tally.cut(now);
                }
                self.end();
            }
        }
    }

    /// Schedules the start of the load.
    fn begin(&mut self, at: Time) {
        let timeline = Timeline::new(at, self.plan.warmup, self.plan.duration);
        let totals = std::mem::replace(&mut self.totals, Totals::new());
        self.tally = Some(Tally::new(timeline, at, totals));
        self.arrivals = self
            .plan
            .rate
            .map(|rate| Arrivals::new(Rhythm::new(at, rate), self.plan.connections, self.thread, self.plan.threads));
        self.phase = Phase::Waiting(at);
    }

    // ---- what time brings ----

    fn go_on(&mut self) {
        let now = self.wire.driver().now();
        self.count_up_to(now);
        if self.phase == Phase::Connecting {
            self.connect_more(now);
        }
        if matches!(self.phase, Phase::Waiting(at) if at <= now) {
            self.phase = Phase::Running;
            for index in 0..self.connections.len() {
                self.send_within_pipeline(index, now);
            }
        }
        if self.phase == Phase::Running {
            self.arrive(now);
        }
        if now >= self.next_scan {
            self.scan(now);
        }
        let is_over = self.tally.as_ref().is_some_and(|tally| now >= tally.timeline.to);
        match self.phase {
            Phase::Running if is_over => self.phase = Phase::Draining,
            _ => {}
        }
        match self.phase {
            Phase::Draining if self.under_way == 0 => self.end(),
            // It goes on while any thread has connections, so that all report the same intervals.
            Phase::Running if self.gauge.load(Ordering::Relaxed) == 0 => self.end(),
            _ => {}
        }
    }

    /// Reports the intervals that are over.
    fn count_up_to(&mut self, now: Time) {
        let Some(tally) = &mut self.tally else { return };
        while let Some(interval) = tally.pop_interval(now) {
            let _ = self.events.send(Event::Interval(Box::new(interval)));
        }
    }

    /// Sends the messages of an open loop that are due.
    fn arrive(&mut self, now: Time) {
        let Some(to) = self.tally.as_ref().map(|tally| tally.timeline.to) else { return };
        while let Some(arrivals) = &mut self.arrivals {
            let due = arrivals.next();
            if due > now || due >= to {
                break;
            }
            let index = arrivals.pass();
            let connection = &mut self.connections[index];
            connection.due += 1;
            let has_room = connection.conversation.under_way() < self.plan.pipeline as u64;
            if connection.stage == Stage::Open && has_room {
                if let Some(tally) = &mut self.tally {
                    tally.late(due, now);
                }
                self.say(index, due, now);
            }
        }
    }

    fn scan(&mut self, now: Time) {
        let patience = self.plan.timeout;
        self.next_scan = now + (patience / 10).clamp(SCANS.0, SCANS.1);
        for index in 0..self.connections.len() {
            let connection = &self.connections[index];
            if !connection.is_waiting() || now - connection.quiet_since < patience {
                continue;
            }
            let fault = match connection.stage {
                Stage::Connecting => Fault::new(
                    FaultKind::ConnectTimedOut,
                    format!("{} did not answer for {patience:?}", self.plan.address),
                ),
                _ => Fault::new(
                    FaultKind::NoAnswer,
                    format!(
                        "for {patience:?}; answers so far: {}, under way: {}",
                        connection.conversation.answered(),
                        connection.conversation.under_way()
                    ),
                ),
            };
            self.fail(index, fault);
        }
    }

    /// Closes all connections and reports the totals.
    fn end(&mut self) {
        if self.phase == Phase::Over {
            return;
        }
        self.phase = Phase::Over;
        for index in 0..self.connections.len() {
            let connection = &mut self.connections[index];
            if matches!(connection.stage, Stage::Connecting | Stage::Open) {
                self.close(index, CloseMode::Now);
            }
        }
        let mut totals = match self.tally.take() {
            Some(tally) => {
                let (from, to) = (tally.timeline.from, tally.timeline.to);
                let (interval, mut totals) = tally.last_interval();
                totals.measured = self.wire.driver().now().min(to) - from;
                totals.unsent += self.arrivals.as_ref().map_or(0, |arrivals| {
                    let unsent = |(own, connection): (usize, &Connection)| {
                        arrivals.count_since(own, connection.conversation.said()..connection.due, from)
                    };
                    self.connections.iter().enumerate().map(unsent).sum()
                });
                let _ = self.events.send(Event::Interval(Box::new(interval)));
                totals
            }
            None => std::mem::replace(&mut self.totals, Totals::new()),
        };
        totals.unanswered += self.unanswered;
        let _ = self.events.send(Event::Ended(Box::new(totals)));
    }

    // ---- connecting ----

    /// How many connections this thread may be making at one time.
    fn most_connecting(&self) -> usize {
        let (all, threads) = (self.plan.connecting, self.plan.threads);
        (all / threads + usize::from(self.thread < all % threads)).max(1)
    }

    /// When the next connection may begin; `None` if another must finish first or none is left.
    fn next_attempt(&self) -> Option<Time> {
        if self.begun == self.connections.len() || self.connecting >= self.most_connecting() {
            return None;
        }
        let number = (self.begun * self.plan.threads + self.thread) as u64;
        Some(self.attempts.map_or(Time::ZERO, |rhythm| rhythm.moment(number)))
    }

    fn connect_more(&mut self, now: Time) {
        while self.next_attempt().is_some_and(|at| at <= now) {
            let index = self.begun;
            self.begun += 1;
            self.connect(index, now);
        }
        if self.begun == self.connections.len() && self.connecting == 0 {
            self.phase = Phase::Ready;
            let _ = self.events.send(Event::Ready { at: now });
        }
    }

    fn connect(&mut self, index: usize, now: Time) {
        let connection = &mut self.connections[index];
        (connection.stage, connection.quiet_since) = (Stage::Connecting, now);
        self.connecting += 1;
        if let Err(error) = self.wire.connect(index, &self.plan.address) {
            self.fail(index, Fault::connecting(&error));
        }
    }

    fn connected(&mut self, index: usize, result: Result<(), Error>) {
        let now = self.wire.driver().now();
        let connection = &mut self.connections[index];
        if connection.stage != Stage::Connecting {
            return;
        }
        if let Err(error) = result {
            return self.fail(index, Fault::connecting(&error));
        }
        let took = (now - connection.quiet_since).as_nanos();
        self.totals.connecting.saturating_record(u64::try_from(took).unwrap_or(u64::MAX));
        connection.stage = Stage::Open;
        self.connecting -= 1;
        self.open += 1;
        self.gauge.fetch_add(1, Ordering::Relaxed);
    }

    /// Closes a connection after a fault and reports it.
    fn fail(&mut self, index: usize, fault: Fault) {
        if matches!(self.connections[index].stage, Stage::New | Stage::Over) {
            return;
        }
        self.close(index, CloseMode::Abort);
        let number = index * self.plan.threads + self.thread;
        let text = format!("connection {number}: {}", fault.text);
        let _ = self.events.send(Event::Fault(Fault { text, ..fault }));
    }

    fn close(&mut self, index: usize, mode: CloseMode) {
        let connection = &mut self.connections[index];
        match connection.stage {
            Stage::Connecting => self.connecting -= 1,
            Stage::Open => {
                self.open -= 1;
                self.gauge.fetch_sub(1, Ordering::Relaxed);
            }
            Stage::New | Stage::Over => return,
        }
        connection.stage = Stage::Over;
        // Not from the conversation: a piece with a fault was not counted.
        let lost = std::mem::take(&mut connection.since).len() as u64;
        (self.under_way, self.unanswered) = (self.under_way - lost, self.unanswered + lost);
        self.wire.close(index, mode);
    }

    // ---- talking ----

    fn happened(&mut self, index: usize, happened: Happened) {
        match happened {
            Happened::Connected(result) => self.connected(index, result),
            Happened::Received(received) => self.hear(index, &received),
            Happened::Ended => self.ended(index),
            Happened::Failed(error) => self.fail(index, Fault::lost(&error)),
            Happened::TlsFailed(why) => self.fail(index, Fault::new(FaultKind::Tls, why)),
            Happened::Sent | Happened::Closed => {}
        }
    }

    fn hear(&mut self, index: usize, bytes: &[u8]) {
        let now = self.wire.driver().now();
        self.count_up_to(now);
        let connection = &mut self.connections[index];
        if connection.stage != Stage::Open {
            return;
        }
        let answers = match connection.conversation.hear(&self.plan.script, bytes) {
            Ok(answers) => answers,
            Err(fault) => return self.fail(index, fault),
        };
        if let Some(tally) = &mut self.tally {
            tally.received(now, answers, bytes.len() as u64);
            for since in connection.since.drain(..answers as usize) {
                tally.took(since, now);
            }
        }
        connection.quiet_since = now;
        self.under_way -= answers;
        if answers > 0 {
            self.send_within_pipeline(index, now);
        }
    }

    /// Sends the messages that the loop asks for on a connection, up to its pipeline.
    fn send_within_pipeline(&mut self, index: usize, now: Time) {
        let Some(to) = self.tally.as_ref().map(|tally| tally.timeline.to) else { return };
        if self.phase != Phase::Running || now >= to {
            return;
        }
        loop {
            let connection = &self.connections[index];
            if connection.stage != Stage::Open || connection.conversation.under_way() >= self.plan.pipeline as u64 {
                return;
            }
            let said = connection.conversation.said();
            let since = match &self.arrivals {
                None => now,
                Some(arrivals) if said < connection.due => arrivals.due(index, said),
                Some(_) => return,
            };
            self.say(index, since, now);
        }
    }

    fn say(&mut self, index: usize, since: Time, now: Time) {
        let connection = &mut self.connections[index];
        let out = self.wire.out(index);
        let before = out.len();
        connection.conversation.say(&self.plan.script, &mut self.scratch, out);
        if let Some(tally) = &mut self.tally {
            tally.sent(now, 1, (out.len() - before) as u64);
        }
        if connection.since.is_empty() {
            connection.quiet_since = now;
        }
        connection.since.push_back(since);
        self.under_way += 1;
    }

    fn flush(&mut self) {
        for (index, error) in self.wire.flush() {
            self.fail(index, Fault::lost(&error));
        }
    }

    /// The server has ended its stream.
    fn ended(&mut self, index: usize) {
        let conversation = &self.connections[index].conversation;
        let text = format!("answers so far: {}, under way: {}", conversation.answered(), conversation.under_way());
        self.fail(index, Fault::new(FaultKind::ClosedByServer, text));
    }
}
