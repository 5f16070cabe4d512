//! Looking names up. The system's call for that blocks, so a few threads outside the shards make
//! it. They are started when the first name is looked up.
//!
//! Lookups wait in a queue with a limit. A lookup whose attempt has ended meanwhile is skipped,
//! so names that nobody answers hold up others for no longer than their own timeouts.

use std::collections::VecDeque;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};

/// Lookups that are made at once.
const MOST_THREADS: usize = 4;
/// Lookups that wait for a thread.
const MOST_WAITING: usize = 4096;

/// The answer to a lookup: addresses, the preferred ones first, or the system's error.
pub(crate) type Found = Result<Vec<SocketAddr>, String>;

/// An attempt keeps this while it waits. When it is dropped, the lookup is not made.
pub(crate) type Interest = Arc<()>;

struct Job {
    name: String,
    port: u16,
    interest: Weak<()>,
    answer: Box<dyn FnOnce(Found) + Send>,
}

/// The threads, and the lookups that wait for them. Dropping it ends the threads, each after its
/// present lookup.
pub(crate) struct Resolver {
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
                let found = (job.name.as_str(), job.port).to_socket_addrs();
                (job.answer)(found.map(Iterator::collect).map_err(|error| error.to_string()));
            }
        }
    }
}

impl Resolver {
    pub(crate) fn new() -> Resolver {
        Resolver { lookups: Arc::default() }
    }

    /// Looks a name up. `answer` is called on another thread, unless the interest is dropped
    /// before.
    ///
    /// # Errors
    /// Too many lookups wait, or no thread could be started.
    pub(crate) fn look_up(
        &self,
        name: &str,
        port: u16,
        answer: impl FnOnce(Found) + Send + 'static,
    ) -> Result<Interest, String> {
        let interest = Interest::default();
        let mut queue = self.lookups.lock();
        if queue.jobs.len() >= MOST_WAITING {
            return Err(format!("{MOST_WAITING} names wait to be looked up"));
        }
        if queue.idle <= queue.jobs.len() && queue.threads < MOST_THREADS {
            let lookups = Arc::clone(&self.lookups);
            match std::thread::Builder::new().name("resolver".into()).spawn(move || lookups.serve()) {
                Ok(_) => queue.threads += 1,
                Err(error) if queue.threads == 0 => return Err(format!("no thread to look it up with: {error}")),
                Err(_) => {}
            }
        }
        let (name, weak) = (name.to_owned(), Arc::downgrade(&interest));
        queue.jobs.push_back(Job { name, port, interest: weak, answer: Box::new(answer) });
        drop(queue);
        self.lookups.work.notify_one();
        Ok(interest)
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

#[cfg(test)]
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
        assert!(!all.recv_timeout(Duration::from_secs(30)).unwrap().unwrap_err().is_empty());
    }
}
