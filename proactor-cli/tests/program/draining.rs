//! A drain of the program: work under way ends whole, and what is cut is seen by its client, counted
//! in the summary, and in the exit status.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use crate::harness::{PATIENCE, Running, proactor, windows};

const DOWNLOADS: usize = 20;
const PIECE: usize = 64 * 1024;
const PIECES: usize = 40;

/// Gives each connection a download, piece by piece. Without `last` it keeps the last piece back
/// for as long as the connection lasts.
fn upstream(last: bool) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for (number, stream) in listener.incoming().take(DOWNLOADS).enumerate() {
            let mut stream = stream.unwrap();
            thread::spawn(move || {
                for _ in 1..PIECES {
                    if stream.write_all(&[7; PIECE]).is_err() {
                        return;
                    }
                    thread::sleep(Duration::from_millis(number as u64 % 7));
                }
                match last {
                    true => drop(stream.write_all(&[7; PIECE])),
                    false => drop(stream.read(&mut [0])),
                }
            });
        }
    });
    address
}

/// A proxy with downloads that have all begun.
fn downloading(last: bool, drain_timeout: &str) -> (Running, Vec<TcpStream>) {
    let upstream = upstream(last).to_string();
    let arguments = ["proxy", "--listen", "127.0.0.1:0", "--upstream", &upstream, "--drain-timeout", drain_timeout];
    let proxy = Running::of(proactor(&arguments));
    let clients = (0..DOWNLOADS).map(|_| {
        let mut client = proxy.connect();
        client.read_exact(&mut [0]).unwrap();
        client
    });
    let clients = clients.collect();
    (proxy, clients)
}

fn read_all(clients: Vec<TcpStream>, each: impl Fn(std::io::Result<usize>, usize) + Sync) {
    thread::scope(|scope| {
        for mut client in clients {
            let each = &each;
            scope.spawn(move || {
                client.set_read_timeout(Some(PATIENCE)).unwrap();
                let mut bytes = Vec::new();
                let end = client.read_to_end(&mut bytes);
                each(end, bytes.len() + 1);
            });
        }
    });
}

#[test]
fn proxied_downloads_end_whole() {
    let (mut proxy, clients) = downloading(true, "60s");
    proxy.interrupt();
    read_all(clients, |end, bytes| assert!(end.is_ok() && bytes == PIECES * PIECE, "{bytes} bytes, then {end:?}"));
    assert_eq!(proxy.ended().code(), Some(0));
    let (log, summary) = proxy.rest_of_log();
    assert_eq!(log, "");
    assert!(summary.contains(&format!(", drained {} whole, 0 cut", 2 * DOWNLOADS)), "{summary}");
}

#[test]
fn downloads_that_are_cut_are_seen_counted_and_in_the_exit_status() {
    let (mut proxy, clients) = downloading(false, "200ms");
    proxy.interrupt();
    read_all(clients, |end, bytes| {
        let kind = end.expect_err(&format!("{bytes} bytes, and an end in order")).kind();
        assert!(matches!(kind, ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted), "{kind:?}");
    });
    assert_eq!(proxy.ended().code(), Some(3));
    let (_, summary) = proxy.rest_of_log();
    assert!(summary.contains(&format!(", drained 0 whole, {} cut", 2 * DOWNLOADS)), "{summary}");
    assert!(summary.contains("a longer --drain-timeout"), "{summary}");
}

#[test]
fn a_message_under_way_is_answered() {
    let mut echo = Running::echo(&["--listen", "127.0.0.1:0", "--codec", "lines"]);
    let mut client = echo.connect();
    client.write_all(b"one\ntwo\nthr").unwrap();
    client.read_exact(&mut [0; 8]).unwrap();
    echo.interrupt();
    if windows() {
        // The signal takes its time there, and the line must still be under way when it comes.
        thread::sleep(Duration::from_millis(200));
    }
    client.write_all(b"ee\n").unwrap();
    let mut rest = String::new();
    client.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "three\n");
    drop(client);
    assert_eq!(echo.ended().code(), Some(0));
    assert!(echo.rest_of_log().1.contains(", drained 1 whole, 0 cut"));
}
