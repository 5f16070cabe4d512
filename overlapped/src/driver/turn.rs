//! One turn: what is due, what was started, and a wait. And what waits for a moment or for a
//! buffer.

use crate::error::{Error, ErrorKind};
use crate::id::OpId;
use crate::sys::op::{OpKind, Outcome};
use crate::time::Time;

use super::operations::{EXPIRED, NONE, Stage};
use super::{Driver, Wait};

impl Driver {
    pub(super) fn turn_backend(&mut self, wait: Wait) -> Result<(), Error> {
        #[cfg(test)]
        {
            super::shutdown::on_demand(&mut self.failures)?;
            assert!(!self.panics || self.operations.len() == 0, "a test asks for a panic");
        }
        self.expire();
        if !self.starved.is_empty() {
            self.feed_starved();
        }
        if !self.floods.is_empty() {
            self.read_floods();
        }
        while let Some(id) = self.backend.missed() {
            self.cancel_again(id);
        }
        if !self.listed.is_empty() {
            self.flush()?;
        }
        let limit = match wait {
            Wait::Poll => Some(Time::ZERO),
            Wait::For(duration) => Some(self.now() + duration),
            Wait::Until(at) => Some(at),
            Wait::Forever => None,
        };
        let mut timer = self.timers.earliest();
        if let Some(at) = self.pause_ends() {
            timer = Some(timer.map_or(at, |timer| timer.min(at)));
        }
        let limit = match (limit, timer) {
            (Some(limit), Some(timer)) => Some(limit.min(timer)),
            (limit, timer) => limit.or(timer),
        };
        let has_more = !self.ready.is_empty() || !self.listed.is_empty() || !self.floods.is_empty();
        let limit = if has_more { Some(Time::ZERO) } else { limit };
        self.backend.set_alarm(timer);
        self.backend.turn(limit)?;
        self.expire();
        Ok(())
    }

    /// A cancel has not found an operation, which was on its way from one try to the next, or has
    /// ended.
    #[cold]
    fn cancel_again(&mut self, id: OpId) {
        let Some(operation) = self.operations.get(id).filter(|operation| operation.stage == Stage::Kernel) else {
            return;
        };
        if operation.cancelled {
            self.list(id.slot());
        } else {
            self.hasten_again(id.slot());
        }
    }

    pub(super) fn start_timer(&mut self, at: Time, token: u64) -> OpId {
        let id = self.operations.insert(OpKind::Timer, Stage::Parked, NONE, token, NONE);
        self.set_deadline(id.slot(), at);
        id
    }

    /// Starts a lookup, which others make.
    pub(super) fn start_look_up(&mut self, deadline: Option<Time>, token: u64) -> OpId {
        let id = self.operations.insert(OpKind::LookUp, Stage::Parked, NONE, token, NONE);
        if let Some(at) = deadline {
            self.set_deadline(id.slot(), at);
        }
        id
    }

    /// Ends a lookup, unless it has ended.
    pub(crate) fn answer(&mut self, id: OpId, result: Result<(), Error>) {
        let Some(operation) = self.operations.get(id) else { return };
        if operation.kind == OpKind::LookUp && operation.stage == Stage::Parked {
            self.end(id.slot(), result.map(|()| Outcome::Ready));
        }
    }

    pub(super) fn set_deadline(&mut self, slot: u32, at: Time) {
        self.clear_deadline(slot);
        self.operations[slot].deadline = self.timers.insert(at, slot);
    }

    /// Returns whether the deadline had been reached, and the operation been cancelled for that.
    #[inline]
    pub(super) fn clear_deadline(&mut self, slot: u32) -> bool {
        let number = self.operations[slot].deadline;
        number != NONE && self.remove_deadline(slot, number)
    }

    #[inline(never)]
    fn remove_deadline(&mut self, slot: u32, number: u32) -> bool {
        self.operations[slot].deadline = NONE;
        if number != EXPIRED {
            self.timers.remove(number);
        }
        number == EXPIRED
    }

    /// Goes on with everything whose moment has come.
    #[inline]
    fn expire(&mut self) {
        if !self.timers.is_empty() || !self.paused.is_empty() {
            self.expire_until(self.now());
        }
    }

    #[inline(never)]
    fn expire_until(&mut self, now: Time) {
        if self.pause_ends().is_some_and(|at| at <= now) {
            self.go_on_accepting();
        }
        while let Some(slot) = self.timers.pop_due(now) {
            let operation = &mut self.operations[slot];
            operation.deadline = NONE;
            match operation.kind {
                OpKind::Timer => self.end(slot, Ok(Outcome::Elapsed)),
                OpKind::Close { .. } => self.close_expired(slot),
                _ => self.deadline_reached(slot),
            }
        }
    }

    /// An operation has not ended in time.
    fn deadline_reached(&mut self, slot: u32) {
        let operation = &mut self.operations[slot];
        match operation.stage {
            // A program that has cancelled it is told of that.
            Stage::Kernel if operation.cancelled => {}
            Stage::Kernel => {
                operation.deadline = EXPIRED;
                self.cancel_slot(slot);
            }
            _ => self.end_early(slot, ErrorKind::TimedOut),
        }
    }

    /// A multishot receive waits for a pooled buffer.
    pub(super) fn starve(&mut self, slot: u32) {
        self.operations[slot].stage = Stage::Parked;
        // Of the large buffers not all are offered at a time. While any are free, nothing starves.
        let has_large = self.operations[slot].kind == OpKind::RecvMulti && self.pool.for_streams().has_free();
        if !has_large && !self.pool.has_free() {
            self.starvations += 1;
        }
        // Forgets those that were cancelled when they may be half of the list. Looking for them
        // costs no more than they did.
        if self.starved.len() >= 2 * self.operations.len() {
            let operations = &self.operations;
            self.starved.retain(|id| operations.get(*id).is_some_and(|operation| operation.stage == Stage::Parked));
        }
        self.starved.push_back(self.operations.id(slot));
    }

    fn feed_starved(&mut self) {
        // Not only when buffers have been returned since: they may be with the system again by now.
        let whole = self.pool.has_free();
        if !whole && !self.pool.for_streams().has_free() {
            return;
        }
        for _ in 0..self.starved.len() {
            let Some(id) = self.starved.pop_front() else { return };
            let Some(operation) = self.operations.get(id).filter(|operation| operation.stage == Stage::Parked) else {
                continue;
            };
            // The buffers of streams are not for datagrams.
            if whole || operation.kind == OpKind::RecvMulti {
                self.begin(id.slot());
            } else {
                self.starved.push_back(id);
            }
        }
    }
}
