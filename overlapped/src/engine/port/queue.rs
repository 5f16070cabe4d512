//! `CompletionPort`: the queue, and the threads that take from it.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use slab::Slab;

use super::packet::CompletionPacket;
use crate::buf::Crossing;
use crate::driver::{Completion, Wait};
use crate::engine::ending::Owner;
use crate::engine::park::{self, Unpark, Unparks};
use crate::error::{Action, Error, ErrorKind};
use crate::flags::Flags;
use crate::sync::{Mutex, lock, thread_local};

/// A completion port: one queue of packets, from which several threads take. A packet is an
/// operation that has ended, or one that the program has posted.
///
/// Packets leave in the order in which they came. The thread that began to wait last gets the next
/// packet, because its caches are the warmest. At most `concurrency` threads *run* at once. A
/// thread runs from the moment it takes packets until it asks for more, ends, or enters a
/// [`blocking`] section. (The Windows kernel notices when a thread blocks; here the program must
/// say so.)
///
/// Clones are handles to the same port. In Winsock: `CreateIoCompletionPort`,
/// `GetQueuedCompletionStatusEx`, `PostQueuedCompletionStatus`.
///
/// ```
/// use overlapped::driver::Wait;
/// use overlapped::engine::Received;
/// use overlapped::{CompletionPort, Engine};
/// use std::{io::Write, net::TcpStream};
///
/// let engine = Engine::new()?;
/// let listener = engine.listen("127.0.0.1:0", &Default::default())?;
/// let mut client = TcpStream::connect(listener.local_addr()?).unwrap();
/// let socket = listener.accept().start()?.result(Wait::Forever)?.socket;
///
/// let port = CompletionPort::new(2, 1024);
/// socket.associate(&port, 7)?;                       // 7 is the key
/// socket.recv(vec![0; 64]).to_port(1)?;              // 1 is this operation's token
/// client.write_all(b"hello").unwrap();
/// let mut packet = port.get(Wait::Forever)?.unwrap();
/// assert_eq!((packet.key, packet.token), (7, 1));
/// assert_eq!(packet.result::<Received<Vec<u8>>>()?.buf, b"hello");
///
/// port.post(8, 0)?;                                  // a packet of your own
/// assert_eq!(port.get(Wait::Forever)?.unwrap().key, 8);
/// # Ok::<(), overlapped::Error>(())
/// ```
#[derive(Clone)]
pub struct CompletionPort(Arc<Inner>);

pub(crate) struct Inner {
    state: Mutex<State>,
    concurrency: usize,
    limit: usize,
}

struct State {
    open: bool,
    queue: VecDeque<CompletionPacket>,
    /// How many of those were posted.
    posted: usize,
    /// Room kept for the packets of operations in flight.
    reserved: usize,
    running: usize,
    waiters: Slab<Waiter>,
    /// Waiting threads, the latest at the end.
    waiting: Vec<usize>,
}

struct Waiter {
    unpark: Unpark,
    handed: Option<CompletionPacket>,
}

impl State {
    /// Hands packets to waiting threads while more threads may run.
    fn hand_out(&mut self, concurrency: usize, unparks: &mut Unparks) {
        while self.running < concurrency && !self.queue.is_empty() {
            let Some(waiter) = self.waiting.pop() else { return };
            self.running += 1;
            let handed = self.pop();
            let waiter = &mut self.waiters[waiter];
            waiter.handed = handed;
            unparks.push(waiter.unpark.clone());
        }
    }

    fn pop(&mut self) -> Option<CompletionPacket> {
        let packet = self.queue.pop_front()?;
        self.posted -= usize::from(packet.action().is_none());
        Some(packet)
    }
}

/// Room for the packet of an operation, until the operation has started.
pub(crate) struct Room<'a>(&'a Inner);

impl Room<'_> {
    /// The operation has started: its packet gives the room back.
    pub(crate) fn keep(self) {
        std::mem::forget(self);
    }
}

impl Drop for Room<'_> {
    fn drop(&mut self) {
        lock(&self.0.state).reserved -= 1;
    }
}

impl Inner {
    fn error(&self, kind: ErrorKind) -> Error {
        let error = Error::new(Action::Port, kind);
        match kind {
            ErrorKind::Closed => error.because("the port is closed"),
            _ => error.because(format!("the port holds {} packets already, of operations or posted", self.limit)),
        }
    }

    /// Keeps room for the packet of an operation.
    ///
    /// A close always has room: a full port is no reason to keep a connection open.
    pub(crate) fn reserve(&self, action: Action) -> Result<Room<'_>, Error> {
        let mut state = lock(&self.state);
        if !state.open {
            return Err(self.error(ErrorKind::Closed));
        }
        let of_operations = state.queue.len() - state.posted + state.reserved;
        if of_operations >= self.limit && action != Action::Close {
            return Err(self.error(ErrorKind::LimitReached));
        }
        state.reserved += 1;
        Ok(Room(self))
    }

    /// Queues a packet; if `reserved`, in the room that was kept for it. The caller wakes the
    /// threads that it is handed to.
    fn push(
        &self,
        packet: CompletionPacket,
        reserved: bool,
        unparks: &mut Unparks,
    ) -> Result<(), (ErrorKind, CompletionPacket)> {
        let mut state = lock(&self.state);
        state.reserved -= usize::from(reserved);
        if !state.open {
            return Err((ErrorKind::Closed, packet));
        }
        let is_posted = packet.action().is_none();
        if is_posted && state.posted >= self.limit {
            return Err((ErrorKind::LimitReached, packet));
        }
        state.posted += usize::from(is_posted);
        state.queue.push_back(packet);
        state.hand_out(self.concurrency, unparks);
        Ok(())
    }

    /// A thread stops running.
    fn rest(&self) {
        let mut unparks = Unparks::default();
        let mut state = lock(&self.state);
        state.running -= 1;
        state.hand_out(self.concurrency, &mut unparks);
        drop(state);
        unparks.unpark();
    }

    /// A thread runs.
    fn run(&self) {
        lock(&self.state).running += 1;
    }
}

/// The port that counts this thread as running.
struct Runs(RefCell<Option<Arc<Inner>>>);

impl Drop for Runs {
    fn drop(&mut self) {
        if let Some(port) = self.0.borrow_mut().take() {
            port.rest();
        }
    }
}

thread_local! {
    static RUNS: Runs = const { Runs(RefCell::new(None)) };
}

impl CompletionPort {
    /// Makes a port on which at most `concurrency` threads run at once (0: as many as the machine
    /// has processors).
    ///
    /// It holds at most `limit` packets of operations, queued or reserved for those in flight: at
    /// the limit, *starting* an operation is refused. A receive that waits counts. So a server
    /// needs its most sessions, times the operations that each has in flight at once, and its
    /// accepts. A close always has room. Packets that are [posted](CompletionPort::post) have as
    /// much room of their own, so a full port can be told to stop.
    pub fn new(concurrency: usize, limit: usize) -> CompletionPort {
        let concurrency = match concurrency {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            given => given,
        };
        let state = State {
            open: true,
            queue: VecDeque::new(),
            posted: 0,
            reserved: 0,
            running: 0,
            waiters: Slab::new(),
            waiting: Vec::new(),
        };
        CompletionPort(Arc::new(Inner { state: Mutex::new(state), concurrency, limit }))
    }

    /// Queues a packet without an operation (`PostQueuedCompletionStatus`).
    ///
    /// # Errors
    /// `Closed`; `LimitReached` if as many as the port's limit have been posted and not been taken.
    pub fn post(&self, key: usize, token: u64) -> Result<(), Error> {
        let mut unparks = Unparks::default();
        let pushed = self.0.push(CompletionPacket::posted(key, token), false, &mut unparks);
        unparks.unpark();
        pushed.map_err(|(kind, _)| self.0.error(kind))
    }

    /// Takes the next packet; `None` means that the wait has timed out. A failed operation is a
    /// packet too.
    ///
    /// # Errors
    /// `Closed` when the port is closed, also during the wait; `WouldDeadlock` on the thread of an
    /// [`Engine`](crate::Engine).
    pub fn get(&self, wait: Wait) -> Result<Option<CompletionPacket>, Error> {
        let mut packet = None;
        self.take(wait, 1, &mut |next| packet = Some(next))?;
        Ok(packet)
    }

    /// Waits for a packet, then appends all that are queued, at most `most`, to `packets`. Returns
    /// how many; 0 means that the wait has timed out.
    ///
    /// # Errors
    /// As for [`get`](CompletionPort::get); `InvalidArgument` for a `most` of 0.
    pub fn get_many(&self, wait: Wait, most: usize, packets: &mut Vec<CompletionPacket>) -> Result<usize, Error> {
        if most == 0 {
            return Err(Error::new(Action::Port, ErrorKind::InvalidArgument).because("a wait for no packets"));
        }
        self.take(wait, most, &mut |packet| packets.push(packet))
    }

    fn take(&self, wait: Wait, most: usize, give: &mut dyn FnMut(CompletionPacket)) -> Result<usize, Error> {
        park::begin();
        let port = &self.0;
        // A thread that asks for the next packet has stopped running.
        let before = RUNS.with(|runs| runs.0.borrow_mut().take());
        let mut rested = false;
        match before {
            Some(before) if Arc::ptr_eq(&before, port) => rested = true,
            Some(other) => other.rest(),
            None => {}
        }
        let mut state = lock(&port.state);
        if rested {
            state.running -= 1;
        }
        if !state.open {
            return Err(port.error(ErrorKind::Closed));
        }
        if state.queue.is_empty() && wait == Wait::Poll {
            drop(state);
            park::poll()?;
            state = lock(&port.state);
        }
        if state.running < port.concurrency && !state.queue.is_empty() {
            state.running += 1;
            let taken = drain(&mut state, most, give);
            drop(state);
            runs_for(port);
            return Ok(taken);
        }
        if wait == Wait::Poll {
            return Ok(0);
        }
        let until = park::deadline(wait);
        let waiter = state.waiters.insert(Waiter { unpark: Unpark::this_thread(), handed: None });
        state.waiting.push(waiter);
        drop(state);
        let parked = loop {
            {
                let state = lock(&port.state);
                if state.waiters[waiter].handed.is_some() || !state.open {
                    break Ok(());
                }
            }
            if park::is_over(until) {
                break Ok(());
            }
            if let Err(error) = park::park(until) {
                break Err(error);
            }
        };
        // A packet that was handed over meanwhile is taken, whatever has ended the wait.
        let mut state = lock(&port.state);
        state.waiting.retain(|waiting| *waiting != waiter);
        let Some(first) = state.waiters.remove(waiter).handed else {
            parked?;
            return if state.open { Ok(0) } else { Err(port.error(ErrorKind::Closed)) };
        };
        give(first);
        let taken = 1 + drain(&mut state, most - 1, give);
        drop(state);
        runs_for(port);
        Ok(taken)
    }

    /// Closes the port. Waiting threads are woken with `Closed`. Queued packets are dropped, and
    /// the connections in them closed. Operations in flight go on; their packets are dropped.
    pub fn close(&self) {
        let mut unparks = Unparks::default();
        let mut guard = lock(&self.0.state);
        let state = &mut *guard;
        state.open = false;
        let dropped = std::mem::take(&mut state.queue);
        for waiter in state.waiting.drain(..) {
            unparks.push(state.waiters[waiter].unpark.clone());
        }
        drop(guard);
        unparks.unpark();
        drop(dropped);
    }
}

/// The port has counted this thread as running. A waker that ran during the wait may have taken
/// packets from a port: that run has ended.
fn runs_for(port: &Arc<Inner>) {
    if let Some(before) = RUNS.with(|runs| runs.0.borrow_mut().replace(Arc::clone(port))) {
        before.rest();
    }
}

fn drain(state: &mut State, most: usize, give: &mut dyn FnMut(CompletionPacket)) -> usize {
    std::iter::from_fn(|| state.pop()).take(most).map(give).count()
}

impl fmt::Debug for CompletionPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = lock(&self.0.state);
        f.debug_struct("CompletionPort")
            .field("open", &state.open)
            .field("queued", &state.queue.len())
            .field("running", &state.running)
            .field("waiting", &state.waiting.len())
            .finish()
    }
}

/// Runs `f`, which may block. Meanwhile another thread may run for this thread's completion port in
/// its place. After `f` has returned, more threads than the port's concurrency may run for a while.
///
/// ```
/// let answer = overlapped::port::blocking(|| std::fs::read_to_string("/etc/hostname"));
/// # let _ = answer;
/// ```
pub fn blocking<R>(f: impl FnOnce() -> R) -> R {
    struct RunsAgain(Option<Arc<Inner>>);
    impl Drop for RunsAgain {
        fn drop(&mut self) {
            let Some(port) = self.0.take() else { return };
            // `f` may itself have taken packets from a port: then the thread runs for that port.
            let _ = RUNS.try_with(|runs| {
                let mut runs = runs.0.borrow_mut();
                if runs.is_none() {
                    port.run();
                    *runs = Some(port);
                }
            });
        }
    }
    let port = RUNS.try_with(|runs| runs.0.borrow_mut().take()).ok().flatten();
    if let Some(port) = &port {
        port.rest();
    }
    let _again = RunsAgain(port);
    f()
}

/// A socket's port and key.
pub struct Association {
    pub(crate) port: Arc<Inner>,
    key: usize,
    owner: Owner,
    skip: AtomicBool,
}

impl Association {
    pub(crate) fn new(port: &CompletionPort, key: usize, owner: Owner) -> Association {
        Association { port: Arc::clone(&port.0), key, owner, skip: AtomicBool::new(false) }
    }

    /// Whether operations that succeed within their start are given by the start, without a packet.
    pub(crate) fn skips(&self) -> bool {
        self.skip.load(Ordering::Acquire)
    }

    pub(crate) fn set_skip(&self, skip: bool) {
        self.skip.store(skip, Ordering::Release);
    }

    pub(crate) fn packet(
        &self,
        token: u64,
        action: Action,
        flags: Flags,
        completion: Crossing<Completion>,
    ) -> CompletionPacket {
        CompletionPacket::of_operation((self.key, token), action, flags, completion, Arc::clone(&self.owner))
    }

    /// Queues the packet of an operation that has ended, in the room that was kept for it. The
    /// caller wakes the threads that it is handed to. A closed port gives it back, to be dropped.
    pub(crate) fn ended(
        &self,
        token: u64,
        action: Action,
        flags: Flags,
        completion: Crossing<Completion>,
        unparks: &mut Unparks,
    ) -> Option<CompletionPacket> {
        let packet = self.packet(token, action, flags, completion);
        self.port.push(packet, true, unparks).err().map(|(_, packet)| packet)
    }
}
