//! A socket as a backend knows it: the system's, or one end on a simulated network.

use crate::address::Address;
use crate::error::Error;
use crate::flags::Role;
use crate::options::{DatagramOptions, StreamOptions};

use super::descriptor::Descriptor;
use super::sim::end::{End, EndView};
use super::socket::SystemSocket;
#[cfg(target_os = "linux")]
use super::uring::direct::Direct;

/// A socket. Dropping it closes it.
#[derive(Debug)]
pub(crate) enum Handle {
    System(SystemSocket),
    Simulated(End),
    /// A direct descriptor, in the table of a ring.
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

    /// A connection that `listener` has accepted, with the options its connections begin with.
    #[cfg(windows)]
    pub(super) fn accepted(socket: socket2::Socket, listener: Option<&StreamOptions>) -> Result<Handle, Error> {
        SystemSocket::accepted(socket, listener).map(Handle::System)
    }

    /// The system's socket. Only for backends of the system: attaching lets no other come to one.
    pub(super) fn system(&self) -> &SystemSocket {
        match self {
            Handle::System(system) => system,
            Handle::Simulated(_) => unreachable!("a simulated socket does not come to a backend of the system"),
            #[cfg(target_os = "linux")]
            Handle::Direct(_) => {
                unreachable!("a socket in a ring's table is asked for with `AnyBackend::descriptor_of`")
            }
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
    pub(super) fn inherits(&self) -> Option<&StreamOptions> {
        self.system().inherits()
    }

    /// The system's socket, for the caller to close. The path of a listener is removed.
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

    pub(crate) fn set_datagram_options(&self, options: &DatagramOptions) -> Result<(), Error> {
        match self {
            Handle::System(system) => system.set_datagram_options(options),
            Handle::Simulated(_) => Err(EndView::lacks("datagrams")),
            #[cfg(target_os = "linux")]
            Handle::Direct(direct) => Err(direct.lacks()),
        }
    }

    pub(crate) fn bind(&self, address: &Address) -> Result<(), Error> {
        match self {
            Handle::System(system) => system.bind(address),
            Handle::Simulated(end) => end.view().bind(address),
            #[cfg(target_os = "linux")]
            Handle::Direct(direct) => Err(direct.lacks()),
        }
    }

    pub(crate) fn descriptor(&self) -> Result<Descriptor<'_>, Error> {
        match self {
            Handle::System(system) => Ok(system.descriptor()),
            Handle::Simulated(_) => Err(EndView::lacks("a descriptor")),
            #[cfg(target_os = "linux")]
            Handle::Direct(direct) => Err(direct.lacks()),
        }
    }

    /// Another descriptor of the same socket.
    pub(crate) fn duplicate(&self) -> Result<Handle, Error> {
        match self {
            Handle::System(system) => system.duplicate().map(Handle::System),
            Handle::Simulated(_) => Err(EndView::lacks("a descriptor to duplicate")),
            #[cfg(target_os = "linux")]
            Handle::Direct(direct) => Err(direct.lacks()),
        }
    }

    pub(crate) fn role(&self) -> Role {
        match self {
            Handle::System(system) => system.role(),
            Handle::Simulated(end) => end.view().role(),
            #[cfg(target_os = "linux")]
            Handle::Direct(_) => Role::Stream,
        }
    }

    /// Makes closing reset the connection. It fails only on a socket that is not connected any
    /// more.
    pub(crate) fn reset_on_close(&self) {
        match self {
            Handle::System(system) => system.reset_on_close(),
            Handle::Simulated(end) => end.reset_on_close(),
            #[cfg(target_os = "linux")]
            Handle::Direct(direct) => direct.reset_on_close(),
        }
    }
}
