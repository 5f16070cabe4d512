//! Listeners behind a load balancer: the PROXY protocol header before a connection's bytes.

use std::io::Write;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use proactor::codec::Lines;
use proactor::{
    Builder, Flow, Handler, Limits, Listener, NoMessage, ProxyHeader, ProxyHeaderFault as Fault, ProxyProtocol,
    ProxyVersion, Refusal, Server, Session, tlv_kind,
};

use crate::harness::{address_of, backends, connect, expect, finish, read_to_end, wait_until};

/// Long enough never to pass in a test.
const NEVER: Duration = Duration::from_secs(3_600);

/// Says who is there, then answers each line with it.
#[derive(Clone)]
struct Who;

impl Handler for Who {
    type State = ();
    type Message = NoMessage;
    fn connected(&mut self, session: &Session) {
        let header = session.proxy_header();
        let name = header.as_ref().and_then(ProxyHeader::authority).unwrap_or("-").to_owned();
        let front = header.and_then(|header| header.destination()).map_or("-".into(), |front| front.to_string());
        let hello = format!("{} via {front} for {name}", session.peer_addr());
        session.send(hello.as_bytes()).unwrap();
    }
    fn received(&mut self, session: &Session, (): &mut (), packet: &[u8]) -> Flow {
        session.send(packet).map_or(Flow::Close, |()| Flow::Continue)
    }
}

fn start(builder: Builder, rule: ProxyProtocol) -> (Server, SocketAddr) {
    let listener = Listener::new("127.0.0.1:0").codec(Lines::new()).proxy_protocol(rule);
    let server = builder.listen(listener).start(Who).unwrap();
    let address = address_of(&server);
    (server, address)
}

fn on_each_backend(test: impl Fn(&dyn Fn() -> Builder)) {
    for backend in backends() {
        for shards in [1, 2] {
            test(&|| Server::builder().shards(shards).backend(Some(backend)));
        }
    }
}

fn header(version: ProxyVersion, source: &str) -> Vec<u8> {
    let header = ProxyHeader::new(version, source.parse().unwrap(), "192.0.2.1:443".parse().unwrap());
    header.with_field(tlv_kind::AUTHORITY, b"example.org").to_bytes()
}

fn hello(version: ProxyVersion, source: &str) -> String {
    let name = if version == ProxyVersion::V2 { "example.org" } else { "-" };
    format!("{source} via 192.0.2.1:443 for {name}\n")
}

/// Sends bytes to a connection that is not going to be a session, and waits for its end.
fn refused(server: &Server, address: SocketAddr, bytes: &[u8], refusal: Refusal) {
    let before = server.handle().stats().refused(refusal);
    let mut client = connect(address);
    client.write_all(bytes).unwrap();
    // It is reset or, if all was read, ended.
    assert_eq!(read_to_end_or_reset(&client), b"", "{refusal}");
    wait_until("it is counted", || server.handle().stats().refused(refusal) == before + 1);
}

fn read_to_end_or_reset(mut client: &TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    match std::io::Read::read_to_end(&mut client, &mut bytes) {
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{error}"),
    }
    bytes
}

#[test]
fn the_client_behind_the_load_balancer_is_the_peer() {
    on_each_backend(|builder| {
        let (server, address) = start(builder(), ProxyProtocol::required().timeout(NEVER));
        for version in [ProxyVersion::V1, ProxyVersion::V2] {
            for source in ["203.0.113.7:1234", "198.51.100.1:99"] {
                let mut client = connect(address);
                // The first packets come with the header, and behind it.
                client.write_all(&[&header(version, source)[..], b"one\ntw"].concat()).unwrap();
                expect(&client, format!("{}one\n", hello(version, source)).as_bytes());
                client.write_all(b"o\nthree\n").unwrap();
                expect(&client, b"two\nthree\n");
            }
        }
        finish(server);
    });
}

#[test]
fn a_header_may_come_byte_by_byte() {
    for backend in backends() {
        let (server, address) = start(Server::builder().shards(1).backend(Some(backend)), ProxyProtocol::required());
        for version in [ProxyVersion::V1, ProxyVersion::V2] {
            let mut client = connect(address);
            client.set_nodelay(true).unwrap();
            for byte in [&header(version, "203.0.113.7:1234")[..], b"one\n"].concat() {
                client.write_all(&[byte]).unwrap();
            }
            expect(&client, format!("{}one\n", hello(version, "203.0.113.7:1234")).as_bytes());
            client.shutdown(Shutdown::Write).unwrap();
            assert_eq!(read_to_end(&client), b"");
        }
        finish(server);
    }
}

/// A health check of the load balancer itself, and one that does not know the client.
#[test]
fn a_header_without_addresses_leaves_the_peer_as_it_is() {
    on_each_backend(|builder| {
        let (server, address) = start(builder(), ProxyProtocol::required());
        for version in [ProxyVersion::V1, ProxyVersion::V2] {
            let mut client = connect(address);
            client.write_all(&ProxyHeader::local(version).to_bytes()).unwrap();
            expect(&client, format!("{} via - for -\n", client.local_addr().unwrap()).as_bytes());
        }
        finish(server);
    });
}

#[test]
fn an_optional_header_may_be_missing() {
    on_each_backend(|builder| {
        let (server, address) = start(builder(), ProxyProtocol::optional().timeout(NEVER));
        let mut client = connect(address);
        client.write_all(&header(ProxyVersion::V2, "203.0.113.7:1234")).unwrap();
        expect(&client, hello(ProxyVersion::V2, "203.0.113.7:1234").as_bytes());
        let mut client = connect(address);
        client.write_all(b"PROXIES\n").unwrap();
        expect(&client, format!("{} via - for -\nPROXIES\n", client.local_addr().unwrap()).as_bytes());
        finish(server);
    });
}

#[test]
fn without_an_optional_header_a_silent_client_is_let_in_after_the_timeout() {
    on_each_backend(|builder| {
        let (server, address) = start(builder(), ProxyProtocol::optional().timeout(Duration::from_millis(20)));
        for begun in [&b""[..], b"PROXY"] {
            let mut client = connect(address);
            client.write_all(begun).unwrap();
            expect(&client, format!("{} via - for -\n", client.local_addr().unwrap()).as_bytes());
            client.write_all(b"!\n").unwrap();
            expect(&client, &[begun, b"!\n"].concat());
        }
        finish(server);
    });
}

#[test]
fn what_is_wrong_with_a_header_is_counted_and_nobody_else_is_affected() {
    on_each_backend(|builder| {
        let (server, address) = start(builder(), ProxyProtocol::required().timeout(NEVER));
        let mut good = connect(address);
        good.write_all(&header(ProxyVersion::V1, "203.0.113.7:1234")).unwrap();
        expect(&good, hello(ProxyVersion::V1, "203.0.113.7:1234").as_bytes());
        let cut = header(ProxyVersion::V2, "203.0.113.7:1234");
        for (bytes, fault) in [
            (&b"GET / HTTP/1.1\r\n\r\n"[..], Fault::Missing),
            (b"PROXY TCP4 nobody\r\n", Fault::Line),
            (&[b"PROXY UNKNOWN "[..].to_vec(), vec![b'x'; 4_000]].concat(), Fault::LineTooLong),
            (b"\r\n\r\n\0\r\nQUIT\n\x31", Fault::Kind),
            (b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x01", Fault::Addresses),
            (b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff", Fault::TooLong),
        ] {
            refused(&server, address, bytes, Refusal::ProxyHeader(fault));
        }
        let before = connect(address);
        (&before).write_all(&cut[..20]).unwrap();
        drop(before);
        let ended = Refusal::ProxyHeader(Fault::Ended);
        wait_until("its end is counted", || server.handle().stats().refused(ended) == 1);
        good.write_all(b"still here\n").unwrap();
        expect(&good, b"still here\n");
        assert_eq!(server.handle().stats().accepted, 1);
        finish(server);
    });
}

#[test]
fn a_required_header_has_to_come_in_time() {
    on_each_backend(|builder| {
        let (server, address) = start(builder(), ProxyProtocol::required().timeout(Duration::from_millis(20)));
        refused(&server, address, b"PROXY TC", Refusal::ProxyHeader(Fault::TimedOut));
        finish(server);
    });
}

#[test]
fn a_header_from_an_address_that_is_not_trusted_is_refused() {
    on_each_backend(|builder| {
        let nobody = ["192.0.2.0/24".parse().unwrap()];
        let untrusted = Refusal::ProxyHeader(Fault::Untrusted);
        let (server, address) = start(builder(), ProxyProtocol::required().trust(nobody));
        refused(&server, address, b"", untrusted);
        finish(server);
        let (server, address) = start(builder(), ProxyProtocol::optional().timeout(NEVER).trust(nobody));
        refused(&server, address, &header(ProxyVersion::V1, "203.0.113.7:1"), untrusted);
        let mut client = connect(address);
        client.write_all(b"plain\n").unwrap();
        expect(&client, format!("{} via - for -\nplain\n", client.local_addr().unwrap()).as_bytes());
        finish(server);
        let (server, address) = start(builder(), ProxyProtocol::required().trust(["127.0.0.0/8".parse().unwrap()]));
        let mut client = connect(address);
        client.write_all(&header(ProxyVersion::V1, "203.0.113.7:1")).unwrap();
        expect(&client, hello(ProxyVersion::V1, "203.0.113.7:1").as_bytes());
        finish(server);
    });
}

/// The load balancer has one address, and its clients have many.
#[test]
fn sessions_of_one_address_are_those_of_the_client() {
    on_each_backend(|builder| {
        let builder = builder().limits(Limits::new().sessions_per_ip(1));
        let (server, address) = start(builder, ProxyProtocol::required());
        let come = |source: &str| {
            let mut client = connect(address);
            client.write_all(&header(ProxyVersion::V2, source)).unwrap();
            expect(&client, hello(ProxyVersion::V2, source).as_bytes());
            client
        };
        let first = come("203.0.113.1:1");
        let second = come("203.0.113.2:1");
        refused(&server, address, &header(ProxyVersion::V2, "203.0.113.1:2"), Refusal::SessionsPerIp);
        drop(first);
        wait_until("its place is free", || server.handle().stats().closed_in_all() == 1);
        let third = come("203.0.113.1:3");
        drop((second, third));
        finish(server);
    });
}

#[test]
fn a_drain_does_not_wait_for_headers() {
    // Each takes seconds, and little work.
    std::thread::scope(|scope| {
        let drain = |builder| scope.spawn(move || does_not_wait_for_headers(builder));
        on_each_backend(|builder| drop(drain(builder())));
    });
}

fn does_not_wait_for_headers(builder: Builder) {
    let (server, address) = start(builder, ProxyProtocol::required().timeout(NEVER));
    let mut waiting: Vec<TcpStream> = (0..20).map(|_| connect(address)).collect();
    for client in &mut waiting {
        client.write_all(b"PROXY T").unwrap();
    }
    let mut good = connect(address);
    good.write_all(&header(ProxyVersion::V1, "203.0.113.7:1")).unwrap();
    expect(&good, hello(ProxyVersion::V1, "203.0.113.7:1").as_bytes());
    let stats = server.handle();
    server.handle().drain(NEVER);
    server.wait().unwrap();
    assert_eq!(stats.stats().accepted, 1);
    for client in &waiting {
        read_to_end_or_reset(client);
    }
}
