//! Echo by a bare io_uring loop: multishot accept and receive into provided buffers, each sent from where it was
//! received, one system call a turn. What completion-based I/O costs with nothing on top. A floor.

mod buffers;

use std::collections::VecDeque;
use std::io;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd, RawFd};

use buffers::Buffers;
use io_uring::squeue::Entry;
use io_uring::{CompletionQueue, IoUring, SubmissionQueue, Submitter, cqueue, opcode, types};
use peer_cli::Service;
use rustix::io::Errno;
use rustix::net::sockopt::set_tcp_nodelay;

const SUBMISSIONS: u32 = 4096;
const COMPLETIONS: u32 = 16384;
const BUFFERS: u16 = 1024;

const ACCEPT: u64 = 0;
const RECEIVE: u64 = 1;
const SEND: u64 = 2;

fn main() -> anyhow::Result<()> {
    let cli = peer_cli::parse(&[Service::Echo]);
    let listener = TcpListener::bind(cli.listen)?;
    // Accepted sockets inherit it.
    set_tcp_nodelay(&listener, true)?;

    let mut ring = IoUring::builder()
        .setup_single_issuer()
        .setup_defer_taskrun()
        .setup_submit_all()
        .setup_cqsize(COMPLETIONS)
        .build(SUBMISSIONS)?;
    let (mut submitter, submissions, completions) = ring.split();
    submitter.register_ring_fd()?;
    let buffers = Buffers::register(&submitter, BUFFERS)?;
    peer_cli::announce(listener.local_addr()?)?;
    let mut server = Server {
        ring: Ring { submitter, submissions },
        buffers,
        connections: Vec::new(),
        starved: Vec::new(),
        listener,
    };
    server.run(completions)
}

struct Server<'a> {
    ring: Ring<'a>,
    buffers: Buffers,
    /// By descriptor. One is closed only when nothing of it is in flight, so that no completion is ever stale.
    connections: Vec<Option<Connection>>,
    /// Whose receive ended for want of a buffer.
    starved: Vec<RawFd>,
    listener: TcpListener,
}

struct Connection {
    socket: TcpStream,
    /// Received and not sent yet, oldest first; the first is in flight while `sending`.
    unsent: VecDeque<Run>,
    sending: bool,
    receiving: bool,
    /// End of stream or an error: nothing more is received.
    ended: bool,
}

#[derive(Clone, Copy)]
struct Run {
    buffer: u16,
    offset: usize,
    length: usize,
}

impl Server<'_> {
    fn run(&mut self, mut completions: CompletionQueue<'_>) -> anyhow::Result<()> {
        self.accept_more()?;
        loop {
            self.ring.submit_and_wait()?;
            completions.sync();
            for completion in &mut completions {
                self.completed(&completion)?;
            }
            self.buffers.publish();
            if !self.starved.is_empty() && self.buffers.has_free() {
                for descriptor in std::mem::take(&mut self.starved) {
                    self.receive_more(descriptor)?;
                }
            }
        }
    }

    fn completed(&mut self, completion: &cqueue::Entry) -> io::Result<()> {
        let data = completion.user_data();
        let descriptor = data as u32 as RawFd;
        match data >> 32 {
            ACCEPT => self.accepted(completion),
            RECEIVE => self.received(descriptor, completion),
            SEND => self.sent(descriptor, completion.result()),
            kind => unreachable!("no operation is of kind {kind}"),
        }
    }

    fn accept_more(&mut self) -> io::Result<()> {
        let accept = opcode::AcceptMulti::new(types::Fd(self.listener.as_raw_fd())).build();
        self.ring.push(accept.user_data(ACCEPT << 32))
    }

    fn accepted(&mut self, completion: &cqueue::Entry) -> io::Result<()> {
        let descriptor = result(completion.result())? as RawFd;
        // SAFETY: the kernel has just opened it for this program, and nothing else holds it.
        let socket = unsafe { TcpStream::from_raw_fd(descriptor) };
        let place = descriptor as usize;
        if self.connections.len() <= place {
            self.connections.resize_with(place + 1, || None);
        }
        self.connections[place] =
            Some(Connection { socket, unsent: VecDeque::new(), sending: false, receiving: false, ended: false });
        self.receive_more(descriptor)?;
        if !cqueue::more(completion.flags()) {
            self.accept_more()?;
        }
        Ok(())
    }

    fn receive_more(&mut self, descriptor: RawFd) -> io::Result<()> {
        let Some(connection) = &mut self.connections[descriptor as usize] else {
            return Ok(());
        };
        if connection.ended || connection.receiving {
            return Ok(());
        }
        connection.receiving = true;
        let receive = opcode::RecvMulti::new(types::Fd(descriptor), buffers::GROUP).build();
        self.ring.push(receive.user_data(RECEIVE << 32 | descriptor as u64))
    }

    fn received(&mut self, descriptor: RawFd, completion: &cqueue::Entry) -> io::Result<()> {
        let connection = in_use(&mut self.connections, descriptor);
        connection.receiving = cqueue::more(completion.flags());
        let buffer = cqueue::buffer_select(completion.flags());
        if let Some(buffer) = buffer {
            self.buffers.taken(buffer);
        }
        match (result(completion.result()), buffer) {
            (Ok(length @ 1..), Some(buffer)) if !connection.ended => {
                connection.unsent.push_back(Run { buffer, offset: 0, length: length as usize });
                self.send(descriptor)?;
                self.receive_more(descriptor)
            }
            (Err(error), None) if error.raw_os_error() == Some(Errno::NOBUFS.raw_os_error()) => {
                self.starved.push(descriptor);
                self.close_if_idle(descriptor);
                Ok(())
            }
            (_, buffer) => {
                connection.ended = true;
                if let Some(buffer) = buffer {
                    self.buffers.give_back(buffer);
                }
                self.close_if_idle(descriptor);
                Ok(())
            }
        }
    }

    /// Sends the oldest run, unless one is in flight: two sends on one socket could interleave.
    fn send(&mut self, descriptor: RawFd) -> io::Result<()> {
        let connection = in_use(&mut self.connections, descriptor);
        let Some(run) = connection.unsent.front().filter(|_| !connection.sending) else {
            return Ok(());
        };
        connection.sending = true;
        let address = self.buffers.address(run.buffer, run.offset);
        let send = opcode::Send::new(types::Fd(descriptor), address, run.length as u32)
            .flags((rustix::net::SendFlags::NOSIGNAL.bits() | MSG_WAITALL) as i32)
            .build();
        self.ring.push(send.user_data(SEND << 32 | descriptor as u64))
    }

    fn sent(&mut self, descriptor: RawFd, sent: i32) -> io::Result<()> {
        let connection = in_use(&mut self.connections, descriptor);
        connection.sending = false;
        match (result(sent), connection.unsent.front_mut()) {
            // Short in spite of MSG_WAITALL: the rest follows.
            (Ok(count), Some(run)) if (count as usize) < run.length => {
                run.offset += count as usize;
                run.length -= count as usize;
            }
            (Ok(_), _) => {
                if let Some(run) = connection.unsent.pop_front() {
                    self.buffers.give_back(run.buffer);
                }
            }
            (Err(_), _) => {
                connection.ended = true;
                for run in connection.unsent.drain(..) {
                    self.buffers.give_back(run.buffer);
                }
                // Ends the receive, if there is one. The socket may be gone already.
                _ = connection.socket.shutdown(Shutdown::Both);
            }
        }
        self.send(descriptor)?;
        self.close_if_idle(descriptor);
        Ok(())
    }

    fn close_if_idle(&mut self, descriptor: RawFd) {
        let place = &mut self.connections[descriptor as usize];
        if place.as_ref().is_some_and(|connection| connection.ended && !connection.receiving && !connection.sending) {
            *place = None;
        }
    }
}

/// `MSG_WAITALL`: the kernel goes on until every byte is sent.
const MSG_WAITALL: u32 = 0x100;

fn in_use(connections: &mut [Option<Connection>], descriptor: RawFd) -> &mut Connection {
    connections[descriptor as usize].as_mut().expect("a connection with an operation in flight is not closed")
}

fn result(result: i32) -> io::Result<u32> {
    u32::try_from(result).map_err(|_| io::Error::from_raw_os_error(-result))
}

struct Ring<'a> {
    submitter: Submitter<'a>,
    submissions: SubmissionQueue<'a>,
}

impl Ring<'_> {
    /// Queues an operation; submits what there is if there is no room.
    fn push(&mut self, entry: Entry) -> io::Result<()> {
        loop {
            // SAFETY: what an entry points to, a provided buffer, is never freed, and is given back only after
            // the operation has ended.
            if unsafe { self.submissions.push(&entry) }.is_ok() {
                return Ok(());
            }
            self.submissions.sync();
            self.submitter.submit()?;
            self.submissions.sync();
        }
    }

    /// Submits everything queued and waits until something has completed.
    fn submit_and_wait(&mut self) -> io::Result<()> {
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
}
