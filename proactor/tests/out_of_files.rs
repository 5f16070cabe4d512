//! Out of file descriptors: accepting pauses, which is counted; nobody is dropped, and it goes on when there are some again.
//!
//! Alone in its file, for the limit is the process's.
#![cfg(unix)]

use std::fs::File;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use overlapped::report::Backend;
use proactor::{Flow, Handler, Server, Session};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use socket2::{Domain, Socket, Type};

const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Clone)]
struct Echo;

impl Handler for Echo {
    type State = ();
    fn connected(&mut self, _: &Session) {}
    fn received(&mut self, session: &Session, (): &mut (), packet: &[u8]) -> Flow {
        session.send(packet).map_or(Flow::Close, |()| Flow::Continue)
    }
}

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

fn wait_until(what: &str, mut reached: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !reached() {
        assert!(Instant::now() < end, "never: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn accepting_pauses_and_goes_on() {
    // Before anything begins, for io_uring heeds the limit that held when an accept was started.
    limit_files(200);
    for backend in Backend::of_this_system() {
        let builder = Server::builder().bind("127.0.0.1:0").shards(1).backend(Some(*backend));
        let Ok(server) = builder.start(Echo) else { continue };
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
        wait_until("all are taken", || handle.sessions() == streams.len());
        streams.iter().for_each(echo);
        let stats = handle.stats();
        assert_eq!((stats.out_of_files, stats.accepted), (1, streams.len() as u64));
        drop(streams);
        wait_until("every place is free", || handle.sessions() == 0);
    }
}
