//! A packet on its way to the task that takes it.

use bytes::Bytes;

use super::link::Link;

/// A packet in the lent buffer is offered for no longer than this is there, for the buffer is lent
/// to others after that.
pub(super) struct Offer<'l>(pub(super) &'l Link);

impl Offer<'_> {
    /// Says whether nobody took it.
    pub(super) fn withdraw(&self) -> bool {
        self.0.offered.borrow_mut().take().is_some()
    }
}

impl Drop for Offer<'_> {
    fn drop(&mut self) {
        self.withdraw();
    }
}

/// A packet for the task that takes it.
pub(super) enum Given<'a> {
    Slice(&'a [u8]),
    Owned(Bytes),
}

impl Given<'_> {
    pub(super) fn as_slice(&self) -> &[u8] {
        match self {
            Given::Slice(bytes) => bytes,
            Given::Owned(bytes) => bytes,
        }
    }

    pub(super) fn into_bytes(self) -> Bytes {
        match self {
            Given::Slice(bytes) => Bytes::copy_from_slice(bytes),
            Given::Owned(bytes) => bytes,
        }
    }
}
