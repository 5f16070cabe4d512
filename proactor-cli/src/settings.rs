//! The flags of the servers that speak in packets, and the server that they describe.

use std::error::Error;
use std::time::Duration;

use clap::{Args, ValueEnum};
use proactor::{Builder, Handler, Rate, SlowConsumer};

use crate::codec::CodecChoice;
use crate::serving::{LIMITS, SLOW, Serving, TIMES, set};
use crate::values;

pub(crate) const PACKETS: &str = "Packets";

#[derive(Args)]
pub(crate) struct Settings {
    #[command(flatten)]
    serving: Serving,

    /// The longest packet, without what the codec adds; whoever sends a longer one is closed. For lines, length and length2 [default: 8KiB for lines, 64KiB
    /// for length, 65535 for length2, and less if --outbox-bytes is below 132KiB]
    #[arg(long, value_name = "BYTES", value_parser = values::at_least_one_byte, help_heading = PACKETS)]
    max_frame: Option<usize>,

    /// Packets a session may send a second, as N or N:BURST. Who is over it is not read from until it may send again [default: no limit]
    #[arg(long, value_name = "RATE", value_parser = values::rate, help_heading = LIMITS)]
    packet_rate: Option<Rate>,

    /// Closes a session of which a packet takes longer than that from its first byte to its last; never with raw [default: never]
    #[arg(long, value_name = "TIME", value_parser = values::time, help_heading = TIMES)]
    read_timeout: Option<Duration>,
    /// Closes a session of which the first packet has not come so long after it connected [default: never]
    #[arg(long, value_name = "TIME", value_parser = values::time, help_heading = TIMES)]
    handshake_timeout: Option<Duration>,
    /// Sends an empty packet (an empty line, a length of 0) to a session that was sent nothing for so long; not with raw and fixed:N, which have none
    /// [default: never]
    #[arg(long, value_name = "TIME", value_parser = values::time, help_heading = TIMES)]
    heartbeat: Option<Duration>,

    /// How a session is met that does not take what is sent to it
    #[arg(long, value_name = "POLICY", value_enum, default_value_t = SlowChoice::Pause, help_heading = SLOW)]
    slow_consumer: SlowChoice,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum SlowChoice {
    /// It is not read from while more than half of --outbox-bytes is queued for it; it is closed if others take it over all of that
    Pause,
    /// The oldest packets that wait for it are dropped, whole, until the next fits
    DropOldest,
    /// It is closed when something does not fit
    Close,
}

impl Settings {
    /// Serves in packets of this codec until it is asked to end.
    pub(crate) fn serve<H: Handler>(self, name: &str, codec: CodecChoice, handler: H) -> Result<(), Box<dyn Error>> {
        let builder = self.builder(codec)?;
        self.serving.run(name, "", builder, handler)
    }

    /// Whether packets are dropped that a session does not take.
    pub(crate) fn drops_oldest(&self) -> bool {
        self.slow_consumer == SlowChoice::DropOldest
    }

    /// The server that they describe. What cannot be is an error that names the flag, and what to do.
    fn builder(&self, codec: CodecChoice) -> Result<Builder, String> {
        if self.heartbeat.is_some() && !codec.has_empty_packets() {
            return Err("--heartbeat sends empty packets, which only the codecs lines, length and length2 have: leave it out, or choose another --codec".into());
        }
        let serving = &self.serving;
        let mut builder = serving
            .builder(serving.sessions(1)?)
            .codec(codec.framing(self.max_frame, serving.outbox_bytes())?)
            .slow_consumer(match self.slow_consumer {
                SlowChoice::Pause => SlowConsumer::PauseReading,
                SlowChoice::DropOldest => SlowConsumer::DropOldest,
                SlowChoice::Close => SlowConsumer::Close,
            });
        builder = set(builder, self.packet_rate, Builder::packet_rate);
        builder = set(builder, self.read_timeout, Builder::read_timeout);
        builder = set(builder, self.handshake_timeout, Builder::handshake_timeout);
        Ok(set(builder, self.heartbeat, Builder::heartbeat))
    }
}
