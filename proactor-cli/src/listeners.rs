//! Listeners of a configuration file: each with an address, transport, codec and limits of its own.

use std::net::SocketAddr;

use clap::error::Error;
use clap::{ArgMatches, Args, Command, FromArgMatches};
#[cfg(feature = "websocket")]
use proactor::WebSocket;
#[cfg(feature = "websocket")]
use proactor::codec::Codec;
use proactor::codec::Framing;
#[cfg(feature = "tls")]
use proactor::tls::Tls;
use proactor::{Listener, ListenerLimits, Rate};

use crate::codec::{self, CodecChoice};
use crate::proxied::Proxied;
use crate::setting::set;
#[cfg(feature = "tls")]
use crate::tls::TlsOptions;
use crate::values;
#[cfg(feature = "websocket")]
use crate::websocket::{self, WebSocketOptions};

/// What a `[[listener]]` table sets, as options of the same names set it for all of --listen.
#[derive(Args)]
struct ListenerOptions {
    /// Where to listen, as for --listen.
    #[arg(long, required = true, value_parser = values::listener)]
    address: String,
    /// What metrics and logs call the listener, instead of its address.
    #[arg(long)]
    name: Option<String>,
    /// Sessions of this listener; --max-sessions counts those of all.
    #[arg(long, value_parser = values::count)]
    max_sessions: Option<usize>,
    /// Sessions of one IP address here.
    #[arg(long, value_parser = values::count)]
    max_sessions_per_ip: Option<usize>,
    /// Connections per second that are accepted here.
    #[arg(long, value_parser = values::rate)]
    accept_rate: Option<Rate>,
    /// Bytes a session may send per second, in place of the server's.
    #[arg(long, value_parser = values::byte_rate)]
    byte_rate: Option<Rate>,
    #[command(flatten)]
    proxied: Proxied,
    #[cfg(feature = "tls")]
    #[command(flatten)]
    tls: TlsOptions,
}

/// What it sets too for a server that handles packets.
#[derive(Args)]
struct PacketOptions {
    /// The codec, in place of the server's.
    #[arg(long)]
    codec: Option<CodecChoice>,
    /// Longest packet of that codec.
    #[arg(long, value_parser = codec::frame_bytes)]
    max_frame: Option<usize>,
    /// Packets a session may send per second, in place of the server's.
    #[arg(long, value_parser = values::rate)]
    packet_rate: Option<Rate>,
    #[cfg(feature = "websocket")]
    #[command(flatten)]
    websocket: WebSocketOptions,
}

/// One `[[listener]]` table.
pub(crate) struct ListenerTable {
    /// Where it is written.
    place: String,
    options: ListenerOptions,
    packets: Option<PacketOptions>,
    framing: Option<Framing>,
    #[cfg(feature = "websocket")]
    websocket: Option<WebSocket>,
    #[cfg(feature = "tls")]
    tls: Option<Tls>,
}

/// The options of a table, as clap reads them.
pub(crate) fn definition(has_packets: bool) -> Command {
    let command = Command::new("listener").no_binary_name(true).disable_help_flag(true);
    let command = ListenerOptions::augment_args(command);
    if has_packets { PacketOptions::augment_args(command) } else { command }
}

impl ListenerTable {
    pub(crate) fn new(matches: &ArgMatches, has_packets: bool, place: String) -> Result<ListenerTable, Error> {
        let packets = has_packets.then(|| PacketOptions::from_arg_matches(matches)).transpose()?;
        Ok(ListenerTable {
            place,
            options: ListenerOptions::from_arg_matches(matches)?,
            packets,
            framing: None,
            #[cfg(feature = "websocket")]
            websocket: None,
            #[cfg(feature = "tls")]
            tls: None,
        })
    }

    /// Where it listens.
    pub(crate) fn place(&self) -> &str {
        &self.options.address
    }

    /// The codec of its packets, if it is not the server's.
    fn codec(&self) -> Option<CodecChoice> {
        let packets = self.packets.as_ref()?;
        #[cfg(feature = "websocket")]
        if self.speaks_websocket() {
            return Some(websocket::LIMITS);
        }
        packets.codec
    }

    /// Settles how packets are framed here.
    fn frame(&mut self, server: CodecChoice, outbox_bytes: usize) -> Result<(), String> {
        let codec = self.codec();
        let Some(packets) = &self.packets else { return Ok(()) };
        #[cfg(feature = "websocket")]
        if packets.websocket.has_origins() && !packets.websocket.is_on() {
            return Err("websocket-origin is for a WebSocket: add websocket = true, or leave it out".into());
        }
        if codec.is_some() || packets.max_frame.is_some() {
            let framing = codec.unwrap_or(server).framing(packets.max_frame, outbox_bytes)?;
            #[cfg(feature = "websocket")]
            {
                self.websocket = packets.websocket.settings(framing.max_bytes() - websocket::HEADER);
            }
            self.framing = Some(framing);
        }
        Ok(())
    }

    fn limits(&self) -> ListenerLimits {
        let options = &self.options;
        let limits = set(ListenerLimits::new(), options.max_sessions, ListenerLimits::sessions);
        let limits = set(limits, options.max_sessions_per_ip, ListenerLimits::sessions_per_ip);
        let limits = set(limits, options.accept_rate, ListenerLimits::accept_rate);
        let limits = set(limits, options.byte_rate, ListenerLimits::byte_rate);
        let packet_rate = self.packets.as_ref().and_then(|packets| packets.packet_rate);
        set(limits, packet_rate, ListenerLimits::packet_rate)
    }

    pub(crate) fn listener(&self) -> Listener {
        let listener = Listener::new(self.options.address.as_str()).limits(self.limits());
        let listener = set(listener, self.options.name.as_ref(), Listener::name);
        let listener = set(listener, self.options.proxied.header(), Listener::proxy_protocol);
        let listener = set(listener, self.framing.clone(), Listener::codec);
        #[cfg(feature = "websocket")]
        let listener = set(listener, self.websocket.clone(), Listener::websocket);
        #[cfg(feature = "tls")]
        let listener = set(listener, self.tls.as_ref(), Listener::tls);
        listener
    }

    #[cfg(feature = "websocket")]
    pub(crate) fn speaks_websocket(&self) -> bool {
        self.packets.as_ref().is_some_and(|packets| packets.websocket.is_on())
    }

    #[cfg(feature = "tls")]
    pub(crate) fn speaks_tls(&self) -> bool {
        self.options.tls.is_on()
    }
}

/// All tables of a file.
#[derive(Default)]
pub(crate) struct Listeners {
    pub(crate) tables: Vec<ListenerTable>,
    /// No other address was given, so that the default one is not listened on.
    pub(crate) are_alone: bool,
}

impl Listeners {
    /// Settles how each frames packets. `has_empty` says who needs codecs with empty packets.
    pub(crate) fn frame(
        &mut self,
        server: CodecChoice,
        outbox_bytes: usize,
        has_empty: Option<&str>,
    ) -> Result<(), String> {
        for table in &mut self.tables {
            if let (Some(codec), Some(needs)) = (table.codec(), has_empty)
                && !codec.has_empty_packets()
            {
                return Err(format!("{}: codec {codec} has no empty packets, which {needs} needs", table.place));
            }
            table.frame(server, outbox_bytes).map_err(|why| format!("{}: {why}", table.place))?;
        }
        Ok(())
    }

    /// The first whose codec has no packets.
    pub(crate) fn raw(&self) -> Option<&str> {
        let raw = self.tables.iter().find(|table| table.codec() == Some(CodecChoice::Raw));
        raw.map(|table| table.place.as_str())
    }

    /// Reads the certificates.
    #[cfg(feature = "tls")]
    pub(crate) fn load(&mut self) -> Result<(), String> {
        for table in &mut self.tables {
            table.tls = table.options.tls.load().map_err(|why| format!("{}: {why}", table.place))?;
        }
        Ok(())
    }

    /// What is to be read again on SIGHUP.
    #[cfg(feature = "tls")]
    pub(crate) fn loaded(&self) -> impl Iterator<Item = Tls> {
        self.tables.iter().filter_map(|table| table.tls.clone())
    }

    /// Finds two listeners that cannot be bound beside each other, of the tables and these.
    pub(crate) fn check_places(&self, others: &[String]) -> Result<(), String> {
        let others = others.iter().map(|address| ("--listen", address.as_str()));
        let tables = self.tables.iter().map(|table| (table.place.as_str(), table.options.address.as_str()));
        let all: Vec<(&str, &str)> = others.chain(tables).collect();
        for (index, (place, address)) in all.iter().enumerate() {
            if let Some((before, other)) = all[..index].iter().find(|(_, other)| overlap(address, other)) {
                return Err(format!(
                    "{place}: two listeners on one address: {address} here, and {other} ({before}): give one of them another port"
                ));
            }
        }
        Ok(())
    }
}

/// Whether the system would refuse the second of these places to listen on. Of a name it cannot be
/// said before it is looked up.
fn overlap(one: &str, other: &str) -> bool {
    if one.starts_with("unix:") || other.starts_with("unix:") {
        return one == other;
    }
    let parts = |text: &str| {
        let (host, port) = text.rsplit_once(':')?;
        let ip = text.parse().ok().map(|address: SocketAddr| address.ip());
        Some((host.to_ascii_lowercase(), ip, port.parse::<u16>().ok().filter(|port| *port != 0)?))
    };
    let (Some((host, ip, port)), Some((other_host, other_ip, other_port))) = (parts(one), parts(other)) else {
        return false;
    };
    let share_interface = match (ip, other_ip) {
        (Some(ip), Some(other)) => {
            ip == other || ip.is_ipv4() == other.is_ipv4() && (ip.is_unspecified() || other.is_unspecified())
        }
        _ => host.is_empty() || other_host.is_empty() || host == other_host,
    };
    port == other_port && share_interface
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_every_key_of_a_table() {
        let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/configuration.md");
        let page = std::fs::read_to_string(page).unwrap();
        let table = page.split("## Listeners").nth(1).and_then(|rest| rest.split("\n- ").next()).unwrap();
        for arg in definition(true).get_arguments() {
            let key = arg.get_long().unwrap();
            assert!(table.contains(&format!("`{key}`")), "{key} is not in the table of docs/configuration.md");
        }
    }

    #[test]
    fn places_overlap_if_the_system_would_refuse_the_second() {
        for (one, other, expected) in [
            ("127.0.0.1:80", "127.0.0.1:80", true),
            ("127.0.0.1:80", "127.0.0.1:81", false),
            ("127.0.0.1:80", "127.0.0.2:80", false),
            ("127.0.0.1:80", "0.0.0.0:80", true),
            ("127.0.0.1:80", ":80", true),
            ("[::1]:80", ":80", true),
            ("[::1]:80", "[::]:80", true),
            ("127.0.0.1:80", "[::]:80", false),
            ("127.0.0.1:0", "127.0.0.1:0", false),
            ("localhost:80", "LOCALHOST:80", true),
            ("localhost:80", "127.0.0.1:80", false),
            ("unix:/a", "unix:/a", true),
            ("unix:/a", "unix:/b", false),
            ("unix:/a:80", "127.0.0.1:80", false),
        ] {
            assert_eq!((overlap(one, other), overlap(other, one)), (expected, expected), "{one} {other}");
        }
    }
}
