//! `proactor echo` over real connections.

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::harness::{Running, backend, variable, windows};

#[test]
fn port_0_prints_the_real_ports_backend_and_shards_and_echoes() {
    let echo = Running::echo(&["--listen", "127.0.0.1:0", "--listen", "[::1]:0", "--shards", "1"]);
    assert_eq!(echo.addresses.len(), 2, "{}", echo.line);
    let backend = format!("backend {} (", backend());
    assert!(echo.line.contains(&backend) && echo.line.contains("1 shard"), "{}", echo.line);
    for address in &echo.addresses {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(b"hello").unwrap();
        let mut back = [0; 5];
        stream.read_exact(&mut back).unwrap();
        assert_eq!(&back, b"hello");
    }
}

/// Bytes that differ between any two connections at any position.
fn message(connection: usize, round: usize) -> [u8; 100] {
    std::array::from_fn(|i| (connection.wrapping_mul(31) + round.wrapping_mul(7) + i) as u8)
}

#[test]
fn serves_thousands_of_connections_at_once_and_ends_cleanly() {
    let asked: Option<usize> =
        variable("PROACTOR_TEST_CONNECTIONS").map(|count| count.to_str().unwrap().parse().unwrap());
    let count = asked.unwrap_or(if windows() { 500 } else { 5_000 });
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
        let maximum = getrlimit(Resource::Nofile).maximum;
        setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).unwrap();
    }
    let mut echo = Running::echo(&["--listen", "127.0.0.1:0", "--shards", "2"]);
    let mut streams: Vec<TcpStream> = (0..count).map(|_| echo.connect()).collect();
    for round in 0..3 {
        for (connection, stream) in streams.iter_mut().enumerate() {
            stream.write_all(&message(connection, round)).unwrap();
        }
        for (connection, stream) in streams.iter_mut().enumerate() {
            let mut back = [0; 100];
            stream.read_exact(&mut back).unwrap();
            assert!(back == message(connection, round), "connection {connection}, round {round}: other bytes");
        }
    }
    echo.interrupt();
    for (connection, mut stream) in streams.into_iter().enumerate() {
        assert_eq!(stream.read(&mut [0; 1]).unwrap(), 0, "connection {connection} is closed in order");
    }
    assert_eq!(echo.ended().code(), Some(0));
    let (log, summary) = echo.rest_of_log();
    assert_eq!(log, "");
    assert!(summary.contains(&format!("echo has ended: {count} sessions (")), "{summary}");
}
