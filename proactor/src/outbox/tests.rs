use std::collections::VecDeque;

use overlapped::log::{Log, LogConfig};
use overlapped::table::Key;
use proptest::prelude::*;

use super::own::Run;
use super::take::MOST_PIECES;
use super::*;
use crate::codec::{Framing, LengthPrefixed};
use crate::group::{Group, local::LocalGroup};

mod packets;

const LIMIT: usize = 4096;
const SESSIONS: usize = 3;
const GROUPS: usize = 2;

/// What a packet was issued by, which decides what it keeps its order with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Broadcast,
    /// Sent on the shard.
    Local,
    /// Sent from another thread: it comes in the mail.
    Mailed,
}

#[derive(Default)]
struct Member {
    outbox: Outbox,
    /// The packets that were issued for it.
    issued: Vec<usize>,
    sent: Vec<u8>,
    in_flight: Option<Taken>,
    closed: bool,
}

/// A server without sockets: a shard with some sessions and groups, driven by hand.
struct World {
    clock: u64,
    /// The stamp up to which news are counted.
    upto: u64,
    logs: Vec<Log<BroadcastHeader>>,
    groups: LocalGroups,
    members: Vec<Member>,
    mail: VecDeque<(usize, usize, u64)>,
    packets: Vec<(Kind, Vec<u8>)>,
    drops: bool,
}

fn id(session: usize) -> SessionId {
    SessionId::new(0, Key::new(session as u32, 1))
}

fn remove_member(local: &mut LocalGroup, session: usize) {
    if let Some(index) = local.members().iter().position(|slot| *slot == session as u32) {
        local.remove_member(index);
    }
}

impl World {
    fn new(drops: bool) -> World {
        let config = LogConfig::new().segment_bytes(4096).record_bytes(4096).log_bytes(1 << 20);
        let logs: Vec<Log<BroadcastHeader>> = (0..GROUPS).map(|_| Log::new(config).unwrap()).collect();
        let mut groups = LocalGroups::default();
        for log in &logs {
            groups.insert(LocalGroup::new(Group::new(), log.reader()));
        }
        let members = (0..SESSIONS).map(|_| Member::default()).collect();
        World { clock: 0, upto: 0, logs, groups, members, mail: VecDeque::new(), packets: Vec::new(), drops }
    }

    /// A packet that says which it is.
    fn packet(&mut self, kind: Kind, len: usize) -> usize {
        let number = self.packets.len();
        let mut bytes = vec![number as u8; len.max(4)];
        bytes[..2].copy_from_slice(&(number as u16).to_be_bytes());
        bytes[2..4].copy_from_slice(&(len.max(4) as u16).to_be_bytes());
        self.packets.push((kind, bytes));
        number
    }

    fn send(&mut self, session: usize, number: usize, stamp: u64) -> Result<(), SendError> {
        let member = &mut self.members[session];
        if member.closed {
            return Err(SendError::Closed);
        }
        let bytes = &self.packets[number].1;
        let before = (member.outbox.len(), member.outbox.in_flight);
        if self.drops {
            member.outbox.make_room(id(session), bytes.len(), LIMIT, &self.groups);
        }
        let last = member.outbox.own.last_stamp() == Some(stamp);
        let crowded = member.outbox.own.is_crowded(LIMIT) && (self.drops || !last);
        // What is queued behind others at once is queued as any other.
        let frame = Frame::of(bytes);
        let result = match number % 2 == 1 && last && member.outbox.append(frame) {
            true => Ok(Pushed { bytes: bytes.len(), len: before.0 + bytes.len() }),
            false => member.outbox.push(frame, stamp, LIMIT, self.drops, Vec::new),
        };
        if result.is_ok() && !self.drops {
            member.outbox.allow_appending(LIMIT);
        }
        let stays = if self.drops { before.1 } else { before.0 };
        assert_eq!(result.is_err(), stays + bytes.len() > LIMIT || crowded);
        assert!(!crowded || stays + bytes.len() > LIMIT || !self.drops, "there is always something to be dropped");
        if result.is_err() {
            assert_eq!(member.outbox.len(), before.0, "nothing was queued");
        }
        let pushed = result?;
        assert_eq!((pushed.bytes, pushed.len), (bytes.len(), member.outbox.len()));
        Ok(())
    }

    fn broadcast(&mut self, group: usize, except: Option<usize>, len: usize) {
        let number = self.packet(Kind::Broadcast, len);
        let (clock, bytes) = (&mut self.clock, &self.packets[number].1);
        let mark = || {
            *clock += bytes.len() as u64;
            BroadcastHeader { stamp: *clock, except: except.map(id) }
        };
        self.logs[group].append(&[bytes], mark).unwrap();
        for (session, member) in self.members.iter_mut().enumerate() {
            if member.outbox.position(group as u32).is_some() && except != Some(session) && !member.closed {
                member.issued.push(number);
            }
        }
    }

    fn apply_policy(&mut self, session: usize) {
        let member = &mut self.members[session];
        assert!(!member.outbox.positions.has_lost(&self.groups), "the logs are large enough");
        if member.outbox.len() <= LIMIT || member.outbox.in_flight() == 0 {
            return;
        }
        if self.drops {
            member.outbox.drop_oldest(id(session), LIMIT, &self.groups);
            assert!(member.outbox.len() <= LIMIT);
        } else {
            self.close(session);
        }
    }

    fn close(&mut self, session: usize) {
        self.members[session].closed = true;
        for group in 0..GROUPS {
            remove_member(self.groups.at_mut(group as u32).unwrap(), session);
        }
    }

    /// As a shard does before it sends.
    fn deliver(&mut self) {
        self.upto = self.clock;
        while let Some((session, number, stamp)) = self.mail.pop_front() {
            if self.send(session, number, stamp).is_err() {
                self.members[session].issued.retain(|issued| *issued != number);
            }
        }
        for group in 0..GROUPS as u32 {
            let news = self.groups.at_mut(group).unwrap().count_news(self.upto);
            let local = self.groups.at(group).unwrap();
            for record in &local.withheld {
                self.members[record.id.slot() as usize].outbox.positions.withhold(group, &news, record);
            }
            for slot in local.members().to_vec() {
                let session = slot as usize;
                self.members[session].outbox.queue_news(id(session), group, &news, &self.groups);
                self.apply_policy(session);
            }
        }
    }

    fn take(&mut self, session: usize) {
        let member = &mut self.members[session];
        if member.in_flight.is_some() || member.closed {
            return;
        }
        let before = member.outbox.len();
        member.in_flight = member.outbox.take(
            id(session),
            TakeLimits::new(self.upto, LIMIT),
            &self.groups,
            &mut SendMemory::default(),
        );
        match &member.in_flight {
            Some(Taken::Bytes(bytes)) => member.sent.extend_from_slice(bytes),
            Some(Taken::Slice(slice)) => member.sent.extend_from_slice(slice.as_ref()),
            Some(Taken::Gather(gather)) => {
                assert!(
                    gather.pieces() <= MOST_PIECES + 1,
                    "one more where a range begins in one segment and ends in the next"
                );
                gather.iter().for_each(|piece| member.sent.extend_from_slice(piece));
            }
            Some(Taken::Packet(_) | Taken::Packets(_)) => unreachable!("nothing received is sent on here"),
            None => {}
        }
        assert_eq!(member.outbox.len(), before, "what is taken is in flight");
    }

    fn complete(&mut self, session: usize) {
        let member = &mut self.members[session];
        if let Some(taken) = member.in_flight.take() {
            let before = member.outbox.len();
            member.outbox.sent(taken.len());
            assert_eq!(member.outbox.len(), before - taken.len());
        }
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Local(session, len) => {
                let number = self.packet(Kind::Local, len);
                let stamp = self.members[session].outbox.stamp(|| self.clock);
                if self.send(session, number, stamp).is_ok() {
                    self.members[session].issued.push(number);
                }
            }
            Step::Mail(session, len) => {
                let number = self.packet(Kind::Mailed, len);
                self.mail.push_back((session, number, self.clock));
                self.members[session].issued.push(number);
            }
            Step::Broadcast(group, except, len) => self.broadcast(group, except, len),
            Step::Join(session, group) => {
                let local = self.groups.at_mut(group as u32).unwrap();
                let member = &mut self.members[session];
                if !member.closed && member.outbox.position(group as u32).is_none() {
                    let end = local.position_after(u64::MAX);
                    member.outbox.join(group as u32, end, 0);
                    local.add_member(session as u32);
                }
            }
            Step::Leave(session, group) => {
                let local = self.groups.at_mut(group as u32).unwrap();
                local.reader.refresh();
                remove_member(local, session);
                if !self.members[session].closed {
                    self.members[session].outbox.leave(
                        id(session),
                        group as u32,
                        Some(self.clock),
                        LIMIT,
                        &self.groups,
                    );
                    if self.members[session].outbox.dropped() > 0 && !self.drops {
                        self.close(session);
                    }
                    self.apply_policy(session);
                }
            }
            Step::Deliver => self.deliver(),
            Step::Take(session) => self.take(session),
            Step::Complete(session) => self.complete(session),
        }
    }

    /// Everything that is queued leaves; then what arrived is compared with what was issued.
    fn finish(mut self) {
        for _ in 0..3 {
            self.deliver();
            for session in 0..SESSIONS {
                self.complete(session);
                while self.members[session].outbox.has_queued() && !self.members[session].closed {
                    self.take(session);
                    self.complete(session);
                }
            }
        }
        for (session, member) in self.members.iter().enumerate() {
            let mut arrived = Vec::new();
            let mut rest = &member.sent[..];
            while !rest.is_empty() {
                let number = usize::from(u16::from_be_bytes([rest[0], rest[1]]));
                let bytes = &self.packets[number].1;
                assert!(rest.starts_with(bytes), "session {session}: packet {number} is whole");
                arrived.push(number);
                rest = &rest[bytes.len()..];
            }
            for other in [Kind::Local, Kind::Mailed] {
                let ordered = arrived.iter().filter(|number| self.packets[**number].0 != other);
                assert!(ordered.is_sorted(), "session {session}: {arrived:?}");
            }
            let mut all = arrived.clone();
            all.sort_unstable();
            all.dedup();
            assert_eq!(all.len(), arrived.len(), "session {session}: nothing twice");
            assert!(all.iter().all(|number| member.issued.contains(number)), "session {session}: nothing for others");
            if !member.closed {
                let dropped = member.outbox.dropped() as usize;
                assert_eq!(
                    arrived.len() + dropped,
                    member.issued.len(),
                    "session {session}: nothing is lost uncounted"
                );
                assert!(self.drops || dropped == 0);
                assert_eq!(member.outbox.len(), 0);
                assert!(!member.outbox.has_queued());
            }
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    Local(usize, usize),
    Mail(usize, usize),
    Broadcast(usize, Option<usize>, usize),
    Join(usize, usize),
    Leave(usize, usize),
    Deliver,
    Take(usize),
    Complete(usize),
}

fn steps(longest: usize) -> impl Strategy<Value = Vec<Step>> {
    let (session, group) = (0..SESSIONS, 0..GROUPS);
    let step = prop_oneof![
        3 => (session.clone(), 4..longest).prop_map(|(session, len)| Step::Local(session, len)),
        2 => (session.clone(), 4..longest).prop_map(|(session, len)| Step::Mail(session, len)),
        8 => (group.clone(), proptest::option::of(session.clone()), 4..longest)
            .prop_map(|(group, except, len)| Step::Broadcast(group, except, len)),
        2 => (session.clone(), group.clone()).prop_map(|(session, group)| Step::Join(session, group)),
        1 => (session.clone(), group).prop_map(|(session, group)| Step::Leave(session, group)),
        4 => Just(Step::Deliver),
        4 => session.clone().prop_map(Step::Take),
        4 => session.prop_map(Step::Complete),
    ];
    proptest::collection::vec(step, 1..300)
}

fn run(steps: &[Step], drops: bool) {
    let mut world = World::new(drops);
    for session in 0..SESSIONS {
        world.step(&Step::Join(session, 0));
    }
    for step in steps {
        world.step(step);
        for member in world.members.iter().filter(|member| !member.closed) {
            assert!(member.outbox.in_flight <= LIMIT && member.outbox.own.len() <= LIMIT, "over after {step:?}");
            let over = member.outbox.len() > LIMIT && member.outbox.in_flight() > 0 && matches!(step, Step::Deliver);
            assert!(!over, "it is behind by more than the limit, and news were counted");
        }
    }
    world.finish();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn order_budget_and_counts_hold_when_the_slow_are_closed(steps in steps(60)) {
        run(&steps, false);
    }

    #[test]
    fn order_budget_and_counts_hold_when_the_oldest_are_dropped(steps in steps(60)) {
        run(&steps, true);
    }

    #[test]
    fn the_same_with_packets_that_nearly_fill_an_outbox(steps in steps(2000), drops: bool) {
        run(&steps, drops);
    }
}
