//! Warnings and errors that repeat: those of one place of the program are limited, so that clients
//! that cause them do not fill the log. What was asked for (info and below) is not.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tracing::callsite::Identifier;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer};

use crate::printing::say;

/// Lines of one place in a window.
const MOST: u32 = 20;
const WINDOW: Duration = Duration::from_secs(1);

/// The layer that leaves repeats out. There are as many places as the program has, no more.
#[derive(Default)]
pub(super) struct Repeats(Mutex<HashMap<Identifier, Place>>);

/// The lines of one place.
#[derive(Default)]
struct Place {
    /// When the window began.
    since: Option<Instant>,
    lines: u32,
    left_out: u64,
}

/// What becomes of a line.
#[derive(Debug, PartialEq, Eq)]
enum Fate {
    /// It is logged, after so many that were not.
    Logged(u64),
    LeftOut,
}

impl Place {
    fn line(&mut self, now: Instant) -> Fate {
        if self.since.is_none_or(|since| now.duration_since(since) >= WINDOW) {
            (self.since, self.lines) = (Some(now), 0);
        }
        if self.lines == MOST {
            self.left_out += 1;
            return Fate::LeftOut;
        }
        self.lines += 1;
        Fate::Logged(std::mem::take(&mut self.left_out))
    }
}

impl Repeats {
    fn places(&self) -> MutexGuard<'_, HashMap<Identifier, Place>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: Subscriber> Layer<S> for Repeats {
    fn event_enabled(&self, event: &Event<'_>, _: Context<'_, S>) -> bool {
        let place = event.metadata();
        if *place.level() > Level::WARN {
            return true;
        }
        let fate = self.places().entry(place.callsite()).or_default().line(Instant::now());
        match fate {
            Fate::LeftOut => return false,
            Fate::Logged(0) => {}
            Fate::Logged(count) => say(format_args!(
                "{count} lines of {} like the next one were left out: more than {MOST} in {WINDOW:?}",
                place.target()
            )),
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    #[test]
    fn a_place_may_log_so_much_in_a_window_and_the_rest_is_counted() {
        let (mut place, start) = (Place::default(), Instant::now());
        for _ in 0..MOST {
            assert_eq!(place.line(start), Fate::Logged(0));
        }
        for _ in 0..7 {
            assert_eq!(place.line(start + WINDOW / 2), Fate::LeftOut);
        }
        assert_eq!(place.line(start + WINDOW), Fate::Logged(7));
        assert_eq!(place.line(start + WINDOW), Fate::Logged(0));
    }

    /// Counts the lines that reach it.
    struct Lines(Arc<AtomicUsize>);

    impl<S: Subscriber> Layer<S> for Lines {
        fn on_event(&self, _: &Event<'_>, _: Context<'_, S>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn warnings_of_one_place_are_limited_and_others_are_not() {
        let count = Arc::new(AtomicUsize::new(0));
        let lines = Lines(Arc::clone(&count));
        let began = Instant::now();
        tracing::subscriber::with_default(tracing_subscriber::registry().with(Repeats::default()).with(lines), || {
            for _ in 0..1_000 {
                tracing::warn!("the same again");
            }
            tracing::warn!("another place");
            (0..1_000).for_each(|_| tracing::info!("asked for"));
        });
        let windows = began.elapsed().as_secs() as usize + 1;
        let logged = count.load(Ordering::Relaxed);
        let most = MOST as usize;
        assert!((1_001 + most..=1_001 + most * (windows + 1)).contains(&logged), "{logged} in {windows} windows");
    }
}
