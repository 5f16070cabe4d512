//! The limits of a server, which can change while it runs.

use clap::{ArgMatches, Args, FromArgMatches};
use proactor::{Limits, Rate};

use crate::setting::set;
use crate::values;

pub(crate) const LIMITS: &str =
    "Limits (a connection over a limit is refused; a session is read no faster than its rates allow)";

#[derive(Args)]
pub(crate) struct LimitOptions {
    /// Maximum number of sessions [default: as many as the limit of open files allows, at most
    /// 100000]
    #[arg(long, value_name = "N", value_parser = values::count, help_heading = LIMITS)]
    pub(crate) max_sessions: Option<usize>,
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
}

/// The keys of these options, and of the packet rate that some servers have.
pub(crate) const KEYS: [&str; 5] = ["max-sessions", "max-sessions-per-ip", "accept-rate", "byte-rate", "packet-rate"];

impl LimitOptions {
    /// What the options of a server set, as clap has read them again. With the packet rate.
    pub(crate) fn read(matches: &ArgMatches) -> Result<(LimitOptions, Option<Rate>), String> {
        let options = LimitOptions::from_arg_matches(matches).map_err(|error| error.to_string())?;
        // A proxy has no packets.
        let packet_rate = matches.try_get_one::<Rate>("packet_rate").ok().flatten();
        Ok((options, packet_rate.copied()))
    }

    pub(crate) fn limits(&self, sessions: usize) -> Limits {
        let limits = set(Limits::new().sessions(sessions), self.max_sessions_per_ip, Limits::sessions_per_ip);
        let limits = set(limits, self.accept_rate, Limits::accept_rate);
        set(limits, self.byte_rate, Limits::byte_rate)
    }
}
