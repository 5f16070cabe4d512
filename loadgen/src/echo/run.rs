//! One run: starts the threads, begins the load on all of them together, collects their reports,
//! and ends early if it must. It runs on the system's clock; a run in simulated time is
//! `simulated.rs`.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use overlapped::mailbox::{Sender, mailbox};
use overlapped::report::Report;
use overlapped::{Driver, DriverConfig, Time};
use serde::Serialize;

use super::fault::Fault;
use super::generator::Generator;
use super::messages::{Command, Event, Interrupt, RunError};
use super::plan::Plan;
use super::record::Record;
use super::timeline::Timeline;

/// Time from when all threads are ready until the load begins, so that all have heard of it.
const NOTICE: Duration = Duration::from_millis(5);

/// Interval of the progress line.
const TOLD: Duration = Duration::from_secs(1);

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    Complete,
    Interrupted,
    TooManyErrors,
    NoConnections,
}

pub struct Outcome {
    pub ending: Ending,
    pub record: Record,
    /// The backend of the threads.
    pub report: Report,
    /// Connections that were made.
    pub made: usize,
    /// Share of the time in which the threads were on a core, if the system reports it.
    pub busy: Option<f64>,
}

struct Run<'p> {
    plan: &'p Plan,
    most_faults: u64,
    events: mpsc::Receiver<Event>,
    gauge: Arc<AtomicUsize>,
    record: Record,
    progress: &'p mut dyn Progress,
    cpu_time: fn() -> Option<Duration>,
    threads: Vec<Sender<Command>>,
    report: Option<Report>,
    ready: usize,
    latest: Time,
    ended: usize,
    made: usize,
    began: Option<Instant>,
    cpu: Option<Duration>,
    /// Why the run ends early.
    early: Option<Ending>,
}

/// Is told how far a run is, once a second.
pub trait Progress {
    fn connecting(&mut self, made: usize, wanted: usize, faults: u64);
    /// `seconds` since the load began.
    fn running(&mut self, seconds: f64, connections: usize, record: &Record);
    /// The run is over.
    fn clear(&mut self);
}

/// Runs a plan. Faults of the server are part of the result, up to `most_faults`.
///
/// # Errors
/// It could not be begun, or a thread could not go on.
pub fn run(
    plan: &Plan,
    most_faults: u64,
    cpu_time: fn() -> Option<Duration>,
    watch: impl FnOnce(Interrupt),
    progress: &mut dyn Progress,
) -> Result<Outcome, RunError> {
    let (events, listen) = mpsc::channel();
    watch(Interrupt(events.clone()));
    let gauge = Arc::new(AtomicUsize::new(0));
    let mut threads = Vec::new();
    for index in 0..plan.threads {
        let (plan, events, gauge) = (plan.clone(), events.clone(), Arc::clone(&gauge));
        let named = thread::Builder::new().name(format!("generator-{index}"));
        let started = named.spawn(move || generate(plan, index, &events, gauge));
        threads.push(started.map_err(|error| RunError::Other(format!("could not start a thread: {error}")))?);
    }
    drop(events);
    let run = Run {
        plan,
        most_faults,
        events: listen,
        gauge,
        record: Record::new(plan.threads),
        progress,
        cpu_time,
        threads: Vec::new(),
        report: None,
        ready: 0,
        latest: Time::ZERO,
        ended: 0,
        made: 0,
        began: None,
        cpu: None,
        early: None,
    };
    run.listen(threads)
}

/// Body of a thread.
fn generate(plan: Plan, thread: usize, events: &mpsc::Sender<Event>, gauge: Arc<AtomicUsize>) {
    let _guard = TellOfPanic(events.clone());
    let done = Driver::new(DriverConfig::new().backend(plan.backend)).and_then(|driver| {
        let (commands, mail) = mailbox(16, driver.wake_handle());
        let _ = events.send(Event::Up { commands, report: driver.report().clone() });
        Generator::new(driver, plan, thread, mail, events.clone(), gauge).run()
    });
    if let Err(error) = done {
        let _ = events.send(Event::Failed(RunError::Io(error)));
    }
}

struct TellOfPanic(mpsc::Sender<Event>);

impl Drop for TellOfPanic {
    fn drop(&mut self) {
        if thread::panicking() {
            let _ = self.0.send(Event::Failed("a thread panicked".into()));
        }
    }
}

impl Run<'_> {
    fn listen(mut self, threads: Vec<JoinHandle<()>>) -> Result<Outcome, RunError> {
        let mut next = Instant::now() + TOLD;
        while self.ended < self.plan.threads {
            match self.events.recv_timeout(next.saturating_duration_since(Instant::now())) {
                Ok(event) => self.heard(event)?,
                Err(RecvTimeoutError::Timeout) => {
                    next += TOLD;
                    self.tell();
                }
                Err(RecvTimeoutError::Disconnected) => return Err("a thread ended without a word".into()),
            }
        }
        let busy = self.busy();
        for thread in threads {
            // A panic has been reported by its guard.
            let _ = thread.join();
        }
        self.progress.clear();
        self.record.finish(self.gauge.load(Ordering::Relaxed));
        let report = self.report.ok_or("no thread came to be")?;
        let ending = match self.early {
            Some(early) => early,
            None if self.record.totals.measured < self.plan.duration => Ending::NoConnections,
            None => Ending::Complete,
        };
        Ok(Outcome { ending, record: self.record, report, made: self.made, busy })
    }

    fn heard(&mut self, event: Event) -> Result<(), RunError> {
        match event {
            Event::Up { commands, report } => {
                if self.early.is_some() {
                    let _ = commands.send(Command::Stop);
                }
                self.threads.push(commands);
                self.report = Some(report);
            }
            Event::Ready { at } => {
                self.ready += 1;
                self.latest = self.latest.max(at);
                if self.ready == self.plan.threads && self.early.is_none() {
                    self.begin();
                }
            }
            Event::Fault(fault) => self.fault(fault),
            Event::Interval(interval) => self.record.interval(*interval, self.gauge.load(Ordering::Relaxed)),
            Event::Ended(totals) => {
                self.ended += 1;
                self.record.ended(&totals);
            }
            Event::Failed(why) => return Err(why),
            Event::Interrupted => self.stop(Ending::Interrupted),
        }
        Ok(())
    }

    fn begin(&mut self) {
        self.made = self.gauge.load(Ordering::Relaxed);
        if self.made == 0 {
            return self.stop(Ending::NoConnections);
        }
        let at = self.latest + NOTICE;
        self.record.begin(Timeline::new(at, self.plan.warmup, self.plan.duration));
        (self.began, self.cpu) = (Some(Instant::now()), (self.cpu_time)());
        self.tell_all(Command::Begin(at));
    }

    fn fault(&mut self, fault: Fault) {
        self.record.fault(fault);
        if self.record.faults_in_all() > self.most_faults {
            self.stop(Ending::TooManyErrors);
        }
    }

    fn stop(&mut self, why: Ending) {
        if self.early.is_none() {
            self.early = Some(why);
            self.made = self.made.max(self.gauge.load(Ordering::Relaxed));
            self.tell_all(Command::Stop);
        }
    }

    fn tell_all(&self, command: Command) {
        for thread in &self.threads {
            // A thread that has ended needs no command.
            let _ = thread.send(command);
        }
    }

    fn tell(&mut self) {
        let open = self.gauge.load(Ordering::Relaxed);
        match self.began {
            None => self.progress.connecting(open, self.plan.connections, self.record.faults_in_all()),
            Some(began) => self.progress.running(began.elapsed().as_secs_f64(), open, &self.record),
        }
    }

    fn busy(&self) -> Option<f64> {
        let took = self.began?.elapsed().as_secs_f64();
        let used = (self.cpu_time)()?.saturating_sub(self.cpu?).as_secs_f64();
        Some((used / (took * self.plan.threads as f64)).min(1.0))
    }
}
