//! The older calls, whose results stay until the thread asks again: `gethostbyname`,
//! `getservbyname`, `getprotobyname` and their relatives.

use std::cell::RefCell;
use std::ffi::{CStr, CString, c_char};
use std::net::IpAddr;
use std::ptr;

use super::addrinfo::{Wanted, host_name, look_up};
use super::wide::from_narrow;
use crate::error::{WSAEFAULT, WSAEINVAL, WSAHOST_NOT_FOUND, WSANO_DATA, fail};
use crate::socket::address::{AF_INET, AF_INET6, windows_family};
use crate::socket::startup::started;

/// `HOSTENT`
#[repr(C)]
pub(crate) struct Host {
    name: *const c_char,
    aliases: *mut *const c_char,
    family: i16,
    len: i16,
    addresses: *mut *const c_char,
}

/// `SERVENT` on 64 bits.
#[repr(C)]
pub(crate) struct Service {
    name: *const c_char,
    aliases: *mut *const c_char,
    protocol: *const c_char,
    port: i16,
}

/// `PROTOENT`
#[repr(C)]
pub(crate) struct Protocol {
    name: *const c_char,
    aliases: *mut *const c_char,
    number: i16,
}

/// What the answers of a thread point to.
struct Kept {
    host: Host,
    service: Service,
    protocol: Protocol,
    texts: Vec<CString>,
    bytes: Vec<[u8; 16]>,
    pointers: Vec<*const c_char>,
    none: [*const c_char; 1],
}

thread_local! {
    static KEPT: RefCell<Box<Kept>> = RefCell::new(Box::new(Kept {
        host: Host { name: ptr::null(), aliases: ptr::null_mut(), family: 0, len: 0, addresses: ptr::null_mut() },
        service: Service { name: ptr::null(), aliases: ptr::null_mut(), protocol: ptr::null(), port: 0 },
        protocol: Protocol { name: ptr::null(), aliases: ptr::null_mut(), number: 0 },
        texts: Vec::new(),
        bytes: Vec::new(),
        pointers: Vec::new(),
        none: [ptr::null()],
    }));
}

fn keep_host(name: String, addresses: &[IpAddr], family: i32) -> *const Host {
    KEPT.with(|kept| {
        let kept = &mut **kept.borrow_mut();
        kept.texts = CString::new(name).into_iter().collect();
        kept.bytes = addresses
            .iter()
            .map(|ip| match ip {
                IpAddr::V4(ip) => {
                    let mut bytes = [0; 16];
                    bytes[..4].copy_from_slice(&ip.octets());
                    bytes
                }
                IpAddr::V6(ip) => ip.octets(),
            })
            .collect();
        kept.pointers = kept.bytes.iter().map(|bytes| bytes.as_ptr().cast()).chain([ptr::null()]).collect();
        kept.host = Host {
            name: kept.texts.first().map_or(ptr::null(), |text| text.as_ptr()),
            aliases: kept.none.as_mut_ptr(),
            family: windows_family(family) as i16,
            len: if family == libc::AF_INET { 4 } else { 16 },
            addresses: kept.pointers.as_mut_ptr(),
        };
        &raw const kept.host
    })
}

fn host_by_name(name: Option<String>) -> Result<*const Host, u32> {
    started()?;
    let name = name.filter(|name| !name.is_empty()).unwrap_or_else(host_name);
    let wanted = Wanted { family: AF_INET, flags: 2, ..Wanted::default() };
    let own = host_name();
    let found = match look_up(Some(&name), None, wanted) {
        Err(WSAHOST_NOT_FOUND) if name == own => look_up(Some("localhost"), None, wanted),
        found => found,
    };
    let (names, canonical) = found?;
    let addresses: Vec<IpAddr> = names.iter().filter_map(|name| name.ip()).collect();
    if addresses.is_empty() {
        return Err(WSANO_DATA);
    }
    Ok(keep_host(canonical.unwrap_or(name), &addresses, libc::AF_INET))
}

unsafe fn host_by_address(address: *const u8, len: i32, family: i32) -> Result<*const Host, u32> {
    started()?;
    if address.is_null() {
        return Err(WSAEFAULT);
    }
    // SAFETY: the program says how long its address is.
    let (ip, system) = unsafe {
        match (family, len) {
            (AF_INET, 4..) => (IpAddr::from(address.cast::<[u8; 4]>().read_unaligned()), libc::AF_INET),
            (AF_INET6, 16..) => (IpAddr::from(address.cast::<[u8; 16]>().read_unaligned()), libc::AF_INET6),
            (AF_INET | AF_INET6, _) => return Err(WSAEFAULT),
            _ => return Err(WSAEINVAL),
        }
    };
    let name = crate::socket::address::Name::of((ip, 0).into());
    let mut host = [0u8; 1025];
    // SAFETY: it reads the name, and writes at most as much as there is room for.
    let failed = unsafe {
        libc::getnameinfo(
            name.ptr(),
            name.len(),
            host.as_mut_ptr().cast(),
            host.len() as u32,
            ptr::null_mut(),
            0,
            libc::NI_NAMEREQD,
        )
    };
    let text = CStr::from_bytes_until_nul(&host).ok().filter(|_| failed == 0).ok_or(WSAHOST_NOT_FOUND)?;
    Ok(keep_host(text.to_string_lossy().into_owned(), &[ip], system))
}

/// What the file of services, or of protocols, says: lines of a name, a number and other names.
fn lines(file: &str) -> Vec<Vec<String>> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let words = |line: &str| line.split('#').next().unwrap_or("").split_whitespace().map(str::to_owned).collect();
    text.lines().map(words).filter(|words: &Vec<String>| words.len() >= 2).collect()
}

/// Those that programs ask for, where the system has no file.
const SERVICES: [(&str, u16, &str); 12] = [
    ("echo", 7, "tcp"),
    ("echo", 7, "udp"),
    ("discard", 9, "tcp"),
    ("daytime", 13, "tcp"),
    ("ftp", 21, "tcp"),
    ("telnet", 23, "tcp"),
    ("smtp", 25, "tcp"),
    ("time", 37, "tcp"),
    ("domain", 53, "udp"),
    ("http", 80, "tcp"),
    ("pop3", 110, "tcp"),
    ("https", 443, "tcp"),
];
const PROTOCOLS: [(&str, i16); 5] = [("ip", 0), ("icmp", 1), ("tcp", 6), ("udp", 17), ("ipv6", 41)];

fn service(is: impl Fn(&[&str], u16, &str) -> bool) -> Result<*const Service, u32> {
    started()?;
    let of_file = lines("/etc/services").into_iter().filter_map(|words| {
        let (port, protocol) = words[1].split_once('/')?;
        let port = port.parse().ok()?;
        let names: Vec<&str> = std::iter::once(&words[0]).chain(&words[2..]).map(String::as_str).collect();
        is(&names, port, protocol).then(|| (words[0].clone(), port, protocol.to_owned()))
    });
    let known = SERVICES.iter().filter(|(name, port, protocol)| is(&[name], *port, protocol));
    let known = known.map(|(name, port, protocol)| ((*name).to_owned(), *port, (*protocol).to_owned()));
    let (name, port, protocol) = of_file.chain(known).next().ok_or(WSANO_DATA)?;
    KEPT.with(|kept| {
        let kept = &mut **kept.borrow_mut();
        kept.texts = [name, protocol].into_iter().filter_map(|text| CString::new(text).ok()).collect();
        let text = |at: usize| kept.texts.get(at).map_or(ptr::null(), |text| text.as_ptr());
        kept.service =
            Service { name: text(0), aliases: kept.none.as_mut_ptr(), protocol: text(1), port: port.to_be() as i16 };
        Ok(&raw const kept.service)
    })
}

fn protocol(is: impl Fn(&str, i16) -> bool) -> Result<*const Protocol, u32> {
    started()?;
    let of_file = lines("/etc/protocols").into_iter().filter_map(|words| {
        let number = words[1].parse().ok()?;
        words.iter().any(|name| is(name, number)).then(|| (words[0].clone(), number))
    });
    let known = PROTOCOLS.iter().filter(|(name, number)| is(name, *number));
    let (name, number) =
        of_file.chain(known.map(|(name, number)| ((*name).to_owned(), *number))).next().ok_or(WSANO_DATA)?;
    KEPT.with(|kept| {
        let kept = &mut **kept.borrow_mut();
        kept.texts = CString::new(name).into_iter().collect();
        let name = kept.texts.first().map_or(ptr::null(), |text| text.as_ptr());
        kept.protocol = Protocol { name, aliases: kept.none.as_mut_ptr(), number };
        Ok(&raw const kept.protocol)
    })
}

fn pointer<T>(result: Result<*const T, u32>) -> *const T {
    result.unwrap_or_else(|code| fail(code, ptr::null()))
}

export! {
    fn wsk_gethostbyname(name: *const c_char) -> *const Host, ptr::null() => { pointer(host_by_name(from_narrow(name))) }

    fn wsk_gethostbyaddr(address: *const u8, len: i32, family: i32) -> *const Host, ptr::null() => {
        pointer(host_by_address(address, len, family))
    }

    fn wsk_getservbyname(name: *const c_char, kind: *const c_char) -> *const Service, ptr::null() => {
        let (name, kind) = (from_narrow(name), from_narrow(kind));
        match name {
            Some(name) => pointer(service(|names, _, protocol| {
                names.contains(&name.as_str()) && kind.as_ref().is_none_or(|kind| kind == protocol)
            })),
            None => fail(WSAEFAULT, ptr::null()),
        }
    }

    fn wsk_getservbyport(port: i32, kind: *const c_char) -> *const Service, ptr::null() => {
        let (port, kind) = (u16::from_be(port as u16), from_narrow(kind));
        pointer(service(|_, one, protocol| one == port && kind.as_ref().is_none_or(|kind| kind == protocol)))
    }

    fn wsk_getprotobyname(name: *const c_char) -> *const Protocol, ptr::null() => {
        match from_narrow(name) {
            Some(name) => pointer(protocol(|one, _| one.eq_ignore_ascii_case(&name))),
            None => fail(WSAEFAULT, ptr::null()),
        }
    }

    fn wsk_getprotobynumber(number: i32) -> *const Protocol, ptr::null() => {
        pointer(protocol(|_, one| i32::from(one) == number))
    }
}
