//! The error codes of Unix systems.

use super::kind::ErrorKind;

/// The kind of a code of this system.
pub(crate) fn kind_of(code: i32) -> ErrorKind {
    match code {
        // What a broken pipe is, the driver knows better: see `is_broken_pipe`.
        libc::ECONNRESET | libc::EPIPE | libc::ECONNABORTED => ErrorKind::Reset,
        libc::ECONNREFUSED => ErrorKind::Refused,
        libc::ETIMEDOUT => ErrorKind::TimedOut,
        libc::ECANCELED => ErrorKind::Cancelled,
        libc::EADDRINUSE => ErrorKind::InUse,
        libc::EADDRNOTAVAIL => ErrorKind::AddressNotAvailable,
        libc::ENETUNREACH | libc::EHOSTUNREACH | libc::ENETDOWN | libc::EHOSTDOWN => ErrorKind::Unreachable,
        libc::EACCES | libc::EPERM => ErrorKind::NotPermitted,
        libc::EMSGSIZE => ErrorKind::Truncated,
        // The second is a datagram without a destination.
        libc::ENOTCONN | libc::EDESTADDRREQ => ErrorKind::NotConnected,
        libc::ESHUTDOWN => ErrorKind::ShutDown,
        libc::ENOENT => ErrorKind::NotFound,
        libc::EISCONN => ErrorKind::AlreadyConnected,
        libc::EMFILE | libc::ENFILE => ErrorKind::TooManyFiles,
        libc::ENOMEM | libc::ENOBUFS => ErrorKind::OutOfMemory,
        libc::EINVAL | libc::ENAMETOOLONG => ErrorKind::InvalidArgument,
        libc::ENOSYS
        | libc::EOPNOTSUPP
        | libc::EAFNOSUPPORT
        | libc::EPFNOSUPPORT
        | libc::EPROTONOSUPPORT
        | libc::ESOCKTNOSUPPORT
        | libc::ENOPROTOOPT => ErrorKind::Unsupported,
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

/// Whether it says that a send found no way to the peer, for one of three reasons: this end has
/// shut the stream down, the peer has reset it, or (Linux) the socket was never connected.
pub(crate) fn is_broken_pipe(code: i32) -> bool {
    code == libc::EPIPE
}

/// Whether this system has given the connection up by itself.
pub(crate) fn is_aborted(code: i32) -> bool {
    code == libc::ECONNABORTED
}

/// Whether an address may not be used: of a send, a broadcast address.
pub(crate) fn is_no_permission(code: i32) -> bool {
    code == libc::EACCES
}

/// Whether the operation only has to be tried again.
pub(crate) fn is_interrupted(code: i32) -> bool {
    matches!(code, libc::EINTR | libc::EAGAIN)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(crate) const RESET: i32 = libc::ECONNRESET;
    pub(crate) const REFUSED: i32 = libc::ECONNREFUSED;
    pub(crate) const ABORTED: i32 = libc::ECONNABORTED;
    pub(crate) const UNREACHABLE: i32 = libc::ENETUNREACH;

    #[test]
    fn codes_of_mistakes_have_kinds() {
        for (code, kind) in [
            (libc::ENOENT, ErrorKind::NotFound),
            (libc::EDESTADDRREQ, ErrorKind::NotConnected),
            (libc::ENOPROTOOPT, ErrorKind::Unsupported),
            (libc::ENAMETOOLONG, ErrorKind::InvalidArgument),
        ] {
            assert_eq!(kind_of(code), kind, "code {code}");
        }
    }
}
