//! A chat whose members are pages of browsers too.

use std::sync::Arc;

use proactor::cluster::Gap;
use proactor::{
    CloseCode, CloseReason, Flow, Group, Handle, Handler, MessageKind, NoMessage, PresenceChange, Session, SessionId,
    ShardHandle,
};

use super::gaps::log_gap;
use super::protocol::{self, Message, PROTOCOL, Refusal, Request};
use super::rooms::{Room, Rooms, Seat, Wish};

#[derive(Clone)]
pub(super) struct Pages {
    rooms: Arc<Rooms>,
    /// The room of guests, unless they name one.
    lobby: &'static [u8],
    /// The first packet of a guest names its room; at most so many bytes.
    longest_name: Option<usize>,
    handle: Option<Handle>,
}

pub(super) enum Place {
    /// A guest that has not named its room yet.
    Outside,
    Guest(Arc<Room>),
    /// A page's session that has not entered yet.
    Door,
    Person(Seat),
}

impl Pages {
    pub(super) fn new(lobby: &'static [u8], longest_name: Option<usize>, is_clustered: bool) -> Pages {
        Pages { rooms: Arc::new(Rooms::new(is_clustered)), lobby, longest_name, handle: None }
    }

    fn enter_as_guest(&self, session: &Session, name: &[u8]) -> Place {
        match self.rooms.enter_as_guest(session, name) {
            Ok(room) => Place::Guest(room),
            Err(error) => {
                tracing::debug!("{session:?} cannot join the room: {error}");
                session.close();
                Place::Outside
            }
        }
    }

    /// A message of a page.
    fn heard(&self, session: &Session, place: &mut Place, message: &[u8]) -> Result<(), Refusal> {
        if session.packet_kind() == MessageKind::Binary {
            session.close_with(CloseCode::UNSUPPORTED, "messages of proactor.chat are text");
            return Ok(());
        }
        let request = match protocol::parse(message) {
            Ok(request) => request,
            Err(why) => {
                session.close_with(CloseCode::INVALID_DATA, &why);
                return Ok(());
            }
        };
        match (request, &*place) {
            (Request::Enter { name, room, key }, place_before) => {
                let wish = Wish { name: protocol::name(&name)?, room: protocol::room(&room)?, key };
                let before = if let Place::Person(seat) = place_before { Some(seat) } else { None };
                let (seat, replaced) = self.rooms.enter(session, wish, before)?;
                if let (Some(replaced), Some(handle)) = (replaced, &self.handle) {
                    // It is most likely lost. If its shard does not hear of this, it is idle.
                    let _ = handle.abort(replaced);
                }
                *place = Place::Person(seat);
                Ok(())
            }
            (Request::Text { text }, Place::Person(seat)) => seat.say(protocol::text(&text)?),
            (Request::Text { .. }, _) => Err(Refusal::NotEntered),
        }
    }
}

impl Handler for Pages {
    type State = Place;
    type Message = NoMessage;

    fn started(&mut self, _: &ShardHandle, handle: &Handle) {
        self.handle = Some(handle.clone());
    }

    fn connected(&mut self, session: &Session) -> Place {
        let is_page = session.upgrade().is_some_and(|upgrade| upgrade.protocol() == Some(PROTOCOL));
        match self.longest_name {
            _ if is_page => Place::Door,
            Some(_) => Place::Outside,
            None => self.enter_as_guest(session, self.lobby),
        }
    }

    fn received(&mut self, session: &Session, place: &mut Place, packet: &[u8]) -> Flow {
        match place {
            // The answer to a heartbeat.
            Place::Guest(_) | Place::Outside if packet.is_empty() => Flow::Continue,
            Place::Guest(room) => {
                if let Err(error) = room.sent(session.id(), packet) {
                    // A WebSocket's message may be one that others have no packet for.
                    tracing::debug!("{session:?}: {error}");
                    session.close_with(CloseCode::UNSUPPORTED, "the room has no packet for this message");
                }
                Flow::Continue
            }
            Place::Outside if self.longest_name.is_none_or(|longest| packet.len() > longest) => {
                tracing::debug!("{session:?}: a room name of {} bytes is too long", packet.len());
                Flow::Close
            }
            Place::Outside => {
                *place = self.enter_as_guest(session, packet);
                Flow::Continue
            }
            Place::Door | Place::Person(_) => {
                let Err(reason) = self.heard(session, place, packet) else { return Flow::Continue };
                let refused = Message::Refused { reason, text: reason.text() };
                session.send(&refused.to_bytes()).map_or(Flow::Close, |()| Flow::Continue)
            }
        }
    }

    fn heartbeat(&mut self, session: &Session, _: &mut Place) {
        // If there is no room, the peer takes nothing, and no heartbeat would reach it.
        let _ = session.send(b"");
    }

    fn presence(&mut self, _: &ShardHandle, group: &Group, change: &PresenceChange) {
        if let Some(handle) = &self.handle {
            self.rooms.presence(handle, group, change);
        }
    }

    fn cluster_gap(&mut self, _: &ShardHandle, room: Option<&Group>, gap: &Gap) {
        log_gap(room, gap);
    }

    fn closed(&mut self, id: SessionId, place: Place, reason: &CloseReason) {
        match place {
            Place::Guest(room) => self.rooms.leave_as_guest(&room),
            Place::Person(seat) => self.rooms.leave(&seat, id),
            Place::Outside | Place::Door => {}
        }
        tracing::debug!("{id:?}: {reason}");
    }
}
