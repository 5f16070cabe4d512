//! Logic written as one `async` function per session, on the shard's own executor. Built on [`Handler`]: it runs wherever
//! a handler does, on every backend and on a simulated network.
//!
//! ```
//! use proactor::{AsyncSession, SendError, Server};
//!
//! async fn echo(session: AsyncSession) -> Result<(), SendError> {
//!     while let Some(packet) = session.next().await {
//!         session.send(&packet).await?;
//!     }
//!     Ok(())
//! }
//!
//! # fn main() -> Result<(), proactor::ServerError> {
//! let server = Server::builder().bind("127.0.0.1:0").shards(1).serve(echo)?;
//! # use std::io::{Read, Write};
//! # let mut client = std::net::TcpStream::connect(&server.local_addrs()[0]).unwrap();
//! # client.write_all(b"hello").unwrap();
//! # let mut answer = [0; 5];
//! # client.read_exact(&mut answer).unwrap();
//! # assert_eq!(&answer, b"hello");
//! server.handle().stop();
//! server.wait()
//! # }
//! ```
//!
//! What holds for tasks:
//!
//! - **One thread.** A session's task, and what it [spawns](AsyncSession::spawn), is polled and dropped by its shard's thread and no other, so it need not be `Send`:
//!   `Rc` and `RefCell` do. It may be woken by any thread and any runtime.
//! - **It must not block**, for it blocks its shard. [`offload`](AsyncSession::offload) is for what does.
//! - **Back-pressure.** A packet is handed to the task that waits for one, in the turn in which it came. One that comes while none waits is kept, and
//!   the session is held until it is taken: then the peer is held up by its own window. [`send`](AsyncSession::send) waits while half of the outbox is queued.
//! - **The end.** When the task returns, the session is closed in order; an error that it returns goes to the log (at the level `debug`: that a peer
//!   has gone is nothing unusual). If it panics the session is closed with [`CloseReason::Panic`], and no other. When the peer ends its stream, `next` says `None`, and
//!   the task may go on sending until it returns. When the session is closed for another reason the task learns of it (`next` says `None`, `send` fails,
//!   [`closed`](AsyncSession::closed) is ready) and may take its time; what is left when the shard ends is dropped there.

use std::fmt;

use crate::close::CloseReason;
use crate::handler::{Flow, Handler};
use crate::session::{Session, SessionId};

pub(crate) mod connect;
mod error;
pub(crate) mod executor;
pub(crate) mod link;
pub(crate) mod offload;
mod remote;
mod session;
#[cfg(feature = "tokio")]
mod stream;
mod timers;

pub use error::{Elapsed, OffloadError, SpawnError};
pub use remote::Remote;
pub use session::AsyncSession;
pub use timers::Sleep;

/// What a session's task may return: nothing, or a `Result` with an error that can be shown.
pub trait TaskOutput {
    /// The error as text, if it is one.
    fn into_error(self) -> Option<String>;
}

impl TaskOutput for () {
    fn into_error(self) -> Option<String> {
        None
    }
}

impl<T, E: fmt::Display> TaskOutput for Result<T, E> {
    fn into_error(self) -> Option<String> {
        self.err().map(|error| error.to_string())
    }
}

/// A [`Handler`] that runs an async function for each session: what [`Builder::serve`](crate::Builder::serve) makes of one.
///
/// Every shard has a clone of the function.
///
/// ```
/// use overlapped::sim::Network;
/// use proactor::{Server, Tasks};
///
/// // The same logic, on a simulated network.
/// let logic = Tasks::new(|session| async move {
///     while let Some(packet) = session.next().await {
///         session.send(&packet).await?;
///     }
///     Ok::<_, proactor::SendError>(())
/// });
/// let network = Network::new(1);
/// let server = Server::builder().bind("10.0.0.1:7777").simulate(&network, logic).unwrap();
/// # assert_eq!(server.shards(), 1);
/// ```
#[derive(Clone)]
pub struct Tasks<F> {
    function: F,
}

impl<F, Fut> Tasks<F>
where
    F: FnMut(AsyncSession) -> Fut + Clone + Send + 'static,
    Fut: Future<Output: TaskOutput> + 'static,
{
    /// Logic of one async function.
    pub fn new(function: F) -> Tasks<F> {
        Tasks { function }
    }
}

impl<F> fmt::Debug for Tasks<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tasks")
    }
}

impl<F, Fut> Handler for Tasks<F>
where
    F: FnMut(AsyncSession) -> Fut + Clone + Send + 'static,
    Fut: Future<Output: TaskOutput> + 'static,
{
    type State = AsyncSession;

    fn connected(&mut self, session: &Session) -> AsyncSession {
        let session = AsyncSession::begin(session);
        let future = (self.function)(session.clone());
        session.run(future);
        session
    }

    fn received(&mut self, _: &Session, state: &mut AsyncSession, packet: &[u8]) -> Flow {
        state.hand_over(packet);
        Flow::Continue
    }

    fn ended(&mut self, session: &Session, state: &mut AsyncSession) -> Flow {
        session.core.borrow_mut().peer_ended(state.link());
        Flow::Continue
    }

    fn closed(&mut self, _: SessionId, state: AsyncSession, reason: &CloseReason) {
        debug_assert_eq!(state.link().reason(), Some(*reason));
    }
}
