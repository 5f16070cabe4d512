//! Applying the options that a socket is made with, each by its name.

use socket2::{Socket, TcpKeepalive, Type};

use crate::error::{Action, Error, ErrorKind};
use crate::options::{DatagramOptions, ListenOptions, StreamOptions};

use super::super::sockopt::known::{
    BIND_ADDRESS_NO_PORT, BROADCAST, JOIN, KEEP_ALIVE, LINGER, MULTICAST_INTERFACE, MULTICAST_LOOP, MULTICAST_TTL,
    NODELAY, ONLY_V6, RECEIVE_BUFFER, REUSE_ADDRESS, REUSE_PORT, SEND_BUFFER, TOS, TTL, USER_TIMEOUT, whole_seconds,
};

/// What a connection, or a listener for its connections, has at any time.
pub(super) fn to_stream(socket: &Socket, options: &StreamOptions, tcp: bool) -> Result<(), Error> {
    match tcp {
        true => to_tcp(socket, options)?,
        false => refuse_tcp(options)?,
    }
    LINGER.apply_some(socket, options.linger.map(Some))?;
    RECEIVE_BUFFER.apply_some(socket, options.receive_buffer)?;
    SEND_BUFFER.apply_some(socket, options.send_buffer)
}

fn to_tcp(socket: &Socket, options: &StreamOptions) -> Result<(), Error> {
    NODELAY.apply(socket, &options.nodelay).map_err(|error| explained(socket, error))?;
    match options.keep_alive {
        Some(_) => keep_alive(socket, options)?,
        None => KEEP_ALIVE.apply(socket, &false)?,
    }
    // `None` is set only where the option exists.
    if cfg!(target_os = "linux") || options.user_timeout.is_some() {
        USER_TIMEOUT.apply(socket, &options.user_timeout)?;
    }
    TTL.apply_some(socket, options.ttl)?;
    TOS.apply_some(socket, options.tos)
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
            (None, None) => format!("keep_alive = {:?}", idle.unwrap_or_default()),
            _ => format!("keep_alive = {:?}, interval {interval:?}, probes {probes:?}", idle.unwrap_or_default()),
        };
        Error::io(Action::Option, &error).because(what)
    })
}

/// What is asked for and a Unix socket has not. (That it sends at once is asked for by default.)
fn refuse_tcp(options: &StreamOptions) -> Result<(), Error> {
    let asked = [
        ("keep_alive", options.keep_alive.is_some()),
        ("user_timeout", options.user_timeout.is_some()),
        ("ttl", options.ttl.is_some()),
        ("tos", options.tos.is_some()),
        ("bind_address_no_port", options.bind_address_no_port),
    ];
    match asked.iter().find(|(_, is_asked)| *is_asked) {
        None => Ok(()),
        Some((name, _)) => Err(Error::new(Action::Option, ErrorKind::Unsupported)
            .because(format!("{name}: it is an option of IP sockets, and this is a Unix socket"))),
    }
}

/// The first option of a stream was refused. Perhaps it is none.
fn explained(socket: &Socket, error: Error) -> Error {
    match socket.r#type() {
        Ok(Type::DGRAM) => Error::new(Action::Option, ErrorKind::InvalidArgument)
            .because("options of a stream, for a datagram socket: set its own with `set_datagram_options`"),
        _ => error,
    }
}

/// What a socket has that may be bound before it connects.
pub(super) fn to_unbound(socket: &Socket, options: &StreamOptions) -> Result<(), Error> {
    REUSE_ADDRESS.apply_some(socket, options.reuse_address.then_some(true))?;
    REUSE_PORT.apply_some(socket, options.reuse_port.then_some(true))?;
    BIND_ADDRESS_NO_PORT.apply_some(socket, options.bind_address_no_port.then_some(true))
}

/// What a listener has before it is bound, besides what its connections begin with.
pub(super) fn to_listener(socket: &Socket, options: &ListenOptions, v6: bool) -> Result<(), Error> {
    ONLY_V6.apply_some(socket, v6.then_some(options.only_v6))?;
    REUSE_PORT.apply_some(socket, options.reuse_port.then_some(true))
}

/// What a datagram socket has before it is bound.
pub(super) fn to_unbound_datagram(socket: &Socket, options: &DatagramOptions) -> Result<(), Error> {
    ONLY_V6.apply_some(socket, options.only_v6)?;
    REUSE_ADDRESS.apply_some(socket, options.reuse_address.then_some(true))?;
    REUSE_PORT.apply_some(socket, options.reuse_port.then_some(true))
}

/// What a datagram socket has at any time.
pub(super) fn to_datagram(socket: &Socket, options: &DatagramOptions) -> Result<(), Error> {
    if !matches!(socket.r#type(), Ok(Type::DGRAM)) {
        return Err(Error::new(Action::Option, ErrorKind::InvalidArgument)
            .because("options of a datagram socket, for a stream: set its own with `set_options`"));
    }
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
