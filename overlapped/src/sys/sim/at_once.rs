//! Sends that are made at once, without an operation.

use crate::sys::handle::Handle;

use super::{Sim, end_of};

impl Sim {
    /// Sends at once what there is room for. The seed decides whether an operation is to do it
    /// instead, as when real backends find a socket not ready or a turn too busy.
    pub(crate) fn send_at_once(&mut self, handle: &Handle, bytes: &[u8]) -> Option<Result<usize, i32>> {
        let (end, state) = (end_of(handle), &mut *self.network.lock());
        if state.random.once_in(2) {
            return None;
        }
        let taken = state.room(end, bytes.len(), true);
        let (kind, value) = match taken {
            Ok(bytes) => (0, bytes as u64),
            Err(code) => (1, code as u64),
        };
        let now = state.now.as_nanos();
        state.trace.words(&[22, now, self.host.into(), kind, value]);
        match taken {
            Ok(0) => None,
            Ok(room) => {
                state.send(end, &bytes[..room]);
                Some(Ok(room))
            }
            Err(code) => Some(Err(code)),
        }
    }
}
