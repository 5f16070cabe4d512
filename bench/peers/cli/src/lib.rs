//! What every peer server shares: the command line `SERVICE --listen ADDRESS`, and the line that says it is ready.

use std::env;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::process;

/// What is asked for on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cli {
    pub service: Service,
    pub listen: SocketAddr,
}

/// What a peer can serve. One that does not serve it says so and ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// Whatever comes in goes back.
    Echo,
}

/// Reads the command line; explains itself and ends the process if it is not understood.
pub fn parse() -> Cli {
    parse_from(env::args().skip(1)).unwrap_or_else(|problem| {
        eprintln!("{problem}\nusage: echo --listen ADDRESS:PORT");
        process::exit(2);
    })
}

fn parse_from(arguments: impl IntoIterator<Item = String>) -> Result<Cli, String> {
    let mut arguments = arguments.into_iter();
    let service = match arguments.next().as_deref() {
        Some("echo") => Service::Echo,
        Some(other) => return Err(format!("unknown service {other}")),
        None => return Err("no service given".into()),
    };
    let mut listen = None;
    while let Some(argument) = arguments.next() {
        let value = match argument.strip_prefix("--listen") {
            Some("") => arguments.next(),
            Some(rest) => rest.strip_prefix('=').map(String::from),
            None => return Err(format!("unknown option {argument}")),
        };
        let value = value.ok_or("--listen has no address")?;
        let address = value.parse();
        listen = Some(address.map_err(|error| format!("--listen {value}: {error}"))?);
    }
    Ok(Cli { service, listen: listen.ok_or("no --listen given")? })
}

/// Says where the server listens, once it does.
pub fn announce(address: SocketAddr) -> io::Result<()> {
    let mut output = io::stdout().lock();
    writeln!(output, "listening {address}")?;
    output.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Cli, String> {
        parse_from(line.split_whitespace().map(String::from))
    }

    #[test]
    fn the_address_may_follow_or_be_joined() {
        let expected = Ok(Cli { service: Service::Echo, listen: "127.0.0.1:0".parse().unwrap() });
        assert_eq!(parse("echo --listen 127.0.0.1:0"), expected);
        assert_eq!(parse("echo --listen=127.0.0.1:0"), expected);
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for line in ["", "echo", "sing --listen 127.0.0.1:0", "echo --listen", "echo --listen here", "echo --loud"] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
