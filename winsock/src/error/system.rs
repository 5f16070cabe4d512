//! The system's codes and the errors of `overlapped`, as Winsock's codes and as statuses.

use overlapped::ErrorKind;

use super::codes::*;
use super::status::*;

/// The Winsock code of an `errno`.
pub fn wsa_of(errno: i32) -> u32 {
    match errno {
        0 => NO_ERROR,
        libc::EINTR => WSAEINTR,
        libc::EBADF | libc::ENOTSOCK => WSAENOTSOCK,
        libc::EACCES | libc::EPERM => WSAEACCES,
        libc::EFAULT => WSAEFAULT,
        libc::EINVAL => WSAEINVAL,
        libc::EMFILE | libc::ENFILE => WSAEMFILE,
        libc::EAGAIN => WSAEWOULDBLOCK,
        libc::EINPROGRESS => WSAEWOULDBLOCK,
        libc::EALREADY => WSAEALREADY,
        libc::EDESTADDRREQ => WSAENOTCONN,
        libc::EMSGSIZE => WSAEMSGSIZE,
        libc::EPROTOTYPE => WSAEPROTOTYPE,
        libc::ENOPROTOOPT => WSAENOPROTOOPT,
        libc::EPROTONOSUPPORT => WSAEPROTONOSUPPORT,
        libc::ESOCKTNOSUPPORT => WSAESOCKTNOSUPPORT,
        libc::EOPNOTSUPP => WSAEOPNOTSUPP,
        libc::EPFNOSUPPORT => WSAEPFNOSUPPORT,
        libc::EAFNOSUPPORT => WSAEAFNOSUPPORT,
        libc::EADDRINUSE => WSAEADDRINUSE,
        libc::EADDRNOTAVAIL => WSAEADDRNOTAVAIL,
        libc::ENETDOWN => WSAENETDOWN,
        libc::ENETUNREACH => WSAENETUNREACH,
        libc::ENETRESET => WSAENETRESET,
        libc::ECONNABORTED => WSAECONNABORTED,
        libc::ECONNRESET => WSAECONNRESET,
        libc::ENOBUFS | libc::ENOMEM => WSAENOBUFS,
        libc::EISCONN => WSAEISCONN,
        libc::ENOTCONN => WSAENOTCONN,
        libc::EPIPE | libc::ESHUTDOWN => WSAESHUTDOWN,
        libc::ETIMEDOUT => WSAETIMEDOUT,
        libc::ECONNREFUSED => WSAECONNREFUSED,
        libc::ENAMETOOLONG => WSAENAMETOOLONG,
        libc::EHOSTDOWN => WSAEHOSTDOWN,
        libc::EHOSTUNREACH => WSAEHOSTUNREACH,
        libc::ECANCELED => ERROR_OPERATION_ABORTED,
        libc::ENOENT => WSAECONNREFUSED,
        _ => WSAEINVAL,
    }
}

/// The status of a Winsock code.
pub fn status_of_wsa(code: u32) -> NtStatus {
    match code {
        NO_ERROR => STATUS_SUCCESS,
        ERROR_OPERATION_ABORTED => STATUS_CANCELLED,
        WSAEFAULT => STATUS_ACCESS_VIOLATION,
        WSAEINVAL => STATUS_INVALID_PARAMETER,
        WSAEACCES => STATUS_ACCESS_DENIED,
        WSAEMFILE => STATUS_TOO_MANY_OPENED_FILES,
        WSAENOTSOCK => STATUS_INVALID_HANDLE,
        WSAEMSGSIZE => STATUS_BUFFER_OVERFLOW,
        WSAEOPNOTSUPP => STATUS_NOT_SUPPORTED,
        WSAEADDRINUSE => STATUS_ADDRESS_ALREADY_EXISTS,
        WSAEADDRNOTAVAIL => STATUS_INVALID_ADDRESS_COMPONENT,
        WSAENETUNREACH | WSAENETDOWN => STATUS_NETWORK_UNREACHABLE,
        WSAECONNABORTED => STATUS_CONNECTION_ABORTED,
        WSAECONNRESET => STATUS_CONNECTION_RESET,
        WSAENOBUFS => STATUS_INSUFFICIENT_RESOURCES,
        WSAEISCONN => STATUS_CONNECTION_ACTIVE,
        WSAENOTCONN => STATUS_INVALID_CONNECTION,
        WSAESHUTDOWN => STATUS_PIPE_DISCONNECTED,
        WSAETIMEDOUT => STATUS_IO_TIMEOUT,
        WSAECONNREFUSED => STATUS_CONNECTION_REFUSED,
        WSAEHOSTUNREACH | WSAEHOSTDOWN => STATUS_HOST_UNREACHABLE,
        WSAEINTR => STATUS_REQUEST_ABORTED,
        WSAEDISCON => STATUS_GRACEFUL_DISCONNECT,
        other => NtStatus::of_code(other),
    }
}

/// The Winsock code of an error of `overlapped`.
pub fn wsa_of_error(error: &overlapped::Error) -> u32 {
    match error.kind() {
        ErrorKind::Cancelled | ErrorKind::Closed => ERROR_OPERATION_ABORTED,
        ErrorKind::ShutDown => WSAESHUTDOWN,
        ErrorKind::Truncated => WSAEMSGSIZE,
        ErrorKind::LimitReached | ErrorKind::OutOfMemory => WSAENOBUFS,
        ErrorKind::NotConnected => WSAENOTCONN,
        ErrorKind::AlreadyConnected => WSAEISCONN,
        ErrorKind::BrokenStream => WSAECONNABORTED,
        kind => match (error.os_code(), kind) {
            (Some(code), _) => wsa_of(code),
            (None, ErrorKind::Reset) => WSAECONNRESET,
            (None, ErrorKind::Refused) => WSAECONNREFUSED,
            (None, ErrorKind::TimedOut) => WSAETIMEDOUT,
            (None, ErrorKind::TooManyFiles) => WSAEMFILE,
            (None, ErrorKind::Unsupported) => WSAEOPNOTSUPP,
            _ => WSAEINVAL,
        },
    }
}

/// The `errno` of the system call that has just failed.
pub fn errno() -> i32 {
    std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO)
}

/// The Winsock code of the system call that has just failed.
pub fn last_wsa() -> u32 {
    wsa_of(errno())
}
