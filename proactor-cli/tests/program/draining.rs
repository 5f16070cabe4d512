//! A drain of the program: work under way ends whole, and what is cut is seen by its client,
//! counted in the summary, and in the exit status.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::harness::{Running, proactor, run, wait_until, windows};

const DOWNLOADS: usize = 20;
const END: &[u8] = b"that was all";

/// Gives each connection a download that goes on until it is told to end.
fn upstream(ends: &Arc<AtomicBool>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, ends) = (listener.local_addr().unwrap(), Arc::clone(ends));
    thread::spawn(move || {
        for (number, stream) in listener.incoming().take(DOWNLOADS).enumerate() {
            let (mut stream, ends) = (stream.unwrap(), Arc::clone(&ends));
            thread::spawn(move || {
                while !ends.load(Ordering::Relaxed) {
                    // When the proxy has reset it, there is nothing more to do.
                    if stream.write_all(&[7; 2000]).is_err() {
                        return;
                    }
                    thread::sleep(Duration::from_millis(5 + number as u64 % 7));
                }
                stream.write_all(END).unwrap();
            });
        }
    });
    address
}

/// A proxy with downloads that have all begun.
fn downloading(ends: &Arc<AtomicBool>, drain_timeout: &str) -> (Running, Vec<TcpStream>) {
    let upstream = upstream(ends).to_string();
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

/// Reads all to their ends.
fn read_all(clients: Vec<TcpStream>, each: impl Fn(std::io::Result<usize>, &[u8]) + Sync) {
    thread::scope(|scope| {
        for mut client in clients {
            let each = &each;
            scope.spawn(move || {
                let mut bytes = Vec::new();
                let end = client.read_to_end(&mut bytes);
                each(end, &bytes);
            });
        }
    });
}

#[test]
fn proxied_downloads_end_whole() {
    let ends = Arc::<AtomicBool>::default();
    let (mut proxy, clients) = downloading(&ends, "60s");
    let address = proxy.addresses[0];
    proxy.interrupt();
    let reader = thread::spawn(move || {
        read_all(clients, |end, bytes| {
            assert!(end.is_ok() && bytes.ends_with(END), "{} bytes, then {end:?}", bytes.len());
        });
    });
    wait_until("it accepts no more", || TcpStream::connect(address).is_err());
    ends.store(true, Ordering::Relaxed);
    reader.join().unwrap();
    assert_eq!(proxy.ended().code(), Some(0));
    let (_, summary) = proxy.rest_of_log();
    let whole = summary.split_once(", drained ").and_then(|(_, rest)| rest.split_once(" whole, 0 cut"));
    let whole: usize = whole.expect(&summary).0.parse().unwrap();
    // The last of those who came to see whether it accepts may be among them.
    assert!(whole >= 2 * DOWNLOADS, "{summary}");
}

#[test]
fn downloads_that_are_cut_are_seen_counted_and_in_the_exit_status() {
    let (mut proxy, clients) = downloading(&Arc::default(), "200ms");
    proxy.interrupt();
    read_all(clients, |end, bytes| {
        let kind = end.expect_err(&format!("{} bytes, and an end in order", bytes.len())).kind();
        assert!(matches!(kind, ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted), "{kind:?}");
    });
    assert_eq!(proxy.ended().code(), Some(3));
    let (_, summary) = proxy.rest_of_log();
    assert!(summary.contains(&format!(", drained 0 whole, {} cut", 2 * DOWNLOADS)), "{summary}");
    assert!(summary.contains("a longer --drain-timeout"), "{summary}");
}

#[test]
fn a_spread_that_leaves_the_last_session_no_time_is_refused() {
    let output = run(&["echo", "--listen", "127.0.0.1:0", "--drain-timeout", "5s", "--drain-spread", "5s"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("--drain-spread 5s: it must be shorter than --drain-timeout 5s"), "{said}");
}

#[test]
fn exit_statuses_are_those_of_the_page() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/operations.md");
    let page = std::fs::read_to_string(page).unwrap();
    let held = TcpListener::bind("127.0.0.1:0").unwrap();
    let held = held.local_addr().unwrap().to_string();
    let status = |arguments: &[&str]| run(arguments).status.code().unwrap();
    let whole = Running::echo(&["--listen", "127.0.0.1:0"]);
    let mut cut = Running::echo(&["--listen", "127.0.0.1:0", "--codec", "lines", "--drain-timeout", "100ms"]);
    let mut working = cut.connect();
    working.write_all(b"an answer\nhalf a line").unwrap();
    working.read_exact(&mut [0; 10]).unwrap();
    cut.interrupt();
    // It asserts the status 0.
    whole.summary();
    for (status, meaning) in [
        (0, "every session was completed"),
        (status(&["echo", "--listen", &held]), "could not start"),
        (status(&["echo", "--listen", "nonsense::"]), "an option, a variable or a key is unknown"),
        (cut.ended().code().unwrap(), "the drain cut sessions off"),
    ] {
        let row = page.lines().find(|line| line.starts_with(&format!("| {status} |")));
        assert!(row.is_some_and(|row| row.contains(meaning)), "{status} is not {meaning:?} on the page: {row:?}");
    }
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
