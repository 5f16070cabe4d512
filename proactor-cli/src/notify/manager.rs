//! The service manager, and what it is told.

use std::ffi::OsString;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use super::socket::NotifySocket;

/// The service manager, if there is one that listens. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Notify(pub(super) Option<Arc<Manager>>);

pub(super) struct Manager {
    socket: NotifySocket,
    /// The time in which it must hear that the server is well.
    watchdog: Option<Duration>,
    /// Another process is the service now.
    is_handed_over: AtomicBool,
    has_failed: AtomicBool,
}

impl Notify {
    pub(crate) fn of_environment() -> Notify {
        Notify::of(|name| std::env::var_os(name))
    }

    fn of(read: impl Fn(&str) -> Option<OsString>) -> Notify {
        let Some(place) = read("NOTIFY_SOCKET").filter(|place| !place.is_empty()) else { return Notify(None) };
        match NotifySocket::new(&place) {
            Ok(socket) => Notify(Some(Arc::new(Manager {
                socket,
                watchdog: watchdog(read),
                is_handed_over: AtomicBool::new(false),
                has_failed: AtomicBool::new(false),
            }))),
            Err(error) => {
                let place = place.to_string_lossy();
                tracing::warn!("the service manager is told nothing: NOTIFY_SOCKET={place}: {error}");
                Notify(None)
            }
        }
    }

    /// The server reads what can change again; [`reloaded`](Notify::reloaded) must follow.
    pub(crate) fn reloading(&self) {
        let Ok(now) = Duration::try_from(clock_gettime(ClockId::Monotonic)) else { return };
        self.tell(&format!("RELOADING=1\nMONOTONIC_USEC={}\nSTATUS=reloading", now.as_micros()));
    }

    pub(crate) fn reloaded(&self, status: &str) {
        self.tell(&format!("READY=1\nSTATUS={status}"));
    }

    /// Another process is the service from now on, and tells how it is: this one is silent. In one
    /// message with it, the watchdog begins anew, so that the other has the whole of its time.
    pub(crate) fn hand_over(&self, to: u32) {
        self.tell(&format!("MAINPID={to}\nREADY=1\nWATCHDOG=1"));
        if let Some(manager) = &self.0 {
            manager.is_handed_over.store(true, Ordering::Release);
        }
    }

    /// Variables that a process which is to become the service must not have: the watchdog would be
    /// that of this process alone.
    pub(crate) const NOT_HANDED_OVER: &str = "WATCHDOG_PID";

    pub(super) fn tell(&self, message: &str) {
        let Some(manager) = self.0.as_ref().filter(|manager| !manager.is_handed_over.load(Ordering::Acquire)) else {
            return;
        };
        if let Err(error) = manager.socket.send(message)
            && !manager.has_failed.swap(true, Ordering::Relaxed)
        {
            tracing::warn!("the service manager could not be told {message:?}, and perhaps more: {error}");
        }
    }

    /// The time in which it must hear that the server is well.
    pub(super) fn watchdog(&self) -> Option<Duration> {
        self.0.as_ref()?.watchdog
    }
}

/// The time of the watchdog, if it is for this process.
fn watchdog(read: impl Fn(&str) -> Option<OsString>) -> Option<Duration> {
    let number = |name| match read(name)?.to_str().map(str::parse::<u64>) {
        Some(Ok(number)) => Some(number),
        _ => {
            tracing::warn!("there is no watchdog: {name} is not a number");
            Some(0)
        }
    };
    let time = number("WATCHDOG_USEC").filter(|micros| *micros > 0).map(Duration::from_micros);
    time.filter(|_| number("WATCHDOG_PID").is_none_or(|pid| pid == u64::from(std::process::id())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_watchdog_is_for_this_process_or_there_is_none() {
        let own = std::process::id().to_string();
        let second = Some(Duration::from_secs(1));
        for (time, pid, expected) in [
            (None, None, None),
            (Some("1000000"), None, second),
            (Some("1000000"), Some(own.as_str()), second),
            (Some("1000000"), Some("1"), None),
            (Some("1000000"), Some("x"), None),
            (Some("0"), None, None),
            (Some("-5"), None, None),
            (Some("99999999999999999999"), None, None),
            (Some(""), None, None),
            (None, Some(own.as_str()), None),
        ] {
            let read = |name: &str| {
                let value = if name == "WATCHDOG_USEC" { time } else { pid };
                value.map(OsString::from)
            };
            assert_eq!(watchdog(read), expected, "{time:?} {pid:?}");
        }
    }

    #[test]
    fn nobody_is_told_where_there_is_no_socket_or_a_wrong_one() {
        for place in [None, Some(""), Some("relative"), Some("vsock:2:1234"), Some("@")] {
            let notify = Notify::of(|name| place.filter(|_| name == "NOTIFY_SOCKET").map(OsString::from));
            assert!(notify.0.is_none(), "{place:?}");
            notify.reloading();
        }
    }
}
