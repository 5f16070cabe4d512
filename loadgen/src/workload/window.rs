//! Warm-up, the measured window, and the drain after it.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use hdrhistogram::Histogram;

use super::cpu_clock::{CpuClock, Reading};
use super::measurement::{Latency, Measurement};
use crate::echo::tally::histogram;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    WarmUp,
    Measuring,
    /// Over: nothing new is sent, what is outstanding is awaited and still checked.
    Draining,
}

pub struct Window {
    server: CpuClock,
    generator: CpuClock,
    warmup: Duration,
    length: Duration,
    phase: Phase,
    ends: Instant,
    begun: Option<Reading>,
    measurement: Option<Measurement>,
    units: u64,
    latency: Histogram<u64>,
}

impl Window {
    pub(crate) fn new(server: CpuClock, warmup: Duration, length: Duration) -> Result<Self> {
        Ok(Self {
            server,
            generator: CpuClock::of(std::process::id())?,
            warmup,
            length,
            phase: Phase::WarmUp,
            ends: Instant::now() + warmup,
            begun: None,
            measurement: None,
            units: 0,
            latency: histogram(),
        })
    }

    /// One that has begun, and does not end unless it is advanced.
    ///
    /// # Errors
    /// The CPU clock of this process cannot be read.
    pub fn endless() -> Result<Self> {
        let mut window = Self::new(CpuClock::of(std::process::id())?, Duration::ZERO, Duration::ZERO)?;
        window.advance()?;
        Ok(window)
    }

    /// Units that are complete.
    pub fn units(&self) -> u64 {
        self.units
    }

    /// The load begins: so does the warm-up.
    pub(crate) fn start(&mut self) {
        self.ends = Instant::now() + self.warmup;
    }

    /// So many units are complete, each after that time.
    pub(crate) fn completed(&mut self, units: u64, took: Duration) {
        if self.phase == Phase::Measuring {
            self.units += units;
            self.latency.saturating_record_n(took.as_nanos() as u64, units);
        }
    }

    /// Moves from phase to phase as time passes; to be called once a batch.
    pub(crate) fn advance(&mut self) -> Result<()> {
        if self.phase == Phase::Draining || Instant::now() < self.ends {
            return Ok(());
        }
        let reading = self.read()?;
        match self.begun.take() {
            None => {
                self.ends = reading.at + self.length;
                self.begun = Some(reading);
                self.phase = Phase::Measuring;
            }
            Some(begun) => {
                self.measurement = Some(self.measure(&begun, &reading)?);
                self.phase = Phase::Draining;
            }
        }
        Ok(())
    }

    pub(crate) fn phase(&self) -> Phase {
        self.phase
    }

    /// The longest time that was counted.
    #[cfg(test)]
    pub(crate) fn longest(&self) -> Duration {
        Duration::from_nanos(self.latency.max())
    }

    pub(crate) fn is_over(&self) -> bool {
        self.phase == Phase::Draining
    }

    /// The result, once the window is over.
    pub(crate) fn into_measurement(self) -> Option<Measurement> {
        self.measurement
    }

    fn read(&self) -> Result<Reading> {
        Reading::take(self.server, self.generator.total()?)
    }

    fn measure(&self, begun: &Reading, ended: &Reading) -> Result<Measurement> {
        ensure!(self.units > 0, "nothing was completed in the window");
        let percentile = |q| self.latency.value_at_quantile(q) as f64 / 1e3;
        Ok(Measurement {
            latency: Some(Latency {
                p50_us: percentile(0.5),
                p90_us: percentile(0.9),
                p99_us: percentile(0.99),
                p999_us: percentile(0.999),
                max_us: self.latency.max() as f64 / 1e3,
            }),
            ..Measurement::between(begun, ended, self.units, self.server.resident_bytes()?)
        })
    }
}
