//! Taking connections and handing them to shards: a role that the first shard plays.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use overlapped::{Address, Completion, Driver, ErrorKind, ListenOptions, MailError, Op, Outcome, SocketId, Stream};

use crate::error::ServerError;
use crate::handle::{Mail, Shared};
use crate::session::token;

pub(crate) struct Acceptor {
    listeners: Vec<SocketId>,
    pub(crate) addresses: Vec<Address>,
    max_sessions: usize,
    /// Whether the log has been told that descriptors ran out.
    out_of_files: bool,
}

impl Acceptor {
    pub(crate) fn listen(driver: &mut Driver, binds: &[Address], max_sessions: usize) -> Result<Acceptor, ServerError> {
        let (mut listeners, mut addresses) = (Vec::new(), Vec::new());
        for (index, bind) in binds.iter().enumerate() {
            let listener = driver.listen(bind, &ListenOptions::default())?;
            addresses.push(driver.local_addr(listener)?);
            let submitted = driver.submit(Op::accept_multi(listener), token::of(token::ACCEPT, index as u32));
            submitted.map_err(|rejected| rejected.error)?;
            listeners.push(listener);
        }
        Ok(Acceptor { listeners, addresses, max_sessions, out_of_files: false })
    }

    /// A listener's completion; gives back a connection that is for the acceptor's own shard.
    pub(crate) fn completed(&mut self, completion: Completion, shared: &Arc<Shared>) -> Option<(Stream, Address)> {
        match completion.result {
            Ok(Outcome::Accepted(stream, peer)) => {
                self.out_of_files = false;
                self.place(stream, peer, shared)
            }
            Ok(_) => None,
            Err(error) if completion.more => {
                if !std::mem::replace(&mut self.out_of_files, true) {
                    tracing::warn!("{error}; accepting pauses, those who wait stay in the backlog");
                }
                None
            }
            Err(error) if error.kind() == ErrorKind::Cancelled => None,
            Err(error) => {
                tracing::error!("{error}; this listener has ended");
                None
            }
        }
    }

    /// Picks the shard with the least load.
    fn place(&self, stream: Stream, peer: Address, shared: &Arc<Shared>) -> Option<(Stream, Address)> {
        if shared.sessions() >= self.max_sessions {
            tracing::debug!("{peer} is refused: there are {} sessions", self.max_sessions);
            stream.reset_on_drop();
            return None;
        }
        let loads = shared.posts.iter().map(|post| post.load.load(Ordering::Relaxed)).enumerate();
        let (index, _) = loads.min_by_key(|(_, load)| *load).expect("a server has a shard");
        let post = &shared.posts[index];
        post.load.fetch_add(1, Ordering::Relaxed);
        if index == 0 {
            return Some((stream, peer));
        }
        if let Err(MailError::Full(mail) | MailError::Closed(mail)) = post.mail.send(Mail::Accepted(stream, peer)) {
            post.load.fetch_sub(1, Ordering::Relaxed);
            if let Mail::Accepted(stream, peer) = mail {
                stream.reset_on_drop();
                tracing::warn!("{peer} is refused: its shard's mailbox is full");
            }
        }
        None
    }

    /// Takes no more connections.
    pub(crate) fn close(&mut self, driver: &mut Driver) {
        for (index, listener) in self.listeners.drain(..).enumerate() {
            let close = Op::close(listener, overlapped::CloseMode::Now);
            if let Err(rejected) = driver.submit(close, token::of(token::ACCEPT, index as u32)) {
                tracing::warn!("{}", rejected.error);
            }
        }
    }
}
