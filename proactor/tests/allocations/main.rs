//! What the server allocates, counted for each thread by a global allocator. That is why these
//! tests have a program of their own.
//!
//! Tests that run beside each other do not disturb each other: each server has its own threads.

mod counting;

#[path = "../server/harness/backends.rs"]
mod backends;
#[cfg(unix)]
#[path = "../server/harness/open_files.rs"]
mod open_files;

#[cfg(unix)]
mod async_session;
mod codec;
mod echoed;
mod group;
mod reach;
#[cfg(unix)]
mod session;
mod task;
#[cfg(unix)]
mod tls;
#[cfg(unix)]
#[allow(dead_code, reason = "these tests need a part of it")]
#[path = "../tls/peers.rs"]
mod tls_peers;
#[cfg(unix)]
mod websocket;

use std::net::TcpStream;
use std::time::Duration;

use proactor::{Backend, Builder, Server};

use backends::backends;

const PATIENCE: Duration = Duration::from_secs(60);

fn builder(backend: Backend) -> Builder {
    Server::builder().listen("127.0.0.1:0").shards(1).backend(Some(backend))
}

fn connect<M>(server: &Server<M>) -> TcpStream {
    let stream = TcpStream::connect(server.local_addrs()[0].ip().unwrap()).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}
