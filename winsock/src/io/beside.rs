//! What a receive writes for the program besides the bytes: the sender's address, and the
//! `WSAMSG` of a message.

use std::ops::Range;

use super::attempt::Came;
use crate::abi::WsaBuf;
use crate::socket::address::Name;
use crate::socket::control;

/// `WSAMSG`.
#[repr(C)]
pub(crate) struct WsaMsg {
    pub name: *mut u8,
    pub name_len: i32,
    pub bufs: *mut WsaBuf,
    pub count: u32,
    pub control: WsaBuf,
    pub flags: u32,
}

const MSG_TRUNC: u32 = 0x100;
const MSG_CTRUNC: u32 = 0x200;

/// Where a receive writes; null where nothing is asked for.
#[derive(Clone, Copy)]
pub(crate) struct Beside {
    pub from: *mut u8,
    pub from_len: *mut i32,
    pub message: *mut WsaMsg,
}

// SAFETY: the memory is the operation's until it has ended.
unsafe impl Send for Beside {}

impl Beside {
    pub(crate) const NOTHING: Beside =
        Beside { from: std::ptr::null_mut(), from_len: std::ptr::null_mut(), message: std::ptr::null_mut() };

    pub(crate) fn wants_control(&self) -> bool {
        // SAFETY: a message that is given can be read.
        !self.message.is_null() && unsafe { (*self.message).control.len > 0 && !(*self.message).control.buf.is_null() }
    }

    /// Writes what came. `false` if there is not enough room for the address.
    pub(crate) fn write(&self, came: &Came) -> bool {
        // SAFETY: the program lends this memory to the operation.
        unsafe {
            if !self.message.is_null() {
                let message = &mut *self.message;
                let mut len = message.name_len;
                came.from.write(message.name, &raw mut len);
                message.name_len = len;
                message.flags = if came.truncated { MSG_TRUNC } else { 0 };
                if !control::to_windows(&came.control, &mut message.control) {
                    message.flags |= MSG_CTRUNC;
                }
            }
            self.from.is_null() || self.from_len.is_null() || came.from.write(self.from, self.from_len)
        }
    }

    /// Whether something of the caller's that is written at the end lies at these addresses.
    pub(crate) fn lies_in(&self, addresses: &Range<usize>) -> bool {
        let within = |ptr: usize| addresses.contains(&ptr);
        within(self.from as usize) || within(self.from_len as usize) || within(self.message as usize)
    }

    /// An address to send to, and what goes beside it.
    ///
    /// # Safety
    /// `message` can be read, and what it points to.
    pub(crate) unsafe fn destination(message: *const WsaMsg) -> Result<Option<Name>, u32> {
        // SAFETY: as the caller promises.
        unsafe {
            match (*message).name.is_null() {
                true => Ok(None),
                false => Name::read((*message).name, (*message).name_len).map(Some),
            }
        }
    }
}
