//! Connections from many addresses of this machine, because one address has too few ports.

use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Result, bail};
use rustix::io::Errno;
use rustix::net::{self, AddressFamily, SocketFlags, SocketType, sockopt};

/// Connections from one source address, each from a port of its own.
const FROM_ONE_ADDRESS: usize = 10_000;
/// The first of these ports. They are chosen here: a kernel that has to find a free one looks for
/// milliseconds when half of them are in use.
const FIRST_PORT: usize = 32_768;
/// If a port is in use, so many others are tried.
const TRIES: usize = 3;

/// Makes connections to one server, from `source` and the addresses that follow it.
#[derive(Clone, Copy)]
pub(super) struct Dialer {
    pub(super) server: SocketAddr,
    pub(super) source: Ipv4Addr,
}

impl Dialer {
    /// The address that connection `number` comes from.
    fn source(self, number: usize) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.source.to_bits() + (number / FROM_ONE_ADDRESS) as u32)
    }

    /// Makes connection `number`. It is reset when it is closed, so that no port is held by one
    /// that is long gone.
    pub(super) fn dial(self, number: usize) -> Result<TcpStream> {
        let source = self.source(number);
        let described = || format!("session {number} from {source} to {}", self.server);
        let failed = |error: Errno| anyhow::Error::new(error).context(limit_met(error)).context(described());
        let socket = net::socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None);
        let socket = socket.map_err(failed)?;
        let ports = (0..TRIES).map(|again| FIRST_PORT + number % FROM_ONE_ADDRESS + again * FROM_ONE_ADDRESS);
        let mut bound = Err(Errno::ADDRINUSE);
        for port in ports {
            bound = net::bind(&socket, &SocketAddr::from((source, port as u16)));
            if bound != Err(Errno::ADDRINUSE) {
                break;
            }
        }
        bound.map_err(failed)?;
        net::connect(&socket, &self.server).map_err(failed)?;
        sockopt::set_socket_linger(&socket, Some(Duration::ZERO)).map_err(failed)?;
        Ok(socket.into())
    }
}

/// Which limit an error of a connection tells of.
fn limit_met(error: Errno) -> &'static str {
    match error {
        Errno::ADDRINUSE | Errno::ADDRNOTAVAIL => "no port is left on this address",
        Errno::MFILE => "the limit of open files of a process is met (ulimit -n)",
        Errno::NFILE => "the system's limit of open files is met (fs.file-max)",
        Errno::NOMEM | Errno::NOBUFS => "the kernel has no memory for more sockets",
        Errno::CONNREFUSED | Errno::CONNRESET | Errno::TIMEDOUT => "the server does not take it",
        _ => "a connection cannot be made",
    }
}

/// Checks that so many connections of one process have addresses: those of 127.0.N.0/24.
pub(super) fn check_addresses(connections: usize) -> Result<()> {
    let most = 254 * FROM_ONE_ADDRESS;
    if connections > most {
        bail!("{connections} connections of one process: there are addresses for {most}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn connections_come_from_addresses_and_ports_of_their_own() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let dialer = Dialer { server: listener.local_addr().unwrap(), source: Ipv4Addr::new(127, 0, 201, 1) };
        let streams: Vec<TcpStream> = [0, 1, 9_999, 10_000].map(|number| dialer.dial(number).unwrap()).into();
        let hosts: Vec<String> = streams.iter().map(|stream| stream.local_addr().unwrap().ip().to_string()).collect();
        assert_eq!(hosts, ["127.0.201.1", "127.0.201.1", "127.0.201.1", "127.0.201.2"]);
        let again = dialer.dial(1).unwrap();
        assert_ne!(again.local_addr().unwrap(), streams[1].local_addr().unwrap(), "a port in use is passed over");
        dialer.dial(1).unwrap();
    }

    #[test]
    fn an_error_names_the_limit_that_was_met() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let dialer = Dialer { server: listener.local_addr().unwrap(), source: Ipv4Addr::new(127, 0, 202, 1) };
        let held: Vec<TcpStream> = (0..TRIES).map(|_| dialer.dial(7).unwrap()).collect();
        let error = format!("{:#}", dialer.dial(7).unwrap_err());
        assert!(error.contains("session 7 from 127.0.202.1") && error.contains("no port is left"), "{error}");
        drop((held, listener));
        let error = format!("{:#}", dialer.dial(8).unwrap_err());
        assert!(error.contains("the server does not take it"), "{error}");
        assert!(check_addresses(2_540_000).is_ok() && check_addresses(2_540_001).is_err());
    }
}
