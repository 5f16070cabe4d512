//! The same chat with tokio and async-nats, as one writes it: a broadcast channel for the members
//! of this node, a task that reads and one that writes for each, and a subscription. What a member
//! says goes into the channel at once, and to NATS with this node's number before it, by which the
//! node knows its own when it comes back.

use std::net::SocketAddr;

use anyhow::{Context, Result, bail};
use bytes::{BufMut, Bytes, BytesMut};
use futures_util::StreamExt;
use tokio::io::AsyncWriteExt;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::sync::broadcast::{Receiver, Sender};

use crate::packets::{Reader, frame};

/// Messages that wait for the slowest member.
const KEPT: usize = 4096;
const SUBJECT: &str = "room";
/// Bytes that are written at once.
const BUFFER_BYTES: usize = 16 * 1024;

#[derive(Clone)]
struct Message {
    /// A member of this node.
    from: Option<u64>,
    text: Bytes,
}

#[derive(Clone)]
struct Room {
    messages: Sender<Message>,
    nats: async_nats::Client,
    node: u64,
}

/// Serves until the process ends. `up` is told the address.
pub(crate) async fn chat(url: &str, node: u64, up: impl FnOnce(SocketAddr)) -> Result<()> {
    let nats = async_nats::connect(url).await.context("connecting to NATS")?;
    let mut heard = nats.subscribe(SUBJECT).await?;
    nats.flush().await?;
    let room = Room { messages: Sender::new(KEPT), nats, node };
    let messages = room.messages.clone();
    tokio::spawn(async move {
        while let Some(message) = heard.next().await {
            let mut text = message.payload;
            if text.len() >= 8 && text.split_to(8) != node.to_be_bytes()[..] {
                // The only error is that nobody listens.
                _ = messages.send(Message { from: None, text });
            }
        }
    });
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    up(listener.local_addr()?);
    for member in 0.. {
        let (socket, _) = listener.accept().await?;
        socket.set_nodelay(true)?;
        join(&room, member, socket);
    }
    Ok(())
}

fn join(room: &Room, member: u64, socket: TcpStream) {
    let (input, output) = socket.into_split();
    let heard = room.messages.subscribe();
    let writer = tokio::spawn(async move {
        if let Err(error) = write(member, heard, output).await {
            eprintln!("member {member}: {error:#}");
        }
    });
    let room = room.clone();
    tokio::spawn(async move {
        _ = read(&room, member, input).await;
        writer.abort();
    });
}

async fn read(room: &Room, member: u64, input: OwnedReadHalf) -> Result<()> {
    let mut packets = Reader::new(input);
    while let Some(text) = packets.next().await? {
        let mut message = BytesMut::with_capacity(8 + text.len());
        message.put_u64(room.node);
        message.put_slice(text);
        let message = message.freeze();
        // The only error is that nobody listens.
        _ = room.messages.send(Message { from: Some(member), text: message.slice(8..) });
        room.nats.publish(SUBJECT, message).await?;
    }
    Ok(())
}

/// Frames what there is, then writes it at once.
async fn write(member: u64, mut heard: Receiver<Message>, mut output: OwnedWriteHalf) -> Result<()> {
    let mut buffer = Vec::with_capacity(BUFFER_BYTES);
    loop {
        let mut next = match heard.recv().await {
            Ok(message) => Some(message),
            Err(RecvError::Lagged(messages)) => bail!("{messages} messages are missing"),
            Err(RecvError::Closed) => return Ok(()),
        };
        while let Some(message) = next.take() {
            if message.from != Some(member) {
                frame(&message.text, &mut buffer);
            }
            if buffer.len() < BUFFER_BYTES {
                next = match heard.try_recv() {
                    Ok(message) => Some(message),
                    Err(TryRecvError::Lagged(messages)) => bail!("{messages} messages are missing"),
                    Err(TryRecvError::Empty | TryRecvError::Closed) => None,
                };
            }
        }
        output.write_all(&buffer).await?;
        buffer.clear();
    }
}
