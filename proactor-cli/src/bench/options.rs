//! The options of `proactor bench`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use proactor::Target;

use super::plan;
use crate::backend::{self, BackendChoice};
use crate::codec::{self, CodecChoice};
use crate::values;

const LONG_ABOUT: &str = "Puts a server under load that answers every packet with one packet, as `proactor echo` does, and measures how fast it answers. Every byte that comes back is checked.\n\n\
    All connections are made first; then, after a warm-up, come the seconds that are measured. Without --rate the loop is closed: a connection sends its next message when one is answered, so a slow \
    server is asked less. With --rate it is open: messages are due at an even rate whatever the server does, and each one's latency counts from when it was due, so that what waits \
    behind a slow answer is not left out (that is called corrected for coordinated omission).\n\n\
    While it runs it says on standard error how far it is, once a second; at the end, on standard output, what came of it. Latencies are of the messages that were sent (or due) within the measured time; \
    what is under way at its end is awaited. A message counts from before the system is asked to send it until its last byte was handed over by the system: the delays of this program are in the latencies. What it used \
    of its threads is said too: near 100 %, it may be what limits. Give the server and this program cores of their own.\n\n\
    Exits with 0 if there were no more errors than --max-errors, with 1 if there were (or it could not begin), with 130 if it was interrupted: SIGINT or SIGTERM (on Windows Ctrl-C, Ctrl-Break or closing the console) end it \
    with what there is so far, a second one at once. A connection that is lost is an error and is not made again.";

const EXAMPLES: &str = "Examples:\n  proactor echo &  proactor bench --connect 127.0.0.1:7777\n  proactor bench --connect chat.example.org:7777 --codec lines --connections 1000 --rate 5000 \
    --duration 1m --html report.html\n  proactor bench --connect '[::1]:7777' --codec length --size 1KiB --pipeline 100 --threads 2\n  proactor bench --connect unix:/run/echo.sock --json - | jq .latency\n  \
    proactor bench --connect 127.0.0.1:6379 --codec lines --message PING --answer any    # of each packet, one packet";

const LOAD: &str = "Load";
const PACKETS: &str = "Packets";
const CONNECTING: &str = "Connecting";
const REPORT: &str = "Report";

/// Puts a server under load, and measures and checks what it answers.
#[derive(Args)]
#[command(
    long_about = LONG_ABOUT,
    after_help = format!("{EXAMPLES}\n\n{}", backend::ENVIRONMENT)
)]
pub(crate) struct Bench {
    /// The server, as `127.0.0.1:7777`, `[::1]:7777`, `example.org:7777` or `unix:/run/server.sock`. A name is looked up once; of several addresses the first that
    /// answers is taken
    #[arg(long, value_name = "ADDR", help_heading = CONNECTING)]
    pub(super) connect: Target,
    /// Connections, held open all the time
    #[arg(long, value_name = "N", default_value = "64", value_parser = values::count, help_heading = CONNECTING)]
    pub(super) connections: usize,
    /// Connections that are being made at once
    #[arg(long, value_name = "N", default_value = "128", value_parser = values::count, help_heading = CONNECTING)]
    pub(super) connecting: usize,
    /// Connections begun a second [default: as fast as they are made]
    #[arg(long, value_name = "N", value_parser = plan::rate, help_heading = CONNECTING)]
    pub(super) connect_rate: Option<u64>,
    /// How long connecting may take, and an answer; longer is an error
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = plan::duration, help_heading = CONNECTING)]
    pub(super) timeout: Duration,

    /// Messages under way on one connection; in an open loop, the most there may be: others wait, and their latency counts
    #[arg(long, value_name = "N", default_value = "1", value_parser = values::count, help_heading = LOAD)]
    pub(super) pipeline: usize,
    /// Messages a second, on all connections together, evenly spaced: an open loop [default: a closed loop]
    #[arg(long, value_name = "N", value_parser = plan::rate, help_heading = LOAD)]
    pub(super) rate: Option<u64>,
    /// How long to measure, as 500ms, 10s or 5m
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = plan::duration, help_heading = LOAD)]
    pub(super) duration: Duration,
    /// How long the load is there before it is measured
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = plan::warmup, help_heading = LOAD)]
    pub(super) warmup: Duration,
    /// Threads, each with a part of the connections; 0 is one for every core
    #[arg(long, visible_alias = "shards", value_name = "N", default_value = "1", value_parser = values::shards, help_heading = LOAD)]
    pub(super) threads: usize,
    /// How to reach the operating system
    #[arg(long, value_enum, default_value_t = BackendChoice::Auto, help_heading = LOAD)]
    pub(super) backend: BackendChoice,

    /// Where one packet ends and the next begins: raw, lines, length, length2 or fixed:N
    #[arg(long, default_value = "raw", help_heading = PACKETS, long_help = codec::BENCH_HELP)]
    pub(super) codec: CodecChoice,
    /// Bytes of a message, without what the codec adds [default: 64; the N of fixed:N]
    #[arg(long, value_name = "BYTES", value_parser = values::at_least_one_byte, help_heading = PACKETS)]
    pub(super) size: Option<usize>,
    /// Sends this, or what is in a file, each time [default: random bytes, of which no two messages have the same; printable ones for lines]
    #[arg(long, value_name = "TEXT|@FILE", help_heading = PACKETS)]
    pub(super) message: Option<String>,
    /// What an answer has to be
    #[arg(long, value_enum, default_value_t = Answer::Echo, help_heading = PACKETS)]
    pub(super) answer: Answer,
    /// What the random bytes follow from
    #[arg(long, value_name = "N", default_value = "1", help_heading = PACKETS)]
    pub(super) seed: u64,

    /// Errors there may be: connections that are not made, are lost, or get a wrong answer or none. With one more it ends
    #[arg(long, value_name = "N", default_value = "0", help_heading = REPORT)]
    pub(super) max_errors: u64,
    /// Writes all numbers to a file, with the series of every second and the curve of percentiles; - is standard output, and the report then goes to standard error
    #[arg(long, value_name = "FILE", help_heading = REPORT)]
    pub(super) json: Option<PathBuf>,
    /// Writes a page with plots to a file: one that needs nothing else
    #[arg(long, value_name = "FILE", help_heading = REPORT)]
    pub(super) html: Option<PathBuf>,
    /// Does not say how far it is
    #[arg(long, help_heading = REPORT)]
    pub(super) quiet: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Answer {
    /// The message, byte for byte
    Echo,
    /// One packet of any content, of at most 1 MiB; with raw, as many bytes as the message has
    Any,
}
