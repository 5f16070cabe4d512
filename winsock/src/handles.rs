//! The table of handles. `HANDLE` and `SOCKET` values come from here: small multiples of 4, never a
//! descriptor. A value of -1 or -2 means the process or the thread that calls, and is in no table.
//!
//! A lookup takes the lock of one slot and of nothing else, since every packet needs one.

use std::any::Any;
use std::collections::VecDeque;
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};

use crate::wait::Signal;

/// The first value. Programs print handles and compare them with 0; none of them is small.
const FIRST: usize = 0x84;
const SEGMENT_SLOTS: usize = 1024;
const SEGMENTS: usize = 1024;
/// A value is not given again before so many others are free: a program that uses a handle after
/// closing it mostly meets a closed one.
const LEAST_FREE: usize = 64;

/// What every object has for this table.
pub(crate) struct Header {
    /// Values that mean this object.
    handles: AtomicU32,
}

impl Header {
    pub(crate) const fn new() -> Header {
        Header { handles: AtomicU32::new(0) }
    }

    pub(crate) fn is_open(&self) -> bool {
        self.handles.load(Ordering::Acquire) > 0
    }
}

/// What a handle can mean.
pub(crate) trait Object: Any + Send + Sync {
    fn header(&self) -> &Header;

    /// What a wait for this object waits for; `None` if it cannot be waited for.
    fn signal(&self) -> Option<&Signal> {
        None
    }

    /// What an object with overlapped operations has: its `Arc<deliver::Completion>`.
    fn completion(&self) -> Option<&dyn Any> {
        None
    }

    /// Cancels operations in flight on this object: the one of this `OVERLAPPED`, those that this
    /// thread started, or all. Returns how many there were.
    fn cancel(&self, _overlapped: Option<usize>, _thread: Option<u32>) -> usize {
        0
    }

    /// A file's descriptor, for calls that send its bytes.
    fn descriptor(&self) -> Option<RawFd> {
        None
    }

    /// The last value that meant this object was closed. Runs without a lock of this table.
    fn last_handle_closed(self: Arc<Self>) {}
}

struct Entry {
    object: Arc<dyn Object>,
    flags: u32,
}

type Slot = RwLock<Option<Entry>>;

struct Free {
    /// Closed slots, the one that was closed first in front.
    closed: VecDeque<u32>,
    /// Slots from here on were never used.
    unused: u32,
}

static TABLE: [OnceLock<Box<[Slot]>>; SEGMENTS] = [const { OnceLock::new() }; SEGMENTS];
static FREE: Mutex<Free> = Mutex::new(Free { closed: VecDeque::new(), unused: 0 });

/// How often a value was closed.
static CLOSES: AtomicU64 = AtomicU64::new(0);

/// `HANDLE_FLAG_PROTECT_FROM_CLOSE`.
const PROTECTED: u32 = 2;

fn index_of(value: usize) -> Option<usize> {
    // The low two bits are the program's, as on Windows.
    let from_first = (value & !3).checked_sub(FIRST)?;
    Some(from_first / 4).filter(|index| *index < SEGMENTS * SEGMENT_SLOTS)
}

fn slot(value: usize) -> Option<&'static Slot> {
    let index = index_of(value)?;
    let segment = TABLE[index / SEGMENT_SLOTS].get()?;
    segment.get(index % SEGMENT_SLOTS)
}

/// Gives an object a value; `None` when there are 1,048,576 already.
pub(crate) fn insert(object: Arc<dyn Object>) -> Option<usize> {
    let index = {
        let mut free = FREE.lock().unwrap_or_else(PoisonError::into_inner);
        let all = (SEGMENTS * SEGMENT_SLOTS) as u32;
        if free.closed.len() > LEAST_FREE || free.unused == all {
            free.closed.pop_front()?
        } else {
            free.unused += 1;
            free.unused - 1
        }
    } as usize;
    let make = || (0..SEGMENT_SLOTS).map(|_| RwLock::new(None)).collect();
    let segment = TABLE[index / SEGMENT_SLOTS].get_or_init(make);
    object.header().handles.fetch_add(1, Ordering::AcqRel);
    let entry = Entry { object, flags: 0 };
    *segment[index % SEGMENT_SLOTS].write().unwrap_or_else(PoisonError::into_inner) = Some(entry);
    Some(FIRST + index * 4)
}

fn with<R>(value: usize, f: impl FnOnce(&Entry) -> R) -> Option<R> {
    let slot = slot(value)?.read().unwrap_or_else(PoisonError::into_inner);
    slot.as_ref().map(f)
}

/// The object that a value means, of whichever kind.
pub(crate) fn any(value: usize) -> Option<Arc<dyn Object>> {
    with(value, |entry| Arc::clone(&entry.object))
}

/// The object that a value means, if it is a `T`.
pub(crate) fn get<T: Object>(value: usize) -> Option<Arc<T>> {
    with(value, |entry| {
        let object: &dyn Any = &*entry.object;
        object.is::<T>().then(|| cast(Arc::clone(&entry.object)))
    })?
}

/// The object of a value that a thread uses again and again, kept until any value is closed: to
/// find it then takes no lock.
pub(crate) struct Kept<T> {
    value: usize,
    closes: u64,
    object: Arc<T>,
}

impl<T: Object> Kept<T> {
    /// The object that `value` means, if it is a `T`.
    pub(crate) fn find(kept: Option<Kept<T>>, value: usize) -> Option<Kept<T>> {
        let closes = CLOSES.load(Ordering::Acquire);
        match kept {
            Some(kept) if kept.value == value && kept.closes == closes => Some(kept),
            _ => get(value).map(|object| Kept { value, closes, object }),
        }
    }

    pub(crate) fn object(&self) -> &Arc<T> {
        &self.object
    }
}

/// Makes an object of a kind of one that is known to be of this kind.
fn cast<T: Object>(object: Arc<dyn Object>) -> Arc<T> {
    // SAFETY: the caller has compared the types, so the pointer is that of an `Arc<T>`.
    unsafe { Arc::from_raw(Arc::into_raw(object).cast::<T>()) }
}

/// Makes an object of a kind of any that is of this kind.
pub(crate) fn downcast<T: Object>(object: Arc<dyn Object>) -> Option<Arc<T>> {
    let is = (&*object as &dyn Any).is::<T>();
    is.then(|| cast(object))
}

fn take(value: usize, accepts: impl FnOnce(&Entry) -> bool) -> Option<Arc<dyn Object>> {
    let mut slot = slot(value)?.write().unwrap_or_else(PoisonError::into_inner);
    let accepted = slot.as_ref().is_some_and(|entry| entry.flags & PROTECTED == 0 && accepts(entry));
    let taken = if accepted { slot.take() } else { None };
    drop(slot);
    let object = taken?.object;
    CLOSES.fetch_add(1, Ordering::Release);
    if let Some(index) = index_of(value) {
        let mut free = FREE.lock().unwrap_or_else(PoisonError::into_inner);
        free.closed.push_back(index as u32);
    }
    Some(object)
}

fn closed(object: &Arc<dyn Object>) {
    if object.header().handles.fetch_sub(1, Ordering::AcqRel) == 1 {
        Arc::clone(object).last_handle_closed();
    }
}

/// Closes a value; `false` if it means nothing.
pub(crate) fn close(value: usize) -> bool {
    take(value, |_| true).inspect(closed).is_some()
}

/// Closes a value if it means a `T`, which is returned.
pub(crate) fn close_if<T: Object>(value: usize) -> Option<Arc<T>> {
    let object = take(value, |entry| (&*entry.object as &dyn Any).is::<T>())?;
    closed(&object);
    downcast(object)
}

/// A second value for the same object.
pub(crate) fn duplicate(value: usize) -> Option<usize> {
    insert(any(value)?)
}

/// How many values mean something.
pub(crate) fn count() -> u32 {
    let free = FREE.lock().unwrap_or_else(PoisonError::into_inner);
    free.unused - free.closed.len() as u32
}

/// What `GetHandleInformation` tells.
pub(crate) fn flags(value: usize) -> Option<u32> {
    with(value, |entry| entry.flags)
}

/// Sets the flags in `mask`; `false` if the value means nothing.
pub(crate) fn set_flags(value: usize, mask: u32, flags: u32) -> bool {
    let Some(slot) = slot(value) else { return false };
    let mut slot = slot.write().unwrap_or_else(PoisonError::into_inner);
    slot.as_mut().map(|entry| entry.flags = entry.flags & !mask | flags & mask).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct One(Header);
    impl Object for One {
        fn header(&self) -> &Header {
            &self.0
        }
    }
    struct Other(Header);
    impl Object for Other {
        fn header(&self) -> &Header {
            &self.0
        }
    }

    #[test]
    fn a_kept_object_is_forgotten_when_its_value_is_closed() {
        let value = insert(Arc::new(One(Header::new()))).unwrap();
        let other = insert(Arc::new(One(Header::new()))).unwrap();
        let kept = Kept::<One>::find(None, value).unwrap();
        let kept = Kept::find(Some(kept), value).unwrap();
        let found = Kept::find(Some(kept), other).unwrap();
        assert!(Arc::ptr_eq(found.object(), &get::<One>(other).unwrap()), "another value means another object");
        assert!(close(other));
        assert!(Kept::find(Some(found), other).is_none());
        assert!(Kept::<Other>::find(None, value).is_none(), "of another kind");
        assert!(close(value));
    }

    #[test]
    fn values_are_multiples_of_four_and_know_their_kind() {
        let value = insert(Arc::new(One(Header::new()))).unwrap();
        assert_eq!(value % 4, 0);
        assert!(get::<One>(value).is_some());
        assert!(get::<Other>(value).is_none());
        assert!(close_if::<Other>(value).is_none());
        let second = duplicate(value).unwrap();
        assert!(close(value));
        assert!(!close(value));
        let object = get::<One>(second).unwrap();
        assert!(object.header().is_open());
        assert!(close(second));
        assert!(!object.header().is_open());
        assert!(get::<One>(0).is_none() && get::<One>(usize::MAX).is_none());
    }
}
