//! A submission queue that is full when the driver needs an entry of its own.

use std::net::{TcpListener, TcpStream};

use overlapped::driver::Wait;
use overlapped::{ErrorKind, Op};

use crate::harness::PATIENCE;
use crate::harness::place::On;

rules! {
    connects_that_are_cancelled_leave_the_driver_its_own_entries: "it has no queue of that kind",
}

/// The end of a connect that was cancelled takes an entry, and so does the driver's own wake-up.
fn connects_that_are_cancelled_leave_the_driver_its_own_entries(on: &On) {
    // A listener with a full backlog: further connects go on until they are cancelled.
    let listener = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    listener.bind(&std::net::SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    listener.listen(1).unwrap();
    let listener = TcpListener::from(listener);
    let address = listener.local_addr().unwrap();
    let soon = std::time::Duration::from_millis(50);
    let full: Vec<TcpStream> = (0..4).filter_map(|_| TcpStream::connect_timeout(&address, soon).ok()).collect();
    for connects in 1..=9 {
        let mut bench = on.bench_with(on.config().submissions(8));
        let sockets: Vec<_> = (0..connects).map(|_| bench.driver.socket(address).unwrap()).collect();
        let ids: Vec<_> = sockets.iter().map(|socket| bench.submit(Op::connect(*socket, address))).collect();
        for _ in 0..4 {
            bench.turn(Wait::Poll);
        }
        // It sleeps until it is woken, so its own read ends, and the next turn starts another.
        let wake = bench.driver.wake_handle();
        let waker = std::thread::spawn(move || {
            std::thread::sleep(std::time::Duration::from_millis(20));
            wake.wake();
        });
        bench.driver.turn(Wait::For(PATIENCE)).unwrap();
        waker.join().unwrap();
        for id in &ids {
            bench.driver.cancel(*id);
        }
        for _ in 0..3 {
            bench.driver.turn(Wait::Poll).unwrap();
        }
        for _ in 0..3 {
            bench.turn(Wait::Poll);
        }
        for id in ids {
            assert_eq!(bench.kind_of(id), ErrorKind::Cancelled);
        }
        sockets.into_iter().for_each(|socket| bench.close(socket));
        bench.finish();
    }
    drop((full, listener));
}
