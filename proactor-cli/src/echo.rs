//! `proactor echo`: sends every packet back to its sender.

use std::error::Error;

use clap::Args;
use proactor::{CloseReason, Flow, Handler, NoMessage, SendError, Session, SessionId};

use crate::backend;
use crate::codec::{self, CodecChoice};
use crate::life::WrongOptions;
use crate::listeners::Listeners;
use crate::serving::life;
use crate::settings::{PACKETS, Settings};

const LONG_ABOUT: &str = concat!("Sends every packet back to the client that sent it.\n\n", life!("echo"));

const EXAMPLES: &str = "Examples:\n  proactor echo\n  proactor echo --listen 0.0.0.0:7 --listen '[::]:7' --shards 2\n  proactor echo --listen \
                        127.0.0.1:0      # any free port; standard error says which\n  proactor echo --listen \
                        unix:/run/echo.sock --backend poll\n  proactor echo --codec length --max-frame 4KiB --idle-timeout 5m \
                        --max-sessions-per-ip 100\n  proactor echo --datagrams      # UDP too; try: nc -u 127.0.0.1 7777";

/// Sends every packet back to the client that sent it.
#[derive(Args)]
#[command(
    long_about = LONG_ABOUT,
    after_help = format!("{EXAMPLES}\n\n{}", backend::ENVIRONMENT)
)]
pub(crate) struct Echo {
    /// Where one packet ends and the next begins: raw, lines, length, length2 or fixed:N
    #[arg(long, default_value = "raw", help_heading = PACKETS, long_help = codec::HELP)]
    codec: CodecChoice,
    /// Take datagrams (UDP) at the addresses of --listen too; not at Unix sockets. One datagram is
    /// one packet of at most 1472 bytes, whatever --codec is. A session is a client's address, and
    /// ends when nothing has come from there for 60 seconds.
    #[arg(long, help_heading = PACKETS)]
    datagrams: bool,
    #[command(flatten)]
    settings: Settings,
}

#[derive(Clone)]
struct Echoing {
    drops: bool,
    /// Packets are text or binary.
    has_kinds: bool,
}

impl Echoing {
    fn send(&self, session: &Session, packet: &[u8]) -> Result<(), SendError> {
        #[cfg(feature = "websocket")]
        if self.has_kinds {
            return session.send_as(session.packet_kind(), packet);
        }
        let _ = self.has_kinds;
        session.send(packet)
    }
}

impl Handler for Echoing {
    type State = ();
    type Message = NoMessage;

    fn connected(&mut self, _: &Session) {}

    #[inline]
    fn received(&mut self, session: &Session, (): &mut (), packet: &[u8]) -> Flow {
        match self.send(session, packet) {
            Ok(()) => Flow::Continue,
            // The whole outbox is being sent, so no older packet can be dropped: drop this one.
            Err(SendError::Full) if self.drops => Flow::Continue,
            // Under `pause`, a packet is handed over only while half of the outbox is free.
            Err(_) => Flow::Close,
        }
    }

    fn heartbeat(&mut self, session: &Session, (): &mut ()) {
        // If there is no room, the peer takes nothing, and no heartbeat would reach it.
        let _ = session.send(b"");
    }

    fn closed(&mut self, id: SessionId, (): (), reason: &CloseReason) {
        tracing::debug!("{id:?}: {reason}");
    }
}

impl Echo {
    pub(crate) fn run(mut self, listeners: Listeners) -> Result<(), Box<dyn Error>> {
        if self.datagrams && listeners.are_alone {
            return Err(WrongOptions(
                "--datagrams is for the addresses of --listen, and there are none: add one, or leave it out".into(),
            )
            .into());
        }
        self.settings.listen_also(listeners);
        if self.datagrams {
            self.settings.take_datagrams();
        }
        let drops = self.settings.drops_oldest();
        let has_kinds = self.settings.has_kinds();
        self.settings.serve("echo", self.codec, Echoing { drops, has_kinds })
    }
}
