//! Completion ports: one queue of packets for several threads.

use std::any::Any;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use slab::Slab;

use crate::driver::Wait;
use crate::ending::{Ending, Raw, other_type};
use crate::error::{Action, Error, ErrorKind, Failed};
use crate::id::OpId;
use crate::overlapped::Status;
use crate::park::{self, Unpark, Unparks};
use crate::proactor::Core;
use crate::sync::{Mutex, lock, thread_local};

/// A completion port: operations that have ended, and packets of the program's own, in one queue from which several threads take.
///
/// Packets leave in the order in which they came. Of the threads that wait, the last to have come is given the next packet, because its caches
/// are the warmest. No more than `concurrency` threads *run* at once: a thread runs from the moment it takes packets
/// until it asks for the next, ends, or is in a [`blocking`] section. (Windows' kernel sees by itself when a thread blocks; here
/// it must be told.)
///
/// Clones are handles to the same port. In Winsock: `CreateIoCompletionPort`, `GetQueuedCompletionStatusEx`, `PostQueuedCompletionStatus`.
///
/// ```
/// use overlapped::{CompletionPort, Proactor};
/// use overlapped::driver::Wait;
/// use overlapped::engine::Received;
/// use std::{io::Write, net::TcpStream};
///
/// let proactor = Proactor::new()?;
/// let listener = proactor.listen("127.0.0.1:0", &Default::default())?;
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
/// port.post(8, 0)?;                                  // a packet of one's own
/// assert_eq!(port.get(Wait::Forever)?.unwrap().key, 8);
/// # Ok::<(), overlapped::Error>(())
/// ```
#[derive(Clone)]
pub struct CompletionPort(Arc<Inner>);

struct Inner {
    state: Mutex<State>,
    concurrency: usize,
    limit: usize,
}

struct State {
    open: bool,
    queue: VecDeque<CompletionPacket>,
    /// Packets that are to come, for operations in flight: room is kept for them.
    reserved: usize,
    running: usize,
    waiters: Slab<Waiter>,
    /// Those that wait, the last to have come at the end.
    waiting: Vec<usize>,
}

struct Waiter {
    unpark: Unpark,
    handed: Option<CompletionPacket>,
}

impl State {
    /// Hands packets to waiting threads, as many as may run.
    fn hand_out(&mut self, concurrency: usize, unparks: &mut Unparks) {
        while self.running < concurrency && !self.queue.is_empty() {
            let Some(waiter) = self.waiting.pop() else { return };
            self.running += 1;
            let waiter = &mut self.waiters[waiter];
            waiter.handed = self.queue.pop_front();
            unparks.push(waiter.unpark.clone());
        }
    }
}

impl Inner {
    fn error(&self, kind: ErrorKind) -> Error {
        let error = Error::new(Action::Port, kind);
        match kind {
            ErrorKind::Closed => error.because("the port is closed"),
            _ => error.because(format!("it holds {} packets, or owes them to operations in flight", self.limit)),
        }
    }

    /// Queues a packet, for which room has been kept if it is `reserved`.
    fn push(&self, packet: CompletionPacket, reserved: bool) -> Result<(), (ErrorKind, CompletionPacket)> {
        let mut unparks = Unparks::default();
        let mut state = lock(&self.state);
        state.reserved -= usize::from(reserved);
        if !state.open {
            return Err((ErrorKind::Closed, packet));
        }
        if !reserved && state.queue.len() + state.reserved >= self.limit {
            return Err((ErrorKind::LimitReached, packet));
        }
        state.queue.push_back(packet);
        state.hand_out(self.concurrency, &mut unparks);
        drop(state);
        unparks.unpark();
        Ok(())
    }

    /// A thread that ran does not any more.
    fn rest(&self) {
        let mut unparks = Unparks::default();
        let mut state = lock(&self.state);
        state.running -= 1;
        state.hand_out(self.concurrency, &mut unparks);
        drop(state);
        unparks.unpark();
    }

    fn run(&self) {
        lock(&self.state).running += 1;
    }
}

/// The port for which this thread runs.
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
    /// Makes a port on which at most `concurrency` threads run at once (0: as many as the machine has processors), and which holds at most `limit`
    /// packets: queued, or owed to operations in flight. Beyond that, *starting* an operation is refused.
    pub fn new(concurrency: usize, limit: usize) -> CompletionPort {
        let concurrency = match concurrency {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            given => given,
        };
        let state = State {
            open: true,
            queue: VecDeque::new(),
            reserved: 0,
            running: 0,
            waiters: Slab::new(),
            waiting: Vec::new(),
        };
        CompletionPort(Arc::new(Inner { state: Mutex::new(state), concurrency, limit }))
    }

    /// Queues a packet of the program's own.
    ///
    /// # Errors
    /// `Closed`, `LimitReached`.
    pub fn post(&self, key: usize, token: u64) -> Result<(), Error> {
        let packet =
            CompletionPacket { key, token, ending: None, status: Status::Succeeded, action: None, given: None };
        self.0.push(packet, false).map_err(|(kind, _)| self.0.error(kind))
    }

    /// Takes the next packet; `None` means that the wait was over before. A failed operation is a packet too.
    ///
    /// # Errors
    /// `Closed` when the port is closed, also under the wait; `WouldDeadlock` on the thread of a [`Proactor`](crate::Proactor).
    pub fn get(&self, wait: Wait) -> Result<Option<CompletionPacket>, Error> {
        let mut packet = None;
        self.take(wait, 1, &mut |next| packet = Some(next))?;
        Ok(packet)
    }

    /// Takes all packets there are, at most `most`, as soon as there is one, and appends them to `packets`; says how many. 0 means
    /// that the wait was over before.
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
        let port = &self.0;
        // Asking for the next packet ends the run of the last.
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
        // Whatever ended the wait: a packet that has been handed over meanwhile is not lost.
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

    /// Closes the port: every thread that waits is woken with `Closed`, packets that nobody took are dropped (a connection in one is closed), and
    /// operations in flight go on and end, told to nobody.
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

    pub(crate) fn associate(&self, core: &Arc<Core>, key: usize) -> Association {
        Association { port: Arc::clone(&self.0), key, core: Arc::clone(core), skip: AtomicBool::new(false) }
    }
}

/// This thread runs for a port, which has counted it. If a waker that ran in its wait has taken packets meanwhile, that run is over.
fn runs_for(port: &Arc<Inner>) {
    if let Some(before) = RUNS.with(|runs| runs.0.borrow_mut().replace(Arc::clone(port))) {
        before.rest();
    }
}

fn drain(state: &mut State, most: usize, give: &mut dyn FnMut(CompletionPacket)) -> usize {
    let count = most.min(state.queue.len());
    state.queue.drain(..count).for_each(give);
    count
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

/// Runs `f`, which may block, while another thread may run for this thread's completion port in its place. When `f` returns, more threads than the port's
/// concurrency may run for a while.
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
            // Unless `f` has itself taken packets from a port.
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

/// A packet of a completion port: an operation that has ended, or one of the program's own.
pub struct CompletionPacket {
    /// The key of the socket's association, or of the [`post`](CompletionPort::post).
    pub key: usize,
    /// The token of the operation, or of the [`post`](CompletionPort::post).
    pub token: u64,
    ending: Option<(Raw, Arc<Core>)>,
    status: Status,
    action: Option<Action>,
    given: Option<Box<dyn Any + Send>>,
}

impl CompletionPacket {
    /// What the operation did; `None` for a packet of the program's own.
    pub fn action(&self) -> Option<Action> {
        self.action
    }

    /// How the operation ended.
    pub fn status(&self) -> Status {
        self.status
    }

    /// The operation's result. It is given once.
    ///
    /// # Errors
    /// The operation's own error; its buffer is then had from [`take_buf`](CompletionPacket::take_buf). `InvalidArgument` if the result has been given
    /// already, is of another type, or the packet is not an operation's.
    pub fn result<T: Ending>(&mut self) -> Result<T, Error> {
        let invalid = |why| Err(Error::new(Action::Port, ErrorKind::InvalidArgument).because(why));
        let Some(action) = self.action else { return invalid("the packet is not that of an operation") };
        let Some((raw, _)) = &self.ending else { return invalid("the packet's result has been taken") };
        if !T::matches(raw) {
            return Err(other_type(action));
        }
        let (raw, core) = self.ending.take().expect("seen just now");
        T::from_raw(raw, &core).map_err(|Failed { error, given }| {
            self.given = Some(Box::new(given));
            error
        })
    }

    /// The buffer of type `B` that the operation was given, after [`result`](CompletionPacket::result) gave its error.
    pub fn take_buf<B: 'static>(&mut self) -> Option<B> {
        let given = self.given.take()?;
        match given.downcast() {
            Ok(buf) => Some(*buf),
            Err(other) => {
                self.given = Some(other);
                None
            }
        }
    }
}

impl fmt::Debug for CompletionPacket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CompletionPacket")
            .field("key", &self.key)
            .field("token", &self.token)
            .field("action", &self.action)
            .field("status", &self.status)
            .finish()
    }
}

/// What a start through [`Operation::to_port`](crate::engine::Operation::to_port) has led to.
#[derive(Debug)]
pub enum Queued {
    /// A packet will come, or has already. The operation's name, for [`Proactor::cancel`](crate::Proactor::cancel), if there is still something to
    /// cancel.
    Pending(Option<OpId>),
    /// It succeeded on the spot, on a socket that [skips the packet](crate::Socket::skip_packet_on_success) then: here it is instead.
    Done(CompletionPacket),
}

/// A socket's port and key.
pub(crate) struct Association {
    port: Arc<Inner>,
    key: usize,
    core: Arc<Core>,
    skip: AtomicBool,
}

impl Association {
    pub(crate) fn skips(&self) -> bool {
        self.skip.load(Ordering::Acquire)
    }

    pub(crate) fn set_skip(&self, skip: bool) {
        self.skip.store(skip, Ordering::Release);
    }

    /// Keeps room for a packet.
    pub(crate) fn reserve(&self) -> Result<(), Error> {
        let mut state = lock(&self.port.state);
        if !state.open {
            return Err(self.port.error(ErrorKind::Closed));
        }
        if state.queue.len() + state.reserved >= self.port.limit {
            return Err(self.port.error(ErrorKind::LimitReached));
        }
        state.reserved += 1;
        Ok(())
    }

    pub(crate) fn release(&self) {
        lock(&self.port.state).reserved -= 1;
    }

    pub(crate) fn packet(&self, token: u64, raw: Raw) -> CompletionPacket {
        let (status, action) = (Status::of(&raw.result), Some(raw.action));
        let ending = Some((raw, Arc::clone(&self.core)));
        CompletionPacket { key: self.key, token, ending, status, action, given: None }
    }

    /// An operation has ended: its packet is queued. On a closed port it is dropped.
    pub(crate) fn ended(&self, token: u64, raw: Raw) {
        let dropped = self.port.push(self.packet(token, raw), true);
        drop(dropped);
    }
}
