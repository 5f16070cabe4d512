//! `proactor echo`: sends back what it receives.

use std::error::Error;
use std::time::Duration;

use clap::Args;
use overlapped::Address;
use proactor::{Flow, Handler, Server, Session};

use crate::backend::{self, BackendChoice};
use crate::signals::StopRequests;
use crate::system;

const LONG_ABOUT: &str = "Sends back to every client what it sends.\n\nWhen it is ready it prints a line on standard error that begins \
                          with \"proactor: echo on\": addresses, backend and why, shards. SIGINT or SIGTERM (on Windows Ctrl-C, \
                          Ctrl-Break or closing the console) make it accept no more, deliver what is queued, close gracefully and \
                          exit with 0; what takes longer than --drain-timeout is cut off. A second one stops it at once.";

const EXAMPLES: &str = "Examples:\n  proactor echo\n  proactor echo --listen 0.0.0.0:7 --listen '[::]:7' --shards 2\n  proactor echo --listen \
                        127.0.0.1:0      # a free port; the line on standard error says which\n  proactor echo --listen \
                        unix:/run/echo.sock --backend poll";

/// Sends back to every client what it sends.
#[derive(Args)]
#[command(
    long_about = LONG_ABOUT,
    after_help = format!("{EXAMPLES}\n\n{}", backend::ENVIRONMENT)
)]
pub(crate) struct Echo {
    /// Address to listen on, as `127.0.0.1:7777`, `[::1]:7777` or `unix:/run/echo.sock`; port 0 takes a free one. May be given more than once.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:7777")]
    listen: Vec<Address>,
    /// Shards, each with a thread of its own; 0 is one for every core.
    #[arg(long, value_name = "N", default_value_t = 0)]
    shards: usize,
    /// How to reach the operating system.
    #[arg(long, value_enum, default_value_t = BackendChoice::Auto)]
    backend: BackendChoice,
    /// How long a drain may take, as 500ms or 10s.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = humantime::parse_duration)]
    drain_timeout: Duration,
    /// Sessions there may be at once; whoever comes then is turned away [default: as many as open files allow].
    #[arg(long, value_name = "N")]
    max_sessions: Option<usize>,
    /// Bytes that may be queued for one session; at half of it the session is not read from.
    #[arg(long, value_name = "BYTES", default_value_t = 256 * 1024)]
    outbox_bytes: usize,
}

#[derive(Clone)]
struct Echoing;

impl Handler for Echoing {
    type State = ();

    fn connected(&mut self, _: &Session) {}

    fn received(&mut self, session: &Session, (): &mut (), packet: &[u8]) -> Flow {
        match session.send(packet) {
            Ok(()) => Flow::Continue,
            // A packet comes only while half the outbox is free, and fits into that.
            Err(_) => Flow::Close,
        }
    }
}

/// Descriptors that are not sessions: standard streams, listeners, and a few for every shard.
const OTHER_FILES: u64 = 64;

impl Echo {
    pub(crate) fn run(self) -> Result<(), Box<dyn Error>> {
        let files = system::raise_open_files().unwrap_or(u64::MAX);
        let most = files.saturating_sub(OTHER_FILES);
        let max_sessions = match self.max_sessions {
            Some(wanted) if wanted as u64 > most => {
                return Err(format!(
                    "--max-sessions {wanted} needs {} open files, but the limit is {files}: raise it (ulimit -n), or ask \
                     for at most {most} sessions",
                    wanted as u64 + OTHER_FILES
                )
                .into());
            }
            Some(wanted) => wanted,
            None => most.clamp(1, 100_000) as usize,
        };
        let requests = StopRequests::new()?;
        let mut builder = Server::builder()
            .shards(self.shards)
            .backend(self.backend.backend())
            .max_sessions(max_sessions)
            .outbox_bytes(self.outbox_bytes);
        for address in &self.listen {
            builder = builder.bind(address);
        }
        let server = builder.start(Echoing).map_err(|error| {
            let remedy = error.io().map_or("", |error| self.backend.remedy(error));
            format!("{error}{remedy}")
        })?;
        let addresses: Vec<String> = server.local_addrs().iter().map(Address::to_string).collect();
        let report = server.report();
        eprintln!(
            "proactor: echo on {}; backend {} ({}); {} {}",
            addresses.join(", "),
            report.backend,
            report.why,
            server.shards(),
            if server.shards() == 1 { "shard" } else { "shards" }
        );
        let (handle, patience, mut first) = (server.handle(), self.drain_timeout, true);
        requests.each(
            move |most| {
                if std::mem::take(&mut first) { handle.drain(patience.min(most)) } else { handle.stop() }
            },
        );
        Ok(server.wait()?)
    }
}
