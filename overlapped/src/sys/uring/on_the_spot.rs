//! Sends that are made at once, by a system call: small ones when a turn has brought little, and
//! large ones.
//!
//! A send through the ring ends as it is submitted, and that ends the wait of the same call. So a
//! server that answers one message a turn would enter the ring twice for it. When a turn brings
//! much, one call submits all its sends, and the ring is cheaper. Beside a large send the call is
//! nothing: what it is worth is that the bytes are still in the processor's cache.

use std::os::fd::{AsRawFd, RawFd};

use super::super::{bare, handle::Handle};

/// The most completions of a turn that has brought little, and the most sends in it.
const FEW: usize = 16;
/// The largest small send.
const MOST_BYTES: usize = 4 * 1024;
/// The smallest large one.
const LARGE_BYTES: usize = 16 * 1024;

#[derive(Default)]
pub(super) struct OnTheSpot {
    /// Sends that this turn may still make at once.
    left: usize,
    has_skipped: bool,
}

impl OnTheSpot {
    /// The ring has been entered, and this many completions have come.
    pub(super) fn begin_turn(&mut self, completions: usize) {
        self.left = if completions <= FEW { completions } else { 0 };
    }

    /// Whether this turn need not enter the ring, because it has ends to tell of and nothing to
    /// submit. Every second turn enters it, so that what is done at once holds nobody up.
    pub(super) fn may_skip_enter(&mut self, has_ended: bool, is_to_submit: bool) -> bool {
        self.has_skipped = has_ended && !is_to_submit && !self.has_skipped;
        self.has_skipped
    }

    /// Sends that this turn may still make at once.
    #[inline]
    pub(super) fn left(&self) -> usize {
        self.left
    }

    /// Sends a little at once, if the turn may and the socket takes it without a wait. `None`: it
    /// is to go through the ring.
    #[inline]
    pub(super) fn send(&mut self, handle: &Handle, bytes: &[u8], flags: i32) -> Option<Result<usize, i32>> {
        if self.left == 0 || bytes.len() > MOST_BYTES {
            return None;
        }
        let Handle::System(system) = handle else { return None };
        self.left -= 1;
        send_now(system.socket.as_raw_fd(), bytes, flags)
    }
}

/// Sends much at once, as far as the socket takes it without a wait. `None`: that is not much, or
/// it is to go through the ring.
pub(super) fn send_large(handle: &Handle, bytes: &[u8]) -> Option<Result<usize, i32>> {
    match handle {
        Handle::System(system) if bytes.len() >= LARGE_BYTES => send_now(system.socket.as_raw_fd(), bytes, 0),
        _ => None,
    }
}

#[inline]
fn send_now(fd: RawFd, bytes: &[u8], flags: i32) -> Option<Result<usize, i32>> {
    // SAFETY: the call only reads these bytes.
    let sent = unsafe { bare::send(fd, bytes.as_ptr().cast(), bytes.len(), flags | libc::MSG_NOSIGNAL) };
    match usize::try_from(sent) {
        Ok(sent) => Some(Ok(sent)),
        Err(_) => refused(),
    }
}

#[cold]
fn refused() -> Option<Result<usize, i32>> {
    match std::io::Error::last_os_error().raw_os_error() {
        None | Some(libc::EAGAIN | libc::EINTR) => None,
        Some(code) => Some(Err(code)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_makes_as_many_sends_at_once_as_it_brought_completions_if_those_are_few() {
        let mut spot = OnTheSpot::default();
        for (completions, sends) in [(0, 0), (1, 1), (FEW, FEW), (FEW + 1, 0)] {
            spot.begin_turn(completions);
            assert_eq!(spot.left, sends);
        }
    }

    #[test]
    fn the_ring_is_entered_at_least_every_second_turn() {
        let mut spot = OnTheSpot::default();
        assert!(!spot.may_skip_enter(false, false), "there is nothing to tell");
        assert!(!spot.may_skip_enter(true, true), "there is something to submit");
        assert!(spot.may_skip_enter(true, false));
        assert!(!spot.may_skip_enter(true, false));
        assert!(spot.may_skip_enter(true, false));
    }
}
