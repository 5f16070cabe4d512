//! What one run of a generator against one server yields.

use serde::{Deserialize, Serialize};

use super::cpu_clock::Reading;

/// One window of one run. The generator prints it; the controller collects it.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Measurement {
    /// Length of the window, as measured.
    pub seconds: f64,
    /// What the workload counts, whole and right within the window.
    pub units: u64,
    /// CPU time of the server in the window, user and system.
    pub server_cpu_seconds: f64,
    /// Part of it that was spent in user mode, 0 to 1, from coarse ticks.
    pub server_user_share: Option<f64>,
    /// CPU time of the generator in the window. Near `seconds`, the generator limits the
    /// throughput.
    pub generator_cpu_seconds: f64,
    /// Resident memory of the server at the end of the window.
    pub server_resident_bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency: Option<Latency>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle: Option<Idle>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offered: Option<Offered>,
}

/// Time from sending (or from when sending was due) to having the whole answer, in microseconds.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Latency {
    pub p50_us: f64,
    pub p90_us: f64,
    pub p99_us: f64,
    pub p999_us: f64,
    pub max_us: f64,
}

/// What quiet sessions cost.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Idle {
    /// Growth of the server's resident memory per added session.
    pub resident_bytes_per_session: f64,
    /// The same of its proportional share, which leaves out what it shares with other processes.
    pub proportional_bytes_per_session: Option<f64>,
    /// Growth of the kernel's memory per added session: of server, clients, and whatever else the
    /// machine does.
    pub kernel_bytes_per_session: Option<f64>,
    /// CPU time of the server in a second in which nothing happened.
    pub quiet_cpu_seconds: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drain: Option<Drain>,
}

/// The end of a server that has many sessions.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Drain {
    /// From the signal to the end of the last session.
    pub seconds: f64,
    pub cpu_us_per_session: f64,
    /// Part of the sessions that were ended gracefully. The others were reset.
    pub whole_share: f64,
}

/// How much a load with a rate of its own asked for.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Offered {
    pub per_second: f64,
    /// Unanswered messages at the end of the window, minus those at its start.
    pub fallen_behind: i64,
    /// How late messages left, which is the generator's doing and part of their latency.
    pub left_late_p99_us: f64,
}

impl Offered {
    /// Whether what has piled up is less than a hundredth of what was due.
    pub fn was_met(&self, seconds: f64) -> bool {
        (self.fallen_behind as f64) < self.per_second * seconds / 100.0
    }
}

impl Measurement {
    /// What was used from one reading to the other, for so many units.
    pub(super) fn between(begun: &Reading, ended: &Reading, units: u64, server_resident_bytes: u64) -> Self {
        let user = ended.ticks.user - begun.ticks.user;
        let ticks = user + ended.ticks.system - begun.ticks.system;
        Self {
            seconds: (ended.at - begun.at).as_secs_f64(),
            units,
            server_cpu_seconds: (ended.server - begun.server).as_secs_f64(),
            server_user_share: (ticks > 0).then(|| user as f64 / ticks as f64),
            generator_cpu_seconds: (ended.generator - begun.generator).as_secs_f64(),
            server_resident_bytes,
            latency: None,
            idle: None,
            offered: None,
        }
    }

    pub fn cpu_us_per_unit(&self) -> f64 {
        self.server_cpu_seconds * 1e6 / self.units as f64
    }

    pub fn units_per_second(&self) -> f64 {
        self.units as f64 / self.seconds
    }

    pub fn server_busy(&self) -> f64 {
        self.server_cpu_seconds / self.seconds
    }

    pub fn generator_busy(&self) -> f64 {
        self.generator_cpu_seconds / self.seconds
    }
}
