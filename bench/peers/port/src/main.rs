//! Echo in overlapped model III, a completion port, on one thread: this thread's waits for packets
//! turn an `Engine::local()`. Every socket is associated with the port under its session's number.
//!
//! The example `echo_port` of the crate is the same with several threads and a threaded engine, as
//! programs for Windows have it.

use anyhow::Context;
use overlapped::driver::Wait;
use overlapped::engine::{Accepted, Received, Sent};
use overlapped::error::Action;
use overlapped::port::CompletionPacket;
use overlapped::{CompletionPort, Engine, Error, ErrorKind, Socket};
use peer_cli::Service;

const MOST_PACKETS: usize = 100_000;
const BUFFER_BYTES: usize = 16 * 1024;
/// Packets taken at a time.
const BATCH: usize = 256;
const LISTENER: usize = 0;

struct Server {
    listener: Socket,
    port: CompletionPort,
    /// By key. The listener has key 0.
    sessions: Vec<Option<Socket>>,
    free: Vec<usize>,
}

impl Server {
    fn run(&mut self) -> Result<(), Error> {
        self.accept();
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

    fn accepted(&mut self, mut packet: CompletionPacket) -> Result<(), Error> {
        match packet.result::<Accepted>() {
            Ok(connection) => self.add_session(connection.socket),
            Err(error) if error.kind() == ErrorKind::TooManyFiles => return Err(error),
            // The connection was reset in the backlog.
            Err(_) => {}
        }
        self.accept();
        Ok(())
    }

    fn add_session(&mut self, socket: Socket) {
        let key = self.free.pop().unwrap_or_else(|| {
            self.sessions.push(None);
            self.sessions.len() - 1
        });
        let started =
            socket.associate(&self.port, key).is_ok() && socket.recv(vec![0; BUFFER_BYTES]).to_port(0).is_ok();
        match started {
            true => self.sessions[key] = Some(socket),
            false => self.free.push(key),
        }
    }

    fn packet(&mut self, key: usize, packet: CompletionPacket) {
        let Some(socket) = &self.sessions[key] else { return };
        // End of stream or an error ends the session. It has one operation in flight, so no packet
        // of it is still to come.
        if !answer(socket, packet) {
            self.sessions[key] = None;
            self.free.push(key);
        }
    }
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
    let engine = Engine::local()?;
    let listener = engine.listen(cli.listen, &Default::default())?;
    peer_cli::announce(listener.local_addr()?.ip().context("it listens on an IP address")?)?;
    let port = CompletionPort::new(1, MOST_PACKETS);
    listener.associate(&port, LISTENER)?;
    Server { listener, port, sessions: vec![None], free: Vec::new() }.run()?;
    Ok(())
}
