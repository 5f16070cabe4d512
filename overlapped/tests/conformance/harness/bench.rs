//! A driver under test, and what a rule needs around it.

use std::io;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use overlapped::driver::{CloseMode, Completion, Flags, Live, OpId, ShutdownHow, SocketId, Wait};
use overlapped::{Address, Driver, Error, ErrorKind, Op, Outcome};

use super::PATIENCE;
use super::peers::{self, System, Transport};
use super::place::On;

/// The token of operations of peers that are sockets of the same driver.
const OF_A_PEER: u64 = u64::MAX;

/// A driver under test, and completions that came while a test waited for others.
pub(crate) struct Bench {
    pub(crate) driver: Driver,
    pub(crate) seen: Vec<Completion>,
    /// Completions for peers.
    of_peers: Vec<Completion>,
    /// Peers that are sockets of this driver and still open.
    peers: Vec<SocketId>,
    /// Keep the addresses at which nobody listens.
    nobodies: Vec<socket2::Socket>,
    simulated: bool,
    transport: Transport,
}

/// The other end of a connection: of the system, or, on the simulated network, a socket of the same
/// driver.
#[derive(Debug)]
pub(crate) enum Peer {
    System(System),
    Simulated(SocketId),
}

/// A peer that writes, or reads to the end, while the driver goes on: [`Bench::written`],
/// [`Bench::read_all`].
pub(crate) enum Busy<T> {
    System(JoinHandle<io::Result<T>>),
    Simulated(OpId),
}

impl Bench {
    pub(crate) fn new(driver: Driver, on: &On) -> Bench {
        Bench {
            driver,
            seen: Vec::new(),
            of_peers: Vec::new(),
            peers: Vec::new(),
            nobodies: Vec::new(),
            simulated: on.is_simulated(),
            transport: on.transport,
        }
    }

    // ---- the driver ----

    pub(crate) fn listen(&mut self) -> (SocketId, Address) {
        let listener = self.driver.listen("127.0.0.1:0", &Default::default()).unwrap();
        (listener, self.driver.local_addr(listener).unwrap())
    }

    /// An address at which nobody listens.
    pub(crate) fn nobody(&mut self) -> Address {
        if !self.simulated {
            let (socket, address) = peers::nobody();
            self.nobodies.push(socket);
            return address;
        }
        let (listener, address) = self.listen();
        self.close(listener);
        address
    }

    pub(crate) fn submit(&mut self, op: Op) -> OpId {
        self.driver.submit(op, 0).unwrap()
    }

    /// Turns once, and takes the completions.
    pub(crate) fn turn(&mut self, wait: Wait) {
        self.driver.turn(wait).unwrap();
        self.take();
    }

    fn take(&mut self) {
        while let Some(completion) = self.driver.next() {
            match completion.token {
                OF_A_PEER => self.of_peers.push(completion),
                _ => self.seen.push(completion),
            }
        }
    }

    /// Turns until `reached` returns something.
    pub(crate) fn until<T>(&mut self, what: &str, mut reached: impl FnMut(&mut Vec<Completion>) -> Option<T>) -> T {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = reached(&mut self.seen) {
                return found;
            }
            assert!(Instant::now() < end, "never: {what}; seen: {:?}", self.seen);
            self.turn(Wait::For(Duration::from_millis(50)));
        }
    }

    /// The next completion of an operation.
    pub(crate) fn next_of(&mut self, id: OpId) -> Completion {
        self.until("a completion", |seen| {
            let at = seen.iter().position(|completion| completion.id == id)?;
            Some(seen.remove(at))
        })
    }

    /// The last completion of an operation.
    pub(crate) fn end_of(&mut self, id: OpId) -> Completion {
        self.until("the last completion", |seen| {
            let at = seen.iter().position(|completion| completion.id == id && !completion.more)?;
            Some(seen.remove(at))
        })
    }

    pub(crate) fn outcome_of(&mut self, id: OpId) -> Result<Outcome, Error> {
        self.end_of(id).result
    }

    pub(crate) fn kind_of(&mut self, id: OpId) -> ErrorKind {
        self.end_of(id).result.expect_err("a failure").kind()
    }

    /// The bytes that a receive into a `Vec` brought.
    pub(crate) fn bytes_of(&mut self, id: OpId) -> Vec<u8> {
        let end = self.end_of(id);
        assert!(end.result.is_ok(), "{end:?}");
        end.buf.unwrap().take().unwrap()
    }

    /// Lets the system do what it was asked to.
    pub(crate) fn settle(&mut self) {
        for _ in 0..3 {
            self.turn(Wait::For(Duration::from_millis(5)));
        }
    }

    pub(crate) fn close(&mut self, socket: SocketId) {
        let close = self.submit(Op::close(socket, CloseMode::Now));
        let outcome = self.outcome_of(close);
        assert!(matches!(outcome, Ok(Outcome::Closed)), "{outcome:?}");
    }

    /// Checks that every operation has had its last completion, every socket is closed, and every
    /// buffer is back.
    pub(crate) fn finish(mut self) {
        for peer in std::mem::take(&mut self.peers) {
            self.end_of_peer(Op::close(peer, CloseMode::Now)).result.unwrap();
        }
        self.settle();
        self.seen.clear();
        self.of_peers.clear();
        assert_eq!(self.driver.live(), Live::default(), "something is left");
    }

    // ---- peers ----

    /// A socket of the driver, connected to a peer.
    pub(crate) fn pair(&mut self) -> (SocketId, Peer) {
        if !self.simulated {
            let (ours, peer) = self.transport.streams();
            return (self.driver.adopt(ours).unwrap(), Peer::System(peer));
        }
        let (listener, address) = self.listen();
        let ours = self.driver.socket(&address).unwrap();
        self.driver.submit(Op::connect(ours, &address), OF_A_PEER).unwrap();
        let accepted = self.end_of_peer(Op::accept(listener));
        let Ok(Outcome::Accepted(stream, _)) = accepted.result else { panic!("{accepted:?}") };
        self.of_peers("it is connected", |seen| {
            Some(seen.remove(seen.iter().position(|end| matches!(end.result, Ok(Outcome::Connected)))?))
        });
        let peer = self.driver.adopt(stream).unwrap();
        self.peers.push(peer);
        self.end_of_peer(Op::close(listener, CloseMode::Now));
        (ours, Peer::Simulated(peer))
    }

    /// A peer that connects to a listener of the driver, and its address.
    pub(crate) fn connect(&mut self, address: &Address) -> (Peer, Address) {
        if !self.simulated {
            let peer = System::connect(address);
            let local = peer.local_addr();
            return (Peer::System(peer), local);
        }
        let peer = self.driver.socket(address).unwrap();
        self.end_of_peer(Op::connect(peer, address)).result.unwrap();
        self.peers.push(peer);
        (Peer::Simulated(peer), self.driver.local_addr(peer).unwrap())
    }

    fn of_peers<T>(&mut self, what: &str, mut reached: impl FnMut(&mut Vec<Completion>) -> Option<T>) -> T {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = reached(&mut self.of_peers) {
                return found;
            }
            assert!(Instant::now() < end, "a peer waits for ever: {what}; seen: {:?}", self.seen);
            self.turn(Wait::For(Duration::from_millis(50)));
        }
    }

    fn end_of_peers(&mut self, id: OpId) -> Completion {
        self.of_peers("its end", |seen| {
            let at = seen.iter().position(|completion| completion.id == id && !completion.more)?;
            Some(seen.remove(at))
        })
    }

    fn end_of_peer(&mut self, op: Op) -> Completion {
        let id = self.driver.submit(op, OF_A_PEER).unwrap();
        self.end_of_peers(id)
    }

    pub(crate) fn write(&mut self, peer: &Peer, bytes: &[u8]) {
        match peer {
            Peer::System(peer) => peer.write(bytes).unwrap(),
            Peer::Simulated(peer) => drop(self.end_of_peer(Op::send(*peer, bytes.to_vec())).result.unwrap()),
        }
    }

    /// The bytes of one read of a peer. No bytes mean the end of the stream.
    pub(crate) fn peer_reads(&mut self, peer: &Peer, most: usize) -> io::Result<Vec<u8>> {
        match peer {
            Peer::System(peer) => peer.read(most),
            Peer::Simulated(peer) => {
                let end = self.end_of_peer(Op::recv(*peer, Vec::<u8>::with_capacity(most)));
                end.result.map(|_| end.buf.unwrap().take().unwrap()).map_err(io::Error::from)
            }
        }
    }

    pub(crate) fn shut_down_sending(&mut self, peer: &Peer) {
        match peer {
            Peer::System(peer) => peer.shut_down_sending(),
            Peer::Simulated(peer) => {
                drop(self.end_of_peer(Op::shutdown(*peer, ShutdownHow::Send)).result.unwrap());
            }
        }
    }

    /// The peer closes in the ordinary way.
    pub(crate) fn drop_peer(&mut self, peer: Peer) {
        if let Peer::Simulated(peer) = peer {
            self.close_peer(peer, CloseMode::Now);
        }
    }

    pub(crate) fn reset(&mut self, peer: Peer) {
        match peer {
            Peer::System(peer) => peer.reset(),
            Peer::Simulated(peer) => self.close_peer(peer, CloseMode::Abort),
        }
    }

    fn close_peer(&mut self, peer: SocketId, mode: CloseMode) {
        self.peers.retain(|open| *open != peer);
        self.end_of_peer(Op::close(peer, mode)).result.unwrap();
    }

    /// The peer's end becomes a socket of the driver.
    pub(crate) fn adopt_peer(&mut self, peer: Peer) -> SocketId {
        match peer {
            Peer::System(peer) => self.driver.adopt(peer.into_stream()).unwrap(),
            Peer::Simulated(peer) => {
                self.peers.retain(|open| *open != peer);
                peer
            }
        }
    }

    /// The peer reads to the end of the stream, while the driver goes on.
    pub(crate) fn reader(&mut self, peer: &Peer) -> Busy<Vec<u8>> {
        match peer {
            Peer::System(peer) => {
                let peer = peer.again();
                Busy::System(std::thread::spawn(move || peer.read_to_end()))
            }
            Peer::Simulated(peer) => {
                // More than any rule sends, so it ends with the stream.
                let all = Op::recv_with(*peer, Vec::<u8>::with_capacity(128 << 20), Flags::WAIT_ALL);
                Busy::Simulated(self.driver.submit(all, OF_A_PEER).unwrap())
            }
        }
    }

    pub(crate) fn read_all(&mut self, reader: Busy<Vec<u8>>) -> Vec<u8> {
        match reader {
            Busy::System(thread) => thread.join().unwrap().unwrap(),
            Busy::Simulated(id) => {
                let end = self.end_of_peers(id);
                end.result.unwrap();
                end.buf.unwrap().take().unwrap()
            }
        }
    }

    /// The peer writes, while the driver goes on.
    pub(crate) fn writer(&mut self, peer: &Peer, bytes: Vec<u8>) -> Busy<()> {
        match peer {
            Peer::System(peer) => {
                let peer = peer.again();
                Busy::System(std::thread::spawn(move || peer.write(&bytes)))
            }
            Peer::Simulated(peer) => Busy::Simulated(self.driver.submit(Op::send(*peer, bytes), OF_A_PEER).unwrap()),
        }
    }

    /// The same, and then the peer ends its stream.
    pub(crate) fn writer_to_end(&mut self, peer: &Peer, bytes: Vec<u8>) -> Busy<()> {
        match peer {
            Peer::System(peer) => {
                let peer = peer.again();
                Busy::System(std::thread::spawn(move || {
                    peer.write(&bytes)?;
                    peer.shut_down_sending();
                    Ok(())
                }))
            }
            Peer::Simulated(peer) => {
                self.driver.submit(Op::send(*peer, bytes), OF_A_PEER).unwrap();
                let end = Op::shutdown(*peer, ShutdownHow::Send);
                Busy::Simulated(self.driver.submit(end, OF_A_PEER).unwrap())
            }
        }
    }

    pub(crate) fn written(&mut self, writer: Busy<()>) {
        match writer {
            Busy::System(thread) => thread.join().unwrap().unwrap(),
            Busy::Simulated(id) => drop(self.end_of_peers(id).result.unwrap()),
        }
    }
}
