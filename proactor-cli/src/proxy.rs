//! `proactor proxy`: forwards bytes both ways between each client and its own upstream connection.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use clap::Args;
use proactor::{
    CloseReason, ConnectError, Flow, Handle, Handler, NoMessage, Origin, ProxyHeader, ProxyVersion, Session, SessionId,
    ShardHandle, Stats, Target,
};

use crate::backend;
#[cfg(feature = "tls")]
use crate::by_name::{ByName, Choice, RouteOptions};
#[cfg(feature = "tls")]
use crate::life::WrongOptions;
use crate::listeners::Listeners;
use crate::proxied::{self, Sent};
#[cfg(feature = "tls")]
use crate::routing::Routes;
use crate::serving::{Serving, life};
use crate::summary;
#[cfg(feature = "tls")]
use crate::tls::{AfterHeader, UpstreamTls};
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
                            proxy --upstream example.org:443 --upstream-tls\n  proactor proxy --listen :443 --route chat.example.org=127.0.0.1:8443 \
                            --route '*.example.org=10.0.0.2:443'";
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
    #[cfg_attr(feature = "tls", arg(long, value_name = "HOST:PORT", required_unless_present = "routes"))]
    #[cfg_attr(not(feature = "tls"), arg(long, value_name = "HOST:PORT", required = true))]
    upstream: Option<Target>,
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
    #[cfg(feature = "tls")]
    #[command(flatten)]
    routes: RouteOptions,
}

#[derive(Clone)]
struct Passing {
    /// The first is that of `--upstream`, if there is one.
    upstreams: Arc<[Upstream]>,
    #[cfg(feature = "tls")]
    by_name: ByName,
    /// Which PROXY protocol header the upstream is sent.
    send_proxy: Option<ProxyVersion>,
    handle: Option<Handle>,
    ended: Arc<Mutex<Ended>>,
}

struct Upstream {
    target: Target,
    /// The last attempt failed. Logged once, not for every client.
    is_down: AtomicBool,
    /// TLS begins when the PROXY protocol header is sent.
    #[cfg(feature = "tls")]
    tls_after_header: Option<AfterHeader>,
}

/// Why the ends of pairs closed, each side by itself.
#[derive(Default)]
struct Ended {
    clients: BTreeMap<CloseReason, u64>,
    upstreams: BTreeMap<CloseReason, u64>,
}

enum Side {
    Client,
    /// With the client whose pair it becomes when TLS is there, if that is still to come.
    Upstream(Option<SessionId>),
}

impl Handler for Passing {
    type State = Side;
    type Message = NoMessage;

    fn started(&mut self, _: &ShardHandle, handle: &Handle) {
        self.handle = Some(handle.clone());
    }

    fn connected(&mut self, session: &Session) -> Side {
        match session.origin() {
            Origin::Connected { opener: Some(client), token } => {
                if let Some(upstream) = self.upstream(token)
                    && upstream.is_down.swap(false, Ordering::Relaxed)
                {
                    tracing::warn!("{} can be reached again", upstream.target);
                }
                #[cfg(feature = "tls")]
                if let Some(tls) = self.upstream(token).and_then(|upstream| upstream.tls_after_header.as_ref()) {
                    // The header is plain, and TLS begins behind it.
                    let is_told = session.sibling(client).is_some_and(|client| self.tell(&client, session));
                    if !is_told || session.start_tls_to(&tls.client, &tls.name).is_err() {
                        session.abort();
                    }
                    return Side::Upstream(Some(client));
                }
                match session.sibling(client) {
                    Some(client) if self.tell(&client, session) => self.join(&client, session),
                    _ => session.abort(),
                }
                Side::Upstream(None)
            }
            _ => {
                #[cfg(feature = "tls")]
                let choice = self.by_name.connected(session);
                #[cfg(feature = "tls")]
                self.follow(session, &choice);
                #[cfg(not(feature = "tls"))]
                self.connect(session, 0);
                Side::Client
            }
        }
    }

    /// A client's hello, if clients are routed by that. Otherwise a client is paused until it is
    /// paired, and a pair forwards without the handler.
    fn received(&mut self, session: &Session, side: &mut Side, packet: &[u8]) -> Flow {
        #[cfg(feature = "tls")]
        if let Side::Client = side {
            let choice = self.by_name.received(session, packet);
            self.follow(session, &choice);
            return Flow::Continue;
        }
        let _ = (session, side, packet);
        Flow::Close
    }

    #[cfg(feature = "tls")]
    fn secured(&mut self, session: &Session, side: &mut Side) {
        let Side::Upstream(waiting) = side else { return };
        match waiting.take().and_then(|client| session.sibling(client)) {
            Some(client) => self.join(&client, session),
            None => session.abort(),
        }
    }

    #[cfg(feature = "tls")]
    fn timer(&mut self, session: &Session, _: &mut Side, _: u64) {
        self.by_name.timer(session);
    }

    fn connect_failed(&mut self, client: Option<&Session>, token: u64, error: &ConnectError) {
        // Without a client, the attempt was given up because the client left.
        let Some(client) = client else { return };
        if self.upstream(token).is_some_and(|upstream| !upstream.is_down.swap(true, Ordering::Relaxed)) {
            tracing::warn!("{error}; clients are reset until it can be reached again");
        }
        client.abort();
    }

    fn closed(&mut self, id: SessionId, side: Side, reason: &CloseReason) {
        #[cfg(feature = "tls")]
        self.by_name.closed(id);
        let _ = id;
        // Its upstream has ended before it was there.
        if let (Side::Upstream(Some(client)), Some(handle)) = (&side, &self.handle) {
            let _ = handle.abort(*client);
        }
        let mut ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        let counts = match side {
            Side::Client => &mut ended.clients,
            Side::Upstream(_) => &mut ended.upstreams,
        };
        *counts.entry(*reason).or_default() += 1;
    }
}

impl Passing {
    fn upstream(&self, token: u64) -> Option<&Upstream> {
        self.upstreams.get(usize::try_from(token).ok()?)
    }

    #[cfg(feature = "tls")]
    fn follow(&mut self, client: &Session, choice: &Choice) {
        if let Choice::Upstream(upstream) = *choice {
            self.connect(client, upstream);
        }
    }

    /// Connects a client's upstream. The client is not read from meanwhile.
    fn connect(&mut self, client: &Session, upstream: usize) {
        client.pause();
        let target = self.upstreams[upstream].target.clone();
        if let Err(error) = client.connect(target, upstream as u64) {
            self.connect_failed(Some(client), upstream as u64, &error);
        }
    }

    /// Tells the upstream whose connection it is, if it is to be told.
    fn tell(&self, client: &Session, upstream: &Session) -> bool {
        self.send_proxy.is_none_or(|version| upstream.send(&header(version, client).to_bytes()).is_ok())
    }

    /// Makes a pair of both, behind what was read of the client.
    fn join(&mut self, client: &Session, upstream: &Session) {
        #[cfg(feature = "tls")]
        let hello = self.by_name.take_hello(client.id());
        #[cfg(not(feature = "tls"))]
        let hello = Vec::new();
        let is_passed_on = hello.is_empty() || upstream.send(&hello).is_ok();
        match is_passed_on && client.pair(upstream).is_ok() {
            true => client.resume(),
            false => upstream.abort(),
        }
    }
}

/// Who a client is, and where it connected to.
fn header(version: ProxyVersion, client: &Session) -> ProxyHeader {
    let front = client.proxy_header().and_then(|header| header.destination());
    let front = front.or_else(|| client.local_addr()?.ip());
    match (client.peer_addr().ip(), front) {
        (Some(source), Some(front)) => named(ProxyHeader::new(version, source, front), client),
        // A Unix socket has no address that a header could say.
        _ => ProxyHeader::local(version),
    }
}

/// Says which name the client has asked for if TLS ends here: the upstream cannot see it.
#[cfg(feature = "tls")]
fn named(header: ProxyHeader, client: &Session) -> ProxyHeader {
    let tls = client.tls();
    match tls.as_ref().and_then(|tls| tls.server_name()) {
        Some(name) => header.with_field(proactor::tlv_kind::AUTHORITY, name.as_bytes()),
        None => header,
    }
}

#[cfg(not(feature = "tls"))]
fn named(header: ProxyHeader, _: &Session) -> ProxyHeader {
    header
}

/// How many clients and upstream connections there were, and why they ended.
fn sides(stats: &Stats, ended: &Mutex<Ended>) -> String {
    let ended = ended.lock().unwrap_or_else(PoisonError::into_inner);
    let reasons =
        |counts: &BTreeMap<CloseReason, u64>| summary::reasons(counts.iter().map(|(reason, count)| (*reason, *count)));
    format!(
        "{}{}, {}{}, {} not made",
        summary::counted(stats.accepted, "client"),
        reasons(&ended.clients),
        summary::counted(stats.connected, "upstream connection"),
        reasons(&ended.upstreams),
        stats.connects_failed
    )
}

impl Proxy {
    pub(crate) fn run(mut self, listeners: Listeners) -> Result<(), Box<dyn Error>> {
        self.serving.listen_also(listeners);
        #[cfg(feature = "tls")]
        let by_name = self.by_name()?;
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
        let more = self.shown();
        #[cfg_attr(not(feature = "tls"), allow(unused_mut))]
        let mut targets: Vec<Target> = self.upstream.into_iter().collect();
        #[cfg(feature = "tls")]
        let client = {
            targets.extend(self.routes.routes.iter().map(|route| route.target.clone()));
            let client = self.tls.load()?;
            if self.send_proxy.is_none() {
                targets = self.tls.over(targets, client.as_ref());
            }
            self.serving.reload_also(client.clone());
            client
        };
        let upstream = |target: Target| {
            Ok(Upstream {
                #[cfg(feature = "tls")]
                tls_after_header: match &client {
                    Some(client) if self.send_proxy.is_some() => Some(self.tls.after_header(&target, client)?),
                    _ => None,
                },
                target,
                is_down: AtomicBool::new(false),
            })
        };
        let upstreams = targets.into_iter().map(upstream).collect::<Result<_, String>>()?;
        let ended = Arc::default();
        let send_proxy = self.send_proxy.map(ProxyVersion::from);
        #[cfg(feature = "tls")]
        let counted = by_name.clone();
        let passing = Passing {
            upstreams,
            #[cfg(feature = "tls")]
            by_name,
            send_proxy,
            handle: None,
            ended: Arc::clone(&ended),
        };
        self.serving.run("proxy", &more, &room, (builder, passing), |stats| {
            #[cfg(not(feature = "tls"))]
            return sides(stats, &ended);
            #[cfg(feature = "tls")]
            return sides(stats, &ended) + &counted.summary();
        })
    }

    /// Where clients go, for the start-up line.
    fn shown(&self) -> String {
        let to = self.upstream.as_ref().map_or(String::new(), |upstream| format!(" to {upstream}"));
        #[cfg(feature = "tls")]
        match self.routes.routes.len() {
            0 => {}
            names if to.is_empty() => return format!(" to {names} by name"),
            names => return format!("{to}, and {names} by name"),
        }
        to
    }

    /// How clients are routed. Those whose TLS is not ended here are read from up to their hello.
    #[cfg(feature = "tls")]
    fn by_name(&mut self) -> Result<ByName, Box<dyn Error>> {
        let RouteOptions { routes, hello_timeout } = &self.routes;
        if !routes.is_empty() {
            if self.tls.is_on() && self.serving.has_plain_listener() {
                return Err(WrongOptions("--route and --upstream-tls: what clients send is TLS already, and is passed on as it is; leave out --upstream-tls, or end their TLS here: --tls-cert".into()).into());
            }
            self.serving.read_hellos();
        }
        Ok(ByName::new(Routes::new(routes, self.upstream.is_some())?, *hello_timeout))
    }
}
