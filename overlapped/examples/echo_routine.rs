//! An echo server in overlapped model II: **completion routines**.
//! `cargo run --release -p overlapped --example echo_routine 127.0.0.1:7777`
//!
//! One thread. Every operation is started with a routine, which is called when the operation has
//! ended and the thread waits alertably. A routine runs at no other time, so the program needs no
//! lock.

mod shared;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::{Rc, Weak};
use std::time::Duration;

use overlapped::driver::{CloseMode, Wait};
use overlapped::routine::{RoutineQueue, sleep_alertable};
use overlapped::{Engine, Error, ErrorKind, LocalEngine, Socket};

const BUFFER_BYTES: usize = 4096;

struct Server {
    engine: LocalEngine,
    listener: Socket,
    sessions: RefCell<HashMap<u64, Weak<Session>>>,
    next: Cell<u64>,
}

/// A connection. The routine of its operation in flight owns it; without one it is dropped, which
/// closes the socket.
struct Session {
    server: Rc<Server>,
    socket: Socket,
    number: u64,
}

impl Server {
    fn accept(self: Rc<Server>) {
        let server = Rc::clone(&self);
        let started = self.listener.accept().on_complete(move |accepted| match accepted {
            Ok(connection) => {
                server.add_session(connection.socket);
                server.accept();
            }
            // Out of descriptors: wait until a session has closed. Clients wait in the backlog.
            Err(failed) if failed.error.kind() == ErrorKind::TooManyFiles => server.accept_later(),
            Err(failed) if failed.error.kind() == ErrorKind::Cancelled => {}
            Err(failed) => {
                shared::tell(format_args!("{failed}"));
                server.accept();
            }
        });
        // This fails when the listener is closed.
        drop(started);
    }

    fn accept_later(self: Rc<Server>) {
        let server = Rc::clone(&self);
        drop(self.engine.sleep(Duration::from_millis(100)).on_complete(move |_| server.accept()));
    }

    fn add_session(self: &Rc<Server>, socket: Socket) {
        let number = self.next.replace(self.next.get() + 1);
        let session = Rc::new(Session { server: Rc::clone(self), socket, number });
        self.sessions.borrow_mut().insert(number, Rc::downgrade(&session));
        session.receive(vec![0; BUFFER_BYTES]);
    }

    /// Closes all sockets. That ends their operations, and the last routine of a session drops it.
    fn stop(&self) {
        drop(self.listener.close(CloseMode::Now).detach());
        let sessions: Vec<Rc<Session>> = self.sessions.borrow().values().filter_map(Weak::upgrade).collect();
        for session in sessions {
            drop(session.socket.close(CloseMode::Now).detach());
        }
    }
}

impl Session {
    fn receive(self: Rc<Session>, buffer: Vec<u8>) {
        let session = Rc::clone(&self);
        let started = self.socket.recv(buffer).on_complete(move |received| match received {
            Ok(received) if received.bytes > 0 => session.send(received.buf),
            // The end of the stream, or a reset: this routine was the last owner of the session.
            _ => {}
        });
        drop(started);
    }

    fn send(self: Rc<Session>, buffer: Vec<u8>) {
        let session = Rc::clone(&self);
        let started = self.socket.send(buffer).on_complete(move |sent| {
            if let Ok(sent) = sent {
                session.receive(sent.buf);
            }
        });
        drop(started);
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.server.sessions.borrow_mut().remove(&self.number);
    }
}

fn main() -> Result<(), Error> {
    shared::raise_open_files();
    let engine = Engine::local()?;
    let listener = engine.listen(shared::address(), &Default::default())?;
    shared::print(format_args!("listening on {}", listener.local_addr()?));
    let server = Rc::new(Server { engine, listener, sessions: RefCell::default(), next: Cell::new(0) });

    thread_local!(static STOPPED: Cell<bool> = const { Cell::new(false) });
    let queue = RoutineQueue::of_this_thread()?;
    // The thread of the signal handler queues a routine to this thread.
    shared::on_interrupt(move || drop(queue.queue(|| STOPPED.set(true)))).expect("the signal handler can be installed");

    Rc::clone(&server).accept();
    while !STOPPED.get() {
        sleep_alertable(Wait::Forever)?;
    }
    server.stop();
    while server.engine.live().sockets > 0 {
        sleep_alertable(Wait::For(Duration::from_millis(10)))?;
    }
    shared::print_live(&server.engine);
    Ok(())
}
