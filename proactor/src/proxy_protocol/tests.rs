use super::checksum::crc32c;
use super::*;
use ProxyHeaderFault as Fault;

const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// A version 2 header as it is on the wire.
fn binary(command: u8, kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len()).unwrap();
    [SIGNATURE, &[command, kind], &length.to_be_bytes(), body].concat()
}

fn v4(tlvs: &[u8]) -> Vec<u8> {
    let body = [&[10, 0, 0, 1, 10, 0, 0, 2, 4, 210, 0, 80][..], tlvs].concat();
    binary(0x21, 0x11, &body)
}

fn header(bytes: &[u8]) -> ProxyHeader {
    match parse(bytes) {
        Ok(Parsed::Header(header, taken)) if taken == bytes.len() => header,
        other => panic!("{bytes:?}: {other:?}"),
    }
}

fn addresses(bytes: &[u8]) -> Option<(String, String)> {
    let header = header(bytes);
    Some((header.source()?.to_string(), header.destination()?.to_string()))
}

fn pair(source: &str, destination: &str) -> Option<(String, String)> {
    Some((source.into(), destination.into()))
}

fn all_good() -> Vec<Vec<u8>> {
    let v6 = [&[0x20; 32][..], &[1, 2, 3, 4]].concat();
    vec![
        b"PROXY TCP4 10.0.0.1 10.0.0.2 1234 80\r\n".to_vec(),
        b"PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n".to_vec(),
        b"PROXY TCP6 2001:db8::1 ::2 0 65535\r\n".to_vec(),
        b"PROXY UNKNOWN\r\n".to_vec(),
        b"PROXY UNKNOWN ffff:f anything 1 2\r\n".to_vec(),
        v4(&[]),
        v4(&[0x02, 0, 3, b'a', b'.', b'b', 0xe4, 0, 0]),
        binary(0x21, 0x21, &v6),
        binary(0x21, 0x31, &[b'x'; 216]),
        binary(0x20, 0x00, &[]),
        binary(0x20, 0x11, &[10, 0, 0, 1, 10, 0, 0, 2, 4, 210, 0, 80]),
        binary(0x21, 0x00, b"\x04\0\x01x"),
    ]
}

#[test]
fn addresses_of_both_versions() {
    assert_eq!(addresses(b"PROXY TCP4 10.0.0.1 10.0.0.2 1234 80\r\n"), pair("10.0.0.1:1234", "10.0.0.2:80"));
    assert_eq!(addresses(b"PROXY TCP6 2001:db8::1 ::2 0 65535\r\n"), pair("[2001:db8::1]:0", "[::2]:65535"));
    assert_eq!(addresses(&v4(&[])), pair("10.0.0.1:1234", "10.0.0.2:80"));
}

#[test]
fn a_header_may_be_split_anywhere_and_more_may_follow() {
    for whole in all_good() {
        for end in 0..whole.len() {
            assert_eq!(parse(&whole[..end]), Ok(Parsed::Incomplete), "{:?}", &whole[..end]);
        }
        let (one, two) = (parse(&whole), parse(&[&whole[..], b"GET /\r\n"].concat()));
        assert_eq!(one, two);
        assert!(matches!(one, Ok(Parsed::Header(_, taken)) if taken == whole.len()), "{whole:?}: {one:?}");
    }
}

/// No header begins so: this is known at the first byte that differs.
#[test]
fn what_is_no_header_is_seen_at_once() {
    for other in [&b"G"[..], b"PRO\xfe", b"PROXYx", b"\r\nx", b"\r\n\r\n\0\r\nQUIT\r", b"\x16", b"p"] {
        assert_eq!(parse(other), Ok(Parsed::NoHeader), "{other:?}");
        assert_eq!(parse(&other[..other.len() - 1]), Ok(Parsed::Incomplete));
    }
}

#[test]
fn a_local_connections_addresses_are_ignored() {
    for local in [
        binary(0x20, 0x11, &[10, 0, 0, 1, 10, 0, 0, 2, 4, 210, 0, 80]),
        // Shorter than the family's addresses, and no field: both are ignored.
        binary(0x20, 0x21, b"\x01\xff\xff"),
        b"PROXY UNKNOWN 10.0.0.1 10.0.0.2 1 2\r\n".to_vec(),
    ] {
        assert_eq!(addresses(&local), None);
        assert_eq!(header(&local).fields().count(), 0);
    }
}

#[test]
fn malformed_lines_are_refused() {
    for rest in [
        "",
        "TCP4",
        "TCP5 1.1.1.1 1.1.1.1 1 1",
        "TCP4 1.1.1.1 1.1.1.1 1",
        "TCP4 1.1.1.1 1.1.1.1 1 1 ",
        "TCP4 1.1.1.1 1.1.1.1 1 1 1",
        "TCP4  1.1.1.1 1.1.1.1 1 1",
        "TCP4 1.1.1.1 1.1.1 1 1",
        "TCP4 1.1.1.1 01.1.1.1 1 1",
        "TCP4 ::1 ::1 1 1",
        "TCP6 1.1.1.1 1.1.1.1 1 1",
        "TCP6 ::1%lo ::1 1 1",
        "TCP4 1.1.1.1 1.1.1.1 65536 1",
        "TCP4 1.1.1.1 1.1.1.1 +1 1",
        "TCP4 1.1.1.1 1.1.1.1 01 1",
        "TCP4 1.1.1.1 1.1.1.1 1 -1",
        "TCP4\t1.1.1.1 1.1.1.1 1 1",
        "TCP4 1.1.1.1 1.1.1.1 1 1\n",
        "UNKNOWNx",
        "unknown",
    ] {
        assert_eq!(parse(format!("PROXY {rest}\r\n").as_bytes()), Err(Fault::Line), "{rest:?}");
    }
    assert_eq!(parse(b"PROXY TCP4 1.1.1.1 \xff.1.1.1 1 1\r\n"), Err(Fault::Line));
}

#[test]
fn a_line_has_at_most_107_bytes() {
    let of = |length: usize| format!("PROXY UNKNOWN {}\r\n", "x".repeat(length - 16)).into_bytes();
    assert!(matches!(parse(&of(107)), Ok(Parsed::Header(_, 107))));
    assert_eq!(parse(&of(107)[..106]), Ok(Parsed::Incomplete));
    assert_eq!(parse(&of(108)), Err(Fault::LineTooLong));
    assert_eq!(parse(&of(5_000)), Err(Fault::LineTooLong));
}

/// Refused as soon as the byte that is wrong has arrived.
#[test]
fn malformed_binary_headers_are_refused() {
    for (command, kind) in [(0x11, 0x11), (0x31, 0x11), (0x22, 0x11), (0x2f, 0x11)] {
        assert_eq!(parse(&binary(command, kind, &[0; 216])[..13]), Err(Fault::Kind));
    }
    for kind in [0x41, 0x13, 0xff, 0x1f] {
        assert_eq!(parse(&binary(0x21, kind, &[0; 216])[..14]), Err(Fault::Kind));
    }
    for (kind, length) in [(0x11, 11), (0x12, 11), (0x21, 35), (0x31, 215)] {
        assert_eq!(parse(&binary(0x21, kind, &vec![0; length])[..16]), Err(Fault::Addresses));
    }
    for tlvs in [&[1][..], &[1, 0], &[1, 0, 1], &[1, 0, 1, 0, 2], &[4, 0xff, 0xff, 0]] {
        assert_eq!(parse(&v4(tlvs)), Err(Fault::Field), "{tlvs:?}");
    }
    assert_eq!(parse(&binary(0x21, 0x00, &[0; 4_081])[..16]), Err(Fault::TooLong));
    assert_eq!(parse(&binary(0x20, 0x00, &[0; 60_000])[..16]), Err(Fault::TooLong));
}

#[test]
fn datagrams_and_unix_paths_give_no_address_but_keep_their_fields() {
    let unix = [&[b'/'; 216][..], &[5, 0, 2, b'i', b'd']].concat();
    for (kind, body) in [(0x31, &unix[..]), (0x12, b"aaaabbbbppqq\x05\0\x02id"), (0x00, b"\x05\0\x02id")] {
        let header = header(&binary(0x21, kind, body));
        assert_eq!((header.source(), header.unique_id()), (None, Some(&b"id"[..])));
    }
}

#[test]
fn the_checksum_is_compared() {
    let mut bytes = v4(&[0x02, 0, 1, b'a', 0x03, 0, 4, 0, 0, 0, 0, 0x04, 0, 1, 0]);
    let sum = crc32c([&bytes[..]]).to_be_bytes();
    let at = bytes.len() - 8;
    bytes[at..at + 4].copy_from_slice(&sum);
    assert_eq!(header(&bytes).authority(), Some("a"));
    for index in (16..28).chain([31]) {
        bytes[index] ^= 1;
        assert_eq!(parse(&bytes), Err(Fault::Checksum), "byte {index}");
        bytes[index] ^= 1;
    }
    assert_eq!(parse(&v4(&[0x03, 0, 3, 0, 0, 0])), Err(Fault::Checksum));
}

#[test]
fn the_fields_are_read() {
    let tls = [&[0x07, 0, 0, 0, 0][..], b"\x21\0\x07TLSv1.3\x22\0\x03bob\x23\0\x02AB"].concat();
    let written = ProxyHeader::new(ProxyVersion::V2, "10.0.0.1:1".parse().unwrap(), "10.0.0.2:2".parse().unwrap());
    let written = written
        .with_field(tlv_kind::ALPN, b"h2")
        .with_field(tlv_kind::AUTHORITY, b"example.org")
        .with_field(tlv_kind::UNIQUE_ID, b"\x01\x02")
        .with_field(tlv_kind::TLS, &tls);
    let read = header(&written.to_bytes());
    assert_eq!(read, written);
    assert_eq!(read.alpn(), Some(&b"h2"[..]));
    assert_eq!(read.authority(), Some("example.org"));
    assert_eq!(read.unique_id(), Some(&[1, 2][..]));
    let tls = read.tls().unwrap();
    assert_eq!((tls.version(), tls.common_name(), tls.cipher()), (Some("TLSv1.3"), Some("bob"), Some("AB")));
    assert!(tls.client_verified());
    assert_eq!(read.fields().count(), 4);
    assert_eq!(read.field(0xee), None);
}

#[test]
fn a_tls_field_that_is_malformed_or_says_no_is_none() {
    for value in [&[][..], &[1, 0, 0, 0], &[0, 0, 0, 0, 0], &[1, 0, 0, 0, 0, 0x21, 0, 9, b'x']] {
        let tlv = [&[tlv_kind::TLS, 0, u8::try_from(value.len()).unwrap()], value].concat();
        assert_eq!(header(&v4(&tlv)).tls(), None, "{value:?}");
    }
    let unverified = [tlv_kind::TLS, 0, 5, 7, 0, 0, 0, 1];
    assert!(!header(&v4(&unverified)).tls().unwrap().client_verified());
}

#[test]
fn what_is_written_is_read_back() {
    for (source, destination) in
        [("10.0.0.1:1", "10.0.0.2:65535"), ("[2001:db8::1]:1", "[::2]:2"), ("10.0.0.1:1", "[::2]:2")]
    {
        let (source, destination) = (source.parse().unwrap(), destination.parse().unwrap());
        for version in [ProxyVersion::V1, ProxyVersion::V2] {
            let read = header(&ProxyHeader::new(version, source, destination).to_bytes());
            assert_eq!(read.version(), version);
            assert_eq!(read.destination(), Some(destination));
            assert_eq!(read.source().unwrap().ip().to_canonical(), source.ip().to_canonical());
        }
    }
    for version in [ProxyVersion::V1, ProxyVersion::V2] {
        assert_eq!(header(&ProxyHeader::local(version).to_bytes()), ProxyHeader::local(version));
    }
}

#[test]
#[should_panic(expected = "at most 3500 fit")]
fn fields_are_limited() {
    _ = ProxyHeader::local(ProxyVersion::V2).with_field(0xe0, &[0; 4_000]);
}
