//! The logic that the tests of this folder talk with.

use std::sync::{Arc, Mutex};

use proactor::{CloseReason, Flow, Group, Handler, IfTaken, NoMessage, Session, SessionId};

/// What the logic was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    Connected(SessionId),
    /// From another node.
    Restored(SessionId),
    Received(Vec<u8>),
    Ended,
    Closed(SessionId, CloseReason),
}

/// Answers each packet with its number in the session and itself. `push` is answered twice, `key
/// NAME` takes a key, `bye` closes.
#[derive(Clone, Default)]
pub(crate) struct Counting {
    told: Arc<Mutex<Vec<Told>>>,
    pub(crate) room: Group,
    /// Its sessions may go on on other nodes, which share what is told.
    saves: bool,
}

impl Counting {
    fn tell(&self, told: Told) {
        self.told.lock().unwrap().push(told);
    }

    /// One whose sessions may go on on other nodes, or may not.
    pub(crate) fn saving(saves: bool) -> Counting {
        Counting { saves, ..Counting::default() }
    }

    /// The logic of another node.
    pub(crate) fn elsewhere(&self) -> Counting {
        Counting { told: Arc::clone(&self.told), room: Group::new(), saves: self.saves }
    }

    pub(crate) fn told(&self) -> Vec<Told> {
        self.told.lock().unwrap().clone()
    }

    /// The packets of all sessions, in order.
    pub(crate) fn packets(&self) -> Vec<Vec<u8>> {
        let packet = |told| if let Told::Received(packet) = told { Some(packet) } else { None };
        self.told().into_iter().filter_map(packet).collect()
    }

    pub(crate) fn sessions(&self) -> Vec<SessionId> {
        let id = |told| if let Told::Connected(id) = told { Some(id) } else { None };
        self.told().into_iter().filter_map(id).collect()
    }

    pub(crate) fn closed(&self) -> Vec<CloseReason> {
        let reason = |told| if let Told::Closed(_, reason) = told { Some(reason) } else { None };
        self.told().into_iter().filter_map(reason).collect()
    }
}

pub(crate) fn answer(number: u32, packet: &[u8]) -> Vec<u8> {
    [format!("{number}:").as_bytes(), packet].concat()
}

impl Handler for Counting {
    /// Packets that have come.
    type State = u32;
    type Message = NoMessage;

    fn connected(&mut self, session: &Session) -> u32 {
        self.tell(Told::Connected(session.id()));
        session.join(&self.room).unwrap();
        0
    }

    fn save(&mut self, _: &Session, number: &mut u32) -> Option<Vec<u8>> {
        self.saves.then(|| number.to_be_bytes().to_vec())
    }

    fn restore(&mut self, session: &Session, saved: &[u8]) -> Option<u32> {
        self.tell(Told::Restored(session.id()));
        session.join(&self.room).unwrap();
        saved.try_into().ok().map(u32::from_be_bytes)
    }

    fn received(&mut self, session: &Session, number: &mut u32, packet: &[u8]) -> Flow {
        self.tell(Told::Received(packet.to_vec()));
        *number += 1;
        session.send(&answer(*number, packet)).unwrap();
        match packet {
            b"push" => session.send(b"pushed").unwrap(),
            b"bye" => return Flow::Close,
            b"pause" => return Flow::Pause,
            _ => {}
        }
        if let Some(key) = packet.strip_prefix(b"key ") {
            session.identify_with(key, IfTaken::Refuse).unwrap();
        }
        Flow::Continue
    }

    fn ended(&mut self, _: &Session, _: &mut u32) -> Flow {
        self.tell(Told::Ended);
        Flow::Close
    }

    fn closed(&mut self, id: SessionId, _: u32, reason: &CloseReason) {
        self.tell(Told::Closed(id, *reason));
    }
}
