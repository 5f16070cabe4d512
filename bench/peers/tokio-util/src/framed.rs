//! Answers each packet with the result of a function.

use std::io;

use bytes::{Bytes, BytesMut};
use futures_util::{SinkExt, StreamExt, TryStreamExt};
use tokio::net::TcpStream;
use tokio_util::codec::{Framed, FramedRead};

use crate::packets::{BUFFER_BYTES, codec, sink};

/// The service itself: the answer is the packet.
fn answer(packet: BytesMut) -> Bytes {
    packet.freeze()
}

/// `forward` feeds the answers while packets are there, and flushes when there are none for now.
/// Measured against a `Framed` on which `next` is tried with `now_or_never`: this is a little
/// faster.
pub(crate) async fn drained(mut socket: TcpStream) -> io::Result<()> {
    let (input, output) = socket.split();
    let packets = FramedRead::with_capacity(input, codec(), BUFFER_BYTES);
    packets.map_ok(answer).forward(sink(output)).await
}

/// Flushes after each answer.
pub(crate) async fn packet_by_packet(socket: TcpStream) -> io::Result<()> {
    let mut packets = Framed::with_capacity(socket, codec(), BUFFER_BYTES);
    while let Some(packet) = packets.next().await {
        packets.send(answer(packet?)).await?;
    }
    Ok(())
}
