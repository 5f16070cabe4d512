//! The workloads of the comparison. Each measures a server from outside while it loads it.
//!
//! The generator reads the server's CPU clock itself, at the moments at which its window begins and
//! ends, so that CPU and units are of the same window. A wrong or missing byte, a closed connection
//! or a stall is an error, never a number.
//!
//! | module | what it is |
//! |---|---|
//! | `content` | the bytes that are sent, and their comparison with what comes back |
//! | `echoes`, `http`, `fanout` | the loads: what is sent when, and what has to come back |
//! | `load` | runs a load on connections of a driver |
//! | `websocket` | the loads' messages as those of a WebSocket |
//! | `idle` | sessions that are quiet |
//! | `holders`, `hold`, `dial` | the processes that hold quiet sessions, and their connections |
//! | `window`, `cpu_clock`, `measurement` | what is measured meanwhile |
//!
//! Quiet sessions are direct descriptors of drivers that have nothing in flight for them, each from
//! an address and a port of its own. A million of them are one process of one thread.

pub mod affinity;
mod case;
mod content;
mod cpu_clock;
mod dial;
mod echoes;
mod fanout;
mod hold;
mod holders;
mod http;
mod idle;
mod kernel_memory;
mod load;
mod measurement;
mod setup;
mod websocket;
mod window;

use anyhow::{Result, bail, ensure};

pub use case::{Case, Workload};
use content::Content;
use echoes::{Echo, Echoes, Pace, Schedule};
pub use hold::{HoldOptions, run as hold};
use holders::Holders;
pub use load::{Generator, Load};
pub use measurement::{Drain, Idle, Latency, Measurement, Offered};
pub use setup::{SERVER_NAME, Setup};
pub use window::Window;

/// Bytes of a piece of a stream, and how many may be under way.
const PIECE: usize = 64 * 1024;
const PIECES: usize = 16;

/// Bytes of the one message of each session that is quiet beside a load.
const BESIDE_BYTES: usize = 64;

/// The most messages that may be under way in a fan-out.
const MOST_OUTSTANDING: usize = 512;

/// Runs one workload against one server, on the core of `setup` if it names one.
///
/// # Errors
/// A wrong or missing byte, a connection that the server closed, five seconds without an answer.
pub fn measure(setup: &Setup) -> Result<Measurement> {
    if let Some(core) = setup.core {
        affinity::pin(core)?;
    }
    affinity::raise_descriptor_limit()?;
    let case = &setup.case;
    let is_beside_idle = case.has("idle") && case.get("idle") > 0;
    ensure!(!(case.is_over_tls() && case.is_over_websocket()), "over TLS or over WebSocket, not both");
    ensure!(!(case.is_over_tls() && is_beside_idle), "the idle sessions beside a load are not over TLS");
    if case.workload == Workload::Idle {
        return idle::run(setup);
    }
    // Quiet sessions beside the load.
    let mut beside = Holders::new(setup, BESIDE_BYTES);
    beside.grow_to(if case.has("idle") { case.get("idle") } else { 0 })?;
    if is_beside_idle {
        setup.let_server_rest()?;
    }
    let mut load = load_of(case)?;
    // Members that never read: in the room before anything is said, and held until the end.
    let _stuck = setup.connect(if case.has("stuck") { case.get("stuck") } else { 0 })?;
    load::run(setup, &mut *load)
}

/// What a case sends and expects. The sessions of [`Workload::Idle`] are not one load: processes of
/// their own hold them.
///
/// # Errors
/// Its numbers are too large, or a rate is missing.
pub fn load_of(case: &Case) -> Result<Box<dyn Load>> {
    let number = |name| if case.has(name) { case.get(name) } else { 1 };
    let (connections, size, burst) = (number("connections"), number("size"), number("burst"));
    let one = Pace::Closed { least: 0, most: 1 };
    let echoes = |said, pace| Box::new(Echoes::<Echo>::new(connections, said, pace));
    let messages = |under_way| match case.is_over_websocket() {
        true => Content::over_websocket(size, under_way),
        false => Content::random(size, false, under_way),
    };
    Ok(match case.workload {
        Workload::Pingpong => echoes(messages(1), one),
        Workload::Pipelined => {
            ensure!(burst.saturating_mul(size) <= 16 << 20, "a burst of more than 16 MiB");
            echoes(Content::random(size, true, burst), Pace::Closed { least: 0, most: burst as u64 })
        }
        Workload::Stream => {
            let pace = Pace::Closed { least: PIECES as u64 - 1, most: PIECES as u64 };
            echoes(Content::random(PIECE, false, PIECES), pace)
        }
        Workload::Openloop => {
            let rate = case.get("rate") as u64;
            ensure!(rate > 0, "openloop needs a rate: compare finds one, or give it as openloop:rate=100000");
            ensure!(size <= 1 << 20, "messages of at most 1 MiB");
            echoes(messages(1), Pace::Open(Schedule::new(rate)))
        }
        Workload::Churn => echoes(Content::random(size, false, 1), Pace::OneEach),
        Workload::Http => Box::new(Echoes::<http::Responses>::new(connections, Content::same(http::REQUEST), one)),
        Workload::Fanout => {
            let (members, outstanding) = (case.get("members"), case.get("outstanding"));
            ensure!(members >= 2, "a fan-out has a speaker and somebody who hears it");
            ensure!(outstanding <= MOST_OUTSTANDING, "at most {MOST_OUTSTANDING} outstanding");
            ensure!(size <= 1 << 20, "messages of at most 1 MiB");
            let said = match case.is_over_websocket() {
                true => Content::over_websocket(size, outstanding),
                false => Content::random(size, true, outstanding),
            };
            Box::new(fanout::Room::new(members, said, outstanding))
        }
        Workload::Idle => bail!("the sessions of idle are held by other processes"),
    })
}
