//! Echo as users of compio write it: the default runtime, one task per connection that owns its
//! buffer.

use compio::buf::{BufResult, IntoInner, IoBuf};
use compio::io::{AsyncRead, AsyncWriteExt};
use compio::net::{TcpListener, TcpStream};
use peer_cli::Service;

#[compio::main]
async fn main() -> anyhow::Result<()> {
    let cli = peer_cli::parse(&[Service::Echo]);
    let listener = TcpListener::bind(cli.listen).await?;
    peer_cli::announce(listener.local_addr()?)?;
    loop {
        let (socket, _) = listener.accept().await?;
        socket.set_nodelay(true)?;
        // A failing connection ends only itself.
        compio::runtime::spawn(async move { _ = echo(socket).await }).detach();
    }
}

async fn echo(mut socket: TcpStream) -> std::io::Result<()> {
    let mut buffer = Vec::with_capacity(16 * 1024);
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
