//! A socket as a backend knows it: the system's, or one end on a simulated network.

use crate::address::Address;
use crate::error::Error;
use crate::op::Start;

use super::sim;
use super::socket::{SystemSocket, SystemView, Tried};
#[cfg(target_os = "linux")]
use super::uring::Direct;
use crate::options::StreamOptions;

/// A socket. Dropping it closes it.
#[derive(Debug)]
pub(crate) enum Handle {
    System(SystemSocket),
    Simulated(sim::End),
    /// In the table of a ring.
    #[cfg(target_os = "linux")]
    Direct(Direct),
}

impl Handle {
    /// A connection that the system has just made for us.
    #[cfg(any(target_os = "linux", all(unix, test)))]
    pub(super) fn accepted(fd: std::os::fd::OwnedFd) -> Handle {
        Handle::System(SystemSocket::accepted(fd))
    }

    /// The same, from a peer whose address is known.
    #[cfg(unix)]
    pub(super) fn accepted_from(fd: std::os::fd::OwnedFd, peer: &Address) -> Handle {
        Handle::System(SystemSocket::accepted_from(fd, peer))
    }

    /// A connection that `listener` has accepted, with the options that connections of it begin with.
    #[cfg(windows)]
    pub(super) fn accepted(socket: socket2::Socket, listener: &StreamOptions) -> std::io::Result<Handle> {
        SystemSocket::accepted(socket, listener).map(Handle::System)
    }

    /// The system's socket, on a backend of the system: `Backend::attach` lets no other come to one.
    pub(super) fn system(&self) -> &SystemSocket {
        match self {
            Handle::System(system) => system,
            Handle::Simulated(_) => unreachable!("a simulated socket does not come to a backend of the system"),
            #[cfg(target_os = "linux")]
            Handle::Direct(_) => unreachable!("a socket in a ring's table is asked for with `Backend::descriptor_of`"),
        }
    }

    #[cfg(unix)]
    pub(super) fn raw_fd(&self) -> std::os::fd::RawFd {
        self.system().raw_fd()
    }

    pub(super) fn socket(&self) -> &socket2::Socket {
        self.system().socket()
    }

    #[cfg(windows)]
    pub(super) fn raw_socket(&self) -> windows_sys::Win32::Networking::WinSock::SOCKET {
        self.system().raw_socket()
    }

    /// What connections of this listener begin with.
    #[cfg(windows)]
    pub(super) fn inherits(&self) -> &StreamOptions {
        self.system().inherits()
    }

    /// The system's socket, to be closed by whoever takes it. The path of a listener is gone with this.
    #[cfg(target_os = "linux")]
    pub(super) fn into_socket(self) -> socket2::Socket {
        match self {
            Handle::System(system) => system.into_socket(),
            Handle::Simulated(_) => unreachable!("a simulated socket does not come to a backend of the system"),
            Handle::Direct(_) => unreachable!("it is closed as what it is"),
        }
    }

    pub(crate) fn local_addr(&self) -> Result<Address, Error> {
        match self {
            Handle::System(system) => system.local_addr(),
            Handle::Simulated(end) => end.view().local_addr(),
            #[cfg(target_os = "linux")]
            Handle::Direct(direct) => Err(direct.lacks()),
        }
    }

    pub(crate) fn peer_addr(&self) -> Result<Address, Error> {
        match self {
            Handle::System(system) => system.peer_addr(),
            Handle::Simulated(end) => end.view().peer_addr(),
            #[cfg(target_os = "linux")]
            Handle::Direct(direct) => Err(direct.lacks()),
        }
    }

    pub(crate) fn set_options(&self, options: &StreamOptions) -> Result<(), Error> {
        match self {
            Handle::System(system) => system.set_options(options),
            Handle::Simulated(end) => end.view().set_options(options),
            #[cfg(target_os = "linux")]
            Handle::Direct(direct) => Err(direct.lacks()),
        }
    }

    /// Closing will reset the connection. A socket for which this cannot be set is not connected any more.
    pub(crate) fn reset_on_close(&self) {
        match self {
            Handle::System(system) => system.reset_on_close(),
            Handle::Simulated(end) => end.reset_on_close(),
            #[cfg(target_os = "linux")]
            Handle::Direct(direct) => direct.reset_on_close(),
        }
    }

    pub(crate) fn view(&self) -> View {
        match self {
            Handle::System(system) => View::System(system.view()),
            Handle::Simulated(end) => View::Simulated(end.view().clone()),
            #[cfg(target_os = "linux")]
            Handle::Direct(_) => unreachable!("an engine's driver has no direct descriptors"),
        }
    }
}

/// A look at a socket that someone else owns, for what is done to it directly: options, addresses, and a transfer tried without waiting.
/// It is used only under the gate of the socket it belongs to, which is shut before the socket is closed.
#[derive(Debug)]
pub(crate) enum View {
    System(SystemView),
    Simulated(sim::EndView),
}

impl View {
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

    /// Tries a receive or a send without flags into or from one part. A send that is cut short remembers how far it came. On a simulated
    /// network nothing happens but in a turn.
    pub(crate) fn try_now(&self, start: &mut Start) -> Tried {
        match self {
            View::System(view) => view.try_now(start),
            View::Simulated(_) => Tried::WouldBlock,
        }
    }
}
