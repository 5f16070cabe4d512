//! What the machine and the system are.

use super::text;
use crate::abi::Wchar;
use crate::error::{ERROR_BUFFER_OVERFLOW, ERROR_INSUFFICIENT_BUFFER, ERROR_INVALID_PARAMETER, fail};
use std::ffi::c_void;

#[repr(C)]
pub struct SystemInfo {
    architecture: u16,
    reserved: u16,
    page_size: u32,
    lowest: usize,
    highest: usize,
    processor_mask: usize,
    processors: u32,
    processor_type: u32,
    granularity: u32,
    level: u16,
    revision: u16,
}

#[repr(C)]
pub struct MemoryStatusEx {
    length: u32,
    load: u32,
    total: u64,
    available: u64,
    total_page_file: u64,
    available_page_file: u64,
    total_virtual: u64,
    available_virtual: u64,
    extended: u64,
}

#[repr(C)]
pub struct MemoryStatus {
    length: u32,
    load: u32,
    total: usize,
    available: usize,
    total_page_file: usize,
    available_page_file: usize,
    total_virtual: usize,
    available_virtual: usize,
}

#[repr(C)]
pub struct Version<C> {
    size: u32,
    major: u32,
    minor: u32,
    build: u32,
    platform: u32,
    service_pack: [C; 128],
}

const AMD64: u16 = 9;
const ARM64: u16 = 12;
const HIGHEST: usize = 0x7fff_ffff_efff;
/// The version that is reported: Windows 10, 22H2.
const MAJOR: u32 = 10;
const BUILD: u32 = 19045;

fn system_info() -> SystemInfo {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let arm = cfg!(target_arch = "aarch64");
    // SAFETY: asks for a number.
    let page_size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    SystemInfo {
        architecture: if arm { ARM64 } else { AMD64 },
        reserved: 0,
        page_size: u32::try_from(page_size).unwrap_or(4096),
        lowest: 0x10000,
        highest: HIGHEST,
        processor_mask: if processors >= 64 { usize::MAX } else { (1 << processors) - 1 },
        processors: processors as u32,
        processor_type: if arm { 0 } else { 8664 },
        granularity: 0x10000,
        level: 6,
        revision: 0,
    }
}

/// Bytes by the names of `/proc/meminfo`.
fn memory(names: [&str; 4]) -> [u64; 4] {
    let content = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    names.map(|name| {
        let line = content.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse::<u64>().ok()).unwrap_or(0) * 1024
    })
}

fn host_name() -> String {
    let mut buffer = [0u8; 256];
    // SAFETY: room for 255 and a zero.
    unsafe { libc::gethostname(buffer.as_mut_ptr().cast(), 255) };
    let name = String::from_utf8_lossy(&buffer);
    let short = name.split(['.', '\0']).next().unwrap_or("");
    short.to_uppercase().chars().take(15).collect()
}

fn user_name() -> String {
    // SAFETY: the answer is copied before another call can change it.
    let entry = unsafe { libc::getpwuid(libc::geteuid()) };
    if entry.is_null() {
        return std::env::var("USER").unwrap_or_default();
    }
    // SAFETY: a name that ends with a zero.
    unsafe { text::narrow((*entry).pw_name.cast()) }.unwrap_or_default()
}

/// A name with its length behind a pointer: in, the room; out, the length, or the size needed.
///
/// # Safety
/// `size` is good, `buffer` has the room that it says.
unsafe fn name_out<T: Copy + Default>(
    units: &[T],
    buffer: *mut T,
    size: *mut u32,
    with_zero: bool,
    too_small: u32,
) -> i32 {
    if size.is_null() {
        return fail(ERROR_INVALID_PARAMETER, 0);
    }
    // SAFETY: the caller's.
    unsafe {
        let room = size.read_unaligned() as usize;
        let needed = units.len() + 1;
        if buffer.is_null() || room < needed {
            size.write_unaligned(needed as u32);
            return fail(too_small, 0);
        }
        let _ = text::copy_out(units, buffer, room);
        size.write_unaligned(if with_zero { needed } else { units.len() } as u32);
    }
    1
}

/// # Safety
/// `version` has the size that it says.
unsafe fn fill_version<C: Copy + Default>(version: *mut Version<C>) -> i32 {
    // SAFETY: the caller's.
    unsafe {
        if version.is_null() || ((*version).size as usize) < size_of::<Version<C>>() {
            return fail(ERROR_INSUFFICIENT_BUFFER, 0);
        }
        // What is longer (OSVERSIONINFOEX) is zero, except that this is a work station.
        let size = (*version).size as usize;
        let rest = version.cast::<u8>().add(size_of::<Version<C>>());
        std::ptr::write_bytes(rest, 0, size.saturating_sub(size_of::<Version<C>>()).min(16));
        if size >= size_of::<Version<C>>() + 8 {
            rest.add(6).write(1);
        }
        (*version).major = MAJOR;
        (*version).minor = 0;
        (*version).build = BUILD;
        (*version).platform = 2;
        (*version).service_pack = [C::default(); 128];
    }
    1
}

export! {
    fn wsk_GetSystemInfo(info: *mut SystemInfo) -> (), () => { info.write_unaligned(system_info()) }
    fn wsk_GetNativeSystemInfo(info: *mut SystemInfo) -> (), () => { info.write_unaligned(system_info()) }
    fn wsk_GlobalMemoryStatusEx(status: *mut MemoryStatusEx) -> i32, 0 => {
        if status.is_null() || (*status).length as usize != size_of::<MemoryStatusEx>() {
            return fail(ERROR_INVALID_PARAMETER, 0);
        }
        let [total, available, swap, swap_free] = memory(["MemTotal", "MemAvailable", "SwapTotal", "SwapFree"]);
        status.write_unaligned(MemoryStatusEx {
            length: size_of::<MemoryStatusEx>() as u32,
            load: ((total - available.min(total)) * 100 / total.max(1)) as u32,
            total,
            available,
            total_page_file: total + swap,
            available_page_file: available + swap_free,
            total_virtual: HIGHEST as u64,
            available_virtual: HIGHEST as u64 - total,
            extended: 0,
        });
        1
    }
    fn wsk_GlobalMemoryStatus(status: *mut MemoryStatus) -> (), () => {
        let [total, available, swap, swap_free] = memory(["MemTotal", "MemAvailable", "SwapTotal", "SwapFree"]).map(|v| v as usize);
        status.write_unaligned(MemoryStatus {
            length: size_of::<MemoryStatus>() as u32,
            load: ((total - available.min(total)) * 100 / total.max(1)) as u32,
            total,
            available,
            total_page_file: total + swap,
            available_page_file: available + swap_free,
            total_virtual: HIGHEST,
            available_virtual: HIGHEST - total,
        });
    }
    fn wsk_GetVersion() -> u32, 0 => { MAJOR | BUILD << 16 }
    fn wsk_GetVersionExA(version: *mut Version<u8>) -> i32, 0 => { fill_version(version) }
    fn wsk_GetVersionExW(version: *mut Version<Wchar>) -> i32, 0 => { fill_version(version) }
    fn wsk_GetComputerNameA(buffer: *mut u8, size: *mut u32) -> i32, 0 => {
        name_out(host_name().as_bytes(), buffer, size, false, ERROR_BUFFER_OVERFLOW)
    }
    fn wsk_GetComputerNameW(buffer: *mut Wchar, size: *mut u32) -> i32, 0 => {
        name_out(&text::to_wide(&host_name()), buffer, size, false, ERROR_BUFFER_OVERFLOW)
    }
    fn wsk_GetUserNameA(buffer: *mut u8, size: *mut u32) -> i32, 0 => {
        name_out(user_name().as_bytes(), buffer, size, true, ERROR_INSUFFICIENT_BUFFER)
    }
    fn wsk_GetUserNameW(buffer: *mut Wchar, size: *mut u32) -> i32, 0 => {
        name_out(&text::to_wide(&user_name()), buffer, size, true, ERROR_INSUFFICIENT_BUFFER)
    }
    fn wsk_InitializeSecurityDescriptor(descriptor: *mut c_void, revision: u32) -> i32, 0 => {
        if descriptor.is_null() || revision != 1 {
            return fail(ERROR_INVALID_PARAMETER, 0);
        }
        std::ptr::write_bytes(descriptor.cast::<u8>(), 0, 40);
        descriptor.cast::<u8>().write(1);
        1
    }
    /// Kept in the descriptor. Nothing here asks for permissions.
    fn wsk_SetSecurityDescriptorDacl(descriptor: *mut c_void, _present: i32, list: *mut c_void, _defaulted: i32) -> i32, 0 => {
        if descriptor.is_null() {
            return fail(ERROR_INVALID_PARAMETER, 0);
        }
        descriptor.cast::<*mut c_void>().add(4).write_unaligned(list);
        1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layouts_of_windows() {
        assert_eq!(size_of::<SystemInfo>(), 48);
        assert_eq!(size_of::<MemoryStatusEx>(), 64);
        assert_eq!(size_of::<Version<u8>>(), 148);
    }

    #[test]
    fn names_need_room() {
        let mut buffer = [0u8; 4];
        let mut size = 3;
        // SAFETY: arguments as the call takes them.
        assert_eq!(unsafe { name_out(b"abc", buffer.as_mut_ptr(), &mut size, false, 111) }, 0);
        assert_eq!(size, 4);
        // SAFETY: arguments as the call takes them.
        assert_eq!(unsafe { name_out(b"abc", buffer.as_mut_ptr(), &mut size, false, 111) }, 1);
        assert_eq!((&buffer, size), (b"abc\0", 3));
    }
}
