//! Sends that the thread which starts them makes itself, so that they need not pass through the
//! engine's thread and back.
//!
//! A start notes the send in the tables first, as every operation, and tries it without their lock.
//! If the system takes all of it, it has ended, and is told of as any other. What is left otherwise
//! goes to the engine's thread. Sends that are started on the socket meanwhile wait for that, so
//! that all leave whole and in order.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::core::Core;
use super::endpoint::{Direct, Endpoint};
use super::notify::Notify;
use super::park::{self, Unparks};
use super::tables::{Stage, Tables, token};
use crate::buf::Crossing;
use crate::driver::{Completion, Op};
use crate::flags::{Direction, Flags, Role};
use crate::id::OpId;
use crate::sync::{MutexGuard, lock};
use crate::sys::op::{OpKind, Tried};
use crate::table::Key;

impl Core {
    /// If an operation that has just been noted may be tried by this thread, takes it out of the
    /// tables, with the system's socket.
    pub(super) fn begin_try<'e>(
        &self,
        tables: &mut Tables,
        endpoint: &'e Endpoint,
        key: Key,
    ) -> Option<(MutexGuard<'e, Direct>, Crossing<Op>)> {
        // The engine's own thread submits it as fast.
        if self.thread == park::this_thread() {
            return None;
        }
        let record = &mut tables.operations[key.slot()];
        let is_send =
            matches!(&record.stage, Stage::Starting(op) if op.get().kind == OpKind::Send { flags: Flags::NONE });
        // What nobody takes is dropped when it ends, which may run code of the program. A routine
        // is queued by the engine's thread.
        let is_taken = !record.detached || matches!(record.notify, Notify::Port(..));
        if !is_send || !is_taken {
            return None;
        }
        let socket = tables.sockets.get_mut(endpoint.key)?;
        let is_alone = *socket.count(Direction::Send) == 1 && socket.connects == 0;
        if !is_alone || socket.closing || socket.failed || socket.role != Role::Stream {
            return None;
        }
        // Not waited for: it may be lent to the program.
        let direct = endpoint.direct_if_free().filter(|direct| direct.view().is_some())?;
        socket.tried = key.slot();
        match std::mem::replace(&mut record.stage, Stage::Trying) {
            Stage::Starting(op) => Some((direct, op)),
            _ => unreachable!("checked above"),
        }
    }

    /// Tries a send that has been taken out of the tables.
    pub(super) fn try_send(&self, mut direct: MutexGuard<'_, Direct>, key: Key, mut op: Crossing<Op>) {
        // If the buffer panics when it is asked for its bytes, the driver finds that too.
        let tried = catch_unwind(AssertUnwindSafe(|| op.get_mut().try_now(direct.view()?)));
        let outcome = tried.unwrap_or_default();
        if let Some(Tried::Failed(code)) = op.get().owned.tried() {
            direct.failed(code);
        }
        let Some(outcome) = outcome else { return self.go_on_after_try(key, op) };
        let buf = op.into_inner().into_buf();
        let completion = Completion { id: OpId(key), token: token(key), more: false, result: Ok(outcome), buf };
        let mut waiting = Unparks::default();
        let untaken = self.tell(completion, &mut waiting);
        drop(direct);
        waiting.unpark();
        // If its port was closed meanwhile. Its buffer may use the socket when it is dropped.
        drop(untaken);
    }

    /// The engine's thread goes on with a send that was tried.
    fn go_on_after_try(&self, key: Key, op: Crossing<Op>) {
        let mut tables = lock(&self.tables);
        tables.operations[key.slot()].stage = Stage::Starting(op);
        // Before those that have waited for it.
        let is_first = tables.enqueue(key) | tables.end_try(key.slot());
        drop(tables);
        if is_first {
            self.wake_thread();
        }
    }
}
