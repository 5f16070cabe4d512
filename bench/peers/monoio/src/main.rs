//! Echo as users of monoio write it: its io_uring driver, one task per connection that owns its
//! buffer.

use monoio::io::{AsyncReadRent, AsyncWriteRentExt};
use monoio::net::{TcpListener, TcpStream};
use peer_cli::Service;

#[monoio::main(driver = "io_uring")]
async fn main() -> anyhow::Result<()> {
    let cli = peer_cli::parse(&[Service::Echo, Service::Stream]);
    let listener = TcpListener::bind(cli.listen)?;
    peer_cli::announce(listener.local_addr()?)?;
    let buffer_bytes = cli.service.buffer_bytes();
    loop {
        let (socket, _) = listener.accept().await?;
        socket.set_nodelay(true)?;
        // A failing connection ends only itself.
        drop(monoio::spawn(async move { _ = echo(socket, buffer_bytes).await }));
    }
}

async fn echo(mut socket: TcpStream, buffer_bytes: usize) -> std::io::Result<()> {
    let mut buffer = Vec::with_capacity(buffer_bytes);
    loop {
        let (received, filled) = socket.read(buffer).await;
        if received? == 0 {
            return Ok(());
        }
        let (sent, written) = socket.write_all(filled).await;
        sent?;
        buffer = written;
        buffer.clear();
    }
}
