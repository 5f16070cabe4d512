//! Finds the upstream of a proxy's client by the name that the client asks for: in its hello, which
//! is passed on, or in TLS that the proxy has ended.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use clap::Args;
use proactor::tls::{ClientHello, HelloRead};
use proactor::{Session, SessionId, TlsFailure};

use crate::routing::{Route, Routes, Unrouted};
use crate::tls::TLS;
use crate::values;

/// The timer for a client's hello.
const HELLO: u64 = 1;

#[derive(Args)]
pub(crate) struct RouteOptions {
    /// Upstream of the TLS clients that ask for this name (SNI), as chat.example.org=127.0.0.1:8443
    /// or *.example.org=127.0.0.1:8443, where the star is one label. Repeat the option for more
    /// names; others go to --upstream. Without --tls-cert, TLS is not ended here: what clients send
    /// is passed on as it is.
    #[arg(long = "route", value_name = "NAME=ADDR", help_heading = TLS)]
    pub(crate) routes: Vec<Route>,
    /// How long a client may take to say which name it asks for.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = values::time, requires = "routes", help_heading = TLS)]
    pub(crate) hello_timeout: Duration,
}

/// Why a client was refused. Ordered as in the summary.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Refused {
    Unrouted(Unrouted),
    /// Its hello did not come in time.
    TimedOut,
    /// It left before its hello was whole.
    Left,
    /// What it sent is no hello.
    BadHello(TlsFailure),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refused::Unrouted(why) => why.fmt(f),
            Refused::TimedOut => f.write_str("no whole hello in time"),
            Refused::Left => f.write_str("the client left before its hello was whole"),
            Refused::BadHello(why) => why.fmt(f),
        }
    }
}

/// Where a client goes.
pub(crate) enum Choice {
    Upstream(usize),
    /// To be seen by its hello.
    Later,
    /// It is told and closed.
    Refused,
}

#[derive(Clone)]
pub(crate) struct ByName {
    routes: Arc<Routes>,
    timeout: Duration,
    /// Clients of this shard until they are passed on: nothing yet, or their hello. At most
    /// [`ClientHello::MOST_BYTES`] of each.
    hellos: HashMap<SessionId, Vec<u8>>,
    refused: Arc<Mutex<BTreeMap<Refused, u64>>>,
}

impl ByName {
    pub(crate) fn new(routes: Routes, timeout: Duration) -> ByName {
        ByName { routes: Arc::new(routes), timeout, hellos: HashMap::new(), refused: Arc::default() }
    }

    pub(crate) fn connected(&mut self, client: &Session) -> Choice {
        if self.routes.is_empty() {
            return Choice::Upstream(0);
        }
        // Other clients speak TLS to the upstream, not to the proxy.
        if let Some(tls) = client.tls() {
            let chosen = self.routes.choose(tls.server_name());
            return chosen.map_or_else(|why| self.refuse(client, Refused::Unrouted(why), &[]), Choice::Upstream);
        }
        self.hellos.insert(client.id(), Vec::new());
        match client.after(self.timeout, HELLO) {
            Ok(()) => Choice::Later,
            Err(_) => self.refuse(client, Refused::TimedOut, &[]),
        }
    }

    /// A client's hello has come, or what can be none.
    pub(crate) fn received(&mut self, client: &Session, hello: &[u8]) -> Choice {
        client.cancel_timer(HELLO);
        let read = match ClientHello::read(hello) {
            Ok(HelloRead::Whole(read)) => read,
            // The codec waits for a whole one.
            Ok(HelloRead::Needs(_)) => return self.refuse(client, Refused::BadHello(TlsFailure::Protocol), &[]),
            Err(error) => return self.refuse(client, Refused::BadHello(error.failure()), error.alert()),
        };
        match self.routes.choose(read.server_name()) {
            Ok(upstream) => {
                self.hellos.insert(client.id(), hello.to_vec());
                Choice::Upstream(upstream)
            }
            Err(why @ Unrouted::NoRoute) => {
                self.refuse(client, Refused::Unrouted(why), &ClientHello::UNRECOGNIZED_NAME)
            }
            Err(why @ Unrouted::NoName) => self.refuse(client, Refused::Unrouted(why), &ClientHello::NO_NAME),
        }
    }

    /// A client has had its time.
    pub(crate) fn timer(&mut self, client: &Session) {
        self.refuse(client, Refused::TimedOut, &[]);
    }

    /// What the upstream of a client is sent before what that sends from now on.
    pub(crate) fn take_hello(&mut self, client: SessionId) -> Vec<u8> {
        self.hellos.remove(&client).unwrap_or_default()
    }

    pub(crate) fn closed(&mut self, client: SessionId) {
        if self.hellos.remove(&client).is_some_and(|hello| hello.is_empty()) {
            self.count(Refused::Left);
        }
    }

    fn refuse(&mut self, client: &Session, why: Refused, alert: &[u8]) -> Choice {
        self.hellos.remove(&client.id());
        self.count(why);
        if alert.is_empty() || client.send(alert).is_err() {
            client.abort();
        } else {
            client.close();
        }
        Choice::Refused
    }

    fn count(&self, why: Refused) {
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner).entry(why).or_default() += 1;
    }

    /// For the summary: how many clients had no upstream, and why.
    pub(crate) fn summary(&self) -> String {
        let refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        let reasons: Vec<String> = refused.iter().map(|(why, count)| format!("{count}: {why}")).collect();
        if reasons.is_empty() { String::new() } else { format!(", not routed ({})", reasons.join("; ")) }
    }
}
