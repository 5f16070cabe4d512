//! Framing: a 4-byte length, then the packet.

use tokio::io::AsyncWrite;
use tokio_util::codec::{FramedWrite, LengthDelimitedCodec};

pub(crate) const BUFFER_BYTES: usize = 16 * 1024;
const PACKET_MAX_BYTES: usize = 64 * 1024;

pub(crate) fn codec() -> LengthDelimitedCodec {
    LengthDelimitedCodec::builder().max_frame_length(PACKET_MAX_BYTES).new_codec()
}

/// A sink of packets that flushes before it holds more than a buffer full.
pub(crate) fn sink<W: AsyncWrite>(output: W) -> FramedWrite<W, LengthDelimitedCodec> {
    let mut packets = FramedWrite::new(output, codec());
    packets.set_backpressure_boundary(BUFFER_BYTES);
    packets
}
