//! Listening on a name, and on every interface.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};

use crate::harness::{PATIENCE, Running, run, uring, windows};

fn echoes(address: SocketAddr) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(b"x").unwrap();
    stream.read_exact(&mut [0]).unwrap();
}

fn has_ipv6() -> bool {
    TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok()
}

fn backends() -> &'static [&'static str] {
    if windows() {
        &["winsock"]
    } else if uring() {
        &["uring", "poll"]
    } else {
        &["poll"]
    }
}

#[test]
fn an_empty_host_is_every_interface_of_both_families() {
    for backend in backends() {
        let echo = Running::echo(&["--listen", ":0", "--backend", backend]);
        let hosts: Vec<IpAddr> = echo.addresses.iter().map(SocketAddr::ip).collect();
        if has_ipv6() {
            assert_eq!(hosts, [IpAddr::from(Ipv4Addr::UNSPECIFIED), Ipv6Addr::UNSPECIFIED.into()], "{}", echo.line);
            echoes((Ipv6Addr::LOCALHOST, echo.addresses[1].port()).into());
        } else {
            assert_eq!(hosts, [IpAddr::from(Ipv4Addr::UNSPECIFIED)], "{}", echo.line);
        }
        echoes((Ipv4Addr::LOCALHOST, echo.addresses[0].port()).into());
    }
}

#[test]
fn a_name_is_every_address_that_it_has() {
    for backend in backends() {
        let echo = Running::echo(&["--listen", "localhost:0", "--backend", backend]);
        assert!(!echo.addresses.is_empty(), "{}", echo.line);
        assert!(echo.addresses.iter().all(|address| address.ip().is_loopback()), "{}", echo.line);
        for address in &echo.addresses {
            echoes(*address);
        }
    }
}

#[test]
fn a_name_that_is_not_found_is_an_error_that_names_it() {
    let output = run(&["echo", "--listen", "no-such-host.invalid:7777"]);
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("no-such-host.invalid:7777") && text.contains("look up"), "{text}");
}

#[test]
fn texts_that_cannot_be_listened_on_say_how_to_write_it() {
    for (text, fault) in [
        ("localhost", "the port is missing"),
        ("localhost:99999", "not a number up to 65535"),
        ("a b:80", "neither an IP address nor a name"),
        (":", "not a number up to 65535"),
        ("", "not an address"),
    ] {
        let output = run(&["echo", "--listen", text]);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{text}: {said}");
        assert!(said.contains(fault) && said.contains("localhost:7777"), "{text}: {said}");
    }
}

#[test]
fn datagrams_are_echoed_beside_streams_and_counted() {
    for backend in backends() {
        let echo = Running::echo(&["--listen", "127.0.0.1:0", "--datagrams", "--backend", backend]);
        assert!(echo.line.contains(", the later ones for datagrams; backend "), "{}", echo.line);
        let [stream, datagrams] = echo.addresses[..] else { panic!("two addresses: {}", echo.line) };
        echoes(stream);
        let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
        peer.set_read_timeout(Some(PATIENCE)).unwrap();
        for datagram in [&b"hello"[..], b"", &[7; 1472]] {
            peer.send_to(datagram, datagrams).unwrap();
            let mut answer = [0; 2000];
            let bytes = peer.recv(&mut answer).unwrap();
            assert_eq!(answer[..bytes], *datagram);
        }
        let summary = echo.summary();
        assert!(summary.contains("3 datagrams came"), "{summary}");
    }
}
