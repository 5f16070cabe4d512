//! Options of the servers that handle packets: echo and chat.

use std::error::Error;
#[cfg(feature = "http")]
use std::net::SocketAddr;
use std::time::Duration;

use clap::{Args, ValueEnum};
#[cfg(feature = "http")]
use proactor::WebSocket;
#[cfg(feature = "websocket")]
use proactor::codec::Codec;
use proactor::{Builder, Handler, Limits, Rate, SlowConsumer, Timeouts};
#[cfg(feature = "cluster")]
use proactor_cluster::Nats;

use crate::codec::{self, CodecChoice};
use crate::life::WrongOptions;
use crate::limits::LIMITS;
use crate::listeners::Listeners;
use crate::serving::{SLOW, Serving, TIMES};
use crate::setting::set;
use crate::summary;
use crate::values;
#[cfg(feature = "websocket")]
use crate::websocket::{self, WebSocketOptions};

pub(crate) const PACKETS: &str = "Packets";

/// Browsers have messages of so many bytes, however short the packets of others are.
#[cfg(feature = "http")]
const LEAST_MESSAGE: usize = 64 * 1024;

#[derive(Args)]
pub(crate) struct Settings {
    #[command(flatten)]
    serving: Serving,

    #[cfg(feature = "websocket")]
    #[command(flatten)]
    websocket: WebSocketOptions,

    #[cfg(feature = "cluster")]
    #[arg(skip)]
    nats: Option<Nats>,

    #[cfg(feature = "http")]
    #[arg(skip)]
    browsers: Option<(SocketAddr, WebSocket)>,

    /// Longest packet, without the bytes that the codec adds; with them it must fit into half of
    /// --outbox-bytes. A client that sends a longer one is disconnected. For lines, length, length2
    /// and --websocket [default: 8KiB for lines, 64KiB for length and --websocket, 65535 for
    /// length2, but never more than fits]
    #[arg(long, value_name = "BYTES", value_parser = codec::frame_bytes, help_heading = PACKETS)]
    max_frame: Option<usize>,

    /// Packets a session may send per second: N or N:BURST [default: no limit]
    #[arg(long, value_name = "RATE", value_parser = values::rate, help_heading = LIMITS)]
    packet_rate: Option<Rate>,

    /// Close a session when one packet takes longer than this from its first byte to its last. Has
    /// no effect with raw [default: never]
    #[arg(long, value_name = "TIME", value_parser = values::time, help_heading = TIMES)]
    read_timeout: Option<Duration>,
    /// Close a session that has not sent its first packet within this time [default: never]
    #[arg(long, value_name = "TIME", value_parser = values::time, help_heading = TIMES)]
    handshake_timeout: Option<Duration>,
    /// Send an empty packet (an empty line, a length of 0) when nothing was sent to a session for
    /// this time. Not with raw and fixed:N, which have no empty packets. With --websocket it is a
    /// ping [default: never]
    #[arg(long, value_name = "TIME", value_parser = values::time, help_heading = TIMES)]
    heartbeat: Option<Duration>,
    /// Send the --heartbeat after each such time, whatever else was sent. With --receive-timeout, a
    /// client that answers each is noticed when it is lost, however much it is sent.
    #[arg(long, requires = "heartbeat", help_heading = TIMES)]
    heartbeat_always: bool,

    /// What to do with a session that does not take what is sent to it
    #[arg(long, value_name = "POLICY", value_enum, default_value_t = SlowChoice::Pause, help_heading = SLOW)]
    slow_consumer: SlowChoice,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum SlowChoice {
    /// Stop reading from it when half of --outbox-bytes is queued, and go on at a quarter. In
    /// chat, close it when a packet from another session does not fit
    Pause,
    /// Drop its oldest queued packets until the next one fits
    DropOldest,
    /// Close it when a packet does not fit
    Close,
}

impl Settings {
    /// Runs the server with this codec until a signal ends it.
    pub(crate) fn serve<H: Handler>(
        mut self,
        name: &str,
        codec: CodecChoice,
        handler: H,
    ) -> Result<(), Box<dyn Error>> {
        let room = self.serving.room(1)?;
        let builder = self.builder(codec, room.sessions)?;
        #[cfg(feature = "cluster")]
        let builder = match self.nats.take() {
            Some(nats) if !self.serving.is_check() => builder.cluster(nats.connect()?),
            _ => builder,
        };
        self.serving.run(name, "", &room, (builder, handler), summary::sessions)
    }

    /// Listens on what the tables of a configuration file say too.
    pub(crate) fn listen_also(&mut self, listeners: Listeners) {
        self.serving.listen_also(listeners);
    }

    /// Makes the server a node of a cluster. It connects to NATS when it starts.
    #[cfg(feature = "cluster")]
    pub(crate) fn join_cluster(&mut self, nats: Nats) {
        self.nats = Some(nats);
    }

    /// Has the server take datagrams at its addresses too.
    pub(crate) fn take_datagrams(&mut self) {
        self.serving.take_datagrams();
    }

    /// Listens for browsers too. Origins and limits of messages are those of the options.
    #[cfg(feature = "http")]
    pub(crate) fn listen_for_browsers(&mut self, address: SocketAddr, websocket: WebSocket) {
        self.browsers = Some((address, websocket));
    }

    /// What needs codecs with empty packets, if anything does.
    fn needs_empty_packets(&self) -> Option<&'static str> {
        #[cfg(feature = "http")]
        if self.browsers.is_some() {
            return Some("http");
        }
        None
    }

    /// Whether a listener speaks WebSocket.
    #[cfg(feature = "websocket")]
    fn has_websocket(&self) -> bool {
        #[cfg(feature = "http")]
        let has_browsers = self.browsers.is_some();
        #[cfg(not(feature = "http"))]
        let has_browsers = false;
        // Those of tables have origins of their own.
        self.websocket.is_on() || has_browsers
    }

    /// Whether sessions may be WebSockets.
    pub(crate) fn has_kinds(&self) -> bool {
        #[cfg(feature = "websocket")]
        return self.websocket.is_on() || self.serving.has_websocket_listener();
        #[cfg(not(feature = "websocket"))]
        false
    }

    pub(crate) fn drops_oldest(&self) -> bool {
        self.slow_consumer == SlowChoice::DropOldest
    }

    fn builder(&mut self, codec: CodecChoice, sessions: usize) -> Result<Builder, Box<dyn Error>> {
        #[cfg(feature = "websocket")]
        if self.websocket.has_origins() && !self.has_websocket() {
            return Err(WrongOptions(
                "--websocket-origin: it is for pages that connect to a WebSocket; add --websocket, or leave it out"
                    .into(),
            )
            .into());
        }
        #[cfg(feature = "websocket")]
        let codec = if self.websocket.is_on() { websocket::LIMITS } else { codec };
        if self.heartbeat.is_some() && !codec.has_empty_packets() {
            return Err(WrongOptions("--heartbeat sends empty packets, which only the codecs lines, length and length2 have: leave it out or choose another --codec".into()).into());
        }
        let framing = codec.framing(self.max_frame, self.serving.outbox_bytes()).map_err(WrongOptions)?;
        let needs = self.heartbeat.is_some().then_some("heartbeat").or(self.needs_empty_packets());
        self.serving.frame_listeners(codec, needs).map_err(WrongOptions)?;
        #[cfg(feature = "websocket")]
        self.serving.speak_websocket(self.websocket.settings(framing.max_bytes() - websocket::HEADER));
        #[cfg(feature = "http")]
        if let Some((address, websocket)) = self.browsers.take() {
            let most = framing.max_bytes().max(LEAST_MESSAGE);
            self.serving.serve_browsers(address, self.websocket.allow(websocket.max_message(most)));
        }
        let builder = self.serving.builder()?;
        let serving = &self.serving;
        if let (Some(receive), Some(heartbeat)) = (serving.receive_timeout(), self.heartbeat)
            && receive <= heartbeat
        {
            return Err(WrongOptions(format!(
                "--receive-timeout {receive:?}: it must be longer than --heartbeat {heartbeat:?}, so that a client has time to answer"
            ))
            .into());
        }
        let limits = set(serving.limits(sessions), self.packet_rate, Limits::packet_rate);
        let timeouts = set(serving.timeouts(), self.read_timeout, Timeouts::read);
        let timeouts = set(timeouts, self.handshake_timeout, Timeouts::handshake);
        let heartbeat = if self.heartbeat_always { Timeouts::heartbeat_always } else { Timeouts::heartbeat };
        let timeouts = set(timeouts, self.heartbeat, heartbeat);
        Ok(builder.limits(limits).timeouts(timeouts).codec(framing).slow_consumer(match self.slow_consumer {
            SlowChoice::Pause => SlowConsumer::PauseReading,
            SlowChoice::DropOldest => SlowConsumer::DropOldest,
            SlowChoice::Close => SlowConsumer::Close,
        }))
    }
}
