//! Who is in a group, on all nodes of a simulated cluster whose bus delays, loses, doubles and
//! refuses messages: when it is quiet again, each node knows exactly who is there, and was told of
//! all that has changed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use proactor::cluster::{Cluster, ClusterFaults};
use proactor::codec::Lines;
use proactor::{
    Flow, Group, Handler, IfTaken, Network, NoMessage, PresenceChange, Present, Server, Session, ShardHandle,
    SimClient, Simulation, WatchError,
};

const NODES: usize = 3;
const CLIENTS: usize = 4;
const STEPS: usize = 80;
/// Seeds of a run in CI. `PROACTOR_SWARM_SEEDS` has more.
const SEEDS: u64 = 100;
const KEYS: [&str; 5] = ["ann", "ben", "cho", "dee", "eve"];

#[derive(Clone, Default)]
struct Room(Arc<Mutex<Vec<PresenceChange>>>);

impl Handler for Room {
    type State = ();
    type Message = NoMessage;
    fn connected(&mut self, _: &Session) {}
    fn received(&mut self, session: &Session, (): &mut (), line: &[u8]) -> Flow {
        let room = session.handle().group("room").unwrap();
        match line.split_first() {
            Some((b'+', _)) => {
                session.handle().watch_presence(&room).unwrap();
                session.join(&room).unwrap();
            }
            Some((b'-', _)) => session.leave(&room),
            Some((b'=', [])) => session.give_up_key(),
            Some((b'=', key)) => session.identify_with(key, IfTaken::Share).unwrap(),
            _ => panic!("{line:?}"),
        }
        Flow::Continue
    }
    fn presence(&mut self, _: &ShardHandle, _: &Group, change: &PresenceChange) {
        self.0.lock().unwrap().push(change.clone());
    }
}

/// A client, and what the test knows of it.
struct Member {
    client: SimClient,
    key: &'static str,
    is_member: bool,
}

struct World {
    network: Network,
    cluster: Cluster,
    nodes: Vec<Simulation<Room>>,
    told: Vec<Room>,
    members: Vec<Vec<Member>>,
}

impl World {
    fn new(seed: u64) -> World {
        let network = Network::new(seed);
        let cluster = Cluster::simulated(&network);
        let mut world = World { network, cluster, nodes: Vec::new(), told: Vec::new(), members: Vec::new() };
        (0..NODES).for_each(|index| world.start(index));
        world
    }

    /// Starts a node, or starts the last one again.
    fn start(&mut self, index: usize) {
        if index < self.nodes.len() {
            self.members.truncate(index);
            self.told.truncate(index);
            self.nodes.truncate(index);
        }
        let (room, at) = (Room::default(), format!("10.0.0.{index}:1"));
        let builder = Server::builder().codec(Lines::new()).listen(at.as_str()).shards(1 + index);
        let builder = builder.cluster(self.cluster.node(&format!("n{index}")));
        let node = builder.simulate(&self.network, room.clone()).unwrap();
        self.nodes.push(node);
        self.told.push(room);
        let members = (0..CLIENTS).map(|_| self.connect(index)).collect();
        self.members.push(members);
    }

    fn connect(&self, index: usize) -> Member {
        let client = self.nodes[index].client(format!("10.0.0.{index}:1").as_str(), Lines::new());
        Member { client, key: "", is_member: false }
    }

    fn random(&self, under: usize) -> usize {
        (self.network.random() % under as u64) as usize
    }

    fn advance(&self, time: Duration) {
        let steps = (time.as_micros() / 1_500).clamp(2, 50) as u32;
        for _ in 0..steps {
            self.nodes.iter().for_each(|node| node.advance(time / steps / NODES as u32));
        }
    }

    fn join(&mut self, node: usize, number: usize) {
        let member = &mut self.members[node][number];
        member.client.send("+");
        member.is_member = true;
    }

    /// Something that a client of a node does. The first of each stays, if it has to.
    fn step(&mut self, node: usize, keeps_first: bool) {
        let number = usize::from(keeps_first) + self.random(CLIENTS - usize::from(keeps_first));
        let (what, key) = (self.random(8), KEYS[self.random(KEYS.len())]);
        let reconnected = (what == 0).then(|| self.connect(node));
        let member = &mut self.members[node][number];
        match (what, reconnected) {
            (0, Some(other)) => std::mem::replace(member, other).client.close(),
            (1 | 2, _) => {
                member.client.send("-");
                member.is_member = false;
            }
            (3, _) => {
                member.client.send("=");
                member.key = "";
            }
            (4, _) => {
                member.client.send(format!("={key}"));
                member.key = key;
            }
            _ => self.join(node, number),
        }
    }

    fn expected(&self) -> Present {
        let mut keys = BTreeMap::<&str, usize>::new();
        let there = self.members.iter().flatten().filter(|member| member.is_member);
        there.for_each(|member| *keys.entry(member.key).or_default() += 1);
        let mut present = Present::default();
        present.unnamed = keys.remove("").unwrap_or(0);
        present.keys = keys.into_iter().map(|(key, count)| (key.into(), count)).collect();
        present
    }

    fn present(&self, node: usize) -> Option<Present> {
        self.nodes[node].handle().find_group("room")?.present()
    }

    /// Who is there, as the logic of a node was told.
    fn told(&self, node: usize) -> BTreeSet<String> {
        let mut there = BTreeSet::new();
        for change in self.told[node].0.lock().unwrap().iter() {
            match change {
                PresenceChange::Joined(key) => assert!(there.insert(text(key)), "{change:?} is told twice"),
                PresenceChange::Left(key) => assert!(there.remove(&text(key)), "{change:?} was not there"),
                PresenceChange::Counted => {}
                other => panic!("{other:?}"),
            }
        }
        there
    }

    /// Checks what each node knows.
    fn check(&self, seed: u64, knows_all: bool) {
        let expected = self.expected();
        for node in 0..NODES {
            assert_eq!(self.present(node), Some(expected.clone()), "seed {seed}: what node {node} knows");
            if knows_all {
                let keys: BTreeSet<String> = expected.keys.iter().map(|(key, _)| text(key)).collect();
                assert_eq!(self.told(node), keys, "seed {seed}: what node {node} was told");
            }
        }
    }
}

fn text(key: &[u8]) -> String {
    String::from_utf8(key.to_vec()).unwrap()
}

fn run(seed: u64) {
    let (mut world, keeps_first) = (World::new(seed), seed.is_multiple_of(2));
    (0..NODES).for_each(|node| world.join(node, 0));
    world.advance(Duration::from_millis(100));
    let odds = [0, 3, 8, 30];
    let some = |world: &World| odds[world.random(odds.len())];
    let most = Duration::from_micros(1 + world.random(20_000) as u64);
    let faults = ClusterFaults::new().delay(Duration::ZERO, most);
    world.cluster.set_faults(faults.lost(some(&world)).doubled(some(&world)).refused(some(&world)));
    for _ in 0..STEPS {
        let node = world.random(NODES);
        world.step(node, keeps_first);
        if world.random(3) > 0 {
            world.advance(Duration::from_micros(world.random(30_000) as u64));
        }
    }
    world.advance(Duration::from_millis(100));
    world.cluster.set_faults(ClusterFaults::new());
    // What is lost is seen by what comes next.
    for node in 0..NODES {
        world.join(node, 0);
        world.members[node][0].client.send("=last");
        world.members[node][0].key = "last";
    }
    world.advance(Duration::from_secs(7));
    world.check(seed, keeps_first);
}

#[test]
fn when_the_bus_is_quiet_again_each_node_knows_who_is_there_and_was_told_of_each_change() {
    let seeds = std::env::var("PROACTOR_SWARM_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(SEEDS);
    (0..seeds).for_each(run);
}

#[test]
fn a_node_that_ends_takes_its_members_with_it_and_one_that_comes_late_learns_of_all() {
    let mut world = World::new(7);
    for (node, key) in KEYS.into_iter().enumerate().take(NODES) {
        (0..CLIENTS).for_each(|number| world.join(node, number));
        world.members[node][0].client.send(format!("={key}"));
        world.members[node][0].key = key;
    }
    world.advance(Duration::from_secs(5));
    world.check(7, true);
    world.start(2);
    world.advance(Duration::from_millis(100));
    assert_eq!(world.present(2), None, "it does not watch yet");
    let expected = world.expected();
    assert_eq!(expected.members(), 2 * CLIENTS);
    assert_eq!((world.present(0), world.present(1)), (Some(expected.clone()), Some(expected)), "it said goodbye");
    world.join(2, 0);
    world.advance(Duration::from_secs(5));
    world.check(7, true);
}

#[test]
fn the_part_of_a_node_that_is_cut_off_goes_after_ten_seconds_and_comes_back_with_it() {
    let mut world = World::new(9);
    (0..NODES).for_each(|node| world.join(node, 0));
    world.advance(Duration::from_secs(5));
    world.check(9, true);
    world.cluster.set_faults(ClusterFaults::new().lost(1));
    world.advance(Duration::from_secs(16));
    assert!((0..NODES).all(|node| world.present(node).unwrap().members() == 1));
    world.cluster.set_faults(ClusterFaults::new());
    world.advance(Duration::from_secs(8));
    world.check(9, true);
}

#[test]
fn members_that_were_there_before_a_group_was_watched_are_counted() {
    let network = Network::new(3);
    let room = Room::default();
    let builder = Server::builder().codec(Lines::new()).listen("10.0.0.1:1").shards(3);
    let server = builder.simulate(&network, room.clone()).unwrap();
    let group = server.handle().group("room").unwrap();
    let clients: Vec<SimClient> = (0..6).map(|_| server.client("10.0.0.1:1", Lines::new())).collect();
    for (client, key) in clients.iter().zip(KEYS) {
        client.send(format!("={key}"));
    }
    let ids: Vec<_> = KEYS
        .iter()
        .map(|key| {
            server.advance(Duration::from_millis(10));
            server.handle().find(key).unwrap()
        })
        .collect();
    ids.iter().for_each(|id| server.handle().join(*id, &group).unwrap());
    server.advance(Duration::from_millis(10));
    assert_eq!((group.len(), group.present()), (5, None));
    server.handle().watch_presence(&group).unwrap();
    server.handle().watch_presence(&group).unwrap();
    server.advance(Duration::from_millis(10));
    let keys = |group: &Group| group.present().unwrap().keys;
    let expected: Vec<_> = KEYS.iter().map(|key| ((*key).into(), 1)).collect();
    assert_eq!(keys(&group), expected, "a server that is no node");
    assert_eq!(server.handle().watch_presence(&Group::new()), Err(WatchError::Nameless));
    server.handle().leave(ids[0], &group).unwrap();
    clients[1].close();
    server.advance(Duration::from_secs(1));
    assert_eq!(keys(&group), expected[2..]);
    assert_eq!(room.0.lock().unwrap().len(), 7);
}
