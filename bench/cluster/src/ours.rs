//! The nodes of proactor: a chat of one room, and users with keys.

use std::time::Duration;

use anyhow::{Result, anyhow};
use proactor::codec::LengthPrefixed;
use proactor::{Flow, Group, Handler, IdentifyError, IfTaken, NoMessage, Server, Session};
use proactor_cluster::Nats;

/// One room on all nodes: what a member sends, all others get.
#[derive(Clone)]
struct Chat;

impl Handler for Chat {
    /// The room.
    type State = Option<Group>;
    type Message = NoMessage;

    fn connected(&mut self, session: &Session) -> Option<Group> {
        let room = session.handle().group("room").ok()?;
        session.join(&room).ok()?;
        Some(room)
    }

    fn received(&mut self, session: &Session, room: &mut Option<Group>, packet: &[u8]) -> Flow {
        let Some(room) = room else { return Flow::Close };
        room.broadcast_except(session.id(), packet).map_or(Flow::Close, |()| Flow::Continue)
    }
}

pub(crate) fn chat(url: &str, name: &str) -> Result<Server> {
    let node = Nats::new(url).node(name).connect()?;
    let builder = Server::builder().listen("127.0.0.1:0").codec(LengthPrefixed::u32()).shards(1).cluster(node);
    Ok(builder.start(Chat)?)
}

/// A packet is the name of a user, who logs in; the answer is `ok` or the reason.
#[derive(Clone)]
struct Users;

impl Handler for Users {
    type State = ();
    type Message = NoMessage;

    fn connected(&mut self, _: &Session) {}

    fn received(&mut self, session: &Session, (): &mut (), user: &[u8]) -> Flow {
        session.identify_with(user, IfTaken::Replace).map_or(Flow::Close, |()| Flow::Continue)
    }

    fn identified(&mut self, session: &Session, (): &mut (), _: &[u8], result: Result<(), IdentifyError>) {
        let answer = result.map_or_else(|error| error.to_string(), |()| "ok".to_owned());
        // One that is not sent is missed by the client, which says so.
        let _ = session.send(answer.as_bytes());
    }
}

/// How long a lease of the nodes with users lasts.
pub(crate) const LEASE: Duration = Duration::from_secs(2);

pub(crate) fn users(url: &str, name: &str) -> Result<Server> {
    let node = Nats::new(url).node(name).directory(1).connect()?.lease(LEASE);
    let builder = Server::builder().listen("127.0.0.1:0").codec(LengthPrefixed::u32()).shards(1).cluster(node);
    Ok(builder.start(Users)?)
}

pub(crate) fn address(server: &Server) -> Result<std::net::SocketAddr> {
    server.local_addrs().first().and_then(|address| address.ip()).ok_or_else(|| anyhow!("the node has no address"))
}
