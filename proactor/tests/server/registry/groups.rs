//! Groups by name: the same one for all who ask, gone when nobody holds it, and the logic is told
//! when one is empty.

use std::collections::HashMap;
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use proactor::codec::{LengthPrefixed, Lines};
use proactor::{
    AsyncSession, CloseReason, Flow, Group, Handler, Listener, NameError, NoMessage, Session, SessionId, ShardHandle,
    Tasks,
};

use crate::harness::{address_of, ask, backends, builder, connect, exchange, expect, finish, wait_until};

/// Each line is a room to enter, or with `-` before it, to leave. Keeps who opened a room.
#[derive(Clone, Default)]
struct Rooms {
    opened: Arc<Mutex<HashMap<Vec<u8>, SessionId>>>,
    emptied: Arc<AtomicUsize>,
    /// What was told to the logic of one session after the other.
    told: Arc<Mutex<Vec<&'static str>>>,
}

impl Handler for Rooms {
    type State = ();
    type Message = NoMessage;

    fn connected(&mut self, _: &Session) {}

    fn received(&mut self, session: &Session, (): &mut (), line: &[u8]) -> Flow {
        let mut opened = self.opened.lock().unwrap();
        if let Some(name) = line.strip_prefix(b"-") {
            if let Some(room) = session.handle().find_group(name) {
                session.leave(&room);
            }
        } else {
            let room = session.handle().group(line).unwrap();
            session.join(&room).unwrap();
            opened.entry(line.to_vec()).or_insert_with(|| session.id());
        }
        session.send(b"ok").map_or(Flow::Close, |()| Flow::Continue)
    }

    fn group_emptied(&mut self, shard: &ShardHandle, room: &Group) {
        assert!(shard.index() < 2);
        let mut opened = self.opened.lock().unwrap();
        self.told.lock().unwrap().push("emptied");
        self.emptied.fetch_add(1, Ordering::SeqCst);
        if room.is_empty() {
            opened.remove(room.name().unwrap());
        }
    }

    fn closed(&mut self, _: SessionId, (): (), _: &CloseReason) {
        self.told.lock().unwrap().push("closed");
    }
}

fn say(stream: &TcpStream, line: &str) {
    ask(stream, format!("{line}\n").as_bytes(), b"ok\n");
}

#[test]
fn a_name_is_one_group_on_all_shards_and_is_gone_with_its_last_member() {
    for backend in backends() {
        let rooms = Rooms::default();
        let server = builder(backend, 2).codec(Lines::new()).start(rooms.clone()).unwrap();
        let handle = server.handle();
        assert!(handle.find_group("kitchen").is_none());
        let clients: Vec<TcpStream> = (0..4).map(|_| connect(address_of(&server))).collect();
        clients.iter().for_each(|client| say(client, "kitchen"));
        say(&clients[0], "attic");
        assert_eq!(handle.groups(), 2);
        let kitchen = handle.group("kitchen").unwrap();
        assert_eq!((kitchen.len(), kitchen.name()), (4, Some(&b"kitchen"[..])));
        let mut members = kitchen.members();
        members.sort_unstable();
        members.dedup();
        assert_eq!(members.len(), 4);
        assert!(handle.group("attic").unwrap().members().iter().all(|id| members.contains(id)));
        // The members that are named are those that a packet finds.
        for id in &members {
            handle.send(*id, "you").unwrap();
        }
        clients.iter().for_each(|client| expect(client, b"you\n"));
        kitchen.broadcast(b"dinner").unwrap();
        clients.iter().for_each(|client| expect(client, b"dinner\n"));
        drop(kitchen);
        say(&clients[0], "-kitchen");
        say(&clients[0], "-attic");
        wait_until("the attic is gone", || handle.groups() == 1);
        assert_eq!(handle.find_group("kitchen").unwrap().len(), 3);
        drop(clients);
        wait_until("all rooms are empty", || rooms.emptied.load(Ordering::SeqCst) == 2);
        wait_until("nobody holds a group", || handle.groups() == 0);
        assert!(rooms.opened.lock().unwrap().is_empty());
        finish(server);
    }
}

#[test]
fn the_logic_hears_of_an_empty_group_after_the_end_of_its_last_member() {
    for backend in backends() {
        let rooms = Rooms::default();
        let server = builder(backend, 1).codec(Lines::new()).start(rooms.clone()).unwrap();
        let client = connect(address_of(&server));
        say(&client, "kitchen");
        drop(client);
        wait_until("it has ended", || rooms.told.lock().unwrap().len() == 2);
        assert_eq!(*rooms.told.lock().unwrap(), ["closed", "emptied"]);
        finish(server);
    }
}

/// Members of another framing are in a hidden group of their own: that must hold the name too.
#[test]
fn members_of_another_codec_hold_the_name() {
    for backend in backends() {
        let rooms = Rooms::default();
        let lines = Listener::new("127.0.0.1:0").codec(Lines::new());
        let builder = builder(backend, 1).codec(LengthPrefixed::u8()).listen(lines);
        let server = builder.start(rooms.clone()).unwrap();
        let handle = server.handle();
        let client = connect(server.local_addrs()[1].ip().unwrap());
        say(&client, "kitchen");
        let other = connect(address_of(&server));
        ask(&other, b"\x07kitchen", b"\x02ok");
        let kitchen = handle.find_group("kitchen").expect("its members hold it");
        assert_eq!((kitchen.len(), kitchen.members().len()), (2, 2));
        drop(kitchen);
        ask(&other, b"\x08-kitchen", b"\x02ok");
        assert_eq!(rooms.emptied.load(Ordering::SeqCst), 0, "one member is left");
        let kitchen = handle.group("kitchen").unwrap();
        assert_eq!(kitchen.len(), 1);
        kitchen.broadcast(b"dinner").unwrap();
        drop(kitchen);
        expect(&client, b"dinner\n");
        drop(client);
        wait_until("the room is empty", || rooms.emptied.load(Ordering::SeqCst) == 1);
        wait_until("nobody holds it", || handle.groups() == 0);
        finish(server);
    }
}

/// Sessions of two shards enter and leave one room as fast as they can, while a thread asks for it.
#[test]
fn what_is_kept_for_a_room_is_there_whenever_it_has_members() {
    for backend in backends() {
        let rooms = Rooms::default();
        let server = builder(backend, 2).codec(Lines::new()).start(rooms.clone()).unwrap();
        let (handle, address) = (server.handle(), address_of(&server));
        thread::scope(|scope| {
            let clients: Vec<_> = (0..4)
                .map(|number| {
                    scope.spawn(move || {
                        let mut client = connect(address);
                        for round in 0..200 {
                            say(&client, "kitchen");
                            match (round + number) % 20 {
                                0 => client = connect(address),
                                _ => say(&client, "-kitchen"),
                            }
                        }
                    })
                })
                .collect();
            while !clients.iter().all(|client| client.is_finished()) {
                let opened = rooms.opened.lock().unwrap();
                // Nobody joins meanwhile.
                let room = handle.find_group("kitchen").filter(|room| !room.is_empty());
                assert!(room.is_none() || opened.contains_key(&b"kitchen"[..]), "its state was thrown away");
            }
        });
        wait_until("nobody is there", || handle.sessions() == 0 && handle.groups() == 0);
        wait_until("nothing is kept", || rooms.opened.lock().unwrap().is_empty());
        finish(server);
    }
}

#[test]
fn a_task_joins_by_name_and_a_function_hears_of_the_end() {
    async fn enter(session: AsyncSession) {
        let Some(name) = session.next().await else { return };
        let room = session.session().handle().group(name).unwrap();
        session.session().join(&room).unwrap();
        let _ = session.send("in").await;
        let _ = session.next().await;
    }
    for backend in backends() {
        let names = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&names);
        let logic = Tasks::new(enter).on_group_emptied(move |_, room| {
            kept.lock().unwrap().push(room.name().map(<[u8]>::to_vec));
        });
        let server = builder(backend, 1).start(logic).unwrap();
        let client = connect(address_of(&server));
        ask(&client, b"kitchen", b"in");
        assert_eq!(server.handle().find_group("kitchen").map(|room| room.len()), Some(1));
        drop(client);
        wait_until("the room is empty", || !names.lock().unwrap().is_empty());
        assert_eq!(*names.lock().unwrap(), [Some(b"kitchen".to_vec())]);
        finish(server);
    }
}

/// Panics when it hears of an empty group.
#[derive(Clone)]
struct Panics;

impl Handler for Panics {
    type State = Group;
    type Message = NoMessage;
    fn connected(&mut self, session: &Session) -> Group {
        let group = Group::new();
        session.join(&group).unwrap();
        group
    }
    fn received(&mut self, session: &Session, group: &mut Group, packet: &[u8]) -> Flow {
        session.leave(group);
        session.send(packet).map_or(Flow::Close, |()| Flow::Continue)
    }
    fn group_emptied(&mut self, _: &ShardHandle, group: &Group) {
        assert!(group.name().is_none() && group.is_empty());
        panic!("meant by the test");
    }
}

#[test]
fn a_panic_in_the_call_ends_nothing() {
    for backend in backends() {
        let server = builder(backend, 1).start(Panics).unwrap();
        let client = connect(address_of(&server));
        for _ in 0..2 {
            exchange(&client, b"x");
        }
        drop(client);
        wait_until("it has ended", || server.handle().sessions() == 0);
        finish(server);
    }
}

#[test]
fn names_are_any_bytes_within_their_limit() {
    let server = builder(backends()[0], 1).start(Panics).unwrap();
    let handle = server.handle();
    let held = handle.group([0xff; 1024]).unwrap();
    assert!(handle.group([0xff; 1024]).unwrap() == held && handle.group("").unwrap() != held);
    assert_eq!(handle.group([0; 1025]).err(), Some(NameError::TooLong));
    assert!(handle.find_group([0; 1025]).is_none());
    drop(held);
    assert_eq!(handle.groups(), 0);
    finish(server);
}
