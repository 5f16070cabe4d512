//! Echo in overlapped model III, a completion port. Every socket is associated with the port under
//! its session's number.
//!
//! On one thread, this thread's waits for packets turn an `Engine::local()`. With `--threads` the
//! engine has a thread of its own, and this many threads take packets.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use anyhow::Context;
use overlapped::driver::Wait;
use overlapped::engine::{Accepted, Received, Sent};
use overlapped::error::Action;
use overlapped::port::CompletionPacket;
use overlapped::{CompletionPort, Engine, Error, ErrorKind, Socket};
use peer_cli::Service;

const MOST_SESSIONS: usize = 19_000;
const MOST_PACKETS: usize = 100_000;
const BUFFER_BYTES: usize = 16 * 1024;
/// Packets taken at a time.
const BATCH: usize = 256;
const LISTENER: usize = 0;

/// The socket of a session. A session has one operation in flight, so no two threads serve it at
/// once, and its lock is free; they may only serve it one after the other.
type Slot = Mutex<Option<Socket>>;

struct Server {
    listener: Socket,
    port: CompletionPort,
    /// By key. The listener has key 0.
    sessions: Box<[Slot]>,
    free: Mutex<Vec<usize>>,
}

impl Server {
    fn new(listener: Socket, port: CompletionPort) -> Server {
        let sessions = (0..=MOST_SESSIONS).map(|_| Slot::default()).collect();
        let free = Mutex::new((1..=MOST_SESSIONS).rev().collect());
        Server { listener, port, sessions, free }
    }

    fn run(&self) -> Result<(), Error> {
        let mut packets = Vec::new();
        loop {
            self.port.get_many(Wait::Forever, BATCH, &mut packets)?;
            for packet in packets.drain(..) {
                match packet.key {
                    LISTENER => self.accepted(packet)?,
                    key => self.packet(key, packet),
                }
            }
        }
    }

    fn accept(&self) {
        // A listener that was not closed can always accept.
        drop(self.listener.accept().to_port(0));
    }

    fn accepted(&self, mut packet: CompletionPacket) -> Result<(), Error> {
        match packet.result::<Accepted>() {
            Ok(connection) => self.add_session(connection.socket),
            Err(error) if error.kind() == ErrorKind::TooManyFiles => return Err(error),
            // The connection was reset in the backlog.
            Err(_) => {}
        }
        self.accept();
        Ok(())
    }

    fn add_session(&self, socket: Socket) {
        // Without a free key the connection is closed.
        let Some(key) = lock(&self.free).pop() else { return };
        let mut slot = lock(&self.sessions[key]);
        if socket.associate(&self.port, key).is_ok() && socket.recv(vec![0; BUFFER_BYTES]).to_port(0).is_ok() {
            *slot = Some(socket);
        } else {
            lock(&self.free).push(key);
        }
    }

    fn packet(&self, key: usize, packet: CompletionPacket) {
        let mut slot = lock(&self.sessions[key]);
        let Some(socket) = &*slot else { return };
        // End of stream or an error ends the session. It has one operation in flight, so no packet
        // of it is still to come.
        if !answer(socket, packet) {
            *slot = None;
            lock(&self.free).push(key);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Answers a receive with a send and a send with a receive. Returns whether the session goes on.
fn answer(socket: &Socket, mut packet: CompletionPacket) -> bool {
    match packet.action() {
        Some(Action::Receive) => match packet.result::<Received<Vec<u8>>>() {
            Ok(received) if received.bytes > 0 => socket.send(received.buf).to_port(0).is_ok(),
            _ => false,
        },
        _ => match packet.result::<Sent<Vec<u8>>>() {
            Ok(sent) => socket.recv(sent.buf).to_port(0).is_ok(),
            Err(_) => false,
        },
    }
}

fn main() -> anyhow::Result<()> {
    let cli = peer_cli::parse(&[Service::Echo]);
    let (local, threaded) = match cli.threads {
        None => (Some(Engine::local()?), None),
        Some(_) => (None, Some(Engine::new()?)),
    };
    let engine = local.as_deref().or(threaded.as_ref()).context("it has one of the two")?;
    let listener = engine.listen(cli.listen, &Default::default())?;
    peer_cli::announce(listener.local_addr()?.ip().context("it listens on an IP address")?)?;
    let threads = cli.threads.unwrap_or(1);
    let port = CompletionPort::new(threads, MOST_PACKETS);
    listener.associate(&port, LISTENER)?;
    let server = Server::new(listener, port);
    server.accept();
    thread::scope(|scope| {
        let threads: Vec<_> = (1..threads).map(|_| scope.spawn(|| server.run())).collect();
        let ended = server.run();
        // A thread that has failed leaves the others their packets.
        threads.into_iter().filter_map(|thread| thread.join().ok()).fold(ended, Result::and)
    })?;
    Ok(())
}
