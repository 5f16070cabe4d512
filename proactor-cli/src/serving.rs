//! What every command that serves has in common: its options, the line that says it is ready, and its end.

use std::error::Error;
use std::time::Duration;

use clap::Args;
use overlapped::{Address, DriverConfig};
use proactor::{Builder, Handle, Handler, Rate, Server};

use crate::backend::BackendChoice;
use crate::signals::StopRequests;
use crate::system;
use crate::values;

/// For `--help` of a command that serves: what it does when it is ready and when it is to end.
macro_rules! life {
    ($name:literal) => {
        concat!(
            "When it is ready it prints a line on standard error that begins with \"proactor: ",
            $name,
            " on\": addresses, backend and why, shards. SIGINT or SIGTERM (on Windows Ctrl-C, Ctrl-Break or closing the console) make it accept \
             no more, deliver what is queued, close gracefully and exit with 0; what takes longer than --drain-timeout is cut off. A second one \
             stops it at once. At the end it says how many sessions there were, and why they ended."
        )
    };
}
pub(crate) use life;

/// The groups of options in `--help`.
pub(crate) const LISTENING: &str = "Listening";
pub(crate) const LIMITS: &str = "Limits (whoever connects over one is turned away; who sends too fast is slowed down)";
pub(crate) const TIMES: &str = "Time-outs (write a time as 500ms, 10s or 5m)";
pub(crate) const SLOW: &str = "Slow consumers";

#[derive(Args)]
pub(crate) struct Serving {
    /// Address to listen on, as `127.0.0.1:7777`, `[::1]:7777` or `unix:/run/proactor.sock`; port 0 takes a free one. May be given more than once.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:7777", help_heading = LISTENING)]
    listen: Vec<Address>,
    /// Shards, each with a thread of its own; 0 is one for every core.
    #[arg(long, value_name = "N", default_value = "0", value_parser = values::shards, help_heading = LISTENING)]
    shards: usize,
    /// How to reach the operating system.
    #[arg(long, value_enum, default_value_t = BackendChoice::Auto, help_heading = LISTENING)]
    backend: BackendChoice,
    /// Keeps sessions as direct descriptors of io_uring's, which the limit of open files does not count: each shard then has room for as many as that limit says
    /// (Linux 6.8 and newer).
    #[arg(long, help_heading = LISTENING)]
    direct_descriptors: bool,
    /// How long a drain may take, as 500ms or 10s.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = values::any_time, help_heading = LISTENING)]
    drain_timeout: Duration,
    /// Sessions there may be at once [default: as many as open files allow, at most 100000].
    #[arg(long, value_name = "N", value_parser = values::count, help_heading = LIMITS)]
    max_sessions: Option<usize>,
    /// Sessions at once of one IP address; of IPv6 a /64 counts as one [default: no limit]
    #[arg(long, value_name = "N", value_parser = values::count, help_heading = LIMITS)]
    max_sessions_per_ip: Option<usize>,
    /// Connections taken a second, as N, or as N:BURST with how many at once after a quiet while (N unless given) [default: no limit]
    #[arg(long, value_name = "RATE", value_parser = values::rate, help_heading = LIMITS)]
    accept_rate: Option<Rate>,
    /// Bytes a session may send a second, as 64KiB or 64KiB:1MiB. Who is over it is not read from until it may send again [default: no limit]
    #[arg(long, value_name = "RATE", value_parser = values::byte_rate, help_heading = LIMITS)]
    byte_rate: Option<Rate>,

    /// Closes a session after so long without a byte either way [default: never]
    #[arg(long, value_name = "TIME", value_parser = values::time, help_heading = TIMES)]
    idle_timeout: Option<Duration>,
    /// Resets a session that has taken nothing for so long of what waits for it [default: never]
    #[arg(long, value_name = "TIME", value_parser = values::time, help_heading = TIMES)]
    write_timeout: Option<Duration>,
    /// Bytes that may be queued for one session, 64KiB to 1GiB.
    #[arg(long, value_name = "BYTES", default_value = "256KiB", value_parser = values::outbox, help_heading = SLOW)]
    outbox_bytes: usize,
}

/// Descriptors that are not sessions: standard streams, listeners, and a few for every shard.
const OTHER_FILES: u64 = 64;
/// Sockets of a shard that are no sessions, beside its listeners: of those who are told why they are turned away.
const OTHER_SOCKETS: usize = 64;

impl Serving {
    /// How many sessions there may be, if each takes so many descriptors.
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
                "--max-sessions {wanted}: with direct descriptors a shard has room for {} sessions, as many as the limit of open files says, so ask for at most {most} or for more --shards",
                files.saturating_sub(OTHER_FILES) / files_each
            )),
            Some(wanted) if wanted as u64 > most => Err(format!(
                "--max-sessions {wanted} needs {} open files, but the limit is {files}: raise it (ulimit -n), or ask for at most \
                 {most} sessions",
                (wanted as u64).saturating_mul(files_each).saturating_add(OTHER_FILES)
            )),
            Some(wanted) if wanted > sockets => {
                Err(format!("--max-sessions {wanted}: ask for at most {sockets} sessions"))
            }
            Some(wanted) => Ok(wanted),
            None => Ok(most.clamp(1, 100_000) as usize),
        }
    }

    /// A server of these options, and of so many sessions.
    pub(crate) fn builder(&self, sessions: usize) -> Builder {
        let mut builder = Server::builder()
            .shards(self.shards)
            .backend(self.backend.backend())
            .direct_descriptors(self.direct_descriptors)
            .max_sessions(sessions)
            .outbox_bytes(self.outbox_bytes);
        builder = set(builder, self.max_sessions_per_ip, Builder::max_sessions_per_ip);
        builder = set(builder, self.accept_rate, Builder::accept_rate);
        builder = set(builder, self.byte_rate, Builder::byte_rate);
        builder = set(builder, self.idle_timeout, Builder::idle_timeout);
        builder = set(builder, self.write_timeout, Builder::write_timeout);
        self.listen.iter().fold(builder, |builder, address| builder.bind(address))
    }

    pub(crate) fn outbox_bytes(&self) -> usize {
        self.outbox_bytes
    }

    /// Starts it, says that it is ready, waits until it has been asked to end and has, and says what it has done. The first line has its name, and `more` behind its addresses.
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
        let handle = server.handle();
        let (asked, patience, mut first) = (handle.clone(), self.drain_timeout, true);
        requests.each(
            move |most| {
                if std::mem::take(&mut first) { asked.drain(patience.min(most)) } else { asked.stop() }
            },
        );
        server.wait()?;
        eprintln!("proactor: {name} has ended: {}", summary(&handle));
        Ok(())
    }
}

/// Sets what is given.
pub(crate) fn set<T>(builder: Builder, value: Option<T>, setter: impl FnOnce(Builder, T) -> Builder) -> Builder {
    match value {
        Some(value) => setter(builder, value),
        None => builder,
    }
}

/// How many sessions there were and why they ended, how many were refused and why, and what was dropped.
fn summary(handle: &Handle) -> String {
    let stats = handle.stats();
    let reasons = |reasons: Vec<String>| match reasons.is_empty() {
        true => String::new(),
        false => format!(" ({})", reasons.join("; ")),
    };
    let closed = stats.closings().map(|(reason, count)| format!("{count}: {reason}")).collect();
    let refused = stats.refusals().map(|(reason, count)| format!("{count}: {reason}")).collect();
    let counted = |count: u64, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    format!(
        "{}{}, {} refused{}, {} dropped",
        counted(stats.accepted + stats.connected, "session"),
        reasons(closed),
        stats.refused_in_all(),
        reasons(refused),
        counted(stats.dropped, "packet")
    )
}
