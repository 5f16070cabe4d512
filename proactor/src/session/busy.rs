//! Busy guards: the logic says that a session is at work.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;

use super::id::SessionId;

/// How many guards each session has. Sessions without one are not in it.
#[derive(Debug, Default)]
pub(crate) struct BusyTable(RefCell<BTreeMap<SessionId, usize>>);

impl BusyTable {
    pub(crate) fn has(&self, id: SessionId) -> bool {
        self.0.borrow().contains_key(&id)
    }
}

/// While it exists, its session is at work, and a [drain](crate::Handle::drain) does not ask it to
/// end. [`Session::busy`](crate::Session::busy) makes it.
///
/// It stays on its shard's thread, and may be kept and dropped anywhere there: in the session's
/// state, in a task, in a table of requests. It does nothing for a session that has ended.
#[must_use = "the session is at work while this is kept"]
pub struct Busy {
    table: Rc<BusyTable>,
    id: SessionId,
}

impl Busy {
    pub(crate) fn new(table: &Rc<BusyTable>, id: SessionId) -> Busy {
        *table.0.borrow_mut().entry(id).or_default() += 1;
        Busy { table: Rc::clone(table), id }
    }
}

impl Clone for Busy {
    fn clone(&self) -> Busy {
        Busy::new(&self.table, self.id)
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let mut guards = self.table.0.borrow_mut();
        if let Some(count) = guards.get_mut(&self.id) {
            *count -= 1;
            if *count == 0 {
                guards.remove(&self.id);
            }
        }
    }
}

impl fmt::Debug for Busy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Busy").field(&self.id).finish()
    }
}

#[cfg(test)]
mod tests {
    use overlapped::table::Key;

    use super::*;

    #[test]
    fn a_session_is_busy_until_its_last_guard_is_gone() {
        let table = Rc::<BusyTable>::default();
        let (id, other) = (SessionId::new(0, Key::new(1, 0)), SessionId::new(0, Key::new(1, 1)));
        let first = Busy::new(&table, id);
        let second = first.clone();
        assert!(table.has(id) && !table.has(other));
        drop(first);
        assert!(table.has(id));
        drop(second);
        assert!(!table.has(id) && table.0.borrow().is_empty());
    }
}
