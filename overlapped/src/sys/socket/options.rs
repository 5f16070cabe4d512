//! Setting options. An error names the option and the value that was asked for.

use std::fmt;
use std::io;

use socket2::{SockRef, Socket, TcpKeepalive};

use crate::error::{Action, Error};
use crate::options::{
    DatagramOptions, KEEP_ALIVE, NODELAY, RECEIVE_BUFFER, SEND_BUFFER, StreamOptions, Target, USER_TIMEOUT, named,
};

#[cfg(unix)]
use super::unix as os;
#[cfg(windows)]
use super::windows as os;

/// What came of setting one option to a value.
pub(super) fn set(
    result: io::Result<()>,
    name: (&'static str, &'static str),
    value: impl fmt::Debug,
) -> Result<(), Error> {
    result.map_err(|error| Error::io(Action::Option, &error).because(named(name, value)))
}

/// Sets options of a new socket.
pub(super) fn apply(socket: SockRef<'_>, options: &StreamOptions, target: Target) -> Result<(), Error> {
    options.check(target)?;
    if target == Target::Tcp {
        let nodelay = options.nodelay.unwrap_or(true);
        set(socket.set_tcp_nodelay(nodelay), NODELAY, nodelay)?;
        let kept = match options.keep_alive {
            Some(idle) => socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(idle)),
            None => socket.set_keepalive(false),
        };
        set(kept, KEEP_ALIVE, options.keep_alive.unwrap_or_default())?;
        set(
            os::set_user_timeout(&socket, options.user_timeout),
            USER_TIMEOUT,
            options.user_timeout.unwrap_or_default(),
        )?;
    }
    set_buffers(socket, options.receive_buffer, options.send_buffer)
}

/// Sets options of any socket.
pub(super) fn set_all(socket: SockRef<'_>, options: &StreamOptions) -> Result<(), Error> {
    let target = os::target(&socket).map_err(|error| Error::io(Action::Option, &error))?;
    apply(socket, options, target)
}

pub(super) fn apply_to_datagrams(socket: &Socket, options: &DatagramOptions) -> Result<(), Error> {
    options.check()?;
    set(socket.set_broadcast(options.broadcast), ("broadcast", " (SO_BROADCAST)"), options.broadcast)?;
    set_buffers(SockRef::from(socket), options.receive_buffer, options.send_buffer)
}

fn set_buffers(socket: SockRef<'_>, receive: Option<usize>, send: Option<usize>) -> Result<(), Error> {
    if let Some(bytes) = receive {
        set(socket.set_recv_buffer_size(bytes), RECEIVE_BUFFER, bytes)?;
    }
    if let Some(bytes) = send {
        set(socket.set_send_buffer_size(bytes), SEND_BUFFER, bytes)?;
    }
    Ok(())
}
