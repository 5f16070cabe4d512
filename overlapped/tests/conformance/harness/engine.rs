//! What the rules of the four models use: an engine of either kind, and its peers.

use std::io;
use std::ops::Deref;
use std::sync::Arc;
use std::task::{Wake, Waker};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use overlapped::driver::{CloseMode, Flags, Live, ShutdownHow, Wait};
use overlapped::engine::{Ending, Received, Sent};
use overlapped::report::Backend;
use overlapped::{Address, Engine, Error, Event, LocalEngine, Overlapped, Socket};

use super::PATIENCE;
use super::peers::{System, Transport};
use super::place;

pub(crate) const WAIT: Wait = Wait::For(PATIENCE);
/// A wait that is expected to time out. Its length proves nothing.
pub(crate) const SHORT: Wait = Wait::For(Duration::from_millis(5));

/// An engine of either kind, for a rule that drops it.
pub(crate) enum Own {
    Threaded(Engine),
    Local(LocalEngine),
}

impl Deref for Own {
    type Target = Engine;
    fn deref(&self) -> &Engine {
        match self {
            Own::Threaded(engine) => engine,
            Own::Local(engine) => engine,
        }
    }
}

/// A rule. It borrows its engine and must leave nothing in it, or it takes the engine to drop it.
pub(crate) trait Rule<How> {
    fn hold(&self, engine: Own);
}

pub(crate) struct Borrows;
pub(crate) struct Takes;

impl<F: Fn(&Engine)> Rule<Borrows> for F {
    fn hold(&self, engine: Own) {
        self(&engine);
        finish(&engine);
    }
}

impl<F: Fn(Own)> Rule<Takes> for F {
    fn hold(&self, engine: Own) {
        self(engine);
    }
}

pub(crate) fn threaded<How>(backend: Backend, rule: impl Rule<How>) {
    if place::is_there(backend) {
        rule.hold(Own::Threaded(Engine::builder().backend(backend).build().unwrap()));
    }
}

pub(crate) fn local<How>(backend: Backend, rule: impl Rule<How>) {
    if backend == Backend::Sim {
        place::each_seed(|network| rule.hold(Own::Local(Engine::builder().network(&network).local().unwrap())));
    } else if place::is_there(backend) {
        rule.hold(Own::Local(Engine::builder().backend(backend).local().unwrap()));
    }
}

/// Waits until every result has been taken, every socket is closed and every buffer is back.
pub(crate) fn finish(engine: &Engine) {
    let end = Instant::now() + PATIENCE;
    while engine.live() != Live::default() {
        assert!(Instant::now() < end, "something is left: {:?}", engine.live());
        breathe();
    }
}

/// Lets other threads run, and turns the local engine if this thread has one.
pub(crate) fn breathe() {
    assert!(!Event::new().wait(Wait::For(Duration::from_millis(1))).unwrap());
}

/// Waits until `reached`.
pub(crate) fn until(what: &str, mut reached: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !reached() {
        assert!(Instant::now() < end, "never: {what}");
        breathe();
    }
}

/// Waits until everything that was started before has been submitted to the system.
pub(crate) fn settle(engine: &Engine) {
    for _ in 0..3 {
        engine.sleep(Duration::ZERO).start().unwrap().result(WAIT).unwrap();
    }
}

/// The other end of a connection: of the system, or, on the simulated network, a socket of the same
/// engine.
pub(crate) enum Peer {
    System(System),
    Simulated(Socket),
}

impl Peer {
    /// How many sockets of the engine this peer uses.
    pub(crate) fn sockets(&self) -> usize {
        match self {
            Peer::System(_) => 0,
            Peer::Simulated(_) => 1,
        }
    }

    pub(crate) fn local_addr(&self) -> Address {
        match self {
            Peer::System(peer) => peer.local_addr(),
            Peer::Simulated(peer) => peer.local_addr().unwrap(),
        }
    }

    /// Reads once. Nothing means the end of the stream.
    pub(crate) fn read(&self, most: usize) -> io::Result<Vec<u8>> {
        match self {
            Peer::System(peer) => peer.read(most),
            Peer::Simulated(peer) => {
                let read = peer.recv(Vec::with_capacity(most)).start().map_err(Error::from)?.result(WAIT);
                Ok(read?.buf)
            }
        }
    }

    pub(crate) fn shut_down_sending(&self) {
        match self {
            Peer::System(peer) => peer.shut_down_sending(),
            Peer::Simulated(peer) => end(peer.shutdown(ShutdownHow::Send).start().unwrap()).unwrap(),
        }
    }

    pub(crate) fn again(&self) -> Peer {
        match self {
            Peer::System(peer) => Peer::System(peer.again()),
            Peer::Simulated(peer) => Peer::Simulated(peer.clone()),
        }
    }
}

/// A peer that writes, or reads to the end, while the engine goes on.
pub(crate) enum Busy<T, R: Ending> {
    System(JoinHandle<io::Result<T>>),
    Simulated(Overlapped<R>),
}

impl Busy<Vec<u8>, Received<Vec<u8>>> {
    pub(crate) fn join(self) -> io::Result<Vec<u8>> {
        match self {
            Busy::System(thread) => thread.join().unwrap(),
            Busy::Simulated(receive) => Ok(end(receive)?.buf),
        }
    }
}

impl Busy<(), Sent<Vec<u8>>> {
    pub(crate) fn join(self) -> io::Result<()> {
        match self {
            Busy::System(thread) => thread.join().unwrap(),
            Busy::Simulated(send) => end(send).map(drop).map_err(io::Error::from),
        }
    }
}

/// Whether the engine's network is simulated.
pub(crate) fn is_simulated(engine: &Engine) -> bool {
    engine.report().backend == Backend::Sim
}

/// More bytes than a connection takes while its other end does not read. Fewer on the simulated
/// network, where a rule runs with many seeds.
pub(crate) fn many(engine: &Engine, bytes: usize) -> usize {
    if is_simulated(engine) { bytes.div_ceil(64) } else { bytes }
}

/// A socket of the engine, connected to a peer.
pub(crate) fn pair(engine: &Engine) -> (Socket, Peer) {
    if !is_simulated(engine) {
        let (ours, peer) = Transport::Tcp.streams();
        return (engine.adopt(ours).unwrap(), Peer::System(peer));
    }
    let (listener, address) = listen(engine);
    let accept = listener.accept().start().unwrap();
    let ours = engine.socket(&address, &Default::default()).unwrap();
    end(ours.connect(&address).start().unwrap()).unwrap();
    let peer = end(accept).unwrap().socket;
    close(&listener);
    (ours, Peer::Simulated(peer))
}

/// A peer that connects to a listener of the engine.
pub(crate) fn connect(engine: &Engine, address: &Address) -> Peer {
    if !is_simulated(engine) {
        return Peer::System(System::connect(address));
    }
    let peer = engine.socket(address, &Default::default()).unwrap();
    end(peer.connect(address).start().unwrap()).unwrap();
    Peer::Simulated(peer)
}

pub(crate) fn listen(engine: &Engine) -> (Socket, Address) {
    let listener = engine.listen("127.0.0.1:0", &Default::default()).unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// An address at which nobody listens.
pub(crate) fn nobody(engine: &Engine) -> Address {
    let (listener, address) = listen(engine);
    close(&listener);
    address
}

pub(crate) fn close(socket: &Socket) {
    socket.close(CloseMode::Now).start().unwrap().result(WAIT).unwrap();
}

/// Ends a connection with a reset.
pub(crate) fn reset(peer: Peer) {
    match peer {
        Peer::System(peer) => peer.reset(),
        Peer::Simulated(peer) => end(peer.close(CloseMode::Abort).start().unwrap()).unwrap(),
    }
}

/// Receives once.
pub(crate) fn receive(socket: &Socket, most: usize) -> Vec<u8> {
    socket.recv(Vec::with_capacity(most)).start().unwrap().result(WAIT).unwrap().buf
}

/// Receives so many bytes.
pub(crate) fn receive_all(socket: &Socket, bytes: usize) -> Vec<u8> {
    if bytes == 0 {
        return Vec::new();
    }
    let receive = socket.recv_with(Vec::with_capacity(bytes), Flags::WAIT_ALL);
    receive.start().unwrap().result(WAIT).unwrap().buf
}

/// Waits until so many bytes can be received without waiting.
pub(crate) fn await_input(socket: &Socket, bytes: usize) {
    until("the input", || {
        let peek = socket.recv_with(vec![0; bytes], Flags::PEEK).start().unwrap().result(WAIT).unwrap();
        assert!(peek.bytes > 0, "the stream has ended");
        peek.bytes == bytes
    });
}

pub(crate) fn write(peer: &Peer, bytes: &[u8]) {
    match peer {
        Peer::System(peer) => peer.write(bytes).unwrap(),
        Peer::Simulated(peer) => drop(end(peer.send(bytes.to_vec()).start().unwrap()).unwrap()),
    }
}

/// Reads so many bytes. A peer of the system blocks this thread meanwhile.
pub(crate) fn read(peer: &Peer, bytes: usize) -> Vec<u8> {
    match peer {
        Peer::System(peer) => peer.read_exact(bytes).unwrap(),
        Peer::Simulated(peer) => {
            let read = receive_all(peer, bytes);
            assert_eq!(read.len(), bytes, "the stream has ended");
            read
        }
    }
}

/// Reads so many bytes, while the engine goes on.
pub(crate) fn reader_of(peer: &Peer, bytes: usize) -> Busy<Vec<u8>, Received<Vec<u8>>> {
    match peer {
        Peer::System(peer) => {
            let peer = peer.again();
            Busy::System(std::thread::spawn(move || peer.read_exact(bytes)))
        }
        Peer::Simulated(peer) => {
            Busy::Simulated(peer.recv_with(Vec::with_capacity(bytes), Flags::WAIT_ALL).start().unwrap())
        }
    }
}

/// Reads everything a peer is sent, while the engine goes on.
pub(crate) fn reader(peer: &Peer) -> Busy<Vec<u8>, Received<Vec<u8>>> {
    match peer {
        Peer::System(peer) => {
            let peer = peer.again();
            Busy::System(std::thread::spawn(move || peer.read_to_end()))
        }
        // More than any rule sends: it ends with the stream.
        Peer::Simulated(_) => reader_of(peer, 128 << 20),
    }
}

/// Writes, while the engine goes on.
pub(crate) fn writer(peer: &Peer, bytes: Vec<u8>) -> Busy<(), Sent<Vec<u8>>> {
    match peer {
        Peer::System(peer) => {
            let peer = peer.again();
            Busy::System(std::thread::spawn(move || peer.write(&bytes)))
        }
        Peer::Simulated(peer) => Busy::Simulated(peer.send(bytes).start().unwrap()),
    }
}

/// A waker that calls a function.
pub(crate) fn waker(wake: impl Fn() + Send + Sync + 'static) -> Waker {
    struct Calls<F>(F);
    impl<F: Fn() + Send + Sync + 'static> Wake for Calls<F> {
        fn wake(self: Arc<Calls<F>>) {
            (self.0)();
        }
    }
    Waker::from(Arc::new(Calls(wake)))
}

/// Waits for an operation's result.
pub(crate) fn end<T: Ending>(mut operation: Overlapped<T>) -> Result<T, Error> {
    operation.result(WAIT)
}
