//! What a shard does for sessions without a connection, and for connections that ask for one.

use super::Shard;
use super::beginning::Arrival;
use super::directory::Phase;
use crate::connect::Origin;
use crate::handler::Handler;
use crate::resume::Afresh;
use crate::session::away::{self, moving, returning::Returning};
use crate::session::{holds::Hold, reading, receive};

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
            let arrived = moving::arrive(&mut self.logic.state(), returning);
            if let Err((returning, afresh)) = arrived {
                self.admit_afresh(*returning, afresh);
            }
        }
        true
    }

    /// A connection that asked for a session is a new one's.
    fn admit_afresh(&mut self, returning: Returning, afresh: Afresh) {
        if self.phase != Phase::Running {
            return returning.reset();
        }
        let Returning { connection, peer, permit, header, transport, .. } = returning;
        let adopted = self.logic.state().driver.adopt(connection);
        let socket = match adopted {
            Ok(socket) => socket,
            Err(failed) => return failed.given.reset_on_drop(),
        };
        self.directory.count_in(self.shard);
        let transport = Some(transport.arrive());
        let id = self.begin_session(Arrival {
            socket,
            peer,
            permit,
            origin: Origin::Accepted,
            header,
            transport,
            newcomer: None,
        });
        self.begin_afresh(id.slot(), afresh);
    }

    /// Tells the peer that its session is a new one, and the logic of that.
    fn begin_afresh(&mut self, slot: u32, afresh: Afresh) {
        moving::begin(&mut self.logic.state(), slot, Some(afresh));
        receive::open(&mut self.logic, slot);
    }
}
