//! Locks and what belongs to them: they live in the program's memory and have no handle.

mod barrier;
mod condition;
mod critical_section;
mod init_once;
mod locals;
mod slim_lock;
mod slist;
mod wait_on_address;

pub(crate) use critical_section::{CriticalSection, leave};
