//! Options of listeners, connections and datagram sockets, and what backends can be told.

use std::time::Duration;

/// How a listener listens, and what the connections that it accepts begin with.
///
/// Without other settings: a backlog of 4,096, IPv6 only on IPv6 addresses, [`StreamOptions::new`].
///
/// ```
/// use overlapped::options::{ListenOptions, StreamOptions};
///
/// let options = ListenOptions::new().backlog(128).stream(StreamOptions::new().nodelay(false));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenOptions {
    pub(crate) backlog: i32,
    pub(crate) only_v6: bool,
    pub(crate) stream: StreamOptions,
}

impl Default for ListenOptions {
    fn default() -> ListenOptions {
        ListenOptions { backlog: 4096, only_v6: true, stream: StreamOptions::new() }
    }
}

impl ListenOptions {
    /// The settings that are described [above](ListenOptions).
    pub fn new() -> ListenOptions {
        ListenOptions::default()
    }

    /// Connections that the system keeps until they are accepted. It cuts this down to its own
    /// limit (`net.core.somaxconn` on Linux).
    pub fn backlog(self, backlog: i32) -> ListenOptions {
        ListenOptions { backlog, ..self }
    }

    /// Whether a listener on an IPv6 address takes IPv6 only. `true` at first, so that `[::]:7777`
    /// and `0.0.0.0:7777` can be listened on together.
    pub fn only_v6(self, only_v6: bool) -> ListenOptions {
        ListenOptions { only_v6, ..self }
    }

    /// What accepted connections begin with.
    pub fn stream(self, stream: StreamOptions) -> ListenOptions {
        ListenOptions { stream, ..self }
    }
}

/// Options of a connection.
///
/// Without other settings: `TCP_NODELAY`, the rest as the system has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamOptions {
    pub(crate) nodelay: bool,
    pub(crate) keep_alive: Option<Duration>,
    pub(crate) user_timeout: Option<Duration>,
    pub(crate) receive_buffer: Option<usize>,
    pub(crate) send_buffer: Option<usize>,
}

impl Default for StreamOptions {
    fn default() -> StreamOptions {
        StreamOptions { nodelay: true, keep_alive: None, user_timeout: None, receive_buffer: None, send_buffer: None }
    }
}

impl StreamOptions {
    /// The settings that are described [above](StreamOptions).
    pub fn new() -> StreamOptions {
        StreamOptions::default()
    }

    /// `TCP_NODELAY`: small sends leave at once.
    pub fn nodelay(self, nodelay: bool) -> StreamOptions {
        StreamOptions { nodelay, ..self }
    }

    /// TCP keep-alive: how long a connection is idle before the system asks whether the peer is
    /// still there. `None`, as at first: never.
    pub fn keep_alive(self, idle: impl Into<Option<Duration>>) -> StreamOptions {
        StreamOptions { keep_alive: idle.into(), ..self }
    }

    /// `TCP_USER_TIMEOUT`: how long sent bytes may stay unacknowledged, or be kept from a peer
    /// whose window is closed, until the system gives the connection up. In milliseconds, at least
    /// one. `None`, as at first, leaves it to the system.
    ///
    /// Linux only: elsewhere it is an error of kind `Unsupported`. A simulated network loses
    /// nothing, so it ignores this.
    pub fn user_timeout(self, timeout: impl Into<Option<Duration>>) -> StreamOptions {
        StreamOptions { user_timeout: timeout.into(), ..self }
    }

    /// Bytes of the system's receive buffer. `None`, as at first, leaves it to the system, which
    /// adapts it.
    pub fn receive_buffer(self, bytes: impl Into<Option<usize>>) -> StreamOptions {
        StreamOptions { receive_buffer: bytes.into(), ..self }
    }

    /// Bytes of the system's send buffer. `None`, as at first, leaves it to the system, which
    /// adapts it.
    pub fn send_buffer(self, bytes: impl Into<Option<usize>>) -> StreamOptions {
        StreamOptions { send_buffer: bytes.into(), ..self }
    }
}

/// Options of a datagram socket.
///
/// Without other settings: no broadcast, buffers as the system has them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DatagramOptions {
    pub(crate) broadcast: bool,
    pub(crate) receive_buffer: Option<usize>,
    pub(crate) send_buffer: Option<usize>,
}

impl DatagramOptions {
    /// The settings that are described [above](DatagramOptions).
    pub fn new() -> DatagramOptions {
        DatagramOptions::default()
    }

    /// Whether it may send to broadcast addresses.
    pub fn broadcast(self, broadcast: bool) -> DatagramOptions {
        DatagramOptions { broadcast, ..self }
    }

    /// Bytes of the system's receive buffer. `None`, as at first, leaves it to the system.
    /// Datagrams that find it full are lost.
    pub fn receive_buffer(self, bytes: impl Into<Option<usize>>) -> DatagramOptions {
        DatagramOptions { receive_buffer: bytes.into(), ..self }
    }

    /// Bytes of the system's send buffer. `None`, as at first, leaves it to the system.
    pub fn send_buffer(self, bytes: impl Into<Option<usize>>) -> DatagramOptions {
        DatagramOptions { send_buffer: bytes.into(), ..self }
    }
}

/// What a backend is told of a driver's configuration: see
/// [`DriverConfig`](crate::DriverConfig).
#[derive(Clone, Debug)]
pub(crate) struct BackendOptions {
    /// The most sockets.
    pub(crate) sockets: usize,
    /// Entries of the submission queue.
    pub(crate) submissions: u32,
    /// Bytes that one peer brings in one turn; 0 is no limit.
    pub(crate) turn_bytes: u32,
    pub(crate) direct_descriptors: bool,
}
