//! The admin listener of a server, `--admin`: metrics, health, the sessions, and what an operator
//! may ask of the server, over HTTP. It is a server of its own, with one shard: what its clients do
//! takes no time of the shards, but for what they answer in their turns.

mod access;
mod answer;
mod clock;
mod cluster;
mod flight;
mod groups;
mod history;
mod listing;
mod page;
mod parameters;
mod place;
mod routes;
mod status;
mod upgrading;

use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use hyper::service::service_fn;
use proactor::{
    Address, Backend, CloseReason, Flow, Handle, Handler, Limits, Listener, NoMessage, Server, Session, SessionId,
    ShardHandle, Timeouts, WebSocket,
};

use self::access::Access;
pub(crate) use self::access::read_token;
use self::place::Place;
pub(crate) use self::place::Subject;
use crate::flight::OPERATING;
use crate::inherited::Sockets;
use crate::values;

/// Connections at once: of one address, and in all.
const MOST_CONNECTIONS: usize = 64;
const MOST_OF_ONE_ADDRESS: usize = 32;
/// Descriptors of the admin listener: its connections, and what its shard needs.
const FILES: u64 = MOST_CONNECTIONS as u64 + 16;
/// Until the next head of a connection is whole.
const HEAD_TIME: Duration = Duration::from_secs(10);
/// A client that takes nothing of its answer for this time is reset.
const WRITE_TIME: Duration = Duration::from_secs(10);
/// However slowly a client reads, its place is free again after this.
const LIFETIME: Duration = Duration::from_secs(15 * 60);
/// How long the end of the server waits for answers under way.
const LAST_ANSWERS: Duration = Duration::from_secs(1);
const MOST_HEAD_BYTES: usize = 8 * 1024;
const MOST_HEADERS: usize = 64;
/// How often it is seen whether somebody has waited too long, or a moment is to be remembered.
const TICK: Duration = Duration::from_millis(250);

#[derive(Args)]
pub(crate) struct AdminOptions {
    /// Answer those who operate the server at this address, over HTTP: `127.0.0.1:7778`, or
    /// `unix:/run/proactor-admin.sock`. There is a page for a browser, /metrics for Prometheus,
    /// /healthz, /readyz, /status, /sessions, /groups and /cluster. Sessions are closed, the server
    /// is drained or upgraded, the log level is changed, and certificates and limits are read
    /// again: `proactor admin` does it from a shell. An address that other machines reach needs
    /// --admin-token-file.
    #[arg(id = "admin", long = "admin", value_name = "ADDR", value_parser = values::listener, help_heading = OPERATING)]
    address: Option<String>,
    /// Answer only requests with the token that is in this file: one line of at least 16
    /// characters. They have a header `Authorization: Bearer TOKEN`. /healthz and /readyz need
    /// none.
    #[arg(id = "admin_token_file", long = "admin-token-file", value_name = "FILE", requires = "admin", help_heading = OPERATING)]
    token_file: Option<PathBuf>,
}

impl AdminOptions {
    /// Descriptors that it needs.
    pub(crate) fn files(&self) -> u64 {
        if self.is_on() { FILES } else { 0 }
    }

    pub(crate) fn is_on(&self) -> bool {
        self.address.is_some()
    }

    /// Whether it could start, as far as that is known without listening.
    pub(crate) fn check(&self) -> Result<(), String> {
        self.access().map(|_| ())
    }

    /// Where it listens, and who is answered there.
    fn access(&self) -> Result<Option<(&str, Listener, Access)>, String> {
        let Some(address) = &self.address else { return Ok(None) };
        let listener = Listener::new(address.as_str());
        let access = Access::new(&listener, address, self.token_file.as_deref())?;
        Ok(Some((address, listener, access)))
    }

    /// Listens, if that was asked for, on a socket that was inherited for it if there is one. Until
    /// there is a server to operate, it is not ready.
    pub(crate) fn start(&self, inherited: Sockets) -> Result<Option<Admin>, String> {
        let Some((address, listener, access)) = self.access()? else {
            return match inherited.first_needed() {
                None => Ok(None),
                Some(at) => Err(format!(
                    "the inherited socket {at} is named admin, and there is no --admin: add it with that address"
                )),
            };
        };
        let place = Arc::new(Place::new(access));
        let service = Arc::clone(&place);
        let answering = service_fn(move |request| {
            let place = Arc::clone(&service);
            async move { Ok::<_, Infallible>(routes::answer(&place, &request).await) }
        });
        let http = WebSocket::new()
            .path("/.websocket")
            .refuse_if(|_| Some(404))
            .max_head(MOST_HEAD_BYTES, MOST_HEADERS)
            .max_upgrade_time(HEAD_TIME)
            .http(answering);
        // A ring would take memory, and be no faster for a few requests.
        let backend = if cfg!(unix) { Some(Backend::Poll) } else { None };
        let limits = Limits::new().sessions(MOST_CONNECTIONS).sessions_per_ip(MOST_OF_ONE_ADDRESS);
        let builder = inherited.give_to(Server::builder());
        let server = builder
            .listen(listener.websocket(http))
            .shards(1)
            .backend(backend)
            .limits(limits)
            .timeouts(Timeouts::new().write(WRITE_TIME).lifetime(LIFETIME))
            .start(Attendant(Arc::clone(&place)))
            .map_err(|error| format!("--admin {address}: {error}"))?;
        place.access.check_bound(server.local_addrs())?;
        Ok(Some(Admin { server, place }))
    }
}

/// An admin listener. Dropping it ends it.
pub(crate) struct Admin {
    server: Server,
    place: Arc<Place>,
}

impl Admin {
    /// The server that is operated runs now.
    pub(crate) fn serve(&self, subject: Subject) {
        self.place.begin(subject);
    }

    /// It takes no more requests. Answers under way have a moment to leave: when the server has
    /// drained at once, one of them is the answer to the request for that.
    pub(crate) fn end(self) {
        self.server.handle().drain(LAST_ANSWERS);
        // It served nobody but operators, who have lost it anyway.
        let _ = self.server.wait();
    }

    /// Its own server.
    pub(crate) fn handle(&self) -> Handle {
        self.server.handle()
    }

    /// For the start-up line.
    pub(crate) fn addresses(&self) -> String {
        let shown = |address: &Address| match address {
            Address::Ip(address) => format!("http://{address}/"),
            address => address.to_string(),
        };
        self.server.local_addrs().iter().map(shown).collect::<Vec<_>>().join(", ")
    }
}

/// The logic of the admin listener's own server. Requests are hyper's; it has no other sessions.
#[derive(Clone)]
struct Attendant(Arc<Place>);

impl Handler for Attendant {
    type State = ();
    type Message = NoMessage;

    fn started(&mut self, shard: &ShardHandle, _: &Handle) {
        let (own, place) = (shard.clone(), Arc::clone(&self.0));
        let ticking = shard.spawn(async move {
            loop {
                own.sleep(TICK).await;
                place.tick();
            }
        });
        if let Err(error) = ticking {
            tracing::error!("the admin listener's clock does not run: {error}");
        }
    }

    fn connected(&mut self, session: &Session) {
        session.close();
    }

    fn received(&mut self, _: &Session, (): &mut (), _: &[u8]) -> Flow {
        Flow::Close
    }

    fn closed(&mut self, _: SessionId, (): (), _: &CloseReason) {}
}
