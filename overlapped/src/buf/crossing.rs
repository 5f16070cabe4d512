//! What may cross to another thread although its type does not say so.

/// A value that holds buffers which are all `Send`.
///
/// [`AnyBuf`](super::AnyBuf) forgets whether its buffer is `Send`, so what contains one is never
/// `Send` by its type. An engine passes such values between threads: the operations that it starts,
/// whose buffers it takes only if they are `Send`, and their completions, which bring those buffers
/// back.
pub(crate) struct Crossing<T>(T);

// SAFETY: by `Crossing::new`, nothing in it is bound to a thread.
unsafe impl<T> Send for Crossing<T> {}

impl<T> Crossing<T> {
    /// Only for an operation whose buffer is `Send` and is not one of a driver's pool, and for the
    /// completion of such an operation.
    pub(crate) fn new(value: T) -> Crossing<T> {
        Crossing(value)
    }

    pub(crate) fn get(&self) -> &T {
        &self.0
    }

    pub(crate) fn get_mut(&mut self) -> &mut T {
        &mut self.0
    }

    pub(crate) fn into_inner(self) -> T {
        self.0
    }
}
