//! Streams that are ended: their connection is as one without resume from then on.

use std::time::Duration;

use proactor::codec::LengthPrefixed;
use proactor::{
    Afresh, AsyncSession, CloseReason, Handler, Listener, Network, Resume, Resumed, Server, Simulation, Tasks,
};

use super::logic::{Counting, Told};
use super::peer::{AT, Budget, How, Peer};

const SECOND: Duration = Duration::from_secs(1);

fn start<H: Handler + Clone>(resume: Resume, logic: H) -> Simulation<H> {
    let listener = Listener::new(AT).codec(LengthPrefixed::u16()).resume(resume);
    Server::builder().listen(listener).simulate(&Network::new(7), logic).unwrap()
}

#[test]
fn a_peer_that_ends_its_stream_is_not_waited_for() {
    let (logic, mut peer) = (Counting::default(), Peer::new());
    let sim = start(Resume::new(), logic.clone());
    peer.connect(&sim, Budget::NONE);
    peer.ask(&sim, b"x", 1);
    peer.client.end();
    assert!(peer.write(&sim));
    while !peer.client.has_ended() {
        assert!(peer.read(&sim));
    }
    peer.cut(&sim, How::Closed);
    sim.advance(SECOND);
    let told = logic.told();
    assert_eq!(told[2], Told::Ended);
    assert_eq!(logic.closed(), [CloseReason::ByPeer]);
    assert_eq!(sim.handle().stats().sessions, 0);
}

#[test]
fn a_peer_may_go_on_behind_the_end_of_the_servers_stream() {
    async fn shut(session: AsyncSession) {
        session.shutdown();
        let mut bytes = 0;
        while let Some(packet) = session.next().await {
            bytes += packet.len();
        }
        assert_eq!(bytes, 50 * 1000);
    }
    let sim = start(Resume::new().keep(1024), Tasks::new(shut));
    let mut peer = Peer::new();
    peer.connect(&sim, Budget::NONE);
    while !peer.client.has_ended() {
        assert!(peer.write(&sim) && peer.read(&sim));
    }
    for _ in 0..50 {
        peer.send(&[7; 1000]);
        assert!(peer.write(&sim));
        sim.advance(SECOND / 10);
    }
    peer.client.end();
    assert!(peer.write(&sim));
    peer.cut(&sim, How::Closed);
    sim.advance(SECOND);
    let stats = sim.handle().stats();
    assert_eq!((stats.closed(CloseReason::ByPeer), stats.closed_in_all()), (1, 1));
}

#[test]
fn a_session_that_ends_its_stream_while_it_is_away_ends_at_once() {
    async fn leaves(session: AsyncSession) {
        session.sleep(SECOND * 5).await;
        session.shutdown();
        while session.next().await.is_some() {}
    }
    let sim = start(Resume::new(), Tasks::new(leaves));
    let mut peer = Peer::new();
    assert_eq!(peer.come_back(&sim), Resumed::Began);
    peer.cut(&sim, How::Reset);
    sim.advance(SECOND * 4);
    assert_eq!(sim.handle().stats().sessions, 1);
    sim.advance(SECOND * 2);
    let stats = sim.handle().stats();
    assert_eq!((stats.sessions, stats.closed(CloseReason::ByHandler)), (0, 1));
    assert_eq!(peer.come_back(&sim), Resumed::Afresh(Afresh::Unknown));
}
