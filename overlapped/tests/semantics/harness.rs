//! What the tests stand on: a proactor of either kind, peers of the standard library, and an end that counts what is left.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Wake, Waker};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use overlapped::{
    CloseMode, Ending, Error, Event, Flags, Live, LocalProactor, Overlapped, Proactor, ProactorBuilder, RecvBuf,
    SendBuf, Socket, Wait,
};

pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
pub(crate) const WAIT: Wait = Wait::For(PATIENCE);
/// A wait that is meant to be over before anything has happened. How long it lasts proves nothing.
pub(crate) const SHORT: Wait = Wait::For(Duration::from_millis(5));

/// Runs each of the named tests on a proactor of both kinds, with the limits that are given.
macro_rules! both {
    ($($name:ident $(($($limit:ident = $value:expr),*))?),* $(,)?) => {
        mod threaded {
            $(#[test]
            fn $name() {
                crate::harness::threaded(overlapped::Proactor::builder()$($(.$limit($value))*)?, super::$name);
            })*
        }
        mod local {
            $(#[test]
            fn $name() {
                crate::harness::local(overlapped::Proactor::builder()$($(.$limit($value))*)?, super::$name);
            })*
        }
    };
}

/// A proactor of either kind, to be dropped by the test.
pub(crate) enum Own {
    Threaded(Proactor),
    Local(LocalProactor),
}

impl Deref for Own {
    type Target = Proactor;
    fn deref(&self) -> &Proactor {
        match self {
            Own::Threaded(proactor) => proactor,
            Own::Local(proactor) => proactor,
        }
    }
}

/// A test: it borrows its proactor, and must leave nothing in it; or it takes it, to drop it.
pub(crate) trait Rule<How> {
    fn hold(self, proactor: Own);
}

pub(crate) struct Borrows;
pub(crate) struct Takes;

impl<F: FnOnce(&Proactor)> Rule<Borrows> for F {
    fn hold(self, proactor: Own) {
        self(&proactor);
        finish(&proactor);
    }
}

impl<F: FnOnce(Own)> Rule<Takes> for F {
    fn hold(self, proactor: Own) {
        self(proactor);
    }
}

pub(crate) fn threaded<How>(builder: ProactorBuilder, rule: impl Rule<How>) {
    rule.hold(Own::Threaded(builder.build().unwrap()));
}

pub(crate) fn local<How>(builder: ProactorBuilder, rule: impl Rule<How>) {
    rule.hold(Own::Local(builder.local().unwrap()));
}

/// Every operation has ended and been taken, every socket is closed, every buffer is back.
pub(crate) fn finish(proactor: &Proactor) {
    let end = Instant::now() + PATIENCE;
    while proactor.live() != Live::default() {
        assert!(Instant::now() < end, "something is left: {:?}", proactor.live());
        breathe();
    }
}

/// Lets others go on, and turns the local proactor if this thread has one.
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

/// What was started before this has been handed to the system when it returns.
pub(crate) fn settle(proactor: &Proactor) {
    for _ in 0..3 {
        proactor.sleep(Duration::ZERO).start().unwrap().result(WAIT).unwrap();
    }
}

/// Two connected streams of the standard library.
pub(crate) fn streams() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let one = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (other, _) = listener.accept().unwrap();
    for stream in [&one, &other] {
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
    }
    (one, other)
}

/// A socket of the proactor, connected to a stream of the standard library.
pub(crate) fn pair(proactor: &Proactor) -> (Socket, TcpStream) {
    let (ours, peer) = streams();
    (proactor.adopt(ours).unwrap(), peer)
}

pub(crate) fn listen(proactor: &Proactor) -> (Socket, SocketAddr) {
    let listener = proactor.listen("127.0.0.1:0", &Default::default()).unwrap();
    let address = listener.local_addr().unwrap().ip().unwrap();
    (listener, address)
}

/// An address at which nobody listens.
pub(crate) fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

pub(crate) fn close(socket: &Socket) {
    socket.close(CloseMode::Now).start().unwrap().result(WAIT).unwrap();
}

/// Ends a connection with a reset.
pub(crate) fn reset(peer: TcpStream) {
    overlapped::Stream::from(peer).reset_on_drop();
}

/// What one receive brings.
pub(crate) fn receive(socket: &Socket, most: usize) -> Vec<u8> {
    socket.recv(Vec::with_capacity(most)).start().unwrap().result(WAIT).unwrap().buf
}

/// What comes until so many bytes have.
pub(crate) fn receive_all(socket: &Socket, bytes: usize) -> Vec<u8> {
    let receive = socket.recv_with(Vec::with_capacity(bytes), Flags::WAIT_ALL);
    receive.start().unwrap().result(WAIT).unwrap().buf
}

/// So many bytes can be received without waiting when it returns.
pub(crate) fn await_input(socket: &Socket, bytes: usize) {
    until("the input", || {
        let peek = socket.recv_with(vec![0; bytes], Flags::PEEK).start().unwrap().result(WAIT).unwrap();
        assert!(peek.bytes > 0, "the stream has ended");
        peek.bytes == bytes
    });
}

/// Bytes of which each stretch is different.
pub(crate) fn pattern(len: usize) -> Vec<u8> {
    (0..len as u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

pub(crate) fn write(mut peer: &TcpStream, bytes: &[u8]) {
    peer.write_all(bytes).unwrap();
}

/// Reads so many bytes. Nothing else happens on this thread meanwhile.
pub(crate) fn read(mut peer: &TcpStream, bytes: usize) -> Vec<u8> {
    let mut read = vec![0; bytes];
    peer.read_exact(&mut read).unwrap();
    read
}

/// Reads everything a peer is sent, on a thread of its own.
pub(crate) fn reader(mut peer: TcpStream) -> JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        peer.read_to_end(&mut bytes).unwrap();
        bytes
    })
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

/// A number that several threads count up.
#[derive(Clone, Default)]
pub(crate) struct Counter(Arc<AtomicUsize>);

impl Counter {
    pub(crate) fn up(&self) -> usize {
        self.0.fetch_add(1, Ordering::SeqCst) + 1
    }

    pub(crate) fn down(&self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }

    pub(crate) fn get(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

/// A buffer that counts how many of its kind there are.
pub(crate) struct Tracked {
    pub(crate) bytes: Vec<u8>,
    living: Counter,
}

impl Tracked {
    pub(crate) fn new(bytes: Vec<u8>, living: &Counter) -> Tracked {
        living.up();
        Tracked { bytes, living: living.clone() }
    }
}

impl Drop for Tracked {
    fn drop(&mut self) {
        self.living.down();
    }
}

// SAFETY: as the vector's own.
unsafe impl RecvBuf for Tracked {
    fn parts(&self) -> usize {
        RecvBuf::parts(&self.bytes)
    }
    fn part_mut(&mut self, i: usize) -> (*mut u8, usize) {
        self.bytes.part_mut(i)
    }
    unsafe fn set_received(&mut self, bytes: usize) {
        // SAFETY: what the caller says of this holds of the vector.
        unsafe { self.bytes.set_received(bytes) }
    }
}

// SAFETY: as the vector's own.
unsafe impl SendBuf for Tracked {
    fn parts(&self) -> usize {
        SendBuf::parts(&self.bytes)
    }
    fn part(&self, i: usize) -> (*const u8, usize) {
        self.bytes.part(i)
    }
}

/// Waits for an operation's end.
pub(crate) fn end<T: Ending>(mut operation: Overlapped<T>) -> Result<T, Error> {
    operation.result(WAIT)
}
