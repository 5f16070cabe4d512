//! `proactor proxy`: forwards bytes both ways between each client and its own upstream connection.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use clap::Args;
use proactor::{
    CloseReason, ConnectError, Flow, Handler, NoMessage, Origin, ProxyHeader, ProxyVersion, Session, SessionId, Stats,
    Target,
};

use crate::backend;
use crate::proxied::{self, Sent};
use crate::serving::{self, Serving, life};
#[cfg(feature = "tls")]
use crate::tls::UpstreamTls;
use crate::values;

const LONG_ABOUT: &str = concat!(
    "Connects each client to an upstream and forwards bytes both ways.\n\nThe proxy reads from a client once its upstream is connected. While \
     one side does not take what is sent to it, the proxy does not read from the other side. When one side ends its stream, the proxy ends \
     the stream to the other side and keeps forwarding the opposite direction. When one side resets its connection, the other is reset. A \
     client whose upstream cannot be reached is reset. --byte-rate limits each direction. --idle-timeout and --write-timeout watch both \
     sides; --receive-timeout ends both when neither sends anything. When one of them ends a connection, the connection to the other \
     side ends too. The options of TCP are those of both sides.\n\n",
    life!("proxy")
);

const EXAMPLES: &str = "Examples:\n  proactor proxy --upstream 127.0.0.1:8080\n  proactor proxy --listen 0.0.0.0:80 --upstream \
                        backend.internal:8080 --connect-timeout 2s\n  proactor proxy --listen '[::]:5432' --upstream \
                        unix:/run/postgresql/.s.PGSQL.5432\n  proactor proxy --upstream 127.0.0.1:8080 --max-sessions-per-ip 100 --idle-timeout 5m";
#[cfg(feature = "tls")]
const TLS_EXAMPLES: &str = "\n  proactor proxy --listen :443 --tls-cert server.pem --tls-key server.key --upstream 127.0.0.1:8080\n  proactor \
                            proxy --upstream example.org:443 --upstream-tls";
#[cfg(not(feature = "tls"))]
const TLS_EXAMPLES: &str = "";

/// Helps of options that mean something else here than for other servers.
const MAX_SESSIONS: &str = "Maximum number of clients. The upstream connection of a client is not counted, but takes an open file too \
                            [default: half as many as the limit of open files allows, at most 100000]";
const OUTBOX_BYTES: &str = "Bytes that may be queued for one side: 64KiB to 1GiB. When half of that is queued, the proxy stops reading from \
                            the other side; it goes on at a quarter";

/// Connects each client to an upstream and forwards bytes both ways.
#[derive(Args)]
#[command(
    long_about = LONG_ABOUT,
    after_help = format!("{EXAMPLES}{TLS_EXAMPLES}\n\n{}", backend::ENVIRONMENT),
    mut_arg("max_sessions", |arg| arg.help(MAX_SESSIONS)),
    mut_arg("outbox_bytes", |arg| arg.help(OUTBOX_BYTES).help_heading("Buffers")),
)]
pub(crate) struct Proxy {
    /// Upstream to connect to: `backend.internal:8080`, `127.0.0.1:8080`, `[::1]:8080` or
    /// `unix:/run/backend.sock`. A name is looked up for every client, and the first of its
    /// addresses that answers is used.
    #[arg(long, value_name = "HOST:PORT")]
    upstream: Target,
    /// How long connecting to the upstream may take, including the lookup of its name.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = values::time)]
    connect_timeout: Duration,
    /// Send the upstream a PROXY protocol header of this version before the client's bytes: who the
    /// client is, and where it connected to.
    #[arg(long, value_name = "VERSION", value_enum, help_heading = proxied::HEADING)]
    send_proxy: Option<Sent>,
    #[command(flatten)]
    serving: Serving,
    #[cfg(feature = "tls")]
    #[command(flatten)]
    tls: UpstreamTls,
}

#[derive(Clone)]
struct Passing {
    upstream: Target,
    /// Which PROXY protocol header the upstream is sent.
    send_proxy: Option<ProxyVersion>,
    /// The last attempt failed. Logged once, not for every client.
    is_down: Arc<AtomicBool>,
    ended: Arc<Mutex<Ended>>,
}

/// Why the ends of pairs closed, each side by itself.
#[derive(Default)]
struct Ended {
    clients: BTreeMap<CloseReason, u64>,
    upstreams: BTreeMap<CloseReason, u64>,
}

enum Side {
    Client,
    Upstream,
}

impl Handler for Passing {
    type State = Side;
    type Message = NoMessage;

    fn connected(&mut self, session: &Session) -> Side {
        match session.origin() {
            Origin::Connected { opener: Some(client), .. } => {
                if self.is_down.swap(false, Ordering::Relaxed) {
                    tracing::warn!("{} can be reached again", self.upstream);
                }
                match session.sibling(client) {
                    Some(client) if self.introduce(&client, session) && client.pair(session).is_ok() => client.resume(),
                    _ => session.abort(),
                }
                Side::Upstream
            }
            _ => {
                session.pause();
                if let Err(error) = session.connect(self.upstream.clone(), 0) {
                    self.connect_failed(Some(session), 0, &error);
                }
                Side::Client
            }
        }
    }

    fn received(&mut self, _: &Session, _: &mut Side, _: &[u8]) -> Flow {
        // Never called: a client is paused until it is paired, and a pair forwards without the
        // handler.
        Flow::Close
    }

    fn connect_failed(&mut self, client: Option<&Session>, _: u64, error: &ConnectError) {
        // Without a client, the attempt was given up because the client left.
        let Some(client) = client else { return };
        if !self.is_down.swap(true, Ordering::Relaxed) {
            tracing::warn!("{error}; clients are reset until it can be reached again");
        }
        client.abort();
    }

    fn closed(&mut self, _: SessionId, side: Side, reason: &CloseReason) {
        let mut ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        let counts = match side {
            Side::Client => &mut ended.clients,
            Side::Upstream => &mut ended.upstreams,
        };
        *counts.entry(*reason).or_default() += 1;
    }
}

impl Passing {
    /// Tells the upstream whose connection it is, if it is to be told.
    fn introduce(&self, client: &Session, upstream: &Session) -> bool {
        let Some(version) = self.send_proxy else { return true };
        let front = client.proxy_header().and_then(|header| header.destination());
        let front = front.or_else(|| client.local_addr()?.ip());
        let header = match (client.peer_addr().ip(), front) {
            (Some(source), Some(front)) => ProxyHeader::new(version, source, front),
            // A Unix socket has no address that a header could say.
            _ => ProxyHeader::local(version),
        };
        upstream.send(&header.to_bytes()).is_ok()
    }
}

/// How many clients and upstream connections there were, and why they ended.
fn sides(stats: &Stats, ended: &Mutex<Ended>) -> String {
    let ended = ended.lock().unwrap_or_else(PoisonError::into_inner);
    let reasons =
        |counts: &BTreeMap<CloseReason, u64>| serving::reasons(counts.iter().map(|(reason, count)| (*reason, *count)));
    format!(
        "{}{}, {}{}, {} not made",
        serving::counted(stats.accepted, "client"),
        reasons(&ended.clients),
        serving::counted(stats.connected, "upstream connection"),
        reasons(&ended.upstreams),
        stats.connects_failed
    )
}

impl Proxy {
    pub(crate) fn run(mut self) -> Result<(), Box<dyn Error>> {
        // A client takes two descriptors: its own and its upstream's.
        let room = self.serving.room(2)?;
        let sessions = room.sessions;
        let outbound = self.serving.outbound().sessions(sessions).connect_timeout(self.connect_timeout);
        let builder = self
            .serving
            .builder()?
            .limits(self.serving.limits(sessions))
            .timeouts(self.serving.timeouts())
            .outbound(outbound);
        let more = format!(" to {}", self.upstream);
        #[cfg(feature = "tls")]
        let upstream = self.tls.of(self.upstream)?;
        #[cfg(feature = "tls")]
        if self.send_proxy.is_some() && self.tls.is_on() {
            return Err("--send-proxy and --upstream-tls: the header would be inside TLS, where no server looks for it; leave one of them out".into());
        }
        #[cfg(not(feature = "tls"))]
        let upstream = self.upstream;
        let ended = Arc::default();
        let send_proxy = self.send_proxy.map(ProxyVersion::from);
        let passing = Passing { upstream, send_proxy, is_down: Arc::default(), ended: Arc::clone(&ended) };
        self.serving.run("proxy", &more, &room, (builder, passing), |stats| sides(stats, &ended))
    }
}
