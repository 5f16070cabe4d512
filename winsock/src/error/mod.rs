//! The one error cell of a thread, and the tables of codes.

use std::cell::Cell;

mod codes;
pub mod status;
pub mod system;

pub use codes::*;
pub use status::NtStatus;

thread_local! {
    static LAST: Cell<u32> = const { Cell::new(0) };
}

/// What `GetLastError` and `WSAGetLastError` both read.
pub fn last() -> u32 {
    LAST.with(Cell::get)
}

pub fn set_last(code: u32) {
    LAST.with(|last| last.set(code));
}

/// Sets the thread's error and returns `result`.
pub fn fail<R>(code: u32, result: R) -> R {
    set_last(code);
    result
}

export! {
    fn wsk_GetLastError() -> u32, 0 => { last() }
    fn wsk_SetLastError(code: u32) -> (), () => { set_last(code) }
    fn wsk_WSAGetLastError() -> i32, 0 => { last() as i32 }
    fn wsk_WSASetLastError(code: i32) -> (), () => { set_last(code as u32) }
}
