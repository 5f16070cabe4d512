//! A client over TLS on a simulated network: rustls, and the bytes of a simulated client.

use std::io::{Read, Write};
use std::time::Duration;

use proactor::SimClient;
use rustls::ClientConnection;

pub(crate) struct SimPeer {
    pub(crate) client: SimClient,
    pub(crate) connection: ClientConnection,
}

impl SimPeer {
    pub(crate) fn new(client: SimClient, connection: ClientConnection) -> SimPeer {
        SimPeer { client, connection }
    }

    /// What the connection has to say.
    pub(crate) fn wire(&mut self) -> Vec<u8> {
        let mut wire = Vec::new();
        while self.connection.wants_write() {
            self.connection.write_tls(&mut wire).unwrap();
        }
        wire
    }

    /// Takes what has come next.
    #[track_caller]
    pub(crate) fn hear(&mut self) {
        let came = self.client.next_packet();
        let mut came = &came[..];
        while !came.is_empty() {
            self.connection.read_tls(&mut came).unwrap();
            self.connection.process_new_packets().unwrap();
        }
    }

    #[track_caller]
    pub(crate) fn shake(&mut self) {
        loop {
            let wire = self.wire();
            if !wire.is_empty() {
                self.client.send_bytes(wire);
            }
            if !self.connection.is_handshaking() {
                return;
            }
            self.hear();
        }
    }

    /// Records of these bytes, behind what the connection has to say.
    pub(crate) fn seal(&mut self, plain: &[u8]) -> Vec<u8> {
        self.connection.writer().write_all(plain).unwrap();
        self.wire()
    }

    #[track_caller]
    pub(crate) fn expect(&mut self, plain: &[u8]) {
        let mut came = vec![0; plain.len()];
        let mut at = 0;
        while at < came.len() {
            match self.connection.reader().read(&mut came[at..]) {
                Ok(more) => at += more,
                Err(_) => self.hear(),
            }
        }
        assert!(came == plain);
    }

    /// Nothing comes for so long.
    #[track_caller]
    pub(crate) fn expect_nothing(&self, time: Duration) {
        self.client.expect_nothing(time);
    }
}
