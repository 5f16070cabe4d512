//! Sessions by their key, on whichever node of the cluster they are.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;

use super::handle::Handle;
use super::parking;
use crate::cluster::directory::letters::LETTER_BYTES;
use crate::cluster::directory::local::Local;
use crate::cluster::directory::query::Query;
use crate::cluster::{DirectoryError, Place};
use crate::registry::MOST_NAME_BYTES;
use crate::task::executor::is_on_shard;
use crate::task::link::wake;

impl<M> Handle<M> {
    /// The nodes of the [cluster](crate::cluster) where sessions have a key. If nodes share it,
    /// there are several. A node that has died is named until its lease has run out.
    ///
    /// It reads the key's record, unless this server has the key for itself. A server that is no
    /// node, or whose cluster has no records, answers for itself.
    ///
    /// ```
    /// # use proactor::Handle;
    /// # use proactor::cluster::DirectoryError;
    /// async fn is_online(handle: &Handle, user: &str) -> Result<bool, DirectoryError> {
    ///     Ok(!handle.find_anywhere(user).await?.is_empty())
    /// }
    /// ```
    pub fn find_anywhere(&self, key: impl AsRef<[u8]>) -> Anywhere<Vec<Place>> {
        self.everywhere(
            key.as_ref(),
            |slot| Query::Find(Box::new(move |found| slot.set(found))),
            |own, key| {
                let here = own.find(key).map(|session| Place { node: "".into(), session: Some(session) });
                here.into_iter().collect()
            },
        )
    }

    /// Sends a packet to each session that has a key, on whichever node. Returns for how many nodes
    /// it was sent: 0 if no session has the key. It is framed there, and dropped if it has no
    /// frame.
    ///
    /// It arrives at most once: it is lost if the other node ends or is cut off, or if what is
    /// between the nodes loses it. Packets that one thread sends to a key arrive in order.
    ///
    /// ```
    /// # use proactor::Handle;
    /// async fn tell(handle: &Handle, user: &str) {
    ///     match handle.send_anywhere(user, "you have mail").await {
    ///         Ok(0) => println!("{user} is not there"),
    ///         Ok(_) => {}
    ///         Err(error) => println!("could not tell {user}: {error}"),
    ///     }
    /// }
    /// ```
    pub fn send_anywhere(&self, key: impl AsRef<[u8]>, packet: impl Into<Bytes>) -> Anywhere<usize> {
        let packet = packet.into();
        if let Some(node) = self.directory.node.as_ref().filter(|node| node.directory.is_some())
            && packet.len() > node.longest_mail().saturating_sub(LETTER_BYTES + key.as_ref().len())
        {
            let refused = Slot::default();
            refused.set(Err(DirectoryError::PacketTooLarge));
            return Anywhere(refused);
        }
        let here = packet.clone();
        let query = |slot: Slot<usize>| Query::Send(packet, Box::new(move |reached| slot.set(reached)));
        self.everywhere(key.as_ref(), query, |own, key| usize::from(own.send(key, &here) > 0))
    }

    /// Closes each session that has a key gracefully, on whichever node, as
    /// [`close`](Handle::close) does. Returns for how many nodes that was sent.
    pub fn close_anywhere(&self, key: impl AsRef<[u8]>) -> Anywhere<usize> {
        let query = |slot: Slot<usize>| Query::Close(Box::new(move |reached| slot.set(reached)));
        self.everywhere(key.as_ref(), query, |own, key| usize::from(own.close(key) > 0))
    }

    fn everywhere<T>(
        &self,
        key: &[u8],
        query: impl FnOnce(Slot<T>) -> Query,
        alone: impl FnOnce(&dyn Local, &[u8]) -> T,
    ) -> Anywhere<T> {
        let slot = Slot::default();
        match self.directory.key_directory() {
            _ if key.len() > MOST_NAME_BYTES => slot.set(Err(DirectoryError::TooLong)),
            Some(keys) => keys.ask(Bytes::copy_from_slice(key), query(slot.clone())),
            None => slot.set(Ok(alone(&*self.directory, key))),
        }
        Anywhere(slot)
    }
}

/// What [`Handle::find_anywhere`] and its like return: a future, for any thread and any runtime. If
/// it is dropped, what was asked is done all the same.
#[must_use = "whether it was done is in the result"]
pub struct Anywhere<T>(Slot<T>);

impl<T> Anywhere<T> {
    /// Waits for the answer and blocks this thread meanwhile, for code that is not async.
    ///
    /// # Errors
    /// As for the future: [`DirectoryError`].
    ///
    /// # Panics
    /// On the thread of a shard, which would wait for itself. Spawn a task there
    /// ([`Session::spawn`](crate::Session::spawn)).
    ///
    /// On a simulated network it does not return unless another thread turns the server.
    pub fn wait(self) -> Result<T, DirectoryError> {
        assert!(!is_on_shard(), "a shard's thread cannot wait for an answer of the cluster; await it in a task");
        parking::wait(|waker| self.0.poll(waker))
    }

    /// The answer, if it is there already. It stays there for who awaits it.
    pub fn now(&self) -> Option<Result<T, DirectoryError>>
    where
        T: Clone,
    {
        self.0.lock().answer.clone()
    }
}

impl<T> Future for Anywhere<T> {
    type Output = Result<T, DirectoryError>;

    fn poll(self: Pin<&mut Anywhere<T>>, context: &mut Context<'_>) -> Poll<Result<T, DirectoryError>> {
        self.0.poll(context.waker())
    }
}

impl<T> fmt::Debug for Anywhere<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Anywhere")
    }
}

/// Where an answer is put.
struct Slot<T>(Arc<Mutex<Contents<T>>>);

struct Contents<T> {
    answer: Option<Result<T, DirectoryError>>,
    waker: Option<Waker>,
}

impl<T> Clone for Slot<T> {
    fn clone(&self) -> Slot<T> {
        Slot(Arc::clone(&self.0))
    }
}

impl<T> Default for Slot<T> {
    fn default() -> Slot<T> {
        Slot(Arc::new(Mutex::new(Contents { answer: None, waker: None })))
    }
}

impl<T> Slot<T> {
    fn lock(&self) -> MutexGuard<'_, Contents<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, answer: Result<T, DirectoryError>) {
        let waker = {
            let mut contents = self.lock();
            contents.answer = Some(answer);
            contents.waker.take()
        };
        // Without the lock: a waker may run user code.
        if let Some(waker) = waker {
            wake(waker);
        }
    }

    fn poll(&self, waker: &Waker) -> Poll<Result<T, DirectoryError>> {
        let mut contents = self.lock();
        match contents.answer.take() {
            Some(answer) => Poll::Ready(answer),
            None => {
                contents.waker = Some(waker.clone());
                Poll::Pending
            }
        }
    }
}
