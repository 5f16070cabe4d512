//! From an operation to an entry of the submission queue.

use std::os::fd::{AsRawFd, IntoRawFd, OwnedFd};

use io_uring::types::Fd;
use io_uring::{opcode, squeue};

use crate::flags::ShutdownHow;
use crate::id::OpId;
use crate::table::grow;

use super::super::message::{MOST_BYTES, Message, NAME_BYTES, flag_bits};
use super::super::op::{Event, Failure, OpKind, Outcome, Owned};
use super::super::{file::Step, handle::Handle, socket::sock_addr};
use super::request::{Request, user_data};
use super::{NO_MESSAGE, Slot, Uring, accept, direct_table, probe};

/// A send of at most this many bytes is left to the kernel as a whole.
const MOST_UNTOLD_BYTES: u64 = 64 * 1024;

impl Uring {
    pub(crate) fn start(&mut self, id: OpId, kind: OpKind, _: u32, handle: &Handle, owned: Option<&mut Owned>) {
        let (fd, is_direct) = direct_table::target(handle);
        let owned = || owned.expect("it owns a buffer or an address");
        let mut message = None;
        let (request, entry) = match kind {
            OpKind::Accept { multi } => (Request::Accept, self.accept(fd, handle, multi, &mut message)),
            OpKind::Connect => {
                let Some(Ok(address)) = owned().address().map(sock_addr) else {
                    return self.refuse(id, libc::EINVAL);
                };
                let message = message.insert(self.message());
                message.address = address;
                let (ptr, len) = (message.address.as_ptr(), message.address.len());
                (Request::Connect, opcode::Connect::new(fd, ptr.cast(), len).build())
            }
            OpKind::Recv { flags } => {
                let (owned, flags) = (owned(), flag_bits(flags));
                if let Some((ptr, len)) = owned.single() {
                    let entry = opcode::Recv::new(fd, ptr.as_ptr(), len.min(MOST_BYTES) as u32);
                    (Request::Recv, entry.flags(flags).build())
                } else {
                    let message = message.insert(self.message());
                    message.gather(owned);
                    let entry = opcode::RecvMsg::new(fd, &raw mut message.header);
                    (Request::RecvParts, entry.flags(flags as u32).build())
                }
            }
            OpKind::RecvMulti => self.recv_multi(fd),
            OpKind::Send { flags } => {
                let owned = owned();
                // With MSG_WAITALL the kernel itself goes on after a short write, where it can. It
                // does not tell of it. So the driver goes on with a large send, in which much may
                // happen.
                let wait_all = if owned.total - owned.progress <= MOST_UNTOLD_BYTES { libc::MSG_WAITALL } else { 0 };
                let flags = flag_bits(flags) | libc::MSG_NOSIGNAL | wait_all;
                if let Some((ptr, len)) = owned.single() {
                    // SAFETY: the operation owns these bytes until it has ended.
                    let bytes = unsafe { std::slice::from_raw_parts(ptr.as_ptr(), len) };
                    if let Some(result) = self.spot.send(handle, bytes, flags) {
                        self.remember(id, Request::Send, None);
                        let result = result.map(|sent| Outcome::Sent(sent as u64)).map_err(Failure::Code);
                        return self.ended.push_back(Event { id, more: false, result });
                    }
                    let entry = opcode::Send::new(fd, ptr.as_ptr(), len.min(MOST_BYTES) as u32);
                    (Request::Send, entry.flags(flags).build())
                } else {
                    let message = message.insert(self.message());
                    message.gather(owned);
                    let entry = opcode::SendMsg::new(fd, &raw const message.header);
                    (Request::SendParts, entry.flags(flags as u32).build())
                }
            }
            OpKind::SendFile => match owned().file_step() {
                Step::Read { file, offset, room } => {
                    let (fd, len) = (Fd(file.as_raw_fd()), room.len() as u32);
                    let entry = opcode::Read::new(fd, room.as_mut_ptr(), len).offset(offset).build();
                    self.remember(id, Request::ReadFile, None);
                    return self.push(entry.user_data(user_data(id, Request::ReadFile)));
                }
                Step::Send(bytes) => {
                    let entry = opcode::Send::new(fd, bytes.as_ptr(), bytes.len() as u32);
                    (Request::Send, entry.flags(libc::MSG_NOSIGNAL).build())
                }
            },
            OpKind::RecvFrom { flags } => {
                let message = message.insert(self.message());
                message.gather(owned());
                message.take_name();
                let entry = opcode::RecvMsg::new(fd, &raw mut message.header);
                (Request::RecvFrom, entry.flags(flag_bits(flags) as u32).build())
            }
            OpKind::RecvFromMulti => {
                if !self.features.multishot_receive {
                    return self.refuse(id, libc::EOPNOTSUPP);
                }
                // The kernel writes a head, the sender's address and the datagram into the buffer.
                let message = message.insert(self.message());
                message.header.msg_namelen = NAME_BYTES;
                let entry = opcode::RecvMsgMulti::new(fd, &raw const message.header, self.buffers.group());
                (Request::RecvFromMulti, entry.flags(libc::MSG_TRUNC as u32).build())
            }
            OpKind::SendTo => {
                let owned = owned();
                let Some(Ok(address)) = owned.address().map(sock_addr) else {
                    return self.refuse(id, libc::EINVAL);
                };
                let message = message.insert(self.message());
                message.gather(owned);
                message.give_name(address);
                let entry = opcode::SendMsg::new(fd, &raw const message.header);
                (Request::SendParts, entry.flags(libc::MSG_NOSIGNAL as u32).build())
            }
            OpKind::Shutdown { how } => {
                if let Some(result) = self.shut_down(handle, how) {
                    self.remember(id, Request::Shutdown, None);
                    return self.ended.push_back(Event { id, more: false, result });
                }
                let how = match how {
                    ShutdownHow::Receive => libc::SHUT_RD,
                    ShutdownHow::Send => libc::SHUT_WR,
                    ShutdownHow::Both => libc::SHUT_RDWR,
                };
                (Request::Shutdown, opcode::Shutdown::new(fd, how).build())
            }
            OpKind::Ready { writable } => {
                let wanted = if writable { libc::POLLOUT } else { libc::POLLIN };
                (Request::Ready, opcode::PollAdd::new(fd, wanted as u32).build())
            }
            OpKind::Discard => {
                // On TCP, MSG_TRUNC throws the bytes away without a copy. All discards share the
                // buffer: nothing reads it.
                let (ptr, len) = (self.discard.as_mut_ptr(), self.discard.len() as u32);
                (Request::Discard, opcode::Recv::new(fd, ptr, len).flags(libc::MSG_TRUNC).build())
            }
            OpKind::Close { .. } | OpKind::Timer | OpKind::LookUp => {
                unreachable!("closes come by `close`, the others are the driver's")
            }
        };
        self.remember(id, request, message);
        let entry = if is_direct { entry.flags(direct_table::FIXED) } else { entry };
        self.push(entry.user_data(user_data(id, request)));
    }

    pub(crate) fn close(&mut self, id: OpId, _: u32, handle: Handle) {
        self.hasten_close(&handle);
        let (request, entry) = match handle {
            Handle::Direct(direct) => {
                let (reset, close) = direct_table::close(&direct);
                if let Some(reset) = reset {
                    self.push(reset.user_data(user_data(id, Request::Cancel)));
                }
                (Request::CloseDirect, close)
            }
            handle => {
                let fd = OwnedFd::from(handle.into_socket()).into_raw_fd();
                (Request::Close, opcode::Close::new(Fd(fd)).build())
            }
        };
        self.remember(id, request, None);
        self.push(entry.user_data(user_data(id, request)));
    }

    fn accept(&mut self, fd: Fd, handle: &Handle, multi: bool, message: &mut Option<Box<Message>>) -> squeue::Entry {
        let multi = multi && self.features.multishot_accept;
        if multi && self.features.deferred && handle.system().is_ip() {
            accept::multi(fd, message.insert(self.message()))
        } else if multi {
            opcode::AcceptMulti::new(fd).flags(libc::SOCK_CLOEXEC).build()
        } else {
            let nowhere = std::ptr::null_mut();
            opcode::Accept::new(fd, nowhere, nowhere.cast()).flags(libc::SOCK_CLOEXEC).build()
        }
    }

    /// Shuts a socket down at once, by a system call. The kernel leaves the request for that to a
    /// worker thread, which costs more than the rest of a close, and every cancel goes through all
    /// requests that wait for a worker.
    ///
    /// `None` if a direct descriptor cannot be made an ordinary one for it.
    fn shut_down(&self, handle: &Handle, how: ShutdownHow) -> Option<Result<Outcome, Failure>> {
        let descriptor = self.descriptor_of(handle).ok()?;
        let how = match how {
            ShutdownHow::Receive => std::net::Shutdown::Read,
            ShutdownHow::Send => std::net::Shutdown::Write,
            ShutdownHow::Both => std::net::Shutdown::Both,
        };
        let result = descriptor.as_ref().unwrap_or(handle).system().socket.shutdown(how);
        if let Some(descriptor) = descriptor {
            descriptor.drop_duplicate();
        }
        Some(match result {
            Ok(()) => Ok(Outcome::ShutDown),
            Err(error) => Err(Failure::Code(error.raw_os_error().unwrap_or(libc::EIO))),
        })
    }

    fn message(&mut self) -> Box<Message> {
        self.spare.pop().unwrap_or_else(Message::new)
    }

    fn remember(&mut self, id: OpId, request: Request, message: Option<Box<Message>>) {
        let index = id.slot() as usize;
        let message = message.map_or(NO_MESSAGE, |message| self.messages.insert(message).slot());
        let slot = Slot::new(request, message);
        grow(&mut self.slots, index, || slot);
        self.slots[index] = slot;
    }

    /// Ends an operation that the kernel is not asked for.
    fn refuse(&mut self, id: OpId, code: i32) {
        self.remember(id, Request::Connect, None);
        self.ended.push_back(Event { id, more: false, result: Err(Failure::Code(code)) });
    }

    fn recv_multi(&self, fd: Fd) -> (Request, squeue::Entry) {
        // When packets hold all large buffers, there may be others.
        let (request, buffers) = match self.pieces.as_ref().filter(|pieces| pieces.has_free()) {
            Some(pieces) => (Request::RecvPieces, pieces),
            None => (Request::RecvMulti, &self.buffers),
        };
        let group = buffers.group();
        if !self.features.multishot_receive {
            let len = buffers.buffer_bytes();
            let entry = opcode::Recv::new(fd, std::ptr::null_mut(), len).buf_group(group).build();
            return (request, entry.flags(squeue::Flags::BUFFER_SELECT));
        }
        let entry = opcode::RecvMulti::new(fd, group).build();
        let entry = match self.features.multishot_limit && self.turn_bytes > 0 {
            true => probe::with_limit(entry, self.turn_bytes),
            false => entry,
        };
        (request, entry)
    }
}
