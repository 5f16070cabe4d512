//! The thread of an engine that has one.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::JoinHandle;

use super::core::Core;
use super::limits::Limits;
use super::park;
use crate::driver::{Driver, Wait};
use crate::error::{Action, Error, ErrorKind};

/// Ends the engine's thread when the last handle of the engine is gone.
pub(super) struct EngineThread {
    core: Arc<Core>,
    thread: Option<JoinHandle<()>>,
}

impl EngineThread {
    /// Starts a thread that makes a driver and drives it. A driver must be made on its own thread:
    /// the kernel lets no other thread submit to it.
    pub(super) fn start(
        driver: impl FnOnce() -> Result<Driver, Error> + Send + 'static,
        limits: Limits,
    ) -> Result<(Arc<Core>, EngineThread), Error> {
        let (sender, receiver) = std::sync::mpsc::sync_channel(1);
        let run = move || {
            let driver = match driver() {
                Ok(driver) => RefCell::new(driver),
                Err(error) => return drop(sender.send(Err(error))),
            };
            park::drive();
            let core = Arc::new(Core::new(&driver.borrow(), limits));
            let _ = sender.send(Ok(Arc::clone(&core)));
            let turns = || {
                while core.is_open() {
                    if let Err(error) = core.turn(&driver, Wait::Forever) {
                        tracing::error!("an engine ends because its backend has failed: {error}");
                        break;
                    }
                }
            };
            // The program's own code is contained where it is called, so a panic here is a bug. All
            // operations end nevertheless.
            if catch_unwind(AssertUnwindSafe(turns)).is_err() {
                core.refuse_starts("the engine has ended because its thread panicked");
                driver.borrow_mut().end_after_panic();
            }
            core.shut_down(&driver);
        };
        let thread = std::thread::Builder::new().name("overlapped".into()).spawn(run);
        let thread = thread.map_err(|error| Error::io(Action::Setup, &error))?;
        match receiver.recv() {
            Ok(Ok(core)) => Ok((Arc::clone(&core), EngineThread { core, thread: Some(thread) })),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(Error::new(Action::Setup, ErrorKind::Other).because("the engine's thread panicked")),
        }
    }
}

impl Drop for EngineThread {
    fn drop(&mut self) {
        let thread = self.thread.take().expect("dropped once");
        if !self.core.process.is_this() {
            // The thread is the parent's. Here there is none to join.
            return std::mem::forget(thread);
        }
        self.core.close();
        // The engine's own thread cannot join itself; it ends after this.
        if thread.thread().id() != std::thread::current().id() && thread.join().is_err() {
            tracing::error!("the thread of an engine panicked");
        }
    }
}
