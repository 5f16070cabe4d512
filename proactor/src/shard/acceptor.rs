//! Accepting connections, admitting or refusing them, and placing them on shards. The first shard
//! plays this role.

use std::time::Duration;

use bytes::Bytes;
use overlapped::driver::{CloseMode, Completion, OpId, SocketId, Stream};
use overlapped::{Address, Driver, ErrorKind, Op, Outcome, Time, mailbox::MailError, options::ListenOptions};

use super::directory::{Accepted, Directory, Mail};
use super::state::token;
use crate::connect::reset;
use crate::error::ServerError;
use crate::limits::{NO_LISTENER, Refusal};

/// Refused peers that can be told why at once.
pub(crate) const MOST_REFUSING: usize = 64;
/// How long a refused peer has to take what it is told.
const REFUSAL_LINGER: Duration = Duration::from_secs(1);

/// What is in flight for a refused peer.
#[derive(Clone, Copy)]
enum Refusing {
    Sending(SocketId),
    Closing(OpId),
}

pub(crate) struct Acceptor {
    listeners: Vec<SocketId>,
    addresses: Vec<Address>,
    /// What refused peers are told, for each listener.
    refusals: Vec<Bytes>,
    refusing: [Option<Refusing>; MOST_REFUSING],
    /// The log has been told that descriptors ran out.
    out_of_files: bool,
}

impl Acceptor {
    pub(crate) fn listen(
        driver: &mut Driver,
        binds: &[(Address, ListenOptions)],
        refusals: Vec<Bytes>,
    ) -> Result<Acceptor, ServerError> {
        let (mut listeners, mut addresses) = (Vec::new(), Vec::new());
        for (index, (address, options)) in binds.iter().enumerate() {
            let listener = driver.listen(address, options)?;
            addresses.push(driver.local_addr(listener)?);
            let submitted = driver.submit(Op::accept_multi(listener), token::of(token::ACCEPT, index as u32));
            submitted.map_err(|rejected| rejected.error)?;
            listeners.push(listener);
        }
        Ok(Acceptor { listeners, addresses, refusals, refusing: [None; MOST_REFUSING], out_of_files: false })
    }

    /// The addresses it listens on.
    pub(crate) fn addresses(&self) -> &[Address] {
        &self.addresses
    }

    /// A completion of a listener, or of a refused peer. Returns a connection for its own shard.
    pub(crate) fn completed(
        &mut self,
        completion: Completion,
        driver: &mut Driver,
        now: Time,
        directory: &Directory,
    ) -> Option<Accepted> {
        let (kind, index) = token::parts(completion.token);
        if kind == token::REFUSE {
            self.go_on_refusing(index, driver);
            return None;
        }
        match completion.result {
            Ok(Outcome::Accepted(stream, peer)) => {
                self.out_of_files = false;
                let listener = u8::try_from(index).unwrap_or(NO_LISTENER);
                match directory.admission.admit_at(listener, peer.ip().map(|peer| peer.ip()), now) {
                    Ok(permit) => place(Accepted { stream, peer, permit }, directory),
                    Err(refusal) => {
                        directory.stats().count_refused(refusal);
                        tracing::debug!("{peer} is refused: {refusal}");
                        self.refuse(stream, index, driver);
                        None
                    }
                }
            }
            Ok(_) => None,
            Err(error) if completion.more => {
                if !std::mem::replace(&mut self.out_of_files, true) {
                    directory.stats().out_of_files += 1;
                    tracing::warn!("{error}; accepting pauses, and new connections wait in the backlog");
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

    /// Tells a refused peer why, if there is something to tell and room for it. Resets its
    /// connection otherwise.
    fn refuse(&mut self, stream: Stream, listener: u32, driver: &mut Driver) {
        let refusal = self.refusals.get(listener as usize).cloned().unwrap_or_default();
        let free = self.refusing.iter().position(Option::is_none).filter(|_| !refusal.is_empty());
        let Some(index) = free else { return stream.reset_on_drop() };
        let socket = match driver.adopt(stream) {
            Ok(socket) => socket,
            Err(rejected) => return rejected.given.reset_on_drop(),
        };
        // It ends at once: the system's send buffer of a new connection has room for it.
        let send = Op::send(socket, refusal);
        match driver.submit(send, token::of(token::REFUSE, index as u32)) {
            Ok(_) => self.refusing[index] = Some(Refusing::Sending(socket)),
            Err(_) => reset(socket, driver),
        }
    }

    /// The operation in flight for a refused peer has ended: after the send comes the close.
    fn go_on_refusing(&mut self, index: u32, driver: &mut Driver) {
        let Some(place) = self.refusing.get_mut(index as usize) else { return };
        if let Some(Refusing::Sending(socket)) = place.take() {
            let close = Op::close(socket, CloseMode::Graceful { linger: REFUSAL_LINGER });
            match driver.submit(close, token::of(token::REFUSE, index)) {
                Ok(close) => *place = Some(Refusing::Closing(close)),
                Err(_) => reset(socket, driver),
            }
        }
    }

    /// Waits no longer for refused peers.
    pub(crate) fn hasten_refusals(&self, driver: &mut Driver) {
        for refusing in self.refusing.iter().flatten() {
            if let Refusing::Closing(close) = refusing {
                driver.cancel(*close);
            }
        }
    }

    /// Accepts no more connections.
    pub(crate) fn close(&mut self, driver: &mut Driver) {
        for (index, listener) in self.listeners.drain(..).enumerate() {
            let close = Op::close(listener, CloseMode::Now);
            if let Err(rejected) = driver.submit(close, token::of(token::ACCEPT, index as u32)) {
                tracing::warn!("{}", rejected.error);
            }
        }
    }
}

/// Hands a connection to the shard with the least load. Returns it if that is the acceptor's own.
fn place(accepted: Accepted, directory: &Directory) -> Option<Accepted> {
    let shard = directory.least_loaded();
    directory.count_in(shard);
    if shard == 0 {
        return Some(accepted);
    }
    let (mail, refusal) = match directory.mail(shard, Mail::Accepted(accepted)) {
        Ok(()) => return None,
        Err(MailError::Full(mail)) => (mail, Refusal::ShardFull),
        // The shard has ended, for the server is ending.
        Err(MailError::Closed(mail)) => (mail, Refusal::Ending),
    };
    directory.count_out(shard);
    if let Mail::Accepted(Accepted { stream, peer, .. }) = mail {
        stream.reset_on_drop();
        directory.stats().count_refused(refusal);
        tracing::warn!("{peer} is refused: {refusal}");
    }
    None
}
