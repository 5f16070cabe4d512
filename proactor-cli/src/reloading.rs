//! What is read again while a server runs, on SIGHUP and when the admin listener is asked to:
//! certificates, and what can change of a configuration file.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use proactor::Handle;
#[cfg(feature = "tls")]
use proactor::tls::{Tls, TlsClient};

use crate::config::{self, Again};
use crate::limits::{self, LimitOptions};
use crate::logging;
use crate::notify::Notify;
use crate::printing::say;
use crate::room::{Place, Room};

/// What a running server can read again, and who is told of it.
#[derive(Clone)]
pub(crate) struct Reloading {
    notify: Notify,
    certificates: Certificates,
    handle: Handle,
    place: Place,
    /// The limit of sessions that is in force.
    most_sessions: Arc<AtomicUsize>,
}

/// The certificates that a server uses.
#[derive(Clone, Default)]
pub(crate) struct Certificates {
    /// What it shows to those who connect to it.
    #[cfg(feature = "tls")]
    pub(crate) own: Vec<Tls>,
    /// What it trusts and shows where it connects.
    #[cfg(feature = "tls")]
    pub(crate) upstream: Option<TlsClient>,
}

/// What came of a reload.
#[derive(Default)]
pub(crate) struct Reloaded {
    /// Keys of the configuration that are in force now, with their values.
    pub(crate) settings: Vec<String>,
    pub(crate) has_certificates: bool,
    /// What has changed in the configuration and cannot change here.
    pub(crate) needs_restart: Vec<String>,
    /// What could not be read. What was in force before still is.
    pub(crate) errors: Vec<String>,
}

impl Certificates {
    fn is_empty(&self) -> bool {
        #[cfg(feature = "tls")]
        return self.own.is_empty() && self.upstream.is_none();
        #[cfg(not(feature = "tls"))]
        true
    }

    /// Reads all of them again, each by itself: what one cannot read does not keep the other from
    /// it. Returns what went wrong; then the old ones stay in use.
    fn reload(&self) -> Vec<String> {
        #[cfg(feature = "tls")]
        {
            let read = self.own.iter().map(Tls::reload).chain(self.upstream.iter().map(TlsClient::reload));
            let error = |error| format!("the old certificates stay in use: {error}");
            read.filter_map(Result::err).map(error).collect()
        }
        #[cfg(not(feature = "tls"))]
        Vec::new()
    }
}

impl Reloading {
    pub(crate) fn new(notify: &Notify, certificates: Certificates, handle: Handle, room: &Room) -> Reloading {
        let most_sessions = Arc::new(AtomicUsize::new(room.sessions));
        Reloading { notify: notify.clone(), certificates, handle, place: room.place, most_sessions }
    }

    /// Whether there is nothing to read again: no certificate, and no configuration file.
    pub(crate) fn is_empty(&self) -> bool {
        self.certificates.is_empty() && !config::can_be_read_again()
    }

    /// The limit of sessions that is in force.
    #[cfg_attr(not(feature = "admin"), expect(dead_code, reason = "nobody asks for it"))]
    pub(crate) fn most_sessions(&self) -> usize {
        self.most_sessions.load(Ordering::Relaxed)
    }

    /// Reads everything again.
    pub(crate) fn reload(&self) -> Reloaded {
        self.notify.reloading();
        let mut reloaded = Reloaded::default();
        if !self.certificates.is_empty() {
            reloaded.errors = self.certificates.reload();
            reloaded.has_certificates = reloaded.errors.is_empty();
        }
        match config::read_again() {
            Ok(None) => {}
            Ok(Some(again)) => self.take(&again, &mut reloaded),
            Err(refused) => reloaded.errors.push(format!("the configuration stays as it was: {refused}")),
        }
        let whole = reloaded.errors.is_empty() && reloaded.needs_restart.is_empty();
        self.notify.reloaded(if whole { "reloaded" } else { "not everything was reloaded: see the log" });
        reloaded
    }

    /// Takes over what can change.
    fn take(&self, again: &Again, reloaded: &mut Reloaded) {
        let changed = |keys: &[&'static str]| -> Vec<&'static str> {
            keys.iter().copied().filter(|key| again.changed.contains(*key)).collect()
        };
        let mut take = |keys: &[&'static str], change: &dyn Fn() -> Result<(), String>| {
            let keys = changed(keys);
            if keys.is_empty() {
                return;
            }
            match change() {
                Ok(()) => {
                    again.is_in_force(&keys);
                    reloaded.settings.extend(keys.iter().map(|key| again.shown(key)));
                }
                Err(why) => reloaded.errors.push(format!("{} as it was: {why}", stays(&keys))),
            }
        };
        take(&limits::KEYS, &|| self.take_limits(again));
        take(&[logging::KEY], &|| logging::set_level(logging::level_among(&again.matches)));
        let can_change = |key: &String| limits::KEYS.contains(&key.as_str()) || key == logging::KEY;
        reloaded.needs_restart = again.changed.iter().filter(|key| !can_change(key)).cloned().collect();
    }

    fn take_limits(&self, again: &Again) -> Result<(), String> {
        let (options, packet_rate) = LimitOptions::read(&again.matches)?;
        let sessions = self.place.room(options.max_sessions)?.sessions;
        let limits = options.limits(sessions);
        let limits = packet_rate.into_iter().fold(limits, proactor::Limits::packet_rate);
        self.handle.set_limits(&limits).map_err(|error| error.to_string())?;
        self.most_sessions.store(sessions, Ordering::Relaxed);
        Ok(())
    }

    /// What SIGHUP does.
    pub(crate) fn hang_up(&self) {
        if self.is_empty() {
            return tracing::warn!("SIGHUP: there is nothing to reload; the server goes on");
        }
        let reloaded = self.reload();
        for line in reloaded.lines() {
            say(format_args!("SIGHUP: {line}"));
        }
    }
}

fn stays(keys: &[&str]) -> String {
    format!("{} {}", keys.join(", "), if keys.len() == 1 { "stays" } else { "stay" })
}

impl Reloaded {
    /// For the log: one at least.
    pub(crate) fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if self.has_certificates {
            lines.push("the certificates were read again; new sessions use them".to_owned());
        }
        lines.extend(self.settings.iter().map(|setting| format!("in force now: {setting}")));
        if !self.needs_restart.is_empty() {
            lines.push(format!("has changed, and needs a restart: {}", self.needs_restart.join(", ")));
        }
        lines.extend(self.errors.iter().cloned());
        if lines.is_empty() {
            lines.push("the configuration has not changed".to_owned());
        }
        lines
    }
}
