//! Which nodes there are, on a simulated network.

use std::time::Duration;

use proactor::cluster::{Cluster, ClusterFaults};
use proactor::codec::Lines;
use proactor::{Flow, Handler, IfTaken, Network, NoMessage, Server, Session, Simulation};

const SOON: Duration = Duration::from_millis(50);

#[derive(Clone)]
struct User;

impl Handler for User {
    type State = ();
    type Message = NoMessage;
    fn connected(&mut self, _: &Session) {}
    fn received(&mut self, session: &Session, (): &mut (), user: &[u8]) -> Flow {
        session.identify_with(user, IfTaken::Share).unwrap();
        Flow::Continue
    }
}

fn start(cluster: &Cluster, network: &Network, name: &str) -> Simulation<User> {
    let builder = Server::builder().codec(Lines::new()).listen(format!("{name}:1").as_str()).shards(2);
    builder.cluster(cluster.node(name)).simulate(network, User).unwrap()
}

/// Lets time pass on all of them.
fn advance(nodes: &[&Simulation<User>], time: Duration) {
    for _ in 0..50 {
        nodes.iter().for_each(|node| node.advance(time / 50 / nodes.len() as u32));
    }
}

/// The names of the nodes that one knows, with their sessions.
fn known(node: &Simulation<User>) -> Vec<(String, usize)> {
    node.handle().nodes().iter().map(|node| (node.name.to_string(), node.sessions)).collect()
}

fn names(node: &Simulation<User>) -> Vec<String> {
    known(node).into_iter().map(|(name, _)| name).collect()
}

#[test]
fn each_node_knows_the_others_soon_with_their_load_and_forgets_one_that_ends() {
    let network = Network::new(1);
    let cluster = Cluster::simulated(&network);
    let a = start(&cluster, &network, "10.0.0.1");
    // It tells newcomers at once, but not if it told of itself just before.
    advance(&[&a], 10 * SOON);
    let own = a.handle().nodes();
    assert!(own.len() == 1 && own[0].is_self && own[0].shards == 2, "{own:?}");
    let b = start(&cluster, &network, "10.0.0.2");
    let clients: Vec<_> = (0..3).map(|_| a.client("10.0.0.1:1", Lines::new())).collect();
    advance(&[&a, &b], SOON);
    assert_eq!((names(&a), names(&b)), (names(&b), vec!["10.0.0.1".to_owned(), "10.0.0.2".to_owned()]));
    advance(&[&a, &b], Duration::from_secs(3));
    assert_eq!(known(&b), [("10.0.0.1".to_owned(), 3), ("10.0.0.2".to_owned(), 0)]);
    assert!(!b.handle().nodes()[0].is_draining);
    a.handle().drain(Duration::from_secs(60));
    advance(&[&a, &b], Duration::from_micros(1500));
    assert!(b.handle().nodes()[0].is_draining, "it is told at once");
    drop((clients, a));
    advance(&[&b], SOON);
    assert_eq!(names(&b), ["10.0.0.2"]);
    let again = start(&cluster, &network, "10.0.0.1");
    advance(&[&again, &b], Duration::from_secs(3));
    assert_eq!(names(&b), ["10.0.0.1", "10.0.0.2"], "of the same name, with another number");
}

#[test]
fn the_keys_of_all_nodes_are_counted() {
    let network = Network::new(3);
    let cluster = Cluster::simulated(&network);
    let nodes = ["10.0.0.1", "10.0.0.2"].map(|name| start(&cluster, &network, name));
    let all: Vec<&Simulation<User>> = nodes.iter().collect();
    advance(&all, SOON);
    let counts = || [nodes[0].handle().keys_anywhere(), nodes[1].handle().keys_anywhere()];
    assert_eq!(counts(), [0, 0]);
    let user = |node: usize, name: &str| {
        let client = nodes[node].client(format!("10.0.0.{}:1", node + 1).as_str(), Lines::new());
        client.send(name);
        client
    };
    let _stay = [user(0, "ann"), user(1, "ben"), user(1, "ben"), user(1, "cho")];
    let leaves = user(0, "dee");
    advance(&all, Duration::from_secs(4));
    assert_eq!(counts(), [4, 4]);
    leaves.close();
    let _shares = user(0, "cho");
    advance(&all, Duration::from_secs(4));
    assert_eq!(counts(), [4, 4], "one that two nodes share counts twice");
    let of = |node: usize| nodes[node].handle().nodes().iter().map(|info| info.keys).collect::<Vec<usize>>();
    assert_eq!((of(0), of(1)), (vec![2, 2], vec![2, 2]));
}

#[test]
fn a_node_that_is_cut_off_is_gone_after_ten_seconds_and_comes_back() {
    let network = Network::new(2);
    let cluster = Cluster::simulated(&network);
    let nodes = ["10.0.0.1", "10.0.0.2", "10.0.0.3"].map(|name| start(&cluster, &network, name));
    let all: Vec<&Simulation<User>> = nodes.iter().collect();
    advance(&all, SOON);
    assert!(all.iter().all(|node| names(node).len() == 3));
    cluster.set_faults(ClusterFaults::new().lost(1));
    advance(&all, Duration::from_secs(9));
    assert!(all.iter().all(|node| names(node).len() == 3), "it may only be slow");
    assert!(all[0].handle().nodes()[1].silence > Duration::from_secs(5));
    advance(&all, Duration::from_secs(6));
    assert!(all.iter().all(|node| names(node).len() == 1));
    cluster.set_faults(ClusterFaults::new());
    advance(&all, Duration::from_secs(3));
    assert!(all.iter().all(|node| names(node).len() == 3));
    // Nothing of that is a packet, so the logic is told of no gap.
    assert!(all.iter().all(|node| node.handle().cluster().unwrap().missed == 0));
}
