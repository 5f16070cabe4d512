//! Peers: sockets of the system that are used without this crate.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use overlapped::Address;
use overlapped::driver::Stream;
use socket2::{SockRef, Socket};

use super::PATIENCE;

/// A kind of connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    Tcp,
    #[cfg(unix)]
    Unix,
}

/// An address at which nobody listens. No other test takes it while its socket lives.
pub(crate) fn nobody() -> (Socket, Address) {
    let socket = Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&std::net::SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    (socket, address.into())
}

impl Transport {
    /// Two connected sockets of the system.
    pub(crate) fn streams(self) -> (Stream, System) {
        match self {
            Transport::Tcp => {
                let listener = TcpListener::bind("127.0.0.1:0").unwrap();
                let ours = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
                ours.set_nodelay(true).unwrap();
                let (peer, _) = listener.accept().unwrap();
                peer.set_nodelay(true).unwrap();
                (ours.into(), System::new(peer.into(), self))
            }
            #[cfg(unix)]
            Transport::Unix => {
                let (ours, peer) = std::os::unix::net::UnixStream::pair().unwrap();
                (ours.into(), System::new(peer.into(), self))
            }
        }
    }
}

/// A connection of the system. Its reads and writes block, up to a limit.
#[derive(Debug)]
pub(crate) struct System {
    socket: Socket,
    transport: Transport,
}

impl System {
    fn new(socket: Socket, transport: Transport) -> System {
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.set_write_timeout(Some(PATIENCE)).unwrap();
        System { socket, transport }
    }

    /// Connects to a listener.
    pub(crate) fn connect(address: &Address) -> System {
        match address {
            Address::Ip(address) => System::new(TcpStream::connect(address).unwrap().into(), Transport::Tcp),
            #[cfg(unix)]
            Address::Unix(path) => {
                System::new(std::os::unix::net::UnixStream::connect(path).unwrap().into(), Transport::Unix)
            }
            other => panic!("nobody can connect to {other}"),
        }
    }

    pub(crate) fn local_addr(&self) -> Address {
        match self.socket.local_addr().unwrap().as_socket() {
            Some(address) => address.into(),
            None => Address::Unnamed,
        }
    }

    pub(crate) fn write(&self, bytes: &[u8]) -> io::Result<()> {
        (&self.socket).write_all(bytes)
    }

    /// The bytes of one read. No bytes mean the end of the stream.
    pub(crate) fn read(&self, most: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; most];
        loop {
            match (&self.socket).read(&mut bytes) {
                // The kernel is taking down a ring of this thread.
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => return read.map(|got| bytes[..got].to_vec()),
            }
        }
    }

    pub(crate) fn read_exact(&self, bytes: usize) -> io::Result<Vec<u8>> {
        let mut read = vec![0; bytes];
        (&self.socket).read_exact(&mut read)?;
        Ok(read)
    }

    pub(crate) fn read_to_end(&self) -> io::Result<Vec<u8>> {
        let mut read = Vec::new();
        (&self.socket).read_to_end(&mut read)?;
        Ok(read)
    }

    pub(crate) fn shut_down_sending(&self) {
        self.socket.shutdown(std::net::Shutdown::Write).unwrap();
    }

    pub(crate) fn again(&self) -> System {
        System { socket: self.socket.try_clone().unwrap(), transport: self.transport }
    }

    /// Ends the connection with a reset.
    pub(crate) fn reset(self) {
        self.socket.set_linger(Some(Duration::ZERO)).unwrap();
    }

    pub(crate) fn set_nonblocking(&self) {
        self.socket.set_nonblocking(true).unwrap();
    }

    pub(crate) fn send_out_of_band(&self, bytes: &[u8]) {
        assert_eq!(SockRef::from(&self.socket).send_out_of_band(bytes).unwrap(), bytes.len());
    }

    /// The connection, for a driver to adopt.
    pub(crate) fn into_stream(self) -> Stream {
        match self.transport {
            Transport::Tcp => TcpStream::from(self.socket).into(),
            #[cfg(unix)]
            Transport::Unix => std::os::unix::net::UnixStream::from(self.socket).into(),
        }
    }
}

/// A connection that lingers for this time when it is closed, its peer, and another descriptor of
/// the connection.
pub(crate) fn lingering(time: Option<Duration>) -> (Stream, System, Socket) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let ours = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    SockRef::from(&ours).set_linger(time).unwrap();
    let other = ours.try_clone().unwrap().into();
    let (peer, _) = listener.accept().unwrap();
    (ours.into(), System::new(peer.into(), Transport::Tcp), other)
}

/// A time to linger: longer than any close may take.
pub(crate) const LONG: Duration = Duration::from_secs(12);
/// What takes so long has waited for a linger.
pub(crate) const PROMPT: Duration = Duration::from_secs(5);
