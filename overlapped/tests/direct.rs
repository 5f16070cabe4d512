//! Direct descriptors: more sockets than the limit of open files, sockets that do not fit into the
//! table, and what they are released as.
//!
//! Alone in its file, because the limit is the process's. The conformance suite also runs with
//! direct descriptors.
#![cfg(target_os = "linux")]

use std::fs::File;
use std::io::{Read, Write};
use std::time::{Duration, Instant};

use overlapped::driver::{CloseMode, Completion, Live, OpId, SocketId, Wait};
use overlapped::report::Backend;
use overlapped::sim::Network;
use overlapped::{Driver, DriverConfig, ErrorKind, Op, Outcome};

/// The limit of open files of this process.
const FILES: usize = 64;

fn config() -> DriverConfig {
    DriverConfig::new().backend(Backend::Uring).direct_descriptors(true)
}

/// A driver with direct descriptors; `None` if `PROACTOR_TEST_WITHOUT` says that there are none
/// here.
fn driver() -> Option<Driver> {
    match Driver::new(config()) {
        Ok(driver) => Some(driver),
        Err(error) => {
            let without = std::env::var("PROACTOR_TEST_WITHOUT").unwrap_or_default();
            assert!(without.contains("uring"), "PROACTOR_TEST_WITHOUT does not name io_uring, but {error}");
            None
        }
    }
}

fn end_of(driver: &mut Driver, id: OpId) -> Completion {
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        while let Some(completion) = driver.next() {
            if completion.id == id {
                return completion;
            }
        }
        assert!(Instant::now() < end, "never: the end of {id:?}");
        driver.turn(Wait::For(Duration::from_millis(50))).unwrap();
    }
}

fn done(driver: &mut Driver, op: Op) -> Outcome {
    let id = driver.submit(op, 0).unwrap();
    end_of(driver, id).result.unwrap()
}

/// Both ends of a connection, each a socket of the driver: two direct descriptors and no ordinary
/// one.
fn connection(driver: &mut Driver, listener: SocketId) -> (SocketId, SocketId) {
    let address = driver.local_addr(listener).unwrap();
    let client = driver.socket(&address).unwrap();
    done(driver, Op::connect(client, &address));
    let Outcome::Accepted(stream, _) = done(driver, Op::accept(listener)) else { panic!("it accepts") };
    (client, driver.adopt(stream).unwrap())
}

fn goes_through(driver: &mut Driver, from: SocketId, to: SocketId) {
    let recv = driver.submit(Op::recv(to, Vec::<u8>::with_capacity(16)), 0).unwrap();
    done(driver, Op::send(from, b"hello"));
    let received = end_of(driver, recv);
    assert_eq!(received.buf.unwrap().take::<Vec<u8>>().unwrap(), b"hello");
}

fn close(driver: &mut Driver, socket: SocketId) {
    done(driver, Op::close(socket, CloseMode::Abort));
}

#[test]
fn sockets_beyond_the_limit_of_open_files() {
    let limit = libc_limit();
    assert_eq!(limit, FILES);
    let Some(first) = driver() else { return };
    // Several tables, each as large as the limit.
    let mut drivers = [first, driver().unwrap(), driver().unwrap()];
    let mut connections = Vec::new();
    for (at, driver) in drivers.iter_mut().enumerate() {
        let listener = driver.listen("127.0.0.1:0", &Default::default()).unwrap();
        let ends: Vec<_> = (0..FILES / 2 - 1).map(|_| connection(driver, listener)).collect();
        assert_eq!(driver.live().direct, 2 * ends.len(), "driver {at}");
        connections.push((listener, ends));
    }
    let sockets: usize = drivers.iter().map(|driver| driver.live().sockets).sum();
    assert!(sockets > 2 * FILES, "{sockets} sockets");
    let _files: Vec<File> = (0..FILES / 4).map(|_| File::open("/dev/null").unwrap()).collect();
    for (driver, (_, ends)) in drivers.iter_mut().zip(&connections) {
        for (client, served) in ends {
            goes_through(driver, *client, *served);
            goes_through(driver, *served, *client);
        }
    }
    for (driver, (listener, ends)) in drivers.iter_mut().zip(connections) {
        for (client, served) in ends {
            close(driver, client);
            close(driver, served);
        }
        close(driver, listener);
        assert_eq!(driver.live(), Live::default());
    }

    // A socket that does not fit into the table is an ordinary descriptor, and works. A free place
    // is used again.
    let mut driver = driver().unwrap();
    let listener = driver.listen("127.0.0.1:0", &Default::default()).unwrap();
    let mut ends: Vec<_> = (0..FILES / 2 + 4).map(|_| connection(&mut driver, listener)).collect();
    let Live { direct, sockets, .. } = driver.live();
    assert_eq!((direct, sockets), (FILES - 1, FILES + 9), "the listener has a number too");
    for (client, served) in &ends {
        goes_through(&mut driver, *client, *served);
    }
    for (client, served) in ends.drain(..4) {
        close(&mut driver, client);
        close(&mut driver, served);
    }
    assert_eq!(driver.live().direct, FILES - 9);
    let (client, served) = connection(&mut driver, listener);
    assert_eq!(driver.live().direct, FILES - 7);
    goes_through(&mut driver, client, served);

    // Its addresses are found, and no event that happens meanwhile is lost.
    let recv = driver.submit(Op::recv(served, Vec::<u8>::with_capacity(16)), 0).unwrap();
    let send = driver.submit(Op::send(client, b"meanwhile"), 0).unwrap();
    assert_eq!(driver.peer_addr(client).unwrap(), driver.local_addr(served).unwrap());
    assert!(matches!(end_of(&mut driver, send).result, Ok(Outcome::Sent(9))));
    assert!(matches!(end_of(&mut driver, recv).result, Ok(Outcome::Received(9))));

    // If no descriptor can be made of it, it stays a direct one.
    let mut files = Vec::new();
    while let Ok(file) = File::open("/dev/null") {
        files.push(file);
    }
    assert_eq!(driver.release(client).unwrap_err().kind(), ErrorKind::TooManyFiles);
    goes_through(&mut driver, client, served);
    drop(files);
    let direct = driver.live().direct;
    let stream = driver.release(client).unwrap();
    assert_eq!(driver.live().direct, direct - 1);
    let client = driver.adopt(stream).unwrap();
    goes_through(&mut driver, served, client);

    // Dropping the driver closes what is in its table.
    let accepted = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = accepted.local_addr().unwrap();
    let last = driver.socket(address).unwrap();
    done(&mut driver, Op::connect(last, address));
    let (mut peer, _) = accepted.accept().unwrap();
    peer.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    peer.write_all(b"unread").unwrap();
    drop(driver);
    // The kernel takes the ring down later, by interrupting this thread.
    let end = peer.read_to_end(&mut Vec::new());
    assert!(matches!(end, Ok(0)) || end.is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionReset));
}

/// Sets the limit, and returns it.
fn libc_limit() -> usize {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: Some(FILES as u64), maximum }).unwrap();
    getrlimit(Resource::Nofile).current.unwrap() as usize
}

#[test]
fn other_backends_refuse_them() {
    let refused = |config: DriverConfig| match Driver::new(config) {
        Ok(driver) => panic!("{driver:?}"),
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Unsupported);
            assert!(error.to_string().contains("direct descriptors"), "{error}");
        }
    };
    refused(config().backend(Backend::Poll));
    refused(config().backend(None).network(Network::new(1)));
}
