//! From addresses to names: `getnameinfo`, and this machine's own name.

use std::ffi::{CStr, c_char};

use super::addrinfo::{code_of, host_name};
use super::wide::{Char, write};
use crate::abi::{SOCKET_ERROR, Wchar};
use crate::error::{
    ERROR_INSUFFICIENT_BUFFER, WSAEAFNOSUPPORT, WSAEFAULT, WSAHOST_NOT_FOUND, WSANO_RECOVERY, fail, set_last,
};
use crate::socket::address::Name;
use crate::socket::startup::started;

const FLAGS: [(i32, i32); 5] = [
    (1, libc::NI_NOFQDN),
    (2, libc::NI_NUMERICHOST),
    (4, libc::NI_NAMEREQD),
    (8, libc::NI_NUMERICSERV),
    (0x10, libc::NI_DGRAM),
];

fn look_up(name: &Name, flags: i32) -> Result<(String, String), u32> {
    let flags = FLAGS.iter().filter(|(ours, _)| flags & ours != 0).fold(0, |all, (_, system)| all | system);
    let (mut host, mut service) = ([0u8; 1025], [0u8; 64]);
    // SAFETY: it reads the name, as long as it is, and writes at most as much as there is room for.
    let failed = unsafe {
        libc::getnameinfo(
            name.ptr(),
            name.len(),
            host.as_mut_ptr().cast(),
            host.len() as libc::socklen_t,
            service.as_mut_ptr().cast(),
            service.len() as libc::socklen_t,
            flags,
        )
    };
    if failed != 0 {
        return Err(code_of(failed));
    }
    let text = |bytes: &[u8]| {
        CStr::from_bytes_until_nul(bytes).map_or_else(|_| String::new(), |text| text.to_string_lossy().into())
    };
    Ok((text(&host), text(&service)))
}

unsafe fn info<C: Char>(
    address: (*const u8, i32),
    host: (*mut C, u32),
    service: (*mut C, u32),
    flags: i32,
) -> Result<(), u32> {
    started()?;
    // SAFETY: the program says how long its memory is.
    unsafe {
        let name = Name::read(address.0, address.1).map_err(|code| match code {
            WSAEAFNOSUPPORT => WSAEAFNOSUPPORT,
            _ => WSAEFAULT,
        })?;
        let wants = |to: (*mut C, u32)| !to.0.is_null() && to.1 > 0;
        if !wants(host) && !wants(service) {
            return Err(WSAHOST_NOT_FOUND);
        }
        let (host_text, service_text) = look_up(&name, flags)?;
        for (text, to) in [(host_text, host), (service_text, service)] {
            if wants(to) && !write(&text, to.0, to.1 as usize) {
                return Err(ERROR_INSUFFICIENT_BUFFER);
            }
        }
    }
    Ok(())
}

fn code(result: Result<(), u32>) -> i32 {
    match result {
        Ok(()) => 0,
        Err(code) => {
            set_last(code);
            code as i32
        }
    }
}

unsafe fn own_name<C: Char>(to: *mut C, len: i32) -> i32 {
    if let Err(code) = started() {
        return fail(code, SOCKET_ERROR);
    }
    // SAFETY: there is as much room as the program says.
    match usize::try_from(len).is_ok_and(|len| unsafe { write(&host_name(), to, len) }) {
        true => 0,
        false => fail(WSAEFAULT, SOCKET_ERROR),
    }
}

export! {
    fn wsk_getnameinfo(
        address: *const u8, len: i32, host: *mut u8, host_len: u32, service: *mut u8, service_len: u32, flags: i32,
    ) -> i32, WSANO_RECOVERY as i32 => {
        code(info((address, len), (host, host_len), (service, service_len), flags))
    }

    fn wsk_GetNameInfoW(
        address: *const u8, len: i32, host: *mut Wchar, host_len: u32, service: *mut Wchar, service_len: u32, flags: i32,
    ) -> i32, WSANO_RECOVERY as i32 => {
        code(info((address, len), (host, host_len), (service, service_len), flags))
    }

    fn wsk_gethostname(to: *mut c_char, len: i32) -> i32, SOCKET_ERROR => { own_name(to.cast::<u8>(), len) }
    fn wsk_GetHostNameW(to: *mut Wchar, len: i32) -> i32, SOCKET_ERROR => { own_name(to, len) }
}
