//! Servers on a free port of this machine.

use std::net::SocketAddr;

use proactor::task::TaskOutput;
use proactor::{AsyncSession, Backend, Builder, Server};

use super::backends::backends;

pub(crate) fn builder(backend: Backend, shards: usize) -> Builder {
    Server::builder().listen("127.0.0.1:0").shards(shards).backend(Some(backend))
}

/// Runs a test on each backend, with the settings of a server of one shard.
pub(crate) fn on_each_backend(test: impl Fn(Builder)) {
    for backend in backends() {
        test(builder(backend, 1));
    }
}

pub(crate) fn serve<F, Fut>(builder: Builder, function: F) -> (Server, SocketAddr)
where
    F: FnMut(AsyncSession) -> Fut + Clone + Send + 'static,
    Fut: Future<Output: TaskOutput> + 'static,
{
    let server = builder.serve(function).unwrap();
    let address = address_of(&server);
    (server, address)
}

/// The address of the first listener.
pub(crate) fn address_of<M>(server: &Server<M>) -> SocketAddr {
    server.local_addrs()[0].ip().unwrap()
}

/// Stops a server and checks that no session is left.
#[track_caller]
pub(crate) fn finish<M>(server: Server<M>) {
    let handle = server.handle();
    handle.stop();
    server.wait().unwrap();
    assert_eq!(handle.sessions(), 0, "a slot was not given back");
}
