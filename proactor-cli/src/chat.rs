//! `proactor chat`: what one says, the others of its room hear.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use clap::Args;
use proactor::{CloseReason, Flow, Group, Handler, JoinError, Session, SessionId};

use crate::backend;
use crate::codec::{self, CodecChoice};
use crate::serving::life;
use crate::settings::{PACKETS, Settings};

const LONG_ABOUT: &str = concat!(
    "Sends every packet of a session to every other session of its room.\n\nThere is one room, and a session is in it from when it connects; \
     with --rooms, a session's first packet names its room. Nothing is added: no names, no notices, and nobody hears themselves. All hear the \
     packets of a room in the same order. One who does not read holds up no other: --slow-consumer says what becomes of them. Nor does \
     anything hold up one who says more than others can take, unless --packet-rate or --byte-rate do; --outbox-bytes is how far behind one \
     may be.\n\n",
    life!("chat")
);

const EXAMPLES: &str = "Examples:\n  proactor chat                               # then in two or more terminals: nc 127.0.0.1 7777\n  proactor chat --rooms \
                        --heartbeat 30s       # the first line of each names its room\n  proactor chat --codec length2 --slow-consumer drop-oldest \
                        --listen 0.0.0.0:7777\n  proactor chat --max-sessions-per-ip 10 --packet-rate 5:20 --handshake-timeout 1m";

/// Bytes that a room's name may have.
const LONGEST_NAME: usize = 256;

/// Sends every packet of a session to every other session of its room.
#[derive(Args)]
#[command(
    long_about = LONG_ABOUT,
    after_help = format!("{EXAMPLES}\n\n{}", backend::ENVIRONMENT)
)]
pub(crate) struct Chat {
    /// Where one packet ends and the next begins: raw, lines, length, length2 or fixed:N
    #[arg(long, default_value = "lines", help_heading = PACKETS, long_help = codec::HELP)]
    codec: CodecChoice,
    /// The first packet of a session, of at most 256 bytes, names its room and is sent to nobody. There may be as many rooms as sessions. Not with raw, of which
    /// nobody knows where the first packet ends
    #[arg(long, help_heading = PACKETS)]
    rooms: bool,
    #[command(flatten)]
    settings: Settings,
}

impl Chat {
    pub(crate) fn run(self) -> Result<(), Box<dyn Error>> {
        if self.rooms && self.codec == CodecChoice::Raw {
            return Err("--rooms needs to know where the first packet ends, and --codec raw does not say: choose another --codec".into());
        }
        let rooms = if self.rooms { Rooms::Named(Arc::default()) } else { Rooms::One(Group::new()) };
        self.settings.serve("chat", self.codec, Chatting { rooms })
    }
}

#[derive(Clone)]
struct Chatting {
    rooms: Rooms,
}

#[derive(Clone)]
enum Rooms {
    One(Group),
    Named(Arc<Directory>),
}

/// Rooms by their names, for as long as they have members.
#[derive(Default)]
struct Directory {
    rooms: Mutex<BTreeMap<Box<[u8]>, Group>>,
}

/// Where a session is.
enum Place {
    /// It has not said which room is its.
    Outside,
    Room(Group),
    Named(Box<[u8]>, Group),
}

impl Directory {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<Box<[u8]>, Group>> {
        // A name and its room come and go in one step.
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Enters under the lock, so that a room is not given up between being found and being entered.
    fn enter(&self, session: &Session, name: &[u8]) -> Result<Group, JoinError> {
        let mut rooms = self.lock();
        let group = rooms.get(name).cloned().unwrap_or_default();
        session.join(&group)?;
        rooms.entry(name.into()).or_insert_with(|| group.clone());
        Ok(group)
    }

    /// A member is there no more. Gives its room up if it was the last; under that name there may be another by now.
    fn left(&self, name: &[u8], group: &Group) {
        let mut rooms = self.lock();
        if group.is_empty() && rooms.get(name) == Some(group) {
            rooms.remove(name);
        }
    }
}

impl Handler for Chatting {
    type State = Place;

    fn connected(&mut self, session: &Session) -> Place {
        match &self.rooms {
            Rooms::One(group) => match session.join(group) {
                Ok(()) => Place::Room(group.clone()),
                Err(error) => {
                    tracing::debug!("{session:?} does not enter: {error}");
                    session.close();
                    Place::Outside
                }
            },
            Rooms::Named(_) => Place::Outside,
        }
    }

    fn received(&mut self, session: &Session, place: &mut Place, packet: &[u8]) -> Flow {
        match (&*place, &self.rooms) {
            (Place::Room(group) | Place::Named(_, group), _) => match group.broadcast_except(session.id(), packet) {
                Ok(()) => Flow::Continue,
                // What the codec lets in it lets out; the flags are checked to that end.
                Err(error) => {
                    tracing::warn!("{session:?}: {error}");
                    Flow::Close
                }
            },
            (Place::Outside, Rooms::Named(_)) if packet.len() > LONGEST_NAME => {
                tracing::debug!("{session:?} names a room in {} bytes", packet.len());
                Flow::Close
            }
            (Place::Outside, Rooms::Named(directory)) => match directory.enter(session, packet) {
                Ok(group) => {
                    *place = Place::Named(packet.into(), group);
                    Flow::Continue
                }
                Err(error) => {
                    tracing::debug!("{session:?} does not enter: {error}");
                    Flow::Close
                }
            },
            (Place::Outside, Rooms::One(_)) => Flow::Close,
        }
    }

    fn heartbeat(&mut self, session: &Session, _: &mut Place) {
        // Nothing waits for the peer, so there is room.
        let _ = session.send(b"");
    }

    fn closed(&mut self, id: SessionId, place: Place, reason: &CloseReason) {
        if let (Place::Named(name, group), Rooms::Named(directory)) = (&place, &self.rooms) {
            directory.left(name, group);
        }
        tracing::debug!("{id:?}: {reason}");
    }
}
