//! A value that goes the way of an operation's buffer without being one.

use super::kinds::SendBuf;

/// A result that is no bytes, in the place of the buffer that an operation gives back.
pub(crate) struct Value<T>(pub(crate) T);

// SAFETY: it has no parts, so there are no bytes that could be used.
unsafe impl<T: 'static> SendBuf for Value<T> {
    fn parts(&self) -> usize {
        0
    }
    fn part(&self, _: usize) -> (*const u8, usize) {
        unreachable!("it has no parts")
    }
}
