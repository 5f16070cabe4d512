//! Echo as users of tokio write it: a runtime on the current thread, one task per connection.

use peer_cli::Service;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let cli = peer_cli::parse(&[Service::Echo, Service::Stream]);
    let listener = TcpListener::bind(cli.listen).await?;
    peer_cli::announce(listener.local_addr()?)?;
    let buffer_bytes = cli.service.buffer_bytes();
    loop {
        let (socket, _) = listener.accept().await?;
        socket.set_nodelay(true)?;
        // A failing connection ends only itself.
        drop(tokio::spawn(async move { _ = echo(socket, buffer_bytes).await }));
    }
}

async fn echo(mut socket: TcpStream, buffer_bytes: usize) -> std::io::Result<()> {
    let mut buffer = vec![0; buffer_bytes];
    loop {
        let count = socket.read(&mut buffer).await?;
        if count == 0 {
            return Ok(());
        }
        socket.write_all(&buffer[..count]).await?;
    }
}
