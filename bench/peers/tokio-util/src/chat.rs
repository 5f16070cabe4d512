//! Chat over a broadcast channel, with a reading and a writing task per member. Compared with a
//! channel per member, this is faster with many messages outstanding and the same with one.

use std::io;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use peer_cli::Flush;
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::sync::broadcast::{Receiver, Sender};
use tokio_util::codec::{FramedRead, FramedWrite, LengthDelimitedCodec};

use crate::packets::{BUFFER_BYTES, codec, sink};

/// Messages kept for members that are behind. A member further behind loses the oldest.
const KEPT: usize = 1024;

type Sink = FramedWrite<OwnedWriteHalf, LengthDelimitedCodec>;

#[derive(Clone, Debug)]
struct Message {
    from: u64,
    text: Bytes,
}

pub(crate) struct Room {
    messages: Sender<Message>,
    joined: u64,
}

impl Room {
    pub(crate) fn new() -> Self {
        Self { messages: Sender::new(KEPT), joined: 0 }
    }

    /// Serves a member until it leaves or its connection fails.
    pub(crate) fn join(&mut self, socket: TcpStream, flush: Flush) {
        let id = self.joined;
        self.joined += 1;
        let (input, output) = socket.into_split();
        let packets = FramedRead::with_capacity(input, codec(), BUFFER_BYTES);
        let sink = sink(output);
        let heard = self.messages.subscribe();
        let writer = tokio::spawn(async move {
            _ = match flush {
                Flush::Drained => write_drained(id, heard, sink).await,
                Flush::Packet => write_packet_by_packet(id, heard, sink).await,
            };
        });
        let messages = self.messages.clone();
        tokio::spawn(async move {
            _ = read(id, packets, messages).await;
            writer.abort();
        });
    }
}

async fn read(
    id: u64,
    mut packets: FramedRead<OwnedReadHalf, LengthDelimitedCodec>,
    messages: Sender<Message>,
) -> io::Result<()> {
    while let Some(packet) = packets.next().await {
        let message = Message { from: id, text: packet?.freeze() };
        // The only error is that nobody listens.
        _ = messages.send(message);
    }
    Ok(())
}

/// Feeds the codec while there are messages, then flushes.
async fn write_drained(id: u64, mut heard: Receiver<Message>, mut sink: Sink) -> io::Result<()> {
    loop {
        let mut next = match heard.recv().await {
            Ok(message) => Some(message),
            Err(RecvError::Lagged(_)) => None,
            Err(RecvError::Closed) => return Ok(()),
        };
        loop {
            if let Some(message) = next.filter(|message| message.from != id) {
                sink.feed(message.text).await?;
            }
            next = match heard.try_recv() {
                Ok(message) => Some(message),
                Err(TryRecvError::Lagged(_)) => None,
                Err(TryRecvError::Empty | TryRecvError::Closed) => break,
            };
        }
        SinkExt::<Bytes>::flush(&mut sink).await?;
    }
}

/// Flushes after each message.
async fn write_packet_by_packet(id: u64, mut heard: Receiver<Message>, mut sink: Sink) -> io::Result<()> {
    loop {
        match heard.recv().await {
            Ok(message) if message.from != id => sink.send(message.text).await?,
            Ok(_) | Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return Ok(()),
        }
    }
}
