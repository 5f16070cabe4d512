//! What a shard does for sessions without a connection, and for connections that ask for one.

use super::Shard;
use super::beginning::Arrival;
use super::directory::Phase;
use crate::connect::Origin;
use crate::handler::Handler;
use crate::resume::Afresh;
use crate::session::away::finding::{Found, find};
use crate::session::away::{self, moving, returning::Returning};
use crate::session::{holds::Hold, id::SessionId, reading, receive};

impl<H: Handler> Shard<H> {
    /// Says whether the close that has completed is that of a connection only, whose session goes
    /// on.
    pub(super) fn has_lost_connection(&mut self, slot: u32) -> bool {
        let state = &mut *self.logic.state();
        if state.away.is_empty() {
            return false;
        }
        let Some(waiting) = away::socket_closed(state, slot) else { return false };
        if let Some(returning) = waiting {
            moving::attach(state, slot, returning);
        }
        true
    }

    /// Says whether there was anything to do.
    pub(super) fn take_returning(&mut self) -> bool {
        if !self.logic.state().away.has_to_go_on() {
            return false;
        }
        let (asking, ended) = {
            let away = &mut self.logic.state().away;
            (away.take_asking(), away.take_ended())
        };
        for slot in asking {
            let departed = moving::depart(&mut self.logic.state(), slot);
            if let Err(afresh) = departed {
                self.begin_afresh(slot, afresh);
                reading::release(&mut self.logic.state(), slot, Hold::Opening);
            }
        }
        for slot in ended {
            self.closed(slot);
        }
        let came = self.logic.state().away.take_came();
        for returning in came {
            self.has_come(returning);
        }
        true
    }

    /// A connection asks for a session, which may be here, on another shard or on another node.
    fn has_come(&mut self, returning: Returning) {
        let found = find(&self.directory, &returning.token);
        let shard = self.shard;
        match found {
            Ok(Found::Here(id)) if id.shard() == shard => {
                let arrived = moving::arrive(&mut self.logic.state(), id, returning);
                let Err((returning, afresh)) = arrived else { return };
                match find(&self.directory, &returning.token) {
                    // It has gone meanwhile.
                    Ok(found) if found != Found::Here(id) => self.logic.state().away.came(*returning),
                    _ => self.admit_afresh(*returning, afresh),
                }
            }
            Ok(Found::Here(id)) => moving::forward(&self.logic.state(), id.shard(), returning),
            Ok(Found::Packed) => self.take_back(returning),
            Ok(Found::On(node)) => self.fetch(returning, node),
            Err(afresh) => self.admit_afresh(returning, afresh),
        }
    }

    /// A connection that asked for a session is a new one's.
    pub(super) fn admit_afresh(&mut self, returning: Returning, afresh: Afresh) {
        if let Some(id) = self.admit(returning) {
            self.begin_afresh(id.slot(), afresh);
        }
    }

    /// A connection that asked for a session has a place, and waits for the answer.
    pub(super) fn admit(&mut self, returning: Returning) -> Option<SessionId> {
        if self.phase != Phase::Running {
            returning.reset();
            return None;
        }
        let Returning { connection, peer, permit, header, transport, .. } = returning;
        let adopted = self.logic.state().driver.adopt(connection);
        let socket = match adopted {
            Ok(socket) => socket,
            Err(failed) => {
                failed.given.reset_on_drop();
                return None;
            }
        };
        self.directory.count_in(self.shard);
        let transport = Some(transport.arrive());
        let origin = Origin::Accepted;
        Some(self.begin_session(Arrival { socket, peer, permit, origin, header, transport, newcomer: None }))
    }

    /// Tells the peer that its session is a new one, and the logic of that.
    pub(super) fn begin_afresh(&mut self, slot: u32, afresh: Afresh) {
        moving::begin(&mut self.logic.state(), slot, Some(afresh));
        receive::open(&mut self.logic, slot);
    }
}
