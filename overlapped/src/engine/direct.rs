//! What is done to an engine's socket directly, and not as an operation: binding, its addresses,
//! options, and the system's descriptor.

use std::fmt;

use super::core::Request;
use super::notify::Notify;
use super::socket::Socket;
use crate::address::{Address, IntoAddress};
use crate::buf::Crossing;
use crate::driver::{Descriptor, Op, Stream};
use crate::error::{Action, Error, ErrorKind};
use crate::flags::CloseMode;
use crate::options::{DatagramOptions, StreamOptions};
use crate::sys::handle::Handle;
use crate::sys::sockopt::option::SocketOption;
use crate::sys::view::View;

/// # The socket's address, options and descriptor
///
/// These are calls to the system and no operations: they are done when they return. On a socket
/// that is closed, by whatever handle, they fail with `Closed`.
impl Socket {
    fn with<R>(&self, f: impl FnOnce(&View) -> Result<R, Error>) -> Result<R, Error> {
        self.0.core.process.check(Action::Option)?;
        self.0.endpoint.lend(Action::Option, f)?
    }

    /// The address the socket is bound to. For a listener on port 0: the port it was given.
    pub fn local_addr(&self) -> Result<Address, Error> {
        match &self.0.listening {
            Some(address) => Ok(address.clone()),
            None => self.with(View::local_addr),
        }
    }

    /// The address of the peer.
    pub fn peer_addr(&self) -> Result<Address, Error> {
        match &self.0.peer {
            Some(address) => Ok(address.clone()),
            None => self.with(View::peer_addr),
        }
    }

    /// Binds a stream socket before it [connects](Socket::connect): to an address of this machine,
    /// to a port, or to both. Port 0 leaves the port to the system.
    ///
    /// A port from which a connection was made not long ago is bound again with
    /// [`reuse_address`](StreamOptions::reuse_address). At a path (of a Unix socket) a file is
    /// made, which stays until the program removes it.
    ///
    /// ```
    /// use overlapped::Engine;
    /// use overlapped::driver::Wait;
    /// use overlapped::options::StreamOptions;
    ///
    /// let engine = Engine::new()?;
    /// let listener = engine.listen("127.0.0.1:0", &Default::default())?;
    /// let socket = engine.socket("127.0.0.1:0", &StreamOptions::new().reuse_address(true))?;
    /// socket.bind(("127.0.0.1", 0))?;
    /// let bound = socket.local_addr()?;
    /// socket.connect(listener.local_addr()?).start()?.result(Wait::Forever)?;
    /// assert_eq!(socket.local_addr()?, bound);
    /// # Ok::<(), overlapped::Error>(())
    /// ```
    ///
    /// # Errors
    /// With the address: `InvalidArgument` for something that is not an address, and for a socket
    /// that is bound already (a listener or a datagram socket always is); `InUse`,
    /// `AddressNotAvailable`, `NotPermitted`. `Closed`.
    pub fn bind(&self, address: impl IntoAddress) -> Result<(), Error> {
        let address = Error::or_address(Action::Bind, address)?;
        self.with(|view| view.bind(&address))
    }

    /// Sets options: of a stream, or of a listener, whose connections then begin with them. A
    /// datagram socket takes those that it has too: the system's buffers, `ttl` and `tos`.
    ///
    /// On Windows, connections begin with the options that their listener was made with. What is
    /// set on a listener later does not change those of its connections that are set there:
    /// `nodelay`, those of keep-alive, and what was asked for. Set them on each connection.
    ///
    /// # Errors
    /// `InvalidArgument` or `Unsupported`, with the name and the value of an option that is refused
    /// (see [`StreamOptions`]); those before it are set. `Closed`.
    pub fn set_options(&self, options: &StreamOptions) -> Result<(), Error> {
        self.with(|view| view.set_options(options))
    }

    /// Sets options of a datagram socket. Those that take effect when a socket is bound change
    /// nothing now; groups are joined.
    ///
    /// # Errors
    /// As for [`set_option`](Socket::set_option); `InvalidArgument` for a stream.
    pub fn set_datagram_options(&self, options: &DatagramOptions) -> Result<(), Error> {
        self.with(|view| view.set_datagram_options(options))
    }

    /// The value of an option (`getsockopt`): one of [`sockopt`](crate::sockopt), or any by level
    /// and number.
    ///
    /// # Errors
    /// With the option's name: `Unsupported` if the system, or a simulated socket, has no such
    /// option; other errors of the system. `Closed`.
    pub fn option<T>(&self, option: SocketOption<T>) -> Result<T, Error> {
        self.with(|view| option.get(view.descriptor()))
    }

    /// Sets an option (`setsockopt`): one of [`sockopt`](crate::sockopt), or any by level and
    /// number.
    ///
    /// # Errors
    /// With the option's name and the value: `Unsupported` if the system, or a simulated socket,
    /// has no such option; `InvalidArgument` for a value that it does not take; other errors of the
    /// system. `Closed`.
    pub fn set_option<T: fmt::Debug>(&self, option: SocketOption<T>, value: T) -> Result<(), Error> {
        self.with(|view| {
            view.lent();
            option.set(view.descriptor(), &value)
        })
    }

    /// Lends the system's descriptor to `f`, to be given to other crates and to the system: see
    /// [`Descriptor`].
    ///
    /// Another handle may close the socket at any time, and the system then gives its number to the
    /// next socket or file. So the descriptor is only lent: a close that is started meanwhile, on
    /// another thread, waits until `f` has returned. `f` should not wait for anything, and must not
    /// wait for the engine. What it starts or asks of this very socket is refused with
    /// `WouldDeadlock` if it had to wait for `f`.
    ///
    /// ```
    /// use overlapped::Engine;
    ///
    /// let engine = Engine::new()?;
    /// let socket = engine.socket("127.0.0.1:0", &Default::default())?;
    /// let linger = socket.with_descriptor(|fd| socket2::SockRef::from(&fd).linger())?;
    /// assert_eq!(linger.unwrap(), None);
    /// # Ok::<(), overlapped::Error>(())
    /// ```
    ///
    /// # Errors
    /// `Unsupported` for a socket of a simulated network, which has none; `Closed`.
    pub fn with_descriptor<R>(&self, f: impl FnOnce(Descriptor<'_>) -> R) -> Result<R, Error> {
        self.with(|view| {
            view.lent();
            view.descriptor().map(f)
        })
    }

    /// Makes a second descriptor of the socket, which belongs to the caller
    /// (`WSADuplicateSocket`): to be made a socket of the standard library
    /// (`TcpStream::try_from`) or to be handed to another process.
    ///
    /// Both descriptors are one socket. What one receives, the other does not. The connection ends
    /// when both are closed. Whether it blocks is common to both too, and is the engine's: on
    /// Windows never, and on Unix a stream always does. So options and `shutdown` are what a
    /// duplicate is good for, and receiving or sending while nothing is in flight. On Windows no
    /// other driver or engine can adopt it. On Unix two engines must not accept from one listener
    /// by duplicates: a listener that one of them adopts or gives back blocks from then on, and the
    /// backend `poll` of the other may wait in an accept whose client the first has taken. Two
    /// listeners with [`reuse_port`](crate::options::ListenOptions::reuse_port) share a port.
    ///
    /// ```
    /// use std::net::TcpListener;
    /// use overlapped::Engine;
    ///
    /// let engine = Engine::new()?;
    /// let listener = engine.listen("127.0.0.1:0", &Default::default())?;
    /// let again = TcpListener::try_from(listener.duplicate()?)?;
    /// assert_eq!(listener.local_addr()?, again.local_addr().unwrap());
    /// # Ok::<(), overlapped::Error>(())
    /// ```
    ///
    /// # Errors
    /// `TooManyFiles`; `Unsupported` for a socket of a simulated network; `Closed`.
    pub fn duplicate(&self) -> Result<Stream, Error> {
        self.with(|view| Ok(Stream(Handle::System(view.duplicate()?))))
    }

    /// Gives the socket away, to a driver, to another engine or to the standard library
    /// (`TcpStream::try_from`). For all its handles here it is closed then.
    ///
    /// A time to linger (`SO_LINGER`) is taken from it, so that nothing here waits for it. An
    /// operation that another thread starts at the same moment ends with `Cancelled`. On Windows
    /// no other driver or engine can adopt the socket.
    ///
    /// # Errors
    /// `InvalidArgument` while operations are in flight on it; `TooManyFiles`; `Unsupported` for a
    /// socket of a simulated network; `Closed`.
    pub fn release(&self) -> Result<Stream, Error> {
        let shared = &*self.0;
        shared.core.process.check(Action::Socket)?;
        if !shared.core.is_idle(shared.endpoint.key) {
            let why = "only an idle socket can be released: operations are in flight on this one";
            return Err(Error::new(Action::Socket, ErrorKind::InvalidArgument).because(why));
        }
        // Closing this descriptor does not end a socket that has another.
        let stream = self.duplicate()?;
        let close = Crossing::new(Op::close(Op::NO_SOCKET, CloseMode::Now));
        let request = Request { op: close, notify: Notify::Nobody, detached: true };
        shared.core.start(Some(&shared.endpoint), request).map_err(|failed| failed.error)?;
        Ok(stream.alone())
    }
}
