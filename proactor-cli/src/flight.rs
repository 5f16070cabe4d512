//! The flight recorder of a command that serves: how much it keeps, and what SIGQUIT prints.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use clap::Args;
use proactor::{Builder, Handle, ServerError, Signals};

use crate::printing::say;

/// Heading of the options in `--help`.
pub(crate) const OPERATING: &str = "Operating it (see docs/operations.md)";

/// Events of each sort that a shard of an operated server keeps: 80 KiB.
const USUAL_EVENTS: usize = 1024;
const MOST_EVENTS: usize = 65_536;
/// Lines that SIGQUIT prints at most.
const MOST_LINES: usize = 1_000;

#[derive(Args)]
pub(crate) struct FlightOptions {
    /// Keep the last events of each shard in memory, N of each of two sorts: what happens once to a
    /// session (it began, closed, ended, and why), with refusals and turns of 10 ms or longer; and
    /// what repeats (holds, drops). `proactor admin flight` shows them, and on Unix the server
    /// prints the last 1000 on SIGQUIT, and goes on. If its logic panics, the last of the session
    /// are in the log. Each N takes 80 bytes a shard [default: 1024 with --admin, otherwise 0,
    /// none]
    #[arg(id = "flight_recorder", long = "flight-recorder", value_name = "N", value_parser = events, help_heading = OPERATING)]
    events: Option<usize>,
}

/// Events of a recorder.
fn events(text: &str) -> Result<usize, String> {
    let events = text.parse().ok().filter(|events| *events <= MOST_EVENTS);
    events.ok_or_else(|| format!("write a number from 0 (no recorder) to {MOST_EVENTS}: {USUAL_EVENTS}"))
}

impl FlightOptions {
    /// Has the server record. `is_operated` says whether it has an admin listener.
    pub(crate) fn set(&self, builder: Builder, is_operated: bool) -> Builder {
        builder.flight_recorder(self.kept(is_operated))
    }

    fn kept(&self, is_operated: bool) -> usize {
        let usual = if is_operated { USUAL_EVENTS } else { 0 };
        self.events.unwrap_or(usual)
    }

    /// Has SIGQUIT print the last events of a server that is to be, if it records. If not, the
    /// signal does what it does by default.
    pub(crate) fn print_on_quit(&self, signals: Signals, is_operated: bool) -> Result<(Signals, OnQuit), ServerError> {
        let on_quit = OnQuit::default();
        if self.kept(is_operated) == 0 {
            return Ok((signals, on_quit));
        }
        let printing = on_quit.clone();
        Ok((signals.on_quit(move || printing.begin())?, on_quit))
    }
}

/// What SIGQUIT does.
#[derive(Clone, Default)]
pub(crate) struct OnQuit(Arc<Printing>);

#[derive(Default)]
struct Printing {
    handle: OnceLock<Handle>,
    is_under_way: AtomicBool,
}

/// Printing is over when it is dropped.
struct UnderWay(Arc<Printing>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.is_under_way.store(false, Ordering::SeqCst);
    }
}

impl OnQuit {
    /// The server runs now.
    pub(crate) fn serve(&self, handle: &Handle) {
        let _ = self.0.handle.set(handle.clone());
    }

    /// Prints on a thread of its own, for nobody may read what is printed, and the thread that
    /// watches signals is needed for the next.
    fn begin(&self) {
        let Some(handle) = self.0.handle.get().cloned() else { return };
        if self.0.is_under_way.swap(true, Ordering::SeqCst) {
            return;
        }
        let under_way = UnderWay(Arc::clone(&self.0));
        let printing = std::thread::Builder::new().name("flight".into()).spawn(move || {
            let _under_way = under_way;
            print(&handle);
        });
        if let Err(error) = printing {
            tracing::warn!("SIGQUIT: the last events are not printed: could not start a thread: {error}");
        }
    }
}

fn print(handle: &Handle) {
    let events = handle.flight_events().unwrap_or_default();
    let last = &events[events.len().saturating_sub(MOST_LINES)..];
    say(format_args!(
        "SIGQUIT: the last {} of {} events, in seconds since the start; the server goes on",
        last.len(),
        events.len()
    ));
    for event in last {
        say(format_args!("{event}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_events_have_a_limit() {
        assert_eq!((events("0"), events("65536")), (Ok(0), Ok(65_536)));
        for wrong in ["65537", "-1", "", "many", "1e3"] {
            assert!(events(wrong).unwrap_err().contains("to 65536"), "{wrong:?}");
        }
    }
}
