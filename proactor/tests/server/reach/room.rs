//! A shard that has as many messages as it takes: who waits for room is woken when there is some.

use std::pin::pin;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use proactor::codec::Raw;
use proactor::{Flow, Handle, Handler, Limits, Network, PostWait, Server, Session, SessionId};

use crate::harness::{PATIENCE, address_of, connect, on_each_backend};

/// Messages that a shard has not handed over, at most.
const MOST: usize = 32_768;

/// What is received keeps the shard until it is told to go on.
#[derive(Clone)]
struct Keeps {
    ids: Sender<SessionId>,
    go_on: Arc<Mutex<Receiver<()>>>,
}

impl Handler for Keeps {
    type State = ();
    type Message = usize;
    fn connected(&mut self, session: &Session) {
        self.ids.send(session.id()).unwrap();
    }
    fn received(&mut self, session: &Session, (): &mut (), _: &[u8]) -> Flow {
        self.ids.send(session.id()).unwrap();
        self.go_on.lock().unwrap().recv().unwrap();
        Flow::Continue
    }
    fn message(&mut self, _: &Session, (): &mut (), _: usize) {}
}

/// Tells a channel.
struct Told(Mutex<Sender<()>>);

impl Wake for Told {
    fn wake(self: Arc<Told>) {
        let _ = self.0.lock().unwrap().send(());
    }
}

/// Fills the shard, and begins to wait for room.
fn fill(handle: &Handle<usize>, id: SessionId) -> (PostWait<usize>, Receiver<()>, Waker) {
    (0..MOST).for_each(|message| handle.post(id, message).unwrap());
    let mut wait = handle.post_wait(id, MOST);
    let (sender, told) = mpsc::channel();
    let waker = Waker::from(Arc::new(Told(Mutex::new(sender))));
    assert!(Future::poll(pin!(&mut wait), &mut Context::from_waker(&waker)).is_pending());
    (wait, told, waker)
}

fn is_sent(wait: &mut PostWait<usize>, waker: &Waker) -> bool {
    matches!(Future::poll(pin!(wait), &mut Context::from_waker(waker)), Poll::Ready(Ok(())))
}

fn logic() -> (Keeps, Receiver<SessionId>, Sender<()>) {
    let ((ids, came), (sender, go_on)) = (mpsc::channel(), mpsc::channel());
    (Keeps { ids, go_on: Arc::new(Mutex::new(go_on)) }, came, sender)
}

fn limits() -> Limits {
    Limits::new().inbox_messages(2 * MOST)
}

#[test]
fn who_waits_for_room_in_a_shard_is_woken_though_no_more_mail_comes() {
    on_each_backend(|builder| {
        let (logic, came, go_on) = logic();
        let server = builder.shards(1).limits(limits()).start(logic).unwrap();
        let client = connect(address_of(&server));
        let id = came.recv_timeout(PATIENCE).unwrap();
        std::io::Write::write_all(&mut &client, b"x").unwrap();
        assert_eq!(came.recv_timeout(PATIENCE), Ok(id), "the shard is kept");
        let (mut wait, told, waker) = fill(&server.handle(), id);
        go_on.send(()).unwrap();
        assert_eq!(told.recv_timeout(PATIENCE), Ok(()));
        assert!(is_sent(&mut wait, &waker));
        server.handle().stop();
        server.wait().unwrap();
    });
}

#[test]
fn who_waits_for_room_in_a_simulated_shard_is_woken_though_no_more_mail_comes() {
    let (logic, came, _go_on) = logic();
    let builder = Server::builder().listen("10.0.0.1:80").shards(1).limits(limits());
    let server = builder.simulate(&Network::new(1), logic).unwrap();
    let _client = server.client(server.local_addrs()[0].clone(), Raw);
    let id = came.try_recv().unwrap();
    let (mut wait, told, waker) = fill(&server.handle(), id);
    server.advance(Duration::from_secs(1));
    assert_eq!(told.try_recv(), Ok(()));
    assert!(is_sent(&mut wait, &waker));
}
