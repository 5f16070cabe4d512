//! Shards that are turned one by one.

use std::cell::Cell;
use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use overlapped::{Driver, DriverConfig, Op, driver::Wait, sim::Network};

use crate::group::Group;
use crate::limits::Refusal;
use crate::server::Server;
use crate::task::{AsyncSession, Tasks};

thread_local! {
    static BROADCASTS: Cell<usize> = const { Cell::new(0) };
    static SPEAKER: Cell<usize> = const { Cell::new(usize::MAX) };
}

const PACKETS: usize = 200;

/// Says a lot to all when it is told to, as fast as it may.
async fn speak(session: AsyncSession, group: Group) {
    session.session().join(&group).unwrap();
    if session.next().await.is_none() {
        return;
    }
    SPEAKER.set(session.id().shard().into());
    for _ in 0..PACKETS {
        group.broadcast(&[0; 4096]).unwrap();
        BROADCASTS.set(BROADCASTS.get() + 1);
        let mut again = false;
        poll_fn(|context| {
            context.waker().wake_by_ref();
            if std::mem::replace(&mut again, true) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
    session.closed().await;
}

#[test]
fn a_shard_that_is_held_back_because_another_is_late_sleeps() {
    let network = Network::new(1);
    let group = Group::new();
    let members = group.clone();
    let logic = Tasks::new(move |session| speak(session, members.clone()));
    let mut server = Server::builder().listen("10.0.0.1:80").shards(2).simulate(&network, logic).unwrap();
    let mut driver = Driver::new(DriverConfig::new().network(network.clone())).unwrap();
    let address = server.local_addrs()[0].clone();
    let clients = [(); 2].map(|()| driver.socket(&address).unwrap());
    for client in clients {
        driver.submit(Op::connect(client, &address), 0).unwrap();
        driver.submit(Op::recv_multi(client), 0).unwrap();
    }
    let mut is_told = false;
    let done = server.run(|_| {
        driver.turn(Wait::Poll).unwrap();
        while driver.next().is_some() {}
        if group.len() == 2 && !std::mem::replace(&mut is_told, true) {
            driver.submit(Op::send(clients[0], b"speak"), 0).unwrap();
        }
        SPEAKER.get() != usize::MAX
    });
    assert!(done.unwrap());
    // From here on only the one that speaks is turned: the other is late.
    let (mut held, mut turns) = (0, 0);
    while BROADCASTS.get() < PACKETS {
        turns += 1;
        assert!(turns < 10_000, "it is held for ever: {held} of {turns} turns");
        let (before, said) = (network.now(), BROADCASTS.get());
        server.shards.borrow_mut()[SPEAKER.get()].turn().unwrap();
        if BROADCASTS.get() == said {
            held += 1;
            // The clock stands still in a turn that does not wait.
            assert!(network.now() > before || held < 10, "it spins: {held} of {turns} turns");
        }
    }
    assert!(held >= 50, "it was held back: {held} of {turns} turns");
}

#[test]
fn who_comes_when_a_shard_has_been_drained_is_refused_because_the_server_ends() {
    let network = Network::new(1);
    let logic = Tasks::new(|session: AsyncSession| async move {
        session.closed().await;
    });
    let mut server = Server::builder().listen("10.0.0.1:80").shards(2).simulate(&network, logic).unwrap();
    let mut driver = Driver::new(DriverConfig::new().network(network.clone())).unwrap();
    let address = server.local_addrs()[0].clone();
    let clients = [(); 2].map(|()| driver.socket(&address).unwrap());
    driver.submit(Op::connect(clients[0], &address), 0).unwrap();
    let handle = server.handle();
    let done = server.run(|_| {
        driver.turn(Wait::Poll).unwrap();
        while driver.next().is_some() {}
        handle.sessions() == 1
    });
    assert!(done.unwrap());
    // The first shard has a session, so the next is for the second shard; which has ended before
    // the first has heard of either.
    driver.submit(Op::connect(clients[1], &address), 1).unwrap();
    driver.turn(Wait::For(Duration::from_secs(1))).unwrap();
    assert_eq!(driver.next().map(|completion| completion.token), Some(1));
    network.advance_to(network.now() + Duration::from_secs(1));
    handle.drain(Duration::from_secs(60));
    let mut second = server.shards.borrow_mut().pop().unwrap();
    while !second.has_ended() {
        second.turn_within(Wait::Poll).unwrap();
    }
    drop(second);
    for _ in 0..3 {
        server.turn().unwrap();
    }
    let stats = handle.stats();
    assert_eq!((stats.refused(Refusal::Ending), stats.refused_in_all()), (1, 1), "{stats:?}");
}
