//! Events.

use std::ffi::{c_char, c_void};

use super::names;
use crate::abi::{Bool, Dword, FALSE, Handle, TRUE, Wchar};
use crate::error::{ERROR_INVALID_HANDLE, ERROR_INVALID_PARAMETER, fail};
use crate::handles::{self, Header, Object};
use crate::wait::{Kind, Signal};

pub(crate) struct Event {
    header: Header,
    signal: Signal,
}

impl Event {
    /// With manual reset, a set event stays so; otherwise the first wait that it satisfies resets
    /// it.
    pub(crate) fn new(manual: bool, set: bool) -> Event {
        let kind = if manual { Kind::Manual } else { Kind::Counted };
        Event { header: Header::new(), signal: Signal::new(kind, set.into()) }
    }

    pub(crate) fn state(&self) -> &Signal {
        &self.signal
    }
}

impl Object for Event {
    fn header(&self) -> &Header {
        &self.header
    }

    fn signal(&self) -> Option<&Signal> {
        Some(&self.signal)
    }
}

const CREATE_EVENT_MANUAL_RESET: u32 = 1;
const CREATE_EVENT_INITIAL_SET: u32 = 2;

/// Does something to an event.
fn with(event: Handle, f: impl FnOnce(&Signal)) -> Bool {
    match handles::get::<Event>(event) {
        Some(event) => {
            f(&event.signal);
            TRUE
        }
        None => fail(ERROR_INVALID_HANDLE, FALSE),
    }
}

/// Sets an event; `FALSE` with the thread's error set if it is none.
pub(crate) fn set_event(event: Handle) -> Bool {
    with(event, Signal::set)
}

export! {
    fn wsk_CreateEventA(
        _security: *mut c_void, manual: Bool, set: Bool, name: *const c_char,
    ) -> Handle, 0 => {
        names::create(names::narrow(name), || Event::new(manual != 0, set != 0))
    }

    fn wsk_CreateEventW(
        _security: *mut c_void, manual: Bool, set: Bool, name: *const Wchar,
    ) -> Handle, 0 => {
        names::create(names::wide(name), || Event::new(manual != 0, set != 0))
    }

    fn wsk_CreateEventExA(
        _security: *mut c_void, name: *const c_char, flags: Dword, _access: Dword,
    ) -> Handle, 0 => {
        create_ex(names::narrow(name), flags)
    }

    fn wsk_CreateEventExW(
        _security: *mut c_void, name: *const Wchar, flags: Dword, _access: Dword,
    ) -> Handle, 0 => {
        create_ex(names::wide(name), flags)
    }

    fn wsk_OpenEventA(_access: Dword, _inherit: Bool, name: *const c_char) -> Handle, 0 => {
        names::open::<Event>(names::narrow(name), name.is_null())
    }

    fn wsk_OpenEventW(_access: Dword, _inherit: Bool, name: *const Wchar) -> Handle, 0 => {
        names::open::<Event>(names::wide(name), name.is_null())
    }

    fn wsk_SetEvent(event: Handle) -> Bool, FALSE => { with(event, Signal::set) }

    fn wsk_ResetEvent(event: Handle) -> Bool, FALSE => { with(event, Signal::reset) }

    fn wsk_PulseEvent(event: Handle) -> Bool, FALSE => { with(event, Signal::pulse) }

    fn wsk_WSACreateEvent() -> Handle, 0 => { names::create(Ok(None), || Event::new(true, false)) }

    fn wsk_WSASetEvent(event: Handle) -> Bool, FALSE => { with(event, Signal::set) }

    fn wsk_WSAResetEvent(event: Handle) -> Bool, FALSE => { with(event, Signal::reset) }

    fn wsk_WSACloseEvent(event: Handle) -> Bool, FALSE => {
        if handles::close(event) { TRUE } else { fail(ERROR_INVALID_HANDLE, FALSE) }
    }
}

fn create_ex(name: Result<names::Name, u32>, flags: u32) -> Handle {
    if flags & !(CREATE_EVENT_MANUAL_RESET | CREATE_EVENT_INITIAL_SET) != 0 {
        return fail(ERROR_INVALID_PARAMETER, 0);
    }
    names::create(name, || Event::new(flags & CREATE_EVENT_MANUAL_RESET != 0, flags & CREATE_EVENT_INITIAL_SET != 0))
}
