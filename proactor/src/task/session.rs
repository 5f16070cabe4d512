//! A session in the hands of its task, its sleeping, and its name for other threads.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use overlapped::{Address, Time, table::Key};

use super::error::{Elapsed, OffloadError, SpawnError, TaskOutput};
use super::event::Event;
use super::remote::Remote;
use super::{executor::Executor, handover::Handover, offload};
use crate::connect::{ConnectError, ConnectFailure, ConnectWaiter, Target};
use crate::error::SendError;
use crate::message::NoMessage;
use crate::server::Handle;
use crate::session::{Session, busy::Busy, connect, id::SessionId, reason::CloseReason};

/// A session in the hands of its task: receives, sends, waits, spawns. It stays on its shard's
/// thread; other threads use [`remote`](AsyncSession::remote).
///
/// Clones are the same session. It can be kept. When the session has ended, its methods say so.
///
/// Every future that its methods return can be dropped at any time, as `select!` does. A packet
/// that was not taken then goes to the next caller.
///
/// `M` is the type of message that it takes: [`message`](AsyncSession::message).
pub struct AsyncSession<M = NoMessage> {
    pub(super) inner: Rc<Handover<M>>,
}

impl<M> Clone for AsyncSession<M> {
    fn clone(&self) -> AsyncSession<M> {
        AsyncSession { inner: Rc::clone(&self.inner) }
    }
}

impl<M: 'static> AsyncSession<M> {
    /// A session has begun.
    pub(super) fn begin(session: &Session) -> AsyncSession<M> {
        AsyncSession { inner: Rc::new(Handover::new(session)) }
    }

    /// Makes the session's future a task.
    pub(super) fn run(&self, future: impl Future<Output: TaskOutput> + 'static) {
        let session = self.clone();
        let body = async move {
            if let Some(error) = future.await.into_error() {
                tracing::debug!("{:?}: {error}", session.inner.session);
            }
            session.finish();
        };
        if let Err(error) = self.inner.spawn_owned(false, body) {
            tracing::warn!("{:?} is refused: {error}", self.inner.session);
            self.inner.end(CloseReason::Limit);
        }
    }

    /// The task has returned.
    fn finish(&self) {
        match self.inner.link.has_peer_ended() {
            true => self.inner.end(CloseReason::ByPeer),
            false => self.close(),
        }
    }

    /// Its name, for any thread.
    pub fn id(&self) -> SessionId {
        self.inner.session.id()
    }

    /// The address of its peer.
    pub fn peer_addr(&self) -> &Address {
        self.inner.session.peer_addr()
    }

    /// The session as a [`Handler`](crate::Handler) has it: for groups, pairs and outbound
    /// connections. While its task takes no packets it is held. That is independent of a
    /// [pause](Session::pause).
    pub fn session(&self) -> &Session {
        &self.inner.session
    }

    /// Waits for the next packet: what the server's [codec](crate::Builder::codec) found in a
    /// frame, in its own memory. Returns `None` at the end: the peer has ended its stream, or the
    /// session is closing. If several tasks wait, the first gets it.
    pub async fn next(&self) -> Option<Bytes> {
        self.inner.take_next(|given| given.into_bytes()).await
    }

    /// Waits for the next packet, and reads it in place. If it came whole while this was waiting,
    /// that is the buffer into which the kernel put it, without a copy. Returns `None` at the end,
    /// as [`next`](AsyncSession::next) does.
    ///
    /// ```
    /// # use proactor::AsyncSession;
    /// async fn sum(session: AsyncSession) {
    ///     let mut sum = 0u64;
    ///     let mut add = |packet: &[u8]| sum += packet.iter().copied().map(u64::from).sum::<u64>();
    ///     while session.next_with(&mut add).await.is_some() {}
    /// }
    /// ```
    pub async fn next_with<R>(&self, read: impl FnOnce(&[u8]) -> R) -> Option<R> {
        self.inner.take_next(|given| read(given.as_slice())).await
    }

    /// Waits for the next message that was [posted](Handle::post) to the session. Returns `None`
    /// when the session is closing and all messages are taken. That the peer has ended its stream
    /// does not end the messages. If several tasks wait, one of them gets it.
    ///
    /// Messages that are not taken wait: [so many](crate::Limits::inbox_messages) for a session.
    ///
    /// ```
    /// # use proactor::AsyncSession;
    /// /// Sends on what other threads have for the peer.
    /// async fn ticker(session: AsyncSession<String>) {
    ///     while let Some(news) = session.message().await {
    ///         if session.send(news).await.is_err() {
    ///             break;
    ///         }
    ///     }
    /// }
    /// ```
    pub async fn message(&self) -> Option<M> {
        self.inner.next_message().await
    }

    /// Waits for whichever comes first: a packet, a message, a drain, or the end. If packets and
    /// messages are there, it returns them in turns.
    ///
    /// ```
    /// use proactor::{AsyncSession, SendError};
    /// use proactor::task::Event;
    ///
    /// async fn talk(session: AsyncSession<String>) -> Result<(), SendError> {
    ///     loop {
    ///         match session.event().await {
    ///             Event::Packet(question) => session.send(question).await?,
    ///             Event::Message(news) => session.send(news).await?,
    ///             Event::Draining => session.send("the server ends soon").await?,
    ///             Event::Ended => return Ok(()),
    ///         }
    ///     }
    /// }
    /// ```
    pub async fn event(&self) -> Event<M> {
        self.inner.next_event().await
    }

    /// Queues a packet, as [`Session::send`] does, once there is room. While more than half of the
    /// outbox's limit is queued, it waits until a quarter is. What is queued while a batch of
    /// completions is handled leaves in one operation.
    ///
    /// # Errors
    /// `Closed` if the session is closed, `Frame` if the codec has no frame for it, `Full` if it is
    /// more than the whole outbox may hold. Nothing is queued then.
    pub async fn send(&self, packet: impl AsRef<[u8]>) -> Result<(), SendError> {
        let mut place = self.inner.link.senders.place();
        poll_fn(|cx| {
            let sent = self.inner.send_if_room(packet.as_ref());
            if sent.is_none() {
                place.register(cx.waker(), None);
            }
            sent.map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }

    /// Queues a packet now, whatever is queued already.
    ///
    /// # Errors
    /// As for [`Session::send`].
    pub fn try_send(&self, packet: impl AsRef<[u8]>) -> Result<(), SendError> {
        self.inner.session.send(packet.as_ref())
    }

    /// Queues a packet now, in place of the one of its key that still waits, as
    /// [`Session::send_latest`] does. It does not wait for room: what it has to say would be old.
    ///
    /// # Errors
    /// As for [`Session::send_latest`].
    pub fn send_latest(&self, key: u64, packet: impl AsRef<[u8]>) -> Result<(), SendError> {
        self.inner.session.send_latest(key, packet.as_ref())
    }

    /// Bytes queued or in flight to the peer.
    pub fn queued(&self) -> usize {
        self.inner.session.queued()
    }

    /// Waits until the session is closing, and returns the reason. If the peer has ended its stream
    /// and all packets are handed over, returns `ByPeer`; then the peer can still be sent to.
    pub async fn closed(&self) -> CloseReason {
        let link = &*self.inner.link;
        let mut place = link.closers.place();
        poll_fn(|cx| {
            if let Some(reason) = link.reason() {
                return Poll::Ready(reason);
            }
            if link.has_peer_ended() {
                return Poll::Ready(CloseReason::ByPeer);
            }
            place.register(cx.waker(), None);
            Poll::Pending
        })
        .await
    }

    /// Waits until the server is being [drained](Handle::drain), or the session is closing. From
    /// then on the session has the drain's time to end by itself. While its task waits for the next
    /// packet and there is none, it is idle, and the drain closes it; any other wait is work. Keep
    /// a [busy guard](AsyncSession::busy) for work beside a wait for the next packet.
    ///
    /// ```
    /// use proactor::AsyncSession;
    /// use proactor::task::SpawnError;
    ///
    /// /// Says good-bye when the server ends.
    /// async fn echo(session: AsyncSession) -> Result<(), SpawnError> {
    ///     let leaving = session.clone();
    ///     session.spawn(async move {
    ///         leaving.draining().await;
    ///         let _ = leaving.send("good-bye\n").await;
    ///         leaving.close();
    ///     })?;
    ///     while let Some(packet) = session.next().await {
    ///         let _ = session.send(packet).await;
    ///     }
    ///     Ok(())
    /// }
    /// ```
    pub async fn draining(&self) {
        let link = &*self.inner.link;
        let mut place = link.drainers.place();
        poll_fn(|cx| {
            if link.is_draining() || link.reason().is_some() {
                return Poll::Ready(());
            }
            place.register(cx.waker(), None);
            Poll::Pending
        })
        .await;
    }

    /// Whether the server is being [drained](Handle::drain).
    pub fn is_draining(&self) -> bool {
        self.inner.link.is_draining()
    }

    /// Says that this session is at work for as long as the result is kept, as [`Session::busy`]
    /// does: also while its task waits for the next packet.
    pub fn busy(&self) -> Busy {
        self.inner.session.busy()
    }

    /// Connects to a target, as [`Session::connect`] does, and waits for the new session. That has
    /// its own task: the server's function is called for it too, and its [origin](Session::origin)
    /// has `token`. It can be [paired](Session::pair) with this one.
    ///
    /// If the future is dropped, the connection does not become a session.
    ///
    /// ```
    /// use proactor::{AsyncSession, ConnectError, Origin, Target};
    ///
    /// /// Passes on what comes, both ways.
    /// async fn proxy(session: AsyncSession) -> Result<(), ConnectError> {
    ///     if session.session().origin() == Origin::Accepted {
    ///         let target: Target = "127.0.0.1:80".parse().expect("a valid target");
    ///         let upstream = session.connect(target, 0).await?;
    ///         let _ = session.session().pair(&upstream);
    ///     }
    ///     session.closed().await;
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    /// Why it could not be made: what [`Session::connect`] returns at once, or what
    /// [`connect_failed`](crate::Handler::connect_failed) is told otherwise. `Cancelled` if one of
    /// the two sessions is closed meanwhile.
    pub async fn connect(&self, target: impl Into<Target>, token: u64) -> Result<Session, ConnectError> {
        let (target, waiter) = (target.into(), Rc::<ConnectWaiter>::default());
        let shared = Some(Rc::clone(&waiter));
        connect(&mut self.session().state().borrow_mut(), self.id(), target.clone(), token, shared)?;
        let id = poll_fn(|context| waiter.poll(context)).await?;
        let closed = || ConnectError::new(target, ConnectFailure::Cancelled).because("it was closed at once");
        self.session().sibling(id).ok_or_else(closed)
    }

    /// Ends our stream behind what is queued, as [`Session::shutdown`] does: packets still come.
    /// When the peer has ended its stream too, the session is closed.
    pub fn shutdown(&self) {
        self.inner.session.shutdown();
    }

    /// Sends what is queued, then closes. The task goes on until it returns.
    pub fn close(&self) {
        self.inner.end(CloseReason::ByHandler);
    }

    /// Closes at once, by a reset, as [`Session::abort`] does.
    pub fn abort(&self) {
        self.inner.session.abort();
    }

    /// The time on the shard's clock, which is virtual on a simulated network.
    pub fn now(&self) -> Time {
        self.inner.session.state().borrow().driver.now()
    }

    /// Waits for a duration, on the shard's clock.
    pub fn sleep(&self, duration: Duration) -> Sleep {
        self.sleep_until(self.now() + duration)
    }

    /// Waits for a moment of the shard's clock.
    pub fn sleep_until(&self, at: Time) -> Sleep {
        Sleep::new(Rc::clone(&self.inner.executor), at)
    }

    /// Waits for a future, and drops it when the time is over.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use proactor::AsyncSession;
    /// async fn greet(session: AsyncSession) {
    ///     if let Ok(Some(name)) = session.timeout(Duration::from_secs(5), session.next()).await {
    ///         let _ = session.send(&name).await;
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    /// The time is over.
    pub async fn timeout<T>(&self, duration: Duration, future: impl Future<Output = T>) -> Result<T, Elapsed> {
        let mut future = std::pin::pin!(future);
        let mut sleep = std::pin::pin!(self.sleep(duration));
        poll_fn(|cx| {
            if let Poll::Ready(value) = future.as_mut().poll(cx) {
                return Poll::Ready(Ok(value));
            }
            sleep.as_mut().poll(cx).map(|()| Err(Elapsed))
        })
        .await
    }

    /// Runs a future on this shard, beside the session's own task. It is dropped when the session
    /// has ended. If it panics, the session is closed.
    ///
    /// # Errors
    /// `Closed` if the session has ended, `Full` if the shard has too many tasks.
    pub fn spawn(&self, future: impl Future<Output = ()> + 'static) -> Result<(), SpawnError> {
        self.inner.spawn_owned(true, future)
    }

    /// Runs a future on this shard, however long the session lasts. It is dropped when the shard
    /// ends. If it panics, nothing else ends, and the log says so.
    ///
    /// # Errors
    /// `Closed` if the shard has ended, `Full` if it has too many tasks.
    pub fn spawn_on_shard(&self, future: impl Future<Output = ()> + 'static) -> Result<(), SpawnError> {
        self.inner.executor.spawn(None, future)
    }

    /// The number of tasks on this shard.
    pub fn tasks_on_shard(&self) -> usize {
        self.inner.executor.tasks()
    }

    /// Does blocking work on a thread beside the shards, and waits for the result. The server has
    /// [so many](crate::Builder::offload_threads) threads for that, and at most 1,024 pieces of
    /// work wait for one. If the future is dropped, the work is done all the same, unless it has
    /// not begun when the server ends. Its result is then dropped on that thread.
    ///
    /// On a simulated network the work is done at once, on this thread, so runs stay reproducible.
    ///
    /// # Errors
    /// `Full` if too much work waits, `Panicked` if the work did.
    pub async fn offload<R: Send + 'static>(
        &self,
        work: impl FnOnce() -> R + Send + 'static,
    ) -> Result<R, OffloadError> {
        match &self.inner.executor.offload {
            Some(threads) => threads.start(work)?.await,
            None => offload::run(work),
        }
    }

    /// The server, for any thread.
    pub fn handle(&self) -> Handle<M> {
        Handle::new(Arc::clone(&self.inner.session.state().borrow().directory))
    }

    /// This session, for any thread or runtime.
    pub fn remote(&self) -> Remote<M> {
        Remote { handle: self.handle(), id: self.id() }
    }
}

impl<M> fmt::Debug for AsyncSession<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.session.fmt(f)
    }
}

/// Waits for a moment of the shard's clock. [`AsyncSession::sleep`](super::AsyncSession::sleep)
/// returns it.
///
/// It is never early. The shard's timers have a resolution of 8.4 ms (2^23 ns), so it is late by up
/// to that, and by what the shard is busy with.
pub struct Sleep {
    executor: Rc<Executor>,
    at: Time,
    key: Option<Key>,
}

impl Sleep {
    pub(crate) fn new(executor: Rc<Executor>, at: Time) -> Sleep {
        Sleep { executor, at, key: None }
    }

    /// The moment it waits for.
    pub fn deadline(&self) -> Time {
        self.at
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Sleep>, cx: &mut Context<'_>) -> Poll<()> {
        let executor = Rc::clone(&self.executor);
        let mut timers = executor.timers.borrow_mut();
        if self.at <= timers.now() {
            return Poll::Ready(());
        }
        match self.key {
            None => self.key = Some(timers.start(self.at, cx.waker())),
            Some(key) if timers.is_over(key, cx.waker()) => return Poll::Ready(()),
            Some(_) => {}
        }
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            // The waker is dropped after the borrow of the timers.
            let _waker = self.executor.timers.borrow_mut().stop(key);
        }
    }
}

impl fmt::Debug for Sleep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sleep").field("at", &self.at).finish()
    }
}
