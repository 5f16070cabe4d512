//! A server on sockets that listen already.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

use proactor::{AsyncSession, Backend, Builder, Listener, Network, Server, Tasks};
use socket2::SockRef;

use crate::harness::{backends, connect, expect, finish};

async fn echo(session: AsyncSession) {
    while let Some(packet) = session.next().await {
        let _ = session.send(packet).await;
    }
}

fn builder(backend: Backend, shards: usize) -> Builder {
    Server::builder().backend(Some(backend)).shards(shards)
}

fn on_each_backend(test: impl Fn(Builder)) {
    for backend in backends() {
        for shards in [1, 2] {
            test(builder(backend, shards));
        }
    }
}

fn listening() -> (TcpListener, SocketAddr) {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    (socket, address)
}

fn echoes(at: SocketAddr) {
    let mut client = connect(at);
    client.write_all(b"hello").unwrap();
    expect(&client, b"hello");
}

#[test]
fn it_serves_those_who_connected_before_it_started() {
    on_each_backend(|builder| {
        let (socket, address) = listening();
        let mut early = TcpStream::connect(address).unwrap();
        early.write_all(b"early").unwrap();
        let server = builder.listen(address).inherit([socket]).serve(echo).unwrap();
        expect(&early, b"early");
        echoes(address);
        assert_eq!(server.local_addrs(), [address]);
        finish(server);
        assert!(TcpStream::connect(address).is_err(), "the socket is closed with the server");
    });
}

#[test]
fn a_listener_of_any_port_uses_what_no_other_listens_on_and_the_rest_is_bound() {
    on_each_backend(|builder| {
        let ((one, at_one), (other, at_other)) = (listening(), listening());
        let builder = builder.listen("127.0.0.1:0").listen(at_one).listen("127.0.0.1:0").inherit([one, other]);
        let server = builder.serve(echo).unwrap();
        let addresses: Vec<SocketAddr> = server.local_addrs().iter().map(|at| at.ip().unwrap()).collect();
        assert_eq!(addresses[..2], [at_other, at_one]);
        assert!(addresses[2].port() != 0 && !addresses[..2].contains(&addresses[2]));
        addresses.into_iter().for_each(echoes);
        finish(server);
    });
}

#[test]
fn a_listener_of_several_addresses_uses_those_that_it_was_given() {
    on_each_backend(|builder| {
        let (socket, address) = listening();
        let name = format!("localhost:{}", address.port());
        let server = builder.listen(name.as_str()).inherit([socket]).serve(echo).unwrap();
        assert_eq!(server.local_addrs(), [address], "::1 is not bound");
        echoes(address);
        finish(server);
    });
}

#[test]
fn connections_have_the_options_of_the_listener() {
    on_each_backend(|builder| {
        let (socket, address) = listening();
        let other = socket.try_clone().unwrap();
        SockRef::from(&other).set_keepalive(true).unwrap();
        let listener = Listener::new(address).keep_alive(None);
        let server = builder.listen(listener).inherit([socket]).serve(echo).unwrap();
        echoes(address);
        assert!(!SockRef::from(&other).keepalive().unwrap(), "they share the socket");
        finish(server);
    });
}

#[test]
fn a_socket_of_no_listener_is_an_error_that_names_both() {
    on_each_backend(|builder| {
        let (socket, address) = listening();
        let error = builder.listen("127.0.0.2:0").inherit([socket]).serve(echo).unwrap_err().to_string();
        assert!(error.contains(&address.to_string()) && error.contains("127.0.0.2:"), "{error}");
    });
}

#[test]
fn a_simulation_has_no_sockets_of_the_system() {
    let (socket, _) = listening();
    let builder = Server::builder().listen("10.0.0.1:80").inherit([socket]);
    let error = builder.simulate(&Network::new(1), Tasks::new(echo)).unwrap_err().to_string();
    assert!(error.contains("Builder::inherit"), "{error}");
}

#[cfg(unix)]
mod unix {
    use std::os::unix::net::{UnixListener, UnixStream};

    use overlapped::driver::Stream;
    use proactor::Address;

    use super::*;

    #[test]
    fn a_path_is_served_and_left_where_it_is() {
        on_each_backend(|builder| {
            let path = std::env::temp_dir().join(format!("inherited-{}.sock", std::process::id()));
            let socket = UnixListener::bind(&path).unwrap();
            let server = builder.listen(Address::Unix(path.clone())).inherit([socket]).serve(echo).unwrap();
            let mut client = UnixStream::connect(&path).unwrap();
            client.write_all(b"hi").unwrap();
            client.read_exact(&mut [0; 2]).unwrap();
            finish(server);
            assert!(path.exists());
            std::fs::remove_file(&path).unwrap();
        });
    }

    #[test]
    fn a_successor_serves_beside_its_predecessor_and_closes_what_it_does_not_need() {
        for backend in backends() {
            let ((socket, address), (unneeded, other)) = (listening(), listening());
            let handed = [&socket, &unneeded].map(|socket| Stream::from(socket.try_clone().unwrap()));
            // As the backend of the first server has them.
            handed.iter().for_each(|socket| socket.set_blocking(backend != Backend::Poll).unwrap());
            drop(unneeded);
            let first = builder(backend, 2).listen(address).inherit([socket]).serve(echo).unwrap();
            let second = builder(backend, 2).listen(address).take_over(handed).serve(echo).unwrap();
            assert!(TcpStream::connect(other).is_err());
            (0..20).for_each(|_| echoes(address));
            finish(first);
            (0..20).for_each(|_| echoes(address));
            finish(second);
        }
    }

    #[test]
    fn a_successor_with_another_kind_of_backend_is_refused() {
        for backend in backends() {
            let (socket, address) = listening();
            let stream = Stream::from(socket);
            stream.set_blocking(backend == Backend::Poll).unwrap();
            let error = builder(backend, 1).listen(address).take_over([stream]).serve(echo).unwrap_err().to_string();
            assert!(error.contains("another backend") && error.contains(&address.to_string()), "{error}");
        }
    }
}

#[test]
fn a_server_goes_between_threads() {
    fn goes_anywhere<T: Send + Sync>() {}
    goes_anywhere::<Server>();
    goes_anywhere::<proactor::Handle>();
}
