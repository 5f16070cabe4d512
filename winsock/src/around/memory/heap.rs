//! `HeapAlloc` and its kin, `LocalAlloc`, `GlobalAlloc`: the C library's allocator, with the size
//! in front of each block, because the calls return exactly what was asked for.

use std::{
    collections::{HashMap, HashSet},
    ffi::c_void,
    ptr,
    sync::{LazyLock, Mutex, MutexGuard},
};

use crate::{
    abi::{Bool, Dword, FALSE, Handle, TRUE},
    error::{ERROR_INVALID_HANDLE, ERROR_INVALID_PARAMETER, ERROR_NOT_ENOUGH_MEMORY, fail},
};

const ZERO: Dword = 0x8;
const IN_PLACE_ONLY: Dword = 0x10;
const LOCAL_ZERO: Dword = 0x40;
const LOCAL_MODIFY: Dword = 0x80;
/// Keeps the alignment of the C library's allocator.
const HEADER: usize = 16;

type Block = *mut c_void;

/// Never a block's address: heaps are told from blocks and from each other by it.
static PROCESS_HEAP: u64 = 0;
/// The blocks of each heap that a program made, which end with it.
static HEAPS: LazyLock<Mutex<HashMap<Handle, HashSet<usize>>>> = LazyLock::new(Mutex::default);

fn heaps() -> MutexGuard<'static, HashMap<Handle, HashSet<usize>>> {
    HEAPS.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

fn process_heap() -> Handle {
    &raw const PROCESS_HEAP as Handle
}

/// A block, or null.
///
/// # Safety
/// None beyond what a block asks for: it is freed once, by `release`.
pub(crate) unsafe fn allocate(size: usize, zeroed: bool) -> Block {
    let Some(whole) = size.checked_add(HEADER) else { return ptr::null_mut() };
    // SAFETY: any size may be asked for.
    let base = unsafe { if zeroed { libc::calloc(1, whole) } else { libc::malloc(whole) } };
    if base.is_null() {
        return base;
    }
    // SAFETY: the block begins with room for its size.
    unsafe {
        base.cast::<usize>().write(size);
        base.byte_add(HEADER)
    }
}

/// # Safety
/// `block` came from `allocate` and is not used afterwards.
pub(crate) unsafe fn release(block: Block) {
    // SAFETY: the allocator's own pointer lies before the block.
    unsafe { libc::free(block.byte_sub(HEADER)) }
}

/// # Safety
/// `block` came from `allocate`.
unsafe fn size_of(block: *const c_void) -> usize {
    // SAFETY: the size lies before the block.
    unsafe { block.byte_sub(HEADER).cast::<usize>().read() }
}

/// # Safety
/// As for `realloc`.
unsafe fn reallocate(block: Block, size: usize, zeroed: bool) -> Block {
    // SAFETY: the caller says that it is a block.
    unsafe {
        let before = size_of(block);
        let Some(whole) = size.checked_add(HEADER) else { return ptr::null_mut() };
        let base = libc::realloc(block.byte_sub(HEADER), whole);
        if base.is_null() {
            return base;
        }
        base.cast::<usize>().write(size);
        let block = base.byte_add(HEADER);
        if zeroed && size > before {
            block.byte_add(before).cast::<u8>().write_bytes(0, size - before);
        }
        block
    }
}

/// Notes that a block of a program's heap has come or gone. `false`: there is no such heap.
fn note(heap: Handle, change: impl FnOnce(&mut HashSet<usize>)) -> bool {
    heap == process_heap() || heaps().get_mut(&heap).map(change).is_some()
}

export! {
    fn wsk_GetProcessHeap() -> Handle, 0 => { process_heap() }

    fn wsk_HeapCreate(_options: Dword, _initial: usize, _maximum: usize) -> Handle, 0 => {
        // The block gives the heap an address that nothing else has.
        let heap = allocate(1, false) as Handle;
        if heap == 0 {
            return fail(ERROR_NOT_ENOUGH_MEMORY, 0);
        }
        heaps().insert(heap, HashSet::new());
        heap
    }

    fn wsk_HeapDestroy(heap: Handle) -> Bool, FALSE => {
        let Some(blocks) = heaps().remove(&heap) else { return fail(ERROR_INVALID_HANDLE, FALSE) };
        for block in blocks {
            release(block as Block);
        }
        release(heap as Block);
        TRUE
    }

    fn wsk_HeapAlloc(heap: Handle, flags: Dword, size: usize) -> Block, ptr::null_mut() => {
        let block = allocate(size, flags & ZERO != 0);
        if block.is_null() {
            return fail(ERROR_NOT_ENOUGH_MEMORY, block);
        }
        if !note(heap, |blocks| {
            blocks.insert(block as usize);
        }) {
            release(block);
            return fail(ERROR_INVALID_HANDLE, ptr::null_mut());
        }
        block
    }

    fn wsk_HeapReAlloc(heap: Handle, flags: Dword, block: Block, size: usize) -> Block, ptr::null_mut() => {
        if block.is_null() {
            return fail(ERROR_INVALID_PARAMETER, block);
        }
        if flags & IN_PLACE_ONLY != 0 {
            return if size <= size_of(block) { block } else { fail(ERROR_NOT_ENOUGH_MEMORY, ptr::null_mut()) };
        }
        let moved = reallocate(block, size, flags & ZERO != 0);
        if moved.is_null() {
            return fail(ERROR_NOT_ENOUGH_MEMORY, moved);
        }
        note(heap, |blocks| {
            blocks.remove(&(block as usize));
            blocks.insert(moved as usize);
        });
        moved
    }

    fn wsk_HeapFree(heap: Handle, _flags: Dword, block: Block) -> Bool, FALSE => {
        if block.is_null() {
            return TRUE;
        }
        if !note(heap, |blocks| {
            blocks.remove(&(block as usize));
        }) {
            return fail(ERROR_INVALID_HANDLE, FALSE);
        }
        release(block);
        TRUE
    }

    fn wsk_HeapSize(_heap: Handle, _flags: Dword, block: *const c_void) -> usize, usize::MAX => {
        if block.is_null() { usize::MAX } else { size_of(block) }
    }

    fn wsk_HeapValidate(heap: Handle, _flags: Dword, _block: *const c_void) -> Bool, FALSE => {
        Bool::from(heap == process_heap() || heaps().contains_key(&heap))
    }

    fn wsk_HeapCompact(_heap: Handle, _flags: Dword) -> usize, 0 => { usize::MAX >> 1 }

    fn wsk_HeapSetInformation(_heap: Handle, _what: i32, _value: Block, _size: usize) -> Bool, FALSE => { TRUE }

    /// The only class is compatibility, and the answer is the low-fragmentation heap.
    fn wsk_HeapQueryInformation(_heap: Handle, what: i32, value: *mut u32, size: usize, needed: *mut usize) -> Bool, FALSE => {
        if what != 0 || value.is_null() || size < 4 {
            return fail(ERROR_INVALID_PARAMETER, FALSE);
        }
        value.write(2);
        if !needed.is_null() {
            needed.write(4);
        }
        TRUE
    }

    fn wsk_LocalAlloc(flags: Dword, size: usize) -> Block, ptr::null_mut() => { local(flags, size) }
    fn wsk_GlobalAlloc(flags: Dword, size: usize) -> Block, ptr::null_mut() => { local(flags, size) }
    fn wsk_LocalReAlloc(block: Block, size: usize, flags: Dword) -> Block, ptr::null_mut() => { relocal(block, size, flags) }
    fn wsk_GlobalReAlloc(block: Block, size: usize, flags: Dword) -> Block, ptr::null_mut() => { relocal(block, size, flags) }
    fn wsk_LocalFree(block: Block) -> Block, block => { unlocal(block) }
    fn wsk_GlobalFree(block: Block) -> Block, block => { unlocal(block) }
    fn wsk_LocalLock(block: Block) -> Block, ptr::null_mut() => { block }
    fn wsk_GlobalLock(block: Block) -> Block, ptr::null_mut() => { block }
    fn wsk_LocalUnlock(_block: Block) -> Bool, FALSE => { fail(0, FALSE) }
    fn wsk_GlobalUnlock(_block: Block) -> Bool, FALSE => { fail(0, FALSE) }
    fn wsk_LocalSize(block: *const c_void) -> usize, 0 => { if block.is_null() { 0 } else { size_of(block) } }
    fn wsk_GlobalSize(block: *const c_void) -> usize, 0 => { if block.is_null() { 0 } else { size_of(block) } }
}

/// Movable memory does not move here: its handle is its address.
///
/// # Safety
/// As for `allocate`.
pub(crate) unsafe fn local(flags: Dword, size: usize) -> Block {
    // SAFETY: as for this function.
    let block = unsafe { allocate(size, flags & LOCAL_ZERO != 0) };
    if block.is_null() { fail(ERROR_NOT_ENOUGH_MEMORY, block) } else { block }
}

/// # Safety
/// As for `realloc`.
unsafe fn relocal(block: Block, size: usize, flags: Dword) -> Block {
    if block.is_null() {
        return fail(ERROR_INVALID_HANDLE, block);
    }
    if flags & LOCAL_MODIFY != 0 {
        return block;
    }
    // SAFETY: as for this function.
    let moved = unsafe { reallocate(block, size, flags & LOCAL_ZERO != 0) };
    if moved.is_null() { fail(ERROR_NOT_ENOUGH_MEMORY, moved) } else { moved }
}

/// # Safety
/// As for `release`.
unsafe fn unlocal(block: Block) -> Block {
    if !block.is_null() {
        // SAFETY: as for this function.
        unsafe { release(block) };
    }
    ptr::null_mut()
}
