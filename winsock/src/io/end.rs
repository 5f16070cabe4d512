//! Whom an operation tells of its end: an `OVERLAPPED`, or a call that waits for it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use crate::deliver::Ticket;
use crate::error::status::{STATUS_PENDING, STATUS_SUCCESS};
use crate::error::system::status_of_wsa;
use crate::error::{ERROR_OPERATION_ABORTED, NtStatus, WSAEINTR, WSAETIMEDOUT};
use crate::io::hub::{self, Key};
use crate::socket::entry::{Core, Direction, InFlight, Socket};
use crate::thread;
use crate::wait::{Latch, Waited};

/// How an operation has ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ended {
    pub status: NtStatus,
    pub bytes: u32,
    pub flags: u32,
}

impl Ended {
    pub(crate) fn well(bytes: usize) -> Ended {
        Ended { status: STATUS_SUCCESS, bytes: bytes as u32, flags: 0 }
    }

    pub(crate) fn failed(status: NtStatus) -> Ended {
        Ended { status, bytes: 0, flags: 0 }
    }

    /// Failed with this code of Winsock's.
    pub(crate) fn code(code: u32) -> Ended {
        Ended::failed(status_of_wsa(code))
    }
}

/// A call that waits.
pub(crate) struct Blocked {
    latch: Arc<Latch>,
    ended: Mutex<Ended>,
}

pub(crate) enum End {
    Ticket(Ticket),
    Call(Arc<Blocked>),
    Nobody,
}

impl Blocked {
    pub(crate) fn new() -> Arc<Blocked> {
        let ended = Ended { status: STATUS_PENDING, bytes: 0, flags: 0 };
        Arc::new(Blocked { latch: Latch::new(), ended: Mutex::new(ended) })
    }

    fn set(&self, ended: Ended) {
        *self.ended.lock().unwrap_or_else(PoisonError::into_inner) = ended;
        self.latch.set();
    }

    /// Waits for the end of the call's operation. The thread's routines run meanwhile. When the
    /// time is up, the operation is cancelled.
    ///
    /// # Errors
    /// The Winsock code of the operation's failure.
    pub(crate) fn wait(&self, key: Key, until: Option<Instant>) -> Result<Ended, u32> {
        let mut timed_out = false;
        loop {
            match self.latch.wait(if timed_out { None } else { until }, !timed_out) {
                Waited::Alerted => {
                    thread::run_apcs();
                }
                Waited::TimedOut => {
                    timed_out = true;
                    if let Some(hub) = hub::hub() {
                        hub.cancel(key);
                        hub.hasten();
                    }
                }
                _ => break,
            }
        }
        let ended = *self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        match ended.status.wsa() {
            _ if ended.status.is_success() => Ok(ended),
            ERROR_OPERATION_ABORTED if timed_out => Err(WSAETIMEDOUT),
            ERROR_OPERATION_ABORTED => Err(WSAEINTR),
            code => Err(code),
        }
    }
}

impl End {
    /// The program's memory that is written when this ends.
    pub(crate) fn overlapped(&self) -> usize {
        match self {
            End::Ticket(ticket) => ticket.overlapped() as usize,
            _ => 0,
        }
    }

    /// The thread that started it.
    pub(crate) fn thread(&self) -> u32 {
        match self {
            End::Ticket(ticket) => ticket.thread(),
            _ => 0,
        }
    }

    /// Whether the end of this thread cancels it: it started it, and its end goes to no port.
    pub(crate) fn dies_with(&self, thread: u32) -> bool {
        matches!(self, End::Ticket(ticket) if ticket.thread() == thread && !ticket.on_port())
    }

    pub(crate) fn finish(self, ended: Ended) {
        match self {
            End::Ticket(ticket) => ticket.finish(ended.status, ended.bytes, ended.flags),
            End::Call(blocked) => blocked.set(ended),
            End::Nobody => {}
        }
    }
}

/// Takes an operation that ends off its socket's list.
pub(crate) fn leave(socket: &Socket, key: Key) {
    leave_locked(&mut socket.core(), key);
}

/// The same, while the core is locked.
pub(crate) fn leave_locked(core: &mut Core, key: Key) {
    if let Some(at) = core.in_flight.iter().position(|one| one.key == key) {
        let one = core.in_flight.swap_remove(at);
        match one.direction {
            Direction::Receive => core.receives -= 1,
            Direction::Send => core.sends -= 1,
        }
    }
}

/// Puts an operation on its socket's list.
pub(crate) fn enter(core: &mut Core, one: InFlight) {
    match one.direction {
        Direction::Receive => core.receives += 1,
        Direction::Send => core.sends += 1,
    }
    core.in_flight.push(one);
}
