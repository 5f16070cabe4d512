//! A user who logs in.

use std::net::SocketAddr;

use anyhow::{Result, ensure};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use crate::packets::{Reader, frame};

/// A user who has logged in, as long as this lives.
pub(crate) struct User {
    reader: Reader<OwnedReadHalf>,
    output: OwnedWriteHalf,
}

impl User {
    pub(crate) async fn connect(node: SocketAddr) -> Result<User> {
        let socket = TcpStream::connect(node).await?;
        socket.set_nodelay(true)?;
        let (input, output) = socket.into_split();
        Ok(User { reader: Reader::new(input), output })
    }

    /// Returns when the cluster has said that the key is this session's.
    pub(crate) async fn log_in(&mut self, name: &str) -> Result<()> {
        let mut packet = Vec::new();
        frame(name.as_bytes(), &mut packet);
        self.output.write_all(&packet).await?;
        let answer = self.reader.next().await?.map(<[u8]>::to_vec).unwrap_or_default();
        ensure!(answer == b"ok", "{name} is not logged in: {}", String::from_utf8_lossy(&answer));
        Ok(())
    }
}
