//! Echo in overlapped model I, events, on one thread: the waits of this thread turn an
//! `Engine::local()`. Every session has an event, and a `WaitSet` tells which are signalled.
//!
//! The example `echo_event` of the crate is the same with an accepting thread and a threaded
//! engine, as programs for Winsock have it.

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

struct Server {
    listener: Socket,
    accepted: Event,
    accept: Overlapped<Accepted>,
    events: WaitSet,
    /// By the index of their event in the set. The listener has index 0.
    sessions: Vec<Option<Session>>,
}

impl Server {
    fn new(listener: Socket) -> Result<Server, Error> {
        let (events, accepted) = (WaitSet::new(MOST_SESSIONS + 1), Event::new());
        events.add(&accepted)?;
        let accept = listener.accept().event(&accepted).start()?;
        Ok(Server { listener, accepted, accept, events, sessions: vec![None] })
    }

    fn run(&mut self) -> Result<(), Error> {
        let mut signalled = Vec::new();
        loop {
            self.events.wait(Wait::Forever, &mut signalled)?;
            for &number in &signalled {
                if number == 0 {
                    self.take_connection()?;
                } else if let Some(session) = &mut self.sessions[number] {
                    // End of stream or a reset ends this session only.
                    if !session.step().unwrap_or(false) {
                        self.events.remove(number);
                        self.sessions[number] = None;
                    }
                }
            }
        }
    }

    fn take_connection(&mut self) -> Result<(), Error> {
        match self.accept.result(Wait::Poll) {
            // The connection may be reset already.
            Ok(connection) => drop(Session::new(connection.socket).and_then(|session| self.add(session))),
            Err(error) if error.kind() == ErrorKind::TooManyFiles => return Err(error),
            Err(_) => {}
        }
        self.accept = self.listener.accept().event(&self.accepted).start()?;
        Ok(())
    }

    fn add(&mut self, session: Session) -> Result<(), Error> {
        let number = self.events.add(&session.event)?;
        if self.sessions.len() <= number {
            self.sessions.resize_with(number + 1, || None);
        }
        self.sessions[number] = Some(session);
        Ok(())
    }
}

fn main() -> anyhow::Result<()> {
    let cli = peer_cli::parse(&[Service::Echo]);
    let engine = Engine::local()?;
    let listener = engine.listen(cli.listen, &Default::default())?;
    peer_cli::announce(listener.local_addr()?.ip().context("it listens on an IP address")?)?;
    Server::new(listener)?.run()?;
    Ok(())
}
