//! Sessions whose transport is not open yet, and those whose transport fails. The logic does not
//! know the first, and hears of the others as of every close.

use overlapped::Address;
use overlapped::driver::CloseMode;

use super::{Session, close, id::SessionId, reason::CloseReason};
#[cfg(feature = "websocket")]
use crate::codec::Framing;
use crate::connect::{ConnectWaiter, Origin};
use crate::flight::FlightKind;
#[cfg(feature = "http")]
use crate::http::{Http, Limits};
use crate::proxy_protocol::ProxyHeader;
use crate::shard::state::ShardState;
#[cfg(feature = "tls")]
use crate::tls::TlsInfo;
use crate::transport::Transport;
use crate::transport::failure::{Failure, FailureKind};
use crate::transport::opening::OutboundOpening;
#[cfg(feature = "websocket")]
use crate::transport::upgrading::Upgraded;

/// Puts a transport between the socket of a new session and the logic, which is told when that is
/// open.
pub(crate) fn begin(state: &mut ShardState, id: SessionId, transport: Transport) {
    let ShardState { sessions, transports, timers, .. } = state;
    let Some(record) = sessions.open(id) else { return };
    record.set_transport();
    if let Some(opening) = transport.opening() {
        timers.open_within(id.slot(), &record.activity, opening.timeout);
    }
    let opener = record.origin().opener().filter(|_| !transport.is_of_running());
    let has_output = transport.has_output();
    transports.insert(id.slot(), transport);
    if has_output {
        sessions.send_later(id.slot());
    }
    if let Some(opener) = opener.and_then(|opener| sessions.get_mut(opener)) {
        // It still waits for the connection.
        opener.attempt_began();
    }
}

/// A session whose transport has become open.
pub(crate) struct Opened {
    /// For a connection that the server has made.
    pub(crate) outbound: Option<OutboundOpening>,
    /// Serves the connection. The logic does not hear of it.
    #[cfg(feature = "http")]
    pub(crate) service: Option<(Http, Limits)>,
}

/// A session's transport is open. Returns what was kept until then.
pub(crate) fn opened(state: &mut ShardState, slot: u32) -> Option<Opened> {
    let waiter = state.transports.at(slot)?.opening()?.outbound.as_ref().and_then(|outbound| outbound.waiter.as_ref());
    if waiter.is_some_and(|waiter| !ConnectWaiter::is_awaited(waiter)) {
        close::begin_as(state, slot, CloseReason::ByPartner, CloseMode::Abort);
        return None;
    }
    #[cfg(feature = "websocket")]
    let connection = state.next_connection();
    let ShardState { sessions, transports, timers, directory, meter, flight, shard, .. } = state;
    let opening = transports.take_opened(slot)?;
    let record = sessions.open_at(slot)?;
    #[cfg(feature = "http")]
    let mut service = None;
    #[cfg(feature = "websocket")]
    if let Framing::WebSocket(websocket) = &mut record.codec {
        match transports.at_mut(slot).and_then(Transport::take_upgraded) {
            Some(Upgraded::WebSocket(upgrade)) => websocket.begin(connection, upgrade),
            #[cfg(feature = "http")]
            Some(Upgraded::Not) => {
                service = websocket.settings().websocket.service();
                record.codec = Framing::default();
            }
            None => {}
        }
    }
    timers.opened(slot, &record.activity);
    let opened = Opened {
        outbound: opening.outbound,
        #[cfg(feature = "http")]
        service,
    };
    if transports.is_of_running(slot) {
        return Some(opened);
    }
    let origin = record.origin();
    if origin != Origin::Accepted {
        directory.count_connected(*shard);
    }
    if let Some(meter) = meter {
        meter.of(record.activity.listener()).opened.add(1);
    }
    if let Some(flight) = flight {
        flight.record(sessions.id(slot), FlightKind::Opened);
    }
    if let Some(opener) = origin.opener().and_then(|opener| sessions.get_mut(opener)) {
        opener.attempt_ended();
    }
    Some(opened)
}

/// A session's transport has failed: it is closed, and the peer is told why.
pub(crate) fn fail(state: &mut ShardState, slot: u32, failure: Failure) {
    let ShardState { sessions, transports, directory, .. } = state;
    let Some((_, peer)) = sessions.open_with_peer(slot) else { return };
    #[cfg(feature = "websocket")]
    let failure = match transports.at(slot) {
        Some(transport) if transport.is_upgrading() => failure.in_upgrade(),
        _ => failure,
    };
    let failure = match transports.at(slot) {
        Some(transport) if transport.awaits_hello() => failure.in_hello(),
        _ => failure,
    };
    let reason = match failure.kind {
        FailureKind::Tls(kind) => {
            tracing::debug!("{peer}: TLS failed: {failure}");
            directory.stats().count_tls_failure(kind);
            CloseReason::TlsFailed
        }
        #[cfg(feature = "websocket")]
        FailureKind::Upgrade(status) => {
            tracing::debug!("{peer}: the upgrade to WebSocket failed: {failure}");
            directory.stats().count_upgrade_refused(status);
            CloseReason::UpgradeFailed
        }
        FailureKind::Resume => {
            tracing::debug!("{peer} broke the protocol of resumed sessions: {failure}");
            CloseReason::Protocol
        }
    };
    if let Some(transport) = transports.at_mut(slot) {
        transport.fail();
        if let Some(opening) = transport.opening_mut() {
            opening.failure = Some(failure);
        }
    }
    close::begin(state, slot, reason);
}

impl Session {
    /// The address of its own end: which of this machine's addresses the peer has connected to.
    /// Asks the system each time. `None` if the session has ended, or the system does not know.
    pub fn local_addr(&self) -> Option<Address> {
        let ShardState { sessions, driver, datagrams, .. } = &mut *self.state.borrow_mut();
        let record = sessions.open(self.id)?;
        if record.is_datagrams() {
            return datagrams.as_mut()?.local_addr(self.id.slot());
        }
        driver.local_addr(record.socket).ok()
    }

    /// What a load balancer has said of it in a [PROXY protocol](crate::ProxyProtocol) header.
    /// `None` if there was none, or if the session has ended. Its [`source`](ProxyHeader::source)
    /// is [`peer_addr`](Session::peer_addr) already. Costs an allocation: for when a session
    /// begins.
    pub fn proxy_header(&self) -> Option<ProxyHeader> {
        let ShardState { sessions, proxy_headers, .. } = &mut *self.state.borrow_mut();
        sessions.open(self.id)?;
        proxy_headers.get(&self.id.slot()).map(|header| (**header).clone())
    }

    /// What it has agreed on with its peer over TLS, and what the peer has shown. `None` if it is a
    /// plain session, or has ended. Costs some allocations: for when a session begins.
    #[cfg(feature = "tls")]
    pub fn tls(&self) -> Option<TlsInfo> {
        let ShardState { sessions, transports, .. } = &mut *self.state.borrow_mut();
        sessions.open(self.id)?;
        transports.at(self.id.slot()).filter(|transport| transport.is_open())?.layer().tls()
    }
}
