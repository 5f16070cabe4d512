//! Options of listeners, connections and datagram sockets, and what backends can be told.

use std::fmt;
use std::time::Duration;

use crate::error::{Action, Error, ErrorKind};

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
/// Without other settings: `TCP_NODELAY` on TCP connections, the rest as the system has it.
///
/// `nodelay`, `keep_alive` and `user_timeout` are options of TCP. Asked for on a Unix socket or a
/// datagram socket, they are refused (`InvalidArgument`), and so is a value that is out of range,
/// on every system. The error names the option and the value:
///
/// ```
/// # use overlapped::{Driver, DriverConfig, ErrorKind};
/// # use overlapped::options::{ListenOptions, StreamOptions};
/// # let mut driver = Driver::new(DriverConfig::new()).unwrap();
/// use std::time::Duration;
///
/// let options = ListenOptions::new().stream(StreamOptions::new().keep_alive(Duration::ZERO));
/// let error = driver.listen("127.0.0.1:0", &options).unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::InvalidArgument);
/// assert!(error.to_string().contains("keep_alive 0ns: it must be"));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamOptions {
    /// `None` is on, where there is such a thing.
    pub(crate) nodelay: Option<bool>,
    pub(crate) keep_alive: Option<Duration>,
    pub(crate) user_timeout: Option<Duration>,
    pub(crate) receive_buffer: Option<usize>,
    pub(crate) send_buffer: Option<usize>,
}

impl StreamOptions {
    /// The settings that are described [above](StreamOptions).
    pub fn new() -> StreamOptions {
        StreamOptions::default()
    }

    /// `TCP_NODELAY`: small sends leave at once.
    pub fn nodelay(self, nodelay: bool) -> StreamOptions {
        StreamOptions { nodelay: Some(nodelay), ..self }
    }

    /// TCP keep-alive: how long a connection is idle before the system asks whether the peer is
    /// still there: 1 to 32,767 seconds, in whole seconds. `None`, as at first: never.
    pub fn keep_alive(self, idle: impl Into<Option<Duration>>) -> StreamOptions {
        StreamOptions { keep_alive: idle.into(), ..self }
    }

    /// `TCP_USER_TIMEOUT`: how long sent bytes may stay unacknowledged, or be kept from a peer
    /// whose window is closed, until the system gives the connection up. In milliseconds: at least
    /// one (less is taken for that, but zero is refused), at most 2,147,483,647. `None`, as at
    /// first, leaves it to the system.
    ///
    /// Linux only: elsewhere it is an error of kind `Unsupported`. A simulated network loses
    /// nothing, so it ignores this.
    pub fn user_timeout(self, timeout: impl Into<Option<Duration>>) -> StreamOptions {
        StreamOptions { user_timeout: timeout.into(), ..self }
    }

    /// Bytes of the system's receive buffer, at most 2,147,483,647. Linux and Windows cut this down
    /// to what they allow, others refuse more than that. `None`, as at first, leaves it to the
    /// system, which adapts it.
    pub fn receive_buffer(self, bytes: impl Into<Option<usize>>) -> StreamOptions {
        StreamOptions { receive_buffer: bytes.into(), ..self }
    }

    /// Bytes of the system's send buffer, at most 2,147,483,647. Linux and Windows cut this down
    /// to what they allow, others refuse more than that. `None`, as at first, leaves it to the
    /// system, which adapts it.
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

    /// Bytes of the system's receive buffer, as [of streams](StreamOptions::receive_buffer).
    /// `None`, as at first, leaves it to the system. Datagrams that find it full are lost.
    pub fn receive_buffer(self, bytes: impl Into<Option<usize>>) -> DatagramOptions {
        DatagramOptions { receive_buffer: bytes.into(), ..self }
    }

    /// Bytes of the system's send buffer, as [of streams](StreamOptions::send_buffer). `None`, as
    /// at first, leaves it to the system.
    pub fn send_buffer(self, bytes: impl Into<Option<usize>>) -> DatagramOptions {
        DatagramOptions { send_buffer: bytes.into(), ..self }
    }
}

/// What options are set on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Tcp,
    UnixSocket,
    Datagrams,
}

/// A name of an option, and the system's name for it.
type Name = &'static str;

pub(crate) const NODELAY: (Name, Name) = ("nodelay", " (TCP_NODELAY)");
pub(crate) const KEEP_ALIVE: (Name, Name) = ("keep_alive", "");
pub(crate) const USER_TIMEOUT: (Name, Name) = ("user_timeout", " (TCP_USER_TIMEOUT)");
pub(crate) const RECEIVE_BUFFER: (Name, Name) = ("receive_buffer", "");
pub(crate) const SEND_BUFFER: (Name, Name) = ("send_buffer", "");

/// An option and its value, as errors name it.
pub(crate) fn named((name, system): (Name, Name), value: impl fmt::Debug) -> String {
    format!("{name} {value:?}{system}")
}

fn refused(name: (Name, Name), value: impl fmt::Debug, why: &str) -> Error {
    let text = format!("{}: {why}", named(name, value));
    Error::new(Action::Option, ErrorKind::InvalidArgument).because(text)
}

/// The longest time without traffic that every system takes.
const MOST_KEEP_ALIVE: Duration = Duration::from_secs(32_767);
const MOST_USER_TIMEOUT: Duration = Duration::from_millis(i32::MAX as u64);

impl StreamOptions {
    /// Whether they can be set on this, on any system.
    pub(crate) fn check(&self, target: Target) -> Result<(), Error> {
        if target != Target::Tcp {
            let why = match target {
                Target::Datagrams => "it is an option of TCP connections, and this is a datagram socket",
                _ => "it is an option of TCP connections, and this is a Unix socket",
            };
            if let Some(nodelay) = self.nodelay {
                return Err(refused(NODELAY, nodelay, why));
            }
            if let Some(idle) = self.keep_alive {
                return Err(refused(KEEP_ALIVE, idle, why));
            }
            if let Some(timeout) = self.user_timeout {
                return Err(refused(USER_TIMEOUT, timeout, why));
            }
        }
        if let Some(idle) = self.keep_alive
            && !(Duration::from_secs(1)..=MOST_KEEP_ALIVE).contains(&idle)
        {
            return Err(refused(KEEP_ALIVE, idle, "it must be 1 to 32767 seconds"));
        }
        if let Some(timeout) = self.user_timeout
            && (timeout.is_zero() || timeout > MOST_USER_TIMEOUT)
        {
            return Err(refused(USER_TIMEOUT, timeout, "it must be 1 to 2147483647 milliseconds"));
        }
        check_buffers(self.receive_buffer, self.send_buffer)
    }
}

impl DatagramOptions {
    /// Whether they can be set on any system.
    pub(crate) fn check(&self) -> Result<(), Error> {
        check_buffers(self.receive_buffer, self.send_buffer)
    }
}

/// The system counts them with a number that has a sign.
fn check_buffers(receive: Option<usize>, send: Option<usize>) -> Result<(), Error> {
    for (name, bytes) in [(RECEIVE_BUFFER, receive), (SEND_BUFFER, send)] {
        if let Some(bytes) = bytes.filter(|bytes| i32::try_from(*bytes).is_err()) {
            return Err(refused(name, bytes, "it must be at most 2147483647 bytes"));
        }
    }
    Ok(())
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
