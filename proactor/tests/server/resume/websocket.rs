//! The same through a WebSocket, as a browser does it.

use proactor::codec::LengthPrefixed;
use proactor::{Listener, Network, Resume, Server, ServerError, WebSocket};

use super::cuts::converse_with;
use super::logic::Counting;
use super::peer::{AT, Budget, How, Peer};
use super::websocket_end::WebSocketEnd;

fn listener() -> Listener {
    let resume = Resume::new().keep(1024);
    Listener::new(AT).codec(LengthPrefixed::u16()).websocket(WebSocket::new().path("/ws")).resume(resume)
}

fn converse(seed: u64, shards: usize, budget: impl FnMut() -> Budget) -> Peer {
    let logic = Counting::default();
    let server = Server::builder().listen(listener()).shards(shards);
    let sim = server.simulate(&Network::new(seed), logic.clone()).unwrap();
    let mut peer = Peer::new();
    peer.websocket = Some(WebSocketEnd::default());
    converse_with(&sim, &mut peer, &logic, budget);
    peer
}

#[test]
fn a_cut_at_any_byte_of_a_websocket_loses_nothing_and_repeats_nothing() {
    let whole = converse(1, 1, || Budget::NONE);
    assert_eq!(whole.connections, 1);
    let budgets = (0..whole.sent).map(|up| Budget { up, ..Budget::NONE });
    let budgets = budgets.chain((0..whole.received).map(|down| Budget { down, ..Budget::NONE }));
    for (index, budget) in budgets.enumerate() {
        let how = if index % 2 == 0 { How::Reset } else { How::Unseen };
        let mut once = Some(Budget { how, ..budget });
        let peer = converse(index as u64, 1 + index % 3, || once.take().unwrap_or(Budget::NONE));
        assert_eq!(peer.connections, 2, "{budget:?}");
    }
}

#[test]
fn what_does_not_go_together_does_not_start() {
    let compressed = listener().websocket(WebSocket::new().deflate(&proactor::Deflate::new()));
    let datagrams = Listener::datagrams(AT).resume(Resume::new());
    let short = Listener::new(AT).resume(Resume::new().keep(7));
    for (listener, why) in [(compressed, "compressed"), (datagrams, "datagrams"), (short, "keep of 7 bytes")] {
        let started = Server::builder().listen(listener).simulate(&Network::new(1), Counting::default());
        match started.map(drop) {
            Err(ServerError::Config(error)) => assert!(error.contains(why), "{error}"),
            other => panic!("{other:?}"),
        }
    }
}
