//! The error codes of Unix systems.

use super::kind::ErrorKind;

/// The kind of a code of this system.
pub(crate) fn kind_of(code: i32) -> ErrorKind {
    match code {
        libc::ECONNRESET | libc::EPIPE | libc::ECONNABORTED => ErrorKind::Reset,
        libc::ECONNREFUSED => ErrorKind::Refused,
        libc::ETIMEDOUT => ErrorKind::TimedOut,
        libc::ECANCELED => ErrorKind::Cancelled,
        libc::EADDRINUSE => ErrorKind::InUse,
        libc::EADDRNOTAVAIL => ErrorKind::AddressNotAvailable,
        libc::ENETUNREACH | libc::EHOSTUNREACH | libc::ENETDOWN | libc::EHOSTDOWN => ErrorKind::Unreachable,
        libc::EACCES | libc::EPERM => ErrorKind::NotPermitted,
        libc::EMSGSIZE => ErrorKind::Truncated,
        libc::ENOTCONN => ErrorKind::NotConnected,
        libc::EMFILE | libc::ENFILE => ErrorKind::TooManyFiles,
        libc::ENOMEM | libc::ENOBUFS => ErrorKind::OutOfMemory,
        libc::EINVAL => ErrorKind::InvalidArgument,
        libc::ENOSYS | libc::EOPNOTSUPP | libc::EAFNOSUPPORT | libc::EPROTONOSUPPORT | libc::ENOPROTOOPT => {
            ErrorKind::Unsupported
        }
        _ => ErrorKind::Other,
    }
}

/// Whether a failure to accept concerns only one connection that died in the backlog, so that
/// accepting goes on. On Linux, `accept(2)` hands pending network errors of the new connection to
/// the caller, "and treat them like EAGAIN by retrying".
pub(crate) fn accept_goes_on(code: i32) -> bool {
    matches!(
        code,
        libc::ECONNABORTED
            | libc::EPROTO
            | libc::ENETDOWN
            | libc::EHOSTDOWN
            | libc::EHOSTUNREACH
            | libc::ENETUNREACH
            | libc::ETIMEDOUT
            | libc::EINTR
            | libc::EAGAIN
    )
}

/// Whether it says that the peer has reset the connection. Linux reports that once: to the first
/// call, be it a send or a receive.
pub(crate) fn is_reset(code: i32) -> bool {
    code == libc::ECONNRESET
}

/// Whether the operation only has to be tried again.
pub(crate) fn is_interrupted(code: i32) -> bool {
    matches!(code, libc::EINTR | libc::EAGAIN)
}
