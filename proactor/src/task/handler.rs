//! Async functions as a [`Handler`].

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use super::{error::TaskOutput, session::AsyncSession};
use crate::group::Group;
use crate::handler::{Flow, Handler};
use crate::message::NoMessage;
use crate::session::{Session, id::SessionId, reason::CloseReason};
use crate::shard::handle::ShardHandle;

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
    group_emptied: Option<Arc<GroupEmptied>>,
    messages: PhantomData<fn(M)>,
}

type GroupEmptied = dyn Fn(&ShardHandle, &Group) + Send + Sync;

impl<F, Fut> Tasks<F>
where
    F: FnMut(AsyncSession) -> Fut + Clone + Send + 'static,
    Fut: Future<Output: TaskOutput> + 'static,
{
    /// Makes a handler of an async function.
    pub fn new(function: F) -> Tasks<F> {
        Tasks { function, group_emptied: None, messages: PhantomData }
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
        Tasks { function, group_emptied: None, messages: PhantomData }
    }
}

impl<F, M> Tasks<F, M> {
    /// Has a function called when the last member of a group has left it, as
    /// [`Handler::group_emptied`] is.
    ///
    /// ```
    /// use proactor::{AsyncSession, Server, Tasks};
    ///
    /// async fn lobby(session: AsyncSession) {
    ///     let Some(name) = session.next().await else { return };
    ///     let Ok(room) = session.session().handle().group(name) else { return };
    ///     if session.session().join(&room).is_ok() {
    ///         while session.next().await.is_some_and(|packet| room.broadcast(&packet).is_ok()) {}
    ///     }
    /// }
    ///
    /// let logic = Tasks::new(lobby).on_group_emptied(|_, room| eprintln!("{room:?} is empty"));
    /// # let _: Option<Result<Server, _>> = false.then(|| Server::builder().start(logic));
    /// ```
    #[must_use]
    pub fn on_group_emptied(self, call: impl Fn(&ShardHandle, &Group) + Send + Sync + 'static) -> Tasks<F, M> {
        Tasks { group_emptied: Some(Arc::new(call)), ..self }
    }
}

impl<F: Clone, M> Clone for Tasks<F, M> {
    fn clone(&self) -> Tasks<F, M> {
        let group_emptied = self.group_emptied.clone();
        Tasks { function: self.function.clone(), group_emptied, messages: PhantomData }
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

    fn secured(&mut self, session: &Session, state: &mut AsyncSession<M>) {
        state.inner.link.secured(&mut session.state().borrow_mut().to_wake);
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

    fn group_emptied(&mut self, shard: &ShardHandle, group: &Group) {
        if let Some(call) = &self.group_emptied {
            call(shard, group);
        }
    }

    fn closed(&mut self, _: SessionId, state: AsyncSession<M>, reason: &CloseReason) {
        debug_assert_eq!(state.inner.link.reason(), Some(*reason));
    }
}
