//! Applying the options that a socket is made with, each by its name.

use socket2::{Socket, TcpKeepalive, Type};

use crate::address::Address;
use crate::error::{Action, Error, ErrorKind};
use crate::options::check::Target;
use crate::options::{DatagramOptions, ListenOptions, StreamOptions};

use super::super::sockopt::known::{
    BIND_ADDRESS_NO_PORT, BROADCAST, CLAIM, JOIN, KEEP_ALIVE, LINGER, MULTICAST_INTERFACE, MULTICAST_LOOP,
    MULTICAST_TTL, NODELAY, ONLY_V6, RECEIVE_BUFFER, REUSE_ADDRESS, REUSE_PORT, SEND_BUFFER, TOS, TTL, USER_TIMEOUT,
    whole_seconds,
};

/// What a socket has at any time, and what a listener has for its connections.
pub(super) fn to_stream(socket: &Socket, options: &StreamOptions, target: Target) -> Result<(), Error> {
    options.check(target)?;
    if target == Target::Tcp {
        to_tcp(socket, options)?;
    }
    TTL.apply_some(socket, options.ttl)?;
    TOS.apply_some(socket, options.tos)?;
    LINGER.apply_some(socket, options.linger.map(Some))?;
    RECEIVE_BUFFER.apply_some(socket, options.receive_buffer)?;
    SEND_BUFFER.apply_some(socket, options.send_buffer)
}

fn to_tcp(socket: &Socket, options: &StreamOptions) -> Result<(), Error> {
    NODELAY.apply(socket, &options.nodelay.unwrap_or(true))?;
    match options.keep_alive {
        Some(_) => keep_alive(socket, options)?,
        None => KEEP_ALIVE.apply(socket, &false)?,
    }
    // `None` is set only where the option exists.
    if cfg!(target_os = "linux") || options.user_timeout.is_some() {
        USER_TIMEOUT.apply(socket, &options.user_timeout)?;
    }
    Ok(())
}

/// In one call, because on Windows the values are set together.
fn keep_alive(socket: &Socket, options: &StreamOptions) -> Result<(), Error> {
    let StreamOptions { keep_alive: idle, keep_alive_interval: interval, keep_alive_probes: probes, .. } = options;
    let mut values = TcpKeepalive::new();
    values = idle.map_or(values.clone(), |idle| values.with_time(whole_seconds(idle)));
    values = interval.map_or(values.clone(), |interval| values.with_interval(whole_seconds(interval)));
    values = probes.map_or(values.clone(), |probes| values.with_retries(probes));
    socket.set_tcp_keepalive(&values).map_err(|error| {
        let what = match (interval, probes) {
            (None, None) => format!("keep_alive {:?}", idle.unwrap_or_default()),
            _ => format!("keep_alive {:?}, interval {interval:?}, probes {probes:?}", idle.unwrap_or_default()),
        };
        Error::io(Action::Option, &error).because(what)
    })
}

/// What a socket has that may be bound before it connects.
pub(super) fn to_unbound(socket: &Socket, options: &StreamOptions) -> Result<(), Error> {
    REUSE_ADDRESS.apply_some(socket, options.reuse_address.then_some(true))?;
    REUSE_PORT.apply_some(socket, options.reuse_port.then_some(true))?;
    BIND_ADDRESS_NO_PORT.apply_some(socket, options.bind_address_no_port.then_some(true))
}

/// What a listener has before it is bound, besides what its connections begin with.
pub(super) fn to_listener(socket: &Socket, options: &ListenOptions, address: &Address) -> Result<(), Error> {
    let Some(ip) = address.ip() else { return Ok(()) };
    ONLY_V6.apply_some(socket, ip.is_ipv6().then_some(options.only_v6))?;
    CLAIM.apply(socket, &true)?;
    REUSE_PORT.apply_some(socket, options.reuse_port.then_some(true))
}

/// What a datagram socket has before it is bound.
pub(super) fn to_unbound_datagrams(socket: &Socket, options: &DatagramOptions) -> Result<(), Error> {
    options.check()?;
    ONLY_V6.apply_some(socket, options.only_v6)?;
    REUSE_ADDRESS.apply_some(socket, options.reuse_address.then_some(true))?;
    REUSE_PORT.apply_some(socket, options.reuse_port.then_some(true))
}

/// What a datagram socket has at any time.
pub(super) fn to_datagrams(socket: &Socket, options: &DatagramOptions) -> Result<(), Error> {
    if !matches!(socket.r#type(), Ok(Type::DGRAM)) {
        return Err(Error::new(Action::Option, ErrorKind::InvalidArgument)
            .because("options of a datagram socket, for a stream: set its own with `set_options`"));
    }
    options.check()?;
    BROADCAST.apply(socket, &options.broadcast)?;
    RECEIVE_BUFFER.apply_some(socket, options.receive_buffer)?;
    SEND_BUFFER.apply_some(socket, options.send_buffer)?;
    TTL.apply_some(socket, options.ttl)?;
    TOS.apply_some(socket, options.tos)?;
    MULTICAST_LOOP.apply_some(socket, options.multicast_loop)?;
    MULTICAST_TTL.apply_some(socket, options.multicast_ttl)?;
    MULTICAST_INTERFACE.apply_some(socket, options.multicast_interface)?;
    options.join.iter().try_for_each(|membership| JOIN.apply(socket, membership))
}
