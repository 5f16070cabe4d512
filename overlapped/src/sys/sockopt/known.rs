//! The options that have a name here.

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use socket2::Socket;

use crate::error::{Action, Error};
use crate::options::{Interface, Membership};

use super::fault::Fault;
use super::option::SocketOption;
#[cfg(unix)]
use super::unix as os;
#[cfg(windows)]
use super::windows as os;

type Done = Result<(), Fault>;

const fn flag(
    label: &'static str,
    get: fn(&Socket) -> Result<bool, Fault>,
    set: fn(&Socket, &bool) -> Done,
) -> SocketOption<bool> {
    SocketOption::known(label, get, set)
}

// ---- any socket ----

/// `SO_LINGER`: how long closing waits for the peer to take what was sent. Zero makes closing reset
/// the connection; `None`, as at first, closes in the background. Whole seconds, rounded up; at
/// most 65,535.
///
/// A close by this crate never waits: it takes a time (not a zero) from the socket, and what the
/// system has not sent yet is sent in the background; a send that has not ended is cancelled. The
/// time counts once the socket has been given away, to the standard library or to another process.
/// [`CloseMode`](crate::driver::CloseMode) has a graceful close, which does not block either.
pub const LINGER: SocketOption<Option<Duration>> = SocketOption::known(
    "SO_LINGER",
    |socket| Ok(socket.linger()?),
    |socket, linger| match linger.map(whole_seconds) {
        // More does not fit into the system's number everywhere, and would become another time.
        Some(time) if time > Duration::from_secs(u16::MAX.into()) => Err(Fault::Invalid("more than 65,535 seconds")),
        time => Ok(socket.set_linger(time)?),
    },
);

/// `SO_RCVBUF`: bytes of the system's receive buffer. Linux doubles what is set, within
/// `net.core.rmem_max`, and gives the doubled value.
pub const RECEIVE_BUFFER: SocketOption<usize> = SocketOption::known(
    "SO_RCVBUF",
    |socket| Ok(socket.recv_buffer_size()?),
    |socket, bytes| Ok(socket.set_recv_buffer_size(a_size(*bytes)?)?),
);

/// `SO_SNDBUF`: bytes of the system's send buffer. Linux doubles what is set, within
/// `net.core.wmem_max`, and gives the doubled value.
pub const SEND_BUFFER: SocketOption<usize> = SocketOption::known(
    "SO_SNDBUF",
    |socket| Ok(socket.send_buffer_size()?),
    |socket, bytes| Ok(socket.set_send_buffer_size(a_size(*bytes)?)?),
);

/// `SO_REUSEADDR`, to be set before binding. On Unix an address can be bound although connections
/// of earlier sockets are still in `TIME_WAIT`, and several datagram sockets can receive what is
/// sent to a group. On Windows it lets a socket take an address that another one uses.
pub const REUSE_ADDRESS: SocketOption<bool> =
    flag("SO_REUSEADDR", |socket| Ok(socket.reuse_address()?), |socket, on| Ok(socket.set_reuse_address(*on)?));

/// `SO_REUSEPORT`, to be set before binding: several sockets of one user share an address. Linux
/// spreads connections and datagrams over them.
///
/// Unix only: elsewhere it is an error of kind `Unsupported`.
pub const REUSE_PORT: SocketOption<bool> = flag("SO_REUSEPORT", os::reuse_port, os::set_reuse_port);

/// Lets a restarted server bind while old connections are still in TIME_WAIT. (It does not let two
/// listeners share a port.)
#[cfg(unix)]
pub(in super::super) const CLAIM: SocketOption<bool> = REUSE_ADDRESS;

/// Keeps others from binding this address: on Windows, `SO_REUSEADDR` lets a socket take another's
/// port unless the other forbids it. (The price: connections that the listener has left behind keep
/// the address until they have ended.)
#[cfg(windows)]
pub(in super::super) const CLAIM: SocketOption<bool> =
    flag("SO_EXCLUSIVEADDRUSE", |socket| EXCLUSIVE.read(socket), |socket, on| EXCLUSIVE.write(socket, on));
#[cfg(windows)]
const EXCLUSIVE: SocketOption<bool> = SocketOption::<bool>::new(os::SOCKET_LEVEL, os::EXCLUSIVE);

/// `SO_ERROR`: an error that no operation was told of yet. Reading it takes it. It cannot be set.
///
/// Operations tell of errors themselves, so it is for diagnostics. A connect in flight may be
/// robbed of its error.
pub const ERROR: SocketOption<Option<Error>> = SocketOption::known(
    "SO_ERROR",
    |socket| Ok(socket.take_error()?.map(|error| Error::io(Action::Option, &error))),
    |_, _| Err(Fault::Unsupported("it can only be read")),
);

// ---- IP ----

/// `IP_TTL`, `IPV6_UNICAST_HOPS`: how many routers a packet passes at most. 1 to 255.
pub const TTL: SocketOption<u32> = SocketOption::known(
    "TTL",
    |socket| by_family(socket, Socket::unicast_hops_v6, Socket::ttl_v4),
    |socket, ttl| by_family(socket, |socket| socket.set_unicast_hops_v6(*ttl), |socket| socket.set_ttl_v4(*ttl)),
);

/// `IP_TOS`, `IPV6_TCLASS`: the byte of a packet that names its class of service. 0 to 255; Linux
/// leaves the two lowest bits of a stream to itself.
///
/// Unix only: Windows ignores it, so there it is an error of kind `Unsupported`.
pub const TOS: SocketOption<u32> = SocketOption::known("TOS", os::tos, os::set_tos);

/// `IPV6_V6ONLY`, to be set before binding: whether an IPv6 socket takes IPv6 only.
pub const ONLY_V6: SocketOption<bool> =
    flag("IPV6_V6ONLY", |socket| Ok(socket.only_v6()?), |socket, on| Ok(socket.set_only_v6(*on)?));

/// `IP_BIND_ADDRESS_NO_PORT`, to be set before [binding](crate::Socket::bind) to port 0: the port
/// is chosen when it connects. A machine with one address can so have more than 65,535 connections
/// to different peers.
///
/// Linux only: elsewhere it is an error of kind `Unsupported`.
pub const BIND_ADDRESS_NO_PORT: SocketOption<bool> =
    flag("IP_BIND_ADDRESS_NO_PORT", os::bind_address_no_port, os::set_bind_address_no_port);

// ---- TCP ----

/// `TCP_NODELAY`: small sends leave at once.
pub const NODELAY: SocketOption<bool> =
    flag("TCP_NODELAY", |socket| Ok(socket.tcp_nodelay()?), |socket, on| Ok(socket.set_tcp_nodelay(*on)?));

/// `SO_KEEPALIVE`: whether the system asks an idle peer if it is still there.
pub const KEEP_ALIVE: SocketOption<bool> =
    flag("SO_KEEPALIVE", |socket| Ok(socket.keepalive()?), |socket, on| Ok(socket.set_keepalive(*on)?));

/// `TCP_KEEPIDLE` (`TCP_KEEPALIVE` on macOS): how long a connection is idle before the system asks.
/// Whole seconds, rounded up. It does not turn [`KEEP_ALIVE`] on.
pub const KEEP_ALIVE_IDLE: SocketOption<Duration> = SocketOption::known(
    "TCP_KEEPIDLE",
    |socket| seconds(socket, os::KEEP_ALIVE_IDLE),
    |socket, idle| set_seconds(socket, os::KEEP_ALIVE_IDLE, *idle),
);

/// `TCP_KEEPINTVL`: how long the system waits for an answer before it asks again. Whole seconds,
/// rounded up. Windows knows it since version 10.
pub const KEEP_ALIVE_INTERVAL: SocketOption<Duration> = SocketOption::known(
    "TCP_KEEPINTVL",
    |socket| seconds(socket, os::KEEP_ALIVE_INTERVAL),
    |socket, interval| set_seconds(socket, os::KEEP_ALIVE_INTERVAL, *interval),
);

/// `TCP_KEEPCNT`: how often the system asks before it gives the connection up. Windows knows it
/// since version 10.
pub const KEEP_ALIVE_PROBES: SocketOption<u32> = SocketOption::known(
    "TCP_KEEPCNT",
    |socket| SocketOption::<u32>::new(os::TCP, os::KEEP_ALIVE_PROBES).read(socket),
    |socket, probes| SocketOption::<u32>::new(os::TCP, os::KEEP_ALIVE_PROBES).write(socket, probes),
);

/// `TCP_USER_TIMEOUT`: how long sent bytes may stay unacknowledged. Milliseconds, at least one;
/// `None` leaves it to the system.
///
/// Linux only: elsewhere it is an error of kind `Unsupported`.
pub const USER_TIMEOUT: SocketOption<Option<Duration>> =
    SocketOption::known("TCP_USER_TIMEOUT", os::user_timeout, os::set_user_timeout);

// ---- datagrams ----

/// `SO_BROADCAST`: whether it may send to broadcast addresses.
pub const BROADCAST: SocketOption<bool> =
    flag("SO_BROADCAST", |socket| Ok(socket.broadcast()?), |socket, on| Ok(socket.set_broadcast(*on)?));

/// `IP_ADD_MEMBERSHIP`, `IPV6_ADD_MEMBERSHIP`: joins a multicast group. The socket receives what is
/// sent to the group and its own port until it leaves or is closed. It cannot be read.
pub const JOIN: SocketOption<Membership> = SocketOption::known(
    "multicast join",
    |_| Err(WRITE_ONLY),
    |socket, membership| {
        let done = match (membership.group, membership.interface) {
            (IpAddr::V4(group), Interface::Any) => socket.join_multicast_v4(&group, &Ipv4Addr::UNSPECIFIED),
            (IpAddr::V4(group), Interface::Address(address)) => socket.join_multicast_v4(&group, &address),
            (IpAddr::V4(group), Interface::Index(index)) => os::join_v4_by_index(socket, group, index),
            (IpAddr::V6(group), interface) => socket.join_multicast_v6(&group, index(interface)?),
        };
        done.map_err(Fault::Io)
    },
);

/// `IP_DROP_MEMBERSHIP`, `IPV6_DROP_MEMBERSHIP`: leaves a group that was joined on this interface.
/// It cannot be read.
pub const LEAVE: SocketOption<Membership> = SocketOption::known(
    "multicast leave",
    |_| Err(WRITE_ONLY),
    |socket, membership| {
        let done = match (membership.group, membership.interface) {
            (IpAddr::V4(group), Interface::Any) => socket.leave_multicast_v4(&group, &Ipv4Addr::UNSPECIFIED),
            (IpAddr::V4(group), Interface::Address(address)) => socket.leave_multicast_v4(&group, &address),
            (IpAddr::V4(group), Interface::Index(index)) => os::leave_v4_by_index(socket, group, index),
            (IpAddr::V6(group), interface) => socket.leave_multicast_v6(&group, index(interface)?),
        };
        done.map_err(Fault::Io)
    },
);

/// `IP_MULTICAST_LOOP`, `IPV6_MULTICAST_LOOP`: whether what is sent to a group also comes to its
/// members on this machine. On Windows the receiver's setting decides, elsewhere the sender's.
pub const MULTICAST_LOOP: SocketOption<bool> = flag(
    "multicast loop",
    |socket| by_family(socket, Socket::multicast_loop_v6, Socket::multicast_loop_v4),
    |socket, on| {
        by_family(socket, |socket| socket.set_multicast_loop_v6(*on), |socket| socket.set_multicast_loop_v4(*on))
    },
);

/// `IP_MULTICAST_TTL`, `IPV6_MULTICAST_HOPS`: how many routers a datagram to a group passes at
/// most. 0 to 255; 1 at first, which stays in the local network.
pub const MULTICAST_TTL: SocketOption<u32> = SocketOption::known(
    "multicast TTL",
    |socket| by_family(socket, Socket::multicast_hops_v6, Socket::multicast_ttl_v4),
    |socket, ttl| {
        by_family(socket, |socket| socket.set_multicast_hops_v6(*ttl), |socket| socket.set_multicast_ttl_v4(*ttl))
    },
);

/// `IP_MULTICAST_IF`, `IPV6_MULTICAST_IF`: the interface by which datagrams to groups leave. An
/// IPv4 socket takes an address or a number, and gives an address; an IPv6 socket has numbers.
pub const MULTICAST_INTERFACE: SocketOption<Interface> = SocketOption::known(
    "multicast interface",
    |socket| {
        Ok(match os::is_v6(socket)? {
            true => match socket.multicast_if_v6()? {
                0 => Interface::Any,
                index => Interface::Index(index),
            },
            false => match socket.multicast_if_v4()? {
                Ipv4Addr::UNSPECIFIED => Interface::Any,
                address => Interface::Address(address),
            },
        })
    },
    |socket, interface| {
        let done = match (os::is_v6(socket)?, *interface) {
            (true, interface) => socket.set_multicast_if_v6(index(interface)?),
            (false, Interface::Any) => socket.set_multicast_if_v4(&Ipv4Addr::UNSPECIFIED),
            (false, Interface::Address(address)) => socket.set_multicast_if_v4(&address),
            (false, Interface::Index(index)) => os::set_multicast_interface_v4(socket, index),
        };
        done.map_err(Fault::Io)
    },
);

/// One of two calls, as the socket is of IPv6 or of IPv4.
fn by_family<T>(
    socket: &Socket,
    v6: impl FnOnce(&Socket) -> io::Result<T>,
    v4: impl FnOnce(&Socket) -> io::Result<T>,
) -> Result<T, Fault> {
    Ok(if os::is_v6(socket)? { v6(socket)? } else { v4(socket)? })
}

const WRITE_ONLY: Fault = Fault::Unsupported("it can only be set");

/// The number of an interface, as IPv6 wants it.
fn index(interface: Interface) -> Result<u32, Fault> {
    match interface {
        Interface::Any => Ok(0),
        Interface::Index(index) => Ok(index),
        Interface::Address(_) => Err(Fault::Invalid("for IPv6 an interface is named by its number")),
    }
}

/// A size that the system's number can hold.
fn a_size(bytes: usize) -> Result<usize, Fault> {
    match i32::try_from(bytes) {
        Ok(_) => Ok(bytes),
        Err(_) => Err(Fault::Invalid("more than 2,147,483,647 bytes")),
    }
}

/// Rounds up. A fraction must not become zero, which means something else.
pub(in super::super) fn whole_seconds(time: Duration) -> Duration {
    Duration::from_secs(time.as_secs().saturating_add(u64::from(time.subsec_nanos() > 0)))
}

fn seconds(socket: &Socket, name: i32) -> Result<Duration, Fault> {
    Ok(Duration::from_secs(SocketOption::<u32>::new(os::TCP, name).read(socket)?.into()))
}

fn set_seconds(socket: &Socket, name: i32, time: Duration) -> Done {
    match i32::try_from(whole_seconds(time).as_secs()) {
        Ok(seconds) => SocketOption::<i32>::new(os::TCP, name).write(socket, &seconds),
        Err(_) => Err(Fault::Invalid("more than 2,147,483,647 seconds")),
    }
}
