//! TLS, WebSocket and datagrams: bytes are those of the wire, packets those of the logic.

use std::cell::Cell;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream, UdpSocket};

use proactor::codec::Lines;
use proactor::{DatagramDrop, Datagrams, Listener, Server, WebSocket};
use rustls::StreamOwned;

use crate::counts::Echo;
use crate::harness::{PATIENCE, address_of, backends, connect, expect, finish, wait_until};
use crate::page::Page;
use crate::peer::{ACCEPTED, BINARY, REQUEST, sent, served};
use crate::peers::{Authority, NAME};

/// A connection whose bytes are counted.
struct Counting {
    stream: TcpStream,
    written: Cell<usize>,
    read: Cell<usize>,
}

impl Read for Counting {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.stream.read(into)?;
        self.read.set(self.read.get() + read);
        Ok(read)
    }
}

impl Write for Counting {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.stream.write(bytes)?;
        self.written.set(self.written.get() + written);
        Ok(written)
    }
    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

#[test]
fn bytes_over_tls_are_those_of_the_records() {
    let authority = Authority::new();
    for backend in backends() {
        let listener = Listener::new("127.0.0.1:0").tls(&authority.tls()).codec(Lines::new());
        let builder = Server::builder().listen(listener).shards(1).backend(Some(backend)).metrics(true);
        let server = builder.start(Echo).unwrap();
        let handle = server.handle();
        let stream = Counting { stream: connect(address_of(&server)), written: Cell::new(0), read: Cell::new(0) };
        let mut client = StreamOwned::new(authority.peer().connection(NAME), stream);
        for len in [1, 100, 5_000] {
            let line = [vec![b'x'; len], b"\n".to_vec()].concat();
            client.write_all(&line).unwrap();
            client.flush().unwrap();
            let mut back = vec![0; line.len()];
            client.read_exact(&mut back).unwrap();
            assert!(back == line);
        }
        client.conn.send_close_notify();
        client.flush().unwrap();
        client.sock.stream.shutdown(Shutdown::Write).unwrap();
        client.read_to_end(&mut Vec::new()).unwrap();
        wait_until("it has ended", || handle.stats().closed_in_all() == 1);
        let page = Page::of(&handle);
        assert_eq!(page.sum("proactor_received_packets_total", &[]), 3.0);
        assert_eq!(page.sum("proactor_sent_packets_total", &[]), 3.0);
        assert_eq!(page.sum("proactor_received_bytes_total", &[]), client.sock.written.get() as f64);
        assert_eq!(page.sum("proactor_sent_bytes_total", &[]), client.sock.read.get() as f64);
        assert_eq!(page.sum("proactor_opened_transports_total", &[]), 1.0);
        assert_eq!(page.sum("proactor_queued_bytes", &[]), 0.0);
        // A peer that does not speak TLS.
        let mut stranger = connect(address_of(&server));
        stranger.write_all(b"hello, hello, hello\n").unwrap();
        stranger.read_to_end(&mut Vec::new()).unwrap();
        // Without a linger.
        drop(stranger);
        wait_until("it was refused", || handle.stats().closed_in_all() == 2);
        let page = Page::of(&handle);
        assert_eq!(page.sum("proactor_tls_failures_total", &[("reason", "not_tls")]), 1.0);
        assert_eq!(page.sum("proactor_closes_total", &[("reason", "tls_failed")]), 1.0);
        assert_eq!(page.sum("proactor_opened_transports_total", &[]), 1.0);
        finish(server);
    }
}

#[test]
fn messages_of_a_websocket_are_packets() {
    for backend in backends() {
        let listener = Listener::new("127.0.0.1:0").websocket(WebSocket::new());
        let builder = Server::builder().listen(listener).shards(1).backend(Some(backend)).metrics(true);
        let server = builder.start(Echo).unwrap();
        let handle = server.handle();
        let client = connect(address_of(&server));
        let (mut written, mut read) = (REQUEST.len(), ACCEPTED.len());
        (&client).write_all(REQUEST.as_bytes()).unwrap();
        expect(&client, ACCEPTED.as_bytes());
        for len in [0, 10, 60_000] {
            let (asked, answered) = (sent(BINARY, vec![7; len]), served(BINARY, vec![7; len]));
            (&client).write_all(&asked).unwrap();
            expect(&client, &answered);
            (written, read) = (written + asked.len(), read + answered.len());
        }
        let counted = || {
            let page = Page::of(&handle);
            let names = ["received_bytes", "sent_bytes", "received_packets", "sent_packets", "opened_transports"];
            names.map(|name| page.sum(&format!("proactor_{name}_total"), &[]))
        };
        let expected = [written as f64, read as f64, 3.0, 3.0, 1.0];
        wait_until("all is counted", || counted() == expected);
        drop(client);
        let refused = connect(address_of(&server));
        (&refused).write_all(b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n").unwrap();
        (&refused).read_to_end(&mut Vec::new()).unwrap();
        // Without a linger.
        drop(refused);
        wait_until("both have ended", || handle.stats().closed_in_all() == 2);
        assert_eq!(counted()[2..], expected[2..]);
        assert_eq!(Page::of(&handle).sum("proactor_upgrades_refused_total", &[]), 1.0);
        finish(server);
    }
}

#[test]
fn datagrams_are_counted_without_their_headers() {
    for backend in backends() {
        let datagrams = Datagrams::new().trust_peers(true).cookies(false);
        let listener = Listener::datagrams("127.0.0.1:0").name("ticks").datagram_settings(datagrams.max_bytes(1_000));
        let builder = Server::builder().listen(listener).shards(2).backend(Some(backend)).metrics(true);
        let server = builder.start(Echo).unwrap();
        let handle = server.handle();
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        client.connect(address_of(&server)).unwrap();
        let mut bytes = 0;
        for len in [1, 20, 999] {
            client.send(&vec![7; len]).unwrap();
            let mut back = [0; 2_000];
            assert_eq!(client.recv(&mut back).unwrap(), len);
            bytes += len;
        }
        client.send(&[7; 1_001]).unwrap();
        wait_until("one is dropped", || handle.stats().datagrams_dropped(DatagramDrop::Oversized) == 1);
        let page = Page::of(&handle);
        let of = |name: &str| page.sum(&format!("proactor_{name}_total"), &[]);
        assert_eq!([of("received_datagrams"), of("sent_datagrams")], [4.0, 3.0]);
        assert_eq!([of("received_packets"), of("sent_packets")], [3.0, 3.0]);
        assert_eq!([of("received_bytes"), of("sent_bytes")], [(bytes + 1_001) as f64, bytes as f64]);
        assert_eq!(page.sum("proactor_dropped_datagrams_total", &[("reason", "oversized")]), 1.0);
        assert_eq!(page.sum("proactor_sessions", &[("listener", "ticks")]), 1.0);
        finish(server);
    }
}
