//! Sends that are made at once, by one call of the system, without an operation.
//!
//! An operation is queued, handed over, ended and told of. For an answer that the system takes at
//! once, that is more work than the call itself.

use crate::error::{Action, ErrorKind};
use crate::flags::Role;
use crate::id::SocketId;

use super::{Driver, sockets};

impl Driver {
    /// Sends at once what the system takes of these bytes without waiting, and says how many that
    /// is. What is left is to be sent by an operation:
    /// [`Op::send_rest`](crate::Op::send_rest).
    ///
    /// `None`: nothing was sent, and an operation is to send it. So it is while other sends of the
    /// socket are in flight, if the system takes nothing or refuses (the operation is told why),
    /// and where an operation costs less: on io_uring, when the turn has brought much, unless this
    /// is 16 KiB or more. On a
    /// simulated network the seed decides.
    ///
    /// ```
    /// # use overlapped::{Driver, DriverConfig, Op};
    /// # fn answer(driver: &mut Driver, socket: overlapped::driver::SocketId, bytes: Vec<u8>) {
    /// let sent = driver.send_at_once(socket, &bytes).unwrap_or(0);
    /// if sent < bytes.len() {
    ///     let _ = driver.submit(Op::send_rest(socket, bytes, sent), 1);
    /// }
    /// # }
    /// ```
    #[inline]
    pub fn send_at_once(&mut self, socket: SocketId, bytes: &[u8]) -> Option<usize> {
        if bytes.is_empty() || self.failure.is_some() || !self.process.is_this() {
            return None;
        }
        let (slot, entry) = sockets::find(&mut self.sockets, socket)?;
        if entry.role != Role::Stream || !entry.sends.is_empty() || entry.broken.is_some() || entry.is_dead() {
            return None;
        }
        match self.backend.send_at_once(slot, entry.handle.as_ref()?, bytes)? {
            Ok(sent) => Some(sent),
            Err(code) => {
                self.refused_at_once(slot, code);
                None
            }
        }
    }

    /// The system may tell why a connection is dead only once, so that is kept for the operation.
    #[cold]
    pub(super) fn refused_at_once(&mut self, socket: u32, code: i32) {
        let error = self.failed_on(socket, Action::Send, code);
        // Anything else may pass. If it does not, the operation is told too.
        if matches!(error.kind(), ErrorKind::Reset | ErrorKind::TimedOut | ErrorKind::Unreachable) {
            self.note_death_of(socket, &error);
        }
    }
}
