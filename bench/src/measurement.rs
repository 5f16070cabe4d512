//! What one run of a generator against one server yields.

use serde::{Deserialize, Serialize};

/// One window of one run. The generator prints it; the controller collects it.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Measurement {
    /// Length of the window, as measured.
    pub(crate) seconds: f64,
    /// Messages whose echo was complete and right within the window.
    pub(crate) messages: u64,
    /// CPU time of the server in the window, user and system.
    pub(crate) server_cpu_seconds: f64,
    /// Part of it that was spent in user mode, 0 to 1, from coarse ticks.
    pub(crate) server_user_share: Option<f64>,
    /// CPU time of the generator in the window: near `seconds`, and the generator is what limits throughput.
    pub(crate) generator_cpu_seconds: f64,
    /// Resident memory of the server at the end of the window.
    pub(crate) server_resident_bytes: u64,
    pub(crate) latency: Latency,
}

/// Time from sending a message to having its whole echo, in microseconds.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Latency {
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
    pub(crate) p999_us: f64,
    pub(crate) max_us: f64,
}

impl Measurement {
    pub(crate) fn cpu_us_per_message(&self) -> f64 {
        self.server_cpu_seconds * 1e6 / self.messages as f64
    }

    pub(crate) fn messages_per_second(&self) -> f64 {
        self.messages as f64 / self.seconds
    }

    pub(crate) fn server_busy(&self) -> f64 {
        self.server_cpu_seconds / self.seconds
    }

    pub(crate) fn generator_busy(&self) -> f64 {
        self.generator_cpu_seconds / self.seconds
    }
}
