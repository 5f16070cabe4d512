//! What a contestant's rounds of a case come to, alone and against the baseline's.

use serde::Serialize;

use crate::statistics::{Estimate, estimate, median};
use loadgen::workload::{Drain, Idle, Latency, Measurement};

/// A quantity over all rounds.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Quantity {
    #[serde(flatten)]
    pub(crate) value: Estimate,
    /// Of the ratios to the baseline within each round.
    pub(crate) ratio: Option<Estimate>,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Summary {
    pub(crate) rounds: usize,
    pub(crate) server_cpu_us_per_unit: Quantity,
    /// Parts of that in user mode and in the kernel.
    pub(crate) server_user_us_per_unit: Option<f64>,
    pub(crate) server_system_us_per_unit: Option<f64>,
    pub(crate) units_per_second: Quantity,
    /// Medians over the rounds of each round's percentiles.
    pub(crate) latency: Option<Latency>,
    pub(crate) idle: Option<IdleSummary>,
    pub(crate) offered: Option<OfferedSummary>,
    /// Part of the window in which the server was on its core.
    pub(crate) server_busy: f64,
    /// Part of the window in which the generator was on its core.
    pub(crate) generator_busy: f64,
    pub(crate) server_resident_bytes: f64,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct IdleSummary {
    pub(crate) resident_bytes_per_session: Quantity,
    pub(crate) proportional_bytes_per_session: Option<f64>,
    pub(crate) kernel_bytes_per_session: Option<f64>,
    pub(crate) quiet_cpu_seconds: f64,
    pub(crate) drain: Option<Drain>,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct OfferedSummary {
    pub(crate) per_second: f64,
    pub(crate) left_late_p99_us: f64,
    /// Rounds in which the server did not keep up.
    pub(crate) rounds_behind: usize,
}

impl Summary {
    /// What a case is about: CPU time of a unit, or where memory is measured, bytes of a session.
    pub(super) fn main(&self) -> &Quantity {
        self.idle.as_ref().map_or(&self.server_cpu_us_per_unit, |idle| &idle.resident_bytes_per_session)
    }

    /// Summarizes the rounds of a contestant that was measured in all of them.
    pub(super) fn of(runs: &[Option<Measurement>], baseline: Option<&[Option<Measurement>]>) -> Option<Self> {
        let over = Over { runs, baseline };
        // The tick counts of a window are few: their share is taken of all rounds together.
        let user = over.median(|run| run.server_user_share);
        let cpu = over.quantity(|run| Some(run.cpu_us_per_unit()))?;
        let latency = || {
            let percentile = |of: fn(&Latency) -> f64| over.median(|run| run.latency.as_ref().map(of));
            Some(Latency {
                p50_us: percentile(|latency| latency.p50_us)?,
                p90_us: percentile(|latency| latency.p90_us)?,
                p99_us: percentile(|latency| latency.p99_us)?,
                p999_us: percentile(|latency| latency.p999_us)?,
                max_us: percentile(|latency| latency.max_us)?,
            })
        };
        let drain = || {
            let drain = |of: fn(&Drain) -> f64| over.median(|run| Some(of(run.idle.as_ref()?.drain.as_ref()?)));
            Some(Drain {
                seconds: drain(|drain| drain.seconds)?,
                cpu_us_per_session: drain(|drain| drain.cpu_us_per_session)?,
                whole_share: drain(|drain| drain.whole_share)?,
            })
        };
        let idle = || {
            let idle = |of: fn(&Idle) -> Option<f64>| over.median(|run| of(run.idle.as_ref()?));
            Some(IdleSummary {
                resident_bytes_per_session: over.quantity(|run| Some(run.idle.as_ref()?.resident_bytes_per_session))?,
                proportional_bytes_per_session: idle(|idle| idle.proportional_bytes_per_session),
                kernel_bytes_per_session: idle(|idle| idle.kernel_bytes_per_session),
                drain: drain(),
                quiet_cpu_seconds: idle(|idle| Some(idle.quiet_cpu_seconds))?,
            })
        };
        let offered = || {
            let behind = over.runs.iter().flatten().filter(|run| {
                let offered = run.offered.as_ref();
                offered.is_some_and(|offered| !offered.was_met(run.seconds))
            });
            Some(OfferedSummary {
                per_second: over.median(|run| run.offered.as_ref().map(|offered| offered.per_second))?,
                left_late_p99_us: over.median(|run| run.offered.as_ref().map(|offered| offered.left_late_p99_us))?,
                rounds_behind: behind.count(),
            })
        };
        Some(Self {
            rounds: over.runs.iter().flatten().count(),
            server_user_us_per_unit: user.map(|user| cpu.value.median * user),
            server_system_us_per_unit: user.map(|user| cpu.value.median * (1.0 - user)),
            server_cpu_us_per_unit: cpu,
            units_per_second: over.quantity(|run| Some(run.units_per_second()))?,
            latency: latency(),
            idle: idle(),
            offered: offered(),
            server_busy: over.median(|run| Some(run.server_busy()))?,
            generator_busy: over.median(|run| Some(run.generator_busy()))?,
            server_resident_bytes: over.median(|run| Some(run.server_resident_bytes as f64))?,
        })
    }
}

struct Over<'a> {
    runs: &'a [Option<Measurement>],
    baseline: Option<&'a [Option<Measurement>]>,
}

impl Over<'_> {
    fn median(&self, value: impl Fn(&Measurement) -> Option<f64>) -> Option<f64> {
        let values: Vec<f64> = self.runs.iter().flatten().filter_map(value).collect();
        median(&values)
    }

    fn quantity(&self, value: impl Fn(&Measurement) -> Option<f64>) -> Option<Quantity> {
        let values: Vec<f64> = self.runs.iter().flatten().filter_map(&value).collect();
        let ratio = self.baseline.and_then(|baseline| {
            let pairs = self.runs.iter().zip(baseline);
            let ratios: Vec<f64> =
                pairs.filter_map(|(mine, theirs)| Some(value(mine.as_ref()?)? / value(theirs.as_ref()?)?)).collect();
            estimate(&ratios)
        });
        Some(Quantity { value: estimate(&values)?, ratio })
    }
}
