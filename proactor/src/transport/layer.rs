//! The protocols that a transport can be made of.

use super::failure::Failure;
#[cfg(feature = "tls")]
use crate::tls::{TlsInfo, stream::TlsStream};

/// One protocol between the socket and the session. Knows no socket.
pub(crate) enum Layer {
    #[cfg(feature = "tls")]
    Tls(Box<TlsStream>),
    /// The bytes as they are: while a connection without TLS is upgraded, or is one that resumes.
    Plain,
}

impl Layer {
    /// Appends to `out` what is said before anything has come.
    pub(crate) fn begin(&mut self, out: &mut Vec<u8>) {
        match *self {
            #[cfg(feature = "tls")]
            Layer::Tls(ref mut tls) => tls.begin(out),
            Layer::Plain => {}
        }
    }

    /// Takes received bytes, which it may change. Appends what they mean to `plain`, and what has
    /// to be answered to `out`. Returns how many it has used; the others have to be shown again,
    /// with more behind them.
    pub(crate) fn receive(
        &mut self,
        bytes: &mut [u8],
        plain: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) -> (usize, Result<(), Failure>) {
        match *self {
            #[cfg(feature = "tls")]
            Layer::Tls(ref mut tls) => tls.receive(bytes, plain, out),
            Layer::Plain => {
                plain.extend_from_slice(bytes);
                (bytes.len(), Ok(()))
            }
        }
    }

    /// How many bytes finish what `bytes`, which it has not used, begin; 0 if that cannot be said.
    pub(crate) fn missing(&self, bytes: &[u8]) -> usize {
        match *self {
            #[cfg(feature = "tls")]
            Layer::Tls(ref tls) => tls.missing(bytes),
            Layer::Plain => 0,
        }
    }

    /// Whether bytes of the session can be sent and received.
    pub(crate) fn is_open(&self) -> bool {
        match *self {
            #[cfg(feature = "tls")]
            Layer::Tls(ref tls) => tls.is_open(),
            Layer::Plain => true,
        }
    }

    /// Whether the peer has said that its stream ends.
    pub(crate) fn has_ended(&self) -> bool {
        match *self {
            #[cfg(feature = "tls")]
            Layer::Tls(ref tls) => tls.has_ended(),
            Layer::Plain => false,
        }
    }

    /// Appends to `wire` what `plain` is on the wire. `unused` is what was received and not used.
    pub(crate) fn seal(&mut self, unused: &mut Vec<u8>, plain: &[u8], wire: &mut Vec<u8>) -> Result<(), Failure> {
        match *self {
            #[cfg(feature = "tls")]
            Layer::Tls(ref mut tls) => tls.seal(unused, plain, wire),
            Layer::Plain => {
                wire.extend_from_slice(plain);
                Ok(())
            }
        }
    }

    /// Appends to `wire` that our stream ends. Does nothing the second time.
    pub(crate) fn end(&mut self, unused: &mut Vec<u8>, wire: &mut Vec<u8>) {
        match *self {
            #[cfg(feature = "tls")]
            Layer::Tls(ref mut tls) => tls.end(unused, wire),
            Layer::Plain => {}
        }
    }

    /// What TLS has agreed on.
    #[cfg(feature = "tls")]
    pub(crate) fn tls(&self) -> Option<TlsInfo> {
        match self {
            Layer::Tls(tls) => Some(tls.info()),
            Layer::Plain => None,
        }
    }

    /// Whether it changes nothing.
    #[cfg(feature = "websocket")]
    pub(crate) fn is_plain(&self) -> bool {
        matches!(self, Layer::Plain)
    }
}
