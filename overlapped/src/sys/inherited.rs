//! Sockets that this process was started with: a supervisor or a predecessor has left them open.

use crate::error::{Action, Error, ErrorKind};

use super::stream::Stream;

/// # Sockets that this process was started with
impl Stream {
    /// Takes over a socket that this process was started with, by the number of its descriptor:
    /// one of systemd's socket activation, or of a predecessor that hands its listeners over. It is
    /// what it was: a listener, a connection, a datagram socket. Its options stay as they are.
    ///
    /// A descriptor can be taken once. From then on it is closed in programs that this process
    /// starts. A listener's path is left where it is when this closes it, unless
    /// [`own_path`](Stream::own_path) says otherwise.
    ///
    /// # Errors
    /// `InvalidArgument` if this process was not started with the descriptor, has taken it before,
    /// or if it is no socket; also for 0, 1 and 2, which are the standard streams. `Unsupported` on
    /// Windows.
    pub fn inherited(descriptor: i32) -> Result<Stream, Error> {
        os::inherited(descriptor)
    }
}

#[cfg(unix)]
fn invalid(descriptor: i32, why: &str) -> Error {
    Error::new(Action::Socket, ErrorKind::InvalidArgument).because(format!("descriptor {descriptor}: {why}"))
}

#[cfg(unix)]
mod os {
    use std::io;
    use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
    use std::sync::{Mutex, PoisonError};

    use socket2::{SockRef, Socket, Type};

    use super::{Stream, invalid};
    use crate::error::Error;
    use crate::flags::Role;
    use crate::sys::handle::Handle;
    use crate::sys::socket::SystemSocket;

    /// Descriptors are taken one after the other, so that no two threads take the same.
    static TAKING: Mutex<()> = Mutex::new(());

    pub(super) fn inherited(number: i32) -> Result<Stream, Error> {
        let _taking = TAKING.lock().unwrap_or_else(PoisonError::into_inner);
        if number <= libc::STDERR_FILENO {
            return Err(invalid(number, "it is a standard stream, or none"));
        }
        // SAFETY: the call takes no pointers.
        let flags = unsafe { libc::fcntl(number, libc::F_GETFD) };
        if flags < 0 {
            return Err(invalid(number, "this process was not started with it"));
        }
        if flags & libc::FD_CLOEXEC != 0 {
            return Err(invalid(number, "this process has opened it, or has taken it before"));
        }
        // SAFETY: it is open, and is only used for these calls.
        let borrowed = unsafe { BorrowedFd::borrow_raw(number) };
        let role = role(&borrowed).map_err(|error| invalid(number, &format!("it is no socket ({error})")))?;
        // SAFETY: the call takes no pointers.
        if unsafe { libc::fcntl(number, libc::F_SETFD, flags | libc::FD_CLOEXEC) } < 0 {
            return Err(invalid(number, &format!("{}", io::Error::last_os_error())));
        }
        // SAFETY: nobody owns it. What this process opens is closed in the programs that it starts;
        // this one was not, so it came with the process. It is now, so it is not taken again.
        let socket = Socket::from(unsafe { OwnedFd::from_raw_fd(number) });
        Ok(Stream(Handle::System(SystemSocket::inherited(socket, role))))
    }

    fn role(descriptor: &BorrowedFd<'_>) -> io::Result<Role> {
        let kind = SockRef::from(descriptor).r#type()?;
        Ok(match kind {
            Type::DGRAM => Role::Datagram,
            _ if listens(descriptor)? => Role::Listener,
            _ => Role::Stream,
        })
    }

    fn listens(descriptor: &BorrowedFd<'_>) -> io::Result<bool> {
        let (mut listens, mut len) = (0 as libc::c_int, size_of::<libc::c_int>() as libc::socklen_t);
        let (socket, level, name) = (descriptor.as_raw_fd(), libc::SOL_SOCKET, libc::SO_ACCEPTCONN);
        // SAFETY: the system writes at most `len` bytes, and there is room for so many.
        match unsafe { libc::getsockopt(socket, level, name, (&raw mut listens).cast(), &raw mut len) } {
            0 => Ok(listens != 0),
            _ => Err(io::Error::last_os_error()),
        }
    }

    /// # Listeners that several processes have
    impl Stream {
        /// Whether calls on the socket wait. All descriptors of it have this in common, also those
        /// of other processes. A driver with io_uring wants a listener that does, one with
        /// readiness a listener that does not; each sees to that, but for an
        /// [inherited](Stream::inherited) one.
        ///
        /// # Errors
        /// `Unsupported` for a socket of a simulated network.
        pub fn is_blocking(&self) -> Result<bool, Error> {
            SystemSocket::is_blocking(self.0.descriptor()?)
        }

        /// Has calls on the socket wait, or not: for an [inherited](Stream::inherited) listener
        /// that no other process accepts on.
        ///
        /// # Errors
        /// `Unsupported` for a socket of a simulated network.
        pub fn set_blocking(&self, blocking: bool) -> Result<(), Error> {
            SystemSocket::set_blocking(self.0.descriptor()?, blocking)
        }

        /// Whether the path of a listener is removed when this process closes it.
        pub fn owns_path(&self) -> bool {
            matches!(&self.0, Handle::System(system) if system.owns_path())
        }

        /// Has the path of a listener removed when this process closes it. Of a socket without a
        /// path it does nothing.
        #[must_use]
        pub fn own_path(self) -> Stream {
            match self.0 {
                Handle::System(system) => Stream(Handle::System(system.own_path())),
                other => Stream(other),
            }
        }

        /// Leaves the path of a listener where it is when this process closes it, whatever
        /// descriptors of it there are: another process has the listener too.
        pub fn leave_path(&self) {
            if let Handle::System(system) = &self.0 {
                system.leave_path();
            }
        }

        /// Takes [`leave_path`](Stream::leave_path) back, by any descriptor of the listener: for a
        /// process that owns the path only from the moment when it serves.
        ///
        /// ```no_run
        /// use overlapped::driver::Stream;
        ///
        /// # fn main() -> Result<(), overlapped::Error> {
        /// let listener = Stream::inherited(3)?.own_path();
        /// listener.leave_path();
        /// let second = listener.duplicate()?;
        /// // What can fail comes here. Then the path is this process's.
        /// second.reclaim_path();
        /// # Ok(())
        /// # }
        /// ```
        pub fn reclaim_path(&self) {
            if let Handle::System(system) = &self.0 {
                system.reclaim_path();
            }
        }

        /// Another descriptor of it. What is said of its path holds for both.
        ///
        /// # Errors
        /// No descriptor is left. `Unsupported` for a socket of a simulated network.
        pub fn duplicate(&self) -> Result<Stream, Error> {
            self.0.duplicate().map(Stream)
        }
    }
}

#[cfg(windows)]
mod os {
    use super::{Action, Error, ErrorKind, Stream};

    pub(super) fn inherited(_: i32) -> Result<Stream, Error> {
        let why = "sockets are not handed to a process by number on Windows: listen on an address";
        Err(Error::new(Action::Socket, ErrorKind::Unsupported).because(why))
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::net::{TcpListener, TcpStream, UdpSocket};
    use std::os::fd::{AsRawFd, IntoRawFd, OwnedFd};
    use std::os::unix::net::UnixListener;

    use super::*;
    use crate::flags::Role;

    /// The number of a descriptor that this process might have been started with.
    fn left_open(socket: impl Into<OwnedFd>) -> i32 {
        let number = socket.into().into_raw_fd();
        // SAFETY: the call takes no pointers.
        assert_eq!(unsafe { libc::fcntl(number, libc::F_SETFD, 0) }, 0);
        number
    }

    #[test]
    fn each_kind_of_socket_is_what_it_was() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let connection = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        for (number, role) in [
            (left_open(connection), Role::Stream),
            (left_open(listener), Role::Listener),
            (left_open(UdpSocket::bind("127.0.0.1:0").unwrap()), Role::Datagram),
        ] {
            assert_eq!(Stream::inherited(number).unwrap().0.role().0, role);
        }
    }

    #[test]
    fn a_descriptor_is_taken_once_and_only_if_this_process_was_started_with_it() {
        let own = TcpListener::bind("127.0.0.1:0").unwrap();
        let refused = |number| Stream::inherited(number).unwrap_err().to_string();
        assert!(refused(own.as_raw_fd()).contains("has opened it"), "what this process owns is its own");
        for standard in [-1, 0, 1, 2] {
            assert!(refused(standard).contains("standard stream"));
        }
        assert!(refused(i32::MAX).contains("was not started with it"));
        let number = left_open(own);
        let taken = Stream::inherited(number).unwrap();
        assert!(refused(number).contains("taken it before"));
        drop(taken);
        let file = std::fs::File::open("/").unwrap();
        let number = left_open(OwnedFd::from(file));
        assert!(refused(number).contains("no socket"));
    }

    #[test]
    fn it_says_whether_it_waits_and_is_not_changed_by_being_taken() {
        for blocking in [true, false] {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            listener.set_nonblocking(!blocking).unwrap();
            let stream = Stream::inherited(left_open(listener)).unwrap();
            assert_eq!(stream.is_blocking().unwrap(), blocking);
            stream.set_blocking(!blocking).unwrap();
            assert_eq!(stream.is_blocking().unwrap(), !blocking);
        }
    }

    #[test]
    fn a_path_is_removed_by_its_owner_alone() {
        let directory = std::env::temp_dir().join(format!("inherited-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        for (owns, leaves, stays) in [(false, false, true), (true, false, false), (true, true, true)] {
            let path = directory.join(format!("{owns}-{leaves}.sock"));
            let stream = Stream::inherited(left_open(UnixListener::bind(&path).unwrap())).unwrap();
            assert!(!stream.owns_path());
            let stream = if owns { stream.own_path() } else { stream };
            assert_eq!(stream.owns_path(), owns);
            if leaves {
                stream.leave_path();
                assert!(!stream.owns_path());
            }
            drop(stream);
            assert_eq!(path.exists(), stays, "owns {owns}, leaves {leaves}");
        }
        let path = directory.join("reclaimed.sock");
        let stream = Stream::inherited(left_open(UnixListener::bind(&path).unwrap())).unwrap().own_path();
        stream.leave_path();
        let other = stream.duplicate().unwrap();
        drop(stream);
        assert!(path.exists() && !other.owns_path());
        other.duplicate().unwrap().reclaim_path();
        assert!(path.exists() && other.owns_path());
        drop(other);
        assert!(!path.exists());
        std::fs::remove_dir_all(&directory).unwrap();
    }
}
