//! What is left of lists, keys and senders that wait when a shard ends, whichever way.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use proactor::codec::Raw;
use proactor::{
    Busy, Delivery, Flow, Group, Handle, Handler, Network, NoMessage, PostError, PostWait, Server, Session, SessionId,
    ShardHandle,
};

use crate::harness::{PATIENCE, address_of, client, connect, driver, finish, on_each_backend, turn, wait_until};

const AT: &str = "10.0.0.1:80";

thread_local! {
    static KEPT: RefCell<Option<Session>> = const { RefCell::new(None) };
}

/// Keeps its first session beyond the shard's end.
#[derive(Clone, Default)]
struct Keeps {
    sessions: Arc<Mutex<usize>>,
    group: Group,
}

impl Handler for Keeps {
    type State = ();
    type Message = NoMessage;
    fn connected(&mut self, session: &Session) {
        let number = &mut *self.sessions.lock().unwrap();
        session.identify(number.to_string()).unwrap();
        session.join(&self.group).unwrap();
        *number += 1;
        KEPT.with_borrow_mut(|kept| kept.get_or_insert_with(|| session.clone()).id());
    }
    fn received(&mut self, _: &Session, (): &mut (), _: &[u8]) -> Flow {
        Flow::Continue
    }
}

#[test]
fn a_list_is_complete_when_its_shard_is_gone_though_a_session_of_it_is_kept() {
    const SESSIONS: usize = 1_500;
    let (network, logic) = (Network::new(1), Keeps::default());
    let mut server = Server::builder().listen(AT).shards(1).simulate(&network, logic.clone()).unwrap();
    let mut driver = driver(&network);
    let address = server.local_addrs()[0].clone();
    for _ in 0..SESSIONS {
        client(&mut driver, &address);
    }
    let all = server.run(|_| {
        turn(&mut driver);
        *logic.sessions.lock().unwrap() == SESSIONS
    });
    assert!(all.unwrap());
    let handle = server.handle();
    let mut list = pin!(handle.list_sessions(|_| true).unwrap());
    server.turn().unwrap();
    let mut context = Context::from_waker(Waker::noop());
    assert!(list.as_mut().poll(&mut context).is_pending(), "it is looked at in slices");
    drop(server);
    assert!(KEPT.with_borrow(|kept| kept.is_some()));
    assert!(list.as_mut().poll(&mut context).is_ready(), "nobody goes on with it");
    KEPT.take();
}

#[test]
fn keys_and_members_are_gone_with_their_shards_though_these_did_not_end_in_order() {
    let logic = Keeps::default();
    let sim = Server::builder().listen(AT).simulate(&Network::new(1), logic.clone()).unwrap();
    let _clients = [(); 3].map(|()| sim.client(AT, Raw));
    let handle = sim.handle();
    assert_eq!((handle.keys(), logic.group.len()), (3, 3));
    drop(sim);
    assert_eq!((handle.keys(), handle.find("1")), (0, None));
    assert_eq!((logic.group.len(), logic.group.members()), (0, vec![]));
    KEPT.take();
}

/// Waits for a list before there is a shard that could make it.
#[derive(Clone)]
struct WaitsAtStart(Sender<bool>);

impl Handler for WaitsAtStart {
    type State = ();
    type Message = NoMessage;
    fn started(&mut self, _: &ShardHandle, handle: &Handle) {
        let list = handle.list_sessions(|_| true).unwrap();
        self.0.send(catch_unwind(AssertUnwindSafe(|| list.wait())).is_err()).unwrap();
    }
    fn connected(&mut self, _: &Session) {}
    fn received(&mut self, _: &Session, (): &mut (), _: &[u8]) -> Flow {
        Flow::Continue
    }
}

#[test]
fn a_shard_that_starts_cannot_wait_for_a_list() {
    on_each_backend(|builder| {
        let (sender, panicked) = mpsc::channel();
        let server = builder.shards(1).start(WaitsAtStart(sender)).unwrap();
        let panicked = panicked.recv_timeout(PATIENCE);
        if panicked.is_err() {
            // Its shard waits for ever.
            std::mem::forget(server);
            panic!("the shard waits for itself");
        }
        assert_eq!(panicked, Ok(true));
        finish(server);
    });
    let (sender, panicked) = mpsc::channel();
    std::thread::spawn(|| {
        let builder = Server::builder().listen(AT).shards(1);
        builder.simulate(&Network::new(1), WaitsAtStart(sender)).map(drop)
    });
    assert_eq!(panicked.recv_timeout(PATIENCE), Ok(true));
}

struct PanicsWhenDropped;

impl Drop for PanicsWhenDropped {
    fn drop(&mut self) {
        panic!("meant by the test");
    }
}

fn list_with_a_bad_filter(handle: &Handle) {
    let bad = PanicsWhenDropped;
    let filter = move |_: &proactor::SessionInfo| {
        let _bad = &bad;
        true
    };
    drop(handle.list_sessions(filter).unwrap());
}

#[test]
fn a_filter_that_panics_when_it_is_dropped_ends_nothing() {
    on_each_backend(|builder| {
        let server = builder.shards(2).start(Keeps::default()).unwrap();
        let _client = connect(address_of(&server));
        let handle = server.handle();
        wait_until("it is there", || handle.keys() == 1);
        (0..20).for_each(|_| list_with_a_bad_filter(&handle));
        wait_until("there is room", || handle.list_sessions(|_| true).is_ok());
        assert_eq!(handle.list_sessions(|_| true).unwrap().wait().len(), 1);
        finish(server);
    });
    let sim = Server::builder().listen(AT).shards(1).simulate(&Network::new(1), Keeps::default()).unwrap();
    list_with_a_bad_filter(&sim.handle());
    sim.advance(Duration::from_secs(1));
    assert_eq!(sim.handle().sessions(), 0);
    KEPT.take();
}

struct Told(Mutex<Sender<()>>);

impl Wake for Told {
    fn wake(self: Arc<Told>) {
        let _ = self.0.lock().unwrap().send(());
    }
}

type Waiting = Arc<Mutex<Option<PostWait<u8>>>>;

/// When the connection of its last session is gone, the shard's mailbox is filled, and somebody
/// waits for room in it.
#[derive(Clone)]
struct FillsAtTheEnd {
    handle: Option<Handle<u8>>,
    waiting: Waiting,
    waker: Waker,
    drains: Sender<()>,
}

impl Handler for FillsAtTheEnd {
    type State = Busy;
    type Message = u8;
    fn started(&mut self, _: &ShardHandle, handle: &Handle<u8>) {
        self.handle = Some(handle.clone());
    }
    fn connected(&mut self, session: &Session) -> Busy {
        session.busy()
    }
    fn received(&mut self, _: &Session, _: &mut Busy, _: &[u8]) -> Flow {
        Flow::Continue
    }
    fn draining(&mut self, _: &Session, _: &mut Busy) {
        self.drains.send(()).unwrap();
    }
    fn released(&mut self, id: SessionId, _: Delivery) {
        let handle = self.handle.as_ref().unwrap();
        while handle.close(id).is_ok() {}
        let mut wait = handle.post_wait(id, 1);
        assert!(Future::poll(pin!(&mut wait), &mut Context::from_waker(&self.waker)).is_pending());
        *self.waiting.lock().unwrap() = Some(wait);
    }
}

#[test]
fn who_waits_for_room_is_told_that_the_shard_has_ended_though_it_read_its_mail_last() {
    on_each_backend(|builder| {
        let ((told, is_told), (drains, is_draining)) = (mpsc::channel(), mpsc::channel());
        let waker = Waker::from(Arc::new(Told(Mutex::new(told))));
        let waiting = Waiting::default();
        let logic = FillsAtTheEnd { handle: None, waiting: Arc::clone(&waiting), waker: waker.clone(), drains };
        let server = builder.shards(1).start(logic).unwrap();
        let (address, handle) = (address_of(&server), server.handle());
        let client = connect(address);
        wait_until("it is there", || handle.sessions() == 1);
        handle.drain(Duration::from_secs(3600));
        is_draining.recv_timeout(PATIENCE).unwrap();
        wait_until("the listener is gone", || std::net::TcpStream::connect(address).is_err());
        drop(client);
        server.wait().unwrap();
        assert_eq!(is_told.try_recv(), Ok(()));
        let mut waiting = waiting.lock().unwrap().take().unwrap();
        let result = Future::poll(pin!(&mut waiting), &mut Context::from_waker(&waker));
        assert!(matches!(result, Poll::Ready(Err(PostError::Closed(1)))));
    });
}
