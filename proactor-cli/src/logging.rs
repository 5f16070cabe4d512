//! The log: lines on standard error, of a level that can be changed while the program runs.

use std::sync::OnceLock;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{ArgMatches, Args};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{fmt, reload};

use crate::printing;

/// The levels, by the names that people use.
pub(crate) const LEVELS: [(&str, LevelFilter); 6] = [
    ("off", LevelFilter::OFF),
    ("error", LevelFilter::ERROR),
    ("warn", LevelFilter::WARN),
    ("info", LevelFilter::INFO),
    ("debug", LevelFilter::DEBUG),
    ("trace", LevelFilter::TRACE),
];

/// The key of [`LogOptions`].
pub(crate) const KEY: &str = "log-level";

#[derive(Args)]
pub(crate) struct LogOptions {
    /// What is logged: lines of this level, and of those that are more important. It can change
    /// while the server runs: by SIGHUP, and by `proactor admin log`.
    #[arg(long, value_name = "LEVEL", default_value = "warn", value_parser = levels(), help_heading = LOG)]
    log_level: LevelFilter,
}

const LOG: &str = "Log";

fn levels() -> impl TypedValueParser<Value = LevelFilter> {
    PossibleValuesParser::new(LEVELS.map(|(name, _)| name)).map(|name| level_of(&name))
}

fn level_of(name: &str) -> LevelFilter {
    LEVELS.iter().find(|(known, _)| *known == name).map_or(LevelFilter::WARN, |(_, level)| *level)
}

impl LogOptions {
    /// Logs what was asked for from now on.
    pub(crate) fn apply(&self) -> Result<(), String> {
        set_level(self.log_level)
    }
}

/// The level of a server, as clap has read its options again.
pub(crate) fn level_among(matches: &ArgMatches) -> LevelFilter {
    matches.get_one("log_level").copied().unwrap_or(LevelFilter::WARN)
}

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
pub(crate) fn set_level(level: LevelFilter) -> Result<(), String> {
    CHANGE.get().ok_or("there is no log")?(level)
}

#[cfg(feature = "admin")]
pub(crate) fn level() -> &'static str {
    let level = LevelFilter::current();
    LEVELS.iter().find(|(_, known)| *known == level).map_or("off", |(name, _)| name)
}
