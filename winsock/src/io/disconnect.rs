//! `DisconnectEx`: the connection ends, and the socket is as new, if that is asked for.

use std::sync::Arc;
use std::time::Duration;

use overlapped::driver::CloseMode;

use super::hub;
use crate::error::{WSAENOTCONN, WSAENOTSOCK};
use crate::socket::descriptor::descriptor;
use crate::socket::entry::{Socket, State};

/// How long what the peer still sends is thrown away, so that what was sent to it arrives.
const LINGER: Duration = Duration::from_secs(30);

/// Ends the connection gracefully. The descriptor goes on doing that in the background.
///
/// # Errors
/// `WSAENOTCONN`; the code of making a new descriptor.
pub(crate) fn disconnect(socket: &Arc<Socket>, reuse: bool) -> Result<(), u32> {
    let mut core = socket.core();
    match core.state {
        State::Closed => return Err(WSAENOTSOCK),
        State::Connected => {}
        _ => return Err(WSAENOTCONN),
    }
    if core.shut_send && !reuse {
        return Err(WSAENOTCONN);
    }
    // SAFETY: a system call without memory.
    unsafe { libc::shutdown(core.fd, libc::SHUT_WR) };
    core.shut_send = true;
    if reuse {
        let fresh = descriptor(socket.family, socket.kind, socket.protocol)?;
        Socket::replace(&mut core, fresh, CloseMode::Graceful { linger: LINGER });
        (core.state, core.bound, core.context_due) = (State::Fresh, false, false);
        drop(core);
        if let Some(hub) = hub::hub() {
            hub.hasten();
        }
    }
    Ok(())
}
