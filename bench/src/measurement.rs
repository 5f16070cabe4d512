//! What one run of a generator against one server yields.

use serde::{Deserialize, Serialize};

/// One window of one run. The generator prints it; the controller collects it.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Measurement {
    /// Length of the window, as measured.
    pub(crate) seconds: f64,
    /// What the workload counts, whole and right within the window.
    pub(crate) units: u64,
    /// CPU time of the server in the window, user and system.
    pub(crate) server_cpu_seconds: f64,
    /// Part of it that was spent in user mode, 0 to 1, from coarse ticks.
    pub(crate) server_user_share: Option<f64>,
    /// CPU time of the generator in the window: near `seconds`, and the generator is what limits throughput.
    pub(crate) generator_cpu_seconds: f64,
    /// Resident memory of the server at the end of the window.
    pub(crate) server_resident_bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) latency: Option<Latency>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) idle: Option<Idle>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) offered: Option<Offered>,
}

/// Time from sending (or from when sending was due) to having the whole answer, in microseconds.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Latency {
    pub(crate) p50_us: f64,
    pub(crate) p90_us: f64,
    pub(crate) p99_us: f64,
    pub(crate) p999_us: f64,
    pub(crate) max_us: f64,
}

/// What quiet sessions cost.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Idle {
    /// Growth of the server's resident memory, from the first sessions to all of them, by the sessions that were added.
    pub(crate) resident_bytes_per_session: f64,
    /// The same of its proportional share, which leaves out what it shares with other processes.
    pub(crate) proportional_bytes_per_session: Option<f64>,
    /// CPU time of the server in a second in which nothing happened.
    pub(crate) quiet_cpu_seconds: f64,
}

/// How much a load with a rate of its own asked for.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Offered {
    pub(crate) per_second: f64,
    /// Messages that were due and not answered at the end of the window, less those at its beginning.
    pub(crate) fallen_behind: i64,
    /// How late messages left, which is the generator's doing and part of their latency.
    pub(crate) left_late_p99_us: f64,
}

impl Offered {
    /// Whether what has piled up is less than a hundredth of what was due.
    pub(crate) fn was_met(&self, seconds: f64) -> bool {
        (self.fallen_behind as f64) < self.per_second * seconds / 100.0
    }
}

impl Measurement {
    pub(crate) fn cpu_us_per_unit(&self) -> f64 {
        self.server_cpu_seconds * 1e6 / self.units as f64
    }

    pub(crate) fn units_per_second(&self) -> f64 {
        self.units as f64 / self.seconds
    }

    pub(crate) fn server_busy(&self) -> f64 {
        self.server_cpu_seconds / self.seconds
    }

    pub(crate) fn generator_busy(&self) -> f64 {
        self.generator_cpu_seconds / self.seconds
    }
}
