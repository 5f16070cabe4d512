//! A socket of a simulated network, as the rest of the crate holds it.

use crate::address::Address;
use crate::error::{Action, Error, ErrorKind};
use crate::flags;
use crate::options::check::Target;
use crate::options::{DatagramOptions, ListenOptions, StreamOptions};
use crate::sys::datagrams::DatagramTo;
use crate::table::Key;

use super::{
    codes,
    network::Network,
    socket::{Item, Role, StreamEnd},
};

/// A socket of a simulated network. Dropping it closes it.
#[derive(Debug)]
pub(crate) struct End(EndView);

/// Such a socket that someone else owns. After the socket is closed, this finds nothing.
#[derive(Clone, Debug)]
pub(crate) struct EndView {
    pub(super) network: Network,
    pub(super) id: Key,
}

/// Which address was asked for.
const PEERS: &str = "it was asked for the address of its peer";

impl End {
    pub(super) fn new(network: &Network, id: Key) -> End {
        End(EndView { network: network.clone(), id })
    }

    pub(crate) fn view(&self) -> &EndView {
        &self.0
    }

    pub(crate) fn reset_on_close(&self) {
        if let Some(socket) = self.0.network.lock().sockets.get_mut(self.0.id) {
            socket.reset_on_close = true;
        }
    }
}

impl Drop for End {
    fn drop(&mut self) {
        self.0.network.lock().close(self.0.id);
    }
}

impl EndView {
    pub(crate) fn local_addr(&self) -> Result<Address, Error> {
        match self.network.lock().sockets.get(self.id) {
            // The unspecified address, as of a system's socket that is not bound yet.
            Some(socket) => Ok(socket.local.unwrap_or_else(|| ([0, 0, 0, 0], 0).into()).into()),
            None => Err(Error::new(Action::Option, ErrorKind::Closed)),
        }
    }

    pub(crate) fn peer_addr(&self) -> Result<Address, Error> {
        let state = self.network.lock();
        let socket = state.sockets.get(self.id).filter(|socket| matches!(socket.role, Role::Stream(_)));
        match socket.and_then(|socket| socket.peer) {
            Some(peer) => Ok(peer.into()),
            None => Err(Error::os(Action::Option, codes::NOT_CONNECTED).because(PEERS)),
        }
    }

    /// Bytes that have arrived and that nothing has received.
    pub(crate) fn unread(&self) -> Option<usize> {
        self.of_stream(|end| end.arrived.len())
    }

    /// Bytes that were sent and that have not arrived at the peer, and its end if that was sent.
    pub(crate) fn unsent(&self) -> Option<usize> {
        let bytes = |item: &Item| match item {
            Item::Data(bytes) => bytes.len(),
            Item::Fin => 1,
            _ => 0,
        };
        self.of_stream(|end| end.under_way.iter().map(bytes).sum())
    }

    /// Sends datagrams, as many as there is room for.
    pub(crate) fn send_datagrams(&self, datagrams: &[DatagramTo<'_>]) -> Result<usize, i32> {
        self.network.lock().send_datagrams(self.id, datagrams)
    }

    fn of_stream<T>(&self, ask: impl FnOnce(&StreamEnd) -> T) -> Option<T> {
        match &self.network.lock().sockets.get(self.id)?.role {
            Role::Stream(end) => Some(ask(end)),
            _ => None,
        }
    }

    pub(crate) fn set_options(&self, options: &StreamOptions) -> Result<(), Error> {
        options.check(Target::Tcp)?;
        self.network.lock().set_options(self.id, options);
        Ok(())
    }

    pub(crate) fn bind(&self, address: &Address) -> Result<(), Error> {
        let Some(ip) = address.ip() else { return Err(only_ip(Action::Bind, address)) };
        self.network.lock().bind(self.id, ip).map_err(|code| Error::os(Action::Bind, code).at(address))
    }

    /// What it is, and whether it has, or had, a connection.
    pub(crate) fn role(&self) -> (flags::Role, bool) {
        match self.network.lock().sockets.get(self.id).map(|socket| &socket.role) {
            Some(Role::Listener(_)) => (flags::Role::Listener, false),
            Some(Role::Stream(_)) => (flags::Role::Stream, true),
            Some(Role::Datagrams(_)) => (flags::Role::Datagram, false),
            _ => (flags::Role::Stream, false),
        }
    }

    /// The error of what a simulated socket has not.
    pub(crate) fn lacks(what: &str) -> Error {
        let why = format!("a socket of a simulated network has not {what}");
        Error::new(Action::Option, ErrorKind::Unsupported).because(why)
    }
}

/// Making sockets: what `Maker` does on a simulated network.
impl Network {
    pub(crate) fn listen(&self, address: &Address, options: &ListenOptions) -> Result<End, Error> {
        let Some(ip) = address.ip() else { return Err(only_ip(Action::Bind, address)) };
        options.stream.check(Target::Tcp).map_err(|error| error.at(address))?;
        match self.lock().listen(ip, options) {
            Ok(id) => Ok(End::new(self, id)),
            Err(code) => Err(Error::os(Action::Bind, code).at(address)),
        }
    }

    pub(crate) fn stream(&self, family_of: &Address) -> Result<End, Error> {
        if family_of.ip().is_none() {
            return Err(only_ip(Action::Socket, family_of));
        }
        Ok(End::new(self, self.lock().insert(Role::Fresh)))
    }

    pub(crate) fn datagram(&self, address: &Address, options: &DatagramOptions) -> Result<End, Error> {
        let Some(ip) = address.ip() else { return Err(only_ip(Action::Bind, address)) };
        if options.broadcast || !options.join.is_empty() {
            let why = "a simulated network has neither broadcasts nor multicast groups";
            return Err(Error::new(Action::Socket, ErrorKind::Unsupported).at(address).because(why));
        }
        match self.lock().datagram(ip, options) {
            Ok(id) => Ok(End::new(self, id)),
            Err(code) => Err(Error::os(Action::Bind, code).at(address)),
        }
    }
}

fn only_ip(action: Action, address: &Address) -> Error {
    let why = "a simulated network has IP addresses only";
    Error::new(action, ErrorKind::Unsupported).at(address).because(why)
}
