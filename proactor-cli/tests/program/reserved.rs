//! Ports that a test has for itself. One that is only looked up and let go may be another test's a
//! moment later.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use socket2::{Domain, Socket, Type};

use crate::harness::windows;

/// An address of this machine that nobody listens on, and that the system gives to nobody else
/// while this is there.
pub(crate) struct Reserved {
    pub(crate) address: SocketAddr,
    socket: Option<Socket>,
}

impl Reserved {
    /// For nobody, until a test [listens](Reserved::listen) there.
    pub(crate) fn new() -> Reserved {
        Reserved::bound(false)
    }

    /// For a server that a test starts. It binds the port too, as both permit it.
    pub(crate) fn for_a_server() -> Reserved {
        let mut reserved = Reserved::bound(true);
        if windows() {
            // There a server has its port alone.
            reserved.socket = None;
        }
        reserved
    }

    fn bound(is_shared: bool) -> Reserved {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        if is_shared && !windows() {
            socket.set_reuse_address(true).unwrap();
        }
        socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
        let address = socket.local_addr().unwrap().as_socket().unwrap();
        Reserved { address, socket: Some(socket) }
    }

    pub(crate) fn listen(self) -> TcpListener {
        let socket = self.socket.expect("it is no server's");
        socket.listen(128).unwrap();
        socket.into()
    }
}
