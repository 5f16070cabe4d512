//! A header's contents.

use std::net::SocketAddr;

use super::tlv::{self, ProxiedTls, Tlvs, tlv_kind};

/// Which of the two forms a PROXY protocol header has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProxyVersion {
    /// A line of text with the addresses.
    V1,
    /// Binary, with addresses and further fields (TLVs).
    V2,
}

/// What a load balancer said of a connection that it forwards: the client's address, the address
/// that the client connected to, and with version 2, further fields.
///
/// ```
/// use proactor::{ProxyHeader, ProxyVersion};
///
/// let client = "203.0.113.7:52311".parse().unwrap();
/// let front = "192.0.2.1:443".parse().unwrap();
/// let header = ProxyHeader::new(ProxyVersion::V1, client, front);
/// assert_eq!(header.to_bytes(), b"PROXY TCP4 203.0.113.7 192.0.2.1 52311 443\r\n");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxyHeader {
    pub(super) version: ProxyVersion,
    /// None if the connection is the load balancer's own, or the addresses are unknown.
    pub(super) addresses: Option<(SocketAddr, SocketAddr)>,
    /// As on the wire, known to be well-formed.
    pub(super) tlvs: Box<[u8]>,
}

impl ProxyHeader {
    /// A header for a connection from `source` to `destination`. If one is an IPv4 and the other an
    /// IPv6 address, the IPv4 address is written as an IPv4-mapped one.
    pub fn new(version: ProxyVersion, source: SocketAddr, destination: SocketAddr) -> Self {
        Self { version, addresses: Some((source, destination)), tlvs: Box::default() }
    }

    /// A header for a connection that the sender makes for itself, such as a health check. The
    /// receiver uses the real addresses.
    pub fn local(version: ProxyVersion) -> Self {
        Self { version, addresses: None, tlvs: Box::default() }
    }

    /// Adds a field (TLV). Kinds are in [`tlv_kind`]. A version 1 header cannot carry fields: they
    /// are left out when it is written.
    ///
    /// # Panics
    ///
    /// If all fields together would have more than 3,500 bytes, with 3 bytes for each field beside
    /// its value.
    #[must_use]
    pub fn with_field(mut self, kind: u8, value: &[u8]) -> Self {
        const MOST: usize = 3_500;
        let all = self.tlvs.len() + tlv::HEAD + value.len();
        assert!(all <= MOST, "the fields of a PROXY protocol header would have {all} bytes; at most {MOST} fit");
        let length = u16::try_from(value.len()).expect("less than the most");
        self.tlvs = [&self.tlvs[..], &[kind], &length.to_be_bytes(), value].concat().into();
        self
    }

    /// Which form it had, or will have.
    pub fn version(&self) -> ProxyVersion {
        self.version
    }

    /// The client's address. None if the connection is the load balancer's own (such as a health
    /// check), or if the load balancer does not know: then the connection's own addresses count.
    pub fn source(&self) -> Option<SocketAddr> {
        self.addresses.map(|(source, _)| source)
    }

    /// The address that the client connected to; none where [`source`](Self::source) is none.
    pub fn destination(&self) -> Option<SocketAddr> {
        self.addresses.map(|(_, destination)| destination)
    }

    /// The first field (TLV) of a kind, as it was sent. Kinds are in [`tlv_kind`].
    pub fn field(&self, kind: u8) -> Option<&[u8]> {
        self.fields().find(|(found, _)| *found == kind).map(|(_, value)| value)
    }

    /// All fields (TLVs) in their order: kind and value.
    pub fn fields(&self) -> impl Iterator<Item = (u8, &[u8])> {
        Tlvs::new(&self.tlvs)
    }

    /// The host name that the client asked for (SNI); none if it is not UTF-8.
    pub fn authority(&self) -> Option<&str> {
        std::str::from_utf8(self.field(tlv_kind::AUTHORITY)?).ok()
    }

    /// The application protocol that was negotiated with the client (ALPN).
    pub fn alpn(&self) -> Option<&[u8]> {
        self.field(tlv_kind::ALPN)
    }

    /// What the load balancer calls this connection, at most 128 bytes.
    pub fn unique_id(&self) -> Option<&[u8]> {
        self.field(tlv_kind::UNIQUE_ID)
    }

    /// The TLS session between the client and the load balancer, if it says that there was one.
    pub fn tls(&self) -> Option<ProxiedTls<'_>> {
        ProxiedTls::of(self.field(tlv_kind::TLS)?)
    }
}
