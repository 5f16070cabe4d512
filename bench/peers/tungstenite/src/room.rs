//! A room over a broadcast channel, with a reading and a writing task a member. A message's frame
//! is
//! made once, and written as it is to every member.

use std::io::{self, ErrorKind};

use bytes::{Buf, Bytes, BytesMut};
use peer_cli::websocket;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::sync::broadcast::{Receiver, Sender};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

/// Messages kept for members that are behind. A member further behind loses the oldest.
const KEPT: usize = 1024;
const BUFFER_BYTES: usize = 16 * 1024;
const LONGEST_HEAD: usize = 8 * 1024;

#[derive(Clone, Debug)]
struct Message {
    from: u64,
    frame: Bytes,
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
    pub(crate) fn join(&mut self, mut socket: TcpStream) {
        let id = self.joined;
        self.joined += 1;
        let messages = self.messages.clone();
        tokio::spawn(async move {
            let mut came = BytesMut::with_capacity(BUFFER_BYTES);
            if upgrade(&mut socket, &mut came).await.is_err() {
                return;
            }
            let (input, output) = socket.into_split();
            let heard = messages.subscribe();
            let writer = tokio::spawn(async move { _ = write(id, heard, output).await });
            _ = read(id, input, came, messages).await;
            writer.abort();
        });
    }
}

/// Answers the request. What came behind it is left.
async fn upgrade(socket: &mut TcpStream, came: &mut BytesMut) -> io::Result<()> {
    let end = loop {
        if let Some(end) = came.windows(4).position(|end| end == b"\r\n\r\n") {
            break end + 4;
        }
        if came.len() > LONGEST_HEAD || socket.read_buf(came).await? == 0 {
            return Err(ErrorKind::InvalidData.into());
        }
    };
    let head = came.split_to(end);
    let key = websocket::key_of(&head).ok_or(ErrorKind::InvalidData)?;
    socket.write_all(&websocket::accepted(&derive_accept_key(key))).await
}

async fn read(id: u64, mut input: OwnedReadHalf, mut came: BytesMut, messages: Sender<Message>) -> io::Result<()> {
    loop {
        while let Some((header, payload)) = websocket::header_of_client(&came) {
            if came.len() < header + payload {
                break;
            }
            let key: [u8; 4] = came[header - 4..header].try_into().expect("four bytes");
            let (opcode, mut message) = (came[0] & 0xf, came.split_to(header + payload));
            message.advance(header);
            message.iter_mut().zip(key.iter().cycle()).for_each(|(byte, key)| *byte ^= key);
            if opcode == websocket::CLOSE {
                return Ok(());
            }
            let mut frame = websocket::header_of_server(payload);
            frame.extend_from_slice(&message);
            // The only error is that nobody listens.
            _ = messages.send(Message { from: id, frame: frame.into() });
        }
        if input.read_buf(&mut came).await? == 0 {
            return Ok(());
        }
    }
}

/// Writes one frame as it is, and several in one piece.
async fn write(id: u64, mut heard: Receiver<Message>, mut output: OwnedWriteHalf) -> io::Result<()> {
    let mut several = Vec::new();
    loop {
        let mut first = match heard.recv().await {
            Ok(message) => Some(message).filter(|message| message.from != id),
            Err(RecvError::Lagged(_)) => None,
            Err(RecvError::Closed) => return Ok(()),
        };
        several.clear();
        loop {
            match heard.try_recv() {
                Ok(message) if message.from == id => {}
                Ok(message) => {
                    if let Some(first) = first.take() {
                        several.extend_from_slice(&first.frame);
                    }
                    several.extend_from_slice(&message.frame);
                }
                Err(TryRecvError::Lagged(_)) => {}
                Err(TryRecvError::Empty | TryRecvError::Closed) => break,
            }
        }
        output.write_all(&several).await?;
        if let Some(first) = first {
            output.write_all(&first.frame).await?;
        }
    }
}
