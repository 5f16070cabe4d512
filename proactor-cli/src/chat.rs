//! `proactor chat`: sends every packet to the other sessions of its room.

mod gaps;
#[cfg(feature = "http")]
mod page;
#[cfg(feature = "http")]
mod pages;
#[cfg(feature = "http")]
mod protocol;
#[cfg(feature = "http")]
mod rooms;

use std::error::Error;
#[cfg(feature = "http")]
use std::net::SocketAddr;

use clap::Args;
#[cfg(feature = "http")]
use hyper::service::service_fn;
#[cfg(feature = "http")]
use proactor::WebSocket;
use proactor::cluster::Gap;
use proactor::{CloseReason, Flow, Group, Handler, NoMessage, Session, SessionId, ShardHandle};

use crate::backend;
#[cfg(feature = "cluster")]
use crate::cluster::ClusterOptions;
use crate::codec::{self, CodecChoice};
use crate::life::WrongOptions;
use crate::listeners::Listeners;
use crate::serving::life;
use crate::settings::{PACKETS, Settings};

const LONG_ABOUT: &str = concat!(
    "Sends every packet of a session to all other sessions of its room.\n\nAll sessions share one room; with --rooms, the first \
     packet of a session names its room. The server adds nothing: no names, no notices, no copy to the sender. An empty packet is the answer to a heartbeat and \
     is sent to nobody. All members receive the \
     packets of a room in the same order. A member that does not read does not delay the others: --slow-consumer decides what happens to it, \
     and --outbox-bytes limits how far it may fall behind. To limit how fast a session may send, use --packet-rate or --byte-rate.\n\n",
    life!("chat")
);

const EXAMPLES: &str = "Examples:\n  proactor chat                               # then, in several terminals: nc 127.0.0.1 7777\n  proactor chat --rooms \
                        --heartbeat 30s       # the first line of a session names its room\n  proactor chat --codec length2 --slow-consumer drop-oldest \
                        --listen 0.0.0.0:7777\n  proactor chat --http 127.0.0.1:8080         # and a page for browsers\n  proactor chat --max-sessions-per-ip 10 --packet-rate 5:20 --handshake-timeout 1m";

#[cfg(feature = "cluster")]
const CLUSTER_EXAMPLE: &str =
    "\n  proactor chat --rooms --cluster nats://10.0.0.9:4222 --node eu-1   # one chat with the other nodes";
#[cfg(not(feature = "cluster"))]
const CLUSTER_EXAMPLE: &str = "";

#[cfg(feature = "http")]
const BROWSERS: &str = "Browsers";

/// The room of all, unless they name one; pages suggest it.
const LOBBY: &[u8] = b"lobby";

/// In bytes.
const LONGEST_NAME: usize = 256;

/// Sends every packet of a session to all other sessions of its room.
#[derive(Args)]
#[command(
    long_about = LONG_ABOUT,
    after_help = format!("{EXAMPLES}{CLUSTER_EXAMPLE}\n\n{}", backend::ENVIRONMENT)
)]
pub(crate) struct Chat {
    /// Where one packet ends and the next begins: raw, lines, length, length2 or fixed:N
    #[arg(long, default_value = "lines", help_heading = PACKETS, long_help = codec::HELP)]
    codec: CodecChoice,
    /// Take the first packet of a session (at most 256 bytes) as the name of its room; it is sent
    /// to nobody. There may be as many rooms as sessions. Needs a codec other than raw
    #[arg(long, help_heading = PACKETS)]
    rooms: bool,
    /// Serve a page for browsers at this address, such as 127.0.0.1:8080, over TLS with --tls-cert.
    /// People choose a name and a room there; their talk reaches others as `NAME: text`. Others
    /// appear beside them as guests, in the room `lobby` or in that which they name with --rooms.
    /// Needs the codec lines, length or length2
    #[cfg(feature = "http")]
    #[arg(long, value_name = "ADDR", help_heading = BROWSERS)]
    http: Option<SocketAddr>,
    #[cfg(feature = "cluster")]
    #[command(flatten)]
    cluster: ClusterOptions,
    #[command(flatten)]
    settings: Settings,
}

impl Chat {
    pub(crate) fn run(mut self, listeners: Listeners) -> Result<(), Box<dyn Error>> {
        if let Some(place) = listeners.raw().filter(|_| self.rooms) {
            return Err(WrongOptions(format!(
                "{place}: codec raw has no packets, and --rooms needs a first one: choose another codec"
            ))
            .into());
        }
        self.settings.listen_also(listeners);
        if self.rooms && self.codec == CodecChoice::Raw {
            return Err(WrongOptions("--rooms needs to know where the first packet ends, and --codec raw has no packets: choose another --codec".into()).into());
        }
        #[cfg(feature = "cluster")]
        let is_clustered = match self.cluster.nats() {
            Some(nats) => {
                self.settings.join_cluster(nats);
                true
            }
            None => false,
        };
        #[cfg(all(feature = "http", not(feature = "cluster")))]
        let is_clustered = false;
        #[cfg(feature = "http")]
        if let Some(address) = self.http {
            if !self.codec.has_empty_packets() {
                return Err(WrongOptions("--http sends texts of any length, which only the codecs lines, length and length2 have packets for: choose another --codec".into()).into());
            }
            let websocket = WebSocket::new().path("/ws").protocols([protocol::PROTOCOL]).text();
            self.settings.listen_for_browsers(address, websocket.http(service_fn(page::answer)));
            let pages = pages::Pages::new(LOBBY, self.rooms.then_some(LONGEST_NAME), is_clustered);
            return self.settings.serve("chat", self.codec, pages);
        }
        self.settings.serve("chat", self.codec, Chatting { has_rooms: self.rooms })
    }
}

/// A room is a group of the server by its name, which exists while it has members.
#[derive(Clone)]
struct Chatting {
    /// The first packet of a session names its room.
    has_rooms: bool,
}

/// The room of a session, or `None` if it has not named its room yet.
type Place = Option<Group>;

/// Enters the room of a name, or closes the session.
fn enter(session: &Session, name: &[u8]) -> Place {
    let room = match session.handle().group(name) {
        Ok(room) => session.join(&room).map(|()| room).map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    if let Err(error) = &room {
        tracing::debug!("{session:?} cannot join the room: {error}");
        session.close();
    }
    room.ok()
}

impl Handler for Chatting {
    type State = Place;
    type Message = NoMessage;

    fn connected(&mut self, session: &Session) -> Place {
        if self.has_rooms { None } else { enter(session, LOBBY) }
    }

    fn received(&mut self, session: &Session, place: &mut Place, packet: &[u8]) -> Flow {
        match place {
            // The answer to a heartbeat.
            _ if packet.is_empty() => Flow::Continue,
            Some(room) => match room.broadcast_except(session.id(), packet) {
                Ok(()) => Flow::Continue,
                // The flags are checked so that every received packet can be framed again.
                Err(error) => {
                    tracing::warn!("{session:?}: {error}");
                    Flow::Close
                }
            },
            None if packet.len() > LONGEST_NAME => {
                tracing::debug!("{session:?}: a room name of {} bytes is too long", packet.len());
                Flow::Close
            }
            None => {
                *place = enter(session, packet);
                Flow::Continue
            }
        }
    }

    fn heartbeat(&mut self, session: &Session, _: &mut Place) {
        // If there is no room, the peer takes nothing, and no heartbeat would reach it.
        let _ = session.send(b"");
    }

    fn cluster_gap(&mut self, _: &ShardHandle, room: Option<&Group>, gap: &Gap) {
        gaps::log_gap(room, gap);
    }

    fn closed(&mut self, id: SessionId, _: Place, reason: &CloseReason) {
        tracing::debug!("{id:?}: {reason}");
    }
}
