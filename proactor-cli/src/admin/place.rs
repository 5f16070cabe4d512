//! What the admin listener has: who may ask, and the server that is operated.

use std::fmt::Display;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use proactor::metrics::prometheus_client::collector::Collector;
use proactor::metrics::prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use proactor::metrics::prometheus_client::metrics::gauge::ConstGauge;
use proactor::metrics::prometheus_client::registry::{Registry, Unit};
use proactor::{DrainOptions, Handle, SendError};

use super::access::Access;
use super::answer::Failure;
use super::clock::Clock;
use super::history::{Columns, History};
use crate::reloading::Reloading;
use crate::system;
use crate::upgrade::Upgrade;

/// How long a shard may take to answer.
const ANSWER_TIME: Duration = Duration::from_secs(10);

/// The server that is operated, and what was asked of it when it was started.
pub(crate) struct Subject {
    pub(crate) handle: Handle,
    /// The command that serves.
    pub(crate) name: String,
    pub(crate) addresses: Vec<String>,
    pub(crate) backend: String,
    pub(crate) shards: usize,
    pub(crate) drain: DrainOptions,
    pub(crate) drain_timeout: Duration,
    pub(crate) reloading: Reloading,
    pub(crate) upgrade: Upgrade,
}

pub(super) struct Place {
    pub(super) access: Access,
    pub(super) clock: Clock,
    running: OnceLock<Running>,
    history: Mutex<History>,
}

/// A server that runs.
pub(super) struct Running {
    pub(super) subject: Subject,
    pub(super) registry: Registry,
    pub(super) since: SystemTime,
    pub(super) began: Instant,
}

impl Place {
    pub(super) fn new(access: Access) -> Place {
        Place { access, clock: Clock::default(), running: OnceLock::new(), history: Mutex::default() }
    }

    /// The server runs now.
    pub(super) fn begin(&self, subject: Subject) {
        let since = SystemTime::now();
        let mut registry = subject.handle.registry();
        let start = since.duration_since(SystemTime::UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64());
        let help = "When the server began, in seconds since 1970";
        registry.register_with_unit("process_start_time", help, Unit::Seconds, ConstGauge::new(start));
        registry.register_collector(Box::new(Memory));
        let _ = self.running.set(Running { subject, registry, since, began: Instant::now() });
    }

    /// The shard of the listener ticks.
    pub(super) fn tick(&self) {
        self.clock.tick();
        if let Some(running) = self.running.get() {
            let mut history = self.history.lock().unwrap_or_else(PoisonError::into_inner);
            history.tick(&running.subject.handle);
        }
    }

    /// The moments of the last hour, from a number on.
    pub(super) fn history(&self, number: u64) -> Columns {
        self.history.lock().unwrap_or_else(PoisonError::into_inner).since(number)
    }

    /// The server, if it has been started.
    pub(super) fn running(&self) -> Result<&Running, Failure> {
        self.running.get().ok_or_else(|| Failure::busy("the server is starting: try again"))
    }

    /// Waits for what shards are asked, but not for ever.
    pub(super) async fn of_shards<T>(&self, asked: Result<impl Future<Output = T>, SendError>) -> Result<T, Failure> {
        let answer = asked.map_err(|error| too_much("shards have too much to do", error))?;
        self.clock.within(ANSWER_TIME, answer).await.ok_or_else(|| {
            Failure::busy(format!(
                "a shard did not answer within {ANSWER_TIME:?}: its logic blocks it; /healthz says which"
            ))
        })
    }
}

pub(super) fn too_much(what: &str, error: impl Display) -> Failure {
    Failure::busy(format!("{what}: {error}; try again"))
}

/// The memory of the process, read when it is asked for.
#[derive(Debug)]
struct Memory;

impl Collector for Memory {
    fn encode(&self, mut encoder: DescriptorEncoder) -> std::fmt::Result {
        let Some(bytes) = system::resident_memory() else { return Ok(()) };
        let gauge = ConstGauge::new(bytes);
        let help = "Memory of the process that is in RAM";
        let metric =
            encoder.encode_descriptor("process_resident_memory", help, Some(&Unit::Bytes), gauge.metric_type())?;
        gauge.encode(metric)
    }
}
