//! Modules: the libraries of Windows whose calls are here, and real shared objects.

use super::environment::{to_linux, to_windows};
use super::text;
use crate::abi::{Proc, Wchar};
use crate::error::{ERROR_INSUFFICIENT_BUFFER, ERROR_INVALID_HANDLE, ERROR_MOD_NOT_FOUND, ERROR_PROC_NOT_FOUND, fail};
use std::ffi::{CStr, CString, c_char, c_void};

/// The libraries that `LoadLibrary` answers for itself. A module is the address of its name.
static KNOWN: [&str; 12] = [
    "ws2_32",
    "mswsock",
    "kernel32",
    "kernelbase",
    "ntdll",
    "user32",
    "advapi32",
    "winmm",
    "msvcrt",
    "ucrtbase",
    "wsock32",
    "iphlpapi",
];
/// What `GetModuleHandle(NULL)` answers.
static PROGRAM: u8 = 0;

macro_rules! procedures {
    ($($name:ident => $symbol:ident),* $(,)?) => {
        mod symbols {
            #[allow(clashing_extern_declarations, reason = "only the addresses are taken")]
            unsafe extern "C" {
                $(pub(super) fn $symbol();)*
            }
        }
        /// What `GetProcAddress` finds in the libraries above.
        static PROCEDURES: &[(&str, unsafe extern "C" fn())] = &[$((stringify!($name), symbols::$symbol)),*];
    };
}

procedures! {
    AcceptEx => wsk_AcceptEx, CancelIo => wsk_CancelIo, CancelIoEx => wsk_CancelIoEx, CloseHandle => wsk_CloseHandle,
    CreateEventA => wsk_CreateEventA, CreateEventW => wsk_CreateEventW,
    CreateIoCompletionPort => wsk_CreateIoCompletionPort, CreateThread => wsk_CreateThread,
    FreeAddrInfoW => wsk_FreeAddrInfoW, GetAcceptExSockaddrs => wsk_GetAcceptExSockaddrs,
    GetAddrInfoW => wsk_GetAddrInfoW, GetCurrentProcessId => wsk_GetCurrentProcessId,
    GetCurrentThreadId => wsk_GetCurrentThreadId, GetLastError => wsk_GetLastError,
    GetOverlappedResult => wsk_GetOverlappedResult, GetOverlappedResultEx => wsk_GetOverlappedResultEx,
    GetQueuedCompletionStatus => wsk_GetQueuedCompletionStatus,
    GetQueuedCompletionStatusEx => wsk_GetQueuedCompletionStatusEx,
    GetSystemTimeAsFileTime => wsk_GetSystemTimeAsFileTime,
    GetSystemTimePreciseAsFileTime => wsk_GetSystemTimePreciseAsFileTime, GetTickCount => wsk_GetTickCount,
    GetTickCount64 => wsk_GetTickCount64, InetNtopW => wsk_InetNtopW, InetPtonW => wsk_InetPtonW,
    PostQueuedCompletionStatus => wsk_PostQueuedCompletionStatus, QueueUserAPC => wsk_QueueUserAPC,
    SetEvent => wsk_SetEvent, SetFileCompletionNotificationModes => wsk_SetFileCompletionNotificationModes,
    Sleep => wsk_Sleep, SleepEx => wsk_SleepEx, TransmitFile => wsk_TransmitFile,
    WSAAccept => wsk_WSAAccept, WSAAddressToStringA => wsk_WSAAddressToStringA,
    WSAAddressToStringW => wsk_WSAAddressToStringW, WSACleanup => wsk_WSACleanup, WSACloseEvent => wsk_WSACloseEvent,
    WSAConnect => wsk_WSAConnect, WSACreateEvent => wsk_WSACreateEvent,
    WSAEnumNetworkEvents => wsk_WSAEnumNetworkEvents, WSAEventSelect => wsk_WSAEventSelect,
    WSAGetLastError => wsk_WSAGetLastError, WSAGetOverlappedResult => wsk_WSAGetOverlappedResult,
    WSAIoctl => wsk_WSAIoctl, WSAPoll => wsk_WSAPoll, WSARecv => wsk_WSARecv, WSARecvFrom => wsk_WSARecvFrom,
    WSAResetEvent => wsk_WSAResetEvent, WSASend => wsk_WSASend, WSASendMsg => wsk_WSASendMsg,
    WSASendTo => wsk_WSASendTo, WSASetEvent => wsk_WSASetEvent, WSASetLastError => wsk_WSASetLastError,
    WSASocketA => wsk_WSASocketA, WSASocketW => wsk_WSASocketW, WSAStartup => wsk_WSAStartup,
    WSAWaitForMultipleEvents => wsk_WSAWaitForMultipleEvents, WaitForMultipleObjects => wsk_WaitForMultipleObjects,
    WaitForSingleObject => wsk_WaitForSingleObject, accept => wsk_accept, bind => wsk_bind,
    closesocket => wsk_closesocket, connect => wsk_connect, freeaddrinfo => wsk_freeaddrinfo,
    getaddrinfo => wsk_getaddrinfo, gethostbyaddr => wsk_gethostbyaddr, gethostbyname => wsk_gethostbyname,
    gethostname => wsk_gethostname, getnameinfo => wsk_getnameinfo, getpeername => wsk_getpeername,
    getsockname => wsk_getsockname, getsockopt => wsk_getsockopt, htonl => wsk_htonl, htons => wsk_htons,
    inet_addr => wsk_inet_addr, inet_ntoa => wsk_inet_ntoa, inet_ntop => wsk_inet_ntop, inet_pton => wsk_inet_pton,
    ioctlsocket => wsk_ioctlsocket, listen => wsk_listen, ntohl => wsk_ntohl, ntohs => wsk_ntohs, recv => wsk_recv,
    recvfrom => wsk_recvfrom, select => wsk_select, send => wsk_send, sendto => wsk_sendto,
    setsockopt => wsk_setsockopt, shutdown => wsk_shutdown, socket => wsk_socket, timeGetTime => wsk_timeGetTime,
}

fn known(name: &str) -> Option<*const c_void> {
    let file = name.rsplit(['\\', '/']).next().unwrap_or(name).to_lowercase();
    let stem = file.strip_suffix(".dll").unwrap_or(&file);
    KNOWN.iter().position(|known| *known == stem).map(|at| (&raw const KNOWN[at]).cast())
}

fn is_known(module: *const c_void) -> bool {
    KNOWN.iter().any(|name| std::ptr::eq(std::ptr::from_ref(name).cast(), module))
}

/// A shared object: by its path, or `foo.dll` as `libfoo.so` or `foo.so`.
fn open(name: &str) -> *const c_void {
    let path = to_linux(name);
    let (folder, file) = path.rsplit_once('/').map_or(("", path.as_str()), |(folder, file)| (folder, file));
    let stem = file
        .get(file.len().saturating_sub(4)..)
        .filter(|end| end.eq_ignore_ascii_case(".dll"))
        .map_or(file, |_| &file[..file.len() - 4]);
    let place = if folder.is_empty() { String::new() } else { format!("{folder}/") };
    for candidate in
        [path.clone(), format!("{place}lib{stem}.so"), format!("{place}{stem}.so"), format!("./{place}lib{stem}.so")]
    {
        let Ok(candidate) = CString::new(candidate) else { continue };
        // SAFETY: a string that ends with a zero; the object's initialisers are the program's wish.
        let module = unsafe { libc::dlopen(candidate.as_ptr(), libc::RTLD_NOW) };
        if !module.is_null() {
            return module;
        }
    }
    fail(ERROR_MOD_NOT_FOUND, std::ptr::null())
}

fn load(name: Option<String>) -> *const c_void {
    let Some(name) = name.filter(|name| !name.is_empty()) else { return fail(ERROR_MOD_NOT_FOUND, std::ptr::null()) };
    known(&name).unwrap_or_else(|| open(&name))
}

fn handle_of(name: Option<String>) -> *const c_void {
    match name {
        None => &raw const PROGRAM as *const c_void,
        Some(name) => known(&name).unwrap_or_else(|| fail(ERROR_MOD_NOT_FOUND, std::ptr::null())),
    }
}

/// The program's path, or a module's, with backslashes.
fn file_name(module: *const c_void) -> Option<String> {
    if module.is_null() || std::ptr::eq(module, &raw const PROGRAM as *const c_void) {
        let path = std::fs::read_link("/proc/self/exe").ok()?;
        return Some(to_windows(&path.to_string_lossy()));
    }
    let at = KNOWN.iter().position(|name| std::ptr::eq(std::ptr::from_ref(name).cast(), module))?;
    Some(format!("\\windows\\system32\\{}.dll", KNOWN[at]))
}

/// What does not fit is cut, and the size is the answer.
///
/// # Safety
/// `buffer` has room for `size` units.
unsafe fn copy_name<T: Copy + Default>(units: Vec<T>, buffer: *mut T, size: u32) -> u32 {
    // SAFETY: the caller's.
    match unsafe { text::copy_out(&units, buffer, size as usize) } {
        Ok(length) => length as u32,
        Err(_) => fail(ERROR_INSUFFICIENT_BUFFER, size),
    }
}

export! {
    fn wsk_LoadLibraryA(name: *const u8) -> *const c_void, std::ptr::null() => { load(text::narrow(name)) }
    fn wsk_LoadLibraryW(name: *const Wchar) -> *const c_void, std::ptr::null() => { load(text::wide(name)) }
    fn wsk_LoadLibraryExA(name: *const u8, _file: *mut c_void, _flags: u32) -> *const c_void, std::ptr::null() => { load(text::narrow(name)) }
    fn wsk_LoadLibraryExW(name: *const Wchar, _file: *mut c_void, _flags: u32) -> *const c_void, std::ptr::null() => { load(text::wide(name)) }
    fn wsk_FreeLibrary(module: *mut c_void) -> i32, 0 => {
        if is_known(module) || std::ptr::eq(module, &raw const PROGRAM as *const c_void) {
            return 1;
        }
        if module.is_null() {
            return fail(ERROR_INVALID_HANDLE, 0);
        }
        i32::from(libc::dlclose(module) == 0)
    }
    fn wsk_GetProcAddress(module: *mut c_void, name: *const c_char) -> Proc, std::ptr::null() => {
        // A number instead of a name has no meaning here.
        if module.is_null() || name.addr() < 0x10000 {
            return fail(ERROR_PROC_NOT_FOUND, std::ptr::null());
        }
        let wanted = CStr::from_ptr(name).to_bytes();
        if is_known(module) || std::ptr::eq(module, &raw const PROGRAM as *const c_void) {
            let found = PROCEDURES.iter().find(|(known, _)| known.as_bytes() == wanted);
            return found.map_or_else(|| fail(ERROR_PROC_NOT_FOUND, std::ptr::null()), |(_, procedure)| *procedure as Proc);
        }
        let symbol = libc::dlsym(module, name);
        if symbol.is_null() { fail(ERROR_PROC_NOT_FOUND, std::ptr::null()) } else { symbol }
    }
    fn wsk_GetModuleHandleA(name: *const u8) -> *const c_void, std::ptr::null() => { handle_of(text::narrow(name)) }
    fn wsk_GetModuleHandleW(name: *const Wchar) -> *const c_void, std::ptr::null() => { handle_of(text::wide(name)) }
    fn wsk_GetModuleFileNameA(module: *mut c_void, buffer: *mut u8, size: u32) -> u32, 0 => {
        match file_name(module) {
            Some(name) => copy_name(name.into_bytes(), buffer, size),
            None => fail(ERROR_MOD_NOT_FOUND, 0),
        }
    }
    fn wsk_GetModuleFileNameW(module: *mut c_void, buffer: *mut Wchar, size: u32) -> u32, 0 => {
        match file_name(module) {
            Some(name) => copy_name(text::to_wide(&name), buffer, size),
            None => fail(ERROR_MOD_NOT_FOUND, 0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_libraries_have_their_procedures() {
        let module = load(Some("C:\\Windows\\System32\\WS2_32.DLL".into()));
        assert!(is_known(module));
        // SAFETY: arguments as the call takes them.
        let found = unsafe { wsk_GetProcAddress(module.cast_mut(), c"WSASend".as_ptr()) };
        assert!(!found.is_null());
        // SAFETY: arguments as the call takes them.
        assert!(unsafe { wsk_GetProcAddress(module.cast_mut(), c"NoSuchCall".as_ptr()) }.is_null());
        assert!(load(Some("no-such-library.dll".into())).is_null());
    }
}
