//! `WSAConnectByName` and `WSAConnectByList`: one address after the other, until one connects.

use std::ffi::c_char;

use super::addrinfo::{Wanted, look_up};
use super::wide::{from_narrow, from_wide};
use crate::abi::{self, Bool, Dword, FALSE, Overlapped, TRUE, Wchar};
use crate::error::{WSAEFAULT, WSAEINVAL, WSAHOST_NOT_FOUND, fail, last};
use crate::socket::address::{Name, windows_family};
use crate::socket::connecting::wsk_connect;
use crate::socket::naming::{wsk_getpeername, wsk_getsockname};
use crate::socket::startup::find;

/// Where the names of both ends are written.
struct Ends {
    local_len: *mut Dword,
    local: *mut u8,
    remote_len: *mut Dword,
    remote: *mut u8,
}

/// `SOCKET_ADDRESS_LIST`
#[repr(C)]
pub(crate) struct AddressList {
    count: i32,
    first: [Listed; 0],
}

/// `SOCKET_ADDRESS`
#[repr(C)]
#[derive(Clone, Copy)]
struct Listed {
    address: *const u8,
    len: i32,
}

unsafe fn connect(s: abi::Socket, names: &[Name], ends: &Ends) -> Bool {
    // SAFETY: the memory is this function's, or the program's as it says.
    unsafe {
        for name in names {
            let mut bytes = [0u8; 128];
            let mut len = 128;
            name.write(bytes.as_mut_ptr(), &raw mut len);
            if wsk_connect(s, bytes.as_ptr(), len) == 0 {
                if !ends.local.is_null() && !ends.local_len.is_null() {
                    wsk_getsockname(s, ends.local, ends.local_len.cast());
                }
                if !ends.remote.is_null() && !ends.remote_len.is_null() {
                    wsk_getpeername(s, ends.remote, ends.remote_len.cast());
                }
                return TRUE;
            }
        }
    }
    if names.is_empty() { fail(WSAHOST_NOT_FOUND, FALSE) } else { fail(last(), FALSE) }
}

unsafe fn by_name(
    s: abi::Socket,
    node: Option<String>,
    service: Option<String>,
    overlapped: *mut Overlapped,
    ends: &Ends,
) -> Bool {
    let found = find(s).and_then(|socket| {
        if !overlapped.is_null() {
            return Err(WSAEINVAL);
        }
        let (Some(node), Some(service)) = (node, service) else { return Err(WSAEINVAL) };
        let wanted = Wanted { family: windows_family(socket.family), kind: socket.kind, ..Wanted::default() };
        Ok(look_up(Some(&node), Some(&service), wanted)?.0)
    });
    match found {
        // SAFETY: as the program says.
        Ok(names) => unsafe { connect(s, &names, ends) },
        Err(code) => fail(code, FALSE),
    }
}

export! {
    /// The time limit is not looked at: each attempt has the system's.
    fn wsk_WSAConnectByNameA(
        s: abi::Socket, node: *const c_char, service: *const c_char, local_len: *mut Dword, local: *mut u8,
        remote_len: *mut Dword, remote: *mut u8, _limit: *const libc::timeval, overlapped: *mut Overlapped,
    ) -> Bool, FALSE => {
        let ends = Ends { local_len, local, remote_len, remote };
        by_name(s, from_narrow(node), from_narrow(service), overlapped, &ends)
    }

    fn wsk_WSAConnectByNameW(
        s: abi::Socket, node: *const Wchar, service: *const Wchar, local_len: *mut Dword, local: *mut u8,
        remote_len: *mut Dword, remote: *mut u8, _limit: *const libc::timeval, overlapped: *mut Overlapped,
    ) -> Bool, FALSE => {
        let ends = Ends { local_len, local, remote_len, remote };
        by_name(s, from_wide(node), from_wide(service), overlapped, &ends)
    }

    fn wsk_WSAConnectByList(
        s: abi::Socket, list: *const AddressList, local_len: *mut Dword, local: *mut u8,
        remote_len: *mut Dword, remote: *mut u8, _limit: *const libc::timeval, _overlapped: *mut Overlapped,
    ) -> Bool, FALSE => {
        if list.is_null() {
            return fail(WSAEFAULT, FALSE);
        }
        let count = usize::try_from((*list).count).unwrap_or(0);
        let listed = std::slice::from_raw_parts((&raw const (*list).first).cast::<Listed>(), count);
        let names: Vec<Name> = listed.iter().filter_map(|one| Name::read(one.address, one.len).ok()).collect();
        connect(s, &names, &Ends { local_len, local, remote_len, remote })
    }
}

/// `in6addr_any`
#[unsafe(no_mangle)]
pub static wsk_in6addr_any: [u8; 16] = [0; 16];

/// `in6addr_loopback`
#[unsafe(no_mangle)]
pub static wsk_in6addr_loopback: [u8; 16] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
