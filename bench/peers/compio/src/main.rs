//! Echo as users of compio write it: the default runtime, one task per connection that owns its
//! buffer.

use compio::buf::{BufResult, IntoInner, IoBuf};
use compio::io::{AsyncRead, AsyncWriteExt};
use compio::net::{TcpListener, TcpStream};
use peer_cli::Service;

#[compio::main]
async fn main() -> anyhow::Result<()> {
    let cli = peer_cli::parse(&[Service::Echo, Service::Stream]);
    let listener = TcpListener::bind(cli.listen).await?;
    peer_cli::announce(listener.local_addr()?)?;
    let buffer_bytes = cli.service.buffer_bytes();
    loop {
        let (socket, _) = listener.accept().await?;
        socket.set_nodelay(true)?;
        // A failing connection ends only itself.
        compio::runtime::spawn(async move { _ = echo(socket, buffer_bytes).await }).detach();
    }
}

async fn echo(mut socket: TcpStream, buffer_bytes: usize) -> std::io::Result<()> {
    let mut buffer = Vec::with_capacity(buffer_bytes);
    loop {
        let BufResult(received, filled) = socket.read(buffer).await;
        let count = received?;
        if count == 0 {
            return Ok(());
        }
        let BufResult(sent, written) = socket.write_all(filled.slice(..count)).await;
        sent?;
        buffer = written.into_inner();
        buffer.clear();
    }
}
