//! Packets as users of tokio write them: tokio-util's length-delimited codec, a runtime on the
//! current thread, one task per connection.
//!
//! `--flush drained` is the fast way: feed packets to the codec while there are more, then flush.
//! `--flush packet` is the way that the documentation shows first: one `send`, which flushes, per
//! packet.

mod chat;
mod framed;
mod packets;

use peer_cli::{Flush, Service};
use tokio::net::TcpListener;

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let cli = peer_cli::parse(&[Service::Framed, Service::Chat]);
    let listener = TcpListener::bind(cli.listen).await?;
    peer_cli::announce(listener.local_addr()?)?;
    let mut room = chat::Room::new();
    loop {
        let (socket, _) = listener.accept().await?;
        socket.set_nodelay(true)?;
        // A failing connection ends only itself.
        match (cli.service, cli.flush) {
            (Service::Chat, flush) => room.join(socket, flush),
            (_, Flush::Drained) => drop(tokio::spawn(async { _ = framed::drained(socket).await })),
            (_, Flush::Packet) => drop(tokio::spawn(async { _ = framed::packet_by_packet(socket).await })),
        }
    }
}
