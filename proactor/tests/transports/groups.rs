//! Groups with members of every transport: each hears everything in its own form and in one order,
//! even if some are slow.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};

use proactor::{
    Builder, CloseReason, Flow, Group, Handler, Limits, NoMessage, Server, Session, SessionId, SlowConsumer,
};

use super::member::{FORMS, MOST, Member, listening, on_each_backend};
use crate::harness::{PATIENCE, finish, wait_until};
use crate::peers::Authority;

const MEMBERS: usize = 2 * FORMS.len();

/// What one says, the others hear.
#[derive(Clone)]
struct Room {
    group: Group,
    ids: Sender<SessionId>,
    ends: Sender<(SessionId, CloseReason)>,
}

impl Handler for Room {
    type State = ();
    type Message = NoMessage;
    fn connected(&mut self, session: &Session) {
        session.join(&self.group).unwrap();
        self.ids.send(session.id()).unwrap();
    }
    fn received(&mut self, session: &Session, (): &mut (), packet: &[u8]) -> Flow {
        self.group.broadcast_except(session.id(), packet).map_or(Flow::Close, |()| Flow::Continue)
    }
    fn closed(&mut self, id: SessionId, (): (), reason: &CloseReason) {
        let _ = self.ends.send((id, *reason));
    }
}

struct Running {
    server: Server,
    group: Group,
    ids: Receiver<SessionId>,
    ends: Receiver<(SessionId, CloseReason)>,
    authority: Authority,
}

impl Running {
    fn start(builder: Builder) -> Running {
        let (authority, group) = (Authority::new(), Group::new());
        let ((ids, new), (ends, ended)) = (mpsc::channel(), mpsc::channel());
        let logic = Room { group: group.clone(), ids, ends };
        let server = listening(builder, &authority.tls()).start(logic).unwrap();
        Running { server, group, ids: new, ends: ended, authority }
    }

    /// One member of each transport, and its session.
    fn members(&self) -> Vec<(Member, SessionId)> {
        let member = |index| {
            let member = Member::new(&self.server, index, &self.authority);
            (member, self.ids.recv_timeout(PATIENCE).unwrap())
        };
        (0..MEMBERS).map(member).collect()
    }
}

#[test]
fn members_of_every_transport_hear_each_other_in_one_order() {
    on_each_backend(|builder| {
        let running = Running::start(builder);
        let mut members = running.members();
        for speaker in 0..MEMBERS {
            for number in 0..20 {
                let packet = format!("{number} of {speaker} {}", "größer ".repeat(number * 40));
                members[speaker].0.say(packet.as_bytes());
            }
            for hearer in (0..MEMBERS).filter(|hearer| *hearer != speaker) {
                for number in 0..20 {
                    let packet = format!("{number} of {speaker} {}", "größer ".repeat(number * 40));
                    members[hearer].0.expect(packet.as_bytes());
                }
            }
        }
        // Several threads at once: all have the same order.
        std::thread::scope(|scope| {
            for thread in 0..3 {
                let group = &running.group;
                scope.spawn(move || {
                    for number in 0..200 {
                        group.broadcast(format!("{thread}.{number}").as_bytes()).unwrap();
                    }
                });
            }
        });
        let heard = |member: &mut Member| (0..600).map(|_| member.next()).collect::<Vec<_>>();
        let mut all = members.iter_mut().map(|(member, _)| (member.name.clone(), heard(member)));
        let (_, first) = all.next().unwrap();
        all.for_each(|(name, heard)| assert!(heard == first, "{name} has another order"));
        drop(members);
        finish(running.server);
    });
}

fn numbered(number: usize, len: usize) -> Vec<u8> {
    let mut packet = vec![b'a' + (number % 26) as u8; len];
    packet[..6].copy_from_slice(format!("{number:06}").as_bytes());
    packet
}

fn number_of(packet: &[u8]) -> usize {
    let number = std::str::from_utf8(&packet[..6]).unwrap().parse().unwrap();
    assert!(packet == numbered(number, packet.len()), "packet {number} is whole");
    number
}

/// Of each transport there is one member that does not read, and one that does.
fn some_do_not_read(builder: Builder, policy: SlowConsumer) {
    const LEN: usize = 64 * 1024;
    /// More than the socket buffers hold.
    const PACKETS: usize = 200;
    let limits = Limits::new().outbox_bytes(4 * LEN);
    let running = Running::start(builder.limits(limits).slow_consumer(policy));
    let slow = running.members();
    let members = running.members();
    let received = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for (mut member, _) in members {
            let received = &received;
            scope.spawn(move || {
                for number in 0..PACKETS {
                    assert_eq!(number_of(&member.next()), number, "{}", member.name);
                    received.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        for number in 0..PACKETS {
            running.group.broadcast(&numbered(number, LEN)).unwrap();
            // Those that read do not count as slow.
            wait_until("they keep up", || received.load(Ordering::Relaxed) + MEMBERS >= (number + 1) * MEMBERS);
        }
    });
    if policy == SlowConsumer::DropOldest {
        for (mut member, _) in slow {
            // Whole packets in their order. Some are missing, and never the last.
            let mut last = None;
            while last != Some(PACKETS - 1) {
                let number = number_of(&member.next());
                assert!(last.is_none_or(|last| last < number), "{}: {number} behind {last:?}", member.name);
                last = Some(number);
            }
        }
        assert!(running.server.handle().stats().dropped > 0);
    } else {
        let mut too_slow: Vec<SessionId> = slow.iter().map(|(_, id)| *id).collect();
        while !too_slow.is_empty() {
            let (id, reason) = running.ends.recv_timeout(PATIENCE).unwrap();
            if let Some(at) = too_slow.iter().position(|slow| *slow == id) {
                assert_eq!(reason, CloseReason::TooSlow);
                too_slow.remove(at);
            }
        }
    }
    finish(running.server);
}

#[test]
fn members_that_do_not_read_hold_nobody_up_and_miss_whole_packets() {
    on_each_backend(|builder| some_do_not_read(builder, SlowConsumer::DropOldest));
}

#[test]
fn members_that_do_not_read_are_closed_if_the_policy_says_so() {
    on_each_backend(|builder| some_do_not_read(builder, SlowConsumer::Close));
}

#[test]
fn of_packets_that_stand_for_a_key_a_slow_member_gets_the_newest_over_every_transport() {
    const KEYS: usize = 4;
    const VERSIONS: usize = 50;
    const LEN: usize = 10_000;
    /// More than the socket buffers hold.
    const BEFORE: usize = 16;
    on_each_backend(|builder| {
        let limits = Limits::new().outbox_bytes(2 * BEFORE * MOST);
        let running = Running::start(builder.limits(limits));
        let mut members = running.members();
        let handle = running.server.handle();
        for (_, id) in &members {
            for _ in 0..BEFORE {
                handle.send(*id, numbered(0, MOST)).unwrap();
            }
            for version in 0..VERSIONS {
                for key in 0..KEYS {
                    handle.send_latest(*id, key as u64, numbered(version * KEYS + key, LEN)).unwrap();
                }
            }
        }
        for (member, _) in &mut members {
            for _ in 0..BEFORE {
                assert_eq!(number_of(&member.next()), 0, "{}", member.name);
            }
            let (mut newest, mut packets) = ([None; KEYS], 0);
            while newest != [Some(VERSIONS - 1); KEYS] {
                let number = number_of(&member.next());
                let (version, key) = (number / KEYS, number % KEYS);
                assert!(newest[key].is_none_or(|newest| newest < version), "{}: an old one", member.name);
                newest[key] = Some(version);
                packets += 1;
            }
            assert!(packets <= 2 * KEYS, "{}: {packets} were not replaced", member.name);
        }
        // A broadcast finds them behind all that.
        running.group.broadcast(b"still here").unwrap();
        members.iter_mut().for_each(|(member, _)| member.expect(b"still here"));
        drop(members);
        finish(running.server);
    });
}
