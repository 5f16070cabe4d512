//! An address that refuses connections.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use socket2::{Domain, Socket, Type};

/// A port that is bound and does not listen. One that is only looked up and let go may be another
/// test's a moment later, which is then connected to.
pub(crate) struct Refusing {
    pub(crate) address: SocketAddr,
    _bound: Option<Socket>,
}

impl Refusing {
    pub(crate) fn at(ip: impl Into<IpAddr>) -> Refusing {
        Refusing::bound(ip.into(), false)
    }

    pub(crate) fn v4() -> Refusing {
        Refusing::at(Ipv4Addr::LOCALHOST)
    }

    /// Until a server listens there.
    pub(crate) fn for_a_server() -> Refusing {
        let refusing = Refusing::bound(Ipv4Addr::LOCALHOST.into(), cfg!(unix));
        // On Windows a server has its port alone.
        if cfg!(unix) { refusing } else { Refusing { _bound: None, ..refusing } }
    }

    fn bound(ip: IpAddr, is_shared: bool) -> Refusing {
        let any_port = SocketAddr::new(ip, 0);
        let bound = Socket::new(Domain::for_address(any_port), Type::STREAM, None).unwrap();
        bound.set_reuse_address(is_shared).unwrap();
        bound.bind(&any_port.into()).unwrap();
        Refusing { address: bound.local_addr().unwrap().as_socket().unwrap(), _bound: Some(bound) }
    }
}
