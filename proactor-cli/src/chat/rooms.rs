//! The rooms of a chat with pages: who is in each, and what its members are told.
//!
//! A room has guests, who get packets verbatim and no notices, and people, who speak
//! [`PROTOCOL`](super::protocol::PROTOCOL). Both kinds are members of a group of their own. What is
//! said is broadcast under the lock of the room, so all members get it in the same order.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use proactor::{Group, JoinError, SendError, Session, SessionId};

use super::protocol::{Message, Refusal, folded, text_of_guest};

/// People of a room. The list of them must fit into the least outbox.
const MOST_PEOPLE: usize = 256;

/// Rooms by name. A room exists while somebody is in it.
#[derive(Default)]
pub(super) struct Rooms(Mutex<BTreeMap<Box<[u8]>, Arc<Room>>>);

pub(super) struct Room {
    name: Box<[u8]>,
    verbatim: Group,
    pages: Group,
    members: Mutex<Members>,
}

#[derive(Default)]
struct Members {
    guests: usize,
    /// By folded name.
    people: BTreeMap<String, Person>,
}

struct Person {
    name: String,
    session: SessionId,
    key: String,
}

/// The place of a person.
pub(super) struct Seat {
    room: Arc<Room>,
    name: String,
}

/// Where somebody wants to be, and as whom.
pub(super) struct Wish {
    pub(super) name: String,
    pub(super) room: String,
    pub(super) key: String,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing that holds it panics half-way.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Rooms {
    /// Calls with the room of a name, which does not go away meanwhile.
    fn with<R>(&self, name: &[u8], call: impl FnOnce(&Arc<Room>) -> R) -> R {
        let mut rooms = lock(&self.0);
        let room = rooms.get(name).cloned().unwrap_or_else(|| Arc::new(Room::new(name)));
        let result = call(&room);
        if !lock(&room.members).is_empty() {
            rooms.insert(name.into(), room);
        }
        result
    }

    /// A session without the subprotocol enters.
    pub(super) fn enter_as_guest(&self, session: &Session, name: &[u8]) -> Result<Arc<Room>, JoinError> {
        self.with(name, |room| {
            let mut members = lock(&room.members);
            session.join(&room.verbatim)?;
            members.guests += 1;
            room.tell(&members, None, None);
            Ok(Arc::clone(room))
        })
    }

    /// A page's session enters, from outside or from another place. Returns its place, and the
    /// session that it replaces.
    pub(super) fn enter(
        &self,
        session: &Session,
        wish: Wish,
        before: Option<&Seat>,
    ) -> Result<(Seat, Option<SessionId>), Refusal> {
        let (seat, replaced) = self.with(wish.room.clone().as_bytes(), |room| room.take(session, wish, before))?;
        if let Some(before) = before.filter(|before| !Arc::ptr_eq(&before.room, &seat.room)) {
            session.leave(&before.room.pages);
            self.leave(before, session.id());
        }
        Ok((seat, replaced))
    }

    /// A person has left a place, unless another session has taken it.
    pub(super) fn leave(&self, seat: &Seat, session: SessionId) {
        self.left(&seat.room, |members, room| {
            let name = folded(&seat.name);
            if members.people.get(&name).is_some_and(|person| person.session == session) {
                members.people.remove(&name);
                room.tell(members, None, Some(&seat.name));
            }
        });
    }

    pub(super) fn leave_as_guest(&self, room: &Arc<Room>) {
        self.left(room, |members, room| {
            members.guests -= 1;
            room.tell(members, None, None);
        });
    }

    fn left(&self, room: &Arc<Room>, leave: impl FnOnce(&mut Members, &Room)) {
        let mut rooms = lock(&self.0);
        let mut members = lock(&room.members);
        leave(&mut members, room);
        if members.is_empty() && rooms.get(&room.name).is_some_and(|known| Arc::ptr_eq(known, room)) {
            rooms.remove(&room.name);
        }
    }
}

impl Members {
    fn is_empty(&self) -> bool {
        self.guests == 0 && self.people.is_empty()
    }
}

impl Room {
    fn new(name: &[u8]) -> Room {
        Room { name: name.into(), verbatim: Group::new(), pages: Group::new(), members: Mutex::default() }
    }

    fn take(
        self: &Arc<Room>,
        session: &Session,
        wish: Wish,
        before: Option<&Seat>,
    ) -> Result<(Seat, Option<SessionId>), Refusal> {
        let Wish { name, key, .. } = wish;
        let mut members = lock(&self.members);
        let id = session.id();
        let own = before.filter(|before| Arc::ptr_eq(&before.room, self)).map(|before| folded(&before.name));
        let place = folded(&name);
        let holder = members.people.get(&place).filter(|person| person.session != id);
        let replaced = match holder {
            Some(person) if person.key.is_empty() || person.key != key => return Err(Refusal::NameTaken),
            holder => holder.map(|person| person.session),
        };
        if own.is_none() && replaced.is_none() && members.people.len() >= MOST_PEOPLE {
            return Err(Refusal::RoomFull);
        }
        if own.is_none() {
            session.join(&self.pages).map_err(|_| Refusal::Unavailable)?;
        }
        let old = own.and_then(|own| members.people.remove(&own)).map(|person| person.name);
        members.people.insert(place, Person { name: name.clone(), session: id, key });
        if replaced.is_none() && old.as_deref() != Some(&*name) {
            self.tell_but(id, &members, Some(&name), old.as_deref());
        }
        let people = members.people.values().map(|person| person.name.as_str()).collect();
        let room = String::from_utf8_lossy(&self.name);
        let told = Message::Room { name: &name, room: &room, people, guests: members.guests };
        // If there is no room in its outbox, the policy for slow consumers has closed it.
        let _ = session.send(&told.to_bytes());
        Ok((Seat { room: Arc::clone(self), name }, replaced))
    }

    /// Tells pages who has come or left.
    fn tell(&self, members: &Members, joined: Option<&str>, left: Option<&str>) {
        if !self.pages.is_empty() {
            let presence = Message::Presence { joined, left, guests: members.guests };
            log(self.pages.broadcast(&presence.to_bytes()));
        }
    }

    fn tell_but(&self, id: SessionId, members: &Members, joined: Option<&str>, left: Option<&str>) {
        let presence = Message::Presence { joined, left, guests: members.guests };
        log(self.pages.broadcast_except(id, &presence.to_bytes()));
    }

    /// A guest has sent a packet.
    pub(super) fn sent(&self, from: SessionId, packet: &[u8]) -> Result<(), SendError> {
        let _members = lock(&self.members);
        self.verbatim.broadcast_except(from, packet)?;
        // An empty packet is a heartbeat.
        if !packet.is_empty() && !self.pages.is_empty() {
            let text = text_of_guest(packet);
            log(self.pages.broadcast(&Message::Text { name: None, text: &text }.to_bytes()));
        }
        Ok(())
    }
}

impl Seat {
    /// Its person says something.
    pub(super) fn say(&self, text: &str) -> Result<(), Refusal> {
        let _members = lock(&self.room.members);
        let line = format!("{}: {text}", self.name);
        self.room.verbatim.broadcast(line.as_bytes()).map_err(|_| Refusal::TextTooLong)?;
        log(self.room.pages.broadcast(&Message::Text { name: Some(&self.name), text }.to_bytes()));
        Ok(())
    }
}

/// Messages to pages are shorter than any limit allows to set.
fn log(sent: Result<(), SendError>) {
    if let Err(error) = sent {
        tracing::warn!("a room's pages were not told: {error}");
    }
}
