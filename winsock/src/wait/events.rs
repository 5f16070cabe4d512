//! `WSAWaitForMultipleEvents`: a wait for events of any kind, with Winsock's codes.

use super::calls::{WAIT_FAILED, several, wait_for};
use crate::abi::{Bool, Dword, Handle};
use crate::error::{ERROR_INVALID_PARAMETER, fail};

export_unwind! {
    fn wsk_WSAWaitForMultipleEvents(
        count: Dword, events: *const Handle, all: Bool, milliseconds: Dword, alertable: Bool,
    ) -> Dword => {
        match several(count, events) {
            Some(events) => wait_for(events, all != 0, milliseconds, alertable != 0),
            None => fail(ERROR_INVALID_PARAMETER, WAIT_FAILED),
        }
    }
}
