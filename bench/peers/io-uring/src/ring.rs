//! The ring, and the operations that both services start. Sockets are direct descriptors: a
//! connection is known by its place in the ring's table of files.

use std::io;
use std::net::TcpListener;
use std::os::fd::AsRawFd;

use io_uring::squeue::{Entry, Flags};
use io_uring::{CompletionQueue, IoUring, SubmissionQueue, Submitter, opcode, types};
use rustix::io::Errno;
use rustix::process::{Resource, getrlimit};

use crate::buffers;

const SUBMISSIONS: u32 = 4096;
const COMPLETIONS: u32 = 16384;

/// Connections at a time, unless fewer descriptors are allowed.
const CONNECTIONS: u32 = 32 * 1024;

/// What an operation is, in the upper half of its user data; the lower half is the connection's
/// place.
pub(crate) const ACCEPT: u32 = 0;
pub(crate) const RECEIVE: u32 = 1;
pub(crate) const SEND: u32 = 2;
/// Operations that report their end only if they fail, which changes nothing.
pub(crate) const SILENT: u32 = 3;

pub(crate) fn build() -> io::Result<IoUring> {
    let ring = IoUring::builder()
        .setup_single_issuer()
        .setup_defer_taskrun()
        .setup_submit_all()
        .setup_no_sqarray()
        .setup_cqsize(COMPLETIONS)
        .build(SUBMISSIONS)?;
    ring.submitter().register_ring_fd()?;
    let allowed = getrlimit(Resource::Nofile).current.and_then(|allowed| u32::try_from(allowed).ok());
    ring.submitter().register_files_sparse(allowed.map_or(CONNECTIONS, |allowed| allowed.min(CONNECTIONS)))?;
    Ok(ring)
}

pub(crate) struct Ring<'a> {
    pub(crate) submitter: Submitter<'a>,
    pub(crate) submissions: SubmissionQueue<'a>,
}

impl Ring<'_> {
    /// Queues an operation; submits what there is if there is no room.
    fn push(&mut self, kind: u32, place: u32, entry: Entry) -> io::Result<()> {
        let entry = entry.user_data(u64::from(kind) << 32 | u64::from(place));
        loop {
            // SAFETY: what an entry points to, a provided buffer or the log, is never freed, and is
            // written again only after the operation has ended.
            if unsafe { self.submissions.push(&entry) }.is_ok() {
                return Ok(());
            }
            self.submit()?;
        }
    }

    pub(crate) fn submit(&mut self) -> io::Result<()> {
        self.submissions.sync();
        self.submitter.submit()?;
        self.submissions.sync();
        Ok(())
    }

    /// Submits everything queued and waits until something has completed.
    pub(crate) fn submit_and_wait(&mut self) -> io::Result<()> {
        self.submissions.sync();
        let waited = self.submitter.submit_and_wait(1);
        self.submissions.sync();
        match waited {
            // Interrupted, or completions first have to be taken: both end with looking at them.
            Err(error) if error.raw_os_error() == Some(Errno::INTR.raw_os_error()) => Ok(()),
            Err(error) if error.raw_os_error() == Some(Errno::BUSY.raw_os_error()) => Ok(()),
            waited => waited.map(drop),
        }
    }

    pub(crate) fn accept(&mut self, listener: &TcpListener) -> io::Result<()> {
        let listener = types::Fd(listener.as_raw_fd());
        self.push(ACCEPT, 0, opcode::AcceptMulti::new(listener).allocate_file_index(true).build())
    }

    pub(crate) fn receive(&mut self, place: u32) -> io::Result<()> {
        self.push(RECEIVE, place, opcode::RecvMulti::new(types::Fixed(place), buffers::GROUP).build())
    }

    /// The bytes lie where they are until the send has ended.
    pub(crate) fn send(&mut self, place: u32, bytes: *const u8, length: u32) -> io::Result<()> {
        let flags = rustix::net::SendFlags::NOSIGNAL.bits() as i32;
        self.push(SEND, place, opcode::Send::new(types::Fixed(place), bytes, length).flags(flags).build())
    }

    /// Ends what is in flight of this kind.
    pub(crate) fn cancel(&mut self, kind: u32, place: u32) -> io::Result<()> {
        let target = u64::from(kind) << 32 | u64::from(place);
        self.push(SILENT, place, opcode::AsyncCancel::new(target).build().flags(Flags::SKIP_SUCCESS))
    }

    /// Nothing may be in flight.
    pub(crate) fn close(&mut self, place: u32) -> io::Result<()> {
        self.push(SILENT, place, opcode::Close::new(types::Fixed(place)).build().flags(Flags::SKIP_SUCCESS))
    }
}

/// The next completion, if there is one by now.
pub(crate) fn next(completions: &mut CompletionQueue<'_>) -> Option<Completed> {
    let entry = completions.next()?;
    let (kind, place) = ((entry.user_data() >> 32) as u32, entry.user_data() as u32);
    Some(Completed { kind, place, result: entry.result(), flags: entry.flags() })
}

pub(crate) struct Completed {
    pub(crate) kind: u32,
    pub(crate) place: u32,
    result: i32,
    flags: u32,
}

impl Completed {
    pub(crate) fn result(&self) -> io::Result<u32> {
        u32::try_from(self.result).map_err(|_| io::Error::from_raw_os_error(-self.result))
    }

    /// A multishot operation goes on.
    pub(crate) fn more(&self) -> bool {
        io_uring::cqueue::more(self.flags)
    }

    /// The kernel goes on filling this completion's buffer.
    pub(crate) fn buffer_goes_on(&self) -> bool {
        io_uring::cqueue::buffer_more(self.flags)
    }

    pub(crate) fn buffer(&self) -> Option<u16> {
        io_uring::cqueue::buffer_select(self.flags)
    }
}
