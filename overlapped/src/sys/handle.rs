//! A socket as a backend knows it: the system's, or one end on a simulated network.

use crate::address::Address;
use crate::error::Error;
use crate::flags::Role;
use crate::options::{DatagramOptions, StreamOptions};

use super::datagrams::DatagramTo;
use super::descriptor::Descriptor;
#[cfg(target_os = "linux")]
use super::uring::direct::Direct;
use super::view::View;
use super::{
    sim::end::{End, EndView},
    socket::SystemSocket,
};

// Each connection of a server has one.
#[cfg(all(unix, target_pointer_width = "64"))]
const _: () = assert!(size_of::<Handle>() == 16);

/// A socket. Dropping it closes it.
#[derive(Debug)]
pub(crate) enum Handle {
    System(SystemSocket),
    /// In a box: others are smaller.
    Simulated(Box<End>),
    /// A direct descriptor, in the table of a ring.
    #[cfg(target_os = "linux")]
    Direct(Direct),
}

impl Handle {
    pub(super) fn simulated(end: End) -> Handle {
        Handle::Simulated(Box::new(end))
    }

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
    pub(super) fn accepted(socket: socket2::Socket, listener: Option<&StreamOptions>) -> std::io::Result<Handle> {
        SystemSocket::accepted(socket, listener).map(Handle::System)
    }

    /// The same socket, when this is known of it.
    pub(crate) fn with_connected(mut self, connected: bool) -> Handle {
        if let Handle::System(system) = &mut self {
            system.set_connected(connected);
        }
        self
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

    /// The system's socket, for the caller to close. The path of a listener is removed.
    #[cfg(target_os = "linux")]
    pub(super) fn into_socket(self) -> socket2::Socket {
        match self {
            Handle::System(system) => system.socket.into_inner(),
            Handle::Simulated(_) => unreachable!("a simulated socket does not come to a backend of the system"),
            Handle::Direct(_) => unreachable!("it is closed as what it is"),
        }
    }

    /// Others have the socket too from here on, and may set its options.
    pub(crate) fn lent(&self) {
        match self {
            Handle::System(system) => system.lent(),
            Handle::Simulated(_) => {}
            #[cfg(target_os = "linux")]
            Handle::Direct(direct) => direct.lent(),
        }
    }

    /// Closes this descriptor with the options as they are: another one has the socket too, so it
    /// does not wait.
    pub(crate) fn drop_duplicate(self) {
        if let Handle::System(system) = self {
            drop(system.socket.into_inner());
        }
    }

    /// Whether others have, or have had, the socket: its options may be any.
    pub(crate) fn is_lent(&self) -> bool {
        match self {
            Handle::System(system) => system.is_lent(),
            Handle::Simulated(_) => false,
            #[cfg(target_os = "linux")]
            Handle::Direct(direct) => direct.is_lent(),
        }
    }

    /// For options, addresses, and transfers that do not wait. A socket that only its ring knows
    /// has none.
    pub(crate) fn view(&self) -> Result<View, Error> {
        match self {
            Handle::System(system) => Ok(View::System(system.view())),
            Handle::Simulated(end) => Ok(View::Simulated(end.view().clone())),
            #[cfg(target_os = "linux")]
            Handle::Direct(direct) => Err(direct.lacks()),
        }
    }

    /// The same, to be kept as long as the socket is open. It tells the socket when it is lent.
    pub(crate) fn kept_view(&mut self) -> Result<View, Error> {
        match self {
            Handle::System(system) => Ok(View::System(system.kept_view())),
            other => other.view(),
        }
    }

    pub(crate) fn local_addr(&self) -> Result<Address, Error> {
        self.view()?.local_addr()
    }

    pub(crate) fn peer_addr(&self) -> Result<Address, Error> {
        self.view()?.peer_addr()
    }

    pub(crate) fn set_options(&self, options: &StreamOptions) -> Result<(), Error> {
        if options.linger.is_some() {
            self.lent();
        }
        self.view()?.set_options(options)
    }

    pub(crate) fn set_datagram_options(&self, options: &DatagramOptions) -> Result<(), Error> {
        self.view()?.set_datagram_options(options)
    }

    pub(crate) fn bind(&self, address: &Address) -> Result<(), Error> {
        self.view()?.bind(address)
    }

    /// The caller says with [`lent`](Handle::lent) if it may be used to set options.
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

    /// What it is, and whether it has, or had, a connection.
    pub(crate) fn role(&self) -> (Role, bool) {
        match self {
            Handle::System(system) => (system.role(), system.is_connected()),
            Handle::Simulated(end) => end.view().role(),
            #[cfg(target_os = "linux")]
            Handle::Direct(direct) => (Role::Stream, direct.connected),
        }
    }

    /// Sends datagrams without waiting. Returns how many, from the first on.
    pub(crate) fn send_datagrams(&self, datagrams: &[DatagramTo<'_>]) -> Result<usize, i32> {
        match self {
            Handle::System(system) => system.send_datagrams(datagrams),
            Handle::Simulated(end) => end.view().send_datagrams(datagrams),
            #[cfg(target_os = "linux")]
            Handle::Direct(_) => unreachable!("datagram sockets are not taken into a ring's table"),
        }
    }

    /// Bytes that have arrived and that nothing has received, if the system says.
    pub(crate) fn unread(&self) -> Option<usize> {
        match self {
            Handle::System(system) => system.unread(),
            Handle::Simulated(end) => end.view().unread(),
            #[cfg(target_os = "linux")]
            Handle::Direct(_) => None,
        }
    }

    /// Bytes that were sent and that the peer has not confirmed, if the system says.
    pub(crate) fn unsent(&self) -> Option<usize> {
        match self {
            Handle::System(system) => system.unsent(),
            Handle::Simulated(end) => end.view().unsent(),
            #[cfg(target_os = "linux")]
            Handle::Direct(_) => None,
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
