//! What has become of a connect that does not block.

use super::attempt;
use crate::error::system::wsa_of;
use crate::socket::entry::{Core, Socket, State};

/// Looks whether a connect has ended that a call started and did not wait for.
pub(crate) fn settle(core: &mut Core) {
    // One that the driver has is told by the driver.
    if core.state != State::Connecting || core.sends > 0 || core.fd < 0 {
        return;
    }
    if !attempt::is_ready(core.fd, libc::POLLOUT) {
        return;
    }
    match take_error(core.fd) {
        0 => Socket::connected(core),
        code => {
            core.state = State::Fresh;
            core.connect_error = wsa_of(code);
        }
    }
}

/// The system's pending error of a socket, which is told once.
pub(crate) fn take_error(fd: i32) -> i32 {
    let (mut code, mut len) = (0, size_of::<i32>() as libc::socklen_t);
    // SAFETY: it writes one `int`, and there is room for it.
    unsafe { libc::getsockopt(fd, libc::SOL_SOCKET, libc::SO_ERROR, (&raw mut code).cast(), &raw mut len) };
    code
}
