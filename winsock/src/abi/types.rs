//! C types as Windows has them on 64 bits, except that a wide character has four bytes.

use std::ffi::c_void;

pub type Handle = usize;
pub type Socket = usize;
pub type Dword = u32;
pub type Bool = i32;
pub type Ulong = u32;
pub type UlongPtr = usize;
/// `WCHAR`: the C compiler's `wchar_t`.
pub type Wchar = u32;

pub const TRUE: Bool = 1;
pub const FALSE: Bool = 0;
pub const INFINITE: Dword = u32::MAX;
pub const INVALID_HANDLE_VALUE: Handle = usize::MAX;
pub const INVALID_SOCKET: Socket = usize::MAX;
pub const SOCKET_ERROR: i32 = -1;

/// `OVERLAPPED` and `WSAOVERLAPPED`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Overlapped {
    /// The `NTSTATUS`; `STATUS_PENDING` while the operation is in flight.
    pub internal: usize,
    /// How many bytes were moved.
    pub internal_high: usize,
    pub offset: u32,
    pub offset_high: u32,
    pub event: Handle,
}

/// `WSABUF`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct WsaBuf {
    pub len: u32,
    pub buf: *mut u8,
}

/// `OVERLAPPED_ENTRY`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct OverlappedEntry {
    pub key: UlongPtr,
    pub overlapped: *mut Overlapped,
    pub internal: UlongPtr,
    pub bytes: Dword,
}

#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Guid {
    pub data1: u32,
    pub data2: u16,
    pub data3: u16,
    pub data4: [u8; 8],
}

/// `LPWSAOVERLAPPED_COMPLETION_ROUTINE`.
pub type CompletionRoutine =
    unsafe extern "C" fn(error: Dword, bytes: Dword, overlapped: *mut Overlapped, flags: Dword);
/// `PAPCFUNC`.
pub type ApcRoutine = unsafe extern "C" fn(data: UlongPtr);
/// A pointer to a function of unknown type: `FARPROC`.
pub type Proc = *const c_void;
