//! Echo as users of glommio write it: one local executor, one task per connection.

use std::io;

use futures_lite::{AsyncReadExt, AsyncWriteExt};
use glommio::LocalExecutorBuilder;
use glommio::net::{TcpListener, TcpStream};
use peer_cli::{Cli, Service};

fn main() -> io::Result<()> {
    let cli = peer_cli::parse(&[Service::Echo, Service::Stream]);
    LocalExecutorBuilder::default().make()?.run(serve(cli))
}

async fn serve(cli: Cli) -> io::Result<()> {
    let listener = TcpListener::bind(cli.listen)?;
    peer_cli::announce(listener.local_addr()?)?;
    let buffer_bytes = cli.service.buffer_bytes();
    loop {
        let socket = listener.accept().await?;
        socket.set_nodelay(true)?;
        // A failing connection ends only itself.
        glommio::spawn_local(async move { _ = echo(socket, buffer_bytes).await }).detach();
    }
}

async fn echo(mut socket: TcpStream, buffer_bytes: usize) -> io::Result<()> {
    let mut buffer = vec![0; buffer_bytes];
    loop {
        let count = socket.read(&mut buffer).await?;
        if count == 0 {
            return Ok(());
        }
        socket.write_all(&buffer[..count]).await?;
    }
}
