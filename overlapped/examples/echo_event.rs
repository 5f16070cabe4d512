//! An echo server in overlapped model I: **events**.
//! `cargo run --release -p overlapped --example echo_event 127.0.0.1:7777`
//!
//! Every session has an event. Starting an operation resets it; the end of the operation sets it.
//! The event thread waits for the events of all sessions at once. It calls the handler of each
//! session whose event is signalled, and the handler takes the overlapped result.

mod shared;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use overlapped::driver::Wait;
use overlapped::engine::{Received, Sent};
use overlapped::event::wait_any;
use overlapped::{Engine, Error, ErrorKind, Event, Overlapped, Socket, WaitSet};

const MOST_SESSIONS: usize = 20_000;
const BUFFER_BYTES: usize = 4096;

/// A connection: its socket, its event, its one operation in flight, and the handler that is called
/// when that has ended.
struct Session {
    socket: Socket,
    event: Event,
    pending: Pending,
    handler: fn(&mut Session) -> Result<bool, Error>,
}

enum Pending {
    Nothing(Vec<u8>),
    Receive(Overlapped<Received<Vec<u8>>>),
    Send(Overlapped<Sent<Vec<u8>>>),
}

impl Session {
    /// Starts a receive. When that has ended, starts the send that answers it, then the next
    /// receive, and so on. Returns `false` at the end of the session.
    fn packet_recv(&mut self) -> Result<bool, Error> {
        self.pending = match std::mem::replace(&mut self.pending, Pending::Nothing(Vec::new())) {
            Pending::Nothing(buffer) => Pending::Receive(self.socket.recv(buffer).event(&self.event).start()?),
            Pending::Receive(mut receive) => {
                let received = receive.result(Wait::Poll)?; // WSAGetOverlappedResult
                if received.bytes == 0 {
                    return Ok(false);
                }
                Pending::Send(self.socket.send(received.buf).event(&self.event).start()?)
            }
            Pending::Send(mut send) => {
                let sent = send.result(Wait::Poll)?;
                Pending::Receive(self.socket.recv(sent.buf).event(&self.event).start()?)
            }
        };
        Ok(true)
    }
}

/// The session array, under a lock. The key of a session is the number of its event in the wait
/// set.
#[derive(Default)]
struct Sessions {
    by_event: HashMap<usize, Session>,
    count: usize,
}

struct Server {
    listener: Socket,
    events: WaitSet,
    sessions: Mutex<Sessions>,
    stop: Event,
}

impl Server {
    /// Binds the listener and makes the tables.
    fn init(engine: &Engine) -> Result<Server, Error> {
        let listener = engine.listen(shared::address(), &Default::default())?;
        let (events, stop) = (WaitSet::new(MOST_SESSIONS + 1), Event::new());
        events.add(&stop)?; // number 0, so that the set is never empty
        Ok(Server { listener, events, sessions: Mutex::default(), stop })
    }

    /// Adds a connection to the tables and starts its first receive.
    fn add_session(&self, socket: Socket) -> Result<(), Error> {
        let event = Event::new();
        let pending = Pending::Nothing(vec![0; BUFFER_BYTES]);
        let mut session = Session { socket, event, pending, handler: Session::packet_recv };
        let mut sessions = self.sessions.lock().unwrap();
        session.packet_recv()?;
        let number = self.events.add(&session.event)?;
        sessions.by_event.insert(number, session);
        sessions.count += 1;
        Ok(())
    }

    /// Removes a session from the tables, and only then closes its socket and event.
    fn close_session(&self, sessions: &mut Sessions, number: usize) {
        self.events.remove(number);
        if let Some(session) = sessions.by_event.remove(&number) {
            sessions.count -= 1;
            drop(session); // closesocket, WSACloseEvent
        }
    }

    /// Waits for events and calls the handlers of their sessions.
    fn event_loop(&self) -> Result<(), Error> {
        let mut signalled = Vec::new();
        loop {
            self.events.wait(Wait::Forever, &mut signalled)?; // WSAWaitForMultipleEvents
            let mut sessions = self.sessions.lock().unwrap();
            for &number in &signalled {
                if number == 0 {
                    let numbers: Vec<usize> = sessions.by_event.keys().copied().collect();
                    numbers.into_iter().for_each(|number| self.close_session(&mut sessions, number));
                    return Ok(());
                }
                let Some(session) = sessions.by_event.get_mut(&number) else { continue };
                match (session.handler)(session) {
                    Ok(true) => {}
                    // The end of the stream, or a reset. Other sessions are not affected.
                    Ok(false) | Err(_) => self.close_session(&mut sessions, number),
                }
            }
        }
    }

    /// Accepts connections until the server is told to stop.
    fn accept_loop(&self) -> Result<(), Error> {
        let accepted = Event::new();
        loop {
            let mut accept = self.listener.accept().event(&accepted).start()?;
            if wait_any(&[&self.stop, &accepted], Wait::Forever)? == Some(0) {
                return Ok(()); // dropping `accept` cancels it
            }
            match accept.result(Wait::Poll) {
                // If the tables are full, the connection is closed.
                Ok(connection) => drop(self.add_session(connection.socket)),
                // Out of descriptors: wait until a session has closed. Clients wait in the backlog.
                Err(error) if error.kind() == ErrorKind::TooManyFiles => {
                    self.stop.wait(Wait::For(Duration::from_millis(100)))?;
                }
                Err(error) => shared::tell(format_args!("{error}")),
            }
        }
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    shared::raise_open_files();
    let engine = Engine::new()?; // WSAStartup
    let server = Arc::new(Server::init(&engine)?);
    shared::print(format_args!("listening on {}", server.listener.local_addr()?));

    let stop = server.stop.clone();
    shared::on_interrupt(move || stop.set())?;
    let thread = std::thread::spawn({
        let server = Arc::clone(&server);
        move || server.event_loop() // runs before the first accept
    });
    server.accept_loop()?;
    thread.join().expect("the event thread does not panic")?;

    drop(server);
    wait_until_idle(&engine)?;
    shared::print_live(&engine);
    Ok(())
}

/// Waits until the system has closed all sockets.
fn wait_until_idle(engine: &Engine) -> Result<(), Error> {
    for _ in 0..1000 {
        if engine.live().sockets == 0 {
            break;
        }
        engine.sleep(Duration::from_millis(5)).start()?.result(Wait::Forever)?;
    }
    Ok(())
}
