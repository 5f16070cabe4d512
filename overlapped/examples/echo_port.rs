//! An echo server in overlapped model III: a **completion port** and several threads.
//! `cargo run --release -p overlapped --example echo_port 127.0.0.1:7777`
//!
//! Every socket is associated with the port under a key. The thread that takes a packet serves its
//! session. A session has one operation in flight, so two threads never serve the same one at once.

mod shared;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use overlapped::driver::Wait;
use overlapped::engine::{Accepted, Received, Sent, Status};
use overlapped::error::Action;
use overlapped::port::{CompletionPacket, Queued};
use overlapped::{CompletionPort, Engine, Error, ErrorKind, Socket};

const MOST_PACKETS: usize = 100_000;
const BUFFER_BYTES: usize = 4096;
/// Keys that do not belong to a session.
const LISTENER: usize = 0;
const STOP: usize = 1;
/// Packets that a thread takes at a time.
const BATCH: usize = 32;

struct Server {
    engine: Engine,
    listener: Socket,
    port: CompletionPort,
    table: Mutex<Table>,
}

struct Table {
    sessions: HashMap<usize, Socket>,
    next: usize,
}

impl Server {
    /// Takes packets and serves them, on each thread.
    fn serve(&self) -> Result<(), Error> {
        let mut packets = Vec::new();
        loop {
            self.port.get_many(Wait::Forever, BATCH, &mut packets)?;
            for packet in packets.drain(..) {
                match packet.key {
                    STOP => return self.port.post(STOP, 0), // pass it on to the next thread
                    LISTENER => self.accepted(packet),
                    _ => self.packet(packet),
                }
            }
        }
    }

    fn accept(&self) {
        // This fails when the server stops.
        drop(self.listener.accept().to_port(0));
    }

    fn accepted(&self, mut packet: CompletionPacket) {
        match packet.result::<Accepted>() {
            Ok(connection) => self.add_session(connection.socket),
            // Out of descriptors: wait until a session has closed. Clients wait in the backlog.
            Err(error) if error.kind() == ErrorKind::TooManyFiles => {
                overlapped::port::blocking(|| std::thread::sleep(Duration::from_millis(100)));
            }
            Err(error) if error.kind() == ErrorKind::Cancelled => return,
            Err(error) => shared::tell(format_args!("{error}")),
        }
        self.accept();
    }

    fn add_session(&self, socket: Socket) {
        let key = {
            let mut table = self.table.lock().unwrap();
            let key = table.next;
            table.next += 1;
            table.sessions.insert(key, socket.clone());
            key
        };
        let associated = socket.associate(&self.port, key).and_then(|()| socket.skip_packet_on_success(true));
        match associated.and_then(|()| Ok(socket.recv(vec![0; BUFFER_BYTES]).to_port(0)?)) {
            Ok(Queued::Done(packet)) => self.packet(packet),
            Ok(Queued::Pending(_)) => {}
            Err(_) => self.close_session(key),
        }
    }

    /// Serves a session's packet, and goes on while operations succeed within their start.
    fn packet(&self, packet: CompletionPacket) {
        let key = packet.key;
        let Some(socket) = self.table.lock().unwrap().sessions.get(&key).cloned() else { return };
        let mut next = Ok(Queued::Done(packet));
        while let Ok(Queued::Done(packet)) = next {
            next = answer(&socket, packet);
        }
        if next.is_err() {
            self.close_session(key);
        }
    }

    fn close_session(&self, key: usize) {
        let socket = self.table.lock().unwrap().sessions.remove(&key);
        drop(socket);
    }
}

/// Answers a receive with a send, and a send with a receive. An error or the end of the stream ends
/// the session.
fn answer(socket: &Socket, mut packet: CompletionPacket) -> Result<Queued, Status> {
    let started = match packet.action() {
        Some(Action::Receive) => match packet.result::<Received<Vec<u8>>>() {
            Ok(received) if received.bytes > 0 => socket.send(received.buf).to_port(0),
            _ => return Err(packet.status()),
        },
        _ => match packet.result::<Sent<Vec<u8>>>() {
            Ok(sent) => socket.recv(sent.buf).to_port(0),
            Err(_) => return Err(packet.status()),
        },
    };
    started.map_err(|failed| Status::Failed(failed.error.kind()))
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    shared::raise_open_files();
    let engine = Engine::new()?;
    let listener = engine.listen(shared::address(), &Default::default())?;
    shared::print(format_args!("listening on {}", listener.local_addr()?));
    let port = CompletionPort::new(0, MOST_PACKETS);
    listener.associate(&port, LISTENER)?;
    let table = Mutex::new(Table { sessions: HashMap::new(), next: STOP + 1 });
    let server = Arc::new(Server { engine, listener, port, table });

    let port = server.port.clone();
    shared::on_interrupt(move || drop(port.post(STOP, 0)))?;
    server.accept();
    // Twice as many threads as may run at once, so that another takes over when one blocks.
    let threads = 2 * std::thread::available_parallelism()?.get();
    let threads: Vec<_> = (0..threads)
        .map(|_| {
            let server = Arc::clone(&server);
            std::thread::spawn(move || server.serve())
        })
        .collect();
    for thread in threads {
        thread.join().expect("a serving thread does not panic")?;
    }

    // The port is closed first: operations that end later bring no packets.
    server.port.close();
    let engine = server.engine.clone();
    server.table.lock().unwrap().sessions.clear();
    drop(server);
    while engine.live().sockets > 0 {
        engine.sleep(Duration::from_millis(5)).start()?.result(Wait::Forever)?;
    }
    shared::print_live(&engine);
    Ok(())
}
