//! Async functions as a [`Handler`].

use std::fmt;
use std::marker::PhantomData;

use super::{error::TaskOutput, session::AsyncSession};
use crate::handler::{Flow, Handler};
use crate::message::NoMessage;
use crate::session::{Session, id::SessionId, reason::CloseReason};

/// A [`Handler`] that runs an async function for each session.
/// [`Builder::serve`](crate::Builder::serve) makes one.
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
/// let server = Server::builder().listen("10.0.0.1:7777").simulate(&network, logic).unwrap();
/// # assert_eq!(server.shards(), 1);
/// ```
pub struct Tasks<F, M = NoMessage> {
    function: F,
    messages: PhantomData<fn(M)>,
}

impl<F, Fut> Tasks<F>
where
    F: FnMut(AsyncSession) -> Fut + Clone + Send + 'static,
    Fut: Future<Output: TaskOutput> + 'static,
{
    /// Makes a handler of an async function.
    pub fn new(function: F) -> Tasks<F> {
        Tasks { function, messages: PhantomData }
    }
}

impl<F, Fut, M> Tasks<F, M>
where
    F: FnMut(AsyncSession<M>) -> Fut + Clone + Send + 'static,
    Fut: Future<Output: TaskOutput> + 'static,
    M: Send + 'static,
{
    /// Makes a handler of an async function whose sessions take messages:
    /// [`Builder::serve_with_messages`](crate::Builder::serve_with_messages).
    pub fn with_messages(function: F) -> Tasks<F, M> {
        Tasks { function, messages: PhantomData }
    }
}

impl<F: Clone, M> Clone for Tasks<F, M> {
    fn clone(&self) -> Tasks<F, M> {
        Tasks { function: self.function.clone(), messages: PhantomData }
    }
}

impl<F, M> fmt::Debug for Tasks<F, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tasks")
    }
}

impl<F, Fut, M> Handler for Tasks<F, M>
where
    F: FnMut(AsyncSession<M>) -> Fut + Clone + Send + 'static,
    Fut: Future<Output: TaskOutput> + 'static,
    M: Send + 'static,
{
    type State = AsyncSession<M>;
    type Message = M;

    fn connected(&mut self, session: &Session) -> AsyncSession<M> {
        let session = AsyncSession::begin(session);
        let future = (self.function)(session.clone());
        session.run(future);
        session
    }

    fn received(&mut self, _: &Session, state: &mut AsyncSession<M>, packet: &[u8]) -> Flow {
        state.inner.hand_over(packet);
        Flow::Continue
    }

    fn ended(&mut self, session: &Session, state: &mut AsyncSession<M>) -> Flow {
        state.inner.peer_ended(session);
        Flow::Continue
    }

    fn message(&mut self, _: &Session, state: &mut AsyncSession<M>, message: M) {
        state.inner.keep_message(message);
    }

    fn draining(&mut self, session: &Session, state: &mut AsyncSession<M>) {
        state.inner.link.begin_drain(&mut session.state().borrow_mut().to_wake);
    }

    fn closed(&mut self, _: SessionId, state: AsyncSession<M>, reason: &CloseReason) {
        debug_assert_eq!(state.inner.link.reason(), Some(*reason));
    }
}
