//! Deadlines of answers. The admin listener's shard ticks, and polls each waiting answer then.

use std::pin::pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

/// Wakes the answers that wait.
#[derive(Default)]
pub(super) struct Clock(Mutex<Vec<Waker>>);

impl Clock {
    fn waiting(&self) -> MutexGuard<'_, Vec<Waker>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn tick(&self) {
        let waiting = std::mem::take(&mut *self.waiting());
        waiting.into_iter().for_each(Waker::wake);
    }

    /// Waits for a future, but not much longer than this.
    pub(super) async fn within<T>(&self, time: Duration, future: impl Future<Output = T>) -> Option<T> {
        let end = Instant::now() + time;
        let mut future = pin!(future);
        std::future::poll_fn(|context| {
            if let Poll::Ready(value) = future.as_mut().poll(context) {
                return Poll::Ready(Some(value));
            }
            if Instant::now() >= end {
                return Poll::Ready(None);
            }
            self.waiting().push(context.waker().clone());
            Poll::Pending
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use std::task::Context;

    use super::*;

    #[test]
    fn a_waiting_answer_is_polled_at_each_tick_and_ends_when_its_time_is_over() {
        let clock = Clock::default();
        let mut context = Context::from_waker(Waker::noop());
        let mut short = pin!(clock.within(Duration::ZERO, std::future::pending::<()>()));
        assert_eq!(short.as_mut().poll(&mut context), Poll::Ready(None));
        let mut long = pin!(clock.within(Duration::from_secs(3600), std::future::pending::<()>()));
        assert_eq!(long.as_mut().poll(&mut context), Poll::Pending);
        assert_eq!(clock.waiting().len(), 1);
        clock.tick();
        assert!(clock.waiting().is_empty());
        let mut ready = pin!(clock.within(Duration::ZERO, std::future::ready(5)));
        assert_eq!(ready.as_mut().poll(&mut context), Poll::Ready(Some(5)));
    }
}
