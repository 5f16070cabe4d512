//! Options that the system has too: their numbers there, and the form of their values.

use super::address::AF_INET6;

pub(crate) const SOL_SOCKET: i32 = 0xFFFF;
pub(crate) const IPPROTO_IP: i32 = 0;
pub(crate) const IPPROTO_TCP: i32 = 6;
pub(crate) const IPPROTO_IPV6: i32 = 41;

/// The form of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// An `int` or a `DWORD`.
    Number,
    /// A `BOOL`, which programs also give as one byte.
    Truth,
    /// The same bytes on both systems.
    Bytes,
    /// `IP_DONTFRAGMENT`: the system has a number that says when.
    Fragment,
    /// `ip_mreq_source`, whose last two addresses are the other way round.
    Source,
}

/// The system's level and number of an option, and its form.
pub(crate) fn of(level: i32, name: i32) -> Option<(i32, i32, Form)> {
    let (system_level, options): (i32, &[(i32, i32, Form)]) = match level {
        SOL_SOCKET => (
            libc::SOL_SOCKET,
            &[
                (0x8, libc::SO_KEEPALIVE, Form::Truth),
                (0x10, libc::SO_DONTROUTE, Form::Truth),
                (0x20, libc::SO_BROADCAST, Form::Truth),
                (0x100, libc::SO_OOBINLINE, Form::Truth),
                (0x1004, libc::SO_RCVLOWAT, Form::Number),
            ],
        ),
        IPPROTO_TCP => (
            libc::IPPROTO_TCP,
            &[
                (1, libc::TCP_NODELAY, Form::Truth),
                (3, libc::TCP_KEEPIDLE, Form::Number),
                (4, libc::TCP_MAXSEG, Form::Number),
                (15, libc::TCP_FASTOPEN, Form::Truth),
                (16, libc::TCP_KEEPCNT, Form::Number),
                (17, libc::TCP_KEEPINTVL, Form::Number),
            ],
        ),
        IPPROTO_IP => (
            libc::IPPROTO_IP,
            &[
                (1, libc::IP_OPTIONS, Form::Bytes),
                (2, libc::IP_HDRINCL, Form::Truth),
                (3, libc::IP_TOS, Form::Number),
                (4, libc::IP_TTL, Form::Number),
                (9, libc::IP_MULTICAST_IF, Form::Bytes),
                (10, libc::IP_MULTICAST_TTL, Form::Number),
                (11, libc::IP_MULTICAST_LOOP, Form::Truth),
                (12, libc::IP_ADD_MEMBERSHIP, Form::Bytes),
                (13, libc::IP_DROP_MEMBERSHIP, Form::Bytes),
                (14, libc::IP_MTU_DISCOVER, Form::Fragment),
                (15, libc::IP_ADD_SOURCE_MEMBERSHIP, Form::Source),
                (16, libc::IP_DROP_SOURCE_MEMBERSHIP, Form::Source),
                (17, libc::IP_BLOCK_SOURCE, Form::Source),
                (18, libc::IP_UNBLOCK_SOURCE, Form::Source),
                (19, libc::IP_PKTINFO, Form::Truth),
                (21, libc::IP_RECVTTL, Form::Truth),
                (40, libc::IP_RECVTOS, Form::Truth),
                (73, libc::IP_MTU, Form::Number),
            ],
        ),
        IPPROTO_IPV6 => (
            libc::IPPROTO_IPV6,
            &[
                (4, libc::IPV6_UNICAST_HOPS, Form::Number),
                (9, libc::IPV6_MULTICAST_IF, Form::Number),
                (10, libc::IPV6_MULTICAST_HOPS, Form::Number),
                (11, libc::IPV6_MULTICAST_LOOP, Form::Truth),
                (12, libc::IPV6_ADD_MEMBERSHIP, Form::Bytes),
                (13, libc::IPV6_DROP_MEMBERSHIP, Form::Bytes),
                (14, libc::IPV6_DONTFRAG, Form::Truth),
                (19, libc::IPV6_RECVPKTINFO, Form::Truth),
                (21, libc::IPV6_RECVHOPLIMIT, Form::Truth),
                (27, libc::IPV6_V6ONLY, Form::Truth),
                (40, libc::IPV6_RECVTCLASS, Form::Truth),
            ],
        ),
        _ => return None,
    };
    let (_, number, form) = options.iter().find(|(windows, ..)| *windows == name)?;
    Some((system_level, *number, *form))
}

fn number(value: &[u8]) -> Option<i32> {
    match value {
        [] => None,
        [one] => Some((*one).into()),
        [a, b, c, d, ..] => Some(i32::from_ne_bytes([*a, *b, *c, *d])),
        _ => Some(value[0].into()),
    }
}

impl Form {
    /// The system's bytes of a program's value; `None` if it is too short.
    pub(crate) fn to_system(self, value: &[u8]) -> Option<Vec<u8>> {
        let int = |value: i32| Some(value.to_ne_bytes().to_vec());
        match self {
            Form::Number => int(number(value)?),
            Form::Truth => int((number(value)? != 0).into()),
            Form::Fragment => int(if number(value)? != 0 { libc::IP_PMTUDISC_DO } else { libc::IP_PMTUDISC_DONT }),
            Form::Bytes => Some(value.to_vec()),
            Form::Source => {
                let group = value.get(..12)?;
                Some([&group[..4], &group[8..12], &group[4..8]].concat())
            }
        }
    }

    /// The program's bytes of the system's value.
    pub(crate) fn to_windows(self, value: &[u8]) -> Vec<u8> {
        let int = |value: i32| value.to_ne_bytes().to_vec();
        let given = number(value).unwrap_or(0);
        match self {
            Form::Number => int(given),
            Form::Truth => int((given != 0).into()),
            Form::Fragment => int((given == libc::IP_PMTUDISC_DO).into()),
            Form::Bytes | Form::Source => value.to_vec(),
        }
    }
}

/// Whether an option of IPv6 is asked of a socket that has another family, or the other way round.
pub(crate) fn is_foreign(level: i32, windows_family: i32) -> bool {
    match level {
        IPPROTO_IPV6 => windows_family != AF_INET6,
        IPPROTO_IP => windows_family == AF_INET6,
        _ => false,
    }
}
