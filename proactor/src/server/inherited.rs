//! Sockets that listen already when a server starts, and which of its listeners uses which.

use std::sync::{Arc, Mutex, PoisonError};

use overlapped::Address;
use overlapped::driver::Stream;

use super::listener::Bind;

/// Whose sockets they were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Giver {
    /// Nobody accepts on them. Each must be one that the server listens on.
    #[default]
    Parent,
    /// A server that still runs accepts on them too.
    Predecessor,
}

/// Sockets for the listeners of a server. The first server that is started takes them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Inherited {
    sockets: Arc<Mutex<Vec<Stream>>>,
    pub(crate) giver: Giver,
}

/// A socket that listens, and where.
pub(crate) type Listening = (Address, Stream);

impl Inherited {
    pub(crate) fn new(sockets: Vec<Stream>, giver: Giver) -> Inherited {
        Inherited { sockets: Arc::new(Mutex::new(sockets)), giver }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.sockets.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// Takes the sockets.
    pub(crate) fn take(&self) -> Result<Vec<Listening>, overlapped::Error> {
        let sockets = std::mem::take(&mut *self.sockets.lock().unwrap_or_else(PoisonError::into_inner));
        sockets.into_iter().map(|socket| Ok((socket.local_addr()?, socket))).collect()
    }
}

/// Takes out what one listener uses: a socket for each of its addresses that there is one for. One
/// that listens on any port uses a socket of its IP that is on no other listener's port.
pub(crate) fn take_for(bind: &Bind, all: &[Bind], sockets: &mut Vec<Listening>) -> Vec<Listening> {
    if bind.datagrams.is_some() {
        return Vec::new();
    }
    let is_wanted = |at: &Address| all.iter().any(|bind| bind.datagrams.is_none() && bind.addresses.contains(at));
    let mut taken = Vec::new();
    for address in &bind.addresses {
        let place = match address.ip().filter(|ip| ip.port() == 0) {
            None => sockets.iter().position(|(at, _)| at == address),
            Some(any) => {
                let is_of_ip = |at: &Address| at.ip().is_some_and(|at| at.ip() == any.ip());
                sockets.iter().position(|(at, _)| is_of_ip(at) && !is_wanted(at))
            }
        };
        taken.extend(place.map(|place| sockets.remove(place)));
    }
    taken
}

/// The addresses of a listener that it binds itself. A parent that listens for it on one of them
/// has chosen; a predecessor may have had fewer.
pub(crate) fn left_to_bind<'a>(bind: &'a Bind, used: &[Listening], giver: Giver) -> Vec<&'a Address> {
    if giver == Giver::Parent && !used.is_empty() {
        return Vec::new();
    }
    let has = |address: &Address, at: &Address| match address.ip().filter(|ip| ip.port() == 0) {
        None => at == address,
        Some(any) => at.ip().is_some_and(|at| at.ip() == any.ip()),
    };
    bind.addresses.iter().filter(|address| !used.iter().any(|(at, _)| has(address, at))).collect()
}

/// The sockets that no listener has used, for a message.
pub(crate) fn name_unused(unused: &[Listening], addresses: &[Address]) -> String {
    let list = |addresses: &mut dyn Iterator<Item = String>| addresses.collect::<Vec<_>>().join(", ");
    let unused = list(&mut unused.iter().map(|(at, _)| at.to_string()));
    let own = list(&mut addresses.iter().map(Address::to_string));
    format!("inherited sockets that are of no listener: {unused}; the server listens on {own}")
}

#[cfg(all(test, unix))]
mod tests {
    use std::net::TcpListener;

    use super::*;
    use crate::server::listener::Listener;

    fn socket(address: &str) -> Listening {
        let stream = Stream::from(TcpListener::bind(address).unwrap());
        (stream.local_addr().unwrap(), stream)
    }

    fn binds(places: &[String]) -> Vec<Bind> {
        places.iter().map(|place| Listener::new(place.as_str()).resolve(false).unwrap()).collect()
    }

    #[test]
    fn a_listener_uses_the_socket_of_its_address_and_one_of_any_port_what_is_left() {
        let (one, other) = (socket("127.0.0.1:0"), socket("127.0.0.1:0"));
        let (at_one, at_other) = (one.0.clone(), other.0.clone());
        let binds = binds(&["127.0.0.1:0".into(), at_one.to_string(), "127.0.0.2:0".into()]);
        let mut sockets = vec![one, other];
        let mut used = |bind: &Bind| {
            let taken = take_for(bind, &binds, &mut sockets);
            taken.into_iter().map(|(at, _)| at).collect::<Vec<_>>()
        };
        assert_eq!(used(&binds[0]), [at_other]);
        assert_eq!(used(&binds[1]), [at_one]);
        assert!(used(&binds[2]).is_empty());
        assert!(sockets.is_empty());
    }

    #[test]
    fn a_listener_binds_the_addresses_that_its_predecessor_had_not() {
        let one = socket("127.0.0.1:0");
        let mut bind = binds(&[one.0.to_string()]).remove(0);
        bind.addresses.push("127.0.0.2:0".parse().unwrap());
        let all: Vec<Address> = bind.addresses.clone();
        let left =
            |used: &[Listening], giver| left_to_bind(&bind, used, giver).into_iter().cloned().collect::<Vec<Address>>();
        assert_eq!(left(&[], Giver::Parent), all);
        assert_eq!(left(&[], Giver::Predecessor), all);
        let used = [one];
        assert_eq!(left(&used, Giver::Predecessor), all[1..]);
        assert!(left(&used, Giver::Parent).is_empty(), "the parent has chosen");
        let used = [used.into_iter().next().unwrap(), socket("127.0.0.2:0")];
        assert!(left(&used, Giver::Predecessor).is_empty());
    }

    #[test]
    fn sockets_are_taken_by_the_first_and_what_is_unused_is_named() {
        let inherited = Inherited::new(vec![socket("127.0.0.1:0").1], Giver::Parent);
        assert!(!inherited.is_empty());
        let taken = inherited.clone().take().unwrap();
        assert!(inherited.is_empty() && inherited.take().unwrap().is_empty());
        let named = name_unused(&taken, &["10.0.0.1:80".parse().unwrap()]);
        assert!(named.contains(&taken[0].0.to_string()) && named.contains("10.0.0.1:80"), "{named}");
    }
}
