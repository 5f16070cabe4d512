//! How an operation ended: as the core hands it on, and as the program sees it.

#![allow(unsafe_code, reason = "endings cross threads: they are made of starts whose buffers are `Send`")]

use std::sync::Arc;

use crate::address::Address;
use crate::buf::{AnyBuf, RecvBuf, SendBuf};
use crate::error::{Action, Error, ErrorKind, Failed};
use crate::flags::Flags;
use crate::op::{Outcome, Start};
use crate::proactor::Core;
use crate::socket::Socket;

/// A start whose buffer is `Send`: what goes to the thread of the driver.
pub(crate) struct Parcel(Start);

// SAFETY: the only part of a `Start` that may not be `Send` is its buffer, and the ways in that take one ask for `Send`.
unsafe impl Send for Parcel {}

impl Parcel {
    pub(crate) fn recv<B: RecvBuf + Send>(buf: B, flags: Flags) -> Parcel {
        Parcel(Start::Recv { socket: Parcel::NOWHERE, buf: AnyBuf::to_recv(buf), flags })
    }

    pub(crate) fn recv_from<B: RecvBuf + Send>(buf: B, flags: Flags) -> Parcel {
        Parcel(Start::RecvFrom { socket: Parcel::NOWHERE, buf: AnyBuf::to_recv(buf), flags })
    }

    pub(crate) fn send_to<B: SendBuf + Send>(buf: B, address: Address) -> Parcel {
        Parcel(Start::SendTo { socket: Parcel::NOWHERE, buf: AnyBuf::to_send(buf), address })
    }

    pub(crate) fn send<B: SendBuf + Send>(buf: B, flags: Flags) -> Parcel {
        Parcel(Start::Send { socket: Parcel::NOWHERE, buf: AnyBuf::to_send(buf), flags, done: 0 })
    }

    /// A start without a buffer.
    pub(crate) fn plain(start: Start) -> Parcel {
        assert!(!start.has_buf(), "starts with buffers have their own ways in");
        Parcel(start)
    }

    /// The core fills in the socket when it hands the start to the driver.
    pub(crate) const NOWHERE: crate::id::SocketId = crate::id::SocketId::new(u32::MAX, 0);

    pub(crate) fn start(&self) -> &Start {
        &self.0
    }

    pub(crate) fn start_mut(&mut self) -> &mut Start {
        &mut self.0
    }

    pub(crate) fn into_start(self) -> Start {
        self.0
    }
}

/// The end of an operation, not yet given its type.
pub struct Raw {
    pub(crate) action: Action,
    pub(crate) flags: Flags,
    pub(crate) result: Result<Outcome, Error>,
    pub(crate) buf: Option<AnyBuf>,
}

// SAFETY: its buffer is that of a `Parcel`, and its outcome never has a `Packet`: the core starts nothing that receives into pooled buffers.
unsafe impl Send for Raw {}

mod sealed {
    use super::{AnyBuf, Arc, Core, Failed, Raw};

    /// What seals [`Ending`](super::Ending), and does its work.
    pub trait FromRaw: Sized {
        type Given;
        fn from_raw(raw: Raw, core: &Arc<Core>) -> Result<Self, Failed<Self::Given>>;
        /// Whether `raw` is the end of an operation of this kind, with buffers of this type.
        fn matches(raw: &Raw) -> bool;
        /// What was handed over, from the buffer.
        fn given(buf: Option<AnyBuf>) -> Self::Given;
    }
}

pub(crate) use sealed::FromRaw;

/// What a successful operation brings: the `T` of [`Overlapped<T>`](crate::Overlapped). It cannot be implemented outside this crate.
pub trait Ending: FromRaw<Given = <Self as Ending>::Back> + Send + 'static {
    /// What was handed over at the start and is given back if the operation fails: the buffer, or nothing.
    type Back: Send + 'static;
}

/// What was received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received<B> {
    /// How many bytes are in the buffers; 0 is the end of the stream (or the buffers had no room).
    pub bytes: usize,
    /// What holds of them: [`Flags::PEEK`] if they are still in the stream, [`Flags::OUT_OF_BAND`] if they came outside it.
    pub flags: Flags,
    /// The buffers. A growable one is as long as what it holds.
    pub buf: B,
}

/// A datagram that was received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceivedFrom<B> {
    /// How many bytes are in the buffers.
    pub bytes: usize,
    /// Where it came from.
    pub from: Address,
    /// The buffers. A growable one is as long as what it holds.
    pub buf: B,
}

/// What was sent: all of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent<B> {
    /// How many bytes.
    pub bytes: u64,
    /// The buffers.
    pub buf: B,
}

/// A connection that was accepted.
#[derive(Debug)]
pub struct Accepted {
    /// The connection.
    pub socket: Socket,
    /// The address of its peer.
    pub peer: Address,
}

fn given<B: 'static>(buf: Option<AnyBuf>) -> B {
    let buf = buf.expect("an operation that was given a buffer gives it back");
    buf.take().expect("of the type that it was given")
}

impl<B: RecvBuf + Send> Ending for Received<B> {
    type Back = B;
}
impl<B: RecvBuf> FromRaw for Received<B> {
    type Given = B;
    fn from_raw(raw: Raw, _: &Arc<Core>) -> Result<Received<B>, Failed<B>> {
        let buf = given(raw.buf);
        match raw.result {
            Ok(Outcome::Received(bytes)) => Ok(Received { bytes, flags: raw.flags, buf }),
            Ok(_) => unreachable!("a receive receives"),
            Err(error) => Err(Failed { error, given: buf }),
        }
    }
    fn matches(raw: &Raw) -> bool {
        let stream = !matches!(raw.result, Ok(Outcome::ReceivedFrom(..)));
        raw.action == Action::Receive && stream && raw.buf.as_ref().is_some_and(AnyBuf::is::<B>)
    }
    fn given(buf: Option<AnyBuf>) -> B {
        given(buf)
    }
}

impl<B: RecvBuf + Send> Ending for ReceivedFrom<B> {
    type Back = B;
}
impl<B: RecvBuf> FromRaw for ReceivedFrom<B> {
    type Given = B;
    fn from_raw(raw: Raw, _: &Arc<Core>) -> Result<ReceivedFrom<B>, Failed<B>> {
        let buf = given(raw.buf);
        match raw.result {
            Ok(Outcome::ReceivedFrom(bytes, from)) => Ok(ReceivedFrom { bytes, from, buf }),
            Ok(_) => unreachable!("a receive receives"),
            Err(error) => Err(Failed { error, given: buf }),
        }
    }
    fn matches(raw: &Raw) -> bool {
        let datagram = !matches!(raw.result, Ok(Outcome::Received(_)));
        raw.action == Action::Receive && datagram && raw.buf.as_ref().is_some_and(AnyBuf::is::<B>)
    }
    fn given(buf: Option<AnyBuf>) -> B {
        given(buf)
    }
}

impl<B: SendBuf + Send> Ending for Sent<B> {
    type Back = B;
}
impl<B: SendBuf> FromRaw for Sent<B> {
    type Given = B;
    fn from_raw(raw: Raw, _: &Arc<Core>) -> Result<Sent<B>, Failed<B>> {
        let buf = given(raw.buf);
        match raw.result {
            Ok(Outcome::Sent(bytes)) => Ok(Sent { bytes, buf }),
            Ok(_) => unreachable!("a send sends"),
            Err(error) => Err(Failed { error, given: buf }),
        }
    }
    fn matches(raw: &Raw) -> bool {
        raw.action == Action::Send && raw.buf.as_ref().is_some_and(AnyBuf::is::<B>)
    }
    fn given(buf: Option<AnyBuf>) -> B {
        given(buf)
    }
}

impl Ending for Accepted {
    type Back = ();
}
impl FromRaw for Accepted {
    type Given = ();
    fn from_raw(raw: Raw, core: &Arc<Core>) -> Result<Accepted, Failed<()>> {
        let failed = |error| Failed { error, given: () };
        match raw.result {
            Ok(Outcome::Accepted(stream, peer)) => {
                let socket = Core::adopt(core, stream, Some(peer.clone())).map_err(|full| failed(full.error))?;
                Ok(Accepted { socket, peer })
            }
            Ok(_) => unreachable!("an accept accepts"),
            Err(error) => Err(failed(error)),
        }
    }
    fn matches(raw: &Raw) -> bool {
        raw.action == Action::Accept
    }
    fn given(_: Option<AnyBuf>) {}
}

impl Ending for () {
    type Back = ();
}
impl FromRaw for () {
    type Given = ();
    fn from_raw(raw: Raw, _: &Arc<Core>) -> Result<(), Failed<()>> {
        raw.result.map(drop).map_err(|error| Failed { error, given: () })
    }
    fn matches(raw: &Raw) -> bool {
        matches!(raw.action, Action::Connect | Action::Shutdown | Action::Close | Action::Timer)
    }
    fn given(_: Option<AnyBuf>) {}
}

/// What a packet of a completion port, or an operation's handle, says when it is asked for an ending of another type.
pub(crate) fn other_type(action: Action) -> Error {
    Error::new(action, ErrorKind::InvalidArgument).because("its result is of another type than was asked for")
}
