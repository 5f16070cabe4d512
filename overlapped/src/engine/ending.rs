//! How an operation ended, in the type that the program asked for.

use std::any::Any;
use std::fs::File;
use std::net::SocketAddr;
use std::sync::Arc;

use crate::address::Address;
use crate::buf::{AnyBuf, RecvBuf, SendBuf, Value};
use crate::driver::{Completion, Outcome};
use crate::error::{Action, Error, ErrorKind, Failed};
use crate::flags::Flags;

/// How far an operation has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It has not ended (`STATUS_PENDING`).
    Pending,
    /// It has ended and done what it was asked to do.
    Succeeded,
    /// It has ended and failed.
    Failed(ErrorKind),
}

impl Status {
    pub(crate) fn of(completion: &Completion) -> Status {
        match &completion.result {
            Ok(_) => Status::Succeeded,
            Err(error) => Status::Failed(error.kind()),
        }
    }
}

/// The core of an engine, as the layers below it hold it. A new connection becomes a socket of it.
pub(crate) type Owner = Arc<dyn Any + Send + Sync>;

mod sealed {
    use super::{Action, AnyBuf, Completion, Failed, Flags, Owner};

    /// Seals [`Ending`](super::Ending), and makes one of a completion.
    pub trait FromCompletion: Sized {
        type Given: 'static;

        /// `flags` are those the operation was started with. `owner` is the engine that it ran on.
        fn from_completion(
            completion: Completion,
            flags: Flags,
            owner: &dyn Fn() -> Owner,
        ) -> Result<Self, Failed<Self::Given>>;

        /// Whether this is the completion of an operation of this kind, with buffers of this type.
        fn matches(action: Action, completion: &Completion) -> bool;

        /// What the program handed over, from the buffer.
        fn given(buf: Option<AnyBuf>) -> Self::Given {
            let buf = buf.expect("an operation that was given a buffer gives it back");
            buf.take().expect("the buffer has the type it was given with")
        }
    }
}

pub(crate) use sealed::FromCompletion;

/// The result of a successful operation: the `T` of [`Overlapped<T>`](crate::Overlapped). Other
/// crates cannot implement it.
pub trait Ending: FromCompletion<Given = <Self as Ending>::Back> + Send + 'static {
    /// What the program handed over at the start and gets back if the operation fails: the buffer,
    /// or nothing.
    type Back: Send + 'static;
}

/// The result of a receive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received<B> {
    /// The number of bytes in the buffers. 0 means the end of the stream (or buffers without room).
    pub bytes: usize,
    /// [`Flags::PEEK`] if the bytes are still in the stream, [`Flags::OUT_OF_BAND`] if they came
    /// outside it.
    pub flags: Flags,
    /// The buffers. A growable one is as long as its contents.
    pub buf: B,
}

/// The result of receiving a datagram.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceivedFrom<B> {
    /// The number of bytes in the buffers.
    pub bytes: usize,
    /// The sender's address.
    pub from: Address,
    /// The buffers. A growable one is as long as its contents.
    pub buf: B,
}

/// The result of a send: all bytes have been sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent<B> {
    /// The number of bytes.
    pub bytes: u64,
    /// The buffers.
    pub buf: B,
}

fn is<B: 'static>(completion: &Completion) -> bool {
    completion.buf.as_ref().is_some_and(AnyBuf::is::<B>)
}

impl<B: RecvBuf + Send> Ending for Received<B> {
    type Back = B;
}
impl<B: RecvBuf> FromCompletion for Received<B> {
    type Given = B;
    fn from_completion(completion: Completion, flags: Flags, _: &dyn Fn() -> Owner) -> Result<Received<B>, Failed<B>> {
        let buf = Self::given(completion.buf);
        match completion.result {
            Ok(Outcome::Received(bytes)) => Ok(Received { bytes, flags, buf }),
            Ok(_) => unreachable!("a receive receives"),
            Err(error) => Err(Failed { error, given: buf }),
        }
    }
    fn matches(action: Action, completion: &Completion) -> bool {
        let stream = !matches!(completion.result, Ok(Outcome::ReceivedFrom(..)));
        action == Action::Receive && stream && is::<B>(completion)
    }
}

impl<B: RecvBuf + Send> Ending for ReceivedFrom<B> {
    type Back = B;
}
impl<B: RecvBuf> FromCompletion for ReceivedFrom<B> {
    type Given = B;
    fn from_completion(completion: Completion, _: Flags, _: &dyn Fn() -> Owner) -> Result<ReceivedFrom<B>, Failed<B>> {
        let buf = Self::given(completion.buf);
        match completion.result {
            Ok(Outcome::ReceivedFrom(bytes, from)) => Ok(ReceivedFrom { bytes, from, buf }),
            Ok(_) => unreachable!("a receive of a datagram receives one"),
            Err(error) => Err(Failed { error, given: buf }),
        }
    }
    fn matches(action: Action, completion: &Completion) -> bool {
        let datagram = !matches!(completion.result, Ok(Outcome::Received(_)));
        action == Action::Receive && datagram && is::<B>(completion)
    }
}

impl<B: SendBuf + Send> Ending for Sent<B> {
    type Back = B;
}
impl<B: SendBuf> FromCompletion for Sent<B> {
    type Given = B;
    fn from_completion(completion: Completion, _: Flags, _: &dyn Fn() -> Owner) -> Result<Sent<B>, Failed<B>> {
        let buf = Self::given(completion.buf);
        match completion.result {
            Ok(Outcome::Sent(bytes)) => Ok(Sent { bytes, buf }),
            Ok(_) => unreachable!("a send sends"),
            Err(error) => Err(Failed { error, given: buf }),
        }
    }
    fn matches(action: Action, completion: &Completion) -> bool {
        action == Action::Send && is::<B>(completion)
    }
}

/// The result of sending a file: all of the range has been sent.
#[derive(Clone, Debug)]
pub struct FileSent {
    /// The number of bytes.
    pub bytes: u64,
    /// The file.
    pub file: Arc<File>,
}

impl Ending for FileSent {
    type Back = Arc<File>;
}
impl FromCompletion for FileSent {
    type Given = Arc<File>;
    fn from_completion(completion: Completion, _: Flags, _: &dyn Fn() -> Owner) -> Result<FileSent, Failed<Arc<File>>> {
        let file = Self::given(completion.buf);
        match completion.result {
            Ok(Outcome::Sent(bytes)) => Ok(FileSent { bytes, file }),
            Ok(_) => unreachable!("a send sends"),
            Err(error) => Err(Failed { error, given: file }),
        }
    }
    fn matches(action: Action, completion: &Completion) -> bool {
        action == Action::Send && is::<Arc<File>>(completion)
    }
}

impl Ending for () {
    type Back = ();
}
impl FromCompletion for () {
    type Given = ();
    fn from_completion(completion: Completion, _: Flags, _: &dyn Fn() -> Owner) -> Result<(), Failed<()>> {
        completion.result.map(drop).map_err(|error| Failed { error, given: () })
    }
    fn matches(action: Action, _: &Completion) -> bool {
        matches!(action, Action::Connect | Action::Shutdown | Action::Close | Action::Timer | Action::Readiness)
    }
    fn given(_: Option<AnyBuf>) {}
}

impl Ending for Vec<SocketAddr> {
    type Back = ();
}
impl FromCompletion for Vec<SocketAddr> {
    type Given = ();
    fn from_completion(completion: Completion, _: Flags, _: &dyn Fn() -> Owner) -> Result<Vec<SocketAddr>, Failed<()>> {
        match completion.result {
            Ok(_) => {
                let found = completion.buf.and_then(|buf| buf.take::<Value<Vec<SocketAddr>>>().ok());
                Ok(found.expect("a lookup brings what it has found").0)
            }
            Err(error) => Err(Failed { error, given: () }),
        }
    }
    fn matches(action: Action, _: &Completion) -> bool {
        action == Action::LookUp
    }
    fn given(_: Option<AnyBuf>) {}
}

/// The error for asking an operation for a result of another type than its own.
pub(crate) fn other_type(action: Action) -> Error {
    Error::new(action, ErrorKind::InvalidArgument).because("the operation's result has another type")
}
