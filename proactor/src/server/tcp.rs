//! TCP's own means to notice a lost peer, and their defaults.

use std::time::Duration;

use overlapped::Address;
use overlapped::options::StreamOptions;

/// Short enough for the address translation on the way, which forgets a quiet connection after
/// minutes, and seldom enough to cost nothing: a packet a minute each way.
const KEEP_ALIVE: Duration = Duration::from_secs(60);
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(10);
const KEEP_ALIVE_PROBES: u32 = 5;

/// Options of TCP connections, for a listener or for outbound connections.
#[derive(Clone, Debug)]
pub(super) struct TcpOptions {
    stream: StreamOptions,
    /// Whether any was asked for. If not, they are left away where there is no TCP.
    is_set: bool,
    interval: Duration,
    probes: u32,
    keep_alive: Option<Duration>,
}

impl Default for TcpOptions {
    fn default() -> TcpOptions {
        TcpOptions {
            stream: StreamOptions::new(),
            is_set: false,
            interval: KEEP_ALIVE_INTERVAL,
            probes: KEEP_ALIVE_PROBES,
            keep_alive: Some(KEEP_ALIVE),
        }
    }
}

impl TcpOptions {
    /// Whether any was asked for.
    pub(super) fn is_set(&self) -> bool {
        self.is_set
    }

    pub(super) fn keep_alive(&mut self, time: Option<Duration>) {
        self.keep_alive = time;
        self.is_set |= time.is_some();
    }

    pub(super) fn keep_alive_interval(&mut self, interval: Duration) {
        (self.interval, self.is_set) = (interval, true);
    }

    pub(super) fn keep_alive_probes(&mut self, probes: u32) {
        (self.probes, self.is_set) = (probes, true);
    }

    pub(super) fn user_timeout(&mut self, time: Duration) {
        self.stream = self.stream.clone().user_timeout(time);
        self.is_set = true;
    }

    /// Options for TCP connections.
    pub(super) fn stream(&self) -> StreamOptions {
        let Some(time) = self.keep_alive else { return self.stream.clone() };
        let stream = self.stream.clone().keep_alive(time).keep_alive_interval(self.interval);
        // Windows has ten of its own, and only newer versions let a program set them.
        if cfg!(windows) && self.probes == KEEP_ALIVE_PROBES { stream } else { stream.keep_alive_probes(self.probes) }
    }

    /// Options for the connections of a listener. One on a path has those that were asked for, and
    /// is refused with them.
    pub(super) fn of(&self, address: &Address) -> StreamOptions {
        match address {
            Address::Unix(_) if !self.is_set => StreamOptions::new(),
            _ => self.stream(),
        }
    }
}
