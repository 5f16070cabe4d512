//! What comes of an operation: from the backend's [`Event`] up to the program's [`Outcome`].

use crate::address::Address;
use crate::buf::Packet;
use crate::id::OpId;
use crate::sys::stream::Stream;

/// What a successful operation, or one result of a multishot one, brought.
#[derive(Debug)]
#[non_exhaustive]
pub enum Outcome {
    /// A connection and the address of its peer. Dropping the stream closes the connection.
    Accepted(Stream, Address),
    /// The socket is connected.
    Connected,
    /// So many bytes are in the operation's buffers; 0 is the end of the stream.
    Received(usize),
    /// Bytes in one of the driver's pooled buffers.
    Packet(Packet),
    /// A datagram of so many bytes, from this address, is in the operation's buffers.
    ReceivedFrom(usize, Address),
    /// A datagram in one of the driver's pooled buffers, and where it came from.
    Datagram(Packet, Address),
    /// All bytes, so many, are written.
    Sent(u64),
    /// The directions are shut down.
    ShutDown,
    /// The socket is closed; a graceful close saw the end of the peer's stream.
    Closed,
    /// The timer's moment has come.
    Elapsed,
    /// The watched descriptor is ready.
    Ready,
}

/// Something that happened to an operation which a backend has.
#[derive(Debug)]
pub(crate) struct Event {
    pub(crate) id: OpId,
    /// The operation stays with the backend; its last event is the one without this.
    pub(crate) more: bool,
    pub(crate) result: Result<Outcome, Failure>,
}

/// Why an operation failed, as a backend knows it.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The system's code.
    Code(i32),
    /// There was no pooled buffer.
    NoBuffer,
    /// Reading a file failed: the system's code.
    File(i32),
    /// A file is shorter than it was when it was looked at.
    FileEnded,
    /// A datagram was larger than its buffers, which hold this many bytes of it.
    Truncated { bytes: u32, from: Address },
}
