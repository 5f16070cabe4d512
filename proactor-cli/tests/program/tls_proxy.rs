//! `proactor proxy` with TLS on either side: a first one speaks TLS to a second one, which ends it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};

use proactor::{ProxyHeader, ProxyVersion, tlv_kind};

use crate::harness::{PATIENCE, Running, proactor};
use crate::tls::Folder;

fn start(arguments: &[&str]) -> Running {
    Running::of(proactor(&[&["proxy", "--listen", "127.0.0.1:0"], arguments].concat()))
}

#[test]
fn the_upstream_behind_tls_is_told_the_client_and_the_name_that_it_asked_for() {
    let folder = Folder::new("authority");
    let [certificate, key] = folder.dev_cert();
    let upstream = TcpListener::bind("127.0.0.1:0").unwrap();
    let to = upstream.local_addr().unwrap().to_string();
    let ends = ["--tls-cert", &certificate, "--tls-key", &key, "--upstream", &to, "--send-proxy", "v2"];
    let ends = start(&ends);
    let second = ends.addresses[0].to_string();
    let speaks = ["--upstream-tls", "--upstream-ca", &certificate, "--upstream-name", "game.test"];
    let speaks = start(&[&["--upstream", &second][..], &speaks].concat());
    let mut client = speaks.connect();
    client.write_all(b"hello").unwrap();
    let mut stream = upstream.accept().unwrap().0;
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let (from, front): (SocketAddr, SocketAddr) = ("127.0.0.1:1".parse().unwrap(), ends.addresses[0]);
    let header = ProxyHeader::new(ProxyVersion::V2, from, front).with_field(tlv_kind::AUTHORITY, b"game.test");
    let mut came = vec![0; header.to_bytes().len() + 5];
    stream.read_exact(&mut came).unwrap();
    // The client of the second proxy is the first, at a port that nobody tells.
    let port = u16::from_be_bytes([came[24], came[25]]);
    let header = ProxyHeader::new(ProxyVersion::V2, SocketAddr::new(from.ip(), port), front);
    let header = header.with_field(tlv_kind::AUTHORITY, b"game.test");
    assert_eq!(came, [&header.to_bytes()[..], b"hello"].concat());
    stream.write_all(b"answer").unwrap();
    drop(stream);
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).unwrap();
    assert_eq!(answer, b"answer");
}

#[test]
fn a_header_comes_before_tls_to_the_upstream_and_a_wrong_name_resets_the_client() {
    let folder = Folder::new("header");
    let [certificate, key] = folder.dev_cert();
    let upstream = TcpListener::bind("127.0.0.1:0").unwrap();
    let to = upstream.local_addr().unwrap().to_string();
    for version in ["v1", "v2"] {
        let ends = ["--tls-cert", &certificate, "--tls-key", &key, "--upstream", &to];
        let ends = start(&[&ends[..], &["--proxy-protocol", "required", "--send-proxy", "v1"]].concat());
        let second = ends.addresses[0].to_string();
        let speaks = ["--upstream", &second, "--upstream-tls", "--upstream-ca", &certificate, "--send-proxy", version];
        let good = start(&[&speaks[..], &["--upstream-name", "game.test"]].concat());
        let mut client = good.connect();
        client.write_all(b"hello").unwrap();
        let mut stream = upstream.accept().unwrap().0;
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        // The client of the first proxy, and where it has connected to.
        let (from, front) = (client.local_addr().unwrap(), good.addresses[0]);
        let header = ProxyHeader::new(ProxyVersion::V1, from, front).to_bytes();
        let mut came = vec![0; header.len() + 5];
        stream.read_exact(&mut came).unwrap();
        assert_eq!(came, [&header[..], b"hello"].concat());
        stream.write_all(b"answer").unwrap();
        drop(stream);
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).unwrap();
        assert_eq!(answer, b"answer");
        drop(client);
        // The certificate is not for the name: nothing of the client reaches the upstream.
        let wrong = start(&[&speaks[..], &["--upstream-name", "other.test"]].concat());
        let mut client = wrong.connect();
        let _ = client.write_all(b"secret");
        assert!(client.read(&mut [0]).is_err());
        drop(client);
        let summary = wrong.summary();
        assert!(summary.contains("TLS failures (1: the peer's certificate is for another name)"), "{summary}");
    }
}
