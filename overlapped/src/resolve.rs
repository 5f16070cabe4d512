//! Looking names up. The system's call for that blocks, so a few threads of their own make it. They
//! are started when the first name is looked up.
//!
//! Lookups wait in a queue with a limit. A lookup in which nobody is interested any more is
//! skipped, so names that nobody answers hold up others for no longer than their own timeouts.
//!
//! [`Engine::lookup`](crate::Engine::lookup) looks names up as operations. A [`Resolver`] is for
//! programs that use drivers.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};

use crate::error::{Action, Error, ErrorKind};

/// Lookups that are made at once.
const MOST_THREADS: usize = 4;
/// Lookups that wait for a thread.
const MOST_WAITING: usize = 4096;
/// The longest name that DNS allows.
const MOST_NAME_BYTES: usize = 253;

/// The answer to a lookup: addresses, the preferred ones first, or the system's error.
pub type Found = io::Result<Vec<SocketAddr>>;

/// Keep this while you wait for the answer. When it is dropped, a lookup that has not begun is not
/// made, and its answer is not called.
#[derive(Debug)]
pub struct Interest(#[expect(dead_code, reason = "only its being there counts")] Arc<()>);

/// Whether a text can be the name of a host: 1 to 253 letters, digits, dots, hyphens and
/// underscores. Letters need not be ASCII.
///
/// ```
/// use overlapped::resolve::is_host_name;
/// assert!(is_host_name("example.org") && is_host_name("localhost"));
/// assert!(!is_host_name("") && !is_host_name("example org"));
/// ```
pub fn is_host_name(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_') || !byte.is_ascii();
    (1..=MOST_NAME_BYTES).contains(&text.len()) && text.bytes().all(fits)
}

struct Job {
    name: String,
    port: u16,
    interest: Weak<()>,
    answer: Box<dyn FnOnce(Found) + Send>,
}

/// Looks names up on at most 4 threads, which it starts when they are needed; at most 4,096 more
/// lookups wait. Dropping it ends the threads, each after its present lookup, and does not wait
/// for them.
///
/// ```
/// use overlapped::resolve::Resolver;
///
/// let resolver = Resolver::new();
/// let (answer, found) = std::sync::mpsc::channel();
/// let interest = resolver.look_up("localhost", 80, move |found| answer.send(found).unwrap())?;
/// # let _ =
/// found.recv().unwrap();               // on a thread that may wait; a driver's has a mailbox
/// drop(interest);
/// # Ok::<(), overlapped::Error>(())
/// ```
#[derive(Default)]
pub struct Resolver {
    lookups: Arc<Lookups>,
}

#[derive(Default)]
struct Lookups {
    queue: Mutex<Queue>,
    work: Condvar,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    threads: usize,
    /// Threads that wait for a job.
    idle: usize,
    closed: bool,
}

impl Lookups {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        // Nothing that holds it can panic half-way.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(&self) {
        loop {
            let mut queue = self.lock();
            let job = loop {
                if queue.closed {
                    return;
                }
                if let Some(job) = queue.jobs.pop_front() {
                    break job;
                }
                queue.idle += 1;
                queue = self.work.wait(queue).unwrap_or_else(PoisonError::into_inner);
                queue.idle -= 1;
            };
            drop(queue);
            if job.interest.strong_count() > 0 {
                let found = (job.name.as_str(), job.port).to_socket_addrs().map(Iterator::collect);
                if catch_unwind(AssertUnwindSafe(|| (job.answer)(found))).is_err() {
                    tracing::error!("what was told of a lookup panicked; other lookups go on");
                }
            }
        }
    }
}

impl Resolver {
    /// Makes a resolver, without a thread yet.
    pub fn new() -> Resolver {
        Resolver::default()
    }

    /// Looks a name up with the system's `getaddrinfo`. `answer` is called once, on one of the
    /// resolver's threads, unless the interest or the resolver is dropped before. A panic in it is
    /// contained.
    ///
    /// # Errors
    /// `LimitReached`: too many lookups wait, or no thread could be started.
    pub fn look_up(
        &self,
        name: &str,
        port: u16,
        answer: impl FnOnce(Found) + Send + 'static,
    ) -> Result<Interest, Error> {
        let refused = |why: String| Err(Error::new(Action::LookUp, ErrorKind::LimitReached).because(why));
        let interest = Arc::new(());
        let mut queue = self.lookups.lock();
        if queue.jobs.len() >= MOST_WAITING {
            return refused(format!("{MOST_WAITING} names wait to be looked up"));
        }
        if queue.idle <= queue.jobs.len() && queue.threads < MOST_THREADS {
            let lookups = Arc::clone(&self.lookups);
            match std::thread::Builder::new().name("resolver".into()).spawn(move || lookups.serve()) {
                Ok(_) => queue.threads += 1,
                Err(error) if queue.threads == 0 => return refused(format!("no thread to look it up with: {error}")),
                Err(_) => {}
            }
        }
        let (name, weak) = (name.to_owned(), Arc::downgrade(&interest));
        queue.jobs.push_back(Job { name, port, interest: weak, answer: Box::new(answer) });
        drop(queue);
        self.lookups.work.notify_one();
        Ok(Interest(interest))
    }
}

impl Drop for Resolver {
    fn drop(&mut self) {
        let jobs = {
            let mut queue = self.lookups.lock();
            queue.closed = true;
            std::mem::take(&mut queue.jobs)
        };
        self.lookups.work.notify_all();
        drop(jobs);
    }
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let queue = self.lookups.lock();
        f.debug_struct("Resolver").field("threads", &queue.threads).field("waiting", &queue.jobs.len()).finish()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    #[test]
    fn answers_for_each_name_and_has_no_more_threads_than_it_may() {
        let resolver = Resolver::new();
        let (found, all) = mpsc::channel();
        let mut interests = Vec::new();
        for port in 1..=50 {
            let found = found.clone();
            let answer = move |result: Found| found.send((port, result)).unwrap();
            interests.push(resolver.look_up("127.0.0.1", port, answer).unwrap());
        }
        assert!((1..=MOST_THREADS).contains(&resolver.lookups.lock().threads));
        let mut ports = Vec::new();
        for _ in 0..50 {
            let (port, result) = all.recv_timeout(Duration::from_secs(30)).unwrap();
            assert_eq!(result.unwrap(), [SocketAddr::from(([127, 0, 0, 1], port))]);
            ports.push(port);
        }
        ports.sort_unstable();
        assert_eq!(ports, (1..=50).collect::<Vec<u16>>());
    }

    #[test]
    fn what_cannot_be_found_is_said() {
        let resolver = Resolver::new();
        let (found, all) = mpsc::channel();
        let _interest = resolver.look_up("no such.invalid", 80, move |result| found.send(result).unwrap()).unwrap();
        assert!(!all.recv_timeout(Duration::from_secs(30)).unwrap().unwrap_err().to_string().is_empty());
    }

    #[test]
    fn an_answer_that_panics_ends_no_thread_and_a_look_up_that_nobody_wants_is_not_made() {
        let resolver = Resolver::new();
        let (found, all) = mpsc::channel();
        let mut interests = Vec::new();
        for _ in 0..2 * MOST_THREADS {
            interests.push(resolver.look_up("127.0.0.1", 1, |_| panic!("as the test wants")).unwrap());
        }
        for port in 1..=50 {
            let found = found.clone();
            let answer = move |result: Found| found.send(result.unwrap()[0].port()).unwrap();
            interests.push(resolver.look_up("127.0.0.1", port, answer).unwrap());
        }
        assert!((0..50).all(|_| all.recv_timeout(Duration::from_secs(30)).is_ok()));
        drop(interests);
        drop(resolver.look_up("127.0.0.1", 1, |_| panic!("nobody wants it any more")).unwrap());
        let last = resolver.look_up("127.0.0.1", 99, move |result| found.send(result.unwrap()[0].port()).unwrap());
        assert_eq!(all.recv_timeout(Duration::from_secs(30)).unwrap(), 99);
        drop(last);
    }
}
