//! What a proxy that routes by name reads of a client: its hello, and nothing behind it.

use proactor::codec::{Codec, Decoded, FrameError};
use proactor::tls::{ClientHello, HelloRead};

/// Finds one packet: the hello, or what is there if that can be none. [`ClientHello::read`] says of
/// it what it has said here.
#[derive(Clone)]
pub(crate) struct HelloCodec;

impl Codec for HelloCodec {
    fn decode(&mut self, bytes: &[u8]) -> Result<Decoded, FrameError> {
        Ok(match ClientHello::read(bytes) {
            Ok(HelloRead::Needs(needs)) => Decoded::Need(needs),
            // What comes behind a hello belongs to it: it is passed on with it.
            Ok(HelloRead::Whole(_)) | Err(_) => {
                let taken = bytes.len().min(ClientHello::MOST_BYTES);
                Decoded::Frame { packet: 0..taken, consumed: taken }
            }
        })
    }

    /// What a client is sent by the proxy itself is an alert, as it is.
    fn encode(&mut self, packet: &[u8], out: &mut Vec<u8>) -> Result<(), FrameError> {
        out.extend_from_slice(packet);
        Ok(())
    }

    fn max_bytes(&self) -> usize {
        ClientHello::MOST_BYTES
    }
}
