//! Which options can be set on what, and with which values, the same on every system.

use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use crate::error::{Action, Error, ErrorKind};

use super::{DatagramOptions, ListenOptions, StreamOptions};

/// What options are set on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Tcp,
    UnixSocket,
    Datagrams,
}

/// The times without traffic that every system takes.
const IDLE: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(32_767);
const USER_TIMEOUT: RangeInclusive<Duration> = Duration::from_nanos(1)..=Duration::from_millis(i32::MAX as u64);
const LINGER: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(u16::MAX as u64);

const NO_PORT: &str = "it is an option of IP sockets, and this is a Unix socket, which has no port";

/// The system's name for `user_timeout`.
const TCP_USER_TIMEOUT: &str = " (TCP_USER_TIMEOUT)";

impl StreamOptions {
    /// Whether they can be set on this, on any system.
    pub(crate) fn check(&self, target: Target) -> Result<(), Error> {
        if target != Target::Tcp {
            let why = match target {
                Target::Datagrams => {
                    "it is an option of TCP connections, and this is a datagram socket, which has its own options: \
                     `set_datagram_options`"
                }
                _ => "it is an option of TCP connections, and this is a Unix socket",
            };
            none("nodelay", &self.nodelay, " (TCP_NODELAY)", why)?;
            none("keep_alive", &self.keep_alive, "", why)?;
            none("keep_alive_interval", &self.keep_alive_interval, "", why)?;
            none("keep_alive_probes", &self.keep_alive_probes, "", why)?;
            none("user_timeout", &self.user_timeout, TCP_USER_TIMEOUT, why)?;
        }
        match target {
            Target::Tcp => {}
            Target::UnixSocket => {
                let why = "it is an option of IP sockets, and this is a Unix socket";
                none("ttl", &self.ttl, "", why)?;
                none("tos", &self.tos, "", why)?;
                none("bind_address_no_port", &self.bind_address_no_port.then_some(true), "", why)?;
                none("reuse_address", &self.reuse_address.then_some(true), "", NO_PORT)?;
                none("reuse_port", &self.reuse_port.then_some(true), "", NO_PORT)?;
            }
            Target::Datagrams => {
                let why = "it is an option of streams, and this is a datagram socket";
                none("linger", &self.linger, "", why)?;
            }
        }
        within("keep_alive", &self.keep_alive, "", &IDLE, "it must be 1 to 32767 seconds")?;
        within("keep_alive_interval", &self.keep_alive_interval, "", &IDLE, "it must be 1 to 32767 seconds")?;
        within("keep_alive_probes", &self.keep_alive_probes, "", &(1..=127), "it must be 1 to 127")?;
        let milliseconds = "it must be 1 to 2147483647 milliseconds";
        within("user_timeout", &self.user_timeout, TCP_USER_TIMEOUT, &USER_TIMEOUT, milliseconds)?;
        within("linger", &self.linger, "", &LINGER, "it must be at most 65535 seconds")?;
        check_ip(self.ttl, self.tos)?;
        check_buffers(self.receive_buffer, self.send_buffer)
    }
}

impl ListenOptions {
    /// Whether a listener can have them, on any system.
    pub(crate) fn check(&self, target: Target) -> Result<(), Error> {
        if target == Target::UnixSocket {
            none("reuse_port", &self.reuse_port.then_some(true), "", NO_PORT)?;
        }
        self.stream.check(target)
    }
}

impl DatagramOptions {
    /// Whether they can be set on any system.
    pub(crate) fn check(&self) -> Result<(), Error> {
        check_ip(self.ttl, self.tos)?;
        within("multicast_ttl", &self.multicast_ttl, "", &(0..=255), "it must be at most 255")?;
        check_buffers(self.receive_buffer, self.send_buffer)
    }
}

fn check_ip(ttl: Option<u32>, tos: Option<u32>) -> Result<(), Error> {
    within("ttl", &ttl, "", &(1..=255), "it must be 1 to 255")?;
    within("tos", &tos, "", &(0..=255), "it must be at most 255")
}

/// The system counts them with a number that has a sign.
fn check_buffers(receive: Option<usize>, send: Option<usize>) -> Result<(), Error> {
    let range = 0..=i32::MAX as usize;
    within("receive_buffer", &receive, "", &range, "it must be at most 2147483647 bytes")?;
    within("send_buffer", &send, "", &range, "it must be at most 2147483647 bytes")
}

/// Refuses an option wherever it is set.
fn none<T: fmt::Debug>(name: &str, value: &Option<T>, system: &str, why: &str) -> Result<(), Error> {
    let Some(value) = value else { return Ok(()) };
    let text = format!("{name} {value:?}{system}: {why}");
    Err(Error::new(Action::Option, ErrorKind::InvalidArgument).because(text))
}

/// Refuses a value out of range.
fn within<T: fmt::Debug + PartialOrd>(
    name: &str,
    value: &Option<T>,
    system: &str,
    range: &RangeInclusive<T>,
    why: &str,
) -> Result<(), Error> {
    match value {
        Some(inside) if range.contains(inside) => Ok(()),
        value => none(name, value, system, why),
    }
}
