//! Work that a handler gives away, and whose result comes back to it: futures on its shard, and
//! blocking work on other threads.

use std::any::TypeId;
use std::rc::Rc;
use std::time::Duration;

use super::error::{OffloadError, SpawnError};
use super::executor::{Executor, Owner};
use super::link::Link;
use super::offload;
use super::session::Sleep;
use crate::handler::Handler;
use crate::session::Session;
use crate::shard::handle::ShardHandle;
use crate::shard::pending::Pending;

type Body<H> = dyn FnOnce(&mut H, &Session, &mut <H as Handler>::State);

/// A call of the shard's handler, for a session.
pub(crate) struct Call<H: Handler>(pub(crate) Box<Body<H>>);

impl Session {
    /// Runs a future on the session's shard. It is dropped when the session has ended. If it
    /// panics, the session is closed.
    ///
    /// The future need not be `Send`. It must not block: that blocks its shard. A
    /// [drain](crate::Handle::drain) does not wait for it; hold a [busy guard](Session::busy) in it
    /// if it should.
    ///
    /// # Errors
    /// `Closed` if the session is closed, `Full` if the shard has too many tasks.
    pub fn spawn(&self, future: impl Future<Output = ()> + 'static) -> Result<(), SpawnError> {
        let (executor, owner) = self.owner().ok_or(SpawnError::Closed)?;
        executor.spawn(Some(owner), future)
    }

    /// Runs a future on the session's shard, then calls `then` with the handler, the session, its
    /// state and what the future returned: between packets, as [`Handler::message`] is called. If
    /// the session begins to close before that, `then` is not called. Until then the session is at
    /// work, and a [drain](crate::Handle::drain) waits for it.
    ///
    /// Say the handler's type in the closure, and everything else follows from it:
    ///
    /// ```
    /// use proactor::{Flow, Handler, NoMessage, Session};
    ///
    /// # async fn score_of(name: String) -> u32 {
    /// #     name.len() as u32
    /// # }
    /// #[derive(Clone, Default)]
    /// struct Scores {
    ///     lookups: u64,
    /// }
    ///
    /// impl Handler for Scores {
    ///     type State = u32;
    ///     type Message = NoMessage;
    ///     fn connected(&mut self, _: &Session) -> u32 {
    ///         0
    ///     }
    ///     fn received(&mut self, session: &Session, _: &mut u32, packet: &[u8]) -> Flow {
    ///         let name = String::from_utf8_lossy(packet).into_owned();
    ///         let lookup = score_of(name);
    ///         let asked = session.spawn_then(lookup, |logic: &mut Scores, session, last, score| {
    ///             logic.lookups += 1;
    ///             *last = score;
    ///             let _ = session.send(score.to_string().as_bytes());
    ///         });
    ///         if asked.is_ok() { Flow::Continue } else { Flow::Close }
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    /// As for [`spawn`](Session::spawn); `OtherHandler` if the closure takes another handler than
    /// the one that the server was started with.
    pub fn spawn_then<H: Handler, T: 'static>(
        &self,
        future: impl Future<Output = T> + 'static,
        then: impl FnOnce(&mut H, &Session, &mut H::State, T) + 'static,
    ) -> Result<(), SpawnError> {
        self.check_handler::<H>().map_err(|()| SpawnError::OtherHandler)?;
        let (session, busy) = (self.clone(), self.busy());
        self.spawn(async move {
            let output = future.await;
            session.call_later(move |handler: &mut H, session, state| {
                then(handler, session, state, output);
                drop(busy);
            });
        })
    }

    /// Does blocking work on a thread beside the shards, then calls `then` with the handler, the
    /// session, its state and the result: between packets, as [`Handler::message`] is called. The
    /// server has [so many](crate::Builder::offload_threads) threads for that, and at most 1,024
    /// pieces of work wait for one. If the session begins to close meanwhile, the work is done all
    /// the same, and its result is dropped. Until `then` has been called the session is at work,
    /// and a [drain](crate::Handle::drain) waits for it.
    ///
    /// On a simulated network the work is done at once, on this thread, so runs stay reproducible.
    /// `then` is called later there too.
    ///
    /// ```
    /// use proactor::{Flow, Handler, NoMessage, Session};
    ///
    /// /// Answers with the size of a file.
    /// #[derive(Clone)]
    /// struct Sizes;
    ///
    /// impl Handler for Sizes {
    ///     type State = ();
    ///     type Message = NoMessage;
    ///     fn connected(&mut self, _: &Session) {}
    ///     fn received(&mut self, session: &Session, _: &mut (), packet: &[u8]) -> Flow {
    ///         let name = String::from_utf8_lossy(packet).into_owned();
    ///         let work = move || std::fs::metadata(name);
    ///         let asked = session.offload(work, |_: &mut Sizes, session, _, file| {
    ///             let answer = match file {
    ///                 Ok(Ok(file)) => format!("{} bytes\n", file.len()),
    ///                 Ok(Err(error)) => format!("{error}\n"),
    ///                 Err(error) => format!("try again: {error}\n"),
    ///             };
    ///             let _ = session.send(answer.as_bytes());
    ///         });
    ///         if asked.is_ok() { Flow::Continue } else { Flow::Close }
    ///     }
    /// }
    /// ```
    ///
    /// `then` is given `Panicked` if the work panicked.
    ///
    /// # Errors
    /// The work has not begun, and `then` is not called: `Full` if too much work waits, `Closed`
    /// if the session is closed, `NoThread`, and `OtherHandler` as for
    /// [`spawn_then`](Session::spawn_then).
    pub fn offload<H: Handler, R: Send + 'static>(
        &self,
        work: impl FnOnce() -> R + Send + 'static,
        then: impl FnOnce(&mut H, &Session, &mut H::State, Result<R, OffloadError>) + 'static,
    ) -> Result<(), OffloadError> {
        self.check_handler::<H>().map_err(|()| OffloadError::OtherHandler)?;
        let (executor, owner) = self.owner().ok_or(OffloadError::Closed)?;
        if executor.is_full() {
            return Err(OffloadError::Full);
        }
        let (session, busy) = (self.clone(), self.busy());
        let then = |result| {
            move |handler: &mut H, session: &Session, state: &mut H::State| {
                then(handler, session, state, result);
                drop(busy);
            }
        };
        let Some(threads) = &executor.offload else {
            session.call_later(then(offload::run(work)));
            return Ok(());
        };
        let answer = threads.start(work)?;
        let spawned = executor.spawn(Some(owner), async move { session.call_later(then(answer.await)) });
        spawned.map_err(|_| OffloadError::Closed)
    }

    /// Its shard's executor, and itself as the owner of tasks. `None` if it is closing.
    fn owner(&self) -> Option<(Rc<Executor>, Owner)> {
        let mut state = self.state().borrow_mut();
        let executor = Rc::clone(&state.tasks);
        // A session with a task of its own has a link from its beginning.
        let link = state.sessions.open(self.id())?.link.get_or_insert_with(|| Rc::new(Link::of_handler()));
        let link = Rc::clone(link);
        Some((executor, Owner { id: self.id(), link, tied: true }))
    }

    fn check_handler<H: Handler>(&self) -> Result<(), ()> {
        if self.state().borrow().handler == TypeId::of::<H>() { Ok(()) } else { Err(()) }
    }

    /// Calls the handler when nothing else is called.
    fn call_later<H: Handler>(&self, call: impl FnOnce(&mut H, &Session, &mut H::State) + 'static) {
        let call = Call::<H>(Box::new(call));
        self.state().borrow_mut().pending.push(Pending::Call(self.id(), Box::new(call)));
    }
}

impl ShardHandle {
    /// Runs a future on this shard. It is dropped when the shard ends. If it panics, nothing else
    /// ends, and the log says so.
    ///
    /// # Errors
    /// `Closed` if the shard has ended, `Full` if it has too many tasks.
    pub fn spawn(&self, future: impl Future<Output = ()> + 'static) -> Result<(), SpawnError> {
        let executor = Rc::clone(&self.state.borrow().tasks);
        executor.spawn(None, future)
    }

    /// Waits for a duration, on the shard's clock, in a future that runs on the shard.
    pub fn sleep(&self, duration: Duration) -> Sleep {
        let state = self.state.borrow();
        Sleep::new(Rc::clone(&state.tasks), state.driver.now() + duration)
    }
}
