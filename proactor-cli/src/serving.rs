//! Options, start-up line and shutdown of the commands that serve.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use clap::Args;
use overlapped::{Address, DriverConfig};
use proactor::{Builder, Handle, Handler, Limits, Rate, Server, Timeouts};

use crate::backend::BackendChoice;
use crate::signals::StopRequests;
use crate::system;
use crate::values;

/// Life cycle of a command that serves, for its `--help`.
macro_rules! life {
    ($name:literal) => {
        concat!(
            "When the server is ready, it prints one line on standard error. The line begins with \"proactor: ",
            $name,
            " on\" and says the addresses, the backend and why it was chosen, and the number of shards. On SIGINT or SIGTERM (on Windows: \
             Ctrl-C, Ctrl-Break or closing the console) the server stops accepting, finishes the work under way, closes each session when it \
             is idle, and exits with 0. What is left after --drain-timeout is cut off, by a reset where bytes are missing; then it exits \
             with 3. A second signal stops the server at once. At the end it prints how many sessions it served, why they ended, and how \
             many the drain ended whole and cut."
        )
    };
}
pub(crate) use life;

/// Headings of the options in `--help`.
pub(crate) const LISTENING: &str = "Listening";
pub(crate) const LIMITS: &str =
    "Limits (a connection over a limit is refused; a session is read no faster than its rates allow)";
pub(crate) const TIMES: &str = "Timeouts (for example 500ms, 10s or 5m)";
pub(crate) const SLOW: &str = "Slow consumers";

#[derive(Args)]
pub(crate) struct Serving {
    /// Address to listen on: `127.0.0.1:7777`, `[::1]:7777` or `unix:/run/proactor.sock`. Port 0
    /// takes a free port. Repeat the option to listen on several addresses.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:7777", help_heading = LISTENING)]
    listen: Vec<Address>,
    /// Number of shards. Each shard is one thread; 0 means one per core.
    #[arg(long, value_name = "N", default_value = "0", value_parser = values::shards, help_heading = LISTENING)]
    shards: usize,
    /// I/O backend to use.
    #[arg(long, value_enum, default_value_t = BackendChoice::Auto, help_heading = LISTENING)]
    backend: BackendChoice,
    /// Keep the sockets of sessions in a table of io_uring, where the limit of open files does not
    /// count them. Each shard has a table, with room for as many sockets as that limit. Needs
    /// io_uring and Linux 6.8 or newer.
    #[arg(long, help_heading = LISTENING)]
    direct_descriptors: bool,
    /// How long sessions may take to end after the first signal, for example 500ms or 10s. What is
    /// left then is cut off, and the exit status is 3.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = values::any_time, help_heading = LISTENING)]
    drain_timeout: Duration,
    /// Maximum number of sessions [default: as many as the limit of open files allows, at most
    /// 100000]
    #[arg(long, value_name = "N", value_parser = values::count, help_heading = LIMITS)]
    max_sessions: Option<usize>,
    /// Maximum number of sessions of one IP address. An IPv6 /64 counts as one [default: no limit]
    #[arg(long, value_name = "N", value_parser = values::count, help_heading = LIMITS)]
    max_sessions_per_ip: Option<usize>,
    /// Connections accepted per second: N, or N:BURST, where BURST (default N) is how many may come
    /// at once after a pause [default: no limit]
    #[arg(long, value_name = "RATE", value_parser = values::rate, help_heading = LIMITS)]
    accept_rate: Option<Rate>,
    /// Bytes a session may send per second: N or N:BURST, such as 64KiB:1MiB [default: no limit]
    #[arg(long, value_name = "RATE", value_parser = values::byte_rate, help_heading = LIMITS)]
    byte_rate: Option<Rate>,

    /// Close a session after this time without a byte in either direction [default: never]
    #[arg(long, value_name = "TIME", value_parser = values::time, help_heading = TIMES)]
    idle_timeout: Option<Duration>,
    /// Reset a session whose peer takes none of the queued bytes for this time [default: never]
    #[arg(long, value_name = "TIME", value_parser = values::time, help_heading = TIMES)]
    write_timeout: Option<Duration>,
    /// Bytes that may be queued for one session: 64KiB to 1GiB.
    #[arg(long, value_name = "BYTES", default_value = "256KiB", value_parser = values::outbox, help_heading = SLOW)]
    outbox_bytes: usize,
}

/// Descriptors that are not sessions: standard streams, listeners, and a few per shard.
const OTHER_FILES: u64 = 64;
/// Sockets of a shard that are neither sessions nor listeners: refused connections that are being
/// told why.
const OTHER_SOCKETS: usize = 64;

impl Serving {
    /// The limit of sessions, if each session takes `files_each` descriptors.
    pub(crate) fn sessions(&self, files_each: u64) -> Result<usize, String> {
        let files = system::raise_open_files().unwrap_or(u64::MAX);
        let tables = match (self.direct_descriptors, self.shards) {
            (false, _) => 1,
            (true, 0) => std::thread::available_parallelism().map_or(1, usize::from) as u64,
            (true, shards) => shards as u64,
        };
        let most = files.saturating_sub(OTHER_FILES).saturating_mul(tables) / files_each;
        let sockets = DriverConfig::new().most_sockets().saturating_sub(self.listen.len() + OTHER_SOCKETS);
        match self.max_sessions {
            Some(wanted) if wanted as u64 > most && self.direct_descriptors => Err(format!(
                "--max-sessions {wanted}: with --direct-descriptors a shard has room for {} sessions (the limit of open \
                 files): use at most {most}, or more --shards",
                files.saturating_sub(OTHER_FILES) / files_each
            )),
            Some(wanted) if wanted as u64 > most => Err(format!(
                "--max-sessions {wanted} needs {} open files, but the limit is {files}: raise it (ulimit -n), or use at most \
                 {most} sessions",
                (wanted as u64).saturating_mul(files_each).saturating_add(OTHER_FILES)
            )),
            Some(wanted) if wanted > sockets => Err(format!("--max-sessions {wanted}: use at most {sockets} sessions")),
            Some(wanted) => Ok(wanted),
            None => Ok(most.clamp(1, 100_000) as usize),
        }
    }

    /// A server on these addresses; its limits and timeouts are still to be set.
    pub(crate) fn builder(&self) -> Builder {
        let builder = Server::builder()
            .shards(self.shards)
            .backend(self.backend.backend())
            .direct_descriptors(self.direct_descriptors);
        self.listen.iter().fold(builder, |builder, address| builder.listen(address))
    }

    pub(crate) fn limits(&self, sessions: usize) -> Limits {
        let limits = Limits::new().sessions(sessions).outbox_bytes(self.outbox_bytes);
        let limits = set(limits, self.max_sessions_per_ip, Limits::sessions_per_ip);
        let limits = set(limits, self.accept_rate, Limits::accept_rate);
        set(limits, self.byte_rate, Limits::byte_rate)
    }

    pub(crate) fn timeouts(&self) -> Timeouts {
        let timeouts = set(Timeouts::new(), self.idle_timeout, Timeouts::idle);
        set(timeouts, self.write_timeout, Timeouts::write)
    }

    pub(crate) fn outbox_bytes(&self) -> usize {
        self.outbox_bytes
    }

    /// Runs the server until a signal ends it. Prints the start-up line, with `more` after the
    /// addresses, and the closing summary.
    pub(crate) fn run<H: Handler>(
        self,
        name: &str,
        more: &str,
        builder: Builder,
        handler: H,
    ) -> Result<(), Box<dyn Error>> {
        let requests = StopRequests::new()?;
        let server = builder.start(handler).map_err(|error| {
            let remedy = error.io().map_or("", |error| self.backend.remedy(error));
            format!("{error}{remedy}")
        })?;
        let addresses: Vec<String> = server.local_addrs().iter().map(Address::to_string).collect();
        let report = server.report();
        eprintln!(
            "proactor: {name} on {}{more}; backend {} ({}); {} {}",
            addresses.join(", "),
            report.backend,
            report.why,
            server.shards(),
            if server.shards() == 1 { "shard" } else { "shards" }
        );
        let handle = server.handle().untyped();
        let (asked, patience, mut first) = (handle.clone(), self.drain_timeout, true);
        requests.each(
            move |most| {
                if std::mem::take(&mut first) { asked.drain(patience.min(most)) } else { asked.stop() }
            },
        );
        server.wait()?;
        eprintln!("proactor: {name} has ended: {}", summary(&handle));
        match handle.stats().drain_cut {
            0 => Ok(()),
            sessions => Err(DrainCut { sessions }.into()),
        }
    }
}

/// The time of a drain was over before everything had ended. The program has an exit status for it.
#[derive(Debug)]
pub(crate) struct DrainCut {
    sessions: u64,
}

impl DrainCut {
    pub(crate) const STATUS: u8 = 3;
}

impl fmt::Display for DrainCut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sessions = counted(self.sessions, "session");
        write!(f, "the drain cut {sessions} off at work: a longer --drain-timeout lets work finish")
    }
}

impl Error for DrainCut {}

/// Applies a setting if the option was given.
pub(crate) fn set<S, T>(settings: S, value: Option<T>, setter: impl FnOnce(S, T) -> S) -> S {
    match value {
        Some(value) => setter(settings, value),
        None => settings,
    }
}

fn counted(count: u64, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// Counts of sessions by reason of closing, of refused connections by reason, and of dropped
/// packets.
fn summary(handle: &Handle) -> String {
    let stats = handle.stats();
    let reasons = |reasons: Vec<String>| match reasons.is_empty() {
        true => String::new(),
        false => format!(" ({})", reasons.join("; ")),
    };
    let closed = stats.closings().map(|(reason, count)| format!("{count}: {reason}")).collect();
    let refused = stats.refusals().map(|(reason, count)| format!("{count}: {reason}")).collect();
    let drained = match (stats.drained, stats.drain_cut) {
        (0, 0) => String::new(),
        (whole, cut) => format!(", drained {whole} whole, {cut} cut"),
    };
    format!(
        "{}{}, {} refused{}, {} dropped{drained}",
        counted(stats.accepted + stats.connected, "session"),
        reasons(closed),
        stats.refused_in_all(),
        reasons(refused),
        counted(stats.dropped, "packet")
    )
}
