//! The storms of logins that docs/cluster.md calculates, scaled down: 20 nodes, and records that
//! answer so many calls a second. What is written and read is counted.
//!
//! `PROACTOR_STORM_SESSIONS` has more sessions a node; with `--nocapture` the counts are shown.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use proactor::cluster::Cluster;
use proactor::codec::Lines;
use proactor::{
    CloseReason, Flow, Handler, IdentifyError, IfTaken, Limits, Network, NoMessage, Server, Session, SessionId,
    SimClient, Simulation,
};

use super::storm_store::{Counts, Store};

const NODES: usize = 20;
/// More than the 512 calls that a node has under way.
const SESSIONS: usize = 600;
const CALLS_PER_SECOND: u32 = 10_000;
const LEASE: Duration = Duration::from_secs(15);
/// In which time passes while much happens, and while little does.
const STEPS: [Duration; 2] = [Duration::from_millis(10), Duration::from_millis(100)];

fn sessions() -> usize {
    std::env::var("PROACTOR_STORM_SESSIONS").ok().and_then(|sessions| sessions.parse().ok()).unwrap_or(SESSIONS)
}

#[derive(Default)]
struct Answers {
    taken: AtomicUsize,
    refused: AtomicUsize,
    closed: AtomicUsize,
}

/// A line is the name of a user, who logs in.
#[derive(Clone)]
struct Users(Arc<Answers>);

impl Handler for Users {
    type State = ();
    type Message = NoMessage;
    fn connected(&mut self, _: &Session) {}
    fn received(&mut self, session: &Session, (): &mut (), user: &[u8]) -> Flow {
        session.identify_with(user, IfTaken::Replace).map_or(Flow::Close, |()| Flow::Continue)
    }
    fn identified(&mut self, _: &Session, (): &mut (), _: &[u8], result: Result<(), IdentifyError>) {
        let count = if result.is_ok() { &self.0.taken } else { &self.0.refused };
        count.fetch_add(1, Ordering::Relaxed);
    }
    fn closed(&mut self, _: SessionId, (): (), _: &CloseReason) {
        self.0.closed.fetch_add(1, Ordering::Relaxed);
    }
}

struct World {
    network: Network,
    store: Store,
    answers: Arc<Answers>,
    nodes: Vec<(usize, Simulation<Users>)>,
}

impl World {
    fn new(calls_per_second: u32) -> World {
        let network = Network::new(1);
        let (store, answers) = (Store::new(&network, calls_per_second), Arc::<Answers>::default());
        let start = |node: usize| {
            let place = Cluster::on(store.of_node(node)).node(&format!("node-{node:02}")).lease(LEASE);
            let builder = Server::builder().codec(Lines::new()).listen(format!("10.0.0.{node}:1").as_str());
            let builder = builder.shards(1).limits(Limits::new().sessions(1 << 17)).cluster(place);
            (node, builder.simulate(&network, Users(Arc::clone(&answers))).unwrap())
        };
        let nodes = (0..NODES).map(start).collect();
        let world = World { network, store, answers, nodes };
        world.advance(Duration::from_secs(1));
        world
    }

    fn client(&self, at: usize) -> SimClient {
        let (node, server) = &self.nodes[at];
        server.client(format!("10.0.0.{node}:1").as_str(), Lines::new())
    }

    fn step(&self, time: Duration) {
        for (_, node) in &self.nodes {
            node.advance(time / self.nodes.len() as u32);
            self.store.turn();
        }
    }

    /// Lets time pass on all nodes.
    fn advance(&self, time: Duration) {
        let step = STEPS[usize::from(time >= LEASE / 2)];
        (0..time.as_millis() / step.as_millis()).for_each(|_| self.step(step));
    }

    /// Until so many logins were answered, and how long that took.
    fn until_answered(&self, logins: usize) -> Duration {
        let begin = self.network.now();
        let answered = || self.taken() + self.answers.refused.load(Ordering::Relaxed);
        while answered() < logins {
            self.step(STEPS[0]);
            assert!(self.network.now().since(begin) < Duration::from_secs(600), "{} of {logins}", answered());
        }
        self.network.now().since(begin)
    }

    fn taken(&self) -> usize {
        self.answers.taken.load(Ordering::Relaxed)
    }

    /// All users of all nodes log in at once. Returns them by node.
    fn all_log_in(&self, sessions: usize) -> Vec<Vec<SimClient>> {
        let clients: Vec<Vec<SimClient>> =
            (0..NODES).map(|at| (0..sessions).map(|_| self.client(at)).collect()).collect();
        self.advance(Duration::from_millis(100));
        for (node, clients) in clients.iter().enumerate() {
            clients.iter().enumerate().for_each(|(user, client)| client.send(name(node, user)));
        }
        clients
    }
}

fn name(node: usize, user: usize) -> String {
    format!("user/{node:02}/{user:06}")
}

fn show(storm: &str, sessions: usize, time: Duration, counts: &Counts) {
    println!("{storm}: {sessions} sessions a node, all answered after {time:?}\n    {counts:?}");
}

/// How long the records take for so many calls, which they answer one after the other, with a
/// step or two for each way, and with those of the leases.
fn is_time_for(calls: usize, time: Duration) -> bool {
    let least = Duration::from_secs(1) / CALLS_PER_SECOND * calls as u32;
    (least..least * 11 / 10 + Duration::from_millis(200)).contains(&time)
}

#[test]
fn when_all_log_in_at_once_each_login_is_one_write_and_each_end_one() {
    let (world, sessions) = (World::new(CALLS_PER_SECOND), sessions());
    let all = NODES * sessions;
    world.store.take_counts();
    let clients = world.all_log_in(sessions);
    let time = world.until_answered(all);
    let counts = world.store.take_counts();
    show("all at once", sessions, time, &counts);
    assert_eq!((counts.writes, counts.conflicts, counts.reads, counts.deletes), (all, 0, 0, 0));
    assert_eq!((world.taken(), world.store.records()), (all, all));
    // 512 about keys, and one about the lease.
    assert!(counts.most_unanswered <= 513, "{counts:?}");
    assert!(is_time_for(counts.calls(), time), "{time:?}");
    assert_eq!(counts.bytes, all * 48, "of keys and values");
    // A node writes its lease four times in its time, and reads those of nodes it has met: none.
    world.advance(4 * LEASE);
    let counts = world.store.take_counts();
    assert_eq!((counts.calls(), counts.lease_reads), (0, 0));
    assert!((15 * NODES..=16 * NODES).contains(&counts.lease_writes), "{}", counts.lease_writes);
    clients.iter().flatten().for_each(SimClient::close);
    world.advance(Duration::from_secs(1) + Duration::from_secs(1) / CALLS_PER_SECOND * all as u32);
    let counts = world.store.take_counts();
    assert_eq!((counts.deletes, counts.calls(), world.store.records()), (all, all, 0));
}

#[test]
fn the_users_of_a_node_that_was_killed_come_back_on_the_others_within_a_minute() {
    let (mut world, sessions) = (World::new(CALLS_PER_SECOND), sessions());
    let all = NODES * sessions;
    let mut clients = world.all_log_in(sessions);
    world.until_answered(all);
    // It has no time to give back what it has.
    world.store.set_cut_off(0, true);
    drop((world.nodes.remove(0), clients.remove(0)));
    world.store.take_counts();
    let (begin, mut back) = (world.network.now(), Vec::new());
    for user in 0..sessions {
        let due = Duration::from_secs(60) * user as u32 / sessions as u32;
        while world.network.now().since(begin) < due {
            world.step(STEPS[1]);
        }
        let client = world.client(user % world.nodes.len());
        client.send(name(0, user));
        back.push(client);
    }
    world.until_answered(all + sessions);
    let counts = world.store.take_counts();
    show("a node is killed", sessions, world.network.now().since(begin), &counts);
    assert_eq!((world.taken(), world.store.records()), (all + sessions, all), "all are in");
    assert_eq!((counts.conflicts, counts.writes, counts.deletes), (sessions, sessions, 0));
    // Who comes before the lease is over reads again and again.
    assert!((2 * sessions..4 * sessions).contains(&counts.reads), "{counts:?}");
}

#[test]
fn a_node_that_was_cut_off_for_longer_than_its_lease_writes_each_key_anew() {
    let (world, sessions) = (World::new(CALLS_PER_SECOND), sessions());
    let all = NODES * sessions;
    let _clients = world.all_log_in(sessions);
    world.until_answered(all);
    world.store.set_cut_off(0, true);
    // Another node wants a key of it, and so finds that its lease is over.
    let taker = world.client(1);
    taker.send(name(0, 0));
    world.advance(LEASE * 3 / 2);
    assert_eq!(world.taken(), all + 1);
    world.store.take_counts();
    world.store.set_cut_off(0, false);
    world.advance(LEASE / 2);
    let counts = world.store.take_counts();
    show("a node was cut off", sessions, LEASE / 2, &counts);
    assert_eq!((counts.writes, counts.conflicts, counts.deletes), (sessions - 1, 1, 0));
    assert_eq!(world.answers.closed.load(Ordering::Relaxed), 1, "whose key another has taken");
}

#[test]
fn records_that_are_too_slow_for_all_nodes_at_once_leave_no_login_without_an_answer() {
    // 20 nodes with 256 calls each would wait for 5 s, and give up after 2.
    let (world, sessions) = (World::new(1_000), sessions());
    let all = NODES * sessions;
    let _clients = world.all_log_in(sessions);
    let time = world.until_answered(all);
    let counts = world.store.take_counts();
    show("slow records", sessions, time, &counts);
    let (taken, refused) = (world.taken(), world.answers.refused.load(Ordering::Relaxed));
    println!("    {taken} have their key, {refused} do not");
    assert!(taken > 0 && counts.unanswered > 0, "{counts:?}");
    assert_eq!(taken + refused, all, "each has one answer");
    assert!(time < 3 * LEASE, "{time:?}");
}
