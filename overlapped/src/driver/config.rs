//! What a driver is made of, and its limits.

use crate::buf::PoolConfig;
use crate::error::{Action, Error, ErrorKind};
use crate::options::BackendOptions;
use crate::report::Backend;
use crate::sys::sim::Network;

use super::{operations::MOST_OPERATIONS, sockets::MOST_SOCKETS};

/// What a driver is made of, and its limits.
///
/// Without other settings: the best backend that works here, 2^20 operations, 2^18 sockets, 1,024
/// operations in a socket's queue, 256 pooled buffers of 16 KiB, 64 KiB of one peer in one turn.
///
/// ```
/// # use overlapped::{Driver, DriverConfig};
/// # use overlapped::buf::PoolConfig;
/// let config = DriverConfig::new().sockets(1000).pool(PoolConfig::new().buffers(64));
/// let driver = Driver::new(config)?;
/// # Ok::<(), overlapped::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct DriverConfig {
    pub(super) backend: Option<Backend>,
    pub(super) network: Option<Network>,
    pub(super) operations: usize,
    pub(super) queue: usize,
    pub(super) pool: PoolConfig,
    pub(super) options: BackendOptions,
}

impl Default for DriverConfig {
    fn default() -> DriverConfig {
        DriverConfig {
            backend: None,
            network: None,
            operations: 1 << 20,
            queue: 1024,
            pool: PoolConfig::new(),
            options: BackendOptions {
                sockets: 1 << 18,
                submissions: 1024,
                turn_bytes: 64 * 1024,
                direct_descriptors: false,
            },
        }
    }
}

impl DriverConfig {
    /// The settings that are described [above](DriverConfig).
    pub fn new() -> DriverConfig {
        DriverConfig::default()
    }

    /// The backend. `None`, as at first, takes the best that works here.
    pub fn backend(self, backend: impl Into<Option<Backend>>) -> DriverConfig {
        DriverConfig { backend: backend.into(), ..self }
    }

    /// Makes the driver a host of a simulated network. The backend is then not set, or
    /// [`Backend::Sim`].
    pub fn network(self, network: impl Into<Option<Network>>) -> DriverConfig {
        DriverConfig { network: network.into(), ..self }
    }

    /// Operations that may be in flight at once: at most 2^24.
    pub fn operations(self, operations: usize) -> DriverConfig {
        DriverConfig { operations, ..self }
    }

    /// Sockets there may be at once.
    pub fn sockets(mut self, sockets: usize) -> DriverConfig {
        self.options.sockets = sockets;
        self
    }

    /// Receives that may be in flight on one socket; and as many sends. More than 65,535 are as
    /// 65,535.
    pub fn queue(self, queue: usize) -> DriverConfig {
        DriverConfig { queue, ..self }
    }

    /// The pooled receive buffers.
    pub fn pool(self, pool: PoolConfig) -> DriverConfig {
        DriverConfig { pool, ..self }
    }

    /// Entries of the submission queue, 1 to 32,768. The system rounds it up to a power of two.
    pub fn submissions(mut self, submissions: u32) -> DriverConfig {
        self.options.submissions = submissions;
        self
    }

    /// Bytes that one multishot receive may bring in one turn, where the kernel supports it; more
    /// are received in a later turn. A single packet may exceed it. It keeps one flooding peer from
    /// taking every pooled buffer. 0 is no limit.
    pub fn turn_bytes(mut self, turn_bytes: u32) -> DriverConfig {
        self.options.turn_bytes = turn_bytes;
        self
    }

    /// Keeps streams as direct descriptors: in a table of the ring, which the limit of open files
    /// (`RLIMIT_NOFILE`) does not count.
    ///
    /// They are for having more sockets than that limit. They cost a little for each connection,
    /// and nothing for what it sends and receives. Each driver has a table of as many sockets as
    /// that limit, or as [`sockets`](DriverConfig::sockets) if that is less. What does not fit is
    /// an ordinary descriptor.
    ///
    /// io_uring only, and Linux 6.8 or newer. Elsewhere, asking for them is an error of kind
    /// `Unsupported`.
    pub fn direct_descriptors(mut self, direct_descriptors: bool) -> DriverConfig {
        self.options.direct_descriptors = direct_descriptors;
        self
    }

    /// The most sockets that there may be at once.
    pub fn most_sockets(&self) -> usize {
        self.options.sockets
    }

    /// Whether the driver is to be a host of a simulated network.
    pub fn is_simulated(&self) -> bool {
        self.network.is_some()
    }

    /// The bytes of one pooled buffer: the longest packet, except of streams, as [`PoolConfig`]
    /// says.
    pub fn packet_bytes(&self) -> usize {
        self.pool.buffer_bytes as usize
    }

    /// The bytes of all pooled buffers together, with those for streams that [`PoolConfig`] tells
    /// of. Where there are none, fewer.
    pub fn pool_bytes(&self) -> usize {
        self.pool.bytes() + self.pool.for_streams().map_or(0, |streams| streams.bytes())
    }

    pub(super) fn check(&self) -> Result<(), Error> {
        let invalid = |why: String| Err(Error::new(Action::Setup, ErrorKind::InvalidArgument).because(why));
        let (sockets, submissions) = (self.options.sockets, self.options.submissions);
        if let Err(why) = self.pool.check() {
            return invalid(why);
        }
        if self.operations == 0 || self.operations > MOST_OPERATIONS {
            return invalid(format!("{} operations: must be 1 to {MOST_OPERATIONS}", self.operations));
        }
        if sockets == 0 || sockets > MOST_SOCKETS {
            return invalid(format!("{sockets} sockets: must be 1 to {MOST_SOCKETS}"));
        }
        if self.queue == 0 {
            return invalid("a socket's queue of 0 operations: must be at least 1".into());
        }
        if !(1..=32_768).contains(&submissions) {
            return invalid(format!("{submissions} submissions: must be 1 to 32768"));
        }
        Ok(())
    }
}
