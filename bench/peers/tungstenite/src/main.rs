//! WebSocket as users of tokio write it: echo by tokio-tungstenite, a task a connection, on a
//! runtime
//! on the current thread; and a room whose frames are made once.

mod room;

use futures_util::{SinkExt, StreamExt};
use peer_cli::{Cli, Service};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;
use tokio_tungstenite::accept_async_with_config;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

/// Read at once, as the other peers do. The default of 128 KiB is slower.
const BUFFER_BYTES: usize = 16 * 1024;

fn main() -> anyhow::Result<()> {
    let cli = peer_cli::parse(&[Service::WebSocket, Service::WebSocketChat]);
    Builder::new_current_thread().enable_all().build()?.block_on(serve(cli))
}

async fn serve(cli: Cli) -> anyhow::Result<()> {
    let listener = TcpListener::bind(cli.listen).await?;
    peer_cli::announce(listener.local_addr()?)?;
    let mut room = room::Room::new();
    loop {
        let (socket, _) = listener.accept().await?;
        socket.set_nodelay(true)?;
        // A failing connection ends only itself.
        match cli.service {
            Service::WebSocketChat => room.join(socket),
            _ => drop(tokio::spawn(async move { _ = echo(socket).await })),
        }
    }
}

async fn echo(socket: TcpStream) -> anyhow::Result<()> {
    let config = WebSocketConfig::default().read_buffer_size(BUFFER_BYTES);
    let mut socket = accept_async_with_config(socket, Some(config)).await?;
    while let Some(message) = socket.next().await {
        let message = message?;
        if message.is_text() || message.is_binary() {
            socket.send(message).await?;
        }
    }
    Ok(())
}
