//! An echo server in overlapped model IV: **futures**.
//! `cargo run --release -p overlapped --example echo_future 127.0.0.1:7777`
//!
//! One thread. Every operation is a future; dropping one cancels it. `block_on` turns this thread's
//! local engine while nothing is ready. With `Engine::new()` any other executor works too.

mod shared;

use std::time::Duration;

use futures::channel::oneshot;
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt, select_biased};
use overlapped::engine::Accepted;
use overlapped::future::block_on;
use overlapped::{Engine, Error, ErrorKind, Socket};

const BUFFER_BYTES: usize = 4096;

/// Sends back what it receives, until the end of the stream or an error.
async fn session(socket: Socket) -> Result<(), Error> {
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let received = socket.recv(buffer).await?;
        if received.bytes == 0 {
            return Ok(());
        }
        buffer = socket.send(received.buf).await?.buf;
    }
}

/// Accepts the next connection. Out of descriptors it waits until sessions have closed; clients
/// wait in the backlog.
async fn accept(engine: &Engine, listener: &Socket) -> Result<Accepted, Error> {
    loop {
        match listener.accept().await {
            Err(failed) if failed.error.kind() == ErrorKind::TooManyFiles => {
                engine.sleep(Duration::from_millis(100)).await?;
            }
            accepted => return Ok(accepted?),
        }
    }
}

async fn serve(engine: &Engine, listener: &Socket, stop: oneshot::Receiver<()>) {
    let mut stop = stop.fuse();
    let mut sessions = FuturesUnordered::new();
    let mut next = Box::pin(accept(engine, listener).fuse());
    loop {
        select_biased! {
            _ = stop => return, // dropping the sessions cancels their operations
            accepted = next => {
                match accepted {
                    Ok(connection) => sessions.push(session(connection.socket)),
                    Err(error) => shared::tell(format_args!("{error}")),
                }
                next.set(accept(engine, listener).fuse());
            }
            // A session may end with an error. Other sessions are not affected.
            _ended = sessions.select_next_some() => {}
        }
    }
}

fn main() -> Result<(), Error> {
    shared::raise_open_files();
    let engine = Engine::local()?;
    let listener = engine.listen(shared::address(), &Default::default())?;
    shared::print(format_args!("listening on {}", listener.local_addr()?));
    let (stop, stopped) = oneshot::channel();
    shared::on_interrupt(move || _ = stop.send(())).expect("the signal handler can be installed");

    block_on(serve(&engine, &listener, stopped))?;

    drop(listener);
    while engine.live().sockets > 0 {
        block_on(engine.sleep(Duration::from_millis(5)))??;
    }
    shared::print_live(&engine);
    Ok(())
}
