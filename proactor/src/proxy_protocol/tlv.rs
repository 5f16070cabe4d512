//! The fields of a version 2 header: type, length, value.

/// Bytes before a value: its kind and its length.
pub(super) const HEAD: usize = 3;

/// Kinds of the fields (TLVs) of a version 2 header.
pub mod tlv_kind {
    /// The application protocol that was negotiated.
    pub const ALPN: u8 = 0x01;
    /// The host name that the client asked for.
    pub const AUTHORITY: u8 = 0x02;
    /// CRC-32C of the header. It is checked when a header is read.
    pub const CHECKSUM: u8 = 0x03;
    /// Padding.
    pub const NOOP: u8 = 0x04;
    /// What the sender calls the connection.
    pub const UNIQUE_ID: u8 = 0x05;
    /// The client's TLS session.
    pub const TLS: u8 = 0x20;
    /// The name of the network namespace.
    pub const NETNS: u8 = 0x30;
}

/// The fields one after the other; ends early at a malformed one.
pub(super) struct Tlvs<'a> {
    /// What comes after the field that was taken last.
    pub(super) left: &'a [u8],
}

impl<'a> Tlvs<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { left: bytes }
    }

    /// Whether every field lies within the bytes.
    pub(super) fn well_formed(bytes: &[u8]) -> bool {
        let mut fields = Tlvs::new(bytes);
        fields.by_ref().for_each(drop);
        fields.left.is_empty()
    }
}

impl<'a> Iterator for Tlvs<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (&[kind, high, low], rest) = self.left.split_first_chunk::<HEAD>()?;
        let (value, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes([high, low])))?;
        self.left = rest;
        Some((kind, value))
    }
}

/// The TLS session between a client and the load balancer, as the load balancer describes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProxiedTls<'a> {
    flags: u8,
    verify: u32,
    fields: &'a [u8],
}

impl<'a> ProxiedTls<'a> {
    /// None if the field is malformed, or says that the client does not use TLS.
    pub(super) fn of(value: &'a [u8]) -> Option<Self> {
        let (&[flags, a, b, c, d], fields) = value.split_first_chunk::<5>()?;
        let tls = flags & 1 != 0 && Tlvs::well_formed(fields);
        tls.then_some(Self { flags, verify: u32::from_be_bytes([a, b, c, d]), fields })
    }

    /// Whether the client presented a certificate that the load balancer verified.
    pub fn client_verified(self) -> bool {
        self.flags & 0b110 != 0 && self.verify == 0
    }

    /// Such as `TLSv1.3`.
    pub fn version(self) -> Option<&'a str> {
        self.text(0x21)
    }

    /// The common name in the client's certificate.
    pub fn common_name(self) -> Option<&'a str> {
        self.text(0x22)
    }

    /// The cipher, as the load balancer names it.
    pub fn cipher(self) -> Option<&'a str> {
        self.text(0x23)
    }

    fn text(self, kind: u8) -> Option<&'a str> {
        let (_, value) = Tlvs::new(self.fields).find(|(found, _)| *found == kind)?;
        std::str::from_utf8(value).ok()
    }
}
