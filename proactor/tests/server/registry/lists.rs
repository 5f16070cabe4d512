//! Lists of sessions: what they say, filters, several at once, and their ends.

use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use overlapped::future::block_on;
use proactor::{AsyncSession, Flow, Handler, Listener, NoMessage, Origin, SendError, Session, SessionId};

use crate::harness::{
    PATIENCE, ReportsIds, address_of, backends, builder, connect, exchange, expect, finish, wait_until,
};

/// The first packet of a session is its key.
#[derive(Clone)]
struct Named;

impl Handler for Named {
    type State = ();
    type Message = NoMessage;
    fn connected(&mut self, _: &Session) {}
    fn received(&mut self, session: &Session, (): &mut (), packet: &[u8]) -> Flow {
        session.identify(packet).unwrap();
        session.send(packet).map_or(Flow::Close, |()| Flow::Continue)
    }
}

#[test]
fn a_list_says_who_and_whence_each_session_is() {
    for backend in backends() {
        let admin = Listener::new("127.0.0.1:0").name("admin");
        let server = builder(backend, 2).listen(admin).start(Named).unwrap();
        let handle = server.handle();
        assert!(handle.list_sessions(|_| true).unwrap().wait().is_empty());
        let clients: Vec<TcpStream> =
            (0..5).map(|number| connect(server.local_addrs()[usize::from(number == 4)].ip().unwrap())).collect();
        for (number, client) in clients.iter().enumerate() {
            exchange(client, format!("{number}").as_bytes());
        }
        let mut list = block_on(handle.list_sessions(|_| true).unwrap()).unwrap();
        list.sort_by(|one, other| one.key().cmp(&other.key()));
        assert_eq!((list.len(), handle.sessions()), (5, 5));
        for (number, (info, client)) in list.iter().zip(&clients).enumerate() {
            let key = format!("{number}");
            assert_eq!((info.key(), handle.find(&key)), (Some(key.as_bytes()), Some(info.id())));
            assert_eq!(info.peer_addr().ip(), Some(client.local_addr().unwrap()));
            assert_eq!(info.listener().unwrap().name(), if number == 4 { "admin" } else { "" });
            assert_eq!(info.origin(), Origin::Accepted);
            assert!(info.age() < PATIENCE);
        }
        let by_admin = handle.list_sessions(|info| info.listener().is_some_and(|listener| listener.name() == "admin"));
        // It is older than in the first list, if a tick has passed since.
        let by_admin: Vec<SessionId> = by_admin.unwrap().wait().iter().map(|info| info.id()).collect();
        assert_eq!(by_admin, [list[4].id()]);
        let ended = handle.clone();
        drop(clients);
        wait_until("all have ended", || handle.sessions() == 0);
        finish(server);
        assert!(ended.list_sessions(|_| true).unwrap().wait().is_empty(), "a server that has ended has none");
    }
}

#[test]
fn a_session_that_stays_is_listed_once_while_others_come_and_go() {
    const STAY: usize = 30;
    for backend in backends() {
        let (ids, came) = mpsc::channel();
        let server = builder(backend, 2).start(ReportsIds(ids)).unwrap();
        let (handle, address) = (server.handle(), address_of(&server));
        let stay: Vec<TcpStream> = (0..STAY).map(|_| connect(address)).collect();
        let mut staying: Vec<SessionId> = (0..STAY).map(|_| came.recv_timeout(PATIENCE).unwrap()).collect();
        staying.sort_unstable();
        std::thread::scope(|scope| {
            let guests = scope.spawn(|| (0..300).for_each(|_| drop(connect(address))));
            let mut lists = 0;
            while !guests.is_finished() || lists < 10 {
                let list = handle.list_sessions(|_| true).unwrap().wait();
                let mut ids: Vec<SessionId> = list.iter().map(|info| info.id()).collect();
                ids.sort_unstable();
                assert!(ids.windows(2).all(|pair| pair[0] != pair[1]), "{backend}: one is listed twice");
                assert!(staying.iter().all(|id| ids.binary_search(id).is_ok()), "{backend}: one is missing");
                lists += 1;
            }
        });
        drop(stay);
        finish(server);
    }
}

#[test]
fn so_many_lists_are_made_at_once_and_what_is_given_up_makes_room() {
    let (ids, came) = mpsc::channel();
    let server = builder(backends()[0], 1).start(ReportsIds(ids)).unwrap();
    let handle = server.handle();
    let _client = connect(address_of(&server));
    came.recv_timeout(PATIENCE).unwrap();
    // The shard stands still in the first filter.
    let (go_on, wait) = mpsc::channel::<()>();
    let wait = std::sync::Mutex::new(wait);
    let first = handle.list_sessions(move |_| wait.lock().unwrap().recv().is_ok()).unwrap();
    let asked = Arc::new(AtomicUsize::new(0));
    let others: Vec<_> = (0..63)
        .map(|_| {
            let asked = Arc::clone(&asked);
            handle.list_sessions(move |_| asked.fetch_add(1, Ordering::SeqCst) < usize::MAX).unwrap()
        })
        .collect();
    assert_eq!(handle.list_sessions(|_| true).err(), Some(SendError::Full));
    drop(others);
    go_on.send(()).unwrap();
    assert_eq!(first.wait().len(), 1);
    wait_until("there is room", || handle.list_sessions(|_| true).is_ok());
    assert_eq!(asked.load(Ordering::SeqCst), 0, "nobody waited for these lists");
    finish(server);
}

#[test]
fn a_filter_that_panics_ends_its_list_and_nothing_else() {
    for backend in backends() {
        let (ids, came) = mpsc::channel();
        let server = builder(backend, 1).start(ReportsIds(ids)).unwrap();
        let _clients: Vec<TcpStream> = (0..3).map(|_| connect(address_of(&server))).collect();
        for _ in 0..3 {
            came.recv_timeout(PATIENCE).unwrap();
        }
        let handle = server.handle();
        assert!(handle.list_sessions(|_| panic!("meant by the test")).unwrap().wait().is_empty());
        assert_eq!(handle.list_sessions(|_| true).unwrap().wait().len(), 3);
        finish(server);
    }
}

#[test]
fn a_task_lists_sessions_and_its_thread_cannot_wait_for_them() {
    async fn count(session: AsyncSession) {
        let handle = session.session().handle();
        let own = session.id();
        let list = handle.list_sessions(move |info| info.id() == own).unwrap().await;
        let waited = handle.list_sessions(|_| true).unwrap();
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| waited.wait())).is_err();
        let _ = session.send(format!("{} {panicked}", list.len())).await;
        session.sleep(Duration::from_secs(60)).await;
    }
    for backend in backends() {
        let server = builder(backend, 2).serve(count).unwrap();
        for _ in 0..4 {
            expect(&connect(address_of(&server)), b"1 true");
        }
        finish(server);
    }
}
