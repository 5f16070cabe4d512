//! Echo in overlapped model I, events. Every session has an event, and a `WaitSet` tells which are
//! signalled.
//!
//! On one thread, the waits of this thread turn an `Engine::local()`. With `--threads` the engine
//! has a thread of its own, and this many threads serve, each with its own set and sessions; the
//! first also accepts.

use std::sync::{Mutex, PoisonError};
use std::thread;

use anyhow::Context;
use overlapped::driver::Wait;
use overlapped::engine::{Accepted, Received, Sent};
use overlapped::{Engine, Error, ErrorKind, Event, Overlapped, Socket, WaitSet};
use peer_cli::Service;

const MOST_SESSIONS: usize = 19_000;
const BUFFER_BYTES: usize = 16 * 1024;

struct Session {
    socket: Socket,
    event: Event,
    pending: Pending,
}

enum Pending {
    Nothing(Vec<u8>),
    Receive(Overlapped<Received<Vec<u8>>>),
    Send(Overlapped<Sent<Vec<u8>>>),
}

impl Session {
    fn new(socket: Socket) -> Result<Session, Error> {
        let pending = Pending::Nothing(vec![0; BUFFER_BYTES]);
        let mut session = Session { socket, event: Event::new(), pending };
        session.step()?;
        Ok(session)
    }

    /// Starts what follows the ended operation. Returns `false` at end of stream.
    fn step(&mut self) -> Result<bool, Error> {
        self.pending = match std::mem::replace(&mut self.pending, Pending::Nothing(Vec::new())) {
            Pending::Nothing(buffer) => Pending::Receive(self.socket.recv(buffer).event(&self.event).start()?),
            Pending::Receive(mut receive) => {
                let received = receive.result(Wait::Poll)?;
                if received.bytes == 0 {
                    return Ok(false);
                }
                Pending::Send(self.socket.send(received.buf).event(&self.event).start()?)
            }
            Pending::Send(mut send) => {
                let buffer = send.result(Wait::Poll)?.buf;
                Pending::Receive(self.socket.recv(buffer).event(&self.event).start()?)
            }
        };
        Ok(true)
    }
}

/// What one thread serves.
struct Part {
    events: WaitSet,
    /// By the index of their event in the set. Index 0 is the listener's event.
    sessions: Mutex<Vec<Option<Session>>>,
}

impl Part {
    fn new(accepted: &Event) -> Result<Part, Error> {
        let events = WaitSet::new(MOST_SESSIONS + 1);
        events.add(accepted)?;
        Ok(Part { events, sessions: Mutex::new(vec![None]) })
    }

    fn add(&self, socket: Socket) -> Result<(), Error> {
        // The serving thread finds the session when it is told of its event.
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        let session = Session::new(socket)?;
        let number = self.events.add(&session.event)?;
        if sessions.len() <= number {
            sessions.resize_with(number + 1, || None);
        }
        sessions[number] = Some(session);
        Ok(())
    }

    /// Waits for events and serves their sessions. Returns whether the listener has something too.
    fn serve(&self, signalled: &mut Vec<usize>) -> Result<bool, Error> {
        self.events.wait(Wait::Forever, signalled)?;
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        for &number in &*signalled {
            if let Some(session) = &mut sessions[number] {
                // End of stream or a reset ends this session only.
                if !session.step().unwrap_or(false) {
                    self.events.remove(number);
                    sessions[number] = None;
                }
            }
        }
        Ok(signalled.first() == Some(&0))
    }
}

/// Accepts connections for all parts, and serves the first one.
struct Server<'a> {
    listener: Socket,
    accepted: &'a Event,
    accept: Overlapped<Accepted>,
    parts: &'a [Part],
    /// Whose turn it is to get a connection.
    next: usize,
}

impl Server<'_> {
    fn run(&mut self) -> Result<(), Error> {
        let mut signalled = Vec::new();
        loop {
            if self.parts[0].serve(&mut signalled)? {
                self.take_connection()?;
            }
        }
    }

    fn take_connection(&mut self) -> Result<(), Error> {
        match self.accept.result(Wait::Poll) {
            // The connection may be reset already.
            Ok(connection) => drop(self.parts[self.next].add(connection.socket)),
            Err(error) if error.kind() == ErrorKind::TooManyFiles => return Err(error),
            Err(_) => {}
        }
        self.next = (self.next + 1) % self.parts.len();
        self.accept = self.listener.accept().event(self.accepted).start()?;
        Ok(())
    }
}

fn run(listener: Socket, threads: usize) -> Result<(), Error> {
    let accepted = Event::new();
    let accept = listener.accept().event(&accepted).start()?;
    // The other parts have an event that nobody sets: a wait on an empty set is refused.
    let never = Event::new();
    let parts = (0..threads).map(|part| Part::new(if part == 0 { &accepted } else { &never }));
    let parts = parts.collect::<Result<Vec<_>, _>>()?;
    thread::scope(|scope| {
        for part in &parts[1..] {
            scope.spawn(|| {
                let mut signalled = Vec::new();
                while part.serve(&mut signalled).is_ok() {}
            });
        }
        Server { listener, accepted: &accepted, accept, parts: &parts, next: 0 }.run()
    })
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
    run(listener, cli.threads.unwrap_or(1))?;
    Ok(())
}
