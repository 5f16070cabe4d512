//! Starting a server's threads, one per shard, and waiting for them.

use std::fmt;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;

use overlapped::driver::Stream;
use overlapped::{Address, report::Report};

use super::config::{Config, Made};
use super::handle::Handle;
use crate::error::ServerError;
use crate::handler::Handler;
use crate::message::NoMessage;
use crate::shard::binding::PortSocket;
use crate::shard::directory::{Directory, Phase};
use crate::task::offload::Offload;

/// Starts a thread for each shard. Each makes its driver, since that stays on its thread; when all
/// have, each is introduced to the others.
pub(super) fn start<H: Handler>(mut config: Config, handler: H) -> Result<Server<H::Message>, ServerError> {
    config.offload = Some(Offload::new(config.offload_threads));
    let (up, mut ready) = mpsc::channel();
    let mut threads = Vec::new();
    let mut introduce = Vec::new();
    let mut failed = None;
    for index in 0..config.shards {
        let (introduction, introduced) = mpsc::channel();
        introduce.push(introduction);
        let (config, handler, up) = (config.clone(), handler.clone(), up.clone());
        let body = move || shard_thread(&config, index, handler, up, &introduced);
        match std::thread::Builder::new().name(format!("shard-{index}")).spawn(body) {
            Ok(thread) => threads.push(thread),
            Err(error) => {
                let why = format!("could not start the thread of shard {index}: {error}");
                failed = Some(ServerError::Thread(why));
                break;
            }
        }
    }
    drop(up);
    let mut made = match failed.map_or_else(|| gather(&mut ready, config.shards), Err) {
        Ok(made) => made,
        Err(error) => {
            // Threads without an introduction end, and close their listeners before this returns.
            drop(introduce);
            for thread in threads {
                let _ = thread.join();
            }
            return Err(error);
        }
    };
    let (addresses, report) = (made[0].addresses.clone(), made[0].report.clone());
    let (mut ports, held) = (std::mem::take(&mut made[0].ports).into_iter(), std::mem::take(&mut made[0].held));
    let directory = config.directory(made);
    for introduction in introduce {
        // `wait` finds out about a thread that has ended by now.
        let _ = introduction.send((Arc::clone(&directory), ports.next().unwrap_or_default()));
    }
    Ok(Server { process: std::process::id(), threads, handle: Handle::new(directory), addresses, report, held })
}

fn gather(ready: &mut mpsc::Receiver<Result<Made, ServerError>>, shards: usize) -> Result<Vec<Made>, ServerError> {
    let mut made = Vec::new();
    while made.len() < shards {
        match ready.recv() {
            Ok(Ok(shard)) => made.push(shard),
            Ok(Err(error)) => return Err(error),
            Err(mpsc::RecvError) => return Err(ServerError::Thread("a shard's thread ended at once".into())),
        }
    }
    made.sort_by_key(|shard| shard.index);
    Ok(made)
}

/// Turns one shard until it has ended.
fn shard_thread<H: Handler>(
    config: &Config,
    index: usize,
    handler: H,
    up: mpsc::Sender<Result<Made, ServerError>>,
    introduced: &mpsc::Receiver<(Arc<Directory>, Vec<PortSocket>)>,
) -> Result<(), ServerError> {
    let (introduce, made) = match config.make_shard(index, handler) {
        Ok(both) => both,
        Err(error) => {
            let _ = up.send(Err(error));
            return Ok(());
        }
    };
    let _ = up.send(Ok(made));
    // When all senders are gone, `gather` knows that a shard was lost without a word.
    drop(up);
    // Without an introduction another shard could not be made, and there is no server.
    let Ok((directory, ports)) = introduced.recv() else { return Ok(()) };
    let _guard = StopOnPanic(Arc::clone(&directory), index as u16);
    #[cfg(feature = "tokio")]
    let _runtime = config.runtime.as_ref().map(tokio::runtime::Handle::enter);
    let mut shard = introduce(Arc::clone(&directory), ports);
    let ended = loop {
        match shard.turn() {
            Ok(true) => {}
            Ok(false) => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    if ended.is_err() {
        directory.log_flight(index as u16);
        // A server that has lost a shard ends as a whole.
        directory.enter(Phase::Stopping);
    }
    ended
}

/// Stops the other shards when one panics, and logs what happened there before.
struct StopOnPanic(Arc<Directory>, u16);

impl Drop for StopOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.enter(Phase::Stopping);
            self.0.log_flight(self.1);
        }
    }
}

/// A running server. Dropping it stops it at once and waits for its threads. In a child that this
/// process forks, dropping it does nothing.
///
/// `M` is the type of message that its logic takes ([`Handler::Message`]).
pub struct Server<M = NoMessage> {
    /// The process that started it.
    process: u32,
    threads: Vec<JoinHandle<Result<(), ServerError>>>,
    handle: Handle<M>,
    addresses: Vec<Address>,
    report: Report,
    /// Duplicates of the datagram sockets: none is taken out before all shards have ended.
    held: Vec<Stream>,
}

impl<M> Server<M> {
    /// The addresses it listens on, with their real ports, in the order of
    /// [`Builder::listen`](crate::Builder::listen).
    pub fn local_addrs(&self) -> &[Address] {
        &self.addresses
    }

    /// Which backend and features it runs on, and why.
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// How many shards it has.
    pub fn shards(&self) -> usize {
        self.threads.len()
    }

    /// The server, for any thread.
    pub fn handle(&self) -> Handle<M> {
        self.handle.clone()
    }

    /// Waits until the server has ended: it was told to [`stop`](Handle::stop) or
    /// [`drain`](Handle::drain), and has. A node of a cluster also gives back its lease of keys,
    /// for at most 1 s.
    ///
    /// # Errors
    /// The first shard that failed.
    pub fn wait(mut self) -> Result<(), ServerError> {
        self.join()
    }

    fn join(&mut self) -> Result<(), ServerError> {
        if self.process != std::process::id() {
            // A forked child has none of these threads, so it cannot wait for them.
            self.threads.drain(..).for_each(std::mem::forget);
            return Err(ServerError::Thread("the server belongs to the process that this one was forked from".into()));
        }
        let (mut result, was_running) = (Ok(()), !self.threads.is_empty());
        for (index, thread) in self.threads.drain(..).enumerate() {
            let ended = thread.join().unwrap_or_else(|_| {
                self.handle.stop();
                Err(ServerError::Thread(format!("shard {index} panicked")))
            });
            result = result.and(ended);
        }
        self.held.clear();
        if let Some(keys) = self.handle.directory.key_directory().filter(|_| was_running) {
            // The process may end now, and with it who tells the records.
            keys.wait_for_end();
        }
        result
    }
}

impl<M> Drop for Server<M> {
    fn drop(&mut self) {
        if self.process == std::process::id() {
            self.handle.stop();
        }
        let _ = self.join();
    }
}

impl<M> fmt::Debug for Server<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("addresses", &self.addresses).field("shards", &self.shards()).finish()
    }
}
