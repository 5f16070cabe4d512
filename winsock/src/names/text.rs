//! Addresses as text: `inet_…`, `InetPton`, `WSAAddressToString` and their ways back.

use std::cell::RefCell;
use std::ffi::c_char;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

use super::wide::{Char, from_narrow, from_wide, write};
use crate::abi::{SOCKET_ERROR, Wchar};
use crate::error::{ERROR_INVALID_PARAMETER, WSAEAFNOSUPPORT, WSAEFAULT, WSAEINVAL, fail};
use crate::socket::address::{AF_INET, AF_INET6, Name};
use crate::socket::startup::started;

const INADDR_NONE: u32 = u32::MAX;

/// An IPv4 address as BSD wrote it: one to four numbers, decimal, octal or hexadecimal.
fn classic(text: &str) -> Option<u32> {
    // What follows a blank is ignored.
    let text = text.split([' ', '\t', '\n', '\r']).next()?;
    let number = |part: &str| match part.strip_prefix("0x").or(part.strip_prefix("0X")) {
        Some(hex) => u32::from_str_radix(hex, 16).ok(),
        None if part.len() > 1 && part.starts_with('0') => u32::from_str_radix(part, 8).ok(),
        None if part.bytes().all(|byte| byte.is_ascii_digit()) => part.parse().ok(),
        None => None,
    };
    let parts: Vec<u32> = text.split('.').map(number).collect::<Option<_>>()?;
    let (last, first) = parts.split_last()?;
    let most = [u32::MAX, 0xFF_FFFF, 0xFFFF, 0xFF].get(first.len())?;
    if first.iter().any(|part| *part > 255) || last > most {
        return None;
    }
    Some(first.iter().zip([24, 16, 8]).fold(*last, |all, (part, shift)| all | part << shift))
}

unsafe fn pton(family: i32, text: Option<String>, to: *mut u8) -> i32 {
    let Some(text) = text.filter(|_| !to.is_null()) else { return fail(WSAEFAULT, -1) };
    // SAFETY: the program gives room for an address of this family.
    let put = |bytes: &[u8]| unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), to, bytes.len()) };
    match family {
        AF_INET => match text.parse::<Ipv4Addr>() {
            Ok(ip) => put(&ip.octets()),
            Err(_) => return 0,
        },
        AF_INET6 => match text.split('%').next().unwrap_or_default().parse::<Ipv6Addr>() {
            Ok(ip) => put(&ip.octets()),
            Err(_) => return 0,
        },
        _ => return fail(WSAEAFNOSUPPORT, -1),
    }
    1
}

unsafe fn ntop<C: Char>(family: i32, from: *const u8, to: *mut C, room: usize) -> *const C {
    if from.is_null() {
        return fail(ERROR_INVALID_PARAMETER, std::ptr::null());
    }
    // SAFETY: the program gives an address of this family, and room for its text.
    unsafe {
        let ip = match family {
            AF_INET => IpAddr::from(from.cast::<[u8; 4]>().read_unaligned()),
            AF_INET6 => IpAddr::from(from.cast::<[u8; 16]>().read_unaligned()),
            _ => return fail(WSAEAFNOSUPPORT, std::ptr::null()),
        };
        match write(&ip.to_string(), to, room) {
            true => to,
            false => fail(ERROR_INVALID_PARAMETER, std::ptr::null()),
        }
    }
}

fn with_port(name: &Name) -> Option<String> {
    let (ip, port) = (name.ip()?, name.port());
    Some(match ip {
        IpAddr::V4(ip) if port == 0 => ip.to_string(),
        IpAddr::V4(ip) => format!("{ip}:{port}"),
        IpAddr::V6(ip) => {
            let scope = if name.scope() > 0 { format!("%{}", name.scope()) } else { String::new() };
            if port == 0 { format!("{ip}{scope}") } else { format!("[{ip}{scope}]:{port}") }
        }
    })
}

unsafe fn to_text<C: Char>(name: *const u8, len: u32, to: *mut C, room: *mut u32) -> i32 {
    if let Err(code) = started() {
        return fail(code, SOCKET_ERROR);
    }
    if name.is_null() || to.is_null() || room.is_null() {
        return fail(WSAEFAULT, SOCKET_ERROR);
    }
    // SAFETY: none is null, and each is as long as the program says.
    unsafe {
        let text = match Name::read(name, len as i32) {
            Ok(name) => with_port(&name),
            Err(WSAEAFNOSUPPORT) => return fail(WSAEINVAL, SOCKET_ERROR),
            Err(code) => return fail(code, SOCKET_ERROR),
        };
        let Some(text) = text else { return fail(WSAEINVAL, SOCKET_ERROR) };
        let fits = write(&text, to, *room as usize);
        *room = text.len() as u32 + 1;
        if fits { 0 } else { fail(WSAEFAULT, SOCKET_ERROR) }
    }
}

fn v6_of(text: &str) -> Option<SocketAddrV6> {
    let (inner, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (inner, behind) = rest.split_once(']')?;
            let port = match behind.strip_prefix(':') {
                Some(port) => port.parse().ok()?,
                None if behind.is_empty() => 0,
                None => return None,
            };
            (inner, port)
        }
        None => (text, 0),
    };
    let (ip, scope) = match inner.split_once('%') {
        Some((ip, scope)) => (ip, scope.parse().ok()?),
        None => (inner, 0),
    };
    Some(SocketAddrV6::new(ip.parse().ok()?, port, 0, scope))
}

fn of_text(text: &str, family: i32) -> Option<Name> {
    let address = match family {
        AF_INET => {
            let (ip, port) = match text.split_once(':') {
                Some((ip, port)) => (ip, port.parse().ok()?),
                None => (text, 0),
            };
            SocketAddr::from((Ipv4Addr::from(classic(ip)?), port))
        }
        AF_INET6 => SocketAddr::V6(v6_of(text)?),
        _ => return None,
    };
    Some(Name::of(address))
}

unsafe fn from_text(text: Option<String>, family: i32, to: *mut u8, len: *mut i32) -> i32 {
    if let Err(code) = started() {
        return fail(code, SOCKET_ERROR);
    }
    let Some(text) = text else { return fail(WSAEINVAL, SOCKET_ERROR) };
    if to.is_null() || len.is_null() {
        return fail(WSAEFAULT, SOCKET_ERROR);
    }
    let Some(name) = of_text(&text, family) else { return fail(WSAEINVAL, SOCKET_ERROR) };
    // SAFETY: there is as much room as the program says.
    unsafe {
        if (*len as u32) < name.len() {
            *len = name.len() as i32;
            return fail(WSAEFAULT, SOCKET_ERROR);
        }
        name.write(to, len);
    }
    0
}

thread_local! {
    /// What `inet_ntoa` returned last on this thread.
    static NTOA: RefCell<[u8; 16]> = const { RefCell::new([0; 16]) };
}

export! {
    fn wsk_inet_addr(text: *const c_char) -> u32, INADDR_NONE => {
        match from_narrow(text).as_deref() {
            // As documented: a text of a blank is no error.
            Some(" ") => 0,
            Some(text) => classic(text).map_or(INADDR_NONE, u32::to_be),
            None => INADDR_NONE,
        }
    }

    fn wsk_inet_ntoa(address: u32) -> *const c_char, std::ptr::null() => {
        NTOA.with(|buffer| {
            let mut buffer = buffer.borrow_mut();
            write(&Ipv4Addr::from(u32::from_be(address)).to_string(), buffer.as_mut_ptr(), 16);
            buffer.as_ptr().cast()
        })
    }

    fn wsk_inet_pton(family: i32, text: *const c_char, to: *mut u8) -> i32, -1 => { pton(family, from_narrow(text), to) }
    fn wsk_InetPtonW(family: i32, text: *const Wchar, to: *mut u8) -> i32, -1 => { pton(family, from_wide(text), to) }

    fn wsk_inet_ntop(family: i32, from: *const u8, to: *mut u8, room: usize) -> *const u8, std::ptr::null() => {
        ntop(family, from, to, room)
    }

    fn wsk_InetNtopW(family: i32, from: *const u8, to: *mut Wchar, room: usize) -> *const Wchar, std::ptr::null() => {
        ntop(family, from, to, room)
    }

    fn wsk_WSAAddressToStringA(
        name: *const u8, len: u32, _info: *const u8, to: *mut u8, room: *mut u32,
    ) -> i32, SOCKET_ERROR => {
        to_text(name, len, to, room)
    }

    fn wsk_WSAAddressToStringW(
        name: *const u8, len: u32, _info: *const u8, to: *mut Wchar, room: *mut u32,
    ) -> i32, SOCKET_ERROR => {
        to_text(name, len, to, room)
    }

    fn wsk_WSAStringToAddressA(
        text: *const c_char, family: i32, _info: *const u8, to: *mut u8, len: *mut i32,
    ) -> i32, SOCKET_ERROR => {
        from_text(from_narrow(text), family, to, len)
    }

    fn wsk_WSAStringToAddressW(
        text: *const Wchar, family: i32, _info: *const u8, to: *mut u8, len: *mut i32,
    ) -> i32, SOCKET_ERROR => {
        from_text(from_wide(text), family, to, len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classic_addresses_have_one_to_four_numbers() {
        for (text, is) in [
            ("127.0.0.1", Some(0x7f00_0001)),
            ("127.1", Some(0x7f00_0001)),
            ("0x7f.0.0.1", Some(0x7f00_0001)),
            ("010.1.2.3 and more", Some(0x0801_0203)),
            ("1.2.65535", Some(0x0102_ffff)),
            ("256.1.1.1", None),
            ("1.2.3.4.5", None),
            ("", None),
            ("a.b.c.d", None),
        ] {
            assert_eq!(classic(text), is, "{text}");
        }
    }

    #[test]
    fn text_with_a_port_is_read_back() {
        for text in ["127.0.0.1:80", "[::1]:80", "::1", "10.0.0.1", "[fe80::1%3]:7"] {
            let family = if text.contains("::") { AF_INET6 } else { AF_INET };
            assert_eq!(with_port(&of_text(text, family).unwrap()).as_deref(), Some(text));
        }
        assert!(of_text("[::1]80", AF_INET6).is_none());
    }
}
