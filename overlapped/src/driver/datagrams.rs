//! Datagrams that are sent many at a time, and not by operations.

use super::Driver;
use crate::error::{Action, Error, ErrorKind};
use crate::flags::Role;
use crate::id::SocketId;
use crate::sys::datagrams::DatagramTo;
use crate::sys::maker::Maker;

/// # Many datagrams at a time
impl Driver {
    /// Sends datagrams without waiting and without an operation: on Linux 64 of them take one
    /// system call. Returns how many the system took, from the first on; 0 if it has no room now.
    /// Then [`Op::send_to`](crate::Op::send_to) of the first one waits for room.
    ///
    /// It keeps no order with operations that are in flight.
    ///
    /// ```
    /// use overlapped::driver::DatagramTo;
    /// use overlapped::{Driver, DriverConfig};
    ///
    /// let mut driver = Driver::new(DriverConfig::new())?;
    /// let socket = driver.datagram("127.0.0.1:0", &Default::default())?;
    /// let to = driver.local_addr(socket)?.ip().expect("it is bound to an IP address");
    /// let batch = [DatagramTo { bytes: b"one", to }, DatagramTo { bytes: b"two", to }];
    /// let sent = driver.send_datagrams(socket, &batch)?;
    /// assert!(sent <= 2);
    /// # Ok::<(), overlapped::Error>(())
    /// ```
    ///
    /// # Errors
    /// What the system has against the first of them, such as `Truncated` if it is larger than a
    /// datagram can be; the others are to be offered again. `InvalidArgument` if it is no datagram
    /// socket. `Closed`.
    pub fn send_datagrams(&mut self, socket: SocketId, datagrams: &[DatagramTo<'_>]) -> Result<usize, Error> {
        let handle = self.handle(socket, Action::Send)?;
        if self.sockets[socket.slot()].role != Role::Datagram {
            return Err(Error::new(Action::Send, ErrorKind::InvalidArgument).because("not a datagram socket"));
        }
        let Some(first) = datagrams.first() else { return Ok(0) };
        handle.send_datagrams(datagrams).map_err(|code| Error::os(Action::Send, code).at(first.to))
    }

    /// Whether datagram sockets that [share a port](crate::options::DatagramOptions::reuse_port)
    /// are each sent a part of its datagrams, all of one peer to the same socket as long as their
    /// number stays. So it is on Linux, and on a simulated network.
    pub fn spreads_datagrams(&self) -> bool {
        cfg!(target_os = "linux") || matches!(self.backend.maker(), Maker::Sim(_))
    }
}
