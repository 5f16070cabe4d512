//! `proactor proxy` between clients and an upstream.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};

use crate::harness::{PATIENCE, Running, proactor, run};
use crate::reserved::Reserved;

fn start(upstream: &str, arguments: &[&str]) -> Running {
    let always = ["proxy", "--listen", "127.0.0.1:0", "--upstream", upstream];
    Running::of(proactor(&[&always, arguments].concat()))
}

fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

fn accept(listener: &TcpListener) -> TcpStream {
    let stream = listener.accept().unwrap().0;
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

fn read_to_end(mut stream: &TcpStream) -> Vec<u8> {
    let mut all = Vec::new();
    stream.read_to_end(&mut all).unwrap();
    all
}

/// A client that is reset, which can come before `connect` returns.
#[track_caller]
fn expect_reset(proxy: &Running) {
    let error = proxy.try_connect().and_then(|mut client| client.read(&mut [0])).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}

#[test]
fn forwards_both_directions_and_ends_each_separately() {
    let (listener, address) = listen();
    let mut proxy = start(&address.to_string(), &["--shards", "2", "--connect-timeout", "30s"]);
    let begins = format!("proactor: proxy on {} to {address}; backend ", proxy.addresses[0]);
    assert!(proxy.line.starts_with(&begins), "{}", proxy.line);
    for from_client in [true, false] {
        let (client, upstream) = (proxy.connect(), accept(&listener));
        let (mut first, mut second) = if from_client { (&client, &upstream) } else { (&upstream, &client) };
        first.write_all(&[1; 50_000]).unwrap();
        first.shutdown(Shutdown::Write).unwrap();
        assert!(read_to_end(second) == [1; 50_000]);
        second.write_all(&[2; 60_000]).unwrap();
        second.shutdown(Shutdown::Write).unwrap();
        assert!(read_to_end(first) == [2; 60_000]);
    }
    proxy.interrupt();
    assert_eq!(proxy.ended().code(), Some(0));
    assert_eq!(proxy.rest_of_log().0, "");
}

#[test]
fn a_drain_closes_both_sides_gracefully() {
    let (listener, address) = listen();
    let mut proxy = start(&address.to_string(), &[]);
    let (mut client, mut upstream) = (proxy.connect(), accept(&listener));
    client.write_all(b"x").unwrap();
    upstream.read_exact(&mut [0]).unwrap();
    proxy.interrupt();
    assert_eq!((read_to_end(&client), read_to_end(&upstream)), (vec![], vec![]));
    drop((client, upstream));
    assert_eq!(proxy.ended().code(), Some(0));
}

#[test]
fn an_unreachable_upstream_resets_clients_and_is_logged_once() {
    let upstream = Reserved::new();
    let address = upstream.address;
    let mut proxy = start(&address.to_string(), &[]);
    expect_reset(&proxy);
    expect_reset(&proxy);
    let listener = upstream.listen();
    let client = proxy.connect();
    let mut upstream = accept(&listener);
    upstream.write_all(b"here again").unwrap();
    drop(upstream);
    assert_eq!(read_to_end(&client), b"here again");
    drop(client);
    proxy.interrupt();
    assert_eq!(proxy.ended().code(), Some(0));
    let (log, _) = proxy.rest_of_log();
    assert_eq!(log.matches(&format!("could not connect to {address}")).count(), 1, "{log}");
    assert_eq!(log.matches(&format!("{address} can be reached again")).count(), 1, "{log}");
}

#[test]
fn a_bad_upstream_is_an_error_with_an_example() {
    let output = run(&["proxy", "--upstream", "backend"]);
    assert_eq!(output.status.code(), Some(2));
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("'backend' is nothing to connect to: write it as example.org:80"), "{text}");
}

#[test]
fn an_idle_pair_is_closed_on_both_sides() {
    let (listener, address) = listen();
    let proxy = start(&address.to_string(), &["--idle-timeout", "200ms"]);
    let (client, upstream) = (proxy.connect(), accept(&listener));
    assert_eq!((read_to_end(&client), read_to_end(&upstream)), (vec![], vec![]));
    drop((client, upstream));
    let summary = proxy.summary();
    assert!(summary.contains("nothing was sent or received for too long"), "{summary}");
}

#[test]
fn a_pair_is_reset_when_one_side_takes_nothing() {
    let (listener, address) = listen();
    let proxy = start(&address.to_string(), &["--write-timeout", "500ms"]);
    let (mut client, _upstream) = (proxy.connect(), accept(&listener));
    // More than the buffers in between can hold.
    let written = client.write_all(&vec![0; 64 << 20]);
    assert_eq!(written.map_err(|error| error.kind()), Err(ErrorKind::ConnectionReset));
    drop(client);
    let summary = proxy.summary();
    assert!(summary.contains("the peer took nothing for too long"), "{summary}");
}

#[test]
fn clients_per_address_are_limited() {
    let (listener, address) = listen();
    let proxy = start(&address.to_string(), &["--max-sessions-per-ip", "1"]);
    let (mut client, mut upstream) = (proxy.connect(), accept(&listener));
    // The reset of a refused connection can come before `connect` returns.
    assert!(!matches!(proxy.try_connect().and_then(|mut another| another.read(&mut [0])), Ok(1..)));
    client.write_all(b"x").unwrap();
    upstream.read_exact(&mut [0]).unwrap();
}

#[test]
fn the_summary_counts_clients_and_upstream_connections_each_by_itself() {
    let (listener, address) = listen();
    let mut proxy = start(&address.to_string(), &[]);
    for _ in 0..3 {
        let (mut client, upstream) = (proxy.connect(), accept(&listener));
        client.write_all(b"x").unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        assert_eq!(read_to_end(&upstream), b"x");
        drop(upstream);
        assert_eq!(read_to_end(&client), b"");
    }
    drop(listener);
    expect_reset(&proxy);
    proxy.interrupt();
    assert_eq!(proxy.ended().code(), Some(0));
    let summary = proxy.rest_of_log().1;
    assert!(summary.contains("proxy has ended: 4 clients ("), "{summary}");
    assert!(summary.contains("3: closed by the peer"), "{summary}");
    assert!(summary.contains("3 upstream connections (3: closed by the peer), 1 not made"), "{summary}");
}
