//! `getaddrinfo` and `GetAddrInfoW`.

use std::ffi::{CStr, CString, c_char};
use std::ptr;

use super::wide::{from_narrow, from_wide, to_c};
use crate::abi::Wchar;
use crate::error::{
    ERROR_NOT_ENOUGH_MEMORY, WSAEAFNOSUPPORT, WSAEINVAL, WSAESOCKTNOSUPPORT, WSAHOST_NOT_FOUND, WSANO_RECOVERY,
    WSATRY_AGAIN, WSATYPE_NOT_FOUND, set_last,
};
use crate::socket::address::{AF_UNSPEC, Name, system_family, windows_family};
use crate::socket::startup::started;

/// `ADDRINFOA` and `W`, which differ in the characters of the name.
#[repr(C)]
pub(crate) struct AddrInfo<C> {
    flags: i32,
    family: i32,
    kind: i32,
    protocol: i32,
    address_len: usize,
    canonical: *mut C,
    address: *mut u8,
    next: *mut AddrInfo<C>,
}

/// One entry with what it points to. The entry is first, so its address is that of the whole.
#[repr(C)]
struct Entry<C> {
    info: AddrInfo<C>,
    address: [u64; 16],
    canonical: Vec<C>,
}

const AI_PASSIVE: i32 = 1;
const AI_CANONNAME: i32 = 2;

/// Winsock's flags and the system's.
const FLAGS: [(i32, i32); 7] = [
    (AI_PASSIVE, libc::AI_PASSIVE),
    (AI_CANONNAME, libc::AI_CANONNAME),
    (4, libc::AI_NUMERICHOST),
    (8, libc::AI_NUMERICSERV),
    (0x100, libc::AI_ALL),
    (0x400, libc::AI_ADDRCONFIG),
    (0x800, libc::AI_V4MAPPED),
];

/// The Winsock code of a failed look-up.
pub(crate) fn code_of(failed: i32) -> u32 {
    match failed {
        libc::EAI_AGAIN => WSATRY_AGAIN,
        libc::EAI_FAIL => WSANO_RECOVERY,
        libc::EAI_FAMILY => WSAEAFNOSUPPORT,
        libc::EAI_SOCKTYPE => WSAESOCKTNOSUPPORT,
        libc::EAI_SERVICE => WSATYPE_NOT_FOUND,
        libc::EAI_MEMORY => ERROR_NOT_ENOUGH_MEMORY,
        libc::EAI_BADFLAGS => WSAEINVAL,
        _ => WSAHOST_NOT_FOUND,
    }
}

/// This machine's name.
pub(crate) fn host_name() -> String {
    let mut buffer = [0u8; 256];
    // SAFETY: it writes at most as many bytes as there is room for.
    unsafe { libc::gethostname(buffer.as_mut_ptr().cast(), buffer.len() - 1) };
    CStr::from_bytes_until_nul(&buffer).map_or_else(|_| String::new(), |name| name.to_string_lossy().into_owned())
}

/// What is wanted of a look-up.
#[derive(Clone, Copy, Default)]
pub(crate) struct Wanted {
    pub flags: i32,
    pub family: i32,
    pub kind: i32,
    pub protocol: i32,
}

/// Looks names up with the system. Returns the addresses and the canonical name.
pub(crate) fn look_up(
    node: Option<&str>,
    service: Option<&str>,
    wanted: Wanted,
) -> Result<(Vec<Name>, Option<String>), u32> {
    let family = if wanted.family == AF_UNSPEC { Some(libc::AF_UNSPEC) } else { system_family(wanted.family) };
    let family = family.filter(|family| *family != libc::AF_UNIX).ok_or(WSAEAFNOSUPPORT)?;
    if node.is_none() && service.is_none() {
        return Err(WSAHOST_NOT_FOUND);
    }
    let c = |text: Option<&str>| text.map(to_c).map_or(Ok(None), |text| text.map(Some).ok_or(WSAHOST_NOT_FOUND));
    // An empty name is this machine's.
    let own = node.filter(|node| node.is_empty()).map(|_| host_name());
    let mut node = c(own.as_deref().or(node))?;
    let service = c(service.filter(|service| !service.is_empty() || node.is_none()))?;
    // SAFETY: the structure is plain; strings and hints live through the call.
    let mut hints: libc::addrinfo = unsafe { std::mem::zeroed() };
    hints.ai_family = family;
    hints.ai_socktype = wanted.kind;
    hints.ai_protocol = wanted.protocol;
    hints.ai_flags = FLAGS.iter().filter(|(ours, _)| wanted.flags & ours != 0).fold(0, |all, (_, system)| all | system);
    let ptr_of = |text: &Option<CString>| text.as_ref().map_or(ptr::null(), |text| text.as_ptr());
    let mut list = ptr::null_mut();
    // SAFETY: as above.
    let mut failed = unsafe { libc::getaddrinfo(ptr_of(&node), ptr_of(&service), &raw const hints, &raw mut list) };
    if failed != 0 && own.is_some() {
        // A machine that does not know its own name knows at least this one.
        node = to_c("localhost");
        // SAFETY: as above.
        failed = unsafe { libc::getaddrinfo(ptr_of(&node), ptr_of(&service), &raw const hints, &raw mut list) };
    }
    if failed != 0 {
        return Err(code_of(failed));
    }
    let (mut names, mut canonical) = (Vec::<Name>::new(), None);
    let mut at = list;
    while !at.is_null() {
        // SAFETY: the list is the system's, and lives until it is freed below.
        let info = unsafe { &*at };
        let name = Name::filled(|to, len| {
            // SAFETY: an address is not larger than its storage.
            unsafe {
                ptr::copy_nonoverlapping(info.ai_addr.cast::<u8>(), to.cast::<u8>(), info.ai_addrlen as usize);
                *len = info.ai_addrlen;
            }
            0
        });
        // The system lists an address for each type.
        let known = |name: &Name| {
            names.iter().any(|one| (one.ip(), one.port(), one.scope()) == (name.ip(), name.port(), name.scope()))
        };
        names.extend(name.ok().filter(|name| !known(name)));
        if !info.ai_canonname.is_null() {
            // SAFETY: a string of the system's.
            canonical = unsafe { from_narrow(info.ai_canonname) };
        }
        at = info.ai_next;
    }
    // SAFETY: the list is not used any more.
    unsafe { libc::freeaddrinfo(list) };
    if node.is_none() && wanted.flags & AI_PASSIVE != 0 {
        // As on Windows, the newer family first.
        names.sort_by_key(|name| name.family() != libc::AF_INET6);
    }
    Ok((names, canonical))
}

trait Text: Copy {
    fn of(text: &str) -> Vec<Self>;
}
impl Text for u8 {
    fn of(text: &str) -> Vec<u8> {
        text.bytes().chain([0]).collect()
    }
}
impl Text for Wchar {
    fn of(text: &str) -> Vec<Wchar> {
        text.chars().map(u32::from).chain([0]).collect()
    }
}

unsafe fn get<C: Text>(
    node: Option<String>,
    service: Option<String>,
    hints: *const AddrInfo<C>,
    result: *mut *mut AddrInfo<C>,
) -> i32 {
    if result.is_null() {
        return WSAEINVAL as i32;
    }
    // SAFETY: the program gives room for a pointer, and hints or none.
    let (wanted, bad) = unsafe {
        *result = ptr::null_mut();
        match hints.as_ref() {
            Some(hints) => {
                let AddrInfo { flags, family, kind, protocol, .. } = *hints;
                let canonical = flags & AI_CANONNAME != 0 && node.is_none();
                (Wanted { flags, family, kind, protocol }, canonical)
            }
            None => (Wanted::default(), false),
        }
    };
    let found = match started() {
        Ok(()) if bad => Err(WSAEINVAL),
        Ok(()) => look_up(node.as_deref(), service.as_deref(), wanted),
        Err(code) => Err(code),
    };
    let (names, canonical) = match found {
        Ok(found) => found,
        Err(code) => {
            set_last(code);
            return code as i32;
        }
    };
    let mut next = ptr::null_mut();
    for (at, name) in names.iter().enumerate().rev() {
        let mut entry = Box::new(Entry {
            info: AddrInfo {
                flags: 0,
                family: windows_family(name.family()),
                kind: wanted.kind,
                protocol: wanted.protocol,
                address_len: name.len() as usize,
                canonical: ptr::null_mut(),
                address: ptr::null_mut(),
                next,
            },
            address: [0; 16],
            canonical: canonical.as_deref().filter(|_| at == 0).map(C::of).unwrap_or_default(),
        });
        let mut len = 128;
        entry.info.address = entry.address.as_mut_ptr().cast();
        // SAFETY: there is room for an address.
        unsafe { name.write(entry.info.address, &raw mut len) };
        if !entry.canonical.is_empty() {
            entry.info.canonical = entry.canonical.as_mut_ptr();
        }
        next = Box::into_raw(entry).cast();
    }
    // SAFETY: as above.
    unsafe { *result = next };
    0
}

unsafe fn free<C>(mut info: *mut AddrInfo<C>) {
    while !info.is_null() {
        // SAFETY: `get` made it of such a box.
        let entry = unsafe { Box::from_raw(info.cast::<Entry<C>>()) };
        info = entry.info.next;
    }
}

fn describe(code: i32) -> &'static CStr {
    match code as u32 {
        WSAHOST_NOT_FOUND => c"No such host is known. ",
        WSATRY_AGAIN => c"This is usually a temporary error during hostname resolution. ",
        WSANO_RECOVERY => c"A non-recoverable error occurred during a database lookup. ",
        WSAEAFNOSUPPORT => c"The address family is not supported. ",
        WSAESOCKTNOSUPPORT => c"The socket type is not supported. ",
        WSATYPE_NOT_FOUND => c"The service is not known for this socket type. ",
        WSAEINVAL => c"An argument is invalid. ",
        _ => c"The name could not be looked up. ",
    }
}

export! {
    fn wsk_getaddrinfo(
        node: *const c_char, service: *const c_char, hints: *const AddrInfo<u8>, result: *mut *mut AddrInfo<u8>,
    ) -> i32, WSANO_RECOVERY as i32 => {
        get(from_narrow(node), from_narrow(service), hints, result)
    }

    fn wsk_GetAddrInfoW(
        node: *const Wchar, service: *const Wchar, hints: *const AddrInfo<Wchar>, result: *mut *mut AddrInfo<Wchar>,
    ) -> i32, WSANO_RECOVERY as i32 => {
        get(from_wide(node), from_wide(service), hints, result)
    }

    fn wsk_freeaddrinfo(info: *mut AddrInfo<u8>) -> (), () => { free(info) }
    fn wsk_FreeAddrInfoW(info: *mut AddrInfo<Wchar>) -> (), () => { free(info) }

    fn wsk_gai_strerrorA(code: i32) -> *const c_char, ptr::null() => { describe(code).as_ptr() }

    /// The text stays until the thread asks again.
    fn wsk_gai_strerrorW(code: i32) -> *const Wchar, ptr::null() => {
        thread_local! {
            static TEXT: std::cell::RefCell<Vec<Wchar>> = const { std::cell::RefCell::new(Vec::new()) };
        }
        TEXT.with(|text| {
            let mut text = text.borrow_mut();
            *text = Wchar::of(&describe(code).to_string_lossy());
            text.as_ptr()
        })
    }
}
