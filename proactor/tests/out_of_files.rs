//! When the process has no file descriptor left, accepting pauses and no connection is dropped. It
//! goes on as soon as there are descriptors again.
//!
//! A program of its own, because the limit belongs to the process.
#![cfg(unix)]

#[path = "server/harness/backends.rs"]
mod backends;
mod echo;
#[path = "server/harness/waiting.rs"]
mod waiting;

use std::fs::File;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use proactor::Server;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use socket2::{Domain, Socket, Type};

use backends::backends;
use echo::Echo;
use waiting::{PATIENCE, wait_until};

fn limit_files(files: u64) {
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: Some(files), maximum }).unwrap();
}

fn echo(mut stream: &TcpStream) {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(b"hello").unwrap();
    let mut back = [0; 5];
    stream.read_exact(&mut back).unwrap();
    assert_eq!(&back, b"hello");
}

#[test]
fn accepting_pauses_without_file_descriptors_and_resumes() {
    // Set first: an accept of io_uring keeps the limit that held when it was started.
    limit_files(200);
    for backend in backends() {
        let builder = Server::builder().listen("127.0.0.1:0").shards(1).backend(Some(backend));
        let server = builder.start(Echo).unwrap();
        let address: SocketAddr = server.local_addrs()[0].ip().unwrap();
        let handle = server.handle();
        let sockets: Vec<Socket> = (0..20).map(|_| Socket::new(Domain::IPV4, Type::STREAM, None).unwrap()).collect();
        let mut files = Vec::new();
        while let Ok(file) = File::open("/dev/null") {
            files.push(file);
        }
        sockets.iter().for_each(|socket| socket.connect(&address.into()).unwrap());
        wait_until("accepting pauses", || handle.stats().out_of_files == 1);
        assert_eq!((handle.sessions(), handle.stats().refused_in_all()), (0, 0));
        let streams: Vec<TcpStream> = sockets.into_iter().map(TcpStream::from).collect();
        drop(files);
        wait_until("all are accepted", || handle.sessions() == streams.len());
        streams.iter().for_each(echo);
        let stats = handle.stats();
        assert_eq!((stats.out_of_files, stats.accepted), (1, streams.len() as u64));
        drop(streams);
        wait_until("every session has ended", || handle.sessions() == 0);
    }
}
