//! Writes a header, for the server behind this one.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use super::header::{ProxyHeader, ProxyVersion};
use super::parse::SIGNATURE;

impl ProxyHeader {
    /// The header as it is sent, before the connection's first byte.
    pub fn to_bytes(&self) -> Vec<u8> {
        match self.version {
            ProxyVersion::V1 => self.line().into_bytes(),
            ProxyVersion::V2 => self.binary(),
        }
    }

    fn line(&self) -> String {
        let Some((source, destination)) = self.addresses else { return "PROXY UNKNOWN\r\n".into() };
        let (source_ip, destination_ip) = same_family(source, destination);
        let family = if source_ip.is_ipv4() { "TCP4" } else { "TCP6" };
        format!("PROXY {family} {source_ip} {destination_ip} {} {}\r\n", source.port(), destination.port())
    }

    fn binary(&self) -> Vec<u8> {
        let mut body = Vec::new();
        let (command, kind) = match self.addresses {
            None => (0x20, 0x00),
            Some((source, destination)) => {
                let kind = match same_family(source, destination) {
                    (IpAddr::V4(source), IpAddr::V4(destination)) => {
                        body.extend(source.octets());
                        body.extend(destination.octets());
                        0x11
                    }
                    (source, destination) => {
                        body.extend(mapped(source).octets());
                        body.extend(mapped(destination).octets());
                        0x21
                    }
                };
                body.extend(source.port().to_be_bytes());
                body.extend(destination.port().to_be_bytes());
                (0x21, kind)
            }
        };
        body.extend(&self.tlvs);
        let length = u16::try_from(body.len()).expect("fields and addresses are limited");
        [&SIGNATURE[..], &[command, kind], &length.to_be_bytes(), &body].concat()
    }
}

/// Both addresses in the family that can hold both.
fn same_family(source: SocketAddr, destination: SocketAddr) -> (IpAddr, IpAddr) {
    match (source.ip(), destination.ip()) {
        (source @ IpAddr::V4(_), destination @ IpAddr::V4(_)) => (source, destination),
        (source, destination) => (mapped(source).into(), mapped(destination).into()),
    }
}

fn mapped(ip: IpAddr) -> Ipv6Addr {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    }
}
