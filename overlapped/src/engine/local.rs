//! The driver of a local engine, which its thread turns whenever it waits.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use super::core::Core;
use super::park::Turner;
use crate::driver::{Driver, Wait};
use crate::error::Error;
use crate::time::Time;
use crate::wake::WakeHandle;

pub(crate) struct LocalDriver {
    core: Arc<Core>,
    pub(super) driver: RefCell<Driver>,
    ended: Cell<bool>,
}

impl LocalDriver {
    pub(super) fn new(core: Arc<Core>, driver: Driver) -> LocalDriver {
        LocalDriver { core, driver: RefCell::new(driver), ended: Cell::new(false) }
    }

    /// Ends every operation and closes every socket. Later turns do nothing.
    pub(super) fn shut_down(&self) {
        self.ended.set(true);
        self.core.shut_down(&self.driver);
    }
}

impl Turner for LocalDriver {
    fn turn(&self, until: Option<Time>) -> Result<(), Error> {
        if self.ended.get() {
            return Ok(());
        }
        self.core.turn(&self.driver, until.map_or(Wait::Forever, Wait::Until))
    }

    fn wake_handle(&self) -> WakeHandle {
        self.core.wake_handle().clone()
    }

    fn now(&self) -> Time {
        self.driver.borrow().now()
    }
}
