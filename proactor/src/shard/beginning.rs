//! From a connection to a session: what may refuse it, its PROXY protocol header, its transport,
//! and when the logic is told.

use overlapped::Address;
use overlapped::driver::SocketId;

use super::Shard;
use super::directory::{Accepted, Phase};
use super::headers::{self, Introduced};
use super::listeners::ListenerInfo;
use crate::connect::{Origin, reset};
use crate::datagrams::ports::Newcomer;
use crate::flight::FlightKind;
use crate::handler::Handler;
use crate::limits::{Permit, Refusal};
use crate::panic::contained;
use crate::proxy_protocol::ProxyHeader;
use crate::session::{close, id::SessionId, opening, reading, reason::CloseReason, receive, table::Record};
use crate::transport::{Transport, opening::NoTransport};

/// A connection that becomes a session.
pub(super) struct Arrival {
    pub(super) socket: SocketId,
    pub(super) peer: Address,
    pub(super) permit: Permit,
    pub(super) origin: Origin,
    /// What a load balancer has said of it.
    pub(super) header: Option<Box<ProxyHeader>>,
    pub(super) transport: Option<Transport>,
    /// If its packets are datagrams. It has no socket of its own then.
    pub(super) newcomer: Option<Newcomer>,
}

impl<H: Handler> Shard<H> {
    /// A connection was accepted for this shard.
    pub(super) fn add_session(&mut self, Accepted { stream, peer, permit }: Accepted) {
        let is_served =
            self.phase == Phase::Running || self.phase == Phase::Draining && self.directory.is_handing_over();
        if !is_served {
            stream.reset_on_drop();
            self.directory.count_refused(self.shard, permit.listener(), Refusal::Ending);
            return self.directory.count_out(self.shard);
        }
        let adopted = self.logic.state().driver.adopt(stream);
        let socket = match adopted {
            Ok(socket) => socket,
            Err(rejected) => {
                tracing::warn!("{peer} is refused: {}", rejected.error);
                rejected.given.reset_on_drop();
                self.directory.count_refused(self.shard, permit.listener(), Refusal::ShardFull);
                return self.directory.count_out(self.shard);
            }
        };
        let rule = self.logic.state().profiles.of(permit.listener()).proxy_protocol.clone();
        if let Some(rule) = rule {
            let ended = {
                let state = &mut *self.logic.state();
                self.headers.read((socket, peer, permit), &rule, &mut state.driver)
            };
            return self.header_ended(ended);
        }
        self.begin_accepted(Introduced { socket, peer, header: None, permit, rest: Vec::new() });
    }

    /// A connection's header has been read, or was not good.
    pub(super) fn header_ended(&mut self, ended: Option<headers::Ended>) {
        let mut introduced = match ended {
            None => return,
            Some(headers::Ended::Introduced(introduced)) => introduced,
            Some(headers::Ended::Refused(peer, listener, refusal)) => return self.refused(&peer, listener, refusal),
        };
        let source = introduced.header.as_ref().and_then(ProxyHeader::source);
        let ip = source.or_else(|| introduced.peer.ip()).map(|source| source.ip());
        if let Err(refusal) = self.directory.admission.settle(&mut introduced.permit, ip) {
            reset(introduced.socket, &mut self.logic.state().driver);
            return self.refused(&introduced.peer, introduced.permit.listener(), refusal);
        }
        if let Some(source) = source {
            introduced.peer = source.into();
        }
        self.begin_accepted(introduced);
    }

    /// An accepted connection becomes a session.
    fn begin_accepted(&mut self, introduced: Introduced) {
        let Introduced { socket, peer, header, permit, rest } = introduced;
        let transport = self.logic.state().profiles.of(permit.listener()).transport();
        let transport = match transport.transpose() {
            Ok(transport) => transport,
            Err(none) => return self.has_no_transport(socket, &peer, permit.listener(), none),
        };
        self.directory.stats().accepted += 1;
        let header = header.map(Box::new);
        let id = self.begin_session(Arrival {
            socket,
            peer,
            permit,
            origin: Origin::Accepted,
            header,
            transport,
            newcomer: None,
        });
        if !rest.is_empty() {
            receive::came_before(&mut self.logic.state(), id.slot(), &rest);
        }
    }

    pub(super) fn refused(&self, peer: &Address, listener: u8, refusal: Refusal) {
        tracing::debug!("{peer} is refused: {refusal}");
        self.directory.count_refused(self.shard, listener, refusal);
        self.directory.count_out(self.shard);
    }

    #[cold]
    fn has_no_transport(&self, socket: SocketId, peer: &Address, listener: u8, none: NoTransport) {
        reset(socket, &mut self.logic.state().driver);
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
        self.directory.count_refused(self.shard, listener, refusal);
        self.directory.count_out(self.shard);
    }

    /// A connection becomes a session. With a transport, the logic is told when that is open.
    pub(super) fn begin_session(&mut self, arrival: Arrival) -> SessionId {
        let Arrival { socket, peer, permit, origin, header, transport, newcomer } = arrival;
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
            let mut record = Record::new(socket, codec.unwrap_or_default(), origin, activity);
            if newcomer.is_some() {
                record.set_datagrams();
            }
            let id = state.sessions.insert(record, peer);
            if let Some(meter) = &state.meter {
                meter.of(listener).begun.add(1);
                state.traffics.begin(id.slot());
            }
            if let Some(flight) = &state.flight {
                let is_accepted = origin == Origin::Accepted;
                let kind = if is_accepted { FlightKind::Accepted } else { FlightKind::Connected };
                let name = state.directory.listeners.get(usize::from(listener)).map(ListenerInfo::label);
                if let Some((_, peer)) = state.sessions.open_with_peer(id.slot()) {
                    flight.begin(id, &peer, (listener, name.as_deref()), kind);
                }
            }
            if let (Some(newcomer), Some(ports)) = (newcomer, &mut state.datagrams) {
                ports.begin(id, newcomer, state.timers.fair_now());
            }
            if let Some(record) = state.sessions.open(id) {
                state.timers.begin(id.slot(), &record.activity, rates);
            }
            if let Some(header) = header {
                state.proxy_headers.insert(id.slot(), header);
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
        let _entered = self.logic.enter(id);
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
