//! Packets that stand for their key, on simulated networks: only the newest counts.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use proactor::codec::{Codec, LengthPrefixed, Lines};
use proactor::{
    AsyncSession, Builder, CloseReason, Flow, Group, Handler, Limits, Network, NoMessage, SendError, Server, Session,
    SessionId, SimClient, Simulation, SlowConsumer, Tasks,
};

const SECOND: Duration = Duration::from_secs(1);
const AT: &str = "10.0.0.1:80";
const KEYS: u64 = 4;

/// What has been queued for the target so far, and where each packet of a key came.
#[derive(Default)]
struct Issued {
    target: Option<SessionId>,
    sent: u64,
    broadcast: u64,
    latest: BTreeMap<u64, Vec<(u64, u64)>>,
}

/// Does to the first session what the packets of the second say.
#[derive(Clone, Default)]
struct Puppet {
    issued: Arc<Mutex<Issued>>,
    group: Group,
    joins: bool,
}

impl Puppet {
    fn packet(&self, op: u8, key: u64, len: usize) -> Vec<u8> {
        let issued = &mut *self.issued.lock().unwrap();
        let number = match op {
            b'S' => &mut issued.sent,
            b'B' => &mut issued.broadcast,
            _ => {
                let latest = issued.latest.entry(key).or_default();
                latest.push((issued.sent, issued.broadcast));
                &mut (latest.len() as u64 - 1)
            }
        };
        let packet = format!("{} {key} {number} {}", char::from(op), "x".repeat(len));
        *number += 1;
        packet.into_bytes()
    }
}

impl Handler for Puppet {
    type State = ();
    type Message = NoMessage;
    fn connected(&mut self, session: &Session) {
        let mut issued = self.issued.lock().unwrap();
        if issued.target.is_none() {
            issued.target = Some(session.id());
            if self.joins {
                session.join(&self.group).unwrap();
            }
        }
    }
    fn received(&mut self, session: &Session, _: &mut (), commands: &[u8]) -> Flow {
        let target = self.issued.lock().unwrap().target.unwrap();
        let Some(target) = session.sibling(target) else { return Flow::Continue };
        for command in commands.chunks(3) {
            let &[op, key, len] = command else { panic!("half a command") };
            let (key, len) = (u64::from(key - b'0'), usize::from(len - b'0') * 1000);
            match op {
                b'S' => target.send(&self.packet(op, key, len)).unwrap(),
                b'B' => self.group.broadcast(&self.packet(op, key, len)).unwrap(),
                b'L' => target.send_latest(key, &self.packet(op, key, len)).unwrap(),
                b'c' => target.close(),
                b'e' => target.shutdown(),
                _ => panic!("no command"),
            }
        }
        Flow::Continue
    }
}

/// Random numbers, the same for the same seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

/// What has come, checked against what was issued.
#[derive(Default)]
struct Seen {
    sent: u64,
    broadcast: u64,
    next: BTreeMap<u64, u64>,
    latest: u64,
}

impl Seen {
    fn add(&mut self, packet: &[u8], issued: &Issued) {
        let packet = std::str::from_utf8(packet).unwrap();
        let parts: Vec<&str> = packet.split(' ').collect();
        let &[op, key, number, rest] = &parts[..] else { panic!("not whole: {packet}") };
        assert!(rest.bytes().all(|byte| byte == b'x'), "not whole: {packet}");
        let (key, number): (u64, u64) = (key.parse().unwrap(), number.parse().unwrap());
        match op {
            "S" => {
                assert_eq!(number, self.sent, "private packets come all, in order");
                self.sent += 1;
            }
            "B" => {
                assert_eq!(number, self.broadcast, "broadcasts come all, in order");
                self.broadcast += 1;
            }
            _ => {
                let next = self.next.entry(key).or_default();
                assert!(number >= *next, "{number} of key {key} behind {next}");
                let (sent, broadcast) = issued.latest[&key][*next as usize];
                assert!(self.sent >= sent && self.broadcast >= broadcast, "it came too early");
                *next = number + 1;
                self.latest += 1;
            }
        }
    }

    fn has_all(&self, issued: &Issued) -> bool {
        let last = issued.latest.iter().all(|(key, list)| self.next.get(key) == Some(&(list.len() as u64)));
        (self.sent, self.broadcast) == (issued.sent, issued.broadcast) && last
    }
}

fn simulate<H: Handler>(builder: Builder, seed: u64, handler: H) -> Simulation<H> {
    builder.listen(AT).simulate(&Network::new(seed), handler).unwrap()
}

/// How a random run ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Stays,
    Closes,
    ShutsDown,
    Drains,
}

const ENDS: [End; 4] = [End::Stays, End::Closes, End::ShutsDown, End::Drains];

/// One random run with a peer that takes nothing at times. Returns how many packets of keys were
/// queued, and how many of them came.
fn run(seed: u64, end: End, joins: bool, builder: Builder, codec: impl Codec + Clone) -> (u64, u64) {
    let mut dice = Dice(seed);
    let puppet = Puppet { joins, ..Puppet::default() };
    let builder = builder.limits(Limits::new().outbox_bytes(4 << 20));
    let sim = simulate(builder.shards(1).codec(codec.clone()), seed, puppet.clone());
    let handle = sim.handle();
    let peer = sim.client(AT, codec.clone());
    let control = sim.client(AT, codec);
    let target = puppet.issued.lock().unwrap().target.unwrap();
    let mut seen = Seen::default();
    for _ in 0..40 {
        let (key, len) = (dice.roll(KEYS), dice.roll(20));
        let [key_byte, len_byte] = [b'0' + key as u8, b'0' + len as u8];
        match dice.roll(12) {
            0 => peer.pause(),
            1 => peer.resume(),
            2 => peer.link().split(1 + dice.roll(3000) as usize),
            3 => sim.advance(Duration::from_millis(dice.roll(20))),
            4 => handle.send(target, puppet.packet(b'S', key, len as usize)).unwrap(),
            5 | 6 => handle.send_latest(target, key, puppet.packet(b'L', key, len as usize * 1000)).unwrap(),
            _ => {
                let ops: &[u8] = if joins { b"SLLLLBL" } else { b"SLLLL" };
                let mut commands = Vec::new();
                for _ in 0..1 + dice.roll(20) {
                    let op = ops[dice.roll(ops.len() as u64) as usize];
                    commands.extend([op, b'0' + dice.roll(KEYS) as u8, if op == b'L' { len_byte } else { key_byte }]);
                }
                control.send(commands);
            }
        }
    }
    match end {
        End::Stays => {}
        End::Closes => control.send("S01L19S01L29c00"),
        End::ShutsDown => control.send("S01L19S01L29e00"),
        End::Drains => sim.advance(SECOND),
    }
    if end == End::Drains {
        handle.drain(SECOND * 3600);
    }
    // All is issued now, and what the system has not taken waits.
    sim.advance(Duration::from_millis(500));
    peer.resume();
    let issued = puppet.issued.lock().unwrap();
    while !seen.has_all(&issued) {
        seen.add(&peer.next_packet(), &issued);
    }
    match end {
        End::Stays => peer.expect_nothing(SECOND),
        End::Closes | End::Drains => peer.expect_closed(),
        End::ShutsDown => peer.expect_end(),
    }
    let stats = handle.stats();
    assert_eq!((stats.cut, stats.drain_cut, stats.dropped), (0, 0, 0), "seed {seed}");
    (issued.latest.values().map(|list| list.len() as u64).sum(), seen.latest)
}

#[test]
fn the_newest_comes_and_never_an_older_behind_it_under_many_seeds() {
    let (mut issued, mut came) = (0, 0);
    for seed in 0..160 {
        let (end, joins) = (ENDS[seed as usize % 4], seed % 8 < 4);
        let counts = match seed % 3 {
            0 => run(seed, end, joins, Server::builder(), Lines::new().max_line(1 << 16)),
            1 => run(seed, end, joins, Server::builder(), LengthPrefixed::u16()),
            _ => {
                let drops = Server::builder().slow_consumer(SlowConsumer::DropOldest);
                run(seed, end, joins, drops, LengthPrefixed::u32())
            }
        };
        (issued, came) = (issued + counts.0, came + counts.1);
    }
    assert!(came * 2 < issued, "few were replaced: {came} of {issued} came");
}

/// What a handler does when its session begins.
#[derive(Clone)]
struct AtStart<F>(F);

impl<F: FnMut(&Session) + Clone + Send + 'static> Handler for AtStart<F> {
    type State = ();
    type Message = NoMessage;
    fn connected(&mut self, session: &Session) {
        (self.0)(session);
    }
    fn received(&mut self, _: &Session, (): &mut (), _: &[u8]) -> Flow {
        Flow::Continue
    }
}

/// Runs something in a new session of a simulated server. Returns its client.
fn at_start(
    builder: Builder,
    start: impl FnMut(&Session) + Clone + Send + 'static,
) -> (Simulation<impl Handler>, SimClient) {
    let sim = simulate(builder.codec(LengthPrefixed::u16()), 1, AtStart(start));
    let client = sim.client(AT, LengthPrefixed::u16());
    (sim, client)
}

const OUTBOX: usize = 200_000;

#[test]
fn what_waits_counts_and_one_that_is_not_longer_fits_into_a_full_outbox() {
    let policy = SlowConsumer::PauseReading;
    let builder = Server::builder().limits(Limits::new().outbox_bytes(OUTBOX)).slow_consumer(policy);
    let (_sim, client) = at_start(builder, |session| {
        for key in 0..4 {
            session.send_latest(key, &[b'a'; 48_000]).unwrap();
        }
        assert_eq!(session.queued(), 4 * 48_002);
        assert_eq!(session.send_latest(4, &[b'b'; 8000]), Err(SendError::Full));
        assert_eq!(session.send_latest(3, &[b'b'; 60_000]), Err(SendError::Full));
        assert_eq!(session.send(&[b'b'; 8000]), Err(SendError::Full));
        assert_eq!(session.queued(), 4 * 48_002, "nothing was queued or replaced");
        session.send_latest(3, &[b'c'; 48_000]).unwrap();
        session.send_latest(0, &[b'd'; 40_000]).unwrap();
        session.send_latest(4, &[b'e'; 8000]).unwrap();
        session.send(&[b'f'; 3]).unwrap();
        assert_eq!(session.queued(), 40_002 + 3 * 48_002 + 8002 + 5);
    });
    client.expect([b'f'; 3]);
    client.expect([b'd'; 40_000]);
    client.expect([b'a'; 48_000]);
    client.expect([b'a'; 48_000]);
    client.expect([b'c'; 48_000]);
    client.expect([b'e'; 8000]);
}

#[test]
fn packets_of_64_keys_wait_and_another_key_is_refused_without_a_close() {
    let (sim, client) = at_start(Server::builder().slow_consumer(SlowConsumer::Close), |session| {
        for key in 0..64 {
            session.send_latest(key << 40, key.to_string().as_bytes()).unwrap();
        }
        assert_eq!(session.send_latest(1, b"too many"), Err(SendError::TooManyKeys));
        session.send_latest(63 << 40, b"last").unwrap();
        session.send_latest(0, b"first").unwrap();
    });
    client.expect("first");
    (1..63).for_each(|key| client.expect(key.to_string()));
    client.expect("last");
    client.expect_nothing(SECOND);
    assert_eq!(sim.handle().sessions(), 1);
}

#[test]
fn one_that_does_not_fit_ends_the_session_where_the_policy_says_so() {
    let builder = Server::builder().limits(Limits::new().outbox_bytes(OUTBOX)).slow_consumer(SlowConsumer::Close);
    let (sim, client) = at_start(builder, |session| {
        (0..4).for_each(|key| session.send_latest(key, &[0; 48_000]).unwrap());
        assert_eq!(session.send_latest(4, &[0; 48_000]), Err(SendError::Full));
        assert_eq!(session.send_latest(0, b"x"), Err(SendError::Closed));
    });
    client.expect_reset();
    assert_eq!(sim.handle().stats().closed(CloseReason::TooSlow), 1);
}

#[test]
fn packets_are_dropped_for_one_that_waits_and_it_is_not_dropped_itself() {
    let builder = Server::builder().limits(Limits::new().outbox_bytes(OUTBOX)).slow_consumer(SlowConsumer::DropOldest);
    let (sim, client) = at_start(builder, |session| {
        session.send_latest(1, &[b'a'; 48_000]).unwrap();
        (0..4).for_each(|_| session.send(&[b'b'; 48_000]).unwrap());
        assert_eq!(session.dropped(), 1);
        session.send_latest(2, &[b'c'; 60_000]).unwrap();
        assert_eq!(session.dropped(), 3);
        assert_eq!(session.queued(), 2 * 48_002 + 60_002);
    });
    client.expect([b'b'; 48_000]);
    client.expect([b'a'; 48_000]);
    client.expect([b'c'; 60_000]);
    client.expect_nothing(SECOND);
    assert_eq!(sim.handle().stats().dropped, 2 + 1);
}

#[test]
fn an_empty_packet_of_a_codec_without_headers_does_nothing() {
    let sim = simulate(
        Server::builder(),
        1,
        AtStart(|session: &Session| {
            session.send_latest(1, b"").unwrap();
            assert_eq!(session.queued(), 0);
            session.send_latest(1, b"full\n").unwrap();
            session.send_latest(1, b"").unwrap();
        }),
    );
    let client = sim.client(AT, Lines::new());
    client.expect("full");
    client.expect_nothing(SECOND * 100);
}

#[test]
fn a_task_replaces_what_waits_and_another_thread_does_so_too() {
    async fn count(session: AsyncSession) -> Result<(), SendError> {
        for number in 0..10 {
            session.send_latest(0, format!("task {number}"))?;
        }
        while session.next().await.is_some() {
            for number in 0..10 {
                session.remote().send_latest(0, format!("mail {number}"))?;
            }
        }
        Ok(())
    }
    let sim = simulate(Server::builder().codec(Lines::new()), 1, Tasks::new(count));
    let client = sim.client(AT, Lines::new());
    client.expect("task 9");
    client.send("go on");
    client.expect("mail 9");
    client.expect_nothing(SECOND);
    client.shutdown();
    client.expect_closed();
}

#[test]
fn what_waits_when_a_session_is_paired_comes_before_the_partners_bytes() {
    let first = Arc::new(Mutex::new(None::<SessionId>));
    let (sim, client) = at_start(Server::builder(), move |session| {
        let mut first = first.lock().unwrap();
        let Some(id) = *first else {
            *first = Some(session.id());
            return;
        };
        let target = session.sibling(id).unwrap();
        target.send_latest(1, b"state").unwrap();
        target.pair(session).unwrap();
        target.send_latest(1, b"raw").unwrap();
        target.send_latest(1, b"bytes").unwrap();
    });
    let _partner = sim.client(AT, LengthPrefixed::u16());
    client.expect("state");
    // The bytes of a pair have no frames: "ra" is a length.
    client.expect_nothing(SECOND);
    assert_eq!(sim.handle().sessions(), 2);
}
