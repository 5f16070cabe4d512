//! `getsockopt` and `setsockopt`, with Winsock's numbers, types and defaults.

use std::sync::Arc;

use super::address::windows_family;
use super::create::ProtocolInfo;
use super::entry::{Core, Kept, Socket, State};
use super::startup::{answer, find};
use super::system_options::{self as system, IPPROTO_IP, IPPROTO_IPV6, IPPROTO_TCP, SOL_SOCKET};
use crate::abi::{self, SOCKET_ERROR, Wchar};
use crate::error::system::{last_wsa, wsa_of};
use crate::error::{WSAEFAULT, WSAEINVAL, WSAENOPROTOOPT, WSAENOTCONN, WSAENOTSOCK};
use crate::io::settle::{settle, take_error};

const SO_DEBUG: i32 = 1;
const SO_ACCEPTCONN: i32 = 2;
const SO_REUSEADDR: i32 = 4;
const SO_KEEPALIVE: i32 = 8;
const TCP_NODELAY: i32 = 1;
const IPV6_V6ONLY: i32 = 27;
const SO_USELOOPBACK: i32 = 0x40;
const SO_LINGER: i32 = 0x80;
const SO_DONTLINGER: i32 = !0x80;
const SO_EXCLUSIVEADDRUSE: i32 = !4;
const SO_SNDBUF: i32 = 0x1001;
const SO_RCVBUF: i32 = 0x1002;
const SO_SNDLOWAT: i32 = 0x1003;
const SO_SNDTIMEO: i32 = 0x1005;
const SO_RCVTIMEO: i32 = 0x1006;
const SO_ERROR: i32 = 0x1007;
const SO_TYPE: i32 = 0x1008;
const SO_BSP_STATE: i32 = 0x1009;
const SO_GROUP_ID: i32 = 0x2001;
const SO_GROUP_PRIORITY: i32 = 0x2002;
const SO_MAX_MSG_SIZE: i32 = 0x2003;
const SO_PROTOCOL_INFOA: i32 = 0x2004;
const SO_PROTOCOL_INFOW: i32 = 0x2005;
const SO_CONDITIONAL_ACCEPT: i32 = 0x3002;
const SO_PAUSE_ACCEPT: i32 = 0x3003;
const SO_RANDOMIZE_PORT: i32 = 0x3005;
const SO_PORT_SCALABILITY: i32 = 0x3006;
const SO_REUSE_UNICASTPORT: i32 = 0x3007;
const SO_OPENTYPE: i32 = 0x7008;
const SO_UPDATE_ACCEPT_CONTEXT: i32 = 0x700B;
const SO_CONNECT_TIME: i32 = 0x700C;
const SO_UPDATE_CONNECT_CONTEXT: i32 = 0x7010;

/// The size of the system's buffers that programs are told before they set one.
const DEFAULT_BUFFER: i32 = 65536;

fn number(value: &[u8]) -> Result<i32, u32> {
    match value {
        [] => Err(WSAEFAULT),
        [a, b, c, d, ..] => Ok(i32::from_ne_bytes([*a, *b, *c, *d])),
        [one, ..] => Ok((*one).into()),
    }
}

fn whole_number(value: &[u8]) -> Result<i32, u32> {
    if value.len() < 4 { Err(WSAEFAULT) } else { number(value) }
}

/// Sets an option of the system, and keeps it for a descriptor that takes this one's place.
pub(super) fn set_system(core: &mut Core, level: i32, name: i32, value: &[u8]) -> Result<(), u32> {
    // SAFETY: it reads the value, as long as it is.
    let set = unsafe { libc::setsockopt(core.fd, level, name, value.as_ptr().cast(), value.len() as libc::socklen_t) };
    if set != 0 {
        return Err(match last_wsa() {
            WSAENOTSOCK => WSAENOTSOCK,
            code => code,
        });
    }
    core.kept.set.retain(|(one_level, one_name, _)| (*one_level, *one_name) != (level, name));
    // Each membership is one of its own.
    if !matches!(name, libc::IP_ADD_MEMBERSHIP | libc::IP_DROP_MEMBERSHIP) || level == libc::SOL_SOCKET {
        core.kept.set.push((level, name, value.to_vec()));
    }
    Ok(())
}

fn get_system(fd: i32, level: i32, name: i32) -> Result<Vec<u8>, u32> {
    let mut value = [0u8; 128];
    let mut len = value.len() as libc::socklen_t;
    // SAFETY: it writes at most as many bytes as there is room for.
    match unsafe { libc::getsockopt(fd, level, name, value.as_mut_ptr().cast(), &raw mut len) } {
        0 => Ok(value[..len as usize].to_vec()),
        _ => Err(last_wsa()),
    }
}

fn set_buffer(core: &mut Core, name: i32, bytes: i32) -> Result<(), u32> {
    if bytes < 0 {
        return Err(WSAEINVAL);
    }
    // Nothing asks for no buffer. The system would take it for its smallest.
    if bytes == 0 {
        return Ok(());
    }
    // The system gives twice as much as it is asked for, for its own records, and has a least size.
    set_system(core, libc::SOL_SOCKET, name, &bytes.to_ne_bytes())
}

fn linger_bytes(on: bool, seconds: u16) -> [u8; 8] {
    let mut bytes = [0; 8];
    bytes[..4].copy_from_slice(&i32::from(on).to_ne_bytes());
    bytes[4..].copy_from_slice(&i32::from(seconds).to_ne_bytes());
    bytes
}

/// What a socket takes over from the listener that accepted it.
struct Inherited {
    kept: Kept,
    nonblocking: bool,
}

/// What the listener that `value` means hands down. The caller holds no socket: two that name each
/// other would wait for each other.
fn handed_down(socket: &Socket, value: &[u8]) -> Result<Inherited, u32> {
    let listener = match value.len() {
        8.. => usize::from_ne_bytes(value[..8].try_into().map_err(|_| WSAEFAULT)?),
        4..8 => number(value)? as u32 as usize,
        _ => return Err(WSAEFAULT),
    };
    let listener = find(listener)?;
    let from = listener.core();
    if std::ptr::eq(&*listener, socket) || from.state != State::Listening {
        return Err(WSAEINVAL);
    }
    Ok(Inherited { kept: from.kept.clone(), nonblocking: from.nonblocking })
}

fn update_accept_context(core: &mut Core, from: Result<Inherited, u32>) -> Result<(), u32> {
    if core.state != State::Connected {
        return Err(WSAENOTCONN);
    }
    core.context_due = false;
    let from = from?;
    // What was set on this socket before stays.
    if core.kept.receive_timeout == 0 {
        core.kept.receive_timeout = from.kept.receive_timeout;
    }
    if core.kept.send_timeout == 0 {
        core.kept.send_timeout = from.kept.send_timeout;
    }
    (core.kept.receive_buffer, core.kept.send_buffer) =
        (core.kept.receive_buffer.or(from.kept.receive_buffer), core.kept.send_buffer.or(from.kept.send_buffer));
    core.nonblocking |= from.nonblocking;
    for (level, name, value) in &from.kept.set {
        // SAFETY: it reads the value, as long as it is. One that only a listener has is refused.
        unsafe { libc::setsockopt(core.fd, *level, *name, value.as_ptr().cast(), value.len() as libc::socklen_t) };
    }
    Ok(())
}

fn set_of_socket(socket: &Socket, core: &mut Core, name: i32, value: &[u8]) -> Result<(), u32> {
    let truth = || number(value).map(|number| number != 0);
    match name {
        SO_DEBUG => core.kept.debug = number(value)?,
        SO_REUSEADDR | SO_EXCLUSIVEADDRUSE => {
            let on = truth()?;
            let kept = &mut core.kept;
            let (this, other) = match name {
                SO_REUSEADDR => (&mut kept.reuse, kept.exclusive),
                _ => (&mut kept.exclusive, kept.reuse),
            };
            if on && other {
                return Err(WSAEINVAL);
            }
            *this = on;
            if name == SO_REUSEADDR {
                let bytes = i32::from(on).to_ne_bytes();
                // For streams the system's second option does what Winsock's does. The first only
                // looks past connections that are over, as bind does here in any case.
                let option = if socket.is_stream() { libc::SO_REUSEPORT } else { libc::SO_REUSEADDR };
                set_system(core, libc::SOL_SOCKET, option, &bytes)?;
            }
        }
        SO_LINGER => {
            let value = value.get(..4).ok_or(WSAEFAULT)?;
            let (on, seconds) = (u16::from_ne_bytes([value[0], value[1]]), u16::from_ne_bytes([value[2], value[3]]));
            if !socket.is_stream() {
                return Err(WSAENOPROTOOPT);
            }
            set_system(core, libc::SOL_SOCKET, libc::SO_LINGER, &linger_bytes(on != 0, seconds))?;
        }
        SO_DONTLINGER => {
            let off = truth()?;
            if !socket.is_stream() {
                return Err(WSAENOPROTOOPT);
            }
            set_system(core, libc::SOL_SOCKET, libc::SO_LINGER, &linger_bytes(!off, 0))?;
        }
        SO_SNDBUF => {
            let bytes = whole_number(value)?;
            set_buffer(core, libc::SO_SNDBUF, bytes)?;
            core.kept.send_buffer = Some(bytes);
        }
        SO_RCVBUF => {
            let bytes = whole_number(value)?;
            set_buffer(core, libc::SO_RCVBUF, bytes)?;
            core.kept.receive_buffer = Some(bytes);
        }
        // A value of less than a DWORD is an error, also of a time.
        SO_SNDTIMEO => core.kept.send_timeout = whole_number(value)? as u32,
        SO_RCVTIMEO => core.kept.receive_timeout = whole_number(value)? as u32,
        SO_CONDITIONAL_ACCEPT => core.kept.conditional_accept = truth()?,
        SO_UPDATE_CONNECT_CONTEXT => {
            if core.state != State::Connected {
                return Err(WSAENOTCONN);
            }
            core.context_due = false;
        }
        SO_USELOOPBACK | SO_GROUP_PRIORITY | SO_PAUSE_ACCEPT | SO_RANDOMIZE_PORT | SO_PORT_SCALABILITY
        | SO_REUSE_UNICASTPORT | SO_OPENTYPE => drop(number(value)?),
        SO_ACCEPTCONN | SO_ERROR | SO_TYPE | SO_SNDLOWAT | SO_MAX_MSG_SIZE | SO_CONNECT_TIME => {
            return Err(WSAENOPROTOOPT);
        }
        _ => return set_by_table(socket, core, SOL_SOCKET, name, value),
    }
    Ok(())
}

fn set_by_table(socket: &Socket, core: &mut Core, level: i32, name: i32, value: &[u8]) -> Result<(), u32> {
    let (system_level, system_name, form) = system::of(level, name).ok_or(WSAENOPROTOOPT)?;
    if system::is_foreign(level, windows_family(socket.family)) || level == IPPROTO_TCP && !socket.is_stream() {
        return Err(if level == IPPROTO_TCP { WSAENOPROTOOPT } else { WSAEINVAL });
    }
    set_system(core, system_level, system_name, &form.to_system(value).ok_or(WSAEFAULT)?)
}

fn set(socket: &Socket, level: i32, name: i32, value: &[u8]) -> Result<(), u32> {
    let updates = (level, name) == (SOL_SOCKET, SO_UPDATE_ACCEPT_CONTEXT);
    let inherited = updates.then(|| handed_down(socket, value));
    let mut core = socket.core();
    settle(&mut core);
    if let Some(inherited) = inherited.filter(|_| core.state != State::Closed) {
        return update_accept_context(&mut core, inherited);
    }
    match level {
        _ if core.state == State::Closed => Err(WSAENOTSOCK),
        SOL_SOCKET => set_of_socket(socket, &mut core, name, value),
        IPPROTO_TCP | IPPROTO_IP | IPPROTO_IPV6 => set_by_table(socket, &mut core, level, name, value),
        _ => Err(WSAEINVAL),
    }
}

fn seconds_connected(core: &Core) -> u32 {
    match core.connected_at.filter(|_| core.state == State::Connected) {
        Some(since) => since.elapsed().as_secs() as u32,
        None => u32::MAX,
    }
}

fn info<C: Copy + Default + From<u8>>(socket: &Socket) -> Vec<u8> {
    let info = ProtocolInfo::<C>::of(socket);
    // SAFETY: a structure of integers without gaps.
    unsafe { std::slice::from_raw_parts((&raw const info).cast(), size_of_val(&info)) }.to_vec()
}

/// The value of an option, in the program's form.
fn get(socket: &Arc<Socket>, level: i32, name: i32) -> Result<Vec<u8>, u32> {
    let mut core = socket.core();
    settle(&mut core);
    if core.state == State::Closed {
        return Err(WSAENOTSOCK);
    }
    let int = |value: i32| Ok(value.to_ne_bytes().to_vec());
    if level != SOL_SOCKET {
        let (system_level, system_name, form) = system::of(level, name).ok_or(match level {
            IPPROTO_TCP | IPPROTO_IP | IPPROTO_IPV6 => WSAENOPROTOOPT,
            _ => WSAEINVAL,
        })?;
        if system::is_foreign(level, windows_family(socket.family)) || level == IPPROTO_TCP && !socket.is_stream() {
            return Err(if level == IPPROTO_TCP { WSAENOPROTOOPT } else { WSAEINVAL });
        }
        return Ok(form.to_windows(&get_system(core.fd, system_level, system_name)?));
    }
    match name {
        SO_DEBUG => int(core.kept.debug),
        SO_ACCEPTCONN => int((core.state == State::Listening).into()),
        SO_REUSEADDR => int(core.kept.reuse.into()),
        SO_EXCLUSIVEADDRUSE => int(core.kept.exclusive.into()),
        SO_LINGER | SO_DONTLINGER => {
            if !socket.is_stream() {
                return Err(WSAENOPROTOOPT);
            }
            let value = get_system(core.fd, libc::SOL_SOCKET, libc::SO_LINGER)?;
            let (on, seconds) = (number(&value)? != 0, number(value.get(4..).unwrap_or_default())?);
            match name {
                SO_LINGER => Ok([u16::from(on).to_ne_bytes(), (seconds as u16).to_ne_bytes()].concat()),
                _ => int((!on).into()),
            }
        }
        SO_SNDBUF => int(core.kept.send_buffer.unwrap_or(DEFAULT_BUFFER)),
        SO_RCVBUF => int(core.kept.receive_buffer.unwrap_or(DEFAULT_BUFFER)),
        SO_SNDTIMEO => int(core.kept.send_timeout as i32),
        SO_RCVTIMEO => int(core.kept.receive_timeout as i32),
        SO_ERROR => {
            let kept = std::mem::take(&mut core.connect_error);
            let code = if kept != 0 { kept } else { wsa_of(take_error(core.fd)) };
            int(code as i32)
        }
        SO_TYPE => int(socket.kind),
        SO_MAX_MSG_SIZE => int(if socket.is_stream() { -1 } else { 65507 }),
        SO_PROTOCOL_INFOA => Ok(info::<u8>(socket)),
        SO_PROTOCOL_INFOW => Ok(info::<Wchar>(socket)),
        SO_CONDITIONAL_ACCEPT => int(core.kept.conditional_accept.into()),
        SO_CONNECT_TIME => int(seconds_connected(&core) as i32),
        SO_USELOOPBACK | SO_GROUP_ID | SO_GROUP_PRIORITY | SO_PAUSE_ACCEPT | SO_RANDOMIZE_PORT
        | SO_PORT_SCALABILITY | SO_REUSE_UNICASTPORT | SO_OPENTYPE => int(0),
        SO_SNDLOWAT => int(1),
        SO_BSP_STATE => Err(WSAENOPROTOOPT),
        _ => {
            let (system_level, system_name, form) = system::of(level, name).ok_or(WSAENOPROTOOPT)?;
            Ok(form.to_windows(&get_system(core.fd, system_level, system_name)?))
        }
    }
}

unsafe fn write_value(value: &[u8], is_byte: bool, ptr: *mut u8, len: *mut i32) -> Result<(), u32> {
    // SAFETY: the caller has looked at both pointers; so much room is the program's word.
    unsafe {
        let room = usize::try_from(*len).unwrap_or(0);
        // Some truths have one byte. Those who give room for a `BOOL` get all of it.
        let needed = if is_byte { 1 } else { value.len() };
        if room < needed {
            *len = value.len() as i32;
            return Err(WSAEFAULT);
        }
        std::ptr::copy_nonoverlapping(value.as_ptr(), ptr, room.min(value.len()));
        *len = needed as i32;
    }
    Ok(())
}

/// Whether Windows tells of this option in one byte.
fn is_byte(level: i32, name: i32) -> bool {
    matches!((level, name), (SOL_SOCKET, SO_KEEPALIVE) | (IPPROTO_TCP, TCP_NODELAY) | (IPPROTO_IPV6, IPV6_V6ONLY))
}

export! {
    fn wsk_setsockopt(s: abi::Socket, level: i32, name: i32, value: *const u8, len: i32) -> i32, SOCKET_ERROR => {
        answer(find(s).and_then(|socket| {
            let len = usize::try_from(len).map_err(|_| WSAEFAULT)?;
            // Without a listener, as programs have it that connect.
            if value.is_null() && (name != SO_UPDATE_CONNECT_CONTEXT || level != SOL_SOCKET) {
                return Err(WSAEFAULT);
            }
            let value = if value.is_null() { &[][..] } else { std::slice::from_raw_parts(value, len.min(1024)) };
            set(&socket, level, name, value)
        }))
    }

    fn wsk_getsockopt(s: abi::Socket, level: i32, name: i32, value: *mut u8, len: *mut i32) -> i32, SOCKET_ERROR => {
        // A setting of the thread's, not of a socket.
        if level == SOL_SOCKET && name == SO_OPENTYPE && !value.is_null() && !len.is_null() {
            return answer(write_value(&0i32.to_ne_bytes(), false, value, len));
        }
        answer(find(s).and_then(|socket| {
            if value.is_null() || len.is_null() {
                return Err(WSAEFAULT);
            }
            write_value(&get(&socket, level, name)?, is_byte(level, name), value, len)
        }))
    }
}
