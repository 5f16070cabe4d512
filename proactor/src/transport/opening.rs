//! A session whose transport is not open yet: its logic does not know of it.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::failure::Failure;
use crate::connect::{ConnectWaiter, Target};
use crate::limits::Refusal;

/// What is kept until a transport is open.
pub(crate) struct Opening {
    pub(crate) timeout: Duration,
    /// Given back when this is dropped.
    pub(crate) _place: Option<Place>,
    /// For a connection that the server makes.
    pub(crate) outbound: Option<OutboundOpening>,
    /// Why it has failed, if it has.
    pub(crate) failure: Option<Failure>,
}

/// What was asked for, to tell of a failure.
pub(crate) struct OutboundOpening {
    pub(crate) target: Target,
    /// A task that waits for it.
    pub(crate) waiter: Option<Rc<ConnectWaiter>>,
}

/// Why a connection has no transport.
pub(crate) enum NoTransport {
    Refused(Refusal),
    /// A fault of this side.
    Failed(String),
}

/// One of the openings that may be under way at a time.
#[derive(Debug)]
pub(crate) struct Place(Arc<AtomicUsize>);

impl Place {
    /// Takes a place, if fewer than `most` are taken.
    pub(crate) fn take(taken: &Arc<AtomicUsize>, most: usize) -> Option<Place> {
        let took =
            taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |count| (count < most).then_some(count + 1));
        took.is_ok().then(|| Place(Arc::clone(taken)))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_given_back_and_never_too_many() {
        let taken = Arc::new(AtomicUsize::new(0));
        let places: Vec<Option<Place>> = (0..3).map(|_| Place::take(&taken, 2)).collect();
        assert_eq!(places.iter().flatten().count(), 2);
        drop(places);
        assert_eq!(taken.load(Ordering::Relaxed), 0);
        assert!(Place::take(&taken, 0).is_none());
    }
}
