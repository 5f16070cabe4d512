//! The simulation as a test kit: clients that send and expect, faults of their links, and time that
//! is stepped. No test here waits for real time.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use proactor::codec::{LengthPrefixed, Lines};
use proactor::{
    AsyncSession, Builder, CloseReason, Flow, Group, Handler, Limits, Listener, Network, NoMessage, SendError, Server,
    Session, SessionId, SimClient, Simulation, SlowConsumer, Tasks, Timeouts,
};

const SECOND: Duration = Duration::from_secs(1);
const AT: &str = "10.0.0.1:7777";

/// A chat with names: the first line is the name.
#[derive(Clone, Default)]
struct Chat {
    room: Group,
}

impl Handler for Chat {
    type State = Option<String>;
    type Message = NoMessage;
    fn connected(&mut self, session: &Session) -> Option<String> {
        session.send(b"who are you?").unwrap();
        None
    }
    fn received(&mut self, session: &Session, name: &mut Option<String>, line: &[u8]) -> Flow {
        let line = String::from_utf8_lossy(line);
        match (name, &*line) {
            (_, "quit") => return Flow::Close,
            (_, "abort") => session.abort(),
            (name @ None, line) => {
                session.join(&self.room).unwrap();
                *name = Some(line.to_owned());
            }
            (Some(name), line) => {
                let said = format!("{name}: {line}");
                self.room.broadcast_except(session.id(), said.as_bytes()).unwrap();
            }
        }
        Flow::Continue
    }
    fn closed(&mut self, _: SessionId, name: Option<String>, _: &CloseReason) {
        if let Some(name) = name {
            self.room.broadcast(format!("{name} has left").as_bytes()).unwrap();
        }
    }
}

fn builder() -> Builder {
    Server::builder().listen(AT).codec(Lines::new())
}

fn chat(seed: u64, shards: usize) -> Simulation<Chat> {
    builder().shards(shards).simulate(&Network::new(seed), Chat::default()).unwrap()
}

fn enter(sim: &Simulation<Chat>, name: &str) -> SimClient {
    let client = sim.client(AT, Lines::new());
    client.expect("who are you?");
    client.send(name);
    client
}

async fn echo(session: AsyncSession) -> Result<(), SendError> {
    while let Some(packet) = session.next().await {
        session.send(&packet).await?;
    }
    Ok(())
}

/// The message of an expectation that fails.
fn failure(expectation: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(expectation)).expect_err("it was met");
    *panic.downcast::<String>().expect("a message")
}

#[test]
fn a_chat_is_tested_under_many_seeds_and_numbers_of_shards() {
    for seed in 0..100 {
        let sim = chat(seed, 1 + seed as usize % 3);
        let [ann, bob, eve] = ["Ann", "Bob", "Eve"].map(|name| enter(&sim, name));
        sim.advance(SECOND);
        ann.send("hello");
        bob.expect("Ann: hello");
        eve.expect("Ann: hello");
        ann.expect_nothing(SECOND);
        bob.send("quit");
        bob.expect_closed();
        ann.expect("Bob has left");
        eve.expect("Bob has left");
        eve.send("abort");
        eve.expect_reset();
        ann.expect("Eve has left");
    }
}

#[test]
fn the_same_seed_is_the_same_run() {
    let run = |seed| {
        let network = Network::new(seed);
        let sim = builder().shards(2).simulate(&network, Chat::default()).unwrap();
        let [ann, bob] = ["Ann", "Bob"].map(|name| enter(&sim, name));
        ann.link().split(1);
        ann.send("one");
        bob.send("two");
        bob.expect("Ann: one");
        ann.expect("Bob: two");
        (network.trace(), network.now())
    };
    assert_eq!(run(3), run(3));
    assert_ne!(run(3), run(4));
}

#[test]
fn async_logic_is_tested_in_the_same_way_and_its_timers_run_on_simulated_time() {
    async fn patient(session: AsyncSession) {
        while let Ok(Some(packet)) = session.timeout(SECOND * 3600, session.next()).await {
            session.sleep(SECOND * 60).await;
            let _ = session.send(&packet).await;
        }
        let _ = session.send(b"an hour of silence").await;
    }
    let sim = builder().simulate(&Network::new(1), Tasks::new(patient)).unwrap();
    sim.set_patience(SECOND * 61);
    let client = sim.client(AT, Lines::new());
    client.send("later");
    client.expect_nothing(SECOND * 59);
    client.expect("later");
    sim.advance(SECOND * 3600);
    client.expect("an hour of silence");
    client.expect_closed();
}

#[test]
fn a_failure_says_what_was_expected_what_came_when_and_the_seed() {
    let sim = builder().simulate(&Network::new(42), Tasks::new(echo)).unwrap();
    let client = sim.client(AT, Lines::new());
    let why = failure(|| client.expect("hello"));
    assert!(
        why.starts_with("client 0 of 10.0.0.1:7777 expected the packet \"hello\", but nothing came in 10s (at 10.00"),
        "{why}"
    );
    assert!(why.ends_with("s of simulated time; seed 42 gives this run again)"), "{why}");
    client.send("tab\there");
    let why = failure(|| client.expect("hello"));
    assert!(why.contains("the packet \"hello\", but \"tab\\there\" came (at 10.0"), "{why}");
    client.send("one");
    client.send("two");
    sim.advance(SECOND);
    let why = failure(|| client.expect_closed());
    assert!(why.contains("to be closed cleanly, but \"one\", \"two\" came (at"), "{why}");
    let why = failure(|| client.expect_nothing(SECOND));
    assert!(why.contains("nothing to come for 1s, but \"one\", \"two\" came"), "{why}");
    client.expect("one");
    client.expect("two");
    client.send_bytes("half a li");
    let why = failure(|| drop(client.next_packet()));
    assert!(why.contains("expected a packet, but nothing came in 10s"), "{why}");
    sim.handle().stop();
    let why = failure(|| client.expect("more"));
    assert!(why.contains("\"more\", but the connection was reset") || why.contains("closed the connection"), "{why}");
    // Only a part of a frame comes.
    let parts = builder().simulate(&Network::new(42), Tasks::new(echo)).unwrap();
    let client = parts.client(AT, LengthPrefixed::u32());
    client.send_bytes("\0\0\0\n");
    let why = failure(|| client.expect("x"));
    assert!(why.contains("only ") && why.contains("bytes of an unfinished packet came in 10s"), "{why}");
}

#[test]
fn a_link_that_is_split_and_delayed_loses_nothing_and_keeps_the_order() {
    for seed in 0..50 {
        let sim = builder().simulate(&Network::new(seed), Tasks::new(echo)).unwrap();
        let client = sim.client(AT, Lines::new());
        client.link().split(1);
        client.link().delay(SECOND);
        for number in 0..20 {
            client.send(format!("line {number}"));
        }
        client.expect_nothing(SECOND * 2 - SECOND / 1000);
        client.link().split(0);
        client.link().delay(Duration::ZERO);
        for number in 0..20 {
            client.expect(format!("line {number}"));
        }
    }
}

#[test]
fn a_stalled_link_goes_on_where_it_was_when_it_is_healed() {
    for seed in 0..50 {
        let sim = builder().simulate(&Network::new(seed), Tasks::new(echo)).unwrap();
        let client = sim.client(AT, Lines::new());
        client.send("before");
        client.expect("before");
        client.link().stall();
        let lines: Vec<String> = (0..30).map(|number| format!("{number} {}", "x".repeat(7000))).collect();
        lines.iter().for_each(|line| client.send(line));
        client.expect_nothing(SECOND * 60);
        // Another client is not disturbed.
        let other = sim.client(AT, Lines::new());
        other.send("still here");
        other.expect("still here");
        client.link().heal();
        lines.iter().for_each(|line| client.expect(line));
        client.shutdown();
        client.expect_closed();
    }
}

#[test]
fn a_lost_machine_is_noticed_by_the_idle_timeout() {
    let builder = builder().timeouts(Timeouts::new().idle(SECOND * 30));
    let sim = builder.simulate(&Network::new(5), Tasks::new(echo)).unwrap();
    let [lost, other] = [(); 2].map(|()| sim.client(AT, Lines::new()));
    lost.link().stall();
    lost.send("anybody?");
    for round in 1..=5 {
        sim.advance(SECOND * 9);
        other.send("ping");
        other.expect("ping");
        // From 30 seconds on it is idle, and is waited for for 5 seconds.
        assert_eq!(sim.handle().sessions(), if round < 4 { 2 } else { 1 }, "round {round}");
    }
    // Its client knows nothing of it.
    lost.expect_nothing(SECOND * 3600);
}

#[test]
fn a_reset_link_ends_both_ends_at_once() {
    for seed in 0..50 {
        let sim = chat(seed, 1);
        let [ann, bob] = ["Ann", "Bob"].map(|name| enter(&sim, name));
        sim.advance(SECOND);
        bob.send("lost on its way");
        bob.link().reset();
        bob.expect_reset();
        ann.expect("Bob has left");
        assert_eq!(sim.handle().sessions(), 1);
    }
}

#[test]
fn a_client_that_has_seen_the_end_of_the_stream_can_still_send() {
    async fn sum(session: AsyncSession) {
        session.shutdown();
        while let Some(packet) = session.next().await {
            assert_eq!(&packet[..], b"more");
        }
    }
    let sim = builder().simulate(&Network::new(1), Tasks::new(sum)).unwrap();
    let client = sim.client(AT, Lines::new());
    client.expect_end();
    client.send("more");
    sim.advance(SECOND * 9);
    assert_eq!(sim.handle().sessions(), 1);
    client.expect_closed();
    sim.advance(SECOND);
    assert_eq!(sim.handle().sessions(), 0);
    assert_eq!(sim.handle().stats().closed(CloseReason::ByPeer), 1);
}

#[test]
fn a_refused_client_sees_why() {
    let few = builder().limits(Limits::new().sessions(1).refusal("full\n"));
    let sim = few.simulate(&Network::new(1), Tasks::new(echo)).unwrap();
    let first = sim.client(AT, Lines::new());
    let second = sim.client(AT, Lines::new());
    second.expect("full");
    second.expect_closed();
    sim.client("10.0.0.1:1", Lines::new()).expect_refused();
    first.reset();
    sim.advance(SECOND);
    let third = sim.client(AT, Lines::new());
    third.send("in");
    third.expect("in");
    third.close();
    sim.advance(SECOND * 10);
    assert_eq!(sim.handle().sessions(), 0);
    sim.handle().drain(SECOND);
    sim.advance(SECOND);
    assert!(sim.has_ended());
    sim.client(AT, Lines::new()).expect_refused();
}

#[test]
fn a_slow_client_loses_the_oldest_packets_by_policy() {
    let room = Group::new();
    let chat = Chat { room: room.clone() };
    let builder = builder().slow_consumer(SlowConsumer::DropOldest);
    let sim = builder.simulate(&Network::new(1), chat).unwrap();
    let slow = enter(&sim, "slow");
    sim.advance(SECOND);
    slow.pause();
    for number in 0..1000 {
        room.broadcast(format!("{number} {}", "x".repeat(1000)).as_bytes()).unwrap();
        sim.advance(Duration::from_millis(10));
    }
    slow.resume();
    let mut numbers: Vec<u32> = Vec::new();
    while numbers.last() != Some(&999) {
        let packet = String::from_utf8(slow.next_packet()).unwrap();
        numbers.push(packet.split(' ').next().unwrap().parse().unwrap());
    }
    assert!(numbers.is_sorted() && numbers.len() < 1000, "{} came", numbers.len());
    assert_eq!((numbers[0], numbers.last()), (0, Some(&999)));
}

#[test]
fn each_listener_can_have_clients_with_its_codec() {
    #[derive(Clone)]
    struct Names;
    impl Handler for Names {
        type State = ();
        type Message = NoMessage;
        fn connected(&mut self, session: &Session) {
            let listener = session.listener().unwrap();
            session.send(format!("{listener:?}").as_bytes()).unwrap();
        }
        fn received(&mut self, _: &Session, (): &mut (), _: &[u8]) -> Flow {
            Flow::Close
        }
    }
    let admin = Listener::new("10.0.0.1:7778").name("admin").codec(LengthPrefixed::u16());
    let sim = builder().listen(admin).simulate(&Network::new(1), Names).unwrap();
    sim.client(AT, Lines::new()).expect("listener 0 on 10.0.0.1:7777");
    sim.client("10.0.0.1:7778", LengthPrefixed::u16()).expect("listener \"admin\" on 10.0.0.1:7778");
}

#[test]
fn clients_outlive_the_server_and_see_its_end() {
    let sim = chat(1, 2);
    let client = enter(&sim, "Ann");
    sim.advance(SECOND);
    drop(sim);
    let why = failure(|| client.expect("more"));
    assert!(why.contains("the connection was reset") || why.contains("closed the connection"), "{why}");
}
