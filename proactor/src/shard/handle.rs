//! The shard in the hands of its logic.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use overlapped::Time;

use super::state::ShardState;
use crate::server::Handle;
use crate::session::{Session, id::SessionId};

/// A shard in the hands of its logic: its sessions, its clock, and the server.
/// [`Handler::started`](crate::Handler::started) is given it, and [`Session::shard`] returns it.
/// Cheap to clone. It stays on the shard's thread.
#[derive(Clone)]
pub struct ShardHandle {
    pub(super) state: Rc<RefCell<ShardState>>,
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

    /// The server, for any thread.
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
