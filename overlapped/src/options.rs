//! Options of listeners, connections and datagram sockets, and what backends can be told.

pub(crate) mod check;

use std::net::{IpAddr, Ipv4Addr};
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
    pub(crate) reuse_port: bool,
    pub(crate) stream: StreamOptions,
}

impl Default for ListenOptions {
    fn default() -> ListenOptions {
        ListenOptions { backlog: 4096, only_v6: true, reuse_port: false, stream: StreamOptions::new() }
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

    /// `SO_REUSEPORT`: other listeners of this user may listen on the same address if they say the
    /// same. Linux spreads connections over them. `false` at first.
    ///
    /// Unix only: elsewhere it is an error of kind `Unsupported`. At a path it is refused with
    /// `InvalidArgument`. A simulated network ignores it.
    pub fn reuse_port(self, reuse_port: bool) -> ListenOptions {
        ListenOptions { reuse_port, ..self }
    }

    /// What accepted connections begin with. Those of its options that are about binding are the
    /// listener's affair and are not applied: `reuse_address`, `reuse_port`,
    /// `bind_address_no_port`.
    pub fn stream(self, stream: StreamOptions) -> ListenOptions {
        ListenOptions { stream, ..self }
    }
}

/// Options of a connection. [`sockopt`](crate::sockopt) has the same and others one by one, to be
/// set and read at any time.
///
/// Without other settings: `TCP_NODELAY` on TCP connections, the rest as the system has it.
///
/// `nodelay`, `user_timeout` and those of keep-alive are options of TCP, `ttl`, `tos`,
/// `reuse_address`, `reuse_port` and `bind_address_no_port` of IP, `linger` of streams. Asked for
/// on a socket that is none of these (a Unix socket, a datagram socket), they are refused
/// (`InvalidArgument`), and so is a value that is out of range, on every system. The error names
/// the option and the value. A simulated network has buffers, and a linger of zero; it ignores the
/// others.
///
/// ```
/// use std::time::Duration;
///
/// use overlapped::options::StreamOptions;
/// use overlapped::{Engine, ErrorKind};
///
/// let options = StreamOptions::new().keep_alive(Duration::from_secs(60)).send_buffer(1 << 20);
/// let engine = Engine::new()?;
/// let socket = engine.socket("127.0.0.1:0", &options)?;
///
/// let error = socket.set_options(&options.keep_alive(Duration::ZERO)).unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::InvalidArgument);
/// assert!(error.to_string().contains("keep_alive 0ns: it must be"));
/// # Ok::<(), overlapped::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamOptions {
    /// `None` is on, where there is such a thing.
    pub(crate) nodelay: Option<bool>,
    pub(crate) keep_alive: Option<Duration>,
    pub(crate) keep_alive_interval: Option<Duration>,
    pub(crate) keep_alive_probes: Option<u32>,
    pub(crate) user_timeout: Option<Duration>,
    pub(crate) linger: Option<Duration>,
    pub(crate) receive_buffer: Option<usize>,
    pub(crate) send_buffer: Option<usize>,
    pub(crate) ttl: Option<u32>,
    pub(crate) tos: Option<u32>,
    pub(crate) reuse_address: bool,
    pub(crate) reuse_port: bool,
    pub(crate) bind_address_no_port: bool,
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
    /// still there: 1 to 32,767 seconds, in whole seconds, rounded up. `None`, as at first: never.
    pub fn keep_alive(self, idle: impl Into<Option<Duration>>) -> StreamOptions {
        StreamOptions { keep_alive: idle.into(), ..self }
    }

    /// `TCP_KEEPINTVL`: how long the system waits for the peer's answer before it asks again: 1 to
    /// 32,767 seconds, in whole seconds, rounded up. It matters only with
    /// [`keep_alive`](StreamOptions::keep_alive). `None`, as at first, leaves it to the system.
    pub fn keep_alive_interval(self, interval: impl Into<Option<Duration>>) -> StreamOptions {
        StreamOptions { keep_alive_interval: interval.into(), ..self }
    }

    /// `TCP_KEEPCNT`: how often the system asks before it gives the connection up, 1 to 127 times.
    /// It matters only with [`keep_alive`](StreamOptions::keep_alive). `None`, as at first, leaves
    /// it to the system.
    pub fn keep_alive_probes(self, probes: impl Into<Option<u32>>) -> StreamOptions {
        StreamOptions { keep_alive_probes: probes.into(), ..self }
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

    /// `SO_LINGER`: see [`sockopt::LINGER`](crate::sockopt::LINGER). Zero makes closing reset the
    /// connection; at most 65,535 seconds. `None`, as at first, leaves it to the system.
    pub fn linger(self, linger: impl Into<Option<Duration>>) -> StreamOptions {
        StreamOptions { linger: linger.into(), ..self }
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

    /// `IP_TTL`, `IPV6_UNICAST_HOPS`: how many routers a packet passes at most, 1 to 255. `None`,
    /// as at first, leaves it to the system.
    pub fn ttl(self, ttl: impl Into<Option<u32>>) -> StreamOptions {
        StreamOptions { ttl: ttl.into(), ..self }
    }

    /// `IP_TOS`, `IPV6_TCLASS`: the class of service, 0 to 255. `None`, as at first, leaves it to
    /// the system. Unix only: on Windows it is an error of kind `Unsupported`.
    pub fn tos(self, tos: impl Into<Option<u32>>) -> StreamOptions {
        StreamOptions { tos: tos.into(), ..self }
    }

    /// `SO_REUSEADDR`, for a socket that is [bound](crate::Socket::bind) before it connects: see
    /// [`sockopt::REUSE_ADDRESS`](crate::sockopt::REUSE_ADDRESS). `false`, as at first, leaves it
    /// to the system.
    pub fn reuse_address(self, reuse_address: bool) -> StreamOptions {
        StreamOptions { reuse_address, ..self }
    }

    /// `SO_REUSEPORT`, for a socket that is [bound](crate::Socket::bind) before it connects.
    /// `false`, as at first, leaves it to the system. Unix only: on Windows it is an error of kind
    /// `Unsupported`.
    pub fn reuse_port(self, reuse_port: bool) -> StreamOptions {
        StreamOptions { reuse_port, ..self }
    }

    /// `IP_BIND_ADDRESS_NO_PORT`, for a socket that is [bound](crate::Socket::bind) to port 0
    /// before it connects: see
    /// [`sockopt::BIND_ADDRESS_NO_PORT`](crate::sockopt::BIND_ADDRESS_NO_PORT). `false`, as at
    /// first, leaves it to the system. Linux only: elsewhere it is an error of kind `Unsupported`.
    pub fn bind_address_no_port(self, bind_address_no_port: bool) -> StreamOptions {
        StreamOptions { bind_address_no_port, ..self }
    }
}

/// A network interface of this machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Interface {
    /// The one that the system chooses.
    #[default]
    Any,
    /// By its number (`if_nametoindex`).
    Index(u32),
    /// By an address that it has. For IPv4 only.
    Address(Ipv4Addr),
}

/// A multicast group, and the interface on which a socket is a member of it.
///
/// ```
/// use std::net::Ipv4Addr;
/// use overlapped::options::{Interface, Membership};
///
/// let here = Interface::Address(Ipv4Addr::LOCALHOST);
/// let membership = Membership::new(Ipv4Addr::new(239, 1, 2, 3)).on(here);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Membership {
    pub(crate) group: IpAddr,
    pub(crate) interface: Interface,
}

impl Membership {
    /// Of this group, on the interface that the system chooses.
    pub fn new(group: impl Into<IpAddr>) -> Membership {
        Membership { group: group.into(), interface: Interface::Any }
    }

    /// On this interface.
    pub fn on(self, interface: Interface) -> Membership {
        Membership { interface, ..self }
    }
}

/// Options of a datagram socket. [`sockopt`](crate::sockopt) has the same and others one by one, to
/// be set and read at any time.
///
/// Without other settings: no broadcast, the rest as the system has it. An error names the option
/// and its value.
///
/// ```
/// use std::net::Ipv4Addr;
/// use overlapped::Engine;
/// use overlapped::options::{DatagramOptions, Interface, Membership};
///
/// let here = Interface::Address(Ipv4Addr::LOCALHOST);
/// let group = Membership::new(Ipv4Addr::new(239, 1, 2, 3)).on(here);
/// let options = DatagramOptions::new().reuse_address(true).join(group);
/// let engine = Engine::new()?;
/// let socket = engine.datagram("0.0.0.0:0", &options)?;
/// # Ok::<(), overlapped::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DatagramOptions {
    pub(crate) broadcast: bool,
    pub(crate) ttl: Option<u32>,
    pub(crate) tos: Option<u32>,
    pub(crate) only_v6: Option<bool>,
    pub(crate) reuse_address: bool,
    pub(crate) reuse_port: bool,
    pub(crate) multicast_loop: Option<bool>,
    pub(crate) multicast_ttl: Option<u32>,
    pub(crate) multicast_interface: Option<Interface>,
    pub(crate) join: Vec<Membership>,
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

    /// As [`StreamOptions::ttl`].
    pub fn ttl(self, ttl: impl Into<Option<u32>>) -> DatagramOptions {
        DatagramOptions { ttl: ttl.into(), ..self }
    }

    /// As [`StreamOptions::tos`].
    pub fn tos(self, tos: impl Into<Option<u32>>) -> DatagramOptions {
        DatagramOptions { tos: tos.into(), ..self }
    }

    /// Whether an IPv6 socket takes IPv6 only. `None`, as at first, leaves it to the system.
    pub fn only_v6(self, only_v6: impl Into<Option<bool>>) -> DatagramOptions {
        DatagramOptions { only_v6: only_v6.into(), ..self }
    }

    /// `SO_REUSEADDR`: several sockets may be bound to one port, and each receives what is sent
    /// to a group. See [`sockopt::REUSE_ADDRESS`](crate::sockopt::REUSE_ADDRESS). `false`, as
    /// at first, leaves it to the system. It takes effect when the socket is made.
    pub fn reuse_address(self, reuse_address: bool) -> DatagramOptions {
        DatagramOptions { reuse_address, ..self }
    }

    /// `SO_REUSEPORT`: several sockets of this user share a port if all say so. Linux spreads the
    /// datagrams over them. `false`, as at first, leaves it to the system. It takes effect when the
    /// socket is made. Unix only: on Windows it is an error of kind `Unsupported`.
    pub fn reuse_port(self, reuse_port: bool) -> DatagramOptions {
        DatagramOptions { reuse_port, ..self }
    }

    /// Whether what is sent to a group also comes to members on this machine: see
    /// [`sockopt::MULTICAST_LOOP`](crate::sockopt::MULTICAST_LOOP). `None`, as at first, leaves it
    /// to the system, which lets it come.
    pub fn multicast_loop(self, on: impl Into<Option<bool>>) -> DatagramOptions {
        DatagramOptions { multicast_loop: on.into(), ..self }
    }

    /// How many routers a datagram to a group passes at most, 0 to 255. `None`, as at first, leaves
    /// it to the system: 1, which is the local network.
    pub fn multicast_ttl(self, ttl: impl Into<Option<u32>>) -> DatagramOptions {
        DatagramOptions { multicast_ttl: ttl.into(), ..self }
    }

    /// The interface by which datagrams to groups leave. `None`, as at first, leaves it to the
    /// system.
    pub fn multicast_interface(self, interface: impl Into<Option<Interface>>) -> DatagramOptions {
        DatagramOptions { multicast_interface: interface.into(), ..self }
    }

    /// Joins a multicast group. May be said several times.
    pub fn join(mut self, membership: Membership) -> DatagramOptions {
        self.join.push(membership);
        self
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
