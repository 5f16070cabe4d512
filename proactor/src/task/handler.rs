//! Async functions as a [`Handler`].

use std::fmt;

use super::{error::TaskOutput, session::AsyncSession};
use crate::handler::{Flow, Handler};
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
#[derive(Clone)]
pub struct Tasks<F> {
    function: F,
}

impl<F, Fut> Tasks<F>
where
    F: FnMut(AsyncSession) -> Fut + Clone + Send + 'static,
    Fut: Future<Output: TaskOutput> + 'static,
{
    /// Makes a handler of an async function.
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
        state.inner.hand_over(packet);
        Flow::Continue
    }

    fn ended(&mut self, session: &Session, state: &mut AsyncSession) -> Flow {
        state.inner.peer_ended(session);
        Flow::Continue
    }

    fn draining(&mut self, session: &Session, state: &mut AsyncSession) {
        state.inner.link.begin_drain(&mut session.state().borrow_mut().to_wake);
    }

    fn closed(&mut self, _: SessionId, state: AsyncSession, reason: &CloseReason) {
        debug_assert_eq!(state.inner.link.reason(), Some(*reason));
    }
}
