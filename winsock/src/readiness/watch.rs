//! What `WSAEventSelect` watches: the record of one socket's events, and when each may come again.
//!
//! | event | comes | comes again |
//! |---|---|---|
//! | `FD_READ`, `FD_ACCEPT`, `FD_OOB` | when something is there | after a call to take it |
//! | `FD_WRITE` | after the connection is made | after a send that would have had to wait |
//! | `FD_CONNECT`, `FD_CLOSE` | once | never |

use std::os::fd::BorrowedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use overlapped::Driver;
use overlapped::driver::{CloseMode, Op, SocketId};

use crate::error::NO_ERROR;
use crate::error::system::{errno, wsa_of};
use crate::io::attempt;
use crate::io::hub::{self, Key, Last, Work};
use crate::io::settle::settle;
use crate::object::Event;
use crate::socket::entry::{Core, Socket, State, Watched};

pub(crate) const FD_READ: u32 = 1;
pub(crate) const FD_WRITE: u32 = 2;
pub(crate) const FD_OOB: u32 = 4;
pub(crate) const FD_ACCEPT: u32 = 8;
pub(crate) const FD_CONNECT: u32 = 0x10;
pub(crate) const FD_CLOSE: u32 = 0x20;
pub(crate) const BITS: usize = 10;

/// What has happened and has not been asked for.
#[derive(Clone, Copy, Default)]
pub(crate) struct Record {
    pub events: u32,
    pub codes: [u32; BITS],
}

#[derive(Default)]
struct Watching {
    record: Record,
    /// The driver's number of the duplicate that it watches.
    id: Option<SocketId>,
    /// Waits for readiness in flight.
    reader: Option<Key>,
    writer: Option<Key>,
    /// The peer's end has been told.
    closed: bool,
    /// The end of a connect has been told.
    connect_told: bool,
    ended: bool,
}

/// The watch of one socket.
pub(crate) struct Watch {
    mask: u32,
    event: Option<Arc<Event>>,
    watching: Mutex<Watching>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Read,
    Write,
}

impl Watch {
    pub(crate) fn new(mask: u32, event: Option<Arc<Event>>) -> Arc<Watch> {
        Arc::new(Watch { mask, event, watching: Mutex::default() })
    }

    fn watching(&self) -> MutexGuard<'_, Watching> {
        self.watching.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the record, and resets the event at the same moment.
    pub(crate) fn take(&self, reset: Option<&Arc<Event>>) -> Record {
        let mut watching = self.watching();
        let record = std::mem::take(&mut watching.record);
        if let Some(event) = reset {
            event.state().reset();
        }
        record
    }

    /// An event has come.
    fn tell(&self, watching: &mut Watching, event: u32, code: u32) {
        if self.mask & event == 0 || watching.ended {
            return;
        }
        watching.record.events |= event;
        watching.record.codes[event.trailing_zeros() as usize] = code;
        if let Some(event) = &self.event {
            event.state().set();
        }
    }

    /// Waits for one side to be ready, unless that is done already.
    fn arm(self: &Arc<Watch>, socket: &Arc<Socket>, side: Side) {
        let mut watching = self.watching();
        let place = match side {
            Side::Read => &watching.reader,
            Side::Write => &watching.writer,
        };
        let Some(hub) = hub::hub() else { return };
        if place.is_some() || watching.ended {
            return;
        }
        let work = Wait { watch: Arc::clone(self), socket: Arc::downgrade(socket), side };
        let key = hub.push(Box::new(work));
        match side {
            Side::Read => watching.reader = Some(key),
            Side::Write => watching.writer = Some(key),
        }
    }

    /// Begins to watch a socket as it is now.
    pub(crate) fn begin(self: &Arc<Watch>, socket: &Arc<Socket>) {
        self.rearm_all(socket, FD_READ | FD_ACCEPT | FD_WRITE | FD_CONNECT);
    }

    fn rearm_all(self: &Arc<Watch>, socket: &Arc<Socket>, events: u32) {
        let (state, stream) = (socket.core().state, socket.is_stream());
        let reads = match state {
            State::Listening => self.mask & FD_ACCEPT & events != 0,
            State::Connected => self.mask & (FD_READ | FD_CLOSE | FD_OOB) != 0 && events & (FD_READ | FD_OOB) != 0,
            State::Fresh if !stream => self.mask & FD_READ & events != 0,
            _ => false,
        };
        let writes = match state {
            State::Connecting => true,
            State::Connected => self.mask & FD_WRITE != 0 && events & (FD_WRITE | FD_CONNECT) != 0,
            State::Fresh if !stream => self.mask & FD_WRITE & events != 0,
            _ => false,
        };
        if reads {
            self.arm(socket, Side::Read);
        }
        if writes {
            self.arm(socket, Side::Write);
        }
    }
}

impl Watched for ArcWatch {
    fn rearm(&self, socket: &Arc<Socket>, events: u32) {
        self.0.rearm_all(socket, events);
    }

    fn inherit(&self, accepted: &Arc<Socket>) {
        let watch = Watch::new(self.0.mask, self.0.event.clone());
        accepted.core().watched = Some(Arc::new(ArcWatch(Arc::clone(&watch))));
        watch.begin(accepted);
    }

    fn end(&self) {
        let mut watching = self.0.watching();
        watching.ended = true;
        let Some(hub) = hub::hub() else { return };
        let keys = [watching.reader.take(), watching.writer.take()];
        keys.iter().flatten().for_each(|key| hub.cancel(*key));
        if let Some(id) = watching.id.take() {
            hub.push(Box::new(EndWatch(id)));
        }
    }
}

/// The watch as its socket holds it.
pub(crate) struct ArcWatch(pub Arc<Watch>);

struct EndWatch(SocketId);

impl Work for EndWatch {
    fn step(&mut self, last: Last, _: Key, _: &mut Driver) -> Option<Op> {
        matches!(last, Last::Nothing).then(|| Op::close(self.0, CloseMode::Now))
    }
}

/// A wait for one side of a socket to be ready.
struct Wait {
    watch: Arc<Watch>,
    socket: Weak<Socket>,
    side: Side,
}

/// What there is to read.
enum Found {
    Nothing,
    Bytes,
    End(u32),
}

fn look(core: &Core) -> Found {
    let mut byte = 0u8;
    // SAFETY: it writes at most one byte, and there is room for it.
    match unsafe { libc::recv(core.fd, (&raw mut byte).cast(), 1, libc::MSG_PEEK | libc::MSG_DONTWAIT) } {
        0 => Found::End(wsa_of(core.death)),
        bytes if bytes > 0 => Found::Bytes,
        _ => match errno() {
            libc::EAGAIN | libc::EINTR => Found::Nothing,
            code => Found::End(wsa_of(code)),
        },
    }
}

impl Wait {
    fn op(&self, driver: &mut Driver) -> Option<Op> {
        let socket = self.socket.upgrade()?;
        let core = socket.core();
        let mut watching = self.watch.watching();
        if watching.ended || core.fd < 0 {
            return None;
        }
        let id = match watching.id {
            Some(id) => id,
            None => {
                // SAFETY: the descriptor stays open while the core is locked.
                let fd = unsafe { BorrowedFd::borrow_raw(core.fd) };
                let id = driver.watch(&fd).ok()?;
                watching.id = Some(id);
                id
            }
        };
        Some(match self.side {
            Side::Read => Op::readable(id),
            Side::Write => Op::writable(id),
        })
    }

    /// The side is ready. Returns whether to go on waiting.
    fn ready(&self) -> bool {
        let Some(socket) = self.socket.upgrade() else { return false };
        let mut core = socket.core();
        if core.fd < 0 {
            return false;
        }
        let was = core.state;
        settle(&mut core);
        let mut watching = self.watch.watching();
        match self.side {
            Side::Write => {
                watching.writer = None;
                let failed = was == State::Connecting && core.state == State::Fresh;
                if was == State::Connecting && core.state == State::Connecting {
                    return true;
                }
                if !watching.connect_told && (was == State::Connecting || core.connect_error != 0) {
                    watching.connect_told = true;
                    self.watch.tell(&mut watching, FD_CONNECT, core.connect_error);
                }
                if !failed {
                    self.watch.tell(&mut watching, FD_WRITE, NO_ERROR);
                }
                let connected = was == State::Connecting && core.state == State::Connected;
                drop((watching, core));
                if connected {
                    self.watch.arm(&socket, Side::Read);
                }
                false
            }
            Side::Read => {
                watching.reader = None;
                if core.state == State::Listening {
                    self.watch.tell(&mut watching, FD_ACCEPT, NO_ERROR);
                    return false;
                }
                if attempt::is_ready(core.fd, libc::POLLPRI) {
                    self.watch.tell(&mut watching, FD_OOB, NO_ERROR);
                }
                match look(&core) {
                    Found::Bytes => {
                        self.watch.tell(&mut watching, FD_READ, NO_ERROR);
                        false
                    }
                    Found::End(code) if socket.is_stream() => {
                        if !std::mem::replace(&mut watching.closed, true) {
                            self.watch.tell(&mut watching, FD_CLOSE, code);
                        }
                        false
                    }
                    Found::End(_) => {
                        self.watch.tell(&mut watching, FD_READ, NO_ERROR);
                        false
                    }
                    Found::Nothing => true,
                }
            }
        }
    }
}

impl Work for Wait {
    fn step(&mut self, last: Last, key: Key, driver: &mut Driver) -> Option<Op> {
        let goes_on = match last {
            Last::Nothing => true,
            Last::Cancelled => false,
            Last::Ended(Ok(_)) => self.ready(),
            Last::Ended(Err(_)) => false,
        };
        if !goes_on {
            return None;
        }
        let op = self.op(driver);
        let mut watching = self.watch.watching();
        let place = match self.side {
            Side::Read => &mut watching.reader,
            Side::Write => &mut watching.writer,
        };
        *place = op.is_some().then_some(key);
        op
    }
}
