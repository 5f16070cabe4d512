//! `ioctlsocket` and `WSAIoctl`.

use std::ffi::c_void;
use std::sync::Arc;

use super::address::Name;
use super::entry::{Socket, State};
use super::options::set_system;
use super::startup::{answer, find};
use super::transfer;
use crate::abi::{self, Dword, Guid, Overlapped, SOCKET_ERROR};
use crate::deliver::Codes;
use crate::error::status::STATUS_SUCCESS;
use crate::error::{WSAEFAULT, WSAEINVAL, WSAENOTSOCK, WSAEOPNOTSUPP, fail};
use crate::io::start::{Told, refuse, ticket};
use crate::io::{attempt, extension, transmit};
use crate::thread::CompletionRoutine;

const FIONBIO: u32 = 0x8004_667E;
const FIONREAD: u32 = 0x4004_667F;
const FIOASYNC: u32 = 0x8004_667D;
const SIOCATMARK: u32 = 0x4004_7307;
const SIO_GET_EXTENSION_FUNCTION_POINTER: u32 = 0xC800_0006;
const SIO_KEEPALIVE_VALS: u32 = 0x9800_0004;
const SIO_UDP_CONNRESET: u32 = 0x9800_000C;
const SIO_UDP_NETRESET: u32 = 0x9800_000F;
const SIO_LOOPBACK_FAST_PATH: u32 = 0x9800_0010;
const SIO_FLUSH: u32 = 0x2800_0004;
const SIO_GET_BROADCAST_ADDRESS: u32 = 0x4800_0005;
const SIO_BASE_HANDLE: u32 = 0x4800_0022;
const SIO_IDEAL_SEND_BACKLOG_QUERY: u32 = 0x4004_747B;
const SIO_ADDRESS_LIST_QUERY: u32 = 0x4800_0016;
const SIO_ROUTING_INTERFACE_QUERY: u32 = 0xC800_0014;
const SIO_GET_INTERFACE_LIST: u32 = 0x4004_747F;

const fn guid(data1: u32, data2: u16, data3: u16, data4: [u8; 8]) -> Guid {
    Guid { data1, data2, data3, data4 }
}

const FIRST: [u8; 8] = [0x95, 0xca, 0x00, 0x80, 0x5f, 0x48, 0xa1, 0x92];
const TRANSMIT_FILE: Guid = guid(0xb536_7df0, 0xcbac, 0x11cf, FIRST);
const ACCEPT_EX: Guid = guid(0xb536_7df1, 0xcbac, 0x11cf, FIRST);
const GET_ACCEPT_EX_SOCKADDRS: Guid = guid(0xb536_7df2, 0xcbac, 0x11cf, FIRST);
const TRANSMIT_PACKETS: Guid = guid(0xd968_9da0, 0x1f90, 0x11d3, [0x99, 0x71, 0x00, 0xc0, 0x4f, 0x68, 0xc8, 0x76]);
const CONNECT_EX: Guid = guid(0x25a2_07b9, 0xddf3, 0x4660, [0x8e, 0xe9, 0x76, 0xe5, 0x8c, 0x74, 0x06, 0x3e]);
const DISCONNECT_EX: Guid = guid(0x7fda_2e11, 0x8630, 0x436f, [0xa0, 0x31, 0xf5, 0x36, 0xa6, 0xee, 0xc1, 0x57]);
const RECV_MSG: Guid = guid(0xf689_d7c8, 0x6f1f, 0x436b, [0x8a, 0x53, 0xe5, 0x4f, 0xe3, 0x51, 0xc3, 0x22]);
const SEND_MSG: Guid = guid(0xa441_e712, 0x754f, 0x43ca, [0x84, 0xa7, 0x0d, 0xee, 0x44, 0xcf, 0x60, 0x6d]);

/// The extension function with this name.
fn extension_function(guid: Guid) -> Option<*const c_void> {
    Some(match guid {
        ACCEPT_EX => extension::wsk_AcceptEx as *const c_void,
        GET_ACCEPT_EX_SOCKADDRS => extension::wsk_GetAcceptExSockaddrs as *const c_void,
        CONNECT_EX => extension::wsk_ConnectEx as *const c_void,
        DISCONNECT_EX => extension::wsk_DisconnectEx as *const c_void,
        TRANSMIT_FILE => transmit::wsk_TransmitFile as *const c_void,
        TRANSMIT_PACKETS => transmit::wsk_TransmitPackets as *const c_void,
        RECV_MSG => transfer::wsk_WSARecvMsg as *const c_void,
        SEND_MSG => transfer::wsk_WSASendMsg as *const c_void,
        _ => return None,
    })
}

/// A number that the system tells of a descriptor.
fn told_number(socket: &Socket, request: libc::c_ulong) -> Result<u32, u32> {
    let core = socket.core();
    let mut number: libc::c_int = 0;
    // SAFETY: it writes one `int`, and there is room for it.
    match unsafe { libc::ioctl(core.fd, request, &raw mut number) } {
        0 => Ok(number as u32),
        _ => Err(WSAEINVAL),
    }
}

fn set_nonblocking(socket: &Socket, on: bool) -> Result<(), u32> {
    let mut core = socket.core();
    if core.state == State::Closed {
        return Err(WSAENOTSOCK);
    }
    // What is watched with events does not block.
    if !on && core.watched.is_some() {
        return Err(WSAEINVAL);
    }
    core.nonblocking = on;
    Ok(())
}

fn set_number(socket: &Socket, level: i32, name: i32, value: i32) -> Result<(), u32> {
    set_system(&mut socket.core(), level, name, &value.to_ne_bytes()).map_err(|_| WSAEINVAL)
}

/// `tcp_keepalive`: whether, after how many milliseconds, and how many between probes.
fn keep_alive(socket: &Socket, values: &[u8]) -> Result<(), u32> {
    let number =
        |at: usize| values.get(at..at + 4).map(|four| u32::from_ne_bytes([four[0], four[1], four[2], four[3]]));
    let (Some(on), Some(time), Some(interval)) = (number(0), number(4), number(8)) else { return Err(WSAEFAULT) };
    set_number(socket, libc::SOL_SOCKET, libc::SO_KEEPALIVE, (on != 0).into())?;
    if on != 0 {
        // The system counts whole seconds.
        let seconds = |milliseconds: u32| milliseconds.div_ceil(1000).clamp(1, 32767) as i32;
        set_number(socket, libc::IPPROTO_TCP, libc::TCP_KEEPIDLE, seconds(time))?;
        set_number(socket, libc::IPPROTO_TCP, libc::TCP_KEEPINTVL, seconds(interval))?;
    }
    Ok(())
}

fn ioctl(socket: &Arc<Socket>, code: u32, given: &[u8]) -> Result<Vec<u8>, u32> {
    let truth = || given.get(..4).map(|four| four != [0; 4]).ok_or(WSAEFAULT);
    match code {
        FIONBIO => set_nonblocking(socket, truth()?).map(|()| Vec::new()),
        FIOASYNC | SIO_FLUSH | SIO_LOOPBACK_FAST_PATH | SIO_UDP_NETRESET => Ok(Vec::new()),
        FIONREAD => {
            if socket.core().state == State::Listening {
                return Err(WSAEINVAL);
            }
            Ok(told_number(socket, libc::FIONREAD)?.to_ne_bytes().to_vec())
        }
        SIOCATMARK => {
            // The system says no as well if there is no mark at all.
            let no_mark = !attempt::is_ready(socket.core().fd, libc::POLLPRI);
            let at = if no_mark || !socket.is_stream() { 1 } else { told_number(socket, 0x8905)? };
            Ok(at.to_ne_bytes().to_vec())
        }
        SIO_KEEPALIVE_VALS => keep_alive(socket, given).map(|()| Vec::new()),
        SIO_UDP_CONNRESET => {
            socket.core().kept.port_unreachable = truth()?;
            Ok(Vec::new())
        }
        SIO_GET_EXTENSION_FUNCTION_POINTER => {
            let bytes = given.get(..size_of::<Guid>()).ok_or(WSAEFAULT)?;
            // SAFETY: there are as many bytes, and any are a GUID.
            let guid = unsafe { bytes.as_ptr().cast::<Guid>().read_unaligned() };
            let function = extension_function(guid).ok_or(WSAEINVAL)?;
            Ok((function as usize).to_ne_bytes().to_vec())
        }
        SIO_GET_BROADCAST_ADDRESS => {
            let mut name = [0u8; 16];
            name[0] = 2;
            name[4..8].fill(255);
            Ok(name.to_vec())
        }
        SIO_IDEAL_SEND_BACKLOG_QUERY => Ok(65536u32.to_ne_bytes().to_vec()),
        SIO_ADDRESS_LIST_QUERY | SIO_ROUTING_INTERFACE_QUERY | SIO_GET_INTERFACE_LIST => Err(WSAEOPNOTSUPP),
        _ => Err(WSAEOPNOTSUPP),
    }
}

/// The address that the system would send from, to a destination.
fn source_for(socket: &Socket, to: &Name) -> Result<Name, u32> {
    let probe = super::descriptor::descriptor(socket.family, libc::SOCK_DGRAM, 0)?;
    let fd = std::os::fd::AsRawFd::as_raw_fd(&probe);
    // SAFETY: it reads the name, as long as it is. Nothing is sent.
    match unsafe { libc::connect(fd, to.ptr(), to.len()) } {
        0 => Name::local(fd).map_err(crate::error::system::wsa_of),
        _ => Err(crate::error::system::last_wsa()),
    }
}

unsafe fn bytes_of<'a>(ptr: *const u8, len: u32) -> &'a [u8] {
    match ptr.is_null() {
        true => &[],
        // SAFETY: so many bytes can be read there, as the program says.
        false => unsafe { std::slice::from_raw_parts(ptr, len as usize) },
    }
}

export! {
    fn wsk_ioctlsocket(s: abi::Socket, command: i32, argument: *mut u32) -> i32, SOCKET_ERROR => {
        answer(find(s).and_then(|socket| {
            if argument.is_null() {
                return Err(WSAEFAULT);
            }
            let told = ioctl(&socket, command as u32, bytes_of(argument.cast(), 4))?;
            if let Some(four) = told.get(..4) {
                argument.write(u32::from_ne_bytes([four[0], four[1], four[2], four[3]]));
            }
            Ok(())
        }))
    }

    fn wsk_WSAIoctl(
        s: abi::Socket, code: Dword, given: *const u8, given_len: Dword, out: *mut u8, out_len: Dword,
        bytes: *mut Dword, overlapped: *mut Overlapped, routine: Option<CompletionRoutine>,
    ) -> i32, SOCKET_ERROR => {
        let told = find(s).and_then(|socket| {
            if bytes.is_null() && overlapped.is_null() {
                return Err(WSAEFAULT);
            }
            let told = match code {
                SIO_BASE_HANDLE => s.to_ne_bytes().to_vec(),
                SIO_ROUTING_INTERFACE_QUERY => {
                    let name = source_for(&socket, &Name::read(given, given_len as i32)?)?;
                    let mut room = [0u8; 128];
                    let mut len = 128;
                    name.write(room.as_mut_ptr(), &raw mut len);
                    room[..len as usize].to_vec()
                }
                code => ioctl(&socket, code, bytes_of(given, given_len))?,
            };
            if !told.is_empty() && out.is_null() {
                return Err(WSAEFAULT);
            }
            if told.len() > out_len as usize {
                if !bytes.is_null() {
                    *bytes = told.len() as u32;
                }
                return Err(WSAEFAULT);
            }
            Ok((socket, told))
        });
        let (socket, told) = match told {
            Ok(told) => told,
            Err(code) => return fail(code, SOCKET_ERROR),
        };
        std::ptr::copy_nonoverlapping(told.as_ptr(), out, told.len());
        if !bytes.is_null() {
            *bytes = told.len() as u32;
        }
        if overlapped.is_null() {
            return 0;
        }
        match ticket(&socket, Told::Later { overlapped, routine, codes: Codes::Wsa }) {
            Ok(Some(ticket)) => {
                ticket.finish_now(STATUS_SUCCESS, told.len() as u32, 0);
                0
            }
            Ok(None) => 0,
            Err(code) => answer(refuse(None, code)),
        }
    }
}
