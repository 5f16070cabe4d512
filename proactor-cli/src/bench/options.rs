//! The options of `proactor bench`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use proactor::Target;

use super::values as limits;
use crate::backend::{self, BackendChoice};
use crate::codec::{self, CodecChoice};
use crate::values;

const LONG_ABOUT: &str = "Loads an echo server: one that sends every packet back unchanged, as `proactor echo` does, with the same --codec. Measures \
    how fast it answers, and checks every byte of every answer. With --answer any, one packet of any content is an answer.\n\n\
    All connections are made first. Then comes a warm-up, then the measured time. Without --rate the loop is closed: a \
    connection sends its next message when one is answered, so a slow server gets less load. With --rate the loop is open: \
    messages are due at an even rate whatever the server does, and a latency counts from when its message was due, so the \
    wait behind a slow answer is included (no coordinated omission).\n\n\
    Progress goes to standard error once a second; the report goes to standard output at the end. It covers the messages that \
    were sent (with --rate: were due) within the measured time, and waits for their answers. Without --rate, a \
    latency begins just before the system is asked to send the message. It ends when the system has handed over the last byte \
    of the answer, so this program's own delays are included. The report shows how busy this program's threads were: near \
    100 %, the program may be the limit. Give the server and this program separate cores.\n\n\
    A lost connection is an error, and the program does not connect again in its place. SIGINT or SIGTERM (on Windows: \
    Ctrl-C, Ctrl-Break or closing the console) ends the run with a report of what was measured so far; a second signal exits \
    at once. The program exits with 0 if there were at most --max-errors errors, with 1 if there were more or the run could \
    not begin, and with 130 after a signal.";

const EXAMPLES: &str = "Examples:\n  proactor echo &  proactor bench --connect 127.0.0.1:7777\n  proactor bench --connect example.org:7777 --connections 1000 --rate 5000 --html report.html\n  proactor bench --connect '[::1]:7777' --codec length --size 1KiB --pipeline 100 --threads 2\n  proactor bench --connect unix:/run/echo.sock --json - | jq .latency\n  \
    proactor bench --connect 127.0.0.1:6379 --codec lines --message PING --answer any";

const LOAD: &str = "Load";
const PACKETS: &str = "Packets";
const CONNECTING: &str = "Connecting";
const REPORT: &str = "Report";

/// Loads a server, checks every answer, and measures latency and throughput.
#[derive(Args)]
#[command(
    long_about = LONG_ABOUT,
    after_help = format!("{EXAMPLES}\n\n{}", backend::ENVIRONMENT)
)]
pub(crate) struct Bench {
    /// Server to connect to: `127.0.0.1:7777`, `[::1]:7777`, `example.org:7777` or
    /// `unix:/run/server.sock`. A name is looked up once; the first address that answers is used
    #[arg(long, value_name = "ADDR", help_heading = CONNECTING)]
    pub(super) connect: Target,
    /// Speak TLS. The server's certificate must be for the name or the address of --connect, and
    /// signed by an authority that this machine trusts. A connection then takes until its handshake
    /// is over
    #[cfg(feature = "tls")]
    #[arg(long = "tls", help_heading = CONNECTING)]
    pub(super) is_over_tls: bool,
    /// Trust the authorities of this PEM file, instead of those of this machine
    #[cfg(feature = "tls")]
    #[arg(long, value_name = "FILE", requires = "is_over_tls", help_heading = CONNECTING)]
    pub(super) tls_ca: Option<PathBuf>,
    /// Name that the server's certificate must be for, if it is not that of --connect
    #[cfg(feature = "tls")]
    #[arg(long, value_name = "NAME", requires = "is_over_tls", help_heading = CONNECTING)]
    pub(super) tls_name: Option<String>,
    /// Number of connections, open for the whole run
    #[arg(long, value_name = "N", default_value = "64", value_parser = values::count, help_heading = CONNECTING)]
    pub(super) connections: usize,
    /// How many connections may be connecting at the same time
    #[arg(long, value_name = "N", default_value = "128", value_parser = values::count, help_heading = CONNECTING)]
    pub(super) connecting: usize,
    /// Connections begun per second [default: as fast as possible]
    #[arg(long, value_name = "N", value_parser = limits::rate, help_heading = CONNECTING)]
    pub(super) connect_rate: Option<u64>,
    /// Time allowed for a connection, and for an answer; a longer time is an error
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = limits::duration, help_heading = CONNECTING)]
    pub(super) timeout: Duration,

    /// Outstanding messages per connection. In an open loop this is a maximum: further messages
    /// wait, and their latency includes the wait
    #[arg(long, value_name = "N", default_value = "1", value_parser = values::count, help_heading = LOAD)]
    pub(super) pipeline: usize,
    /// Messages per second on all connections together, evenly spaced (open loop) [default: closed
    /// loop]
    #[arg(long, value_name = "N", value_parser = limits::rate, help_heading = LOAD)]
    pub(super) rate: Option<u64>,
    /// How long to measure, for example 500ms, 10s or 5m
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = limits::duration, help_heading = LOAD)]
    pub(super) duration: Duration,
    /// Load before the measurement begins
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = limits::warmup, help_heading = LOAD)]
    pub(super) warmup: Duration,
    /// Number of threads, which share the connections; 0 means one per core
    #[arg(long, visible_alias = "shards", value_name = "N", default_value = "1", value_parser = values::shards, help_heading = LOAD)]
    pub(super) threads: usize,
    /// I/O backend to use
    #[arg(long, value_enum, default_value_t = BackendChoice::Auto, help_heading = LOAD)]
    pub(super) backend: BackendChoice,

    /// How packets are framed: raw, lines, length, length2 or fixed:N
    #[arg(long, default_value = "raw", help_heading = PACKETS, long_help = codec::BENCH_HELP)]
    pub(super) codec: CodecChoice,
    /// Message size in bytes, without the codec's bytes [default: 64; the N of fixed:N]
    #[arg(long, value_name = "BYTES", value_parser = values::at_least_one_byte, help_heading = PACKETS)]
    pub(super) size: Option<usize>,
    /// Send this text, or the content of a file, each time [default: random bytes, different in
    /// every message; printable ones for lines]
    #[arg(long, value_name = "TEXT|@FILE", help_heading = PACKETS)]
    pub(super) message: Option<String>,
    /// Expected answer
    #[arg(long, value_enum, default_value_t = Answer::Echo, help_heading = PACKETS)]
    pub(super) answer: Answer,
    /// Seed of the random bytes
    #[arg(long, value_name = "N", default_value = "1", help_heading = PACKETS)]
    pub(super) seed: u64,

    /// Number of errors to accept: failed or lost connections, wrong or missing answers. One more
    /// ends the run
    #[arg(long, value_name = "N", default_value = "0", help_heading = REPORT)]
    pub(super) max_errors: u64,
    /// Write all results to a file, with the series and the percentile curve. `-` means standard
    /// output; the report then goes to standard error
    #[arg(long, value_name = "FILE", help_heading = REPORT)]
    pub(super) json: Option<PathBuf>,
    /// Write a self-contained page with plots to a file
    #[arg(long, value_name = "FILE", help_heading = REPORT)]
    pub(super) html: Option<PathBuf>,
    /// Do not print progress
    #[arg(long, help_heading = REPORT)]
    pub(super) quiet: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Answer {
    /// The message itself, byte for byte
    Echo,
    /// Any packet of at most 1 MiB; with raw, as many bytes as the message has
    Any,
}
