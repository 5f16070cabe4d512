//! `WSAStartup`, and finding the socket that a call is about.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::entry::Socket;
use crate::abi::{self, SOCKET_ERROR};
use crate::error::{WSAEFAULT, WSAENOTSOCK, WSANOTINITIALISED, WSASYSNOTREADY, WSAVERNOTSUPPORTED, fail};
use crate::handles;
use crate::io::{exit, fork, hub, threads};

static STARTED: AtomicU32 = AtomicU32::new(0);

/// `WSADATA`.
#[repr(C)]
pub(crate) struct WsaData {
    version: u16,
    high_version: u16,
    max_sockets: u16,
    max_datagram: u16,
    vendor: *mut u8,
    description: [u8; 257],
    status: [u8; 129],
}

/// Whether Winsock has been started.
///
/// # Errors
/// `WSANOTINITIALISED`.
pub(crate) fn started() -> Result<(), u32> {
    if STARTED.load(Ordering::Relaxed) == 0 || fork::is_child() { Err(WSANOTINITIALISED) } else { Ok(()) }
}

/// The socket that a value means.
///
/// # Errors
/// `WSANOTINITIALISED`, `WSAENOTSOCK`.
pub(crate) fn find(s: abi::Socket) -> Result<Arc<Socket>, u32> {
    started()?;
    handles::get::<Socket>(s).ok_or(WSAENOTSOCK)
}

/// What a call returns that has 0 for success.
pub(crate) fn answer(result: Result<(), u32>) -> i32 {
    match result {
        Ok(()) => 0,
        Err(code) => fail(code, SOCKET_ERROR),
    }
}

/// The version that a program gets: the one that it asks for, at most 2.2.
fn granted(asked: u16) -> Option<u16> {
    let (major, minor) = (asked & 0xFF, asked >> 8);
    match (major, minor) {
        (0, _) => None,
        (1, minor) => Some(1 | minor.min(1) << 8),
        (2, minor) => Some(2 | minor.min(2) << 8),
        _ => Some(0x202),
    }
}

fn text<const N: usize>(text: &str) -> [u8; N] {
    let mut bytes = [0; N];
    bytes[..text.len()].copy_from_slice(text.as_bytes());
    bytes
}

export! {
    fn wsk_WSAStartup(asked: u16, data: *mut WsaData) -> i32, WSASYSNOTREADY as i32 => {
        let Some(version) = granted(asked) else { return WSAVERNOTSUPPORTED as i32 };
        if data.is_null() {
            return WSAEFAULT as i32;
        }
        if fork::is_child() || hub::hub().is_none() {
            return WSASYSNOTREADY as i32;
        }
        data.write(WsaData {
            version,
            high_version: 0x202,
            max_sockets: if version & 0xFF == 1 { 32767 } else { 0 },
            max_datagram: if version & 0xFF == 1 { 65467 } else { 0 },
            vendor: std::ptr::null_mut(),
            description: text("WinSock 2.0"),
            status: text("Running"),
        });
        threads::watch();
        exit::watch();
        fork::watch();
        STARTED.fetch_add(1, Ordering::Relaxed);
        0
    }

    fn wsk_WSACleanup() -> i32, SOCKET_ERROR => {
        let less = |count: u32| count.checked_sub(1);
        match STARTED.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less) {
            Ok(_) => 0,
            Err(_) => fail(WSANOTINITIALISED, SOCKET_ERROR),
        }
    }
}
