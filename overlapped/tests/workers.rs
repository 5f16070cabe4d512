//! Threads that io_uring starts for requests that it does not do at once.
//!
//! Alone in its file: it counts threads of the process.
#![cfg(target_os = "linux")]

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use overlapped::driver::{CloseMode, ShutdownHow, SocketId, Wait};
use overlapped::report::Backend;
use overlapped::{Driver, DriverConfig, Op, Outcome};

const PATIENCE: Duration = Duration::from_secs(60);
const SOCKETS: usize = 40;

/// The workers that the kernel has started for this thread's rings.
fn workers() -> usize {
    let me = fs::read_link("/proc/thread-self").unwrap();
    let name = format!("iou-wrk-{}", me.file_name().unwrap().to_str().unwrap());
    let tasks = fs::read_dir("/proc/self/task").unwrap();
    let names = tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("comm")).ok());
    names.filter(|comm| comm.trim() == name).count()
}

fn take(driver: &mut Driver, mut left: usize, mut each: impl FnMut(Outcome)) {
    let end = Instant::now() + PATIENCE;
    while left > 0 {
        assert!(Instant::now() < end, "{left} completions have not come");
        driver.turn(Wait::For(Duration::from_millis(50))).unwrap();
        while let Some(completion) = driver.next() {
            each(completion.result.unwrap());
            left -= 1;
        }
    }
}

#[test]
fn shutdowns_and_graceful_closes_start_no_worker() {
    for direct in [false, true] {
        let config = DriverConfig::new().backend(Backend::Uring).direct_descriptors(direct);
        // There may be no io_uring here, or no direct descriptors.
        let Ok(mut driver) = Driver::new(config) else { continue };
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut far: Vec<TcpStream> = Vec::new();
        let sockets: Vec<SocketId> = (0..SOCKETS)
            .map(|_| {
                let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
                far.push(listener.accept().unwrap().0);
                driver.adopt(near.into()).unwrap()
            })
            .collect();
        assert_eq!(driver.live().direct, if direct { SOCKETS } else { 0 });

        for (number, socket) in sockets.iter().enumerate() {
            driver.submit(Op::recv_multi(*socket), 0).unwrap();
            if number % 2 == 0 {
                driver.submit(Op::shutdown(*socket, ShutdownHow::Send), 0).unwrap();
            }
        }
        take(&mut driver, SOCKETS / 2, |outcome| assert!(matches!(outcome, Outcome::ShutDown), "{outcome:?}"));
        for socket in &sockets {
            driver.submit(Op::close(*socket, CloseMode::Graceful { linger: PATIENCE }), 0).unwrap();
        }
        driver.turn(Wait::Poll).unwrap();
        drop(far);
        let mut closed = 0;
        let end = Instant::now() + PATIENCE;
        while closed < SOCKETS {
            assert!(Instant::now() < end, "{closed} of {SOCKETS} are closed");
            driver.turn(Wait::For(Duration::from_millis(50))).unwrap();
            while let Some(completion) = driver.next() {
                closed += usize::from(matches!(completion.result, Ok(Outcome::Closed)));
            }
        }
        assert_eq!(workers(), 0, "direct descriptors: {direct}");
    }
}
