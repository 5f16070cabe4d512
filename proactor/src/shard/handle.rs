//! The shard in the hands of its logic.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use overlapped::Time;

use super::state::ShardState;
use crate::error::TimerError;
use crate::server::Handle;
use crate::session::{Session, id::SessionId};

/// A shard in the hands of its logic: its sessions, its clock, and the server.
/// [`Handler::started`](crate::Handler::started) is given it, and [`Session::shard`] returns it.
/// Cheap to clone. It stays on the shard's thread.
#[derive(Clone)]
pub struct ShardHandle {
    pub(crate) state: Rc<RefCell<ShardState>>,
}

impl ShardHandle {
    /// Its number: 0, 1, and so on.
    pub fn index(&self) -> usize {
        usize::from(self.state.borrow().shard)
    }

    /// The time on the shard's clock, which is virtual on a simulated network.
    pub fn now(&self) -> Time {
        self.state.borrow().driver.now()
    }

    /// A session of this shard, if it has not ended and is not being closed.
    pub fn session(&self, id: SessionId) -> Option<Session> {
        Session::open(&self.state, id)
    }

    /// Has [`Handler::shard_timer`](crate::Handler::shard_timer) called with this token when the
    /// duration is over: as [`Session::after`], for no session. It goes on while the server
    /// drains.
    ///
    /// A call may be late, and a timer that is set again for the same duration is late by the sum.
    /// A loop that must keep its pace sets it for the next moment, less [`now`](ShardHandle::now).
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use proactor::{Flow, Group, Handle, Handler, NoMessage, Session, ShardHandle};
    ///
    /// /// Broadcasts the state of a game 20 times per second.
    /// #[derive(Clone)]
    /// struct Game(Group);
    ///
    /// const TICK: Duration = Duration::from_millis(50);
    ///
    /// impl Handler for Game {
    ///     type State = ();
    ///     type Message = NoMessage;
    ///     fn started(&mut self, shard: &ShardHandle, _: &Handle) {
    ///         if shard.index() == 0 {
    ///             shard.after(TICK, 0).expect("the first timer");
    ///         }
    ///     }
    ///     fn connected(&mut self, session: &Session) {
    ///         let _ = session.join(&self.0);
    ///     }
    ///     fn received(&mut self, _: &Session, _: &mut (), _: &[u8]) -> Flow {
    ///         Flow::Continue
    ///     }
    ///     fn shard_timer(&mut self, shard: &ShardHandle, token: u64) {
    ///         let _ = self.0.broadcast(b"the state of the game");
    ///         shard.after(TICK, token).expect("the same timer");
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    /// `Full` if the shard has 1,024 timers with other tokens.
    pub fn after(&self, duration: Duration, token: u64) -> Result<(), TimerError> {
        let ShardState { logic_timers, driver, .. } = &mut *self.state.borrow_mut();
        match logic_timers.set(None, token, driver.now() + duration) {
            true => Ok(()),
            false => Err(TimerError::Full),
        }
    }

    /// Stops the shard's timer with this token. Says whether there was one; if so, it is not
    /// called.
    pub fn cancel_timer(&self, token: u64) -> bool {
        self.state.borrow_mut().logic_timers.stop(None, token)
    }

    /// The server, for any thread. This handle posts no messages: keep the one that
    /// [`Handler::started`](crate::Handler::started) is given for that.
    pub fn handle(&self) -> Handle {
        Handle::new(Arc::clone(&self.state.borrow().directory))
    }
}

impl fmt::Debug for ShardHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "shard {}", self.index())
    }
}

impl Session {
    /// Its shard.
    pub fn shard(&self) -> ShardHandle {
        ShardHandle { state: Rc::clone(self.shared()) }
    }
}
