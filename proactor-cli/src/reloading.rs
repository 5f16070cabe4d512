//! What is read again while a server runs: on SIGHUP, and when the admin listener is asked to.

use proactor::Signals;
#[cfg(feature = "tls")]
use proactor::tls::{Tls, TlsClient};

use crate::notify::Notify;
use crate::printing::say;

/// The certificates that a server uses.
#[derive(Clone, Default)]
pub(crate) struct Reloading {
    /// Who is told of it.
    pub(crate) notify: Notify,
    /// What it shows to those who connect to it.
    #[cfg(feature = "tls")]
    pub(crate) own: Vec<Tls>,
    /// What it trusts and shows where it connects.
    #[cfg(feature = "tls")]
    pub(crate) upstream: Option<TlsClient>,
}

impl Reloading {
    pub(crate) fn is_empty(&self) -> bool {
        #[cfg(feature = "tls")]
        return self.own.is_empty() && self.upstream.is_none();
        #[cfg(not(feature = "tls"))]
        true
    }

    /// Reads all of them again, each by itself: what one cannot read does not keep the other from
    /// it. Returns what went wrong; then the old ones stay in use.
    pub(crate) fn reload(&self) -> Vec<String> {
        self.notify.reloading();
        let errors = self.read_again();
        self.notify.reloaded(if errors.is_empty() { "reloaded" } else { "not all could be reloaded: see the log" });
        errors
    }

    fn read_again(&self) -> Vec<String> {
        #[cfg(feature = "tls")]
        {
            let read = self.own.iter().map(Tls::reload).chain(self.upstream.iter().map(TlsClient::reload));
            read.filter_map(Result::err).map(|error| error.to_string()).collect()
        }
        #[cfg(not(feature = "tls"))]
        Vec::new()
    }

    /// Has them read again on SIGHUP, if there are any.
    pub(crate) fn on_hang_up(self, signals: Signals) -> Signals {
        if self.is_empty() {
            return signals;
        }
        signals.on_hang_up(move || {
            let errors = self.reload();
            if errors.is_empty() {
                say(format_args!("SIGHUP: the certificates were read again; new sessions use them"));
            }
            for error in errors {
                say(format_args!("SIGHUP: the old certificates stay in use: {error}"));
            }
        })
    }
}
