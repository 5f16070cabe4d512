//! The error codes of a simulated network: those of the system that it runs on.

#[cfg(unix)]
pub(super) use libc::{
    EADDRINUSE as IN_USE, EADDRNOTAVAIL as NOT_AVAILABLE, EAFNOSUPPORT as WRONG_FAMILY, EALREADY as CONNECTING,
    ECANCELED as CANCELLED, ECONNREFUSED as REFUSED, ECONNRESET as RESET, EINVAL as INVALID, EISCONN as CONNECTED,
    EMSGSIZE as TOO_LONG, ENOTCONN as NOT_CONNECTED, EOPNOTSUPP as UNSUPPORTED, EPIPE as SHUT, ETIMEDOUT as TIMED_OUT,
};

/// Winsock's, from `winerror.h`.
#[cfg(windows)]
mod winsock {
    pub(in crate::sys::sim) const IN_USE: i32 = 10048;
    pub(in crate::sys::sim) const NOT_AVAILABLE: i32 = 10049;
    pub(in crate::sys::sim) const WRONG_FAMILY: i32 = 10047;
    pub(in crate::sys::sim) const CONNECTING: i32 = 10037;
    /// `ERROR_OPERATION_ABORTED`, as a completion port has it.
    pub(in crate::sys::sim) const CANCELLED: i32 = 995;
    pub(in crate::sys::sim) const INVALID: i32 = 10022;
    pub(in crate::sys::sim) const REFUSED: i32 = 10061;
    pub(in crate::sys::sim) const RESET: i32 = 10054;
    pub(in crate::sys::sim) const CONNECTED: i32 = 10056;
    pub(in crate::sys::sim) const NOT_CONNECTED: i32 = 10057;
    pub(in crate::sys::sim) const UNSUPPORTED: i32 = 10045;
    pub(in crate::sys::sim) const SHUT: i32 = 10058;
    pub(in crate::sys::sim) const TIMED_OUT: i32 = 10060;
    pub(in crate::sys::sim) const TOO_LONG: i32 = 10040;
}

#[cfg(windows)]
pub(super) use winsock::*;

#[cfg(test)]
mod tests {
    use crate::error::ErrorKind;
    use crate::error::code::{is_broken_pipe, kind_of};

    #[test]
    fn every_code_has_its_kind_here() {
        for (code, kind) in [
            (super::IN_USE, ErrorKind::InUse),
            (super::NOT_AVAILABLE, ErrorKind::AddressNotAvailable),
            (super::WRONG_FAMILY, ErrorKind::Unsupported),
            (super::CANCELLED, ErrorKind::Cancelled),
            (super::INVALID, ErrorKind::InvalidArgument),
            (super::REFUSED, ErrorKind::Refused),
            (super::RESET, ErrorKind::Reset),
            (super::CONNECTED, ErrorKind::AlreadyConnected),
            (super::NOT_CONNECTED, ErrorKind::NotConnected),
            (super::UNSUPPORTED, ErrorKind::Unsupported),
            (super::TIMED_OUT, ErrorKind::TimedOut),
            (super::TOO_LONG, ErrorKind::Truncated),
        ] {
            assert_eq!(kind_of(code), kind, "code {code}");
        }
        assert!(is_broken_pipe(super::SHUT), "the driver knows which kind it is");
    }
}
