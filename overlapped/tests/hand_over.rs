//! Between an engine's thread and those that it tells nothing is lost: what is started goes on,
//! whether or not the thread that started it comes back to a wait. On every backend that works
//! here.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use overlapped::driver::Wait;
use overlapped::engine::{Received, Sent};
use overlapped::error::Action;
use overlapped::report::Backend;
use overlapped::{CompletionPort, Engine, Event, Socket};

const WAIT: Wait = Wait::For(Duration::from_secs(60));
const ROUNDS: usize = 100;

fn engines() -> impl Iterator<Item = Engine> {
    let backends = Backend::of_this_system().iter();
    backends.filter_map(|backend| Engine::builder().backend(*backend).build().ok())
}

fn pair(engine: &Engine) -> (Socket, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let far = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    far.set_nodelay(true).unwrap();
    far.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    (engine.adopt(listener.accept().unwrap().0).unwrap(), far)
}

/// The thread that is told starts an operation and then waits for something that this crate does
/// not know of. Another thread waits for the operation's end.
#[test]
fn what_a_thread_starts_goes_on_although_it_waits_elsewhere() {
    for engine in engines() {
        let (socket, mut far) = pair(&engine);
        let (first, second) = (Event::new(), Event::new());
        for round in 0..ROUNDS {
            let mut receive = socket.recv(vec![0; 1]).event(&first).start().unwrap();
            let (started, starting) = mpsc::channel();
            let (over, ended) = mpsc::channel();
            let (socket, first, second) = (&socket, &first, &second);
            thread::scope(|scope| {
                scope.spawn(move || {
                    assert!(first.wait(WAIT).unwrap());
                    let _ = receive.result(Wait::Poll).unwrap();
                    started.send(socket.recv(vec![0; 1]).event(second).start().unwrap()).unwrap();
                    ended.recv().unwrap();
                });
                far.write_all(&[1]).unwrap();
                let mut next = starting.recv().unwrap();
                if round % 2 == 0 {
                    thread::yield_now();
                }
                far.write_all(&[2]).unwrap();
                assert!(second.wait(WAIT).unwrap(), "round {round}");
                assert_eq!(next.result(Wait::Poll).unwrap().buf, [2]);
                over.send(()).unwrap();
            });
        }
    }
}

/// A program that asks whether an operation has ended, and never waits.
#[test]
fn what_a_program_asks_for_again_and_again_ends() {
    for engine in engines() {
        let (socket, mut far) = pair(&engine);
        let event = Event::new();
        for _ in 0..ROUNDS {
            let mut receive = socket.recv(vec![0; 1]).event(&event).start().unwrap();
            far.write_all(&[1]).unwrap();
            while !receive.has_ended() {
                thread::yield_now();
            }
            assert_eq!(receive.result(Wait::Poll).unwrap().bytes, 1);
        }
    }
}

/// Several threads at one port: each operation's packet comes, however ends, starts and waits meet.
#[test]
fn no_packet_is_lost_between_threads_that_wait_and_the_engines() {
    const SESSIONS: usize = 16;
    for engine in engines() {
        let port = CompletionPort::new(2, 1024);
        let (sockets, fars): (Vec<_>, Vec<_>) = (0..SESSIONS).map(|_| pair(&engine)).unzip();
        for (key, socket) in sockets.iter().enumerate() {
            socket.associate(&port, key).unwrap();
            socket.recv(vec![0; 1]).to_port(0).unwrap();
        }
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    while let Ok(packet) = port.get(WAIT) {
                        let mut packet = packet.expect("a packet comes");
                        let socket = &sockets[packet.key];
                        // Starts fail when the port is closed.
                        let _ = if packet.action() == Some(Action::Receive) {
                            let received = packet.result::<Received<Vec<u8>>>().unwrap();
                            socket.send(received.buf).to_port(0)
                        } else {
                            let sent = packet.result::<Sent<Vec<u8>>>().unwrap();
                            socket.recv(sent.buf).to_port(0)
                        };
                    }
                });
            }
            for _ in 0..ROUNDS {
                for (number, mut far) in fars.iter().enumerate() {
                    far.write_all(&[number as u8]).unwrap();
                }
                for (number, mut far) in fars.iter().enumerate() {
                    let mut answer = [0];
                    far.read_exact(&mut answer).unwrap();
                    assert_eq!(answer, [number as u8]);
                }
            }
            port.close();
        });
    }
}

/// The last handle is dropped just after a thread was told.
#[test]
fn an_engine_ends_while_it_tells() {
    for backend in Backend::of_this_system() {
        for _ in 0..50 {
            let Ok(engine) = Engine::builder().backend(*backend).build() else { break };
            let event = Event::new();
            let _sleep = engine.sleep(Duration::ZERO).event(&event).start().unwrap();
            assert!(event.wait(WAIT).unwrap());
        }
    }
}
