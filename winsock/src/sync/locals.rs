//! Values of threads: `TlsAlloc` and its companions, `FlsAlloc` and its companions. There are no
//! fibers, so both are per thread; only the second calls the program back.

use std::cell::Cell;
use std::ffi::c_void;
use std::ptr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};

use crate::abi::{Bool, Dword, FALSE, TRUE};
use crate::error::{ERROR_INVALID_PARAMETER, ERROR_NO_MORE_ITEMS, NO_ERROR, fail, set_last};
use crate::thread;

/// `TLS_OUT_OF_INDEXES` and `FLS_OUT_OF_INDEXES`.
const OUT_OF_INDEXES: u32 = u32::MAX;
const MOST: usize = 1088;

type Callback = unsafe extern "C" fn(*mut c_void);

/// One set of slots.
struct Slots {
    /// Odd while a slot is allocated. A value counts if it was set in the same generation.
    generations: [AtomicU32; MOST],
    callbacks: Mutex<[Option<Callback>; MOST]>,
}

static TLS: Slots = Slots::new();
static FLS: Slots = Slots::new();

#[derive(Clone, Copy)]
struct Value {
    generation: u32,
    value: *mut c_void,
}

type Values = [Value; MOST];

thread_local! {
    // Without destructors: freed by the hook at the thread's end, so usable in destructors.
    static TLS_VALUES: Cell<*mut Values> = const { Cell::new(ptr::null_mut()) };
    static FLS_VALUES: Cell<*mut Values> = const { Cell::new(ptr::null_mut()) };
}

impl Slots {
    const fn new() -> Slots {
        Slots { generations: [const { AtomicU32::new(0) }; MOST], callbacks: Mutex::new([None; MOST]) }
    }

    fn callbacks(&self) -> MutexGuard<'_, [Option<Callback>; MOST]> {
        self.callbacks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn alloc(&self, callback: Option<Callback>) -> u32 {
        let mut callbacks = self.callbacks();
        for (index, generation) in self.generations.iter().enumerate() {
            if generation.load(Ordering::Relaxed) % 2 == 0 {
                callbacks[index] = callback;
                generation.fetch_add(1, Ordering::Release);
                return index as u32;
            }
        }
        fail(ERROR_NO_MORE_ITEMS, OUT_OF_INDEXES)
    }

    /// The generation of what was allocated as `index`.
    fn get(&self, index: u32) -> Option<u32> {
        let generation = self.generations.get(index as usize)?.load(Ordering::Acquire);
        (generation % 2 == 1).then_some(generation)
    }

    /// Frees it; its generation and what is to be called for a value.
    fn free(&self, index: u32) -> Option<(u32, Option<Callback>)> {
        let mut callbacks = self.callbacks();
        let generation = self.get(index)?;
        self.generations[index as usize].fetch_add(1, Ordering::Release);
        Some((generation, callbacks[index as usize].take()))
    }
}

fn value(values: *mut Values, index: u32, generation: u32) -> *mut c_void {
    // SAFETY: the values are this thread's, and live until its end.
    let value = unsafe { values.as_ref() }.and_then(|values| values.get(index as usize));
    value.filter(|value| value.generation == generation).map_or(ptr::null_mut(), |value| value.value)
}

fn set_value(values: &Cell<*mut Values>, index: u32, generation: u32, value: *mut c_void) {
    if values.get().is_null() {
        static HOOK: Once = Once::new();
        HOOK.call_once(|| thread::on_thread_end(|_| end()));
        // So that its end is noticed.
        thread::current();
        let none = Value { generation: 0, value: ptr::null_mut() };
        values.set(Box::into_raw(Box::new([none; MOST])));
    }
    // SAFETY: as above, and nothing else refers to them.
    if let Some(slot) = unsafe { values.get().as_mut() }.and_then(|values| values.get_mut(index as usize)) {
        *slot = Value { generation, value };
    }
}

/// The thread ends: the program is told of its values, which are then gone.
fn end() {
    let values = FLS_VALUES.get();
    if !values.is_null() {
        let callbacks = *FLS.callbacks();
        for (index, callback) in callbacks.iter().enumerate() {
            let Some(generation) = FLS.get(index as u32) else { continue };
            let value = value(values, index as u32, generation);
            if let Some(callback) = callback.filter(|_| !value.is_null()) {
                // SAFETY: the program has given it for this.
                unsafe { callback(value) };
            }
        }
    }
    for values in [TLS_VALUES.take(), FLS_VALUES.take()] {
        if !values.is_null() {
            // SAFETY: it was made by `set_value`, and the cell does not point there any more.
            drop(unsafe { Box::from_raw(values) });
        }
    }
}

export! {
    fn wsk_TlsAlloc() -> Dword, OUT_OF_INDEXES => { TLS.alloc(None) }

    fn wsk_TlsFree(index: Dword) -> Bool, FALSE => {
        if TLS.free(index).is_some() { TRUE } else { fail(ERROR_INVALID_PARAMETER, FALSE) }
    }

    /// Sets the thread's error on success too: 0 is a value.
    fn wsk_TlsGetValue(index: Dword) -> *mut c_void, ptr::null_mut() => {
        if index as usize >= MOST {
            return fail(ERROR_INVALID_PARAMETER, ptr::null_mut());
        }
        set_last(NO_ERROR);
        TLS.get(index).map_or(ptr::null_mut(), |generation| value(TLS_VALUES.get(), index, generation))
    }

    fn wsk_TlsSetValue(index: Dword, new: *mut c_void) -> Bool, FALSE => {
        let Some(generation) = TLS.get(index) else { return fail(ERROR_INVALID_PARAMETER, FALSE) };
        TLS_VALUES.with(|values| set_value(values, index, generation, new));
        TRUE
    }

    fn wsk_FlsAlloc(callback: Option<Callback>) -> Dword, OUT_OF_INDEXES => { FLS.alloc(callback) }

    fn wsk_FlsFree(index: Dword) -> Bool, FALSE => {
        let Some((generation, callback)) = FLS.free(index) else { return fail(ERROR_INVALID_PARAMETER, FALSE) };
        let value = value(FLS_VALUES.get(), index, generation);
        if let Some(callback) = callback.filter(|_| !value.is_null()) {
            callback(value);
        }
        TRUE
    }

    fn wsk_FlsGetValue(index: Dword) -> *mut c_void, ptr::null_mut() => {
        let Some(generation) = FLS.get(index) else { return fail(ERROR_INVALID_PARAMETER, ptr::null_mut()) };
        set_last(NO_ERROR);
        value(FLS_VALUES.get(), index, generation)
    }

    fn wsk_FlsSetValue(index: Dword, new: *mut c_void) -> Bool, FALSE => {
        let Some(generation) = FLS.get(index) else { return fail(ERROR_INVALID_PARAMETER, FALSE) };
        FLS_VALUES.with(|values| set_value(values, index, generation, new));
        TRUE
    }
}
