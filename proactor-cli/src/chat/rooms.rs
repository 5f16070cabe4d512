//! The rooms of a chat with pages: who is in each, and what its members are told.
//!
//! A room has guests, who get packets verbatim and no notices, and people, who speak
//! [`PROTOCOL`](super::protocol::PROTOCOL). Both kinds are members of a group of their own. What is
//! said is broadcast under the lock of the room, so all members get it in the same order.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use proactor::{Group, Handle, IfTaken, JoinError, PresenceChange, SendError, Session, SessionId};

use super::protocol::{Message, Refusal, folded, text_of_guest};

/// People of a room. The list of them must fit into the least outbox.
const MOST_PEOPLE: usize = 256;

/// What the names of a room's groups begin with, in a cluster.
const VERBATIM: &[u8] = b"verbatim/";
const PAGES: &[u8] = b"pages/";

/// Rooms by name. A room exists while somebody is in it.
pub(super) struct Rooms {
    here: Mutex<BTreeMap<Box<[u8]>, Arc<Room>>>,
    /// They are those of a cluster: who is in a room is what the groups' presence says.
    is_clustered: bool,
}

pub(super) struct Room {
    name: Box<[u8]>,
    verbatim: Group,
    pages: Group,
    is_clustered: bool,
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
    pub(super) fn new(is_clustered: bool) -> Rooms {
        Rooms { here: Mutex::default(), is_clustered }
    }

    /// Calls with the room of a name, which does not go away meanwhile. `None`: the server has too
    /// many groups.
    fn with<R>(&self, handle: &Handle, name: &[u8], call: impl FnOnce(&Arc<Room>) -> R) -> Option<R> {
        let mut rooms = lock(&self.here);
        let room = match rooms.get(name) {
            Some(room) => Arc::clone(room),
            None if self.is_clustered => Arc::new(Room::of_cluster(handle, name)?),
            None => Arc::new(Room::new(name, Group::new(), Group::new())),
        };
        let result = call(&room);
        if !lock(&room.members).is_empty() {
            rooms.insert(name.into(), room);
        }
        Some(result)
    }

    /// Who is in a room of the cluster has changed: its pages here are told.
    pub(super) fn presence(&self, handle: &Handle, group: &Group, change: &PresenceChange) {
        let name = group.name().unwrap_or_default();
        let (is_of_pages, name) = match (name.strip_prefix(PAGES), name.strip_prefix(VERBATIM)) {
            (Some(name), _) => (true, name),
            (None, Some(name)) => (false, name),
            (None, None) => return,
        };
        let Some(room) = lock(&self.here).get(name).cloned() else { return };
        let members = lock(&room.members);
        match change {
            PresenceChange::Joined(key) if is_of_pages => room.announce(&members, Some(&text_of_guest(key)), None),
            PresenceChange::Left(key) if is_of_pages => room.announce(&members, None, Some(&text_of_guest(key))),
            PresenceChange::Several if is_of_pages => {
                let people =
                    members.people.values().map(|person| (person.session, room.told_to(&members, &person.name)));
                people.for_each(|(session, told)| _ = handle.send(session, told));
            }
            _ => room.announce(&members, None, None),
        }
    }

    /// A session without the subprotocol enters.
    pub(super) fn enter_as_guest(&self, session: &Session, name: &[u8]) -> Result<Arc<Room>, JoinError> {
        let entered = self.with(&session.handle(), name, |room| {
            let mut members = lock(&room.members);
            session.join(&room.verbatim)?;
            members.guests += 1;
            room.tell(&members, None, None);
            Ok(Arc::clone(room))
        });
        entered.unwrap_or(Err(JoinError::TooMany))
    }

    /// A page's session enters, from outside or from another place. Returns its place, and the
    /// session that it replaces.
    pub(super) fn enter(
        &self,
        session: &Session,
        wish: Wish,
        before: Option<&Seat>,
    ) -> Result<(Seat, Option<SessionId>), Refusal> {
        let taken = self.with(&session.handle(), wish.room.clone().as_bytes(), |room| room.take(session, wish, before));
        let (seat, replaced) = taken.unwrap_or(Err(Refusal::Unavailable))?;
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
        let mut rooms = lock(&self.here);
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
    fn new(name: &[u8], verbatim: Group, pages: Group) -> Room {
        Room { name: name.into(), verbatim, pages, is_clustered: false, members: Mutex::default() }
    }

    /// A room that is on all nodes.
    fn of_cluster(handle: &Handle, name: &[u8]) -> Option<Room> {
        let group = |kind: &[u8]| {
            let group = handle.group([kind, name].concat()).ok()?;
            handle.watch_presence(&group).ok()?;
            Some(group)
        };
        Some(Room { is_clustered: true, ..Room::new(name, group(VERBATIM)?, group(PAGES)?) })
    }

    /// Guests in the room, on all nodes.
    fn guests(&self, members: &Members) -> usize {
        self.verbatim.present().map_or(members.guests, |present| present.members())
    }

    /// What a person is told of the room.
    fn told_to(&self, members: &Members, name: &str) -> Vec<u8> {
        let room = String::from_utf8_lossy(&self.name);
        let elsewhere = self.pages.present().map(|present| {
            present.keys.iter().take(MOST_PEOPLE).map(|(key, _)| text_of_guest(key)).collect::<Vec<_>>()
        });
        let people = match &elsewhere {
            Some(people) => people.iter().map(|name| &**name).collect(),
            None => members.people.values().map(|person| person.name.as_str()).collect(),
        };
        Message::Room { name, room: &room, people, guests: self.guests(members) }.to_bytes()
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
        if self.is_clustered {
            // Several people of one name, on several nodes, are one key.
            session.identify_with(&name, IfTaken::Share).map_err(|_| Refusal::Unavailable)?;
        }
        if own.is_none() {
            session.join(&self.pages).map_err(|_| Refusal::Unavailable)?;
        }
        let old = own.and_then(|own| members.people.remove(&own)).map(|person| person.name);
        members.people.insert(place, Person { name: name.clone(), session: id, key });
        if replaced.is_none() && old.as_deref() != Some(&*name) {
            self.tell_but(id, &members, Some(&name), old.as_deref());
        }
        // If there is no room in its outbox, the policy for slow consumers has closed it.
        let _ = session.send(&self.told_to(&members, &name));
        Ok((Seat { room: Arc::clone(self), name }, replaced))
    }

    /// Tells pages who has come or left.
    fn tell(&self, members: &Members, joined: Option<&str>, left: Option<&str>) {
        if !self.pages.is_empty() && !self.is_clustered {
            let presence = Message::Presence { joined, left, guests: members.guests };
            log(self.pages.broadcast(&presence.to_bytes()));
        }
    }

    /// Tells the pages of this node.
    fn announce(&self, members: &Members, joined: Option<&str>, left: Option<&str>) {
        let presence = Message::Presence { joined, left, guests: self.guests(members) };
        log(self.pages.broadcast_here(&presence.to_bytes()));
    }

    fn tell_but(&self, id: SessionId, members: &Members, joined: Option<&str>, left: Option<&str>) {
        if self.is_clustered {
            return;
        }
        let presence = Message::Presence { joined, left, guests: members.guests };
        log(self.pages.broadcast_except(id, &presence.to_bytes()));
    }

    /// A guest has sent a packet.
    pub(super) fn sent(&self, from: SessionId, packet: &[u8]) -> Result<(), SendError> {
        let _members = lock(&self.members);
        self.verbatim.broadcast_except(from, packet)?;
        if self.is_clustered || !self.pages.is_empty() {
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
