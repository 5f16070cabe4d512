//! What the tests stand on: a driver, a listener, peers of the standard library, and an end that counts what is left.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use overlapped::{
    CloseMode, Completion, Driver, DriverConfig, Error, ErrorKind, Live, Op, OpId, Outcome, SocketId, Wait,
};

pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A driver under test, and the completions that came while others were awaited.
pub(crate) struct Bench {
    pub(crate) driver: Driver,
    pub(crate) seen: Vec<Completion>,
}

impl Bench {
    pub(crate) fn new() -> Bench {
        Bench::with(DriverConfig::default())
    }

    pub(crate) fn with(config: DriverConfig) -> Bench {
        Bench { driver: Driver::new(config).unwrap(), seen: Vec::new() }
    }

    /// A socket of the driver, connected to a stream of the standard library.
    pub(crate) fn pair(&mut self) -> (SocketId, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let ours = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        ours.set_nodelay(true).unwrap();
        let (peer, _) = listener.accept().unwrap();
        peer.set_nodelay(true).unwrap();
        peer.set_read_timeout(Some(PATIENCE)).unwrap();
        (self.driver.adopt(ours.into()).unwrap(), peer)
    }

    pub(crate) fn listen(&mut self) -> (SocketId, SocketAddr) {
        let listener = self.driver.listen("127.0.0.1:0", &Default::default()).unwrap();
        (listener, self.driver.local_addr(listener).unwrap().ip().unwrap())
    }

    pub(crate) fn submit(&mut self, op: Op) -> OpId {
        self.driver.submit(op, 0).unwrap()
    }

    /// Turns once, and takes what came.
    pub(crate) fn turn(&mut self, wait: Wait) {
        self.driver.turn(wait).unwrap();
        while let Some(completion) = self.driver.next() {
            self.seen.push(completion);
        }
    }

    /// Turns until `reached` finds what it looks for.
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

    /// Lets the kernel do what was asked of it.
    pub(crate) fn settle(&mut self) {
        for _ in 0..3 {
            self.turn(Wait::For(Duration::from_millis(5)));
        }
    }

    pub(crate) fn close(&mut self, socket: SocketId) {
        let close = self.submit(Op::close(socket, CloseMode::Now));
        assert!(matches!(self.outcome_of(close), Ok(Outcome::Closed)));
    }

    /// Every operation has had its last completion, every socket is closed, every buffer is back.
    pub(crate) fn finish(mut self) {
        self.settle();
        self.seen.clear();
        assert_eq!(self.driver.live(), Live::default(), "something is left");
    }
}

/// Bytes of which each stretch is different.
pub(crate) fn pattern(len: usize) -> Vec<u8> {
    (0..len as u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

/// Reads everything a peer is sent, on a thread of its own.
pub(crate) fn reader(mut peer: TcpStream) -> std::thread::JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        peer.read_to_end(&mut bytes).unwrap();
        bytes
    })
}

pub(crate) fn write(mut peer: &TcpStream, bytes: &[u8]) {
    peer.write_all(bytes).unwrap();
}
