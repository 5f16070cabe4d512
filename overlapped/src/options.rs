//! Options of listeners, connections and datagram sockets.

use std::time::Duration;

/// How a listener listens, and what the connections that it accepts inherit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenOptions {
    /// Connections the system keeps until they are accepted; it cuts this down to its own limit (`net.core.somaxconn` on Linux).
    pub backlog: i32,
    /// Whether a listener on an IPv6 address takes IPv6 only. `true`, so that `[::]:7777` and `0.0.0.0:7777` can be listened on together.
    pub only_v6: bool,
    /// What accepted connections begin with.
    pub stream: StreamOptions,
}

impl Default for ListenOptions {
    /// A backlog of 4,096, `TCP_NODELAY`.
    fn default() -> ListenOptions {
        ListenOptions { backlog: 4096, only_v6: true, stream: StreamOptions::default() }
    }
}

/// Options of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamOptions {
    /// `TCP_NODELAY`: small sends leave at once.
    pub nodelay: bool,
    /// TCP keep-alive: how long a connection is idle before the system asks whether the peer is still there. `None`: never.
    pub keep_alive: Option<Duration>,
    /// `TCP_USER_TIMEOUT`: how long sent bytes may go unacknowledged, or be kept from a peer whose window is closed, until the system gives the connection
    /// up; in milliseconds, of which it is at least one. `None` leaves it to the system. Linux only: elsewhere it is an error of kind `Unsupported`. A
    /// simulated network, which loses nothing, makes no difference of it.
    pub user_timeout: Option<Duration>,
    /// Bytes of the system's receive buffer; `None` leaves it to the system, which adapts it.
    pub receive_buffer: Option<usize>,
    /// Bytes of the system's send buffer; `None` leaves it to the system, which adapts it.
    pub send_buffer: Option<usize>,
}

impl Default for StreamOptions {
    /// `TCP_NODELAY`, the rest as the system has it.
    fn default() -> StreamOptions {
        StreamOptions { nodelay: true, keep_alive: None, user_timeout: None, receive_buffer: None, send_buffer: None }
    }
}

/// Options of a datagram socket.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DatagramOptions {
    /// Whether it may send to broadcast addresses.
    pub broadcast: bool,
    /// Bytes of the system's receive buffer; `None` leaves it to the system. Datagrams that find it full are lost.
    pub receive_buffer: Option<usize>,
    /// Bytes of the system's send buffer; `None` leaves it to the system.
    pub send_buffer: Option<usize>,
}
