//! One connection to a contestant.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::thread;
use std::time::Duration;

/// Long enough that the server usually reads the previous piece by itself. Nothing depends on it.
const APART: Duration = Duration::from_millis(5);

/// Bytes shown of a wrong answer.
const SHOWN_BYTES: usize = 16;

pub(crate) struct Client {
    pub(crate) socket: TcpStream,
}

impl Client {
    pub(crate) fn new(socket: TcpStream) -> Self {
        Self { socket }
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) {
        self.socket.write_all(bytes).expect("the server takes what it is sent");
    }

    /// Writes pieces that a server reads one by one.
    pub(crate) fn write_apart(&mut self, pieces: &[&[u8]]) {
        for piece in pieces {
            self.write(piece);
            thread::sleep(APART);
        }
    }

    #[track_caller]
    pub(crate) fn expect(&mut self, bytes: &[u8]) {
        let mut got = vec![0; bytes.len()];
        self.socket.read_exact(&mut got).expect("the server answers");
        if let Some(place) = (0..bytes.len()).find(|&place| got[place] != bytes[place]) {
            let end = bytes.len().min(place + SHOWN_BYTES);
            panic!(
                "byte {place} of {}: {:02x?} where {:02x?} was expected",
                bytes.len(),
                &got[place..end],
                &bytes[place..end]
            );
        }
    }

    /// Writes everything while reading the answers, each at its own pace.
    pub(crate) fn write_while_expecting(&mut self, bytes: &[u8]) {
        let mut writer = Self::new(self.socket.try_clone().expect("descriptors are left"));
        thread::scope(|scope| {
            scope.spawn(move || writer.write(bytes));
            self.expect(bytes);
        });
    }

    /// Ends the stream. The server answers by closing.
    pub(crate) fn finish(mut self) {
        self.socket.shutdown(Shutdown::Write).expect("it is connected");
        let mut rest = Vec::new();
        self.socket.read_to_end(&mut rest).expect("the server closes in order");
        assert_eq!(rest, b"", "nothing is left to come");
    }

    /// Resets the connection.
    pub(crate) fn reset(self) {
        rustix::net::sockopt::set_socket_linger(&self.socket, Some(Duration::ZERO)).expect("TCP has it");
    }
}

/// Bytes that differ from place to place and with `seed`.
pub(crate) fn bytes(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    (0..length).map(|_| next()).collect()
}

/// A packet: its length in four bytes, big-endian, and its content.
pub(crate) fn packet(length: usize, seed: u64) -> Vec<u8> {
    let prefix = u32::try_from(length).expect("packets are small").to_be_bytes();
    [&prefix[..], &bytes(length, seed)].concat()
}
