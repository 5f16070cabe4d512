//! A bare io_uring loop: multishot accept into direct descriptors, multishot receive into provided
//! buffers, one system call per turn. The floor: the cost of completion-based I/O without a
//! library.

mod buffers;
mod chat;
mod echo;
mod log;
mod ring;
mod server;

use std::net::TcpListener;

use buffers::Buffers;
use peer_cli::Service;
use ring::Ring;
use rustix::net::sockopt::set_tcp_nodelay;
use server::{Io, Server};

fn main() -> anyhow::Result<()> {
    let cli = peer_cli::parse(&[Service::Echo, Service::Stream, Service::Chat]);
    let listener = TcpListener::bind(cli.listen)?;
    // Accepted sockets inherit it.
    set_tcp_nodelay(&listener, true)?;

    let mut ring = ring::build()?;
    let (submitter, submissions, completions) = ring.split();
    let shape = match cli.service {
        Service::Chat => chat::BUFFERS,
        Service::Stream => echo::STREAM_BUFFERS,
        _ => echo::BUFFERS,
    };
    let buffers = Buffers::register(&submitter, shape)?;
    let io = Io { ring: Ring { submitter, submissions }, buffers };
    peer_cli::announce(listener.local_addr()?)?;
    match cli.service {
        Service::Chat => Server::new(io, listener, chat::Room::new()).run(completions)?,
        _ => Server::new(io, listener, echo::Echo::default()).run(completions)?,
    }
    Ok(())
}
