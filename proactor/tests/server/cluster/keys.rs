//! Keys of a cluster within a process: threads and sockets.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};
use std::thread;

use proactor::cluster::{Cluster, DirectoryError};
use proactor::codec::Lines;
use proactor::{Flow, Handler, IdentifyError, IfTaken, NoMessage, Server, Session};

use crate::harness::{address_of, backends, builder, connect, finish, wait_until};

/// Calls of one session, as they came.
#[derive(Clone, Default)]
struct Users(Arc<Mutex<Vec<String>>>);

impl Handler for Users {
    type State = ();
    type Message = NoMessage;
    fn connected(&mut self, _: &Session) {}
    fn received(&mut self, session: &Session, (): &mut (), line: &[u8]) -> Flow {
        let text = std::str::from_utf8(line).unwrap();
        match text.split_once(' ') {
            Some(("refuse", user)) => drop(session.identify(user)),
            Some(("replace", user)) => session.identify_with(user, IfTaken::Replace).unwrap(),
            Some(("share", user)) => session.identify_with(user, IfTaken::Share).unwrap(),
            _ => session.give_up_key(),
        }
        Flow::Continue
    }
    fn identified(&mut self, session: &Session, (): &mut (), key: &[u8], result: Result<(), IdentifyError>) {
        let text = format!("{} {result:?}", String::from_utf8_lossy(key));
        self.0.lock().unwrap().push(text.clone());
        assert_eq!(session.key().is_some(), result.is_ok());
        session.send(text.as_bytes()).unwrap();
    }
}

/// A logic that does not say what becomes of a refused session.
#[derive(Clone)]
struct Plain;

impl Handler for Plain {
    type State = ();
    type Message = NoMessage;
    fn connected(&mut self, session: &Session) {
        session.identify("the one").unwrap();
    }
    fn received(&mut self, _: &Session, (): &mut (), _: &[u8]) -> Flow {
        Flow::Continue
    }
}

struct Client(BufReader<TcpStream>);

impl Client {
    fn say(&mut self, line: &str) -> String {
        writeln!(self.0.get_mut(), "{line}").unwrap();
        self.line()
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }
}

fn client(server: &Server) -> Client {
    Client(BufReader::new(connect(address_of(server))))
}

fn nodes(cluster: &Cluster) -> [Server; 2] {
    ["one", "two"].map(|name| {
        let builder = builder(backends()[0], 2).codec(Lines::new()).cluster(cluster.node(name));
        builder.start(Users::default()).unwrap()
    })
}

#[test]
fn a_session_is_found_told_and_closed_wherever_it_is() {
    let [one, two] = nodes(&Cluster::in_process());
    let (mut ann, mut ben) = (client(&one), client(&two));
    assert_eq!(ann.say("refuse ann"), "ann Ok(())");
    assert_eq!(ben.say("refuse ann"), "ann Err(TakenElsewhere)");
    assert_eq!(ben.say("refuse ben"), "ben Ok(())");
    let (here, there) = (one.handle(), two.handle());
    let found = here.find_anywhere("ben");
    wait_until("the answer", || found.now().is_some());
    let places = found.wait().unwrap();
    assert!(places.len() == 1 && &*places[0].node == "two" && places[0].session.is_none(), "{places:?}");
    let own = there.find_anywhere("ben").wait().unwrap();
    assert_eq!(own[0].session, there.find("ben"));
    for number in 0..100 {
        assert_eq!(here.send_anywhere("ben", format!("{number}")).wait(), Ok(1));
    }
    for number in 0..100 {
        assert_eq!(ben.line(), number.to_string(), "in order");
    }
    assert_eq!(there.send_anywhere("ben", "own").wait(), Ok(1));
    assert_eq!(ben.line(), "own");
    assert_eq!(here.send_anywhere("nobody", "x").wait(), Ok(0));
    assert_eq!(here.find_anywhere([0; 1025]).wait().unwrap_err(), DirectoryError::TooLong);
    assert_eq!(here.close_anywhere("ben").wait(), Ok(1));
    assert_eq!(ben.line(), "", "the end");
    wait_until("the key to be free", || here.find_anywhere("ben").wait().unwrap().is_empty());
    finish(two);
    assert_eq!(there.find_anywhere("ann").wait().unwrap_err(), DirectoryError::Unreachable, "it has ended");
    finish(one);
}

#[test]
fn a_key_that_is_given_up_or_exchanged_is_free_for_the_other_nodes() {
    let [one, two] = nodes(&Cluster::in_process());
    let (mut ann, mut ben) = (client(&one), client(&two));
    assert_eq!(ann.say("refuse x"), "x Ok(())");
    assert_eq!(ann.say("refuse y"), "y Ok(())");
    assert_eq!(ann.say("refuse y"), "y Ok(())", "its own is no other's");
    assert_eq!(ben.say("refuse y"), "y Err(TakenElsewhere)");
    assert_eq!(ben.say("refuse x"), "x Ok(())");
    writeln!(ann.0.get_mut(), "give up").unwrap();
    wait_until("y to be free", || two.handle().find_anywhere("y").wait().unwrap().is_empty());
    assert_eq!(ben.say("refuse y"), "y Ok(())");
    // Both share one, and a third takes it from them.
    assert_eq!((ann.say("share z"), ben.say("share z")), ("z Ok(())".into(), "z Ok(())".into()));
    assert_eq!(one.handle().find_anywhere("z").wait().unwrap().len(), 2);
    let mut eve = client(&two);
    assert_eq!(eve.say("replace z"), "z Ok(())");
    assert_eq!((ann.line(), ben.line()), (String::new(), String::new()), "both are closed");
    finish(one);
    finish(two);
}

#[test]
fn of_many_logins_at_once_one_has_the_key_and_each_has_an_answer() {
    const LOGINS: usize = 40;
    let servers = nodes(&Cluster::in_process());
    let mut last = None;
    for round in 0..5 {
        let user = format!("user{round}");
        let clients: Vec<Client> = thread::scope(|scope| {
            let threads: Vec<_> = (0..LOGINS)
                .map(|number| {
                    let (server, user) = (&servers[number % 2], &user);
                    scope.spawn(move || {
                        let mut client = client(server);
                        // One that was replaced at once hears only its end.
                        client.say(&format!("replace {user}"));
                        client
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let places = || servers.iter().map(|server| server.handle().find_all(&user).len()).sum::<usize>();
        wait_until("one to be left", || places() == 1);
        let found = servers[0].handle().find_anywhere(&user).wait().unwrap();
        assert_eq!(found.len(), 1, "{found:?}");
        last = Some(clients);
    }
    drop(last);
    servers.into_iter().for_each(finish);
}

#[test]
fn a_refused_session_is_closed_unless_the_logic_says_otherwise() {
    let cluster = Cluster::in_process();
    let start = |name: &str| {
        let builder = builder(backends()[0], 1).codec(Lines::new()).cluster(cluster.node(name));
        builder.start(Plain).unwrap()
    };
    let (one, two) = (start("one"), start("two"));
    let first = client(&one);
    wait_until("the first to have it", || !two.handle().find_anywhere("the one").wait().unwrap().is_empty());
    assert_eq!(client(&two).line(), "", "closed");
    drop(first);
    wait_until("it to be free", || two.handle().find_anywhere("the one").wait().unwrap().is_empty());
    finish(one);
    finish(two);
}

#[test]
fn without_a_cluster_a_server_answers_for_itself() {
    let server = builder(backends()[0], 1).codec(Lines::new()).start(Users::default()).unwrap();
    let mut ann = client(&server);
    writeln!(ann.0.get_mut(), "refuse ann").unwrap();
    wait_until("the session to have its key", || server.handle().keys() == 1);
    let handle = server.handle();
    assert_eq!(handle.find_anywhere("ann").wait().unwrap()[0].session, handle.find("ann"));
    assert_eq!(handle.send_anywhere("ann", "hello").wait(), Ok(1));
    assert_eq!(ann.line(), "hello", "and no answer of a cluster before");
    assert_eq!((handle.close_anywhere("ben").wait(), handle.close_anywhere("ann").wait()), (Ok(0), Ok(1)));
    assert_eq!(ann.line(), "");
    finish(server);
}

#[test]
fn the_time_of_a_lease_has_limits() {
    let cluster = Cluster::in_process();
    for seconds in [0, 3601] {
        let node = cluster.node("one").lease(std::time::Duration::from_secs(seconds));
        let fault = builder(backends()[0], 1).cluster(node).start(Plain).unwrap_err();
        assert!(fault.to_string().contains("must be 1s to 3600s"), "{fault}");
    }
}
