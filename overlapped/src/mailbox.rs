//! Messages from other threads to the thread of a driver.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use crate::sync::{AtomicBool, Mutex, Ordering, lock};
use crate::wake::WakeHandle;

/// Makes a mailbox of at most `limit` messages for the thread of the driver that `wake` belongs to.
///
/// The first message into an empty mailbox wakes the driver. Messages that follow before it is
/// emptied cost no wake-up. The driver's thread checks its mailboxes after every turn.
///
/// ```
/// # use overlapped::{Driver, DriverConfig};
/// # use overlapped::driver::Wait;
/// # use overlapped::mailbox::mailbox;
/// let mut driver = Driver::new(DriverConfig::new()).unwrap();
/// let (sender, mut mail) = mailbox::<u32>(16, driver.wake_handle());
/// std::thread::spawn(move || sender.send(7).unwrap());
/// driver.turn(Wait::Forever).unwrap();
/// assert_eq!(mail.take().next(), Some(7));
/// ```
pub fn mailbox<M>(limit: usize, wake: WakeHandle) -> (Sender<M>, Mailbox<M>) {
    let queue = Mutex::new(Queue { mail: VecDeque::new(), open: true });
    let shared = Arc::new(Shared { queue, has_mail: AtomicBool::new(false), limit, wake });
    (Sender { shared: Arc::clone(&shared) }, Mailbox { shared, taken: VecDeque::new() })
}

struct Shared<M> {
    queue: Mutex<Queue<M>>,
    /// Whether there are messages; written under the lock. A thread that was woken after a message
    /// was put in sees it here. So an empty mailbox, the usual case after a turn, is checked
    /// without the lock.
    has_mail: AtomicBool,
    limit: usize,
    wake: WakeHandle,
}

struct Queue<M> {
    mail: VecDeque<M>,
    open: bool,
}

/// Why a message was not taken; it is given back.
#[derive(PartialEq, Eq)]
pub enum MailError<M> {
    /// The mailbox is full.
    Full(M),
    /// The mailbox is closed or gone.
    Closed(M),
}

impl<M> fmt::Debug for MailError<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<M> fmt::Display for MailError<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            MailError::Full(_) => "the mailbox is full",
            MailError::Closed(_) => "the mailbox is closed",
        })
    }
}

impl<M> std::error::Error for MailError<M> {}

/// The end that other threads hold.
pub struct Sender<M> {
    shared: Arc<Shared<M>>,
}

impl<M> Sender<M> {
    /// Sends a message. It is given back if the mailbox is full or gone. Never blocks for long.
    pub fn send(&self, message: M) -> Result<(), MailError<M>> {
        let mut queue = lock(&self.shared.queue);
        if !queue.open {
            return Err(MailError::Closed(message));
        }
        if queue.mail.len() >= self.shared.limit {
            return Err(MailError::Full(message));
        }
        let first = queue.mail.is_empty();
        queue.mail.push_back(message);
        if first {
            self.shared.has_mail.store(true, Ordering::Release);
        }
        drop(queue);
        if first {
            self.shared.wake.wake();
        }
        Ok(())
    }
}

impl<M> Clone for Sender<M> {
    fn clone(&self) -> Sender<M> {
        Sender { shared: Arc::clone(&self.shared) }
    }
}

impl<M> fmt::Debug for Sender<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sender")
    }
}

/// The end that the driver's thread holds. Dropping it drops its messages and closes it.
pub struct Mailbox<M> {
    shared: Arc<Shared<M>>,
    taken: VecDeque<M>,
}

impl<M> Mailbox<M> {
    /// Whether there are no messages now.
    pub fn is_empty(&self) -> bool {
        self.taken.is_empty() && !self.shared.has_mail.load(Ordering::Acquire)
    }

    /// Takes the messages that have come; those of one sender in the order in which they were sent.
    /// Messages that are not taken from the iterator stay for the next call, and do not wake the
    /// driver again.
    pub fn take(&mut self) -> impl Iterator<Item = M> + '_ {
        if self.shared.has_mail.load(Ordering::Acquire) {
            let mut queue = lock(&self.shared.queue);
            match self.taken.is_empty() {
                true => std::mem::swap(&mut self.taken, &mut queue.mail),
                false => self.taken.append(&mut queue.mail),
            }
            self.shared.has_mail.store(false, Ordering::Relaxed);
        }
        std::iter::from_fn(|| self.taken.pop_front())
    }

    /// Accepts no more messages: senders get [`MailError::Closed`]. Messages that have come can
    /// still be taken, so that none is lost silently.
    pub fn close(&mut self) {
        lock(&self.shared.queue).open = false;
    }
}

impl<M> Drop for Mailbox<M> {
    fn drop(&mut self) {
        let mail = {
            let mut queue = lock(&self.shared.queue);
            queue.open = false;
            std::mem::take(&mut queue.mail)
        };
        // Outside the lock: a dropped message may itself send messages.
        drop(mail);
    }
}

impl<M> fmt::Debug for Mailbox<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mailbox")
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::driver::{Driver, DriverConfig};

    #[test]
    fn what_is_not_taken_out_stays_for_the_next_time() {
        let driver = Driver::new(DriverConfig::new()).unwrap();
        let (sender, mut mail) = mailbox(16, driver.wake_handle());
        (0..3).for_each(|i| sender.send(i).unwrap());
        assert_eq!(mail.take().next(), Some(0));
        sender.send(3).unwrap();
        assert_eq!(mail.take().collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!(mail.take().next(), None);
    }

    #[test]
    fn a_closed_box_takes_in_no_more_and_keeps_what_it_has() {
        let driver = Driver::new(DriverConfig::new()).unwrap();
        let (sender, mut mail) = mailbox(16, driver.wake_handle());
        sender.send(1).unwrap();
        mail.close();
        assert_eq!(sender.send(2), Err(MailError::Closed(2)));
        assert_eq!(mail.take().collect::<Vec<_>>(), [1]);
    }
}
