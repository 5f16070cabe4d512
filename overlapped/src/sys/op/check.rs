//! What can be found out about an operation before a backend has it: whether it makes sense, and,
//! on a socket that is tried directly, whether it succeeds at once.

use super::{Beside, Op, OpKind, Outcome, Tried};
use crate::error::{Error, ErrorKind};
use crate::flags::{Flags, Role};
use crate::sys::view::View;

/// The most buffers that every system takes for one datagram (`IOV_MAX`).
const MOST_PARTS_OF_A_DATAGRAM: usize = 1024;

impl Op {
    /// Whether its arguments make sense, on whatever socket it is started.
    #[inline]
    pub(crate) fn check(&self) -> Result<(), Error> {
        let invalid = |why: &str| Err(Error::new(self.kind.action(), ErrorKind::InvalidArgument).because(why));
        if self.parts() == Some(0) {
            return self.check_without_parts();
        }
        match &self.owned.beside {
            Beside::Address(Ok(address)) => Error::check_address(self.kind.action(), address)?,
            Beside::Address(Err(error)) => return Err(Error::not_an_address(self.kind.action(), error)),
            _ => {}
        }
        if self.has_deadline {
            self.check_deadline()?;
        }
        match self.kind {
            OpKind::Recv { flags }
                if flags.contains(Flags::WAIT_ALL)
                    && (flags.contains(Flags::OUT_OF_BAND) || flags.contains(Flags::PEEK)) =>
            {
                invalid("WAIT_ALL does not go with OUT_OF_BAND or PEEK")
            }
            OpKind::RecvFrom { flags } if flags.contains(Flags::WAIT_ALL) || flags.contains(Flags::OUT_OF_BAND) => {
                invalid("WAIT_ALL and OUT_OF_BAND are flags of streams")
            }
            OpKind::Send { flags } if flags.contains(Flags::PEEK) || flags.contains(Flags::WAIT_ALL) => {
                invalid("PEEK and WAIT_ALL are flags of receives")
            }
            _ => Ok(()),
        }
    }

    /// A file is the one thing without parts that can be sent.
    #[cold]
    fn check_without_parts(&self) -> Result<(), Error> {
        let invalid = |why: &str| Err(Error::new(self.kind.action(), ErrorKind::InvalidArgument).because(why));
        match &self.owned.beside {
            Beside::File(file) => file.fault().map_or(Ok(()), invalid),
            _ => invalid("an empty list of buffers"),
        }
    }

    #[cold]
    fn check_deadline(&self) -> Result<(), Error> {
        let invalid = |why: &str| Err(Error::new(self.kind.action(), ErrorKind::InvalidArgument).because(why));
        match self.kind {
            OpKind::Timer | OpKind::Close { .. } => invalid("a timer and a close have a time of their own"),
            OpKind::Accept { multi: true } | OpKind::RecvMulti | OpKind::RecvFromMulti => {
                invalid("a multishot operation has no deadline: cancel it")
            }
            _ => Ok(()),
        }
    }

    /// Tries a receive or a send of one part and without flags. `None` means that it must be
    /// started. A send that is cut short remembers how far it came, and a failure or the end of the
    /// stream is remembered for the driver. On a simulated network nothing happens outside of
    /// turns.
    pub(crate) fn try_now(&mut self, view: &View) -> Option<Outcome> {
        let View::System(view) = view else { return None };
        let (kind, owned) = (self.kind, &mut self.owned);
        let (ptr, len) = owned.buf.as_mut()?.single(owned.progress).filter(|(_, len)| *len > 0)?;
        let moved = match kind {
            // SAFETY: the buffer's own memory. Nobody else uses it while the operation owns it.
            OpKind::Recv { flags: Flags::NONE } => unsafe { view.recv_now(ptr.as_ptr(), len) },
            // SAFETY: as above.
            OpKind::Send { flags: Flags::NONE } => unsafe { view.send_now(ptr.as_ptr(), len) },
            _ => return None,
        };
        match (moved, kind) {
            (Err(code), _) => owned.beside = Beside::Tried(Tried::Failed(code)),
            (Ok(None), _) => {}
            (Ok(Some(0)), OpKind::Recv { .. }) => owned.beside = Beside::Tried(Tried::Ended),
            (Ok(Some(bytes)), OpKind::Recv { .. }) => {
                owned.progress += bytes as u64;
                owned.set_received();
                return Some(Outcome::Received(bytes));
            }
            (Ok(Some(bytes)), _) => {
                owned.progress += bytes as u64;
                return (bytes == len).then_some(Outcome::Sent(owned.progress));
            }
        }
        None
    }

    /// Whether it can be started on a socket of this role.
    #[inline]
    pub(crate) fn check_role(&mut self, role: Role) -> Result<(), Error> {
        // What streams do is found out here, because they do it most.
        if role == Role::Stream
            && matches!(
                self.kind,
                OpKind::Send { .. }
                    | OpKind::Recv { .. }
                    | OpKind::RecvMulti
                    | OpKind::Connect
                    | OpKind::Shutdown { .. }
                    | OpKind::Close { .. }
            )
        {
            return Ok(());
        }
        self.check_other_role(role)
    }

    fn check_other_role(&mut self, role: Role) -> Result<(), Error> {
        let action = self.kind.action();
        let invalid = |why: &str| Err(Error::new(action, ErrorKind::InvalidArgument).because(why));
        match (self.kind, role) {
            (OpKind::Close { .. } | OpKind::Timer | OpKind::LookUp, _) => Ok(()),
            (OpKind::Ready { .. }, Role::Watched) => Ok(()),
            (OpKind::Ready { .. }, _) => invalid("only a watched descriptor is waited for; sockets have operations"),
            (_, Role::Watched) => invalid("a watched descriptor can only be waited for and closed"),
            (OpKind::Accept { .. }, Role::Listener) => Ok(()),
            (OpKind::Accept { .. }, _) => invalid("not a listener"),
            (_, Role::Listener) => invalid("a listener can only accept and be closed"),
            (OpKind::SendFile, Role::Datagram) => invalid("files are sent over streams"),
            (OpKind::RecvFrom { .. } | OpKind::RecvFromMulti | OpKind::SendTo, Role::Stream) => {
                invalid("not a datagram socket")
            }
            // A stream goes on behind what the system took; a datagram would be cut.
            (_, Role::Datagram) if self.parts().is_some_and(|parts| parts > MOST_PARTS_OF_A_DATAGRAM) => {
                invalid("a datagram of more than 1024 parts")
            }
            (OpKind::Recv { flags } | OpKind::RecvFrom { flags }, Role::Datagram)
                if !flags.contains(Flags::PEEK) && !self.owned.buf_mut().has_room() =>
            {
                invalid("the buffers have no room, and the datagram would be lost")
            }
            (OpKind::Send { .. }, Role::Datagram) if self.owned.progress > 0 => {
                invalid("a datagram leaves whole, so it has no rest: use `send`")
            }
            (OpKind::RecvMulti, Role::Datagram) => invalid("datagrams are received with `recv_from_multi`"),
            (OpKind::Recv { flags } | OpKind::Send { flags }, Role::Datagram)
                if flags.contains(Flags::WAIT_ALL) || flags.contains(Flags::OUT_OF_BAND) =>
            {
                invalid("WAIT_ALL and OUT_OF_BAND are flags of streams")
            }
            _ => Ok(()),
        }
    }
}
