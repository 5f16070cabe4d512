//! Echo as users of tokio write it: one task per connection, on a runtime on the current thread, or
//! with `--threads` on the multi-thread runtime with as many workers.

use peer_cli::{Cli, Service};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;

fn main() -> anyhow::Result<()> {
    let cli = peer_cli::parse(&[Service::Echo, Service::Stream]);
    let runtime = match cli.threads {
        None => Builder::new_current_thread().enable_all().build()?,
        Some(threads) => Builder::new_multi_thread().worker_threads(threads).enable_all().build()?,
    };
    // The runtime runs what blocks on it on this thread; what is spawned runs on its workers.
    match cli.threads {
        None => runtime.block_on(serve(cli)),
        Some(_) => runtime.block_on(async move { tokio::spawn(serve(cli)).await? }),
    }
}

async fn serve(cli: Cli) -> anyhow::Result<()> {
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
