//! Reads a header from the first bytes of a connection.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use super::checksum::crc32c;
use super::fault::ProxyHeaderFault as Fault;
use super::header::{ProxyHeader, ProxyVersion};
use super::tlv::{Tlvs, tlv_kind};

/// With what a version 1 header begins.
pub(super) const LINE: &[u8] = b"PROXY ";
/// With what a version 2 header begins.
pub(super) const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// The most bytes of a version 1 header, its end included.
const LONGEST_LINE: usize = 107;
/// The signature, version and command, family and protocol, and the length of the rest.
pub(super) const FIXED: usize = 16;
/// The most bytes of a version 2 header that are accepted.
const LONGEST: usize = 4_096;

/// What the first bytes of a connection are.
#[derive(Debug, PartialEq)]
pub(crate) enum Parsed {
    /// They may become a header.
    Incomplete,
    /// No header begins like this.
    NoHeader,
    /// A header, and how many bytes it took.
    Header(ProxyHeader, usize),
}

/// Reads a header that has arrived whole or in part. What was read once is read again when more
/// has arrived: a header has at most 4,096 bytes.
pub(crate) fn parse(bytes: &[u8]) -> Result<Parsed, Fault> {
    if bytes.starts_with(LINE) {
        line(bytes)
    } else if bytes.starts_with(SIGNATURE) {
        binary(bytes)
    } else if LINE.starts_with(bytes) || SIGNATURE.starts_with(bytes) {
        Ok(Parsed::Incomplete)
    } else {
        Ok(Parsed::NoHeader)
    }
}

fn line(bytes: &[u8]) -> Result<Parsed, Fault> {
    let most = &bytes[..bytes.len().min(LONGEST_LINE)];
    let Some(end) = most.windows(2).position(|pair| pair == b"\r\n") else {
        return if most.len() < LONGEST_LINE { Ok(Parsed::Incomplete) } else { Err(Fault::LineTooLong) };
    };
    let addresses = match &most[LINE.len()..end] {
        // The load balancer does not know, or may not say. Whatever follows is ignored.
        rest if *rest == *b"UNKNOWN" || rest.starts_with(b"UNKNOWN ") => None,
        rest => Some(pair_of(rest).ok_or(Fault::Line)?),
    };
    let header = ProxyHeader { version: ProxyVersion::V1, addresses, tlvs: Box::default() };
    Ok(Parsed::Header(header, end + 2))
}

/// `TCP4 192.0.2.1 192.0.2.2 1234 80`
fn pair_of(text: &[u8]) -> Option<(SocketAddr, SocketAddr)> {
    let mut words = std::str::from_utf8(text).ok()?.split(' ');
    let mut word = || words.next();
    let address: fn(&str) -> Option<IpAddr> = match word()? {
        "TCP4" => |text| Ipv4Addr::from_str(text).ok().map(IpAddr::V4),
        "TCP6" => |text| Ipv6Addr::from_str(text).ok().map(IpAddr::V6),
        _ => return None,
    };
    let (source, destination) = (address(word()?)?, address(word()?)?);
    let (source_port, destination_port) = (port(word()?)?, port(word()?)?);
    let last = words.next().is_none();
    last.then_some((SocketAddr::new(source, source_port), SocketAddr::new(destination, destination_port)))
}

/// Decimal, without a sign and without leading zeros.
fn port(text: &str) -> Option<u16> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    plain.then(|| text.parse().ok())?
}

fn binary(bytes: &[u8]) -> Result<Parsed, Fault> {
    // Each byte is judged as soon as it is there, so that nonsense is not waited for.
    let rest = &bytes[SIGNATURE.len()..];
    let local = match rest.first() {
        None => return Ok(Parsed::Incomplete),
        Some(0x20) => true,
        Some(0x21) => false,
        Some(_) => return Err(Fault::Kind),
    };
    let Some(&kind) = rest.get(1) else { return Ok(Parsed::Incomplete) };
    let (family, protocol) = (kind >> 4, kind & 15);
    if family > 3 || protocol > 2 {
        return Err(Fault::Kind);
    }
    let Some(&[high, low]) = rest.get(2..4) else { return Ok(Parsed::Incomplete) };
    let length = usize::from(u16::from_be_bytes([high, low]));
    if FIXED + length > LONGEST {
        return Err(Fault::TooLong);
    }
    let addresses_length = [0, 12, 36, 216][usize::from(family)];
    // A local connection's addresses are ignored, their family too.
    if !local && length < addresses_length {
        return Err(Fault::Addresses);
    }
    let Some(body) = bytes.get(FIXED..FIXED + length) else { return Ok(Parsed::Incomplete) };
    let mut header = ProxyHeader::local(ProxyVersion::V2);
    if !local {
        let (addresses, tlvs) = body.split_at(addresses_length);
        if !Tlvs::well_formed(tlvs) {
            return Err(Fault::Field);
        }
        check(&bytes[..FIXED + length], tlvs)?;
        // Datagrams and Unix sockets have no address that a TCP session could take over.
        header.addresses = if protocol == 1 { pair_in(addresses) } else { None };
        header.tlvs = tlvs.into();
    }
    Ok(Parsed::Header(header, FIXED + length))
}

/// Two IPv4 or two IPv6 addresses, and two ports.
fn pair_in(bytes: &[u8]) -> Option<(SocketAddr, SocketAddr)> {
    fn pair<const N: usize>(bytes: &[u8], ip: fn([u8; N]) -> IpAddr) -> Option<(SocketAddr, SocketAddr)> {
        let (source, rest) = bytes.split_first_chunk::<N>()?;
        let (destination, ports) = rest.split_first_chunk::<N>()?;
        let &[a, b, c, d] = ports.first_chunk::<4>()?;
        let source = SocketAddr::new(ip(*source), u16::from_be_bytes([a, b]));
        Some((source, SocketAddr::new(ip(*destination), u16::from_be_bytes([c, d]))))
    }
    match bytes.len() {
        12 => pair::<4>(bytes, |octets| IpAddr::V4(octets.into())),
        36 => pair::<16>(bytes, |octets| IpAddr::V6(octets.into())),
        _ => None,
    }
}

/// Compares the checksum, if the header has one: it counts as zero in itself.
fn check(header: &[u8], tlvs: &[u8]) -> Result<(), Fault> {
    let mut fields = Tlvs::new(tlvs);
    let Some((_, sum)) = fields.find(|(kind, _)| *kind == tlv_kind::CHECKSUM) else { return Ok(()) };
    let expected: [u8; 4] = sum.try_into().map_err(|_| Fault::Checksum)?;
    let after = header.len() - fields.left.len();
    let actual = crc32c([&header[..after - 4], &[0; 4], &header[after..]]);
    if actual == u32::from_be_bytes(expected) { Ok(()) } else { Err(Fault::Checksum) }
}
