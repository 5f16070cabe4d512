//! What is done to a driver's socket directly, and not as an operation: binding, options, and the
//! system's descriptor.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::address::IntoAddress;
use crate::error::{Action, Error, ErrorKind};
use crate::id::{OpId, SocketId};
use crate::options::{DatagramOptions, StreamOptions};
use crate::sys::descriptor::Descriptor;
use crate::sys::sockopt::option::SocketOption;
use crate::sys::stream::Stream;

use super::Driver;

/// # Operations of a socket
impl Driver {
    /// The first of a socket's receives or accepts that has not ended, whose completion may wait to
    /// be taken: to [cancel](Driver::cancel) it without having kept its name. `None` if there is
    /// none, or no such socket.
    ///
    /// ```
    /// use overlapped::{Driver, DriverConfig, Op};
    ///
    /// let mut driver = Driver::new(DriverConfig::new())?;
    /// let listener = driver.listen("127.0.0.1:0", &Default::default())?;
    /// assert_eq!(driver.receive_of(listener), None);
    /// let accept = driver.submit(Op::accept_multi(listener), 1)?;
    /// assert_eq!(driver.receive_of(listener), Some(accept));
    /// # Ok::<(), overlapped::Error>(())
    /// ```
    pub fn receive_of(&self, socket: SocketId) -> Option<OpId> {
        Some(self.operations.id(self.sockets.get(socket.0)?.receives.head()?))
    }

    /// The [close](crate::Op::close) of a socket, until it has ended. `None` if the socket is not
    /// being closed, or is gone.
    pub fn close_of(&self, socket: SocketId) -> Option<OpId> {
        let close = self.sockets.get(socket.0)?.closing;
        // After a failure of the backend the close may have ended, and its socket is left.
        self.operations.close_of(close, socket.slot())
    }
}

/// # A socket's address, options and descriptor
impl Driver {
    /// Binds a stream socket before it connects: to an address of this machine, to a port, or to
    /// both. Port 0 leaves the port to the system.
    ///
    /// At a path (of a Unix socket) a file is made, which stays until the program removes it.
    ///
    /// ```
    /// use overlapped::{Driver, DriverConfig, Op};
    ///
    /// let mut driver = Driver::new(DriverConfig::new())?;
    /// let socket = driver.socket("127.0.0.1:0")?;
    /// driver.bind(socket, ("127.0.0.1", 0))?;
    /// assert_ne!(driver.local_addr(socket)?.ip().unwrap().port(), 0);
    /// driver.submit(Op::connect(socket, "127.0.0.1:9"), 1)?;
    /// # Ok::<(), overlapped::Error>(())
    /// ```
    ///
    /// # Errors
    /// With the address: `InvalidArgument` for something that is not an address, and for a socket
    /// that is bound already (a listener or a datagram socket always is); `InUse`,
    /// `AddressNotAvailable`, `NotPermitted`. `Closed`.
    pub fn bind(&self, socket: SocketId, address: impl IntoAddress) -> Result<(), Error> {
        let address = Error::or_address(Action::Bind, address)?;
        self.ask(socket, |handle| handle.bind(&address))
    }

    /// Checks whether TCP connections of this system can have these options, on a socket that is
    /// made for that: before anything depends on it.
    ///
    /// ```
    /// use std::time::Duration;
    /// use overlapped::options::StreamOptions;
    /// use overlapped::{Driver, DriverConfig};
    ///
    /// let driver = Driver::new(DriverConfig::new())?;
    /// driver.check_options(&StreamOptions::new().keep_alive(Duration::from_secs(60)))?;
    /// let too_short = StreamOptions::new().keep_alive(Duration::from_millis(1));
    /// let refusal = driver.check_options(&too_short).unwrap_err();
    /// assert!(refusal.to_string().contains("keep_alive 1ms"));
    /// # Ok::<(), overlapped::Error>(())
    /// ```
    ///
    /// # Errors
    /// `InvalidArgument` or `Unsupported`, with the name and the value of an option that is refused
    /// (see [`StreamOptions`]); `TooManyFiles`.
    pub fn check_options(&self, options: &StreamOptions) -> Result<(), Error> {
        self.process.check(Action::Option)?;
        let maker = self.maker();
        let made = |address: IpAddr| maker.stream(&SocketAddr::from((address, 0)).into());
        // A machine may have one family only.
        let socket = made(Ipv4Addr::LOCALHOST.into()).or_else(|error| match error.kind() {
            ErrorKind::TooManyFiles => Err(error),
            _ => made(Ipv6Addr::LOCALHOST.into()),
        })?;
        socket.set_options(options)
    }

    /// The value of an option: one of [`sockopt`](crate::sockopt), or any by level and number.
    ///
    /// # Errors
    /// With the option's name: `Unsupported` if the system, or a simulated socket, has no such
    /// option; other errors of the system. `Closed`.
    pub fn option<T>(&self, socket: SocketId, option: SocketOption<T>) -> Result<T, Error> {
        self.ask(socket, |handle| option.get(handle.descriptor()))
    }

    /// Sets an option: one of [`sockopt`](crate::sockopt), or any by level and number.
    ///
    /// # Errors
    /// With the option's name and the value: `Unsupported` if the system, or a simulated socket,
    /// has no such option; `InvalidArgument` for a value that it does not take; other errors of the
    /// system. `Closed`.
    pub fn set_option<T: fmt::Debug>(&self, socket: SocketId, option: SocketOption<T>, value: T) -> Result<(), Error> {
        self.ask(socket, |handle| {
            handle.lent();
            option.set(handle.descriptor(), &value)
        })
    }

    /// Sets options of a datagram socket. Those that take effect when a socket is bound change
    /// nothing now; groups are joined.
    ///
    /// # Errors
    /// As for [`set_option`](Driver::set_option); `InvalidArgument` for a stream.
    pub fn set_datagram_options(&self, socket: SocketId, options: &DatagramOptions) -> Result<(), Error> {
        self.ask(socket, |handle| handle.set_datagram_options(options))
    }

    /// The system's descriptor of a socket, to be given to other crates and to the system: see
    /// [`Descriptor`]. As long as it is borrowed the driver cannot be turned, so the socket stays
    /// open.
    ///
    /// # Errors
    /// `Unsupported` for a [direct descriptor](crate::DriverConfig::direct_descriptors), which only
    /// its ring knows ([duplicate](Driver::duplicate) it), and for a socket of a simulated network.
    /// `Closed`.
    pub fn descriptor(&self, socket: SocketId) -> Result<Descriptor<'_>, Error> {
        let handle = self.handle(socket, Action::Option)?;
        handle.lent();
        handle.descriptor()
    }

    /// Makes a second descriptor of a socket, which belongs to the caller: to be made a socket of
    /// the standard library (`TcpStream::try_from`) or to be handed to another process.
    ///
    /// Both descriptors are one socket. What one receives, the other does not. The connection ends
    /// when both are closed. Whether it blocks is common to both too, and is the driver's: on
    /// Windows never, and on Unix a stream always does. So options and `shutdown` are what a
    /// duplicate is good for, and receiving or sending while the driver does nothing on the socket.
    /// On Windows no other driver can adopt it. On Unix two drivers must not accept from one
    /// listener by duplicates: a listener that one of them adopts or gives back blocks from then
    /// on, and the backend `poll` of the other may wait in an accept whose client the first has
    /// taken.
    ///
    /// # Errors
    /// `TooManyFiles`; `Unsupported` for a socket of a simulated network; `Closed`.
    pub fn duplicate(&self, socket: SocketId) -> Result<Stream, Error> {
        let handle = self.handle(socket, Action::Socket)?;
        handle.lent();
        let duplicate = match self.backend.descriptor_of(handle)? {
            Some(descriptor) => descriptor,
            None => handle.duplicate()?,
        };
        Ok(Stream(duplicate.with_connected(self.sockets[socket.0.slot()].is_connected())))
    }
}
