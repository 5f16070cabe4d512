//! Cleanup groups: objects that are closed together.

use std::ffi::c_void;
use std::sync::{Arc, Mutex, PoisonError};

use super::environment::{Cancelled, Place};
use crate::abi::{Bool, Handle};
use crate::error::{ERROR_NO_SYSTEM_RESOURCES, fail};
use crate::handles::{self, Header, Object};

/// An object with callbacks that a group can close.
pub(super) trait Member: Send + Sync {
    fn wait_for_callbacks(&self, cancel: bool);
    /// Closes the object's handle.
    fn close(&self);
    fn context(&self) -> *mut c_void;
}

struct Joined {
    member: Arc<dyn Member>,
    cancelled: Option<Cancelled>,
}

struct Group {
    header: Header,
    members: Mutex<Vec<Joined>>,
}

impl Object for Group {
    fn header(&self) -> &Header {
        &self.header
    }
}

/// The object joins the group of its place, if that has one.
pub(super) fn join(place: &Place, member: Arc<dyn Member>) {
    if let Some(group) = handles::get::<Group>(place.group) {
        let mut members = group.members.lock().unwrap_or_else(PoisonError::into_inner);
        members.push(Joined { member, cancelled: place.cancelled });
    }
}

/// The object was closed by itself.
pub(super) fn leave(group: Handle, member: *const c_void) {
    if let Some(group) = handles::get::<Group>(group) {
        let mut members = group.members.lock().unwrap_or_else(PoisonError::into_inner);
        members.retain(|joined| Arc::as_ptr(&joined.member).cast::<c_void>() != member);
    }
}

export! {
    fn wsk_CreateThreadpoolCleanupGroup() -> Handle, 0 => {
        let group = Arc::new(Group { header: Header::new(), members: Mutex::default() });
        handles::insert(group).unwrap_or_else(|| fail(ERROR_NO_SYSTEM_RESOURCES, 0))
    }

    fn wsk_CloseThreadpoolCleanupGroup(group: Handle) -> (), () => {
        handles::close_if::<Group>(group);
    }
}

export_unwind! {
    fn wsk_CloseThreadpoolCleanupGroupMembers(group: Handle, cancel: Bool, context: *mut c_void) -> () => {
        let Some(group) = handles::get::<Group>(group) else { return };
        let members = std::mem::take(&mut *group.members.lock().unwrap_or_else(PoisonError::into_inner));
        for Joined { member, cancelled } in members {
            member.wait_for_callbacks(cancel != 0);
            if let Some(cancelled) = cancelled.filter(|_| cancel != 0) {
                cancelled(member.context(), context);
            }
            member.close();
        }
    }
}
