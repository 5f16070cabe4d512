//! TLS for a session that is running without it (STARTTLS). What was sent and received before is
//! plain, all that comes after is not, and nothing is in between: a peer that has sent more behind
//! what was handed over last is refused, because somebody on the way may have put it there.

use std::fmt;

use super::{Session, holds::Hold, id::SessionId, opening, reading, send};
use crate::codec::Codec;
use crate::panic::contained;
use crate::shard::state::ShardState;
use crate::tls::{Tls, TlsClient};
use crate::transport::Transport;
use crate::transport::failure::{Failure, TlsFailure};
use crate::transport::opening::Opening;

/// Why TLS was not started in a running session.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StartTlsError {
    /// The session is closed or closing, or one of its streams has ended.
    Closed,
    /// It has TLS already, is a WebSocket, takes datagrams, or has a partner. It goes on as it is.
    NotPlain,
    /// It is a member of a group, whose broadcasts nobody expects at that moment: it has to leave
    /// before, and may join again at once. It goes on as it is.
    InGroup,
    /// As many handshakes as there may be are under way. It goes on as it is.
    TooMany,
    /// The name is none that a certificate could be for, or TLS cannot begin: the text says more.
    /// It goes on as it is.
    Unusable(String),
    /// The peer has sent more behind what was handed over. The session is closed as
    /// [`TlsFailed`](crate::CloseReason::TlsFailed).
    Pipelined,
    /// The handshake failed, and the session is closed. [`AsyncSession`](crate::AsyncSession) says
    /// so; a handler is told by [`closed`](crate::Handler::closed).
    Failed,
}

impl fmt::Display for StartTlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TLS was not started: ")?;
        match self {
            StartTlsError::Closed => f.write_str("the session is closed"),
            StartTlsError::NotPlain => {
                f.write_str("the session has TLS, a WebSocket or a partner already, or takes datagrams")
            }
            StartTlsError::InGroup => f.write_str("the session is a member of a group; leave it before"),
            StartTlsError::TooMany => f.write_str("too many handshakes are under way; try again later"),
            StartTlsError::Unusable(why) => f.write_str(why),
            StartTlsError::Pipelined => f.write_str("the peer has sent more before it could know that TLS begins"),
            StartTlsError::Failed => f.write_str("the handshake failed; the log says why"),
        }
    }
}

impl std::error::Error for StartTlsError {}

fn pipelined() -> Failure {
    TlsFailure::Pipelined.into()
}

/// Whether TLS may be started in a session.
fn check(state: &mut ShardState, id: SessionId) -> Result<(), StartTlsError> {
    let record = state.sessions.open(id).ok_or(StartTlsError::Closed)?;
    if !record.ends.takes_more() || record.ends.has_peer_ended() {
        return Err(StartTlsError::Closed);
    }
    if !record.is_plain() || record.partner().is_some() {
        return Err(StartTlsError::NotPlain);
    }
    if !record.outbox.positions.is_empty() {
        return Err(StartTlsError::InGroup);
    }
    // What is being handed over now is looked at when it comes back.
    let has_untaken = record.link.as_ref().is_some_and(|link| link.has_untaken());
    if has_untaken || has_more(state, id.slot()) {
        opening::fail(state, id.slot(), pipelined());
        return Err(StartTlsError::Pipelined);
    }
    Ok(())
}

/// Whether bytes of the peer are kept that were not handed over.
fn has_more(state: &ShardState, slot: u32) -> bool {
    let Some(record) = state.sessions.at(slot) else { return false };
    !record.assembly.is_empty() || contained(|| record.codec.buffered()).is_ok_and(|bytes| bytes > 0)
}

/// Puts a transport between the socket and a running session, behind what is queued.
fn start(state: &mut ShardState, id: SessionId, transport: Transport) {
    let slot = id.slot();
    let mut transport = transport.of_running_session();
    if let Some(record) = state.sessions.at_mut(slot)
        && record.sending
        && let Some(outbox) = record.outbox.get()
    {
        transport.send_begins(outbox.in_flight());
    }
    // What was sent before leaves as it is.
    send::send_plain(state, slot, |bytes| transport.send_begins(bytes));
    let ShardState { sessions, timers, .. } = state;
    let Some(record) = sessions.open(id) else { return };
    if let Some(outbox) = record.outbox.get() {
        outbox.end_appending();
    }
    // The end of that hold is that of the handshake now.
    record.holds.remove(Hold::OverRate);
    timers.time(slot, &mut record.activity);
    opening::begin(state, id, transport);
    // What is being handed over ends with the packet, and is looked at then.
    reading::hold(state, slot, Hold::Starting);
    state.sessions.resume_later(slot);
}

/// If TLS has been started while packets were handed over: nothing may be left of these, and the
/// session goes on.
#[cold]
pub(super) fn go_on(state: &mut ShardState, slot: u32) {
    if !state.sessions.at(slot).is_some_and(|record| record.holds.contains(Hold::Starting)) {
        return;
    }
    if has_more(state, slot) {
        opening::fail(state, slot, pipelined());
    } else {
        reading::release(state, slot, Hold::Starting);
    }
}

impl Session {
    /// Starts TLS as the server of a session that runs without it (STARTTLS): call it when the peer
    /// has asked for it, after the answer that allows it. What was sent before leaves as it is;
    /// what is sent from now on waits, within the limit of the outbox, and leaves over TLS.
    /// [`Handler::secured`](crate::Handler::secured) is called when the handshake is over. If it
    /// fails, or takes too long, the session is closed as
    /// [`TlsFailed`](crate::CloseReason::TlsFailed).
    ///
    /// A peer must send nothing more before it has the answer. One that has is refused: what came
    /// in plain behind its request could have been put there by somebody else, and must not be
    /// taken for what came over TLS.
    ///
    /// The handshake goes on while the session is read from, so not while it is
    /// [paused](Session::pause).
    ///
    /// ```
    /// use proactor::tls::Tls;
    /// use proactor::{Flow, Handler, NoMessage, Session};
    ///
    /// /// Serves lines, after STARTTLS.
    /// #[derive(Clone)]
    /// struct Mail(Tls);
    ///
    /// impl Handler for Mail {
    ///     /// Whether it is secured.
    ///     type State = bool;
    ///     type Message = NoMessage;
    ///     fn connected(&mut self, session: &Session) -> bool {
    ///         let _ = session.send(b"220 ready");
    ///         false
    ///     }
    ///     fn received(&mut self, session: &Session, is_secured: &mut bool, line: &[u8]) -> Flow {
    ///         let answer = if *is_secured { line } else { b"220 go ahead" };
    ///         if session.send(answer).is_err() {
    ///             return Flow::Close;
    ///         }
    ///         match *is_secured || session.start_tls(&self.0).is_ok() {
    ///             true => Flow::Continue,
    ///             false => Flow::Close,
    ///         }
    ///     }
    ///     fn secured(&mut self, _: &Session, is_secured: &mut bool) {
    ///         *is_secured = true;
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    /// See [`StartTlsError`].
    pub fn start_tls(&self, tls: &Tls) -> Result<(), StartTlsError> {
        let state = &mut *self.state.borrow_mut();
        check(state, self.id)?;
        let place = tls.admit().ok_or(StartTlsError::TooMany)?;
        let transport = tls.accept(place).map_err(StartTlsError::Unusable)?;
        start(state, self.id, transport);
        Ok(())
    }

    /// As [`start_tls`](Session::start_tls), as the client: call it when the peer has allowed it.
    /// Its certificate must be for this name.
    ///
    /// # Errors
    /// See [`StartTlsError`].
    pub fn start_tls_to(&self, client: &TlsClient, name: &str) -> Result<(), StartTlsError> {
        let state = &mut *self.state.borrow_mut();
        check(state, self.id)?;
        let (layer, timeout) = client.connect(name).map_err(StartTlsError::Unusable)?;
        let opening = Opening { timeout, _place: None, outbound: None, failure: None };
        start(state, self.id, Transport::new(layer, opening));
        Ok(())
    }
}
