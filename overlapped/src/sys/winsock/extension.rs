//! Winsock's functions that its library does not export: they are asked for by name.

use std::ffi::c_void;
use std::io;
use std::os::windows::io::AsRawSocket;

use socket2::{Domain, Protocol, Socket, Type};
use windows_sys::Win32::Foundation::HANDLE;
use windows_sys::Win32::Networking::WinSock::{
    LPFN_ACCEPTEX, LPFN_CONNECTEX, LPFN_TRANSMITFILE, SIO_GET_EXTENSION_FUNCTION_POINTER, SO_UPDATE_CONNECT_CONTEXT,
    SOCKADDR, SOCKET, SOL_SOCKET, TRANSMIT_FILE_BUFFERS, WSAID_ACCEPTEX, WSAID_CONNECTEX, WSAID_TRANSMITFILE, WSAIoctl,
    setsockopt,
};
use windows_sys::Win32::System::IO::OVERLAPPED;
use windows_sys::core::{BOOL, GUID};

type AcceptEx =
    unsafe extern "system" fn(SOCKET, SOCKET, *mut c_void, u32, u32, u32, *mut u32, *mut OVERLAPPED) -> BOOL;
type ConnectEx =
    unsafe extern "system" fn(SOCKET, *const SOCKADDR, i32, *const c_void, u32, *mut u32, *mut OVERLAPPED) -> BOOL;
type TransmitFile =
    unsafe extern "system" fn(SOCKET, HANDLE, u32, u32, *mut OVERLAPPED, *const TRANSMIT_FILE_BUFFERS, u32) -> BOOL;

/// The functions, which are the same for all sockets of the system's own TCP.
#[derive(Clone, Copy)]
pub(super) struct Extensions {
    pub(super) accept: AcceptEx,
    pub(super) connect: ConnectEx,
    pub(super) transmit: TransmitFile,
}

impl Extensions {
    /// Asks for them. This makes the first socket, and so starts Winsock in this process.
    pub(super) fn load() -> io::Result<Extensions> {
        let socket = match Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP)) {
            Ok(socket) => socket,
            // A system without IPv4.
            Err(_) => Socket::new(Domain::IPV6, Type::STREAM, Some(Protocol::TCP))?,
        };
        let socket = socket.as_raw_socket() as SOCKET;
        // SAFETY: each is asked for by its own name, and has the type that goes with it.
        let (accept, connect, transmit) = unsafe {
            (
                ask::<LPFN_ACCEPTEX>(socket, &WSAID_ACCEPTEX)?,
                ask::<LPFN_CONNECTEX>(socket, &WSAID_CONNECTEX)?,
                ask::<LPFN_TRANSMITFILE>(socket, &WSAID_TRANSMITFILE)?,
            )
        };
        match (accept, connect, transmit) {
            (Some(accept), Some(connect), Some(transmit)) => Ok(Extensions { accept, connect, transmit }),
            _ => Err(io::ErrorKind::Unsupported.into()),
        }
    }
}

/// # Safety
/// `F` is an optional function pointer of the type that belongs to the name.
unsafe fn ask<F: Default>(socket: SOCKET, name: &GUID) -> io::Result<F> {
    let mut function = F::default();
    let mut returned = 0;
    // SAFETY: the name is read and the pointer written within the call; by the caller they go
    // together.
    let result = unsafe {
        WSAIoctl(
            socket,
            SIO_GET_EXTENSION_FUNCTION_POINTER,
            std::ptr::from_ref(name).cast(),
            size_of::<GUID>() as u32,
            (&raw mut function).cast(),
            size_of::<F>() as u32,
            &raw mut returned,
            std::ptr::null_mut(),
            None,
        )
    };
    if result == 0 { Ok(function) } else { Err(io::Error::last_os_error()) }
}

/// Finishes a `ConnectEx` after its packet has come. Without this the connection has no peer and
/// cannot be shut down.
pub(super) fn finish_connect(socket: SOCKET) -> io::Result<()> {
    // SAFETY: an open socket; the option has no value.
    let result = unsafe { setsockopt(socket, SOL_SOCKET, SO_UPDATE_CONNECT_CONTEXT, std::ptr::null(), 0) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
