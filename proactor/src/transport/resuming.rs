//! A transport of a session that can go on over another connection.

use std::time::Duration;

use super::Transport;
use super::failure::Failure;
use super::layer::Layer;
use super::opening::Opening;
#[cfg(feature = "websocket")]
use super::tunnel::Tunnel;
use crate::resume::{Afresh, Resume, Resuming, stream::Stream, token::Token};
#[cfg(feature = "websocket")]
use crate::websocket::framing::Settings;

impl Transport {
    /// The peer says, when all else is open, whether it begins or resumes.
    pub(crate) fn resumed_by(mut self, settings: &Resume) -> Transport {
        self.resuming = Some(Box::new(Resuming::new(settings.clone())));
        if let Some(opening) = &mut self.opening {
            opening.timeout = opening.timeout.saturating_add(settings.most_hello_time());
        }
        self
    }

    /// The records are in the messages of the WebSocket that the connection becomes.
    #[cfg(feature = "websocket")]
    pub(crate) fn through_websocket(self, settings: &Settings) -> Transport {
        Transport { tunnel: Some(Box::new(Tunnel::new(settings))), ..self }
    }

    pub(crate) fn resuming(&self) -> Option<&Resuming> {
        self.resuming.as_deref()
    }

    /// How many bytes may be sealed now.
    pub(crate) fn room(&self) -> usize {
        self.resuming.as_ref().and_then(|resuming| resuming.stream()).map_or(usize::MAX, Stream::room)
    }

    /// Whether only the peer's hello is missing, or its answer.
    pub(crate) fn awaits_hello(&self) -> bool {
        self.layer.is_open() && self.resuming.as_ref().is_some_and(|resuming| !resuming.is_open())
    }

    /// Whether the peer has said what it wants, and waits for the answer.
    pub(crate) fn is_asked(&self) -> bool {
        self.resuming.as_ref().is_some_and(|resuming| resuming.asked().is_some())
    }

    /// Takes records off what came, if all else is open.
    pub(super) fn go_on_resuming(&mut self, plain: &mut Vec<u8>) -> Result<(), Failure> {
        let is_ready = self.layer.is_open();
        #[cfg(feature = "websocket")]
        let is_ready = is_ready && self.upgrading.is_none();
        if !is_ready || self.resuming.is_none() {
            return Ok(());
        }
        let done = self.take_records(plain);
        if done.is_err() {
            plain.clear();
            self.fail();
        }
        done
    }

    fn take_records(&mut self, plain: &mut Vec<u8>) -> Result<(), Failure> {
        #[cfg(feature = "websocket")]
        if let Some(tunnel) = &mut self.tunnel {
            let mut frames = Vec::new();
            tunnel.receive(plain, &mut frames)?;
            self.say(&frames)?;
        }
        let Some(resuming) = &mut self.resuming else { return Ok(()) };
        resuming.receive(plain).map_err(|malformed| Failure::resume(malformed.0))
    }

    /// Whether the peer is to be told what has come. That is no output: a peer that does not read
    /// is told once, with the next send.
    pub(super) fn owes_acknowledgement(&self) -> bool {
        let stream = self.resuming.as_ref().and_then(|resuming| resuming.stream());
        !self.has_failed && self.opening.is_none() && stream.is_some_and(Stream::owes_acknowledgement)
    }

    /// Appends to `wire` what has come, if the peer should know by now.
    pub(super) fn acknowledge(&mut self, wire: &mut Vec<u8>) -> Result<(), Failure> {
        if !self.owes_acknowledgement() {
            return Ok(());
        }
        let mut records = Vec::new();
        if let Some(stream) = self.resuming.as_mut().and_then(|resuming| resuming.stream_mut()) {
            stream.acknowledge_if_due(&mut records);
        }
        let records = self.carried(records);
        self.seal_in_layer(&records, wire)
    }

    /// Bytes of the session are missing on the wire: no connection can go on from here.
    pub(super) fn forget_resuming(&mut self) {
        self.resuming = None;
    }

    /// What records are for the layer.
    pub(super) fn carried(&self, records: Vec<u8>) -> Vec<u8> {
        #[cfg(feature = "websocket")]
        if let Some(tunnel) = self.tunnel.as_ref().filter(|_| !records.is_empty()) {
            let mut frames = Vec::new();
            tunnel.send(&records, &mut frames);
            return frames;
        }
        records
    }

    /// As [`carried`](Transport::carried), for the last records.
    pub(super) fn ended(&self, records: Vec<u8>) -> Vec<u8> {
        let carried = self.carried(records);
        #[cfg(feature = "websocket")]
        if let Some(tunnel) = &self.tunnel {
            return tunnel.closed(carried);
        }
        carried
    }

    /// Puts bytes into the output, behind what is there.
    fn say(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        if bytes.is_empty() {
            return Ok(());
        }
        let sealed = self.call(|layer, input, output| layer.seal(input, bytes, output))?;
        self.check(sealed)
    }

    /// A session begins with this connection.
    pub(crate) fn begin_session(&mut self, token: Token, afresh: Option<Afresh>) -> Result<(), Failure> {
        let mut answer = Vec::new();
        if let Some(resuming) = &mut self.resuming {
            resuming.begin(token, afresh, &mut answer);
        }
        let answer = self.carried(answer);
        self.say(&answer)
    }

    /// This connection takes the place of `other`, which is gone. Its peer has so much of what was
    /// sent. Appends to `wire` what it is to be sent.
    pub(crate) fn take_over(&mut self, other: Transport, has: u64, wire: &mut Vec<u8>) -> Result<(), Failure> {
        let mut answer = Vec::new();
        if let (Some(resuming), Some(other)) = (&mut self.resuming, other.resuming) {
            resuming.go_on(*other, has, &mut answer);
        }
        self.opening = None;
        let answer = self.carried(answer);
        // Not by way of the output: what was kept may be more than a layer has to say.
        self.take_output(wire);
        self.seal_in_layer(&answer, wire)
    }

    /// The session of another node goes on with this connection, whose peer has so much of what was
    /// sent. Appends to `wire` what it is to be sent.
    pub(crate) fn go_on_from(
        &mut self,
        tokens: (Token, Vec<Token>),
        stream: Stream,
        has: u64,
        wire: &mut Vec<u8>,
    ) -> Result<(), Failure> {
        let (token, before) = tokens;
        let mut answer = Vec::new();
        let resuming = self.resuming.as_mut();
        if !resuming.is_some_and(|resuming| resuming.go_on_from(token, before, stream, has, &mut answer)) {
            return Err(Failure::resume("its client has not what is kept"));
        }
        let answer = self.carried(answer);
        self.take_output(wire);
        self.seal_in_layer(&answer, wire)
    }

    pub(crate) fn resuming_mut(&mut self) -> Option<&mut Resuming> {
        self.resuming.as_deref_mut()
    }

    /// Takes it apart, to be moved to another thread. `None` if no session can be asked for by it.
    pub(crate) fn depart(self) -> Option<Moving> {
        let Transport { layer, input, output, resuming, .. } = self;
        Some(Moving {
            layer,
            input,
            output,
            resuming: resuming?,
            #[cfg(feature = "websocket")]
            tunnel: self.tunnel,
        })
    }

    /// How long the peer may take to come back.
    pub(crate) fn window(&self) -> Duration {
        self.resuming.as_ref().map_or(Duration::ZERO, |resuming| resuming.settings().window_time())
    }
}

/// The transport of a new connection without a session, on its way to one.
pub(crate) struct Moving {
    layer: Layer,
    input: Vec<u8>,
    output: Vec<u8>,
    resuming: Box<Resuming>,
    #[cfg(feature = "websocket")]
    tunnel: Option<Box<Tunnel>>,
}

impl Moving {
    /// The transport again. It is not open, and has its hello.
    pub(crate) fn arrive(self) -> Transport {
        let Moving { layer, input, output, resuming, .. } = self;
        let timeout = resuming.settings().most_hello_time();
        let opening = Opening { timeout, _place: None, outbound: None, failure: None };
        // It has begun already.
        let begun = Transport::new(Layer::Plain, opening);
        Transport {
            layer,
            input,
            output,
            resuming: Some(resuming),
            #[cfg(feature = "websocket")]
            tunnel: self.tunnel,
            ..begun
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resume::token::Mint;

    #[test]
    fn a_peer_that_does_not_read_is_told_once_what_has_come() {
        let opening = Opening { timeout: Duration::ZERO, _place: None, outbound: None, failure: None };
        let mut transport = Transport::new(Layer::Plain, opening).resumed_by(&Resume::new().keep(16));
        let (mut plain, mut wire) = (Vec::new(), Vec::new());
        transport.receive(&mut b"PRS1\0".to_vec(), &mut plain, Vec::new).unwrap();
        transport.begin_session(Mint::new().token("0.1.2".parse().unwrap(), 3), None).unwrap();
        assert!(transport.take_opened().is_some());
        transport.take_output(&mut wire);
        let count = 40_000_u64;
        for _ in 0..count {
            transport.receive(&mut b"\x10\0\0\0\x01x".to_vec(), &mut plain, Vec::new).unwrap();
            assert_eq!(std::mem::take(&mut plain), b"x");
        }
        assert!(transport.has_output());
        wire.clear();
        transport.take_output(&mut wire);
        transport.acknowledge(&mut wire).unwrap();
        assert_eq!(wire, [&[0x11][..], &count.to_be_bytes()].concat());
        assert!(!transport.has_output());
    }
}
