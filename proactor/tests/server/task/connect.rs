//! Outbound connections of tasks, on a simulated network.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use overlapped::options::ListenOptions;
use overlapped::sim::NetworkConfig;
use overlapped::{Op, Outcome};
use proactor::{AsyncSession, CloseReason, ConnectFailure, Network, Origin, Server, Tasks, Wait};

use crate::harness::driver;

fn nobody() -> SocketAddr {
    "10.0.0.9:80".parse().unwrap()
}

/// Returns true for a session that was accepted. Waits for the end of any other.
async fn is_accepted(session: &AsyncSession) -> bool {
    let is = session.session().origin() == Origin::Accepted;
    if !is {
        session.closed().await;
    }
    is
}

#[test]
fn a_task_receives_the_result_of_its_connect_and_can_pair_with_the_session() {
    for seed in 0..10 {
        let network = Network::new(seed);
        let mut driver = driver(&network);
        let listener = driver.listen("10.0.0.2:80", &ListenOptions::new()).unwrap();
        let upstream = driver.local_addr(listener).unwrap();
        driver.submit(Op::accept(listener), 1).unwrap();
        let logic = Tasks::new(move |session: AsyncSession| {
            let upstream = upstream.clone();
            async move {
                if !is_accepted(&session).await {
                    return;
                }
                let refused = session.connect(nobody(), 6).await.unwrap_err();
                assert!(refused.is_refused(), "{refused}");
                let made = session.connect(upstream, 7).await.unwrap();
                assert_eq!(made.origin(), Origin::Connected { token: 7, opener: Some(session.id()) });
                session.session().pair(&made).unwrap();
                session.closed().await;
            }
        });
        let mut server = Server::builder().listen("10.0.0.1:80").simulate(&network, logic).unwrap();
        let address = server.local_addrs()[0].clone();
        let client = driver.socket(&address).unwrap();
        driver.submit(Op::connect(client, &address), 2).unwrap();
        driver.submit(Op::send(client, b"hello"), 3).unwrap();
        let mut received = Vec::new();
        let done = server.run(|_| {
            driver.turn(Wait::Poll).unwrap();
            while let Some(completion) = driver.next() {
                match completion.result.unwrap() {
                    Outcome::Accepted(stream, _) => {
                        let peer = driver.adopt(stream).unwrap();
                        driver.submit(Op::recv_multi(peer), 4).unwrap();
                    }
                    Outcome::Packet(packet) => received.extend_from_slice(&packet),
                    _ => {}
                }
            }
            received == b"hello"
        });
        assert!(done.unwrap(), "seed {seed}");
        let stats = server.handle().stats();
        assert_eq!((stats.connected, stats.connects_failed, stats.closed(CloseReason::Panic)), (1, 1, 0));
    }
}

#[test]
fn a_connect_that_is_dropped_or_whose_opener_closes_is_cancelled() {
    // Longer than the grain of the timers.
    let latency = NetworkConfig::new().latency(Duration::from_millis(100), Duration::from_millis(200));
    let network = Network::with_config(1, latency);
    let mut driver = driver(&network);
    let listener = driver.listen("10.0.0.2:80", &ListenOptions::new()).unwrap();
    let upstream = driver.local_addr(listener).unwrap();
    let failures = Arc::new(Mutex::new(Vec::new()));
    let notes = Arc::clone(&failures);
    let logic = Tasks::new(move |session: AsyncSession| {
        let (upstream, notes) = (upstream.clone(), Arc::clone(&notes));
        async move {
            if !is_accepted(&session).await {
                return;
            }
            let waited = session.timeout(Duration::from_millis(1), session.connect(upstream.clone(), 0)).await;
            assert!(waited.is_err());
            session.sleep(Duration::from_secs(1)).await;
            let own = session.clone();
            let failure = Rc::new(RefCell::new(None));
            let told = Rc::clone(&failure);
            session
                .spawn_on_shard(async move {
                    *told.borrow_mut() = Some(own.connect(upstream, 0).await.unwrap_err().failure());
                    notes.lock().unwrap().push(told.borrow().unwrap());
                })
                .unwrap();
            session.sleep(Duration::from_millis(1)).await;
            session.abort();
        }
    });
    let mut server = Server::builder().listen("10.0.0.1:80").simulate(&network, logic).unwrap();
    let address = server.local_addrs()[0].clone();
    let client = driver.socket(&address).unwrap();
    driver.submit(Op::connect(client, &address), 0).unwrap();
    let done = server.run(|_| {
        driver.turn(Wait::Poll).unwrap();
        while driver.next().is_some() {}
        !failures.lock().unwrap().is_empty()
    });
    assert!(done.unwrap());
    assert_eq!(*failures.lock().unwrap(), [ConnectFailure::Cancelled]);
    let stats = server.handle().stats();
    assert_eq!((stats.connected, stats.connects_failed, stats.outbound), (0, 2, 0));
}
