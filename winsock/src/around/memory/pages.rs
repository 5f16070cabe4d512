//! `VirtualAlloc` and its kin over `mmap`. A table knows each region and the protection of its
//! pages.

use std::{
    collections::BTreeMap,
    ffi::c_void,
    ptr,
    sync::{Mutex, MutexGuard},
};

use super::mapped::{EXECUTABLE, READABLE, WRITABLE, rights_at};
use crate::{
    abi::{Bool, Dword, FALSE, TRUE},
    error::{ERROR_INVALID_PARAMETER, ERROR_NOACCESS, ERROR_NOT_ENOUGH_MEMORY, fail},
};

const COMMIT: Dword = 0x1000;
const RESERVE: Dword = 0x2000;
const DECOMMIT: Dword = 0x4000;
const RELEASE: Dword = 0x8000;
const RESET: Dword = 0x8_0000;

const NO_ACCESS: Dword = 0x01;
const READ_ONLY: Dword = 0x02;
const READ_WRITE: Dword = 0x04;
const EXECUTE: Dword = 0x10;
const EXECUTE_READ: Dword = 0x20;
const EXECUTE_READ_WRITE: Dword = 0x40;
/// `ERROR_INVALID_ADDRESS`.
const INVALID_ADDRESS: u32 = 487;
/// `ERROR_WORKING_SET_QUOTA`.
const WORKING_SET_QUOTA: u32 = 1453;

const PAGE: usize = 4096;
/// Regions begin at multiples of this, as `GetSystemInfo` says.
const GRANULARITY: usize = 0x1_0000;

/// The protection of each page; 0 is reserved and not committed.
struct Region {
    pages: Vec<u8>,
}

static REGIONS: Mutex<BTreeMap<usize, Region>> = Mutex::new(BTreeMap::new());

fn regions() -> MutexGuard<'static, BTreeMap<usize, Region>> {
    REGIONS.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// The region that holds these bytes, with the first of its pages and their number.
fn find(regions: &mut BTreeMap<usize, Region>, address: usize, size: usize) -> Option<(&mut Region, usize, usize)> {
    let (base, region) = regions.range_mut(..=address).next_back()?;
    let first = (address - base) / PAGE;
    let end = (address - base).checked_add(size.max(1))?.div_ceil(PAGE);
    (end <= region.pages.len()).then_some((region, first, end - first))
}

/// What `mmap` calls a protection, or nothing if Windows has no such value.
fn system_protection(protect: Dword) -> Option<i32> {
    Some(match protect & 0xff {
        NO_ACCESS => libc::PROT_NONE,
        READ_ONLY => libc::PROT_READ,
        READ_WRITE | 0x08 => libc::PROT_READ | libc::PROT_WRITE,
        EXECUTE => libc::PROT_EXEC,
        EXECUTE_READ => libc::PROT_READ | libc::PROT_EXEC,
        EXECUTE_READ_WRITE | 0x80 => libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC,
        _ => return None,
    })
}

fn windows_protection(rights: u8) -> Dword {
    match (rights & READABLE != 0, rights & WRITABLE != 0, rights & EXECUTABLE != 0) {
        (false, false, false) => NO_ACCESS,
        (_, true, true) => EXECUTE_READ_WRITE,
        (_, true, false) => READ_WRITE,
        (true, false, true) => EXECUTE_READ,
        (false, false, true) => EXECUTE,
        (true, false, false) => READ_ONLY,
    }
}

/// Maps pages without access. They begin at a multiple of the granularity.
fn reserve(wanted: usize, size: usize) -> Result<usize, u32> {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
    // SAFETY: new mappings, which replace none; what is unmapped again was mapped here.
    unsafe {
        if wanted != 0 {
            let at = libc::mmap(wanted as *mut c_void, size, libc::PROT_NONE, flags | libc::MAP_FIXED_NOREPLACE, -1, 0);
            return if at as usize == wanted { Ok(wanted) } else { Err(INVALID_ADDRESS) };
        }
        let Some(more) = size.checked_add(GRANULARITY) else { return Err(ERROR_NOT_ENOUGH_MEMORY) };
        let at = libc::mmap(ptr::null_mut(), more, libc::PROT_NONE, flags, -1, 0);
        if at == libc::MAP_FAILED {
            return Err(ERROR_NOT_ENOUGH_MEMORY);
        }
        let base = (at as usize).next_multiple_of(GRANULARITY);
        let before = base - at as usize;
        if before > 0 {
            libc::munmap(at, before);
        }
        if more - before > size {
            libc::munmap((base + size) as *mut c_void, more - before - size);
        }
        Ok(base)
    }
}

fn allocate(address: usize, size: usize, kind: Dword, protect: Dword) -> Result<usize, u32> {
    let protection = system_protection(protect).ok_or(ERROR_INVALID_PARAMETER)?;
    if size == 0 || kind & (COMMIT | RESERVE | RESET) == 0 {
        return Err(ERROR_INVALID_PARAMETER);
    }
    let mut regions = regions();
    let (begin, size) = if kind & RESERVE != 0 || address == 0 {
        let wanted = address / GRANULARITY * GRANULARITY;
        let size = size.checked_add(address - wanted).and_then(|it| it.checked_next_multiple_of(PAGE));
        let size = size.ok_or(ERROR_NOT_ENOUGH_MEMORY)?;
        let base = reserve(wanted, size)?;
        regions.insert(base, Region { pages: vec![0; size / PAGE] });
        (base, size)
    } else {
        let begin = address / PAGE * PAGE;
        (begin, (address - begin + size).next_multiple_of(PAGE))
    };
    if kind & COMMIT != 0 {
        let (region, first, count) = find(&mut regions, begin, size).ok_or(INVALID_ADDRESS)?;
        // SAFETY: the pages are a region of ours.
        if unsafe { libc::mprotect(begin as *mut c_void, size, protection) } != 0 {
            return Err(ERROR_NOT_ENOUGH_MEMORY);
        }
        region.pages[first..first + count].fill(protect as u8);
    }
    Ok(begin)
}

fn release(address: usize, size: usize, kind: Dword) -> Result<(), u32> {
    let mut regions = regions();
    if kind == RELEASE {
        if size != 0 {
            return Err(ERROR_INVALID_PARAMETER);
        }
        let region = regions.remove(&address).ok_or(INVALID_ADDRESS)?;
        // SAFETY: the whole region was mapped here, and the program gives it back.
        unsafe { libc::munmap(address as *mut c_void, region.pages.len() * PAGE) };
        return Ok(());
    }
    if kind != DECOMMIT {
        return Err(ERROR_INVALID_PARAMETER);
    }
    let whole = regions.get(&address).map(|it| it.pages.len() * PAGE);
    let size = if size == 0 { whole.ok_or(INVALID_ADDRESS)? } else { size };
    let (region, first, count) = find(&mut regions, address, size).ok_or(INVALID_ADDRESS)?;
    let begin = (address / PAGE * PAGE) as *mut c_void;
    // SAFETY: the pages are a region of ours, and the program gives them back.
    unsafe {
        libc::madvise(begin, count * PAGE, libc::MADV_DONTNEED);
        libc::mprotect(begin, count * PAGE, libc::PROT_NONE);
    }
    region.pages[first..first + count].fill(0);
    Ok(())
}

/// Returns the protection before.
fn protect(address: usize, size: usize, protect: Dword) -> Result<Dword, u32> {
    let protection = system_protection(protect).ok_or(ERROR_INVALID_PARAMETER)?;
    let mut regions = regions();
    let ours = find(&mut regions, address, size);
    let before = match &ours {
        Some((region, first, count)) if region.pages[*first..first + count].contains(&0) => {
            return Err(INVALID_ADDRESS);
        }
        Some((region, first, _)) => Dword::from(region.pages[*first]),
        None => windows_protection(rights_at(address).ok_or(INVALID_ADDRESS)?),
    };
    let begin = address / PAGE * PAGE;
    let end = address.checked_add(size.max(1)).ok_or(ERROR_INVALID_PARAMETER)?.next_multiple_of(PAGE);
    // SAFETY: the program asks for it, for pages that are mapped.
    if unsafe { libc::mprotect(begin as *mut c_void, end - begin, protection) } != 0 {
        return Err(INVALID_ADDRESS);
    }
    if let Some((region, first, count)) = ours {
        region.pages[first..first + count].fill(protect as u8);
    }
    Ok(before)
}

export! {
    fn wsk_VirtualAlloc(address: *mut c_void, size: usize, kind: Dword, protect: Dword) -> *mut c_void, ptr::null_mut() => {
        match allocate(address as usize, size, kind, protect) {
            Ok(begin) => begin as *mut c_void,
            Err(code) => fail(code, ptr::null_mut()),
        }
    }

    fn wsk_VirtualFree(address: *mut c_void, size: usize, kind: Dword) -> Bool, FALSE => {
        release(address as usize, size, kind).map_or_else(|code| fail(code, FALSE), |()| TRUE)
    }

    fn wsk_VirtualProtect(address: *mut c_void, size: usize, wanted: Dword, before: *mut Dword) -> Bool, FALSE => {
        if before.is_null() {
            return fail(ERROR_NOACCESS, FALSE);
        }
        match protect(address as usize, size, wanted) {
            Ok(old) => {
                before.write(old);
                TRUE
            }
            Err(code) => fail(code, FALSE),
        }
    }

    fn wsk_VirtualLock(address: *mut c_void, size: usize) -> Bool, FALSE => {
        if libc::mlock(address, size) == 0 { TRUE } else { fail(WORKING_SET_QUOTA, FALSE) }
    }

    fn wsk_VirtualUnlock(address: *mut c_void, size: usize) -> Bool, FALSE => {
        if libc::munlock(address, size) == 0 { TRUE } else { fail(INVALID_ADDRESS, FALSE) }
    }
}
