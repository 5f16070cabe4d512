//! A socket that a driver owns, for what is done to it directly.

use crate::address::Address;
use crate::error::Error;
use crate::flags::Flags;
use crate::options::{DatagramOptions, StreamOptions};

use super::descriptor::Descriptor;
use super::handle::Handle;
use super::op::{Op, OpKind};
use super::sim::end::EndView;
use super::socket::SystemView;

/// A socket that a driver owns, for options, addresses, and transfers that do not wait.
///
/// It is used only while the gate of its socket is held. The gate is shut before the socket is
/// closed.
#[derive(Debug)]
pub(crate) enum View {
    System(SystemView),
    Simulated(EndView),
}

/// How a transfer went that was tried without waiting.
#[derive(Debug)]
pub(crate) enum Tried {
    /// It has to be started: it would have had to wait, perhaps after some of its bytes.
    WouldBlock,
    Received(usize),
    Sent(u64),
    /// The system's code.
    Failed(i32),
}

impl View {
    pub(crate) fn of(handle: &Handle) -> View {
        match handle {
            Handle::System(system) => View::System(system.view()),
            Handle::Simulated(end) => View::Simulated(end.view().clone()),
            #[cfg(target_os = "linux")]
            Handle::Direct(_) => unreachable!("an engine's driver has no direct descriptors"),
        }
    }

    pub(crate) fn local_addr(&self) -> Result<Address, Error> {
        match self {
            View::System(view) => view.local_addr(),
            View::Simulated(view) => view.local_addr(),
        }
    }

    pub(crate) fn peer_addr(&self) -> Result<Address, Error> {
        match self {
            View::System(view) => view.peer_addr(),
            View::Simulated(view) => view.peer_addr(),
        }
    }

    pub(crate) fn set_options(&self, options: &StreamOptions) -> Result<(), Error> {
        match self {
            View::System(view) => view.set_options(options),
            View::Simulated(view) => view.set_options(options),
        }
    }

    pub(crate) fn set_datagram_options(&self, options: &DatagramOptions) -> Result<(), Error> {
        match self {
            View::System(view) => view.set_datagram_options(options),
            View::Simulated(_) => Err(EndView::lacks("datagrams")),
        }
    }

    pub(crate) fn bind(&self, address: &Address) -> Result<(), Error> {
        match self {
            View::System(view) => view.bind(address),
            View::Simulated(view) => view.bind(address),
        }
    }

    pub(crate) fn descriptor(&self) -> Result<Descriptor<'_>, Error> {
        match self {
            View::System(view) => Ok(view.descriptor()),
            View::Simulated(_) => Err(EndView::lacks("a descriptor")),
        }
    }

    /// Another descriptor of the same socket.
    pub(crate) fn duplicate(&self) -> Result<Handle, Error> {
        match self {
            View::System(view) => view.duplicate().map(Handle::System),
            View::Simulated(_) => Err(EndView::lacks("a descriptor to duplicate")),
        }
    }

    /// Tries a receive or a send of one part and without flags. A send that is cut short remembers
    /// how far it came. On a simulated network nothing happens outside of turns.
    pub(crate) fn try_now(&self, op: &mut Op) -> Tried {
        let View::System(view) = self else { return Tried::WouldBlock };
        let (kind, owned) = (op.kind, &mut op.owned);
        let Some((ptr, len)) = owned.buf.as_mut().and_then(|buf| buf.single(owned.progress)) else {
            return Tried::WouldBlock;
        };
        if len == 0 {
            return Tried::WouldBlock;
        }
        let moved = match kind {
            // SAFETY: the buffer's own memory. Nobody else uses it while the operation owns it.
            OpKind::Recv { flags: Flags::NONE } => unsafe { view.recv_now(ptr.as_ptr(), len) },
            // SAFETY: as above.
            OpKind::Send { flags: Flags::NONE } => unsafe { view.send_now(ptr.as_ptr(), len) },
            _ => return Tried::WouldBlock,
        };
        match moved {
            Err(code) => Tried::Failed(code),
            Ok(None) => Tried::WouldBlock,
            Ok(Some(bytes)) => {
                owned.progress += bytes as u64;
                match kind {
                    OpKind::Recv { .. } => {
                        owned.set_received();
                        Tried::Received(bytes)
                    }
                    _ if bytes == len => Tried::Sent(owned.progress),
                    _ => Tried::WouldBlock,
                }
            }
        }
    }
}
