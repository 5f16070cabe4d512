//! The error codes of Windows: Winsock's own, and those that come with the packets of a completion
//! port.

use windows_sys::Win32::Foundation::{
    ERROR_ACCESS_DENIED, ERROR_CONNECTION_ABORTED, ERROR_CONNECTION_REFUSED, ERROR_HOST_UNREACHABLE,
    ERROR_INVALID_PARAMETER, ERROR_MORE_DATA, ERROR_NETNAME_DELETED, ERROR_NETWORK_UNREACHABLE,
    ERROR_NO_SYSTEM_RESOURCES, ERROR_NOT_CONNECTED, ERROR_NOT_ENOUGH_MEMORY, ERROR_NOT_SUPPORTED,
    ERROR_OPERATION_ABORTED, ERROR_OUTOFMEMORY, ERROR_PORT_UNREACHABLE, ERROR_PROTOCOL_UNREACHABLE, ERROR_SEM_TIMEOUT,
    ERROR_TOO_MANY_OPEN_FILES, ERROR_WORKING_SET_QUOTA,
};
use windows_sys::Win32::Networking::WinSock::{
    WSAEACCES, WSAEADDRINUSE, WSAEADDRNOTAVAIL, WSAEAFNOSUPPORT, WSAECONNABORTED, WSAECONNREFUSED, WSAECONNRESET,
    WSAEDISCON, WSAEHOSTDOWN, WSAEHOSTUNREACH, WSAEINTR, WSAEINVAL, WSAEMFILE, WSAEMSGSIZE, WSAENETDOWN, WSAENETRESET,
    WSAENETUNREACH, WSAENOBUFS, WSAENOPROTOOPT, WSAENOTCONN, WSAEOPNOTSUPP, WSAEPROTONOSUPPORT, WSAESHUTDOWN,
    WSAETIMEDOUT, WSAEWOULDBLOCK,
};

use super::kind::ErrorKind;

/// The kind of a code of this system.
pub(crate) fn kind_of(code: i32) -> ErrorKind {
    match code {
        // `WSAESHUTDOWN` is a send after the stream was shut down, which is `EPIPE` elsewhere.
        WSAECONNRESET | WSAECONNABORTED | WSAENETRESET | WSAEDISCON | WSAESHUTDOWN => ErrorKind::Reset,
        WSAECONNREFUSED => ErrorKind::Refused,
        WSAETIMEDOUT => ErrorKind::TimedOut,
        WSAEADDRINUSE => ErrorKind::InUse,
        WSAEADDRNOTAVAIL => ErrorKind::AddressNotAvailable,
        WSAENETUNREACH | WSAEHOSTUNREACH | WSAENETDOWN | WSAEHOSTDOWN => ErrorKind::Unreachable,
        WSAEACCES => ErrorKind::NotPermitted,
        WSAEMSGSIZE => ErrorKind::Truncated,
        WSAENOTCONN => ErrorKind::NotConnected,
        WSAEMFILE => ErrorKind::TooManyFiles,
        // The second is "too many outstanding overlapped requests". Calls that do not wait check
        // for it themselves.
        WSAENOBUFS | WSAEWOULDBLOCK => ErrorKind::OutOfMemory,
        WSAEINVAL => ErrorKind::InvalidArgument,
        WSAEOPNOTSUPP | WSAEAFNOSUPPORT | WSAEPROTONOSUPPORT | WSAENOPROTOOPT => ErrorKind::Unsupported,
        _ => kind_of_packet(code as u32),
    }
}

/// The kind of a code that only completion ports report.
fn kind_of_packet(code: u32) -> ErrorKind {
    match code {
        ERROR_NETNAME_DELETED => ErrorKind::Reset,
        ERROR_CONNECTION_REFUSED | ERROR_PORT_UNREACHABLE => ErrorKind::Refused,
        // The second says that the socket was closed under the request.
        ERROR_OPERATION_ABORTED | ERROR_CONNECTION_ABORTED => ErrorKind::Cancelled,
        ERROR_MORE_DATA => ErrorKind::Truncated,
        ERROR_SEM_TIMEOUT => ErrorKind::TimedOut,
        ERROR_NETWORK_UNREACHABLE | ERROR_HOST_UNREACHABLE | ERROR_PROTOCOL_UNREACHABLE => ErrorKind::Unreachable,
        ERROR_ACCESS_DENIED => ErrorKind::NotPermitted,
        ERROR_NOT_CONNECTED => ErrorKind::NotConnected,
        ERROR_TOO_MANY_OPEN_FILES => ErrorKind::TooManyFiles,
        ERROR_NOT_ENOUGH_MEMORY | ERROR_OUTOFMEMORY | ERROR_NO_SYSTEM_RESOURCES | ERROR_WORKING_SET_QUOTA => {
            ErrorKind::OutOfMemory
        }
        ERROR_INVALID_PARAMETER => ErrorKind::InvalidArgument,
        ERROR_NOT_SUPPORTED => ErrorKind::Unsupported,
        _ => ErrorKind::Other,
    }
}

/// Whether a failure to accept concerns only one connection that died in the backlog, so that
/// accepting goes on. `AcceptEx` has several codes for a peer that had gone before it was accepted.
pub(crate) fn accept_goes_on(code: i32) -> bool {
    matches!(code, WSAECONNRESET | WSAECONNABORTED | WSAENETRESET | WSAENETDOWN | WSAETIMEDOUT | WSAEINTR)
        || matches!(code as u32, ERROR_NETNAME_DELETED | ERROR_SEM_TIMEOUT)
}

/// Whether it says that the peer has reset the connection. Linux reports that once: to the first
/// call, be it a send or a receive.
pub(crate) fn is_reset(code: i32) -> bool {
    code == WSAECONNRESET || code as u32 == ERROR_NETNAME_DELETED
}

/// Whether the operation only has to be tried again.
pub(crate) fn is_interrupted(code: i32) -> bool {
    code == WSAEINTR
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn winsock_and_the_completion_port_name_the_same_kinds() {
        for (winsock, port, kind) in [
            (10054, 64, ErrorKind::Reset),
            (10061, 1225, ErrorKind::Refused),
            (995, 1236, ErrorKind::Cancelled),
            (10040, 234, ErrorKind::Truncated),
            (10048, 10048, ErrorKind::InUse),
            (10060, 121, ErrorKind::TimedOut),
        ] {
            assert_eq!((kind_of(winsock), kind_of(port)), (kind, kind), "{winsock} and {port}");
        }
    }
}
