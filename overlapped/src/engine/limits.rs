//! The limits of an engine.

use super::tables::Tables;
use crate::driver::{MOST_OPERATIONS, Op};
use crate::error::{Action, Error, ErrorKind};
use crate::table::Key;

/// The limits of an engine.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) operations: usize,
    pub(crate) sockets: usize,
    pub(crate) queue: usize,
}

impl Limits {
    /// Names a limit that is out of range.
    pub(super) fn check(&self) -> Result<(), Error> {
        let Limits { operations, sockets, queue } = *self;
        let most = MOST_OPERATIONS;
        let why = if operations == 0 || operations > most {
            format!("operations({operations}): must be 1 to {most}")
        } else if sockets == 0 || sockets > most {
            format!("sockets({sockets}): must be 1 to {most}")
        } else if self.with_own() > most {
            format!(
                "operations({operations}) and sockets({sockets}): three times the sockets and the operations are more than {most}"
            )
        } else if queue == 0 {
            "queue(0): must be at least 1".into()
        } else {
            return Ok(());
        };
        Err(Error::new(Action::Setup, ErrorKind::InvalidArgument).because(why))
    }

    /// The operations, and what each socket adds: its close, and a send and a receive that were
    /// tried directly.
    pub(super) fn with_own(&self) -> usize {
        self.operations.saturating_add(self.sockets.saturating_mul(3))
    }

    /// How many operations there must be for this one to be refused. The last eighth is for those
    /// who have nothing yet: see [`EngineBuilder::operations`](super::EngineBuilder::operations).
    pub(super) fn full_for(&self, tables: &mut Tables, socket: Option<Key>, op: &Op) -> usize {
        let kept = self.operations / 8;
        match (socket, op.kind.direction()) {
            (Some(socket), Some(direction)) if tables.has_none(socket, direction) => self.operations,
            (None, _) => self.operations - kept.div_ceil(2),
            _ => self.operations - kept,
        }
    }
}

/// A full table still takes a close, and what has begun: every socket brings the room for both.
pub(super) fn has_room(op: &Op) -> bool {
    op.kind.action() == Action::Close || op.owned.progress > 0 || op.owned.tried().is_some()
}
