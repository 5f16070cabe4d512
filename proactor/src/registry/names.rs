//! Values that are shared by name for as long as somebody holds them. The table itself holds none.

use std::sync::{Arc, Weak};

use super::striped::Striped;
use super::{MOST_NAME_BYTES, NameError};

/// Values that there may be at once.
const MOST_NAMES: usize = 1 << 20;

pub(crate) struct Names<T>(Striped<Weak<T>>);

impl<T> Default for Names<T> {
    fn default() -> Names<T> {
        Names(Striped::default())
    }
}

impl<T> Names<T> {
    /// The value of a name, made now if nobody holds one. It calls [`forget`](Names::forget) when
    /// it is dropped.
    pub(crate) fn get(&self, name: &[u8], make: impl FnOnce() -> Arc<T>) -> Result<Arc<T>, NameError> {
        if name.len() > MOST_NAME_BYTES {
            return Err(NameError::TooLong);
        }
        self.0.update(name, |held| {
            if let Some(value) = held.as_ref().and_then(Weak::upgrade) {
                return Ok(value);
            }
            // Threads that add at once may go a little over it.
            if held.is_none() && self.0.len() >= MOST_NAMES {
                return Err(NameError::TooMany);
            }
            let value = make();
            *held = Some(Arc::downgrade(&value));
            Ok(value)
        })
    }

    /// The value of a name, if somebody holds one.
    pub(crate) fn find(&self, name: &[u8]) -> Option<Arc<T>> {
        self.0.read(name, |held| held.and_then(Weak::upgrade))
    }

    /// A value is being dropped. Its name may be another's by now: that one stays.
    pub(crate) fn forget(&self, name: &[u8], value: *const T) {
        self.0.update(name, |held| {
            if held.as_ref().is_some_and(|held| std::ptr::eq(held.as_ptr(), value)) {
                *held = None;
            }
        });
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Held(Weak<Names<Held>>);

    impl Drop for Held {
        fn drop(&mut self) {
            self.0.upgrade().unwrap().forget(b"name", self);
        }
    }

    fn get(names: &Arc<Names<Held>>) -> Arc<Held> {
        names.get(b"name", || Arc::new(Held(Arc::downgrade(names)))).unwrap()
    }

    #[test]
    fn a_value_is_shared_while_it_is_held_and_forgotten_then() {
        let names = Arc::new(Names::default());
        let first = get(&names);
        assert!(Arc::ptr_eq(&first, &get(&names)) && names.len() == 1);
        assert!(names.find(b"name").is_some_and(|found| Arc::ptr_eq(&found, &first)));
        drop(first);
        assert!(names.find(b"name").is_none() && names.len() == 0);
        assert_eq!(names.get(&[0; MOST_NAME_BYTES + 1], || unreachable!()).err(), Some(NameError::TooLong));
    }

    #[test]
    fn while_one_thread_holds_a_value_every_other_gets_the_same() {
        let names = Arc::new(Names::default());
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..20_000 {
                        let held = get(&names);
                        assert!(names.find(b"name").is_some_and(|found| Arc::ptr_eq(&found, &held)));
                        assert!(Arc::ptr_eq(&get(&names), &held), "it was forgotten while it was held");
                    }
                });
            }
        });
        assert_eq!(names.len(), 0, "the last to let go has left nothing");
    }
}
