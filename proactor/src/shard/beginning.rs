//! From a connection to a session: what may refuse it, its transport, and when the logic is told.

use overlapped::Address;
use overlapped::driver::{SocketId, Stream};

use super::Shard;
use super::directory::{Accepted, Phase};
use crate::connect::Origin;
use crate::handler::Handler;
use crate::limits::{Permit, Refusal};
use crate::panic::contained;
use crate::session::{close, id::SessionId, opening, reading, reason::CloseReason, table::Record};
use crate::transport::{Transport, opening::NoTransport};

impl<H: Handler> Shard<H> {
    /// A connection was accepted for this shard.
    pub(super) fn add_session(&mut self, Accepted { stream, peer, permit }: Accepted) {
        if self.phase != Phase::Running {
            stream.reset_on_drop();
            self.directory.stats().count_refused(Refusal::Ending);
            return self.directory.count_out(self.shard);
        }
        let transport = self.logic.state().profiles.of(permit.listener()).transport();
        let transport = match transport.transpose() {
            Ok(transport) => transport,
            Err(none) => return self.has_no_transport(stream, &peer, none),
        };
        let adopted = self.logic.state().driver.adopt(stream);
        let socket = match adopted {
            Ok(socket) => socket,
            Err(rejected) => {
                tracing::warn!("{peer} is refused: {}", rejected.error);
                rejected.given.reset_on_drop();
                self.directory.stats().count_refused(Refusal::ShardFull);
                return self.directory.count_out(self.shard);
            }
        };
        self.directory.stats().accepted += 1;
        self.begin_session(socket, peer, permit, Origin::Accepted, transport);
    }

    #[cold]
    fn has_no_transport(&self, stream: Stream, peer: &Address, none: NoTransport) {
        stream.reset_on_drop();
        let refusal = match none {
            NoTransport::Refused(refusal) => {
                tracing::debug!("{peer} is refused: {refusal}");
                refusal
            }
            NoTransport::Failed(why) => {
                tracing::error!("{peer} is refused: {why}");
                Refusal::TlsHandshakes
            }
        };
        self.directory.stats().count_refused(refusal);
        self.directory.count_out(self.shard);
    }

    /// A connection becomes a session. With a transport, the logic is told when that is open.
    pub(super) fn begin_session(
        &mut self,
        socket: SocketId,
        peer: Address,
        permit: Permit,
        origin: Origin,
        transport: Option<Transport>,
    ) -> SessionId {
        let listener = permit.listener();
        let codec = contained(|| self.logic.state().profiles.of(listener).codec.clone());
        let has_panicked = codec.is_err();
        let id = {
            let state = &mut *self.logic.state();
            let rates = state.profiles.of(listener).rates;
            let mut activity = state.timers.admit(permit, origin == Origin::Accepted, rates);
            if transport.is_some() {
                activity.keep_deadlines();
            }
            let record = Record::new(socket, codec.unwrap_or_default(), origin, activity);
            let id = state.sessions.insert(record, peer);
            if let Some(record) = state.sessions.open(id) {
                state.timers.begin(id.slot(), &record.activity, rates);
            }
            if has_panicked {
                close::begin(state, id.slot(), CloseReason::Panic);
            }
            id
        };
        if let Some(transport) = transport {
            let state = &mut *self.logic.state();
            opening::begin(state, id, transport);
            reading::start(state, id.slot());
            if self.phase == Phase::Draining {
                state.drain.wait_for(id, state.driver.now());
            }
            return id;
        }
        if let Some(session) = self.logic.session(id.slot())
            && self.logic.connected(&session)
        {
            reading::start(&mut self.logic.state(), id.slot());
            if self.phase == Phase::Draining {
                let state = &mut *self.logic.state();
                state.drain.wait_for(id, state.driver.now());
            }
        }
        if self.phase == Phase::Draining {
            self.logic.draining(id);
        }
        id
    }
}
