//! The answer to a request for an upgrade, which another thread finds.

use std::future::poll_fn;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, Waker};

type Result = std::result::Result<u32, String>;

#[derive(Default)]
struct Cell {
    result: Option<Result>,
    waker: Option<Waker>,
}

/// Who finds the answer. It is told that there is none if this is dropped.
pub(super) struct Answering(Arc<Mutex<Cell>>);

/// A place for an answer, and the future of it.
pub(super) fn answer() -> (Answering, impl Future<Output = Result>) {
    let cell = Arc::<Mutex<Cell>>::default();
    let answering = Answering(Arc::clone(&cell));
    let answered = poll_fn(move |context| {
        let mut cell = cell.lock().unwrap_or_else(PoisonError::into_inner);
        match cell.result.take() {
            Some(result) => Poll::Ready(result),
            None => {
                cell.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    });
    (answering, answered)
}

impl Answering {
    pub(super) fn give(self, result: Result) {
        self.set(result);
    }

    fn set(&self, result: Result) {
        let waker = {
            let mut cell = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            cell.result.get_or_insert(result);
            cell.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.set(Err("the upgrade has ended without an answer".to_owned()));
    }
}
