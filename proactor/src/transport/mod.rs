//! What lies between a session's socket and its packets. A plain session has nothing there, and
//! pays nothing.
//!
//! A [`Transport`] belongs to one session, is boxed, and lives in a side table of its shard. Its
//! [`Layer`] turns the bytes of the wire into those of the session and back; it knows no socket.
//!
//! - **Received bytes** go through [`Transport::receive`] in the driver's buffer, before the
//!   session's assembly sees them (`session/receive.rs`).
//! - **Bytes to send** go through [`Transport::seal`] when a send starts, after the outbox has
//!   given them (`session/send.rs`). So limits, policies and groups count the bytes of packets.
//! - **What the layer itself has to say** (a handshake, an alert) is its output. It leaves with the
//!   next send, before what is sealed later.
//! - **Until it is open** the logic does not know the session. That phase has a deadline of its own
//!   ([`Opening`]).
//!
//! A layer above another (a WebSocket over TLS) is a variant of [`Layer`] that holds the one below:
//! what it receives is what that one made, and what it makes that one seals.

pub(crate) mod failure;
pub(crate) mod layer;
pub(crate) mod opening;
pub(crate) mod resuming;
mod slot_hasher;
pub(crate) mod table;
#[cfg(feature = "websocket")]
mod tunnel;
#[cfg(feature = "websocket")]
pub(crate) mod upgrading;

use std::collections::VecDeque;
#[cfg(feature = "websocket")]
use std::{sync::Arc, time::Duration};

use self::failure::{Failure, TlsFailure};
use self::layer::Layer;
use self::opening::Opening;
#[cfg(feature = "websocket")]
use self::tunnel::Tunnel;
#[cfg(feature = "websocket")]
use self::upgrading::{Upgraded, Upgrading};
use crate::panic::contained;
use crate::resume::{Resuming, stream::Stream};
#[cfg(feature = "websocket")]
use crate::websocket::framing::Settings;

/// Bytes of unfinished records that are kept: more than the longest handshake message in records.
const MOST_INPUT: usize = 80 * 1024;
/// Bytes of the layer's own that wait to be sent: a peer that makes it say more is cut off.
const MOST_OUTPUT: usize = 256 * 1024;

/// One session's transport.
pub(crate) struct Transport {
    layer: Layer,
    /// The beginning of a record.
    input: Vec<u8>,
    /// What the layer has to say, before what is sealed later.
    output: Vec<u8>,
    /// For each send in flight, how many of the outbox's bytes are in it.
    in_flight: VecDeque<usize>,
    /// Until it is open.
    opening: Option<Box<Opening>>,
    /// The upgrade that is the last part of that.
    #[cfg(feature = "websocket")]
    upgrading: Option<Box<Upgrading>>,
    /// What has become of the connection by that.
    #[cfg(feature = "websocket")]
    upgraded: Option<Upgraded>,
    /// The session can go on over another connection.
    resuming: Option<Box<Resuming>>,
    /// The messages of a WebSocket have what is resumed in them.
    #[cfg(feature = "websocket")]
    tunnel: Option<Box<Tunnel>>,
    /// It was put into a session that was running.
    is_of_running: bool,
    /// Nothing more is received or sealed.
    has_failed: bool,
    /// What has come for its opening waits for a later turn.
    is_postponed: bool,
}

impl Transport {
    /// A transport that says what it has to say before anything has come.
    pub(crate) fn new(mut layer: Layer, opening: Opening) -> Transport {
        let mut output = Vec::new();
        layer.begin(&mut output);
        let (input, in_flight) = (Vec::new(), VecDeque::new());
        Transport {
            layer,
            input,
            output,
            in_flight,
            opening: Some(Box::new(opening)),
            #[cfg(feature = "websocket")]
            upgrading: None,
            #[cfg(feature = "websocket")]
            upgraded: None,
            resuming: None,
            #[cfg(feature = "websocket")]
            tunnel: None,
            is_of_running: false,
            has_failed: false,
            is_postponed: false,
        }
    }

    /// It is for a session that the logic knows.
    #[cfg(feature = "tls")]
    pub(crate) fn of_running_session(self) -> Transport {
        Transport { is_of_running: true, ..self }
    }

    pub(crate) fn is_of_running(&self) -> bool {
        self.is_of_running
    }

    /// A client is to upgrade the connection when the layer is open.
    #[cfg(feature = "websocket")]
    pub(crate) fn accepting(self, settings: &Arc<Settings>) -> Transport {
        let timeout = settings.websocket.upgrade_timeout();
        self.upgraded_by(Upgrading::server(settings), timeout)
    }

    /// The connection is upgraded when the layer is open, within a time more than that has.
    #[cfg(feature = "websocket")]
    pub(crate) fn upgraded_by(mut self, upgrading: Upgrading, timeout: Duration) -> Transport {
        self.upgrading = Some(Box::new(upgrading));
        if let Some(opening) = &mut self.opening {
            opening.timeout = opening.timeout.saturating_add(timeout);
        }
        if self.layer.is_open() {
            // It asks at once; nothing has come that could fail.
            let _ = self.go_on_upgrading(&mut Vec::new());
        }
        self
    }

    /// Whether the layer is open, and the upgrade is not over.
    #[cfg(feature = "websocket")]
    pub(crate) fn is_upgrading(&self) -> bool {
        self.layer.is_open() && self.upgrading.is_some()
    }

    /// Whether bytes of the session can be sent and received.
    pub(crate) fn is_open(&self) -> bool {
        #[cfg(feature = "websocket")]
        let is_upgraded = self.upgrading.is_none();
        #[cfg(not(feature = "websocket"))]
        let is_upgraded = true;
        self.layer.is_open() && is_upgraded && self.resuming.as_ref().is_none_or(|resuming| resuming.is_open())
    }

    /// What the connection has become by the upgrade, once.
    #[cfg(feature = "websocket")]
    pub(crate) fn take_upgraded(&mut self) -> Option<Upgraded> {
        self.upgraded.take()
    }

    /// Whether it was there for an upgrade that is over, and nothing of it is in flight.
    #[cfg(feature = "websocket")]
    pub(crate) fn is_done(&self) -> bool {
        self.layer.is_plain()
            && self.resuming.is_none()
            && self.opening.is_none()
            && !self.has_failed
            && self.output.is_empty()
            && self.in_flight.is_empty()
    }

    /// Asks or answers, if the layer is open. What has come in `plain` that is behind the upgrade
    /// stays there.
    #[cfg(feature = "websocket")]
    fn go_on_upgrading(&mut self, plain: &mut Vec<u8>) -> Result<(), Failure> {
        if !self.is_upgrading() {
            return Ok(());
        }
        let Some(upgrading) = &mut self.upgrading else { return Ok(()) };
        let mut said = upgrading.ask().unwrap_or_default();
        let mut rest = &plain[..];
        let (answer, upgraded) = match rest {
            [] => (Vec::new(), Ok(None)),
            _ => upgrading.next(&mut rest),
        };
        said.extend(answer);
        let used = plain.len() - rest.len();
        if !said.is_empty() {
            let sealed = self.call(|layer, input, output| layer.seal(input, &said, output))?;
            self.check(sealed)?;
        }
        match upgraded {
            Ok(None) => plain.clear(),
            Ok(Some(upgraded)) => {
                let upgrading = self.upgrading.take();
                let head: Option<&[u8]> = match &upgraded {
                    Upgraded::WebSocket(_) => None,
                    // The whole request is for others to read.
                    #[cfg(feature = "http")]
                    Upgraded::Not => upgrading.as_ref().map(|upgrading| upgrading.head()),
                };
                plain.splice(..used, head.unwrap_or_default().iter().copied());
                self.upgraded = Some(upgraded);
            }
            Err(failure) => {
                plain.clear();
                self.call(|layer, input, output| layer.end(input, output))?;
                return self.check(Err(failure));
            }
        }
        Ok(())
    }

    pub(crate) fn layer(&self) -> &Layer {
        &self.layer
    }

    /// Whether it is not open yet.
    pub(crate) fn is_opening(&self) -> bool {
        self.opening.is_some()
    }

    /// Whether the logic does not know of the session yet.
    pub(crate) fn is_unknown(&self) -> bool {
        self.opening.is_some() && !self.is_of_running
    }

    pub(crate) fn opening(&self) -> Option<&Opening> {
        self.opening.as_deref()
    }

    pub(crate) fn opening_mut(&mut self) -> Option<&mut Opening> {
        self.opening.as_deref_mut()
    }

    /// The opening, if it is over: the layer has just become open.
    pub(crate) fn take_opened(&mut self) -> Option<Box<Opening>> {
        if self.is_open() && !self.has_failed { self.opening.take() } else { None }
    }

    /// Takes what was received, and appends what it means to `plain`. `spare` gives memory for what
    /// is unfinished.
    pub(crate) fn receive(
        &mut self,
        bytes: &mut [u8],
        plain: &mut Vec<u8>,
        spare: impl FnOnce() -> Vec<u8>,
    ) -> Result<(), Failure> {
        let received = self.receive_in_layer(bytes, plain, spare);
        if received.is_err() && self.resuming.is_some() {
            // Records that are not counted, which the peer sends again.
            plain.clear();
        }
        received?;
        #[cfg(feature = "websocket")]
        self.go_on_upgrading(plain)?;
        self.go_on_resuming(plain)
    }

    fn receive_in_layer(
        &mut self,
        mut bytes: &mut [u8],
        plain: &mut Vec<u8>,
        spare: impl FnOnce() -> Vec<u8>,
    ) -> Result<(), Failure> {
        if std::mem::take(&mut self.is_postponed) && !self.takes_nothing() {
            self.receive_kept(plain)?;
        }
        // An unfinished record is finished first, apart from the bytes behind it.
        while !self.input.is_empty() && !bytes.is_empty() && !self.takes_nothing() {
            let missing = self.layer.missing(&self.input).clamp(1, bytes.len());
            let (next, rest) = std::mem::take(&mut bytes).split_at_mut(missing);
            self.input.extend_from_slice(next);
            bytes = rest;
            self.receive_kept(plain)?;
        }
        if bytes.is_empty() || self.takes_nothing() {
            return Ok(());
        }
        let (used, done) = self.call(|layer, _, output| layer.receive(bytes, plain, output))?;
        self.check(done)?;
        let rest = &bytes[used..];
        if !rest.is_empty() && !self.takes_nothing() {
            if self.input.capacity() == 0 {
                self.input = spare();
            }
            self.input.extend_from_slice(rest);
        }
        Ok(())
    }

    fn receive_kept(&mut self, plain: &mut Vec<u8>) -> Result<(), Failure> {
        let (used, done) = self.call(|layer, input, output| layer.receive(input, plain, output))?;
        self.input.drain(..used);
        self.check(done)
    }

    /// Keeps what was received for a later turn. It is not read from meanwhile. Says whether
    /// nothing was kept before.
    pub(crate) fn postpone(&mut self, bytes: &[u8]) -> bool {
        self.input.extend_from_slice(bytes);
        !std::mem::replace(&mut self.is_postponed, true)
    }

    pub(crate) fn is_postponed(&self) -> bool {
        self.is_postponed
    }

    /// Whether what comes is ignored.
    fn takes_nothing(&self) -> bool {
        self.has_failed || self.layer.has_ended()
    }

    /// Calls the layer. A panic in it, which would be a fault of a library, ends this session only.
    fn call<R>(&mut self, call: impl FnOnce(&mut Layer, &mut Vec<u8>, &mut Vec<u8>) -> R) -> Result<R, Failure> {
        let Transport { layer, input, output, .. } = self;
        contained(|| call(layer, input, output)).map_err(|_| {
            self.fail();
            Failure::new(TlsFailure::Protocol, "its implementation panicked")
        })
    }

    fn check(&mut self, done: Result<(), Failure>) -> Result<(), Failure> {
        let done = match done {
            Ok(()) if self.input.len() > MOST_INPUT || self.output.len() > MOST_OUTPUT => {
                Err(Failure::new(TlsFailure::Protocol, "more at once than a handshake has"))
            }
            done => done,
        };
        if done.is_err() {
            self.fail();
        }
        done
    }

    /// Nothing more is received or sealed. What the layer had to say is still sent.
    pub(crate) fn fail(&mut self) {
        self.has_failed = true;
        self.input = Vec::new();
    }

    /// Gives back the memory for unfinished records, if there are none.
    pub(crate) fn take_empty_input(&mut self) -> Option<Vec<u8>> {
        (self.input.is_empty() && self.input.capacity() > 0).then(|| std::mem::take(&mut self.input))
    }

    /// Whether what was received ends within a record.
    pub(crate) fn is_partial(&self) -> bool {
        !self.input.is_empty()
    }

    /// Bytes of memory for what was received.
    #[cfg(test)]
    pub(crate) fn kept(&self) -> usize {
        self.input.capacity()
    }

    pub(crate) fn has_output(&self) -> bool {
        !self.output.is_empty() || self.owes_acknowledgement()
    }

    /// Whether the peer has said that its stream ends.
    pub(crate) fn has_ended(&self) -> bool {
        match &self.resuming {
            None => self.layer.has_ended(),
            Some(resuming) => resuming.stream().is_some_and(Stream::has_peer_ended),
        }
    }

    /// Appends to `wire` what the layer has to say.
    pub(crate) fn take_output(&mut self, wire: &mut Vec<u8>) {
        if !self.output.is_empty() {
            wire.append(&mut self.output);
            self.output = Vec::new();
        }
    }

    /// Appends to `wire` what `plain` is on the wire.
    pub(crate) fn seal(&mut self, plain: &[u8], wire: &mut Vec<u8>) -> Result<(), Failure> {
        if self.has_failed || self.opening.is_some() {
            return Err(Failure::new(TlsFailure::Protocol, "nothing can be sent"));
        }
        let records;
        let plain = match self.resuming.as_mut().and_then(|resuming| resuming.stream_mut()) {
            None => plain,
            Some(stream) => {
                let mut sealed = Vec::new();
                stream.seal(plain, &mut sealed);
                records = self.carried(sealed);
                &records
            }
        };
        self.seal_in_layer(plain, wire)
    }

    fn seal_in_layer(&mut self, plain: &[u8], wire: &mut Vec<u8>) -> Result<(), Failure> {
        let sealed = self.call(|layer, input, _| layer.seal(input, plain, wire))?;
        self.check(sealed)
    }

    /// Appends to `wire` that our stream ends, once.
    pub(crate) fn end(&mut self, wire: &mut Vec<u8>) {
        if !self.has_failed && self.opening.is_none() {
            if let Some(stream) = self.resuming.as_mut().and_then(|resuming| resuming.stream_mut()) {
                let mut end = Vec::new();
                stream.end(&mut end);
                let end = self.ended(end);
                // As below.
                let _ = self.call(|layer, input, _| layer.seal(input, &end, wire));
            }
            // If it panicked, nothing more is sent.
            let _ = self.call(|layer, input, _| layer.end(input, wire));
        }
    }

    /// A send begins with so many of the outbox's bytes in it.
    pub(crate) fn send_begins(&mut self, plain: usize) {
        self.in_flight.push_back(plain);
    }

    /// How many of the outbox's bytes are in flight.
    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.iter().sum()
    }

    /// The oldest send has ended. Returns how many of the outbox's bytes were in it.
    pub(crate) fn send_ended(&mut self) -> usize {
        self.in_flight.pop_front().unwrap_or(0)
    }
}
