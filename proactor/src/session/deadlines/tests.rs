//! A session's deadlines against the same rules to the nanosecond, on a wheel, as a shard runs
//! them.

use proptest::prelude::*;

use crate::wheel::Wheel;

use super::*;

const MILLISECOND: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

/// The same rules, to the nanosecond and without a wheel.
#[derive(Clone, Debug)]
struct Model {
    spans: Spans,
    opened: Time,
    active: Time,
    received: Time,
    sent: Time,
    shaking: bool,
    partial: Option<Time>,
    waiting: Option<Time>,
    reading: Reading,
    ended: bool,
    release: Option<Time>,
}

impl Model {
    fn at(&self, what: Expired) -> Option<Time> {
        let after = |since: Option<Time>, span: Option<Duration>| Some(since? + span?);
        let held = self.reading == Reading::Held;
        let heard = if self.reading == Reading::Throttled { self.active } else { self.received };
        match what {
            Expired::Lifetime => after(Some(self.opened), self.spans.lifetime),
            Expired::Handshake => after(self.shaking.then_some(self.opened), self.spans.handshake),
            Expired::Write => after(self.waiting, self.spans.write),
            Expired::Read => after(self.partial.filter(|_| !held), self.spans.read),
            Expired::Idle => after(Some(self.active).filter(|_| !held), self.spans.idle),
            Expired::Receive => after(Some(heard).filter(|_| !held && !self.ended), self.spans.receive),
            Expired::Heartbeat => {
                let beats = self.spans.beats_always || self.waiting.is_none();
                after(Some(self.sent).filter(|_| beats), self.spans.heartbeat)
            }
            Expired::Hold => self.release,
            // Only a look, within the time of the write timeout.
            Expired::Progress => None,
        }
    }

    fn first(&self) -> Option<Time> {
        use Expired::*;
        let all = [Idle, Receive, Read, Write, Handshake, Lifetime, Heartbeat, Hold];
        all.into_iter().filter_map(|what| self.at(what)).min()
    }
}

/// A session with its model, on a shard's wheel of its own, as a shard would run it.
struct Bench {
    deadlines: Deadlines,
    timeouts: Timeouts,
    wheel: Wheel,
    model: Model,
    now: Time,
    /// How often the wheel was told something.
    entered: usize,
    fired: usize,
    /// How often it was to be looked at the progress of what is sent.
    looks: usize,
}

impl Bench {
    fn new(spans: Spans, now: Time) -> Bench {
        let model = Model {
            spans,
            opened: now,
            active: now,
            received: now,
            sent: now,
            shaking: true,
            partial: None,
            waiting: None,
            reading: Reading::On,
            ended: false,
            release: None,
        };
        let (deadlines, timeouts) = (Deadlines::new(now), Timeouts::from(spans));
        let mut bench = Bench { deadlines, timeouts, wheel: Wheel::new(), model, now, entered: 0, fired: 0, looks: 0 };
        bench.enter();
        bench
    }

    fn enter(&mut self) {
        if let Some(at) = self.deadlines.enter(&self.timeouts, self.now) {
            self.wheel.insert(0, at);
            self.entered += 1;
        }
    }

    /// Enters the session only where a shard does: when told that a deadline may be earlier.
    fn tell(&mut self, event: Event) {
        let (now, model) = (self.now, &mut self.model);
        let may_be_earlier = match event {
            Event::Received => {
                self.deadlines.received(now);
                (model.active, model.received) = (now, now);
                false
            }
            Event::Packet => {
                self.deadlines.packet();
                (model.shaking, model.partial) = (false, None);
                false
            }
            Event::Partial => {
                model.partial = model.partial.or(Some(now));
                self.deadlines.partial(now)
            }
            Event::Queued => {
                model.waiting = model.waiting.or(Some(now));
                self.deadlines.queued(&self.timeouts, now)
            }
            Event::Taken(rest) => {
                (model.active, model.waiting) = (now, rest.then_some(now));
                if !model.spans.beats_always {
                    model.sent = now;
                }
                self.deadlines.taken(&self.timeouts, now, rest)
            }
            Event::Reads(reading) => {
                self.reads(reading);
                reading != Reading::Held
            }
            Event::HoldFor(span) => {
                self.deadlines.release_at(now + span);
                model.release = Some(now + span);
                self.reads(Reading::Held);
                true
            }
            Event::Ended => {
                self.deadlines.ended();
                model.ended = true;
                false
            }
        };
        if may_be_earlier {
            self.enter();
        }
    }

    fn reads(&mut self, reading: Reading) {
        self.deadlines.reads(self.now, reading);
        let before = std::mem::replace(&mut self.model.reading, reading);
        match (before, reading) {
            (Reading::Held, Reading::On | Reading::Throttled) => {
                (self.model.active, self.model.received) = (self.now, self.now);
                self.model.partial = self.model.partial.map(|_| self.now);
            }
            (Reading::Throttled, Reading::On) => self.model.received = self.model.active,
            _ => {}
        }
    }

    /// Lets time pass, waking when the wheel says. Gives what closes the session, if that comes.
    fn pass(&mut self, until: Time) -> Option<Expired> {
        while let Some(wake) = self.wheel.earliest().filter(|wake| *wake <= until) {
            self.now = self.now.max(wake);
            if self.wheel.pop_due(self.now).is_none() {
                continue;
            }
            self.fired += 1;
            self.deadlines.left();
            while let Some(what) = self.deadlines.expired(&self.timeouts, self.now) {
                if what == Expired::Progress {
                    assert!(self.model.waiting.is_some(), "nothing waits");
                    self.looks += 1;
                    continue;
                }
                let exact = self.model.at(what).unwrap_or_else(|| panic!("{what:?} is not running"));
                assert!(exact <= self.now, "{what:?} came at {:?}, before {exact:?}", self.now);
                assert!(self.now.since(exact) < TICK * 2, "{what:?} came at {:?}, long after {exact:?}", self.now);
                match what {
                    // Its next one counts from the tick in which it came.
                    Expired::Heartbeat => self.model.sent = self.now,
                    Expired::Hold => {
                        self.model.release = None;
                        self.reads(Reading::On);
                    }
                    closing => return Some(closing),
                }
            }
            self.enter();
        }
        self.now = until;
        if let Some(first) = self.model.first() {
            assert!(first + TICK * 2 > self.now, "{first:?} has come and nothing was told by {:?}", self.now);
        }
        None
    }
}

#[derive(Clone, Copy, Debug)]
enum Event {
    Received,
    Packet,
    Partial,
    Queued,
    Taken(bool),
    Reads(Reading),
    HoldFor(Duration),
    Ended,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => Just(Event::Received),
        2 => Just(Event::Packet),
        3 => Just(Event::Partial),
        3 => Just(Event::Queued),
        3 => any::<bool>().prop_map(Event::Taken),
        1 => Just(Event::Reads(Reading::Held)),
        1 => Just(Event::Reads(Reading::Throttled)),
        2 => Just(Event::Reads(Reading::On)),
        1 => (0..400_u32).prop_map(|span| Event::HoldFor(MILLISECOND * span)),
        1 => Just(Event::Ended),
    ]
}

fn span() -> impl Strategy<Value = Option<Duration>> {
    prop::option::of((1..2_000_000_u64).prop_map(Duration::from_micros))
}

fn spans() -> impl Strategy<Value = Spans> {
    let all = (span(), span(), span(), span(), span(), span(), span(), any::<bool>());
    all.prop_map(|(idle, receive, read, write, handshake, lifetime, heartbeat, beats_always)| {
        let lifetime = lifetime.map(|span| span * 5);
        Spans { idle, receive, read, write, handshake, lifetime, heartbeat, beats_always }
    })
}

proptest! {
    /// Also where the ticks wrap, which they do at 2^55 nanoseconds.
    #[test]
    fn what_runs_out_is_told_never_early_and_within_two_ticks(
        began in prop_oneof![0..1_u64 << 40, (1_u64 << 55) - (1 << 32)..1_u64 << 55, any::<u32>().prop_map(|nanos| (7 << 55) + u64::from(nanos))],
        spans in spans(),
        events in prop::collection::vec((0..300_000_u64, event()), 0..80),
    ) {
        let mut bench = Bench::new(spans, Time::from_nanos(began));
        for (micros, event) in events {
            if bench.pass(bench.now + Duration::from_micros(micros)).is_some() {
                return Ok(());
            }
            bench.tell(event);
        }
        if let Some(first) = bench.model.first() {
            bench.pass(first + SECOND);
        }
    }
}

fn only(set: impl FnOnce(&mut Spans)) -> Bench {
    let mut spans = Spans::default();
    set(&mut spans);
    Bench::new(spans, Time::from_nanos(77))
}

#[test]
fn activity_does_not_touch_the_wheel() {
    let mut bench = only(|spans| (spans.idle, spans.write) = (Some(SECOND), Some(SECOND / 2)));
    for _ in 0..100_000 {
        assert_eq!(bench.pass(bench.now + MILLISECOND), None);
        for event in [Event::Received, Event::Packet, Event::Queued, Event::Taken(false)] {
            bench.tell(event);
        }
    }
    assert!(bench.fired <= 100 * 8, "a quarter of half a second at least lies between two");
    assert!(bench.entered <= bench.fired * 2 + 2, "anew when it has run out, and forward at most once after that");
    assert_eq!(bench.pass(bench.now + SECOND * 2), Some(Expired::Idle));
}

#[test]
fn a_byte_now_and_then_does_not_put_off_the_end_of_a_packet() {
    let mut bench = only(|spans| (spans.idle, spans.read) = (Some(SECOND), Some(SECOND * 3)));
    let mut last = None;
    for _ in 0..40 {
        bench.tell(Event::Received);
        bench.tell(Event::Partial);
        if last.is_none() {
            last = bench.pass(bench.now + SECOND / 10);
        }
    }
    assert_eq!(last, Some(Expired::Read));
    let mut bench = only(|spans| spans.handshake = Some(SECOND * 3));
    bench.tell(Event::Received);
    assert_eq!(bench.pass(bench.now + SECOND * 4), Some(Expired::Handshake));
}

#[test]
fn a_peer_that_takes_a_little_goes_on_and_one_that_takes_nothing_does_not() {
    let mut bench = only(|spans| spans.write = Some(SECOND));
    for _ in 0..10 {
        bench.tell(Event::Queued);
        assert_eq!(bench.pass(bench.now + SECOND * 9 / 10), None);
        bench.tell(Event::Taken(true));
    }
    let looks = bench.looks;
    assert_eq!(bench.pass(bench.now + SECOND * 2), Some(Expired::Write));
    assert_eq!(bench.looks - looks, 4);
}

#[test]
fn a_session_that_the_server_holds_is_not_to_blame_for_silence() {
    let mut bench =
        only(|spans| (spans.idle, spans.read, spans.lifetime) = (Some(SECOND), Some(SECOND), Some(SECOND * 100)));
    bench.tell(Event::Partial);
    bench.tell(Event::Reads(Reading::Held));
    assert_eq!(bench.pass(bench.now + SECOND * 50), None);
    bench.tell(Event::Reads(Reading::On));
    assert_eq!(bench.pass(bench.now + SECOND * 9 / 10), None);
    assert_eq!(bench.pass(bench.now + SECOND), Some(Expired::Read));
}

#[test]
fn heart_beats_come_at_their_interval_while_nothing_else_is_sent() {
    let mut bench = only(|spans| spans.heartbeat = Some(SECOND));
    assert_eq!(bench.pass(bench.now + SECOND * 10), None);
    assert_eq!(bench.fired, 9, "each up to a tick late, so that the tenth is yet to come");
    for _ in 0..100 {
        bench.tell(Event::Taken(false));
        bench.pass(bench.now + SECOND / 10);
    }
    let fired = bench.fired;
    assert!(fired <= 9 + 10 + 1, "{fired}");
    bench.tell(Event::Queued);
    bench.pass(bench.now + SECOND * 100);
    assert!(bench.fired <= fired + 1, "while bytes wait for the peer there is no use in more");
}

#[test]
fn heart_beats_that_come_always_come_while_bytes_are_taken_and_while_they_wait() {
    let mut bench = only(|spans| (spans.heartbeat, spans.beats_always) = (Some(SECOND), true));
    for _ in 0..100 {
        bench.tell(Event::Queued);
        bench.tell(Event::Taken(false));
        bench.pass(bench.now + SECOND / 10);
    }
    assert_eq!(bench.fired, 9, "each up to a tick late");
    bench.tell(Event::Queued);
    bench.pass(bench.now + SECOND * 10);
    assert!(bench.fired >= 18, "{}", bench.fired);
}

#[test]
fn a_peer_that_only_takes_is_silent() {
    let mut bench = only(|spans| (spans.idle, spans.receive) = (Some(SECOND), Some(SECOND * 3)));
    let mut last = None;
    for _ in 0..40 {
        bench.tell(Event::Queued);
        bench.tell(Event::Taken(false));
        if last.is_none() {
            last = bench.pass(bench.now + SECOND / 10);
        }
    }
    assert_eq!(last, Some(Expired::Receive));
}

#[test]
fn silence_is_not_blamed_on_a_peer_that_is_held_or_throttled_or_has_ended() {
    let mut bench = only(|spans| spans.receive = Some(SECOND));
    bench.tell(Event::Reads(Reading::Held));
    assert_eq!(bench.pass(bench.now + SECOND * 50), None);
    bench.tell(Event::Reads(Reading::Throttled));
    for _ in 0..20 {
        bench.tell(Event::Taken(true));
        assert_eq!(bench.pass(bench.now + SECOND * 9 / 10), None, "it takes what it is sent");
    }
    bench.tell(Event::Taken(false));
    bench.tell(Event::Reads(Reading::On));
    assert_eq!(bench.pass(bench.now + SECOND * 9 / 10), None, "a whole time from then on");
    bench.tell(Event::Received);
    bench.tell(Event::Reads(Reading::Throttled));
    assert_eq!(bench.pass(bench.now + SECOND * 2), Some(Expired::Receive), "it takes nothing either");
    let mut bench = only(|spans| spans.receive = Some(SECOND));
    bench.tell(Event::Ended);
    assert_eq!(bench.pass(bench.now + SECOND * 50), None);
}

#[test]
fn a_session_without_deadlines_is_never_looked_at() {
    let mut bench = only(|_| {});
    bench.tell(Event::Partial);
    bench.tell(Event::Queued);
    assert_eq!((bench.wheel.len(), bench.wheel.earliest()), (0, None));
}

#[test]
fn it_is_small_and_its_longest_span_fits() {
    assert_eq!(size_of::<Deadlines>(), 40);
    let longest = Ticks::of(Duration::MAX);
    assert!(longest.0 < 1 << 31);
    assert_eq!(longest, Ticks::of(MOST));
}
