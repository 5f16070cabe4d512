//! Progress of operations in flight, and an option that only the system can keep, on every backend
//! that works here.

use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use overlapped::driver::{CloseMode, Wait};
use overlapped::options::StreamOptions;
use overlapped::report::Backend;
use overlapped::{Driver, DriverConfig, ErrorKind, Op, Outcome};

const PATIENCE: Duration = Duration::from_secs(60);

fn drivers() -> impl Iterator<Item = Driver> {
    let backends = Backend::of_this_system().iter();
    backends.filter_map(|backend| Driver::new(DriverConfig::new().backend(*backend)).ok())
}

/// A connection of the driver, and its other end.
fn pair(driver: &mut Driver) -> (overlapped::driver::SocketId, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (far, _) = listener.accept().unwrap();
    far.set_read_timeout(Some(PATIENCE)).unwrap();
    (driver.adopt(near.into()).unwrap(), far)
}

#[test]
fn a_large_send_tells_how_far_it_has_come() {
    const BYTES: usize = 64 << 20;
    for mut driver in drivers() {
        let (socket, mut far) = pair(&mut driver);
        let send = driver.submit(Op::send(socket, vec![7u8; BYTES]), 1).unwrap();
        assert_eq!(driver.progress(send), Some(0));
        let (mut seen, mut steps, mut buf) = (0, 0, vec![0; 1 << 20]);
        let (mut read, end) = (0, Instant::now() + PATIENCE);
        let sent = loop {
            driver.turn(Wait::For(Duration::from_millis(1))).unwrap();
            if let Some(completion) = driver.next() {
                break completion.result.unwrap();
            }
            let progress = driver.progress(send).expect("it has not ended");
            assert!(progress >= seen && progress < BYTES as u64, "{progress} after {seen}");
            steps += u32::from(progress > seen);
            seen = progress;
            assert!(Instant::now() < end, "{:?}: stuck at {seen}", driver.report().backend);
            read += far.read(&mut buf).unwrap();
        };
        assert!(matches!(sent, Outcome::Sent(bytes) if bytes == BYTES as u64));
        assert_eq!(driver.progress(send), None, "it has ended");
        if driver.report().backend != Backend::Winsock {
            assert!(steps > 2, "{:?}: it told nothing on the way", driver.report().backend);
        }
        while read < BYTES {
            read += far.read(&mut buf).unwrap();
        }
        driver.submit(Op::close(socket, CloseMode::Now), 2).unwrap();
    }
}

#[test]
fn the_user_timeout_is_set_on_linux_and_refused_elsewhere() {
    let options = StreamOptions::new().user_timeout(Duration::from_micros(1_234_567));
    for mut driver in drivers() {
        let (socket, _far) = pair(&mut driver);
        let set = driver.set_options(socket, &options);
        if !cfg!(target_os = "linux") {
            assert_eq!(set.unwrap_err().kind(), ErrorKind::Unsupported);
            continue;
        }
        set.unwrap();
        #[cfg(target_os = "linux")]
        {
            let stream = TcpStream::try_from(driver.release(socket).unwrap()).unwrap();
            let is = || socket2::SockRef::from(&stream).tcp_user_timeout().unwrap();
            assert_eq!(is(), Some(Duration::from_millis(1234)));
            let again = |options: &StreamOptions| {
                overlapped::driver::Stream::from(stream.try_clone().unwrap()).set_options(options).unwrap()
            };
            again(&StreamOptions::new().user_timeout(Duration::from_nanos(1)));
            assert_eq!(is(), Some(Duration::from_millis(1)), "not none at all");
            again(&StreamOptions::new());
            assert_eq!(is().unwrap_or_default(), Duration::ZERO);
        }
    }
}
