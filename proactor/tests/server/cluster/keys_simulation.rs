//! Keys of a simulated cluster: users log in again and again, on several nodes at once, while calls
//! and answers of the records are lost and nodes are cut off. At most one session has a key but for
//! the time of a lease, and each login has one answer.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use proactor::cluster::{Cluster, ClusterFaults};
use proactor::codec::Lines;
use proactor::{
    CloseReason, Flow, Handler, IdentifyError, IfTaken, Network, NoMessage, Server, Session, SessionId, SimClient,
    Simulation, Time,
};

const NODES: [&str; 3] = ["a", "b", "c"];
const USERS: usize = 3;
const LEASE: Duration = Duration::from_secs(8);
/// Seeds of a run in CI. `PROACTOR_SWARM_SEEDS` has more.
const SEEDS: u64 = 200;

/// A session that has a key in the cluster.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Who {
    node: &'static str,
    id: SessionId,
}

#[derive(Default)]
struct Seen {
    /// Who has which key now, and since when.
    holders: BTreeMap<String, BTreeMap<Who, Time>>,
    /// When more than one began to have it, and did not end so far.
    shared_since: BTreeMap<String, Time>,
    longest: Duration,
    /// Logins that have no answer yet.
    open: BTreeMap<Who, usize>,
    answers: BTreeMap<String, usize>,
    ends: BTreeMap<String, usize>,
}

impl Seen {
    fn count(&mut self, key: &str, now: Time) {
        let holders = self.holders.get(key).map_or(0, BTreeMap::len);
        if holders > 1 {
            self.shared_since.entry(key.to_owned()).or_insert(now);
        } else if let Some(since) = self.shared_since.remove(key) {
            self.longest = self.longest.max(now.since(since));
        }
    }
}

/// A line is `POLICY USER`, for a login, or `quit`.
#[derive(Clone)]
struct Users {
    node: &'static str,
    seen: Arc<Mutex<Seen>>,
    network: Network,
}

impl Users {
    fn now(&self) -> Time {
        self.network.now()
    }

    fn who(&self, id: SessionId) -> Who {
        Who { node: self.node, id }
    }
}

impl Handler for Users {
    type State = Option<String>;
    type Message = NoMessage;
    fn connected(&mut self, _: &Session) -> Option<String> {
        None
    }
    fn received(&mut self, session: &Session, key: &mut Option<String>, line: &[u8]) -> Flow {
        let line = std::str::from_utf8(line).unwrap();
        let Some((policy, user)) = line.split_once(' ') else { return Flow::Close };
        let if_taken = match policy {
            "replace" => IfTaken::Replace,
            _ => IfTaken::Refuse,
        };
        if session.identify_with(user, if_taken).is_err() {
            *self.seen.lock().unwrap().answers.entry("taken here".into()).or_default() += 1;
            return Flow::Close;
        }
        *key = Some(user.to_owned());
        *self.seen.lock().unwrap().open.entry(self.who(session.id())).or_default() += 1;
        Flow::Continue
    }
    fn identified(
        &mut self,
        session: &Session,
        own: &mut Option<String>,
        key: &[u8],
        result: Result<(), IdentifyError>,
    ) {
        let (key, now, who) = (String::from_utf8(key.to_vec()).unwrap(), self.now(), self.who(session.id()));
        assert_eq!(own.as_ref(), Some(&key));
        let mut seen = self.seen.lock().unwrap();
        let open = seen.open.remove(&who);
        assert_eq!(open, Some(1), "{who:?} is answered once");
        *seen.answers.entry(format!("{result:?}")).or_default() += 1;
        match result {
            Ok(()) => {
                assert_eq!(session.key().as_deref(), Some(key.as_bytes()));
                seen.holders.entry(key.clone()).or_default().insert(who, now);
                seen.count(&key, now);
            }
            Err(_) => {
                assert_eq!(session.key(), None);
                session.close();
            }
        }
    }
    fn closed(&mut self, id: SessionId, key: Option<String>, reason: &CloseReason) {
        let (now, who) = (self.now(), self.who(id));
        let mut seen = self.seen.lock().unwrap();
        seen.open.remove(&who);
        *seen.ends.entry(format!("{reason:?}")).or_default() += 1;
        if let Some(key) = key {
            seen.holders.entry(key.clone()).or_default().remove(&who);
            seen.count(&key, now);
        }
    }
}

struct World {
    network: Network,
    cluster: Cluster,
    seen: Arc<Mutex<Seen>>,
    nodes: Vec<Simulation<Users>>,
}

impl World {
    fn new(seed: u64) -> World {
        let network = Network::new(seed);
        let (cluster, seen) = (Cluster::simulated(&network), Arc::default());
        let start = |(index, node): (usize, &&'static str)| {
            let builder = Server::builder().codec(Lines::new()).listen(format!("10.0.0.{index}:1").as_str());
            let users = Users { node, seen: Arc::clone(&seen), network: network.clone() };
            let builder = builder.shards(1 + index % 2).cluster(cluster.node(node).lease(LEASE));
            builder.simulate(&network, users).unwrap()
        };
        let nodes = NODES.iter().enumerate().map(start).collect();
        World { network, cluster, seen, nodes }
    }

    fn client(&self, node: usize) -> SimClient {
        self.nodes[node].client(format!("10.0.0.{node}:1").as_str(), Lines::new())
    }

    /// Lets time pass on all nodes, in small steps.
    fn advance(&self, time: Duration) {
        let steps = (time.as_millis() / 60).clamp(1, 100) as u32;
        for _ in 0..steps {
            self.nodes.iter().for_each(|node| node.advance(time / steps / self.nodes.len() as u32));
        }
    }

    fn random(&self, under: usize) -> usize {
        (self.network.random() % under as u64) as usize
    }

    /// Logs in, and says what came of it.
    fn log_in(&self, node: usize, line: &str) -> SimClient {
        let client = self.client(node);
        client.send(line);
        client
    }

    fn holders(&self, key: &str) -> Vec<&'static str> {
        let seen = self.seen.lock().unwrap();
        seen.holders.get(key).map(|holders| holders.keys().map(|who| who.node).collect()).unwrap_or_default()
    }

    fn answers(&self, what: &str) -> usize {
        self.seen.lock().unwrap().answers.get(what).copied().unwrap_or_default()
    }

    fn ends(&self, what: &str) -> usize {
        self.seen.lock().unwrap().ends.get(what).copied().unwrap_or_default()
    }
}

const TAKEN: &str = "Err(TakenElsewhere)";

/// One run: what was answered, how sessions ended, and the longest time that two had one key.
fn run(seed: u64) -> (BTreeMap<String, usize>, BTreeMap<String, usize>, Duration, u64) {
    let world = World::new(seed);
    world.advance(Duration::from_secs(1));
    let odds = [0, 0, 4, 12, 40];
    let some = || odds[world.random(odds.len())];
    let faults = ClusterFaults::new().delay(Duration::ZERO, Duration::from_millis(1 + world.random(300) as u64));
    world.cluster.set_faults(faults.lost(some()).refused(some()).answers_lost(some()));
    let mut clients: Vec<SimClient> = Vec::new();
    let mut cut: Option<usize> = None;
    for _ in 0..30 {
        match world.random(8) {
            0..=4 => {
                let policy = ["replace", "replace", "refuse"][world.random(3)];
                let line = format!("{policy} user{}", world.random(USERS));
                clients.push(world.log_in(world.random(NODES.len()), &line));
            }
            5 if !clients.is_empty() => {
                let at = world.random(clients.len());
                clients.swap_remove(at).close();
            }
            6 => match cut.take() {
                Some(node) => world.cluster.reconnect(NODES[node]),
                None => {
                    let node = world.random(NODES.len());
                    world.cluster.cut_off(NODES[node]);
                    cut = Some(node);
                }
            },
            _ => {}
        }
        let longest = [10, 100, 2_000, 12_000][world.random(4)];
        world.advance(Duration::from_millis(1 + world.random(longest) as u64));
    }
    if let Some(node) = cut {
        world.cluster.reconnect(NODES[node]);
    }
    world.cluster.set_faults(ClusterFaults::new());
    world.advance(4 * LEASE);
    {
        let seen = world.seen.lock().unwrap();
        assert!(seen.shared_since.is_empty(), "seed {seed}: two sessions still have a key: {:?}", seen.holders);
        assert!(seen.longest <= LEASE, "seed {seed}: two sessions had a key for {:?}", seen.longest);
        assert!(seen.open.is_empty(), "seed {seed}: logins without an answer: {:?}", seen.open);
    }
    // What is left behind is in nobody's way.
    clients.iter().for_each(SimClient::close);
    world.advance(Duration::from_secs(2));
    let before = world.answers("Ok(())");
    let last: Vec<SimClient> = (0..USERS).map(|user| world.log_in(user, &format!("refuse user{user}"))).collect();
    world.advance(Duration::from_secs(4));
    // A record that a lost answer has left behind goes when it is asked for.
    let again = before + USERS - world.answers("Ok(())");
    let missing: Vec<usize> = (0..USERS).filter(|user| world.holders(&format!("user{user}")).is_empty()).collect();
    assert_eq!(missing.len(), again);
    let retried: Vec<SimClient> =
        missing.iter().map(|user| world.log_in((user + 1) % 3, &format!("refuse user{user}"))).collect();
    world.advance(Duration::from_secs(4));
    for user in 0..USERS {
        assert_eq!(
            world.holders(&format!("user{user}")).len(),
            1,
            "seed {seed}: nobody stands in the way of user {user}"
        );
    }
    drop((last, retried));
    let seen = world.seen.lock().unwrap();
    (seen.answers.clone(), seen.ends.clone(), seen.longest, world.network.trace())
}

#[test]
fn a_key_has_one_session_but_for_the_time_of_a_lease_whatever_is_lost() {
    let seeds = std::env::var("PROACTOR_SWARM_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(SEEDS);
    let (mut answers, mut ends, mut longest) = (BTreeMap::new(), BTreeMap::new(), Duration::ZERO);
    for seed in 0..seeds {
        let (of_run, ends_of_run, longest_of_run, _) = run(seed);
        of_run.into_iter().for_each(|(what, count)| *answers.entry(what).or_insert(0) += count);
        ends_of_run.into_iter().for_each(|(what, count)| *ends.entry(what).or_insert(0) += count);
        longest = longest.max(longest_of_run);
    }
    println!("{answers:?}\n{ends:?}\nlongest {longest:?}");
    for what in ["Ok(())", TAKEN, "Err(Unreachable)", "taken here"] {
        assert!(answers.contains_key(what), "no login was answered {what:?}: {answers:?}");
    }
    for what in ["Replaced", "KeyLost", "ByHandler"] {
        assert!(ends.contains_key(what), "no session ended as {what:?}: {ends:?}");
    }
    assert!(longest > Duration::ZERO, "no two sessions had a key at once");
}

#[test]
fn the_same_seed_gives_the_same_run() {
    assert_eq!(run(3), run(3));
    assert_ne!(run(3).3, run(4).3);
}

#[test]
fn a_second_login_is_refused_or_replaces_the_first_wherever_that_is() {
    let world = World::new(1);
    world.advance(Duration::from_secs(1));
    let first = world.log_in(0, "refuse ann");
    world.advance(Duration::from_millis(100));
    assert_eq!(world.holders("ann"), ["a"]);
    let second = world.log_in(1, "refuse ann");
    world.advance(Duration::from_millis(100));
    assert_eq!((world.answers(TAKEN), world.holders("ann")), (1, vec!["a"]));
    second.expect_closed();
    let third = world.log_in(2, "replace ann");
    world.advance(Duration::from_millis(200));
    assert_eq!((world.ends("Replaced"), world.holders("ann")), (1, vec!["c"]));
    first.expect_closed();
    third.close();
    world.advance(Duration::from_millis(200));
    let fourth = world.log_in(1, "refuse ann");
    world.advance(Duration::from_millis(200));
    assert_eq!(world.holders("ann"), ["b"], "the key is free when its session has ended");
    drop(fourth);
}

#[test]
fn a_node_that_is_cut_off_shorter_than_a_lease_loses_nothing_and_longer_what_others_took() {
    let world = World::new(2);
    world.advance(Duration::from_secs(1));
    let (ann, ben) = (world.log_in(0, "refuse ann"), world.log_in(0, "refuse ben"));
    world.advance(Duration::from_millis(100));
    world.cluster.cut_off("a");
    world.advance(LEASE / 2);
    world.cluster.reconnect("a");
    world.advance(LEASE);
    assert_eq!((world.holders("ann"), world.holders("ben")), (vec!["a"], vec!["a"]));
    world.cluster.cut_off("a");
    let other = world.log_in(1, "replace ann");
    world.advance(LEASE * 3 / 2);
    assert_eq!(world.holders("ann"), ["a", "b"], "its lease has run out");
    world.cluster.reconnect("a");
    world.advance(LEASE / 2);
    assert_eq!((world.holders("ann"), world.holders("ben")), (vec!["b"], vec!["a"]), "nobody has taken the other");
    assert_eq!((world.ends("KeyLost"), world.ends("Replaced")), (1, 0));
    ann.expect_closed();
    world.cluster.cut_off("a");
    world.advance(LEASE * 9 / 4);
    assert_eq!((world.holders("ben"), world.ends("KeyLost")), (vec![], 2), "for too long");
    ben.expect_closed();
    world.cluster.reconnect("a");
    world.advance(LEASE);
    let again = world.log_in(0, "refuse ben");
    world.advance(Duration::from_millis(200));
    assert_eq!(world.holders("ben"), ["a"]);
    drop((other, again));
}

#[test]
fn the_keys_of_a_node_that_has_ended_are_free_at_once_and_of_one_that_is_gone_after_its_lease() {
    let mut world = World::new(3);
    world.advance(Duration::from_secs(1));
    let ann = world.log_in(0, "refuse ann");
    world.advance(Duration::from_millis(100));
    drop((world.nodes.remove(0), ann));
    world.seen.lock().unwrap().holders.clear();
    world.advance(Duration::from_millis(100));
    let client = world.nodes[0].client("10.0.0.1:1", Lines::new());
    client.send("refuse ann");
    world.advance(Duration::from_millis(200));
    assert_eq!(world.holders("ann"), ["b"]);
    // This one has no time to say so.
    world.cluster.cut_off("b");
    drop((world.nodes.remove(0), client));
    world.seen.lock().unwrap().holders.clear();
    let client = world.nodes[0].client("10.0.0.2:1", Lines::new());
    client.send("replace ann");
    world.advance(LEASE / 2);
    assert_eq!(world.holders("ann"), [""; 0]);
    world.advance(LEASE * 2);
    assert_eq!(world.holders("ann"), ["c"]);
}
