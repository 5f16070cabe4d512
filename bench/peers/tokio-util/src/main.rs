//! Packets as users of tokio write them: the length-delimited codec of tokio-util, a runtime on the current thread, a
//! task a connection.
//!
//! `--flush drained` is what those write who have measured: what there is to send is fed to the codec while there is
//! more of it, and flushed when there is not. `--flush packet` is what the documentation shows first: a `send` for
//! each packet, which flushes.

mod chat;
mod framed;

use peer_cli::{Flush, Service};
use tokio::io::AsyncWrite;
use tokio::net::TcpListener;
use tokio_util::codec::{FramedWrite, LengthDelimitedCodec};

const BUFFER_BYTES: usize = 16 * 1024;
const PACKET_MAX_BYTES: usize = 64 * 1024;

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let cli = peer_cli::parse(&[Service::Framed, Service::Chat]);
    let listener = TcpListener::bind(cli.listen).await?;
    peer_cli::announce(listener.local_addr()?)?;
    let mut room = chat::Room::new();
    loop {
        let (socket, _) = listener.accept().await?;
        socket.set_nodelay(true)?;
        // A connection that fails is its peer's affair.
        match (cli.service, cli.flush) {
            (Service::Chat, flush) => room.join(socket, flush),
            (_, Flush::Drained) => drop(tokio::spawn(async { _ = framed::drained(socket).await })),
            (_, Flush::Packet) => drop(tokio::spawn(async { _ = framed::packet_by_packet(socket).await })),
        }
    }
}

fn codec() -> LengthDelimitedCodec {
    LengthDelimitedCodec::builder().max_frame_length(PACKET_MAX_BYTES).new_codec()
}

/// Packets to be written. More than a buffer full of them is not fed before it is flushed.
fn written<W: AsyncWrite>(output: W) -> FramedWrite<W, LengthDelimitedCodec> {
    let mut packets = FramedWrite::new(output, codec());
    packets.set_backpressure_boundary(BUFFER_BYTES);
    packets
}
