//! The peers' command line, `SERVICE --listen ADDRESS` and options, and start-up line.

pub mod websocket;

use std::env;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process;

/// What is asked for on the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cli {
    pub service: Service,
    pub listen: SocketAddr,
    pub flush: Flush,
    /// How many threads serve; `None` is the peer's one thread without locks.
    pub threads: Option<usize>,
    /// Bytes of a connection's buffer for reading.
    pub buffer: usize,
    /// Files in PEM: for TLS.
    pub certificate: PathBuf,
    pub key: PathBuf,
}

/// What can be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// Sends back every byte.
    Echo,
    /// The same, made for peers that send much at a time.
    Stream,
    /// Packets with a 4-byte big-endian length; each is answered with the same packet.
    Framed,
    /// Packets as in `Framed`; each is sent to every other session.
    Chat,
    /// HTTP/1.1: every GET is answered with `Hello, World!`.
    Http,
    /// WebSocket: each message is answered with the same message, at any path.
    WebSocket,
    /// WebSocket: each message is sent to every other session.
    WebSocketChat,
    /// Sends back every byte, over TLS.
    Tls,
}

/// What every peer reads at once unless another size is asked for.
const BUFFER_BYTES: usize = 16 * 1024;

/// The longest buffer.
const MOST_BUFFER_BYTES: usize = 1 << 20;

/// The most threads that a peer serves with.
const MOST_THREADS: usize = 64;

/// When a packet server flushes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Flush {
    /// When nothing more is ready to be written.
    #[default]
    Drained,
    /// After each packet.
    Packet,
}

impl Service {
    const ALL: [Self; 8] = [
        Self::Echo,
        Self::Stream,
        Self::Framed,
        Self::Chat,
        Self::Http,
        Self::WebSocket,
        Self::WebSocketChat,
        Self::Tls,
    ];

    /// The service of this name, if there is one.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|service| service.name() == name)
    }

    /// Bytes to read at a time.
    pub fn buffer_bytes(self) -> usize {
        if self == Self::Stream { 64 * 1024 } else { 16 * 1024 }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Echo => "echo",
            Self::Stream => "stream",
            Self::Framed => "framed",
            Self::Chat => "chat",
            Self::Http => "http",
            Self::WebSocket => "websocket",
            Self::WebSocketChat => "websocket-chat",
            Self::Tls => "tls",
        }
    }
}

/// Reads the command line. On an error or an unknown service, prints the usage and exits.
pub fn parse(served: &[Service]) -> Cli {
    parse_from(served, env::args().skip(1)).unwrap_or_else(|problem| {
        let served: Vec<_> = served.iter().map(|service| service.name()).collect();
        eprintln!(
            "{problem}\nusage: {} --listen ADDRESS:PORT [--flush drained|packet] [--threads N] [--buffer BYTES] \
             [--tls-cert FILE --tls-key FILE]",
            served.join("|")
        );
        process::exit(2);
    })
}

fn parse_from(served: &[Service], arguments: impl IntoIterator<Item = String>) -> Result<Cli, String> {
    let mut arguments = arguments.into_iter();
    let name = arguments.next().ok_or("no service given")?;
    let service = Service::named(&name).ok_or_else(|| format!("unknown service {name}"))?;
    if !served.contains(&service) {
        return Err(format!("this peer does not serve {name}"));
    }
    let (mut listen, mut flush, mut threads, mut buffer) = (None, Flush::default(), None, BUFFER_BYTES);
    let (mut certificate, mut key) = (PathBuf::new(), PathBuf::new());
    while let Some(argument) = arguments.next() {
        let (option, value) = match argument.split_once('=') {
            Some((option, value)) => (option, Some(value.into())),
            None => (argument.as_str(), arguments.next()),
        };
        let value = value.ok_or_else(|| format!("{option} has no value"))?;
        match (option, value.as_str()) {
            ("--listen", address) => {
                let address = address.parse();
                listen = Some(address.map_err(|error| format!("--listen {value}: {error}"))?);
            }
            ("--flush", "drained") => flush = Flush::Drained,
            ("--flush", "packet") => flush = Flush::Packet,
            ("--flush", _) => return Err(format!("--flush {value}: there are drained and packet")),
            ("--threads", number) => match number.parse() {
                Ok(1..=MOST_THREADS) => threads = number.parse().ok(),
                _ => return Err(format!("--threads {value}: 1 to {MOST_THREADS}")),
            },
            ("--buffer", number) => match number.parse() {
                Ok(bytes @ 1..=MOST_BUFFER_BYTES) => buffer = bytes,
                _ => return Err(format!("--buffer {value}: 1 to {MOST_BUFFER_BYTES} bytes")),
            },
            ("--tls-cert", file) => certificate = file.into(),
            ("--tls-key", file) => key = file.into(),
            _ => return Err(format!("unknown option {option}")),
        }
    }
    if service == Service::Tls && (certificate.as_os_str().is_empty() || key.as_os_str().is_empty()) {
        return Err("tls needs --tls-cert and --tls-key".into());
    }
    Ok(Cli { service, listen: listen.ok_or("no --listen given")?, flush, threads, buffer, certificate, key })
}

/// Prints the address that the server listens on.
pub fn announce(address: SocketAddr) -> io::Result<()> {
    let mut output = io::stdout().lock();
    writeln!(output, "listening {address}")?;
    output.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Cli, String> {
        parse_from(&[Service::Echo, Service::Framed, Service::Tls], line.split_whitespace().map(String::from))
    }

    #[test]
    fn a_value_may_follow_or_be_joined() {
        let listen = "127.0.0.1:0".parse().unwrap();
        let none = PathBuf::new();
        let (service, flush, threads, buffer) = (Service::Echo, Flush::Drained, None, 16_384);
        let echo = Cli { service, listen, flush, threads, buffer, certificate: none.clone(), key: none };
        assert_eq!(parse("echo --listen 127.0.0.1:0"), Ok(echo.clone()));
        assert_eq!(parse("echo --listen=127.0.0.1:0"), Ok(echo.clone()));
        assert_eq!(parse("echo --listen=127.0.0.1:0 --buffer 65536"), Ok(Cli { buffer: 65_536, ..echo.clone() }));
        let framed = Cli { service: Service::Framed, flush: Flush::Packet, ..echo.clone() };
        assert_eq!(parse("framed --listen 127.0.0.1:0 --flush packet"), Ok(framed.clone()));
        assert_eq!(parse("framed --flush=packet --listen=127.0.0.1:0"), Ok(framed.clone()));
        assert_eq!(
            parse("framed --flush=packet --listen=127.0.0.1:0 --threads 2"),
            Ok(Cli { threads: Some(2), ..framed })
        );
        let tls = Cli { service: Service::Tls, certificate: "a.pem".into(), key: "a.key".into(), ..echo };
        assert_eq!(parse("tls --listen 127.0.0.1:0 --tls-cert a.pem --tls-key a.key"), Ok(tls));
    }

    #[test]
    fn bad_arguments_and_unknown_services_are_refused() {
        let lines = [
            "",
            "echo",
            "sing --listen 127.0.0.1:0",
            "chat --listen 127.0.0.1:0",
            "echo --listen",
            "echo --listen here",
            "echo --loud",
            "echo --listen 127.0.0.1:0 --flush",
            "echo --listen 127.0.0.1:0 --flush never",
            "echo --listen 127.0.0.1:0 --threads 0",
            "echo --listen 127.0.0.1:0 --threads 65",
            "echo --listen 127.0.0.1:0 --threads two",
            "echo --listen 127.0.0.1:0 --buffer 0",
            "tls --listen 127.0.0.1:0",
            "tls --listen 127.0.0.1:0 --tls-cert a.pem",
        ];
        for line in lines {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
