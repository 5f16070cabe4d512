//! The log: lines on standard error, of a level that can be changed while the program runs.

use std::sync::OnceLock;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{fmt, reload};

use crate::printing;

/// The levels, by the names that people use.
#[cfg(feature = "admin")]
pub(crate) const LEVELS: [(&str, LevelFilter); 6] = [
    ("off", LevelFilter::OFF),
    ("error", LevelFilter::ERROR),
    ("warn", LevelFilter::WARN),
    ("info", LevelFilter::INFO),
    ("debug", LevelFilter::DEBUG),
    ("trace", LevelFilter::TRACE),
];

type Change = dyn Fn(LevelFilter) -> Result<(), String> + Send + Sync;

static CHANGE: OnceLock<Box<Change>> = OnceLock::new();

/// Begins to log warnings and errors.
pub(crate) fn start() {
    let (filter, handle) = reload::Layer::new(LevelFilter::WARN);
    let lines = fmt::layer().with_writer(|| printing::Log).with_target(false);
    tracing_subscriber::registry().with(filter).with(lines).init();
    let change = move |level| handle.reload(level).map_err(|error| error.to_string());
    let _ = CHANGE.set(Box::new(change));
}

/// Logs what is of this level, or more important, from now on.
#[cfg(feature = "admin")]
pub(crate) fn set_level(level: LevelFilter) -> Result<(), String> {
    CHANGE.get().ok_or("there is no log")?(level)
}

#[cfg(feature = "admin")]
pub(crate) fn level() -> &'static str {
    let level = LevelFilter::current();
    LEVELS.iter().find(|(_, known)| *known == level).map_or("off", |(name, _)| name)
}
