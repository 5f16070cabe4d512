//! Accepting connections, admitting or refusing them, and placing them on shards. The first shard
//! plays this role.

use std::time::{Duration, Instant};

use bytes::Bytes;
use overlapped::driver::{CloseMode, Completion, OpId, SocketId, Stream};
use overlapped::mailbox::MailError;
use overlapped::options::{ListenOptions, StreamOptions};
#[cfg(unix)]
use overlapped::report::Backend;
use overlapped::{Address, Driver, Error, ErrorKind, Op, Outcome, Time};

use super::binding::{self, Bound, PortSocket, Socket, TRY_AGAIN};
use super::directory::{Accepted, Directory, Mail};
use super::state::token;
use crate::connect::reset;
use crate::datagrams::config::Datagrams;
use crate::error::ServerError;
use crate::limits::{NO_LISTENER, Refusal};
use crate::server::inherited::{self, Giver, Inherited, Listening};
use crate::server::listener::Bind;

/// Refused peers that can be told why at once.
pub(crate) const MOST_REFUSING: usize = 64;
/// The shard that accepts.
const SHARD: u16 = 0;
/// How often a listener that another process has is tried once more. Where clients come all the
/// while, each of them wakes the other process too.
const MOST_TRIES: u8 = 100;
/// How long a refused peer has to take what it is told.
const REFUSAL_LINGER: Duration = Duration::from_secs(1);

/// What is in flight for a refused peer.
#[derive(Clone, Copy)]
enum Refusing {
    Sending(SocketId),
    Closing(OpId),
}

/// What is special about a listener when a connection comes.
pub(crate) struct Rules {
    /// What refused peers are told.
    pub(crate) refusal: Bytes,
    /// Whose connections they are is not known yet.
    pub(crate) is_forwarded: bool,
}

/// A listener, and its accept in flight.
#[derive(Clone, Copy)]
struct Accepting {
    socket: SocketId,
    accept: OpId,
    /// It is accepted on once more, to be cancelled in the next turn: see [`Acceptor::close`].
    is_last: bool,
    /// How often that was done.
    tries: u8,
    is_closed: bool,
}

/// Where an acceptor listens.
pub(crate) struct Places<'a> {
    pub(crate) binds: &'a [Bind],
    pub(crate) inherited: &'a Inherited,
    /// How long an address in use is tried again.
    pub(crate) patience: Duration,
    pub(crate) shards: usize,
}

pub(crate) struct Acceptor {
    listeners: Vec<Accepting>,
    /// Another process goes on accepting on them.
    hands_over: bool,
    addresses: Vec<Address>,
    /// Which of the server's listeners each of these belongs to.
    owners: Vec<u8>,
    /// The datagram sockets of each listener that has some, for the shards.
    ports: Vec<(u8, Datagrams, Vec<Socket>)>,
    /// Their duplicates, to be kept until all shards have ended.
    held: Vec<Stream>,
    /// For each of the server's listeners.
    rules: Vec<Rules>,
    refusing: [Option<Refusing>; MOST_REFUSING],
    /// The log has been told that descriptors ran out.
    out_of_files: bool,
}

impl Acceptor {
    /// Listens on each address; one that is in use is tried again until the patience is over for
    /// all of them together.
    pub(crate) fn listen(driver: &mut Driver, places: &Places<'_>, rules: Vec<Rules>) -> Result<Acceptor, ServerError> {
        let Places { binds, inherited, patience, shards } = *places;
        let (mut listeners, mut addresses, mut owners) = (Vec::new(), Vec::new(), Vec::new());
        let (mut ports, mut held) = (Vec::new(), Vec::new());
        let mut given = inherited.take()?;
        let until = Instant::now() + patience;
        for (owner, bind) in binds.iter().enumerate() {
            let used = inherited::take_for(bind, binds, &mut given);
            let owner = u8::try_from(owner).unwrap_or(NO_LISTENER);
            let unbound = inherited::left_to_bind(bind, &used, inherited.giver);
            let (before, mut failed) = (addresses.len(), None);
            for socket in used {
                let (address, listener) = use_given(driver, socket, &bind.stream, inherited.giver)?;
                listeners.push(accept_on(driver, listener, addresses.len())?);
                addresses.push(address);
                owners.push(owner);
            }
            for address in unbound {
                let first = addresses.get(before).and_then(Address::ip).map(|first| first.port());
                let listened = match &bind.datagrams {
                    Some(settings) => bind_on(driver, address, first, shards, until).map(|bound| {
                        ports.push((owner, settings.clone(), bound.sockets));
                        held.extend(bound.held);
                        bound.address
                    }),
                    None => listen_on(driver, address, &bind.options, first, until).and_then(|listener| {
                        listeners.push(accept_on(driver, listener, addresses.len())?);
                        driver.local_addr(listener)
                    }),
                };
                match listened {
                    Ok(address) => {
                        addresses.push(address);
                        owners.push(owner);
                    }
                    Err(error) if bind.has_choice() && is_absent(&error) => failed = Some(error),
                    Err(error) => return Err(error.into()),
                }
            }
            match failed {
                Some(error) if addresses.len() == before => return Err(error.into()),
                Some(error) => tracing::warn!("{error}; listening on the other addresses only"),
                None => {}
            }
        }
        if !given.is_empty() {
            let unused = inherited::name_unused(&given, &addresses);
            match inherited.giver {
                Giver::Parent => return Err(ServerError::Config(unused)),
                Giver::Predecessor => tracing::warn!("{unused}; they are closed"),
            }
        }
        Ok(Acceptor {
            listeners,
            hands_over: false,
            addresses,
            owners,
            ports,
            held,
            rules,
            refusing: [None; MOST_REFUSING],
            out_of_files: false,
        })
    }

    /// The datagram sockets, for each shard.
    pub(crate) fn take_ports(&mut self, shards: usize) -> Vec<Vec<PortSocket>> {
        let mut of_shards: Vec<Vec<PortSocket>> = (0..shards).map(|_| Vec::new()).collect();
        for (listener, settings, sockets) in self.ports.drain(..) {
            for (socket, ports) in sockets.into_iter().zip(&mut of_shards) {
                ports.push(PortSocket { listener, settings: settings.clone(), socket });
            }
        }
        of_shards
    }

    pub(crate) fn take_held(&mut self) -> Vec<Stream> {
        std::mem::take(&mut self.held)
    }

    /// The addresses it listens on.
    pub(crate) fn addresses(&self) -> &[Address] {
        &self.addresses
    }

    /// The first address of each of the server's listeners.
    pub(crate) fn first_addresses(&self) -> Vec<Address> {
        let mut owned: Vec<(&u8, &Address)> = self.owners.iter().zip(&self.addresses).collect();
        owned.dedup_by_key(|(owner, _)| *owner);
        owned.into_iter().map(|(_, address)| address.clone()).collect()
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
                let listener = self.owners.get(index as usize).copied().unwrap_or(NO_LISTENER);
                let is_forwarded = self.rules.get(usize::from(listener)).is_some_and(|rules| rules.is_forwarded);
                let counted = peer.ip().map(|peer| peer.ip()).filter(|_| !is_forwarded);
                match directory.admission.admit_at(listener, counted, now) {
                    Ok(permit) => place(Accepted { stream, peer, permit }, directory),
                    Err(refusal) => {
                        directory.count_refused(SHARD, listener, refusal);
                        tracing::debug!("{peer} is refused: {refusal}");
                        self.refuse(stream, listener, driver);
                        None
                    }
                }
            }
            Ok(_) => None,
            Err(error) if completion.more => {
                if !std::mem::replace(&mut self.out_of_files, true) {
                    directory.stats().out_of_files += 1;
                    if let Some(meter) = directory.meter(SHARD) {
                        meter.out_of_files.add(1);
                    }
                    tracing::warn!("{error}; accepting pauses, and new connections wait in the backlog");
                }
                None
            }
            Err(error) if error.kind() == ErrorKind::Cancelled => {
                self.accept_ended(index, driver);
                None
            }
            Err(error) => {
                tracing::error!("{error}; this listener has ended");
                None
            }
        }
    }

    /// Tells a refused peer why, if there is something to tell and room for it. Resets its
    /// connection otherwise.
    fn refuse(&mut self, stream: Stream, listener: u8, driver: &mut Driver) {
        let refusal = self.rules.get(usize::from(listener)).map(|rules| rules.refusal.clone()).unwrap_or_default();
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

    /// Other descriptors of the listeners.
    pub(crate) fn duplicate(&self, driver: &Driver) -> Result<Vec<Stream>, ServerError> {
        if self.listeners.is_empty() {
            return Err(ServerError::Config("the server accepts no more: it is ending".into()));
        }
        if self.listeners.len() < self.addresses.len() {
            let why = "the server has listeners for datagrams, which cannot be handed over: a peer's datagrams would come to \
                either process; end it and start another";
            return Err(ServerError::Config(why.into()));
        }
        self.listeners.iter().map(|listener| Ok(driver.duplicate(listener.socket)?)).collect()
    }

    /// Accepts no more connections.
    ///
    /// If another process accepts on the listeners too, this one may have been woken for a client,
    /// and the other not: the system wakes one of those who wait. So the accepts are cancelled
    /// first. While a client is in the backlog after that, it is tried once more.
    pub(crate) fn close(&mut self, driver: &mut Driver, hands_over: bool) {
        self.hands_over = hands_over;
        if hands_over {
            for index in 0..self.listeners.len() {
                // One that failed before is closed at once.
                if !driver.cancel(self.listeners[index].accept) {
                    self.close_one(index, driver);
                }
            }
            return;
        }
        for index in 0..self.listeners.len() {
            self.close_one(index, driver);
        }
        self.listeners.clear();
    }

    /// It does not wait for those who could come to the listeners that another process has: for
    /// when the server stops.
    pub(crate) fn hasten_handing_over(&mut self, driver: &mut Driver) {
        if self.hands_over {
            self.close(driver, false);
        }
    }

    /// Closes a listener, if it is not closed yet.
    fn close_one(&mut self, index: usize, driver: &mut Driver) {
        let listener = &mut self.listeners[index];
        if std::mem::replace(&mut listener.is_closed, true) {
            return;
        }
        let close = Op::close(listener.socket, CloseMode::Now);
        if let Err(rejected) = driver.submit(close, token::of(token::ACCEPT, index as u32)) {
            tracing::warn!("{}", rejected.error);
        }
    }

    /// An accept has been cancelled.
    fn accept_ended(&mut self, index: u32, driver: &mut Driver) {
        let index = index as usize;
        let Some(listener) = self.listeners.get_mut(index).filter(|_| self.hands_over) else { return };
        if listener.tries < MOST_TRIES
            && driver.has_client(listener.socket)
            && let Ok(again) = accept_on(driver, listener.socket, index)
        {
            *listener = Accepting { is_last: true, tries: listener.tries + 1, ..again };
            return;
        }
        self.close_one(index, driver);
    }

    /// Whether it has to go on in the next turn.
    #[inline]
    pub(crate) fn has_to_go_on(&self) -> bool {
        self.hands_over && self.listeners.iter().any(|listener| listener.is_last)
    }

    /// A turn has begun, so the accepts of the last one have been tried. Says whether there were
    /// any.
    pub(crate) fn go_on_handing_over(&mut self, driver: &mut Driver) -> bool {
        let mut any = false;
        for listener in self.listeners.iter_mut().filter(|listener| listener.is_last) {
            listener.is_last = false;
            driver.cancel(listener.accept);
            any = true;
        }
        any
    }
}

/// Accepts connections of a listener.
fn accept_on(driver: &mut Driver, socket: SocketId, index: usize) -> Result<Accepting, Error> {
    let token = token::of(token::ACCEPT, index as u32);
    let accept = driver.submit(Op::accept_multi(socket), token).map_err(|rejected| rejected.error)?;
    Ok(Accepting { socket, accept, is_last: false, tries: 0, is_closed: false })
}

/// Makes a listener of a socket that listens already.
fn use_given(
    driver: &mut Driver,
    (address, socket): Listening,
    options: &StreamOptions,
    giver: Giver,
) -> Result<(Address, SocketId), ServerError> {
    #[cfg(unix)]
    {
        let blocks = driver.report().backend != Backend::Poll;
        if giver == Giver::Predecessor && socket.is_blocking()? != blocks {
            let own = driver.report().backend;
            return Err(ServerError::Config(format!(
                "could not take {address} over: the server that has it uses another backend than {own}, and both share the \
                 socket's mode; use the backend of that server, or end it and start this one"
            )));
        }
        socket.set_blocking(blocks)?;
    }
    let _ = giver;
    socket.set_options(options)?;
    let listener = driver.adopt(socket).map_err(|failed| failed.error)?;
    Ok((address, listener))
}

/// Listens on an address, on the port of the first of its listener if any will do. One in use is
/// tried again.
fn listen_on(
    driver: &mut Driver,
    address: &Address,
    options: &ListenOptions,
    first: Option<u16>,
    until: Instant,
) -> Result<SocketId, Error> {
    let is_any_port = address.ip().is_some_and(|ip| ip.port() == 0);
    if let (true, Some(port), Some(ip)) = (is_any_port, first, address.ip())
        && let Ok(listener) = driver.listen((ip.ip(), port), options)
    {
        return Ok(listener);
    }
    loop {
        match driver.listen(address, options) {
            Err(error) if error.kind() == ErrorKind::InUse && !is_any_port && Instant::now() < until => {
                std::thread::sleep(TRY_AGAIN);
            }
            result => return result,
        }
    }
}

/// Binds datagram sockets to an address, as [`listen_on`] listens.
fn bind_on(
    driver: &mut Driver,
    address: &Address,
    first: Option<u16>,
    shards: usize,
    until: Instant,
) -> Result<Bound, Error> {
    if let (Some(ip), Some(port)) = (address.ip().filter(|ip| ip.port() == 0), first)
        && let Ok(bound) = binding::bind(driver, &(ip.ip(), port).into(), shards, Instant::now())
    {
        return Ok(bound);
    }
    let until = if address.ip().is_some_and(|ip| ip.port() == 0) { Instant::now() } else { until };
    binding::bind(driver, address, shards, until)
}

/// Whether this machine lacks the address, or its whole family.
fn is_absent(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::AddressNotAvailable | ErrorKind::Unsupported)
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
        // It had no session left.
        Err(MailError::Closed(Mail::Accepted(accepted))) if directory.is_handing_over() => {
            directory.count_out(shard);
            directory.count_in(SHARD);
            return Some(accepted);
        }
        // The shard has ended, for the server is ending.
        Err(MailError::Closed(mail)) => (mail, Refusal::Ending),
    };
    directory.count_out(shard);
    if let Mail::Accepted(Accepted { stream, peer, permit }) = mail {
        stream.reset_on_drop();
        directory.count_refused(SHARD, permit.listener(), refusal);
        tracing::warn!("{peer} is refused: {refusal}");
    }
    None
}
