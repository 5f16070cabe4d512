//! A client's hello, read without an answer: for passing its connection on undecrypted.

use std::fmt;

use rustls::server::Acceptor;

use super::error::failure_of;
use crate::transport::failure::{Failure, FailureKind, TlsFailure};

/// The header of a record: its type, version and length.
const RECORD_HEADER: usize = 5;
/// The header of a handshake message: its type and length.
const MESSAGE_HEADER: usize = 4;
/// The type of a record with a handshake message.
const HANDSHAKE: u8 = 22;
/// The type of the message.
const CLIENT_HELLO: u8 = 1;
/// The longest record, with what TLS 1.2 may add to it.
const MOST_RECORD: usize = 16 * 1024 + 2048;

/// A fatal alert as a record: what a connection is told that is refused before TLS has begun.
const fn fatal(alert: u8) -> [u8; 7] {
    [21, 3, 3, 0, 2, 2, alert]
}
const UNEXPECTED_MESSAGE: [u8; 7] = fatal(10);
const DECODE_ERROR: [u8; 7] = fatal(50);

/// What a TLS client asks for in its first message: whom it wants to speak to. Reading it answers
/// nothing and changes nothing, so the connection can be passed on to a server that has the key.
///
/// ```
/// use proactor::tls::{ClientHello, HelloRead};
/// use proactor::TlsFailure;
///
/// // The header of a record of 500 bytes.
/// let came = [22, 3, 1, 1, 244];
/// assert_eq!(ClientHello::read(&came).unwrap(), HelloRead::Needs(9));
/// let error = ClientHello::read(b"GET / HTTP/1.1\r\n").unwrap_err();
/// assert_eq!(error.failure(), TlsFailure::NotTls);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientHello {
    name: Option<String>,
    protocols: Vec<Vec<u8>>,
}

/// How far a hello has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HelloRead {
    /// Ask again when there are so many bytes in all. That may be the next header only.
    Needs(usize),
    /// It is there.
    Whole(ClientHello),
}

impl ClientHello {
    /// The most bytes of a hello, with the headers of its records.
    pub const MOST_BYTES: usize = 16 * 1024;

    /// The alert for a client that asks for a name that is not served (`unrecognized_name`), as it
    /// is sent.
    pub const UNRECOGNIZED_NAME: [u8; 7] = fatal(112);

    /// The alert for a client that asks for no name, and must (`missing_extension`), as it is sent.
    pub const NO_NAME: [u8; 7] = fatal(109);

    /// Reads a hello from the first bytes of a connection. A hello may come in pieces, and in
    /// several records. Its contents are looked at once, when it is whole.
    ///
    /// # Errors
    /// The bytes are no TLS, no valid hello, or over [`MOST_BYTES`](ClientHello::MOST_BYTES). Also
    /// a hello that no TLS 1.2 or 1.3 could answer.
    pub fn read(bytes: &[u8]) -> Result<HelloRead, HelloError> {
        match whole(bytes)? {
            Some(needs) => Ok(HelloRead::Needs(needs)),
            None => parse(bytes).map(HelloRead::Whole),
        }
    }

    /// The name that the client asks for (SNI), in lower case. `None` if it asks for none, or for
    /// an IP address.
    pub fn server_name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The application protocols that it offers (ALPN), the preferred first.
    pub fn protocols(&self) -> impl Iterator<Item = &[u8]> {
        self.protocols.iter().map(Vec::as_slice)
    }
}

/// Bytes that are needed in all to look at the hello, `None` if it is whole. Knows only records and
/// the length of a message: that is what the parser would need too.
fn whole(bytes: &[u8]) -> Result<Option<usize>, HelloError> {
    let (mut at, mut found) = (0, 0);
    let mut message = [0; MESSAGE_HEADER];
    loop {
        match bytes.get(at) {
            Some(&HANDSHAKE) => {}
            // The parser knows what it is, and the alert for it.
            Some(_) => return Ok(None),
            None => return Ok(Some(at + RECORD_HEADER)),
        }
        let Some(&[_, _, _, high, low]) = bytes.get(at..at + RECORD_HEADER) else {
            return Ok(Some(at + RECORD_HEADER));
        };
        let length = usize::from(u16::from_be_bytes([high, low]));
        at += RECORD_HEADER;
        if length == 0 || length > MOST_RECORD {
            return Ok(None);
        }
        let part = &bytes[at.min(bytes.len())..(at + length).min(bytes.len())];
        if found < MESSAGE_HEADER {
            let taken = part.len().min(MESSAGE_HEADER - found);
            message[found..found + taken].copy_from_slice(&part[..taken]);
        }
        let missing_head = MESSAGE_HEADER.saturating_sub(found).min(length);
        if part.len() < missing_head {
            return Ok(Some(at + missing_head));
        }
        found += length;
        at += length;
        if found < MESSAGE_HEADER {
            continue;
        }
        if message[0] != CLIENT_HELLO {
            let failure = Failure::new(TlsFailure::Protocol, "the first message is another one");
            return Err(HelloError { failure, alert: UNEXPECTED_MESSAGE.into() });
        }
        let all = MESSAGE_HEADER
            + usize::from(message[1]) * 0x1_0000
            + usize::from(message[2]) * 0x100
            + usize::from(message[3]);
        // What is still to come has a header too.
        let least = at + if all > found { RECORD_HEADER + all - found } else { 0 };
        if least > ClientHello::MOST_BYTES {
            return Err(HelloError::too_long());
        }
        if at > bytes.len() {
            return Ok(Some(at));
        }
        if found >= all {
            return Ok(None);
        }
    }
}

fn parse(mut bytes: &[u8]) -> Result<ClientHello, HelloError> {
    let first = bytes.first().copied();
    let mut acceptor = Acceptor::default();
    while !bytes.is_empty() {
        if acceptor.read_tls(&mut bytes).is_err() {
            return Err(HelloError::too_long());
        }
        match acceptor.accept() {
            Ok(None) => {}
            Ok(Some(accepted)) => {
                let hello = accepted.client_hello();
                return Ok(ClientHello {
                    name: hello.server_name().map(str::to_ascii_lowercase),
                    protocols: hello.alpn().into_iter().flatten().map(<[u8]>::to_vec).collect(),
                });
            }
            Err((error, mut said)) => {
                let mut alert = Vec::new();
                // A `Vec` takes everything.
                let _ = said.write_all(&mut alert);
                // It leaves the choice to us for a record of another kind.
                if alert.is_empty() {
                    let is_other = matches!(error, rustls::Error::InappropriateMessage { .. });
                    alert.extend(if is_other { UNEXPECTED_MESSAGE } else { DECODE_ERROR });
                }
                return Err(HelloError { failure: failure_of(&error, first), alert });
            }
        }
    }
    // It was whole by its own lengths, and rustls waits for more.
    Err(HelloError {
        failure: Failure::new(TlsFailure::Protocol, "the hello is cut short"),
        alert: DECODE_ERROR.into(),
    })
}

/// Why a connection does not begin with a hello that can be read.
#[derive(Clone, Debug)]
pub struct HelloError {
    failure: Failure,
    alert: Vec<u8>,
}

impl HelloError {
    fn too_long() -> HelloError {
        let why = format!("the hello has more than {} bytes", ClientHello::MOST_BYTES);
        HelloError { failure: Failure::new(TlsFailure::Protocol, why), alert: DECODE_ERROR.into() }
    }

    /// What is wrong.
    pub fn failure(&self) -> TlsFailure {
        match self.failure.kind {
            FailureKind::Tls(failure) => failure,
            #[cfg(feature = "websocket")]
            FailureKind::Upgrade(_) => TlsFailure::Protocol,
            FailureKind::Resume => TlsFailure::Protocol,
        }
    }

    /// The alert that tells the client, as it is sent.
    pub fn alert(&self) -> &[u8] {
        &self.alert
    }
}

impl fmt::Display for HelloError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the client's hello cannot be read: {}", self.failure)
    }
}

impl std::error::Error for HelloError {}
