//! What the system holds of a connection, in either direction, and giving up what it holds.

use crate::error::Action;
use crate::id::{OpId, SocketId};
use crate::sys::handle::Handle;
use crate::sys::op::{CloseHow, OpKind};

use super::Driver;
use super::operations::CloseStep;

/// # What the system holds of a connection
impl Driver {
    /// Bytes that have arrived on a stream and that nothing has received yet. An estimate: the
    /// next moment may bring more, and what has been received and not been taken with
    /// [`next`](Driver::next) is not among them.
    ///
    /// `None` if the socket is gone, or if the system does not say.
    pub fn unread(&self, socket: SocketId) -> Option<usize> {
        self.held(socket, Handle::unread)
    }

    /// Bytes of ended sends on a stream that the peer's system has not confirmed. 0: it has all of
    /// them, and the end of our stream too if that was sent. It can be asked while a graceful close
    /// goes on.
    ///
    /// `None` if the socket is gone, or if the system does not say: Windows does not.
    ///
    /// ```
    /// use overlapped::{Driver, DriverConfig};
    ///
    /// let mut driver = Driver::new(DriverConfig::new())?;
    /// let socket = driver.socket("127.0.0.1:0")?;
    /// assert_eq!(driver.unsent(socket).unwrap_or(0), 0, "nothing was sent");
    /// # Ok::<(), overlapped::Error>(())
    /// ```
    pub fn unsent(&self, socket: SocketId) -> Option<usize> {
        self.held(socket, Handle::unsent)
    }

    fn held(&self, socket: SocketId, ask: impl Fn(&Handle) -> Option<usize>) -> Option<usize> {
        self.process.check(Action::Option).ok()?;
        let handle = self.sockets.get(socket.0)?.handle.as_ref()?;
        let descriptor = self.backend.descriptor_of(handle).ok()?;
        let Some(descriptor) = descriptor else { return ask(handle) };
        let held = ask(&descriptor);
        descriptor.drop_duplicate();
        held
    }

    /// Turns a graceful close into an [abort](crate::driver::CloseMode::Abort): what has not been
    /// sent is thrown away, and the connection is reset. So the peer does not take what it has for
    /// the whole, as it could after a [`cancel`](Driver::cancel). The close ends with `Cancelled`.
    ///
    /// Returns `false` if `close` is no graceful close, or is over.
    pub fn abort(&mut self, close: OpId) -> bool {
        if !self.process.is_this() {
            return false;
        }
        let Some(operation) = self.operations.get_mut(close) else { return false };
        let is_over = matches!(operation.close_step, CloseStep::Closing);
        if operation.kind != (OpKind::Close { how: CloseHow::Graceful }) || is_over {
            return false;
        }
        operation.kind = OpKind::Close { how: CloseHow::Abort };
        self.cancel_close(close.slot());
        true
    }
}
