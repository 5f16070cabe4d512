use std::collections::VecDeque;

use overlapped::log::{Log, LogConfig};
use overlapped::table::Key;
use proptest::prelude::*;

use super::own::Run;
use super::take::MOST_PIECES;
use super::*;
use crate::codec::{Framing, LengthPrefixed};
use crate::group::{Group, local::LocalGroup};

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

#[test]
fn takes_whole_packets_up_to_its_limit_counting_what_is_in_flight() {
    let groups = LocalGroups::default();
    let mut outbox = Outbox::default();
    let take = |outbox: &mut Outbox| match outbox.take(
        id(0),
        TakeLimits::new(0, LIMIT),
        &groups,
        &mut SendMemory::default(),
    ) {
        Some(Taken::Bytes(bytes)) => bytes,
        other => panic!("{other:?}"),
    };
    outbox.push(Frame::of(b"abc"), 0, 8, false, Vec::new).unwrap();
    assert_eq!(take(&mut outbox), b"abc");
    outbox.push(Frame::of(b"defgh"), 0, 8, false, Vec::new).unwrap();
    assert_eq!(outbox.push(Frame::of(b"i"), 0, 8, false, Vec::new), Err(SendError::Full));
    outbox.sent(3);
    outbox.push(Frame::of(b"i"), 0, 8, false, Vec::new).unwrap();
    assert_eq!((outbox.len(), take(&mut outbox)), (6, b"defghi".to_vec()));
    assert!(!outbox.has_queued());
}

#[test]
fn what_lies_in_one_piece_of_a_log_is_taken_as_that_and_nothing_else_is() {
    let log = Log::new(LogConfig::new().segment_bytes(4096).record_bytes(4096).log_bytes(1 << 20)).unwrap();
    let mut groups = LocalGroups::default();
    groups.insert(LocalGroup::new(Group::new(), log.reader()));
    let mut outbox = Outbox::default();
    outbox.join(0, 0, 0);
    let mut stamp = 0;
    // Records, the own bytes queued behind them, the stamp up to which they are due, and whether
    // one piece is taken.
    for (records, own, late, one) in [
        (&[(10, false), (20, false)][..], 0, 0, true),
        (&[(10, false)], 0, 0, true),
        (&[(10, false), (5, true), (20, false)], 0, 0, false),
        (&[(10, true)], 0, 0, false),
        (&[(10, false)], 3, 0, false),
        (&[(10, false), (10, false)], 0, 1, false),
        (&[(3000, false), (2000, false)], 0, 0, false),
        // As many bytes in the first piece as are for it in both.
        (&[(2000, true), (1900, false), (1000, false), (2000, true)], 0, 0, false),
        (&[(3000, true)], 0, 0, false),
        (&[(3000, false)], 0, 0, true),
        (&[(10, false)], 0, 0, true),
    ] {
        let mut expected = Vec::new();
        for (bytes, except) in records {
            stamp += 1;
            let mark = BroadcastHeader { stamp, except: except.then_some(id(0)) };
            log.append(&[&vec![stamp as u8; *bytes]], || mark).unwrap();
            if !except {
                expected.extend(vec![stamp as u8; *bytes]);
            }
        }
        let news = groups.at_mut(0).unwrap().count_news(stamp);
        for record in groups.at(0).unwrap().withheld.clone() {
            outbox.positions.withhold(0, &news, &record);
        }
        outbox.queue_news(id(0), 0, &news, &groups);
        outbox.push(Frame::of(&vec![b'o'; own]), stamp, LIMIT, false, Vec::new).unwrap();
        expected.extend(vec![b'o'; own]);
        let mut taken = Vec::new();
        let mut first = true;
        for due in [stamp - late, stamp, stamp] {
            let some = outbox.take(id(0), TakeLimits::new(due, LIMIT), &groups, &mut SendMemory::default());
            if std::mem::take(&mut first) {
                assert_eq!(matches!(some, Some(Taken::Slice(_))), one, "{records:?}");
            }
            let Some(some) = some else { continue };
            outbox.sent(some.len());
            match some {
                Taken::Bytes(bytes) => taken.extend(bytes),
                Taken::Slice(slice) => taken.extend_from_slice(slice.as_ref()),
                Taken::Gather(gather) => gather.iter().for_each(|piece| taken.extend_from_slice(piece)),
                Taken::Packet(_) | Taken::Packets(_) => unreachable!("nothing received is sent on here"),
            }
        }
        assert!(taken == expected, "{records:?}");
        assert_eq!(outbox.len(), 0);
    }
}

#[test]
fn what_does_not_fit_leaves_nothing_behind() {
    let groups = LocalGroups::default();
    let mut outbox = Outbox::default();
    outbox.push(Frame::of(b"abc"), 1, 64, false, Vec::new).unwrap();
    for (stamp, bytes) in [(1, 99), (1, 62), (0, 62)] {
        let frame = Frame::of(&[b'x'; 99][..bytes]);
        assert_eq!(outbox.push(frame, stamp, 64, false, Vec::new), Err(SendError::Full));
    }
    assert_eq!(outbox.push(Frame::of(b""), 1, 64, false, Vec::new), Ok(Pushed { bytes: 0, len: 3 }));
    outbox.push(Frame::of(b"de"), 1, 64, false, Vec::new).unwrap();
    // What was issued before it goes before it.
    outbox.push(Frame::of(b"fg"), 0, 64, false, Vec::new).unwrap();
    match outbox.take(id(0), TakeLimits::new(1, 64), &groups, &mut SendMemory::default()) {
        Some(Taken::Bytes(bytes)) => assert_eq!(bytes, b"fgabcde"),
        other => panic!("{other:?}"),
    }
}

fn prefixed(packet: &[u8]) -> Frame<'_> {
    Framing::LengthPrefixed(LengthPrefixed::u16()).frame(packet).unwrap().unwrap()
}

#[test]
fn a_burst_is_appended_while_it_stays_below_the_mark_and_fits_into_the_memory() {
    let groups = LocalGroups::default();
    let with_memory = |bytes, high| {
        let mut outbox = Outbox::default();
        assert!(!outbox.append(prefixed(b"de")), "there is nothing that it could be behind");
        outbox.push(Frame::of(b"abc"), 1, 64, false, || Vec::with_capacity(bytes)).unwrap();
        assert!(!outbox.append(prefixed(b"de")), "nobody has allowed it");
        outbox.allow_appending(high);
        outbox
    };
    assert!(!with_memory(64, 13).append(prefixed(b"de")), "it would be at the mark with the widest header");
    assert!(with_memory(64, 14).append(prefixed(b"de")));
    assert!(!with_memory(12, 64).append(prefixed(b"de")), "the widest header has no room");
    let mut outbox = with_memory(17, 64);
    assert!(outbox.append(prefixed(b"de")) && outbox.len() == 7);
    assert!(outbox.append(prefixed(b"")) && outbox.len() == 9, "it needs 8 bytes, and 10 were left");
    assert!(!outbox.append(prefixed(b"f")), "9 bytes are needed, and 8 are left");
    match outbox.take(id(0), TakeLimits::new(1, 64), &groups, &mut SendMemory::default()) {
        Some(Taken::Bytes(bytes)) => assert_eq!(bytes, b"abc\0\x02de\0\0"),
        other => panic!("{other:?}"),
    }
    assert!(!outbox.append(prefixed(b"")), "they have left");
}

#[test]
fn nothing_is_appended_after_anything_else_was_done_with_the_outbox() {
    type Other = fn(&mut Outbox, &LocalGroups);
    let groups = LocalGroups::default();
    let others: [(&str, Other); 8] = [
        ("joining a group, whose broadcasts are between", |outbox, _| outbox.join(0, 0, 0)),
        ("leaving one", |outbox, groups| {
            outbox.join(0, 0, 0);
            outbox.leave(id(0), 0, None, 64, groups);
        }),
        ("taking", |outbox, groups| {
            outbox.take(id(0), TakeLimits::new(1, 64), groups, &mut SendMemory::default());
        }),
        ("clearing", |outbox, _| outbox.clear()),
        ("dropping", |outbox, groups| outbox.drop_oldest(id(0), 0, groups)),
        ("a latest packet, which counts too", |outbox, _| {
            outbox.put_latest(1, Frame::of(b"new"), 1, 64).unwrap();
        }),
        ("latest packets behind it", |outbox, _| {
            outbox.put_latest(1, Frame::of(b"new"), 1, 64).unwrap();
            outbox.allow_appending(64);
            outbox.settle_latest(1, false, Vec::new);
        }),
        ("the end of the stream", |outbox, _| outbox.end_appending()),
    ];
    for (what, other) in others {
        let mut outbox = Outbox::default();
        outbox.push(Frame::of(b"abc"), 1, 64, false, || Vec::with_capacity(64)).unwrap();
        outbox.allow_appending(64);
        assert!(outbox.append(Frame::of(b"d")));
        other(&mut outbox, &groups);
        assert!(!outbox.append(Frame::of(b"e")), "{what}");
    }
    let mut outbox = Outbox::default();
    outbox.join(0, 0, 0);
    outbox.push(Frame::of(b"abc"), 1, 64, false, || Vec::with_capacity(64)).unwrap();
    outbox.allow_appending(64);
    assert!(!outbox.append(Frame::of(b"e")), "in a group, each private send has a stamp of its own");
}

#[test]
fn packets_of_a_byte_take_no_more_memory_for_their_ends_than_for_their_bytes() {
    let groups = LocalGroups::default();
    let mut outbox = Outbox::default();
    for number in 0..10_000 {
        outbox.make_room(id(0), 1, LIMIT, &groups);
        outbox.push(Frame::of(&[number as u8]), 0, LIMIT, true, Vec::new).unwrap();
    }
    assert_eq!(
        (outbox.len(), outbox.dropped()),
        (LIMIT / size_of::<Run>(), 10_000 - (LIMIT / size_of::<Run>()) as u64)
    );
}

#[test]
fn records_that_a_log_has_forgotten_count_as_dropped() {
    let log = Log::new(LogConfig::new().segment_bytes(4096).record_bytes(4096).log_bytes(8192)).unwrap();
    let mut groups = LocalGroups::default();
    groups.insert(LocalGroup::new(Group::new(), log.reader()));
    let mut outbox = Outbox::default();
    outbox.join(0, 0, 0);
    for stamp in 1..=10 {
        log.append(&[&[stamp as u8; 4000]], || BroadcastHeader { stamp, except: None }).unwrap();
    }
    let news = groups.at_mut(0).unwrap().count_news(10);
    outbox.queue_news(id(0), 0, &news, &groups);
    assert!(outbox.positions.has_lost(&groups));
    outbox.skip_lost(id(0), &groups);
    assert!(!outbox.positions.has_lost(&groups));
    assert_eq!((outbox.dropped(), outbox.len()), (8, 8000));
    let Some(Taken::Gather(gather)) =
        outbox.take(id(0), TakeLimits::new(10, 1 << 20), &groups, &mut SendMemory::default())
    else {
        panic!("two records")
    };
    assert!(gather.iter().flatten().copied().eq([9; 4000].into_iter().chain([10; 4000])));
}

#[test]
fn a_private_send_outside_of_groups_reads_no_clock_and_stays_behind_what_is_queued() {
    let (id, groups) = (id(0), LocalGroups::default());
    let mut outbox = Outbox::default();
    let no_clock = || panic!("it was read");
    assert_eq!(outbox.stamp(no_clock), 0);
    outbox.push(Frame::of(b"abc"), 7, 64, false, Vec::new).unwrap();
    assert_eq!(outbox.stamp(no_clock), 7, "a packet from another thread is queued");
    outbox.join(0, 0, 0);
    assert_eq!(outbox.stamp(|| 9), 9);
    outbox.leave(id, 0, None, 64, &groups);
    assert_eq!(outbox.stamp(no_clock), 7);
}
