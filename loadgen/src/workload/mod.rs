//! The workloads of the comparison. Each measures a server from outside while it loads it.
//!
//! The generator reads the server's CPU clock itself, at the moments at which its window begins and
//! ends, so that CPU and units are of the same window. A wrong or missing byte, a closed connection
//! or a stall is an error, never a number.

pub mod affinity;
mod case;
mod churn;
mod closed_loop;
mod cpu_clock;
mod fanout;
mod http;
mod idle;
mod load;
mod measurement;
mod message;
mod openloop;
mod pingpong;
mod pipelined;
mod setup;
mod stream;
mod window;

use anyhow::Result;

pub use case::{Case, Workload};
pub use idle::{HoldOptions, hold};
pub use measurement::{Idle, Latency, Measurement, Offered};
pub use setup::Setup;

/// Runs one workload against one server, on the core of `setup` if it names one.
///
/// # Errors
/// A wrong or missing byte, a connection that the server closed, five seconds without an answer.
pub fn measure(setup: &Setup) -> Result<Measurement> {
    if let Some(core) = setup.core {
        affinity::pin(core)?;
    }
    affinity::raise_descriptor_limit()?;
    match setup.case.workload {
        Workload::Pingpong => pingpong::run(setup),
        Workload::Pipelined => pipelined::run(setup),
        Workload::Fanout => fanout::run(setup),
        Workload::Churn => churn::run(setup),
        Workload::Stream => stream::run(setup),
        Workload::Idle => idle::run(setup),
        Workload::Openloop => openloop::run(setup),
        Workload::Http => http::run(setup),
    }
}
