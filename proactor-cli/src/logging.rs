//! The log: lines on standard error, of a level that can be changed while the program runs.

mod repeats;

use std::sync::{Mutex, OnceLock, PoisonError};

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{ArgMatches, Args, ValueEnum};
use proactor::Builder;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Registry, fmt, reload};

use self::repeats::Repeats;
use crate::printing;
use crate::traces::TraceOptions;

/// What is logged: a level, or levels of parts of the program.
const FILTER: &str = "RUST_LOG";

/// The key of the level.
pub(crate) const KEY: &str = "log-level";

#[derive(Args)]
pub(crate) struct LogOptions {
    /// What is logged: lines of this level, and of those that are more important. It can change
    /// while the server runs: by SIGHUP, and by `proactor admin log`. The environment variable
    /// RUST_LOG overrides it, and may set levels of parts: `warn,proactor::session=debug`.
    #[arg(long, value_name = "LEVEL", default_value = "warn", value_parser = levels(), help_heading = LOG)]
    log_level: LevelFilter,
    /// What lines on standard error look like: text, or one JSON object a line.
    #[arg(id = "log", long = "log", value_enum, value_name = "FORMAT", default_value_t = Format::Text, help_heading = LOG)]
    format: Format,
    /// Log the life of one session in N, at the level info and below: when it began, why it was
    /// held, why it closed. 1 is every session, 0 none.
    #[arg(id = "trace_sessions", long = "trace-sessions", value_name = "N", default_value = "0", help_heading = LOG)]
    one_in: u32,
    #[command(flatten)]
    traces: TraceOptions,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    #[default]
    Text,
    Json,
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
        self.traces.warn_without_spans(self.one_in);
        if filter_asked().is_some() { Ok(()) } else { set_level(self.log_level) }
    }

    /// Has the server give spans to sessions.
    pub(crate) fn set(&self, builder: Builder) -> Builder {
        builder.trace_sessions(self.one_in)
    }
}

/// The levels, by the names that people use.
pub(crate) const LEVELS: [(&str, LevelFilter); 6] = [
    ("off", LevelFilter::OFF),
    ("error", LevelFilter::ERROR),
    ("warn", LevelFilter::WARN),
    ("info", LevelFilter::INFO),
    ("debug", LevelFilter::DEBUG),
    ("trace", LevelFilter::TRACE),
];

/// The level of a server, as clap has read its options again.
pub(crate) fn level_among(matches: &ArgMatches) -> LevelFilter {
    matches.get_one("log_level").copied().unwrap_or(LevelFilter::WARN)
}

/// What RUST_LOG asks for.
fn filter_asked() -> Option<String> {
    std::env::var(FILTER).ok().filter(|asked| !asked.trim().is_empty())
}

type Change = dyn Fn(LevelFilter) -> Result<(), String> + Send + Sync;

static CHANGE: OnceLock<Box<Change>> = OnceLock::new();

/// The level of the log. `LevelFilter::current` is also that of what is exported.
static LEVEL: Mutex<LevelFilter> = Mutex::new(LevelFilter::WARN);

fn note_level(filter: &Targets) {
    let level = Layer::<Registry>::max_level_hint(filter).unwrap_or(LevelFilter::TRACE);
    *LEVEL.lock().unwrap_or_else(PoisonError::into_inner) = level;
}

/// Begins to log, as a command's options and the environment say: warnings and errors, unless they
/// say something else.
pub(crate) fn start(matches: &ArgMatches) {
    let asked = filter_asked();
    let parsed = asked.as_deref().map(str::parse::<Targets>);
    let usual = Targets::new().with_default(LevelFilter::WARN);
    let (filter, wrong) = match parsed {
        None => (usual, None),
        Some(Ok(filter)) => (filter, None),
        Some(Err(error)) => (usual, Some(error)),
    };
    note_level(&filter);
    let (filter, handle) = reload::Layer::new(filter);
    let format = format_of(matches);
    let lines = match format {
        Format::Text => fmt::layer().with_writer(|| printing::Log).with_target(false).boxed(),
        Format::Json => fmt::layer().json().flatten_event(true).with_writer(|| printing::Log).boxed(),
    };
    printing::set_json(format == Format::Json);
    let lines = Repeats::default().and_then(lines).with_filter(filter);
    #[cfg(feature = "otel")]
    let unexported = {
        let (exporting, why) = crate::traces::start(matches);
        tracing_subscriber::registry().with(exporting).with(lines).init();
        why
    };
    #[cfg(not(feature = "otel"))]
    tracing_subscriber::registry().with(lines).init();
    let change = move |level| {
        let filter = Targets::new().with_default(level);
        note_level(&filter);
        handle.reload(filter).map_err(|error: reload::Error| error.to_string())
    };
    let _ = CHANGE.set(Box::new(change));
    if let Some(error) = wrong {
        tracing::warn!(
            "{FILTER} is not understood ({error}), so warnings and errors are logged; write a level such as info, or \
             warn,proactor::session=debug"
        );
    }
    #[cfg(feature = "otel")]
    if let Some(why) = unexported {
        tracing::warn!("{why}");
    }
}

/// The format that the options of a command ask for, if it has such an option.
fn format_of(matches: &ArgMatches) -> Format {
    let asked = matches.subcommand().and_then(|(_, own)| own.try_get_one::<Format>("log").ok().flatten());
    asked.copied().unwrap_or_default()
}

/// Logs what is of this level, or more important, from now on.
pub(crate) fn set_level(level: LevelFilter) -> Result<(), String> {
    CHANGE.get().ok_or("there is no log")?(level)
}

#[cfg(feature = "admin")]
pub(crate) fn level() -> &'static str {
    let level = *LEVEL.lock().unwrap_or_else(PoisonError::into_inner);
    LEVELS.iter().find(|(_, known)| *known == level).map_or("off", |(name, _)| name)
}
