//! Model IV: futures. Operations are futures for any executor; [`block_on`] runs one without.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use super::park::{self, Unpark};
use super::{ending::Ending, notify::ToldBy, operation::Operation, overlapped::Overlapped};
use crate::error::{Error, Failed};
use crate::sync::{AtomicBool, Ordering};

/// Runs a future to its end on this thread. If the thread has a
/// [`LocalEngine`](crate::LocalEngine), the wait turns it.
///
/// The futures of an [`Engine`](crate::Engine) with a thread of its own run under any other
/// executor too.
///
/// # Errors
/// `WouldDeadlock` on an engine's own thread; the backend's error if the local engine's backend
/// fails.
///
/// ```
/// # fn main() -> Result<(), overlapped::Error> {
/// let engine = overlapped::Engine::local()?;
/// let listener = engine.listen("127.0.0.1:0", &Default::default())?;
/// let client = std::net::TcpStream::connect(listener.local_addr()?).unwrap();
/// let accepted = overlapped::future::block_on(async { listener.accept().await })??;
/// assert_eq!(accepted.peer, client.local_addr().unwrap());
/// # Ok(())
/// # }
/// ```
pub fn block_on<F: Future>(future: F) -> Result<F::Output, Error> {
    let mut future = pin!(future);
    let _in_here = park::BlocksOn::begin();
    loop {
        let flag = Arc::new(Flag { woken: AtomicBool::new(false), unpark: Unpark::this_thread() });
        let waker = Waker::from(Arc::clone(&flag));
        let mut context = Context::from_waker(&waker);
        // If the future makes or drops a local engine, it is polled again with a new waker, which
        // wakes this thread in the way that it waits now.
        while flag.unpark.is_valid() {
            park::begin();
            // A swap, not a store: the poll sees what was written before a wake-up that this
            // clears.
            flag.woken.swap(false, Ordering::AcqRel);
            if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
                return Ok(output);
            }
            while flag.unpark.is_valid() && !flag.woken.load(Ordering::Acquire) {
                park::park(None)?;
            }
        }
    }
}

/// A waker that records whether it was used, so that the future is not polled for nothing.
struct Flag {
    woken: AtomicBool,
    unpark: Unpark,
}

impl Wake for Flag {
    fn wake(self: Arc<Flag>) {
        self.wake_by_ref();
    }
    fn wake_by_ref(self: &Arc<Flag>) {
        if !self.woken.swap(true, Ordering::AcqRel) {
            self.unpark.unpark();
        }
    }
}

impl<T: Ending> Future for Overlapped<T> {
    type Output = Result<T, Failed<T::Back>>;

    /// Ready when the operation has ended. Works under any executor.
    ///
    /// # Panics
    /// If it is polled after it was ready, or after [`result`](Overlapped::result) has returned the
    /// result.
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.poll_result(context.waker()).map_or(Poll::Pending, Poll::Ready)
    }
}

impl<T: Ending, E: ToldBy> Future for Operation<'_, T, E> {
    type Output = Result<T, Failed<T::Back>>;

    /// Starts it when it is first polled. Dropping it cancels it.
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.poll_result(context.waker()).map_or(Poll::Pending, Poll::Ready)
    }
}
