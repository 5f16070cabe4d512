//! Taking connections, admitting or refusing them, and handing them to shards: a role that the first shard plays.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use overlapped::driver::{CloseMode, Completion, OpId, SocketId, Stream};
use overlapped::mailbox::MailError;
use overlapped::options::ListenOptions;
use overlapped::{Address, Driver, ErrorKind, Op, Outcome, Time};

use crate::error::ServerError;
use crate::handle::{Accepted, Mail, Shared};
use crate::limits::Refusal;
use crate::session::token;
use crate::settings::Settings;

/// How many can be told at once why they are turned away.
pub(crate) const MOST_REFUSING: usize = 64;
/// How long one of them has to take it.
const REFUSAL_LINGER: Duration = Duration::from_secs(1);

/// How far it is with someone who is turned away.
#[derive(Clone, Copy)]
enum Refusing {
    /// What there is to tell is on its way.
    Told(SocketId),
    Closing(OpId),
}

pub(crate) struct Acceptor {
    listeners: Vec<SocketId>,
    pub(crate) addresses: Vec<Address>,
    /// What those are told who are turned away.
    refusal: Bytes,
    /// Those who are being told.
    refusing: [Option<Refusing>; MOST_REFUSING],
    /// Whether the log has been told that descriptors ran out.
    out_of_files: bool,
}

impl Acceptor {
    pub(crate) fn listen(driver: &mut Driver, binds: &[Address], settings: &Settings) -> Result<Acceptor, ServerError> {
        let (mut listeners, mut addresses) = (Vec::new(), Vec::new());
        let options = ListenOptions::new().stream(settings.stream.clone());
        for (index, bind) in binds.iter().enumerate() {
            let listener = driver.listen(bind, &options)?;
            addresses.push(driver.local_addr(listener)?);
            let submitted = driver.submit(Op::accept_multi(listener), token::of(token::ACCEPT, index as u32));
            submitted.map_err(|rejected| rejected.error)?;
            listeners.push(listener);
        }
        let refusal = settings.refusal.clone();
        Ok(Acceptor { listeners, addresses, refusal, refusing: [None; MOST_REFUSING], out_of_files: false })
    }

    /// A completion of a listener, or of someone who is being turned away; gives back a connection that is for the acceptor's own shard.
    pub(crate) fn completed(
        &mut self,
        completion: Completion,
        driver: &mut Driver,
        now: Time,
        shared: &Arc<Shared>,
    ) -> Option<Accepted> {
        let (kind, index) = token::parts(completion.token);
        if kind == token::REFUSE {
            self.turned_away(index, driver);
            return None;
        }
        match completion.result {
            Ok(Outcome::Accepted(stream, peer)) => {
                self.out_of_files = false;
                match shared.admission.admit(peer.ip().map(|peer| peer.ip()), now) {
                    Ok(permit) => self.place(Accepted { stream, peer, permit }, shared),
                    Err(refusal) => {
                        shared.stats().count_refused(refusal);
                        tracing::debug!("{peer} is refused: {refusal}");
                        self.turn_away(stream, driver);
                        None
                    }
                }
            }
            Ok(_) => None,
            Err(error) if completion.more => {
                if !std::mem::replace(&mut self.out_of_files, true) {
                    shared.stats().out_of_files += 1;
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
    fn place(&self, accepted: Accepted, shared: &Arc<Shared>) -> Option<Accepted> {
        let loads = shared.posts.iter().map(|post| post.load.load(Ordering::Relaxed)).enumerate();
        let (index, _) = loads.min_by_key(|(_, load)| *load).expect("a server has a shard");
        let post = &shared.posts[index];
        post.load.fetch_add(1, Ordering::Relaxed);
        if index == 0 {
            return Some(accepted);
        }
        let (mail, refusal) = match post.mail.send(Mail::Accepted(accepted)) {
            Ok(()) => return None,
            Err(MailError::Full(mail)) => (mail, Refusal::ShardFull),
            // It has ended, for the server is ending.
            Err(MailError::Closed(mail)) => (mail, Refusal::Ending),
        };
        post.load.fetch_sub(1, Ordering::Relaxed);
        if let Mail::Accepted(Accepted { stream, peer, .. }) = mail {
            stream.reset_on_drop();
            shared.stats().count_refused(refusal);
            tracing::warn!("{peer} is refused: {refusal}");
        }
        None
    }

    /// Tells a peer why it is turned away, if there is something to tell and room for it; resets its connection otherwise.
    fn turn_away(&mut self, stream: Stream, driver: &mut Driver) {
        let place = self.refusing.iter().position(Option::is_none).filter(|_| !self.refusal.is_empty());
        let Some(index) = place else { return stream.reset_on_drop() };
        let socket = match driver.adopt(stream) {
            Ok(socket) => socket,
            Err(rejected) => return rejected.given.reset_on_drop(),
        };
        // It ends at once: there is room for it in what the system buffers of a new connection.
        let send = Op::send(socket, self.refusal.clone());
        match driver.submit(send, token::of(token::REFUSE, index as u32)) {
            Ok(_) => self.refusing[index] = Some(Refusing::Told(socket)),
            Err(_) => reset(socket, driver),
        }
    }

    /// Something has ended for someone who is being turned away.
    fn turned_away(&mut self, index: u32, driver: &mut Driver) {
        let Some(place) = self.refusing.get_mut(index as usize) else { return };
        if let Some(Refusing::Told(socket)) = place.take() {
            let close = Op::close(socket, CloseMode::Graceful { linger: REFUSAL_LINGER });
            match driver.submit(close, token::of(token::REFUSE, index)) {
                Ok(close) => *place = Some(Refusing::Closing(close)),
                Err(_) => reset(socket, driver),
            }
        }
    }

    /// Those who are being told are not waited for any more.
    pub(crate) fn hasten_refusals(&self, driver: &mut Driver) {
        for refusing in self.refusing.iter().flatten() {
            if let Refusing::Closing(close) = refusing {
                driver.cancel(*close);
            }
        }
    }

    /// Takes no more connections.
    pub(crate) fn close(&mut self, driver: &mut Driver) {
        for (index, listener) in self.listeners.drain(..).enumerate() {
            let close = Op::close(listener, CloseMode::Now);
            if let Err(rejected) = driver.submit(close, token::of(token::ACCEPT, index as u32)) {
                tracing::warn!("{}", rejected.error);
            }
        }
    }
}

/// Resets a connection on which nothing is in flight, without an operation: the table of operations is full.
fn reset(socket: SocketId, driver: &mut Driver) {
    match driver.release(socket) {
        Ok(stream) => stream.reset_on_drop(),
        Err(error) => tracing::warn!("someone who was turned away is not closed: {error}"),
    }
}
