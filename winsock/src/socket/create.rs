//! Making and closing sockets, and what they say of themselves (`WSAPROTOCOL_INFO`).

use std::os::fd::IntoRawFd;
use std::sync::Arc;

use super::address::{AF_INET, AF_INET6, AF_UNIX, AF_UNSPEC, system_family, windows_family};
use super::descriptor::descriptor;
use super::entry::Socket;
use super::startup::{answer, find, started};
use crate::abi::{self, Dword, Guid, INVALID_SOCKET, SOCKET_ERROR, Wchar};
use crate::error::{
    WSAEAFNOSUPPORT, WSAEFAULT, WSAEINVAL, WSAEMFILE, WSAENOTSOCK, WSAEPROTONOSUPPORT, WSAESOCKTNOSUPPORT, fail,
};
use crate::handles;

pub(crate) const SOCK_STREAM: i32 = 1;
pub(crate) const SOCK_DGRAM: i32 = 2;
pub(crate) const SOCK_RAW: i32 = 3;
const IPPROTO_TCP: i32 = 6;
const IPPROTO_UDP: i32 = 17;
const FROM_PROTOCOL_INFO: i32 = -1;
pub(crate) const WSA_FLAG_OVERLAPPED: u32 = 1;

/// `WSAPROTOCOL_INFOA` and `W`, which differ in the characters of the name.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct ProtocolInfo<C> {
    service_flags: [u32; 4],
    provider_flags: u32,
    provider: Guid,
    catalog_entry: u32,
    chain_len: i32,
    chain: [u32; 7],
    version: i32,
    family: i32,
    max_address: i32,
    min_address: i32,
    kind: i32,
    protocol: i32,
    max_protocol_offset: i32,
    byte_order: i32,
    security: i32,
    message_size: u32,
    /// In one that `WSADuplicateSocket` has filled: the socket.
    reserved: u32,
    name: [C; 256],
}

const XP1_GUARANTEED_DELIVERY: u32 = 2;
const XP1_GUARANTEED_ORDER: u32 = 4;
const XP1_GRACEFUL_CLOSE: u32 = 0x20;
const XP1_EXPEDITED_DATA: u32 = 0x40;
const XP1_CONNECTIONLESS: u32 = 1;
const XP1_MESSAGE_ORIENTED: u32 = 8;
const XP1_SUPPORT_BROADCAST: u32 = 0x200;
const XP1_SUPPORT_MULTIPOINT: u32 = 0x400;
const XP1_IFS_HANDLES: u32 = 0x20000;

impl<C: Copy + Default + From<u8>> ProtocolInfo<C> {
    pub(crate) fn of(socket: &Socket) -> ProtocolInfo<C> {
        ProtocolInfo::new(windows_family(socket.family), socket.kind, socket.protocol)
    }

    pub(crate) fn new(family: i32, kind: i32, protocol: i32) -> ProtocolInfo<C> {
        let stream = kind == SOCK_STREAM;
        let flags = if stream {
            XP1_GUARANTEED_DELIVERY | XP1_GUARANTEED_ORDER | XP1_GRACEFUL_CLOSE | XP1_EXPEDITED_DATA
        } else {
            XP1_CONNECTIONLESS | XP1_MESSAGE_ORIENTED | XP1_SUPPORT_BROADCAST | XP1_SUPPORT_MULTIPOINT
        };
        let address = match family {
            AF_INET => 16,
            AF_INET6 => 28,
            _ => 110,
        };
        let text = match (family, stream) {
            (AF_INET, true) => "MSAFD Tcpip [TCP/IP]",
            (AF_INET, false) => "MSAFD Tcpip [UDP/IP]",
            (AF_INET6, true) => "MSAFD Tcpip [TCP/IPv6]",
            (AF_INET6, false) => "MSAFD Tcpip [UDP/IPv6]",
            _ => "AF_UNIX",
        };
        let mut name = [C::default(); 256];
        for (to, from) in name.iter_mut().zip(text.bytes()) {
            *to = C::from(from);
        }
        ProtocolInfo {
            service_flags: [flags | XP1_IFS_HANDLES, 0, 0, 0],
            provider_flags: 8,
            provider: Guid {
                data1: 0xe70f_1aa0,
                data2: 0xab8b,
                data3: 0x11cf,
                data4: [0x8c, 0xa3, 0, 0x80, 0x5f, 0x48, 0xa1, 0x92],
            },
            catalog_entry: 1001 + u32::from(!stream) + 2 * u32::from(family == AF_INET6),
            chain_len: 1,
            chain: [0; 7],
            version: 2,
            family,
            max_address: address,
            min_address: address,
            kind,
            protocol,
            max_protocol_offset: 0,
            byte_order: 0,
            security: 0,
            message_size: if stream { 0 } else { 65507 },
            reserved: 0,
            name,
        }
    }
}

/// The family, type and protocol of a new socket, in the system's numbers.
fn resolve(family: i32, kind: i32, protocol: i32) -> Result<(i32, i32, i32), u32> {
    if family == AF_UNSPEC && protocol == 0 {
        return Err(WSAEINVAL);
    }
    let family = if family == AF_UNSPEC { AF_INET } else { family };
    let system = system_family(family).ok_or(WSAEAFNOSUPPORT)?;
    let kind = match (kind, protocol) {
        (0, IPPROTO_UDP) => SOCK_DGRAM,
        (0, _) => SOCK_STREAM,
        (kind, _) => kind,
    };
    let protocol = match (family, kind, protocol) {
        (AF_UNIX, SOCK_STREAM, 0) => 0,
        (AF_UNIX, ..) => return Err(WSAESOCKTNOSUPPORT),
        (_, SOCK_STREAM, 0 | IPPROTO_TCP) => IPPROTO_TCP,
        (_, SOCK_DGRAM, 0 | IPPROTO_UDP) => IPPROTO_UDP,
        (_, SOCK_RAW, protocol) => protocol,
        (_, SOCK_STREAM | SOCK_DGRAM, _) => return Err(WSAEPROTONOSUPPORT),
        _ => return Err(WSAESOCKTNOSUPPORT),
    };
    Ok((system, kind, protocol))
}

fn make(family: i32, kind: i32, protocol: i32, flags: u32) -> Result<abi::Socket, u32> {
    started()?;
    let (family, kind, protocol) = resolve(family, kind, protocol)?;
    let fd = descriptor(family, kind, protocol)?.into_raw_fd();
    insert(Socket::new(fd, family, kind, protocol, flags))
}

/// Gives a socket a value.
pub(crate) fn insert(socket: Socket) -> Result<abi::Socket, u32> {
    handles::insert(Arc::new(socket)).ok_or(WSAEMFILE)
}

fn value(result: Result<abi::Socket, u32>) -> abi::Socket {
    result.unwrap_or_else(|code| fail(code, INVALID_SOCKET))
}

unsafe fn make_of<C>(
    family: i32,
    kind: i32,
    protocol: i32,
    info: *const ProtocolInfo<C>,
    flags: u32,
) -> Result<abi::Socket, u32> {
    if info.is_null() {
        return make(family, kind, protocol, flags);
    }
    // SAFETY: the program gives a whole one.
    let (reserved, own_family, own_kind, own_protocol) =
        unsafe { ((*info).reserved, (*info).family, (*info).kind, (*info).protocol) };
    if reserved != 0 {
        // It was filled by `WSADuplicateSocket`, in this process.
        started()?;
        handles::get::<Socket>(reserved as usize).ok_or(WSAEINVAL)?;
        return handles::duplicate(reserved as usize).ok_or(WSAEMFILE);
    }
    let or_own = |given, own| if given == FROM_PROTOCOL_INFO { own } else { given };
    make(or_own(family, own_family), or_own(kind, own_kind), or_own(protocol, own_protocol), flags)
}

unsafe fn duplicate<C: Copy + Default + From<u8>>(s: abi::Socket, process: u32, info: *mut ProtocolInfo<C>) -> i32 {
    answer(find(s).and_then(|socket| {
        if info.is_null() {
            return Err(WSAEFAULT);
        }
        if process != std::process::id() {
            // Another process has a library, a table and a driver of its own.
            return Err(WSAEINVAL);
        }
        // SAFETY: the program gives room for one.
        unsafe { info.write(ProtocolInfo { reserved: s as u32, ..ProtocolInfo::of(&socket) }) };
        Ok(())
    }))
}

export! {
    fn wsk_socket(family: i32, kind: i32, protocol: i32) -> abi::Socket, INVALID_SOCKET => {
        value(make(family, kind, protocol, WSA_FLAG_OVERLAPPED))
    }

    fn wsk_WSASocketA(
        family: i32, kind: i32, protocol: i32, info: *const ProtocolInfo<u8>, _group: u32, flags: Dword,
    ) -> abi::Socket, INVALID_SOCKET => {
        value(make_of(family, kind, protocol, info, flags))
    }

    fn wsk_WSASocketW(
        family: i32, kind: i32, protocol: i32, info: *const ProtocolInfo<Wchar>, _group: u32, flags: Dword,
    ) -> abi::Socket, INVALID_SOCKET => {
        value(make_of(family, kind, protocol, info, flags))
    }

    fn wsk_WSADuplicateSocketA(s: abi::Socket, process: Dword, info: *mut ProtocolInfo<u8>) -> i32, SOCKET_ERROR => {
        duplicate(s, process, info)
    }

    fn wsk_WSADuplicateSocketW(s: abi::Socket, process: Dword, info: *mut ProtocolInfo<Wchar>) -> i32, SOCKET_ERROR => {
        duplicate(s, process, info)
    }

    fn wsk_WSAEnumProtocolsA(
        wanted: *const i32, infos: *mut ProtocolInfo<u8>, len: *mut Dword,
    ) -> i32, SOCKET_ERROR => {
        enumerate(wanted, infos, len)
    }

    fn wsk_WSAEnumProtocolsW(
        wanted: *const i32, infos: *mut ProtocolInfo<Wchar>, len: *mut Dword,
    ) -> i32, SOCKET_ERROR => {
        enumerate(wanted, infos, len)
    }

    /// Also for the other handles of the same socket, which stay.
    fn wsk_closesocket(s: abi::Socket) -> i32, SOCKET_ERROR => {
        answer(started().and_then(|()| match handles::close_if::<Socket>(s) {
            Some(_) => Ok(()),
            None => Err(WSAENOTSOCK),
        }))
    }

    /// Outdated since Winsock 2.
    fn wsk_WSAIsBlocking() -> i32, 0 => { 0 }
    fn wsk___WSAFDIsSet(s: abi::Socket, set: *const usize) -> i32, 0 => {
        let count = set.cast::<u32>().read();
        let sockets = std::slice::from_raw_parts(set.add(1), count as usize);
        sockets.contains(&s).into()
    }

}

unsafe fn enumerate<C: Copy + Default + From<u8>>(
    wanted: *const i32,
    infos: *mut ProtocolInfo<C>,
    len: *mut Dword,
) -> i32 {
    let all = [
        (AF_INET, SOCK_STREAM, IPPROTO_TCP),
        (AF_INET, SOCK_DGRAM, IPPROTO_UDP),
        (AF_INET6, SOCK_STREAM, IPPROTO_TCP),
        (AF_INET6, SOCK_DGRAM, IPPROTO_UDP),
    ];
    if let Err(code) = started() {
        return fail(code, SOCKET_ERROR);
    }
    if len.is_null() {
        return fail(WSAEFAULT, SOCKET_ERROR);
    }
    // SAFETY: a list of protocols ends with 0.
    let is_wanted = |protocol: i32| unsafe {
        wanted.is_null() || (0..).map(|i| *wanted.add(i)).take_while(|one| *one != 0).any(|one| one == protocol)
    };
    let chosen: Vec<_> = all.into_iter().filter(|(_, _, protocol)| is_wanted(*protocol)).collect();
    let needed = (chosen.len() * size_of::<ProtocolInfo<C>>()) as u32;
    // SAFETY: the program gives so much room as it says.
    unsafe {
        let room = std::mem::replace(&mut *len, needed);
        if room < needed || infos.is_null() {
            return fail(crate::error::WSAENOBUFS, SOCKET_ERROR);
        }
        for (at, (family, kind, protocol)) in chosen.iter().enumerate() {
            infos.add(at).write(ProtocolInfo::new(*family, *kind, *protocol));
        }
    }
    chosen.len() as i32
}

const _: () = assert!(size_of::<ProtocolInfo<u8>>() == 372);
