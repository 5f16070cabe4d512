//! How a simulated network behaves.

use std::time::Duration;

/// How a simulated network behaves.
///
/// Without other settings: latencies from 50 µs to 1 ms; one in 4 sends and receives is short; one
/// in 16 results ends its multishot operation; buffers of 64 KiB; no datagram is lost or doubled.
///
/// ```
/// use overlapped::sim::{Network, NetworkConfig};
///
/// let network = Network::with_config(1, NetworkConfig::new().short_sends(0).short_receives(0));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkConfig {
    pub(super) latency: (Duration, Duration),
    pub(super) short_sends: u32,
    pub(super) short_receives: u32,
    pub(super) early_ends: u32,
    pub(super) buffer_bytes: usize,
    pub(super) lost_datagrams: u32,
    pub(super) doubled_datagrams: u32,
}

impl Default for NetworkConfig {
    fn default() -> NetworkConfig {
        NetworkConfig {
            latency: (Duration::from_micros(50), Duration::from_millis(1)),
            short_sends: 4,
            short_receives: 4,
            early_ends: 16,
            buffer_bytes: 64 * 1024,
            lost_datagrams: 0,
            doubled_datagrams: 0,
        }
    }
}

impl NetworkConfig {
    /// The settings that are described [above](NetworkConfig).
    pub fn new() -> NetworkConfig {
        NetworkConfig::default()
    }

    /// The least and the most time that something is on its way. Each piece draws its own time; the
    /// pieces of one direction of one connection keep their order, and datagrams do not.
    pub fn latency(self, least: Duration, most: Duration) -> NetworkConfig {
        NetworkConfig { latency: (least, most), ..self }
    }

    /// One in `sends` sends takes only some of the bytes that it could take, before the rest is
    /// tried. 0 is never.
    pub fn short_sends(self, sends: u32) -> NetworkConfig {
        NetworkConfig { short_sends: sends, ..self }
    }

    /// One in `receives` receives brings only some of the bytes that it could bring. 0 is never.
    pub fn short_receives(self, receives: u32) -> NetworkConfig {
        NetworkConfig { short_receives: receives, ..self }
    }

    /// One in `results` results of a multishot operation is the last that the backend gives, so
    /// that the driver has to start it again. 0 is never.
    pub fn early_ends(self, results: u32) -> NetworkConfig {
        NetworkConfig { early_ends: results, ..self }
    }

    /// Bytes of each end's send buffer, and of its receive buffer, unless its
    /// [`StreamOptions`](crate::options::StreamOptions) set them.
    pub fn buffer_bytes(self, buffer_bytes: usize) -> NetworkConfig {
        NetworkConfig { buffer_bytes, ..self }
    }

    /// One in `datagrams` datagrams is lost. 0 is never. Those that find a receive buffer full are
    /// lost too.
    pub fn lost_datagrams(self, datagrams: u32) -> NetworkConfig {
        NetworkConfig { lost_datagrams: datagrams, ..self }
    }

    /// One in `datagrams` datagrams arrives twice. 0 is never.
    pub fn doubled_datagrams(self, datagrams: u32) -> NetworkConfig {
        NetworkConfig { doubled_datagrams: datagrams, ..self }
    }
}
