//! One TLS connection without a socket: rustls's unbuffered interface, fed and drained.

use rustls::client::UnbufferedClientConnection;
use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{
    ConnectionState, EncodeError, EncodeTlsData, EncryptError, InsufficientSizeError, UnbufferedStatus, WriteTraffic,
};

use super::error::failure_of;
use super::info::TlsInfo;
use super::resolver::asked_name;
use crate::transport::failure::{Failure, TlsFailure};

/// The longest record has so many bytes of the session.
const RECORD_BYTES: usize = 16 * 1024;
/// What a record adds at most: its header, an explicit nonce, a tag, its type.
const RECORD_ADDS: usize = 5 + 8 + 16 + 1;
/// The header of a record: type, version, length.
const HEADER_BYTES: usize = 5;

/// What rustls may have to say before it takes bytes to send: more is a fault.
const MOST_STEPS: usize = 64;

enum Connection {
    Server(UnbufferedServerConnection),
    Client(UnbufferedClientConnection),
}

/// A TLS connection: what is received goes in, what is to be sent comes out.
pub(crate) struct TlsStream {
    connection: Connection,
    /// The name that the peer of a server asked for, or that a client asked for.
    name: Option<Box<str>>,
    /// The peer has sent its `close_notify`.
    has_ended: bool,
    /// Ours is sent.
    is_ended: bool,
}

/// What a step of rustls has led to.
enum Step {
    /// There may be more.
    Again,
    /// Nothing more until more comes.
    Waits,
    PeerEnded,
}

impl TlsStream {
    pub(super) fn server(connection: UnbufferedServerConnection) -> TlsStream {
        TlsStream { connection: Connection::Server(connection), name: None, has_ended: false, is_ended: false }
    }

    pub(super) fn client(connection: UnbufferedClientConnection, name: &str) -> TlsStream {
        let name = Some(name.into());
        TlsStream { connection: Connection::Client(connection), name, has_ended: false, is_ended: false }
    }

    /// A client's hello. A server says nothing before its client does.
    pub(crate) fn begin(&mut self, out: &mut Vec<u8>) {
        self.drain(out);
    }

    /// Takes records. Appends what they carry to `plain`, and what rustls answers to `out`. Returns
    /// how many bytes it has used.
    pub(crate) fn receive(
        &mut self,
        bytes: &mut [u8],
        plain: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) -> (usize, Result<(), Failure>) {
        let was_shaking = !self.is_open();
        let mut used = 0;
        let done = loop {
            let (discard, step) = self.step(&mut bytes[used..], plain, out);
            used += discard;
            match step {
                Ok(Step::Again) => {}
                Ok(Step::Waits) => break Ok(()),
                Ok(Step::PeerEnded) => {
                    self.has_ended = true;
                    // What comes behind is ignored.
                    used = bytes.len();
                    break Ok(());
                }
                Err(error) => {
                    let first = bytes.first().copied().filter(|_| was_shaking);
                    self.is_ended = true;
                    // The alert that tells the peer.
                    self.drain(out);
                    break Err(failure_of(&error, first));
                }
            }
        };
        if was_shaking && matches!(self.connection, Connection::Server(_)) {
            self.name = asked_name().or(self.name.take());
        }
        (used, done)
    }

    /// Appends what rustls has to say already. It comes to that before it looks at received bytes,
    /// so it need not be shown those that it has not used.
    fn drain(&mut self, out: &mut Vec<u8>) {
        while self.wants_write() && matches!(self.step(&mut [], &mut Vec::new(), out).1, Ok(Step::Again)) {}
    }

    fn wants_write(&self) -> bool {
        match &self.connection {
            Connection::Server(connection) => connection.wants_write(),
            Connection::Client(connection) => connection.wants_write(),
        }
    }

    fn step(
        &mut self,
        bytes: &mut [u8],
        plain: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) -> (usize, Result<Step, rustls::Error>) {
        match &mut self.connection {
            Connection::Server(connection) => advance(connection.process_tls_records(bytes), plain, out),
            Connection::Client(connection) => advance(connection.process_tls_records(bytes), plain, out),
        }
    }

    /// How many bytes finish the record that `bytes` end in; 0 if they end with a whole one, of
    /// which rustls waits for the next.
    pub(crate) fn missing(&self, bytes: &[u8]) -> usize {
        let mut rest = bytes;
        loop {
            let Some((header, behind)) = rest.split_at_checked(HEADER_BYTES) else {
                return if rest.is_empty() { 0 } else { HEADER_BYTES - rest.len() };
            };
            let len = usize::from(u16::from_be_bytes([header[3], header[4]]));
            match behind.split_at_checked(len) {
                Some((_, next)) => rest = next,
                None => return len - behind.len(),
            }
        }
    }

    /// Whether the handshake is over, on both sides as far as this one knows.
    pub(crate) fn is_open(&self) -> bool {
        match &self.connection {
            Connection::Server(connection) => !connection.is_handshaking(),
            Connection::Client(connection) => !connection.is_handshaking(),
        }
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.has_ended
    }

    /// Appends records of `plain`. `unused` is what was received and not used.
    pub(crate) fn seal(&mut self, unused: &mut Vec<u8>, plain: &[u8], wire: &mut Vec<u8>) -> Result<(), Failure> {
        if self.is_ended {
            return Err(Failure::new(TlsFailure::Protocol, "our stream has ended"));
        }
        let room = plain.len() + plain.len().div_ceil(RECORD_BYTES) * RECORD_ADDS;
        self.write(unused, room, wire, |traffic, room| traffic.seal(plain, room))
            .map_err(|error| Failure::new(TlsFailure::Protocol, error))
    }

    /// Appends `close_notify`.
    pub(crate) fn end(&mut self, unused: &mut Vec<u8>, wire: &mut Vec<u8>) {
        if !std::mem::replace(&mut self.is_ended, true)
            && let Err(error) = self.write(unused, RECORD_ADDS + 2, wire, |traffic, room| traffic.end(room))
        {
            tracing::debug!("close_notify is not sent: {error}");
        }
    }

    /// Has rustls write into `wire`, which is given `room` more bytes, or as many as it asks for.
    ///
    /// rustls must be shown the bytes that it has not used: it panics if the beginning of a
    /// handshake message has gone.
    fn write(
        &mut self,
        unused: &mut Vec<u8>,
        mut room: usize,
        wire: &mut Vec<u8>,
        mut call: impl FnMut(&mut dyn Traffic, &mut [u8]) -> Result<usize, EncryptError>,
    ) -> Result<(), String> {
        for _ in 0..MOST_STEPS {
            let (discard, written) = match &mut self.connection {
                Connection::Server(connection) => {
                    try_to_write(connection.process_tls_records(unused), room, wire, &mut call)
                }
                Connection::Client(connection) => {
                    try_to_write(connection.process_tls_records(unused), room, wire, &mut call)
                }
            };
            unused.drain(..discard);
            match written {
                Written::Done(Ok(_)) => return Ok(()),
                Written::Done(Err(EncryptError::InsufficientSize(InsufficientSizeError { required_size }))) => {
                    room = room.max(required_size);
                }
                Written::Done(Err(error)) => return Err(error.to_string()),
                Written::NotYet => {}
                Written::Refused => return Err("rustls takes nothing to send".into()),
            }
        }
        Err("rustls has too much to say".into())
    }

    pub(crate) fn info(&self) -> TlsInfo {
        match &self.connection {
            Connection::Server(connection) => TlsInfo::of(connection, self.name.as_deref()),
            Connection::Client(connection) => TlsInfo::of(connection, self.name.as_deref()),
        }
    }
}

/// Either side's state for sending.
trait Traffic {
    fn seal(&mut self, plain: &[u8], wire: &mut [u8]) -> Result<usize, EncryptError>;
    fn end(&mut self, wire: &mut [u8]) -> Result<usize, EncryptError>;
}

impl<Data> Traffic for WriteTraffic<'_, Data> {
    fn seal(&mut self, plain: &[u8], wire: &mut [u8]) -> Result<usize, EncryptError> {
        self.encrypt(plain, wire)
    }
    fn end(&mut self, wire: &mut [u8]) -> Result<usize, EncryptError> {
        self.queue_close_notify(wire)
    }
}

/// What became of bytes to send.
enum Written {
    Done(Result<usize, EncryptError>),
    /// rustls had something else to say first.
    NotYet,
    Refused,
}

/// Has rustls write into a slice.
type WriteInto<'a> = dyn FnMut(&mut dyn Traffic, &mut [u8]) -> Result<usize, EncryptError> + 'a;

fn try_to_write<Data>(
    status: UnbufferedStatus<'_, '_, Data>,
    room: usize,
    wire: &mut Vec<u8>,
    call: &mut WriteInto<'_>,
) -> (usize, Written) {
    let UnbufferedStatus { discard, state } = status;
    let written = match state {
        Ok(ConnectionState::WriteTraffic(mut traffic)) => {
            let at = wire.len();
            wire.resize(at + room, 0);
            let written = call(&mut traffic, &mut wire[at..]);
            wire.truncate(at + *written.as_ref().unwrap_or(&0));
            Written::Done(written)
        }
        Ok(ConnectionState::EncodeTlsData(data)) => {
            encode(data, wire);
            Written::NotYet
        }
        Ok(ConnectionState::TransmitTlsData(data)) => {
            data.done();
            Written::NotYet
        }
        Ok(ConnectionState::PeerClosed) => Written::NotYet,
        _ => Written::Refused,
    };
    (discard, written)
}

/// Appends what rustls has to say.
fn encode<Data>(mut data: EncodeTlsData<'_, Data>, out: &mut Vec<u8>) {
    let at = out.len();
    if let Err(EncodeError::InsufficientSize(InsufficientSizeError { required_size })) = data.encode(&mut []) {
        out.resize(at + required_size, 0);
        // It has the room that it asked for.
        let encoded = data.encode(&mut out[at..]).unwrap_or(0);
        out.truncate(at + encoded);
    }
}

/// Does what rustls asks for.
fn advance<Data>(
    status: UnbufferedStatus<'_, '_, Data>,
    plain: &mut Vec<u8>,
    out: &mut Vec<u8>,
) -> (usize, Result<Step, rustls::Error>) {
    let UnbufferedStatus { mut discard, state } = status;
    let step = match state {
        Ok(ConnectionState::ReadTraffic(mut traffic)) => loop {
            match traffic.next_record() {
                Some(Ok(record)) => {
                    discard += record.discard;
                    plain.extend_from_slice(record.payload);
                }
                Some(Err(error)) => break Err(error),
                None => break Ok(Step::Again),
            }
        },
        Ok(ConnectionState::EncodeTlsData(data)) => {
            encode(data, out);
            Ok(Step::Again)
        }
        Ok(ConnectionState::TransmitTlsData(data)) => {
            data.done();
            Ok(Step::Again)
        }
        Ok(ConnectionState::PeerClosed) => Ok(Step::PeerEnded),
        Ok(ConnectionState::BlockedHandshake | ConnectionState::WriteTraffic(_) | ConnectionState::Closed) => {
            Ok(Step::Waits)
        }
        // Early data is off, so rustls does not come here.
        Ok(_) => Err(rustls::Error::General("a state of rustls that is not known".into())),
        Err(error) => Err(error),
    };
    (discard, step)
}
