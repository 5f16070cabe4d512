//! Whole runs on a simulated network, against servers that behave in various ways. Counts are
//! exact, since the clock stands still while code runs.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use overlapped::driver::Wait;
use overlapped::mailbox::mailbox;
use overlapped::sim::{Network, NetworkConfig};
use overlapped::{Driver, DriverConfig, Op, Time};
use proactor::codec::{Codec, Fixed, LengthPrefixed, Lines, Raw};
use proactor::tls::TlsConfig;
use proactor::{AsyncSession, Listener, Server, Tasks};

use super::fault::FaultKind;
use super::generator::Generator;
use super::messages::{Command, Event};
use super::plan::Plan;
use super::record::Record;
use super::script::{Content, Expected, Script};
use super::timeline::Timeline;
use crate::tls::Tls;

const SERVER: &str = "10.0.0.1:7777";

fn plan(codec: &str) -> Plan {
    let size = 100;
    let content = if codec == "lines" { Content::Printable } else { Content::Random };
    let framing = match codec {
        "lines" => Lines::new().max_line(size).into_framing(),
        "length" => LengthPrefixed::u32().max_packet(size).into_framing(),
        "length2" => LengthPrefixed::u16().max_packet(size).into_framing(),
        "fixed:100" => Fixed::new(size).into_framing(),
        _ => Raw.into_framing(),
    };
    Plan {
        target: SERVER.into(),
        address: SERVER.parse().unwrap(),
        backend: None,
        tls: None,
        connections: 5,
        threads: 1,
        pipeline: 1,
        rate: None,
        warmup: Duration::from_millis(50),
        duration: Duration::from_millis(200),
        timeout: Duration::from_secs(10),
        connecting: 2,
        connect_rate: None,
        codec: codec.into(),
        script: Script { content, size, codec: framing, expected: Expected::Echo, seed: 3 },
    }
}

/// What a server does.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Manner {
    Echo,
    /// Takes so long for each packet.
    Slow(Duration),
    /// Stops answering once for so long, so long after it began.
    Pause {
        after: Duration,
        length: Duration,
    },
    /// From this packet on: other bytes, twice, not at all, or the end.
    Wrong(u32),
    Twice(u32),
    Silent(u32),
    Close(u32),
    Reset(u32),
}

async fn serve(session: AsyncSession, manner: Manner) {
    let begin = session.now();
    let mut number = 0;
    let mut has_paused = false;
    while let Some(packet) = session.next().await {
        number += 1;
        let mut answer = packet.to_vec();
        match manner {
            Manner::Slow(time) => session.sleep(time).await,
            Manner::Pause { after, length } if !has_paused && session.now() - begin >= after => {
                has_paused = true;
                session.sleep(length).await;
            }
            Manner::Wrong(from) if number >= from => {
                *answer.last_mut().expect("a packet of no bytes is not sent here") ^= 1
            }
            Manner::Twice(from) if number >= from => {
                let _ = session.send(&answer).await;
            }
            Manner::Silent(from) if number >= from => continue,
            Manner::Close(from) if number >= from => return,
            Manner::Reset(from) if number >= from => return session.abort(),
            _ => {}
        }
        if session.send(&answer).await.is_err() {
            return;
        }
    }
}

struct Played {
    record: Record,
    /// When its connections were there.
    ready: Option<Time>,
    ended: Time,
    trace: u64,
    made: usize,
}

impl Played {
    fn kinds(&self) -> Vec<(FaultKind, u64)> {
        self.record.faults.values().map(|faults| (faults.kind, faults.count)).collect()
    }

    /// Checks what has to hold of every run.
    fn adds_up(&self) {
        let Record { points, totals, .. } = &self.record;
        let measured = || points.iter().filter(|point| point.measured);
        assert_eq!(measured().map(|point| point.answered).sum::<u64>(), totals.answered.messages);
        assert_eq!(measured().map(|point| point.sent).sum::<u64>(), totals.sent.messages);
        assert_eq!(measured().map(|point| point.bytes_received).sum::<u64>(), totals.answered.bytes);
        let all = |of: fn(&super::record::Point) -> u64| points.iter().map(of).sum::<u64>();
        assert_eq!(all(|point| point.sent), all(|point| point.answered) + totals.unanswered);
    }
}

/// Runs a plan; `stop` is how long after the begin it is told to stop, if it is.
fn play(seed: u64, plan: &Plan, manner: Manner, stop: Option<Duration>) -> Played {
    play_with(seed, plan, manner, stop, Listener::new(SERVER))
}

fn play_with(seed: u64, plan: &Plan, manner: Manner, stop: Option<Duration>, listener: Listener) -> Played {
    let network = Network::with_config(seed, NetworkConfig::new().early_ends(4));
    let logic = Tasks::new(move |session| serve(session, manner));
    let builder = Server::builder().listen(listener).codec(plan.script.codec.clone());
    let mut server = builder.simulate(&network, logic).unwrap();
    let driver = || Driver::new(DriverConfig::new().network(network.clone())).unwrap();
    let (own, mut alarm) = (driver(), driver());
    let (commands, mail) = mailbox(16, own.wake_handle());
    let (events, heard) = mpsc::channel();
    let gauge = Arc::new(AtomicUsize::new(0));
    let mut generator = Generator::new(own, plan.clone(), 0, mail, events, Arc::clone(&gauge));
    let mut record = Record::new(1);
    let (ready, made) = (Cell::new(None), Rc::new(Cell::new(0)));
    let (mut deadline, mut stops) = (Time::MAX, Time::MAX);
    let ended = server
        .run(|_| {
            let goes_on = generator.turn(Some(Wait::Poll)).unwrap();
            for event in heard.try_iter() {
                match event {
                    Event::Ready { at } => {
                        ready.set(Some(at));
                        made.set(gauge.load(Ordering::Relaxed));
                        let at = at + Duration::from_millis(5);
                        record.begin(Timeline::new(at, plan.warmup, plan.duration));
                        let first = if made.get() == 0 { Command::Stop } else { Command::Begin(at) };
                        commands.send(first).unwrap();
                        stops = stop.map_or(Time::MAX, |after| at + after);
                    }
                    Event::Fault(fault) => record.fault(fault),
                    Event::Interval(interval) => record.interval(*interval, 0),
                    Event::Ended(totals) => record.ended(&totals),
                    Event::Up { .. } | Event::Failed(_) | Event::Interrupted => unreachable!("of threads only"),
                }
            }
            if network.now() >= stops {
                stops = Time::MAX;
                commands.send(Command::Stop).unwrap();
            }
            // What the network is to wake the generator for.
            let next = generator.deadline().min(stops);
            if next != deadline && goes_on {
                deadline = next;
                alarm.submit(Op::timer(next), 0).unwrap();
            }
            alarm.turn(Wait::Poll).unwrap();
            while alarm.next().is_some() {}
            !goes_on
        })
        .unwrap();
    assert!(ended, "{manner:?}: it ends");
    record.finish(0);
    let played = Played { record, ready: ready.get(), ended: network.now(), trace: network.trace(), made: made.get() };
    played.adds_up();
    played
}

#[test]
fn a_closed_loop_is_answered_in_every_codec_with_every_seed() {
    for codec in ["raw", "lines", "length", "length2", "fixed:100"] {
        for (seed, pipeline) in [(0, 1), (1, 7), (2, 2)] {
            let plan = Plan {
                pipeline,
                duration: Duration::from_millis(50),
                warmup: Duration::from_millis(10),
                ..plan(codec)
            };
            let played = play(seed, &plan, Manner::Echo, None);
            let totals = &played.record.totals;
            assert_eq!((played.kinds(), totals.unanswered, played.made), (vec![], 0, 5), "{codec} {seed}");
            assert_eq!(totals.latency.len(), totals.sent.messages, "{codec} {seed}");
            assert_eq!(totals.measured, plan.duration);
            // A round trip takes at most 2 ms for each piece of a message.
            assert!(totals.answered.messages >= 5 * 5, "{codec} {seed}: {totals:?}");
            assert!(totals.latency.min() >= 100_000, "not faster than the network");
        }
    }
}

#[test]
fn over_tls_messages_are_answered_and_faults_are_named() {
    let made = rcgen::generate_simple_self_signed(["server.test".to_owned()]).unwrap();
    let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    let server = proactor::tls::Tls::new(TlsConfig::new().certificate_pem(certificate.as_str(), key)).unwrap();
    let listener = || Listener::new(SERVER).tls(&server);
    let asks_for = |name| Some(Tls::same_for_all(certificate.as_bytes(), name).unwrap());
    for (codec, seed, pipeline) in [("raw", 0, 1), ("lines", 1, 7), ("length", 2, 2)] {
        let tls = asks_for("server.test");
        let plan = Plan { tls, pipeline, duration: Duration::from_millis(50), ..plan(codec) };
        let played = play_with(seed, &plan, Manner::Echo, None, listener());
        let totals = &played.record.totals;
        assert_eq!((played.kinds(), totals.unanswered, played.made), (vec![], 0, 5), "{codec} {seed}");
        assert_eq!(totals.latency.len(), totals.sent.messages, "{codec} {seed}");
        assert!(totals.answered.messages >= 5 * 5, "{codec} {seed}: {totals:?}");
        let played = play_with(seed, &plan, Manner::Wrong(3), None, listener());
        assert_eq!(played.kinds(), [(FaultKind::WrongAnswer, 5)], "{codec} {seed}");
        let plan = Plan { timeout: Duration::from_millis(300), ..plan };
        let played = play_with(seed, &plan, Manner::Silent(3), None, listener());
        assert_eq!(played.kinds(), [(FaultKind::NoAnswer, 5)], "{codec} {seed}");
    }
    let wrong = Plan { tls: asks_for("other.test"), ..plan("raw") };
    let played = play_with(1, &wrong, Manner::Echo, None, listener());
    assert_eq!((played.kinds(), played.made), (vec![(FaultKind::Tls, 5)], 0));
    assert!(played.record.faults[&FaultKind::Tls].first.contains("other.test"));
    // A server without TLS says the hello back.
    let played = play(1, &wrong, Manner::Echo, None);
    assert_eq!((played.kinds(), played.made), (vec![(FaultKind::Tls, 5)], 0));
}

#[test]
fn an_open_loop_sends_every_message_when_it_is_due() {
    for rate in [37, 1_000, 4_321] {
        let plan = Plan { rate: Some(rate), pipeline: 1_000, ..plan("length") };
        let played = play(1, &plan, Manner::Echo, None);
        let totals = &played.record.totals;
        let due = rate * 250 / 1_000 - rate * 50 / 1_000;
        assert!(totals.sent.messages.abs_diff(due) <= 1, "{rate}: {} of {due}", totals.sent.messages);
        assert_eq!((totals.latency.len(), totals.unsent, totals.unanswered), (totals.sent.messages, 0, 0));
        assert_eq!(totals.lateness.len(), totals.sent.messages);
        assert!(totals.lateness.max() <= 1, "the clock stood still: {}", totals.lateness.max());
    }
}

/// Coordinated omission: during a pause of a second, a closed loop measures one message per
/// connection, and an open loop all that were due.
#[test]
fn a_pause_counts_for_every_message_that_was_due_in_it() {
    let manner = Manner::Pause { after: Duration::from_secs(1), length: Duration::from_secs(1) };
    let closed = Plan { connections: 1, duration: Duration::from_secs(3), ..plan("length") };
    let one_by_one = Plan { rate: Some(100), ..closed.clone() };
    let open = Plan { pipeline: 1_000, ..one_by_one.clone() };
    let slow = |plan: &Plan| {
        let played = play(1, plan, manner, None);
        let latency = &played.record.totals.latency;
        assert!(latency.max() >= 1_000_000_000);
        assert_eq!(played.record.totals.unsent, 0);
        latency.len() - latency.count_between(0, 200_000_000)
    };
    assert_eq!(slow(&closed), 1);
    // Due within the first 0.8 s of the pause, of 100 a second.
    assert!(slow(&open).abs_diff(80) <= 2, "{}", slow(&open));
    // If they have to wait for each other too, those behind them are late as well.
    assert!((85..100).contains(&slow(&one_by_one)), "{}", slow(&one_by_one));
}

#[test]
fn the_backlog_of_a_slow_server_is_reported() {
    let plan = Plan { connections: 2, rate: Some(1_000), ..plan("length") };
    let played = play(1, &plan, Manner::Slow(Duration::from_millis(20)), None);
    let totals = &played.record.totals;
    assert!(totals.unsent > 100, "{totals:?}");
    assert_eq!(totals.latency.len() + totals.unsent, 200, "all that were due within the window");
    assert_eq!(played.kinds(), []);
}

#[test]
fn faults_of_a_server_are_named() {
    let cases = [
        (Manner::Wrong(3), FaultKind::WrongAnswer),
        (Manner::Silent(3), FaultKind::NoAnswer),
        (Manner::Close(3), FaultKind::ClosedByServer),
        (Manner::Reset(3), FaultKind::Reset),
    ];
    for codec in ["raw", "lines", "length", "length2", "fixed:100"] {
        for (manner, kind) in cases {
            for pipeline in [1, 5] {
                let plan = Plan { pipeline, timeout: Duration::from_millis(300), ..plan(codec) };
                let played = play(2, &plan, manner, None);
                // To a server that closes with something unread its end is a reset.
                let kinds = played.kinds();
                let is_one_of_two = |found| [FaultKind::ClosedByServer, FaultKind::Reset].contains(&found);
                let as_it_should = |found| found == kind || (kind == FaultKind::ClosedByServer && is_one_of_two(found));
                assert!(
                    kinds.iter().all(|(found, _)| as_it_should(*found)),
                    "{codec} {manner:?} {pipeline}: {kinds:?}"
                );
                assert_eq!(kinds.iter().map(|(_, count)| count).sum::<u64>(), 5, "{codec} {manner:?}");
                assert!(played.record.totals.unanswered >= 5, "{codec} {manner:?}");
            }
        }
        let played = play(2, &plan(codec), Manner::Twice(3), None);
        assert!(
            played.kinds().iter().all(|(kind, _)| matches!(kind, FaultKind::WrongAnswer | FaultKind::UnaskedAnswer)),
            "{:?}",
            played.kinds()
        );
        assert_eq!(played.record.faults_in_all(), 5);
    }
}

#[test]
fn nobody_there_is_refused_or_does_not_answer() {
    for (address, kind) in [("10.0.0.1:1", FaultKind::Refused), ("203.0.113.1:80", FaultKind::ConnectTimedOut)] {
        let plan = Plan { address: address.parse().unwrap(), ..plan("raw") };
        let played = play(1, &plan, Manner::Echo, None);
        assert_eq!((played.kinds(), played.made), (vec![(kind, 5)], 0));
        let first = &played.record.faults[&kind].first;
        assert!(first.starts_with("connection 0: ") && first.contains(address), "{first}");
    }
}

#[test]
fn connections_are_begun_at_the_rate_that_is_asked_for() {
    let plan = Plan { connect_rate: Some(10), connections: 6, connecting: 6, ..plan("raw") };
    let ready = play(1, &plan, Manner::Echo, None).ready.unwrap();
    assert!((500..600).contains(&(ready.as_nanos() / 1_000_000)), "the sixth is begun after half a second: {ready:?}");
}

#[test]
fn a_run_can_be_stopped_at_any_time_and_reports_what_it_has() {
    for rate in [None, Some(2_000)] {
        for after in [0, 20, 50, 120, 251] {
            let plan = Plan { rate, ..plan("lines") };
            let after = Duration::from_millis(after);
            let played = play(1, &plan, Manner::Echo, Some(after));
            let expected = after.saturating_sub(plan.warmup).min(plan.duration);
            assert_eq!(played.record.totals.measured, expected, "{after:?}");
            assert_eq!(played.kinds(), []);
            assert!(played.ended <= played.ready.unwrap() + Duration::from_millis(275));
        }
    }
}

#[test]
fn a_run_is_the_same_again_with_the_same_seed() {
    let plan = Plan { pipeline: 3, ..plan("lines") };
    let trace = |seed| play(seed, &plan, Manner::Echo, None).trace;
    assert_eq!(trace(1), trace(1));
    assert_ne!(trace(1), trace(2));
}

#[test]
fn the_plan_of_these_tests_is_of_a_codec_that_a_server_takes() {
    for codec in ["raw", "lines", "length", "length2", "fixed:100"] {
        assert_eq!(plan(codec).script.codec.check(), Ok(()), "{codec}");
    }
}
