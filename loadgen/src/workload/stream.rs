//! Every connection sends 64 KiB pieces without waiting for their echo, at most 1 MiB ahead of what
//! has come back, and reads all the while. A unit is a piece.

use std::sync::Arc;
use std::time::Instant;

use anyhow::{Result, bail, ensure};

use super::load::{self, Load};
use super::measurement::Measurement;
use super::message::first_difference;
use super::setup::Setup;
use super::window::Window;
use crate::Random;

/// Bytes of a piece.
const PIECE: usize = 64 * 1024;

/// Pieces that may be under way on a connection.
const AHEAD: u64 = 16;

/// What is sent repeats after so many bytes: a prime, and more than may be under way.
const PERIOD: usize = 1_048_583;

pub(super) fn run(setup: &Setup) -> Result<Measurement> {
    let connections = setup.case.get("connections");
    let sockets = setup.connect(connections)?;
    load::run(sockets, &mut Streams::new(connections), setup.window()?)
}

struct Streams {
    connections: Vec<Stream>,
}

struct Stream {
    /// One period of the data and the start of the next, so that every piece is contiguous.
    content: Arc<[u8]>,
    /// Where in the period this connection begins: no two send the same.
    offset: u64,
    /// Pieces that may be sent, and when the latest of them were let go.
    released: u64,
    begun: [Instant; AHEAD as usize],
    /// Bytes.
    sent: u64,
    echoed: u64,
}

impl Streams {
    fn new(connections: usize) -> Self {
        let mut content = vec![0; PERIOD];
        Random::new(0x57e).fill(&mut content);
        content.extend_from_within(..PIECE);
        let content: Arc<[u8]> = content.into();
        let stream = |number: usize| Stream {
            content: Arc::clone(&content),
            offset: number as u64 * 65_537,
            released: 0,
            begun: [Instant::now(); AHEAD as usize],
            sent: 0,
            echoed: 0,
        };
        Self { connections: (0..connections).map(stream).collect() }
    }
}

impl Stream {
    /// Pieces whose echo is whole.
    fn back(&self) -> u64 {
        self.echoed / PIECE as u64
    }

    fn release(&mut self, now: Instant) {
        while self.released < self.back() + AHEAD {
            self.begun[(self.released % AHEAD) as usize] = now;
            self.released += 1;
        }
    }

    /// What is at this place of the stream: at least a piece of it.
    fn content(&self, position: u64) -> &[u8] {
        &self.content[((self.offset + position) % PERIOD as u64) as usize..]
    }

    fn unsent(&self) -> &[u8] {
        let left = self.released * PIECE as u64 - self.sent;
        // To the end of a piece, so that every write is one.
        let in_piece = PIECE as u64 - self.sent % PIECE as u64;
        &self.content(self.sent)[..left.min(in_piece) as usize]
    }

    fn received(&mut self, connection: usize, bytes: &[u8]) -> Result<()> {
        let under_way = self.sent - self.echoed;
        ensure!(
            bytes.len() as u64 <= under_way,
            "connection {connection}, byte {}: {} bytes came back where {under_way} were outstanding",
            self.echoed,
            bytes.len()
        );
        for part in bytes.chunks(PIECE) {
            let expected = &self.content(self.echoed)[..part.len()];
            if part != expected {
                let wrong = self.echoed + first_difference(part, expected) as u64;
                bail!("connection {connection}: byte {wrong} of its stream is not what was sent");
            }
            self.echoed += part.len() as u64;
        }
        Ok(())
    }
}

impl Load for Streams {
    fn start(&mut self, now: Instant) {
        self.connections.iter_mut().for_each(|stream| stream.release(now));
    }

    fn unsent(&self, connection: usize) -> &[u8] {
        self.connections[connection].unsent()
    }

    fn sent(&mut self, connection: usize, count: usize) {
        self.connections[connection].sent += count as u64;
    }

    fn received(&mut self, connection: usize, bytes: &[u8], now: Instant, window: &mut Window) -> Result<()> {
        let stream = &mut self.connections[connection];
        let before = stream.back();
        stream.received(connection, bytes)?;
        for piece in before..stream.back() {
            window.completed(1, now - stream.begun[(piece % AHEAD) as usize]);
        }
        if !window.is_over() {
            stream.release(now);
        }
        Ok(())
    }

    fn is_quiet(&self) -> bool {
        self.connections.iter().all(|stream| stream.back() == stream.released)
    }

    fn describe(&self, connection: usize) -> String {
        let Stream { sent, echoed, .. } = self.connections[connection];
        format!("connection {connection}: {sent} bytes sent, {echoed} echoed")
    }

    fn describe_outstanding(&self) -> String {
        let waiting = (0..self.connections.len()).find(|&number| {
            let stream = &self.connections[number];
            stream.back() < stream.released
        });
        waiting.map(|number| self.describe(number)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends all it may; what was sent, write by write.
    fn send(stream: &mut Stream) -> Vec<Vec<u8>> {
        let mut writes = Vec::new();
        while !stream.unsent().is_empty() {
            writes.push(stream.unsent().to_vec());
            stream.sent += writes.last().unwrap().len() as u64;
        }
        writes
    }

    fn stream() -> Stream {
        let mut stream = Streams::new(3).connections.pop().unwrap();
        stream.release(Instant::now());
        stream
    }

    #[test]
    fn a_mebibyte_is_outstanding_and_echoes_make_room() {
        let mut stream = stream();
        let writes = send(&mut stream);
        assert_eq!(writes.len(), 16);
        assert!(writes.iter().all(|write| write.len() == PIECE));
        stream.received(0, &writes[0][..PIECE - 1]).unwrap();
        stream.release(Instant::now());
        assert!(send(&mut stream).is_empty());
        stream.received(0, &writes[0][PIECE - 1..]).unwrap();
        stream.release(Instant::now());
        assert_eq!(send(&mut stream).len(), 1);
    }

    #[test]
    fn it_goes_on_past_the_period() {
        let mut stream = stream();
        for _ in 0..4 {
            let all = send(&mut stream).concat();
            stream.received(0, &all).unwrap();
            stream.release(Instant::now());
        }
        assert!(stream.echoed > PERIOD as u64);
    }

    #[test]
    fn wrong_missing_swapped_and_extra_bytes_are_errors_where_they_are() {
        let pieces = || {
            let mut stream = stream();
            let sent = send(&mut stream).concat();
            (stream, sent)
        };
        let (mut wrong, mut sent) = pieces();
        sent[70_000] ^= 1;
        let error = wrong.received(0, &sent).unwrap_err().to_string();
        assert!(error.contains("byte 70000 "), "{error}");

        let (mut missing, mut sent) = pieces();
        sent.drain(..PIECE);
        assert!(missing.received(0, &sent).is_err());

        let (mut swapped, mut sent) = pieces();
        sent[..2 * PIECE].rotate_left(PIECE);
        assert!(swapped.received(0, &sent).is_err());

        let (mut extra, mut sent) = pieces();
        sent.push(0);
        assert!(extra.received(0, &sent).is_err());
    }

    #[test]
    fn no_two_connections_send_the_same() {
        let mut streams = Streams::new(2);
        streams.start(Instant::now());
        assert_ne!(streams.unsent(0), streams.unsent(1));
    }
}
