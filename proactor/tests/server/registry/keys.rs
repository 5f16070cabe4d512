//! Sessions by key: finding, sending, replacing, sharing, and the end.

use std::net::TcpStream;
use std::sync::{Arc, Mutex};

use proactor::codec::Lines;
use proactor::{
    AsyncSession, CloseReason, Flow, Handle, Handler, IdentifyError, IfTaken, NoMessage, Session, SessionId,
};

use crate::harness::{
    address_of, ask, backends, builder, connect, exchange, expect, finish, read_end, read_to_end, wait_until,
};

/// Who has ended, why, and whom the key `ann` named in that moment.
type Closed = (SessionId, CloseReason, Option<SessionId>);

/// A line is what becomes of a key, then the key.
#[derive(Clone, Default)]
struct Names {
    closed: Arc<Mutex<Vec<Closed>>>,
    handle: Option<Handle>,
}

impl Handler for Names {
    type State = ();
    type Message = NoMessage;

    fn started(&mut self, _: &proactor::ShardHandle, handle: &Handle) {
        self.handle = Some(handle.clone());
    }

    fn connected(&mut self, _: &Session) {}

    fn received(&mut self, session: &Session, (): &mut (), line: &[u8]) -> Flow {
        let (if_taken, key) = match line.split_first() {
            Some((b'!', key)) => (IfTaken::Replace, key),
            Some((b'&', key)) => (IfTaken::Share, key),
            Some((b'.', key)) => (IfTaken::Refuse, key),
            Some((b'-', _)) => {
                session.give_up_key();
                assert_eq!(session.key(), None);
                return session.send(b"none").map_or(Flow::Close, |()| Flow::Continue);
            }
            _ => return Flow::Close,
        };
        let before = session.key();
        let answer = match session.identify_with(key, if_taken) {
            Ok(()) => {
                assert_eq!(session.key().as_deref(), Some(key));
                "ok".into()
            }
            Err(error) => {
                assert_eq!(session.key(), before);
                format!("{error:?}")
            }
        };
        session.send(answer.split('(').next().unwrap().as_bytes()).map_or(Flow::Close, |()| Flow::Continue)
    }

    fn closed(&mut self, id: SessionId, (): (), reason: &CloseReason) {
        let named = self.handle.as_ref().unwrap().find("ann");
        self.closed.lock().unwrap().push((id, *reason, named));
    }
}

#[track_caller]
fn say(stream: &TcpStream, line: &str, answer: &str) {
    ask(stream, format!("{line}\n").as_bytes(), format!("{answer}\n").as_bytes());
}

#[test]
fn a_key_finds_its_session_on_any_shard_until_that_has_ended() {
    for backend in backends() {
        let names = Names::default();
        let server = builder(backend, 2).codec(Lines::new()).start(names.clone()).unwrap();
        let handle = server.handle();
        let clients: Vec<TcpStream> = (0..4).map(|_| connect(address_of(&server))).collect();
        say(&clients[0], ".ann", "ok");
        say(&clients[0], ".ann", "ok");
        clients[1..].iter().for_each(|client| say(client, ".ann", "Taken"));
        say(&clients[1], ".bob", "ok");
        assert_eq!(handle.keys(), 2);
        let ann = handle.find("ann").unwrap();
        assert_eq!((handle.find_all("ann"), handle.find("eve")), (vec![ann], None));
        assert_eq!(handle.send_to("ann", "for ann"), Ok(1));
        assert_eq!(handle.send_to("eve", "for eve"), Ok(0));
        expect(&clients[0], b"for ann\n");
        // Another key takes the place of the first, which is free then.
        say(&clients[0], ".eve", "ok");
        say(&clients[2], ".ann", "ok");
        assert_eq!(handle.find("eve"), Some(ann));
        say(&clients[2], "-", "none");
        assert_eq!((handle.find("ann"), handle.keys()), (None, 2));
        assert_eq!(handle.close_key("bob"), Ok(1));
        assert_eq!(read_to_end(&clients[1]), b"");
        wait_until("bob is free", || handle.find("bob").is_none());
        drop(clients);
        wait_until("all keys are free", || handle.keys() == 0);
        finish(server);
    }
}

#[test]
fn the_key_is_free_only_after_the_logic_has_heard_of_the_end() {
    for backend in backends() {
        let names = Names::default();
        let server = builder(backend, 2).codec(Lines::new()).start(names.clone()).unwrap();
        let handle = server.handle();
        let client = connect(address_of(&server));
        say(&client, ".ann", "ok");
        let ann = handle.find("ann");
        drop(client);
        wait_until("ann is free", || handle.find("ann").is_none());
        let closed = names.closed.lock().unwrap().clone();
        assert!(matches!(closed[..], [(_, _, named)] if named == ann), "{closed:?}");
        finish(server);
    }
}

#[test]
fn who_is_replaced_is_closed_for_that_reason_and_has_what_was_queued() {
    for backend in backends() {
        let names = Names::default();
        let server = builder(backend, 2).codec(Lines::new()).start(names.clone()).unwrap();
        let handle = server.handle();
        let mut before = connect(address_of(&server));
        say(&before, ".ann", "ok");
        for round in 0..20 {
            let old = handle.find("ann").unwrap();
            handle.send(old, "you are replaced").unwrap();
            let next = connect(address_of(&server));
            say(&next, "!ann", "ok");
            let new = handle.find("ann").unwrap();
            assert_ne!(new, old);
            assert_eq!(read_to_end(&before), b"you are replaced\n");
            wait_until("it has ended", || names.closed.lock().unwrap().len() == round + 1);
            assert_eq!(names.closed.lock().unwrap()[round], (old, CloseReason::Replaced, Some(new)));
            before = next;
        }
        wait_until("they are counted", || handle.stats().closed(CloseReason::Replaced) == 20);
        drop(before);
        wait_until("ann is free", || handle.keys() == 0);
        finish(server);
    }
}

#[test]
fn several_share_a_key_if_they_say_so() {
    for backend in backends() {
        let server = builder(backend, 2).codec(Lines::new()).start(Names::default()).unwrap();
        let handle = server.handle();
        let clients: Vec<TcpStream> = (0..3).map(|_| connect(address_of(&server))).collect();
        clients.iter().for_each(|client| say(client, "&ann", "ok"));
        assert_eq!((handle.find_all("ann").len(), handle.keys()), (3, 1));
        assert_eq!(handle.send_to("ann", "for all"), Ok(3));
        clients.iter().for_each(|client| expect(client, b"for all\n"));
        let other = connect(address_of(&server));
        say(&other, ".ann", "Taken");
        say(&other, "!ann", "ok");
        clients.iter().for_each(read_end);
        say(&other, &format!(".{}", "x".repeat(1025)), "TooLong");
        assert_eq!(handle.find_all("ann").len(), 1);
        drop((clients, other));
        wait_until("ann is free", || handle.keys() == 0);
        finish(server);
    }
}

#[test]
fn a_task_has_a_key_and_hears_that_it_is_replaced() {
    type Ends = Arc<Mutex<Vec<(CloseReason, Result<(), IdentifyError>)>>>;
    async fn named(session: AsyncSession, ends: Ends) {
        session.session().identify_with("ann", IfTaken::Replace).unwrap();
        let _ = session.send("in").await;
        let reason = session.closed().await;
        ends.lock().unwrap().push((reason, session.session().identify("late")));
    }
    for backend in backends() {
        let ends = Ends::default();
        let own = Arc::clone(&ends);
        let server = builder(backend, 2).serve(move |session| named(session, Arc::clone(&own))).unwrap();
        let first = connect(address_of(&server));
        expect(&first, b"in");
        let second = connect(address_of(&server));
        expect(&second, b"in");
        read_end(&first);
        wait_until("the task has heard", || !ends.lock().unwrap().is_empty());
        assert_eq!(*ends.lock().unwrap(), [(CloseReason::Replaced, Err(IdentifyError::Closed))]);
        drop(second);
        wait_until("ann is free", || server.handle().keys() == 0);
        finish(server);
    }
}

/// Takes a key and panics.
#[derive(Clone)]
struct Panics;

impl Handler for Panics {
    type State = ();
    type Message = NoMessage;
    fn connected(&mut self, session: &Session) {
        session.identify("ann").unwrap();
        panic!("meant by the test");
    }
    fn received(&mut self, _: &Session, (): &mut (), _: &[u8]) -> Flow {
        unreachable!("it never began")
    }
}

#[test]
fn a_session_that_never_began_keeps_no_key() {
    for backend in backends() {
        let server = builder(backend, 1).start(Panics).unwrap();
        for _ in 0..3 {
            read_end(&connect(address_of(&server)));
            wait_until("ann is free", || server.handle().keys() == 0);
        }
        wait_until("they are counted", || server.handle().stats().closed(CloseReason::Panic) == 3);
        finish(server);
    }
}

/// The second session takes the key of the first, which takes it back before it has heard.
#[derive(Clone, Default)]
struct TakesBack(Arc<Mutex<Vec<SessionId>>>);

impl Handler for TakesBack {
    type State = ();
    type Message = NoMessage;
    fn connected(&mut self, session: &Session) {
        session.identify_with("ann", IfTaken::Replace).unwrap();
        let sessions = &mut *self.0.lock().unwrap();
        sessions.push(session.id());
        if let [first, _] = sessions[..] {
            let first = session.sibling(first).expect("it has not heard");
            first.identify_with("ann", IfTaken::Replace).unwrap();
            assert_eq!((session.key(), first.key().as_deref()), (None, Some(&b"ann"[..])));
        }
    }
    fn received(&mut self, session: &Session, (): &mut (), packet: &[u8]) -> Flow {
        session.send(packet).map_or(Flow::Close, |()| Flow::Continue)
    }
    fn closed(&mut self, id: SessionId, (): (), reason: &CloseReason) {
        let expected = [CloseReason::ServerStopping, CloseReason::Replaced];
        let at = self.0.lock().unwrap().iter().position(|session| *session == id).unwrap();
        assert_eq!(*reason, expected[at]);
    }
}

#[test]
fn who_has_taken_the_key_back_is_not_closed_for_having_lost_it() {
    for backend in backends() {
        let logic = TakesBack::default();
        let server = builder(backend, 1).start(logic.clone()).unwrap();
        let first = connect(address_of(&server));
        wait_until("it has the key", || logic.0.lock().unwrap().len() == 1);
        let second = connect(address_of(&server));
        read_end(&second);
        exchange(&first, b"still here");
        assert_eq!(server.handle().find_all("ann"), [logic.0.lock().unwrap()[0]]);
        wait_until("the other is gone", || server.handle().sessions() == 1);
        assert_eq!(server.handle().stats().closed(CloseReason::Replaced), 1);
        finish(server);
    }
}
