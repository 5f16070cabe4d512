//! Keys of sessions in JetStream: one login at a time on all nodes, whatever becomes of a node or
//! of NATS.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use proactor_cluster::{ConnectError, Nats};
use serde_json::json;

use crate::broker::{Broker, Scratch, free_port, wait_until};
use crate::proxy::Proxy;
use crate::users::{Client, Node};

/// For tests in which a lease ends.
const LEASE: Duration = Duration::from_secs(2);
/// For the others: no login waits in vain, and no lease ends, on a busy machine.
const LONG_LEASE: Duration = Duration::from_secs(20);
/// What a child process is told: where NATS is, and the seconds of its lease.
const CHILD: &str = "PROACTOR_TEST_NODE";
const CHILD_LEASE: &str = "PROACTOR_TEST_LEASE";

fn broker(scratch: &Scratch) -> Option<Broker> {
    Broker::start(&["-js", "-sd", scratch.0.to_str().unwrap()])
}

#[test]
fn a_key_that_another_node_has_is_refused_replaced_or_shared() {
    let scratch = Scratch::new();
    let Some(broker) = broker(&scratch) else { return };
    let [a, b] = ["a", "b"].map(|name| Node::join(&broker.url(), name, LONG_LEASE));
    let (first, answer) = Client::log_in(a.address, "refuse ann");
    assert_eq!(answer, "ok");
    assert_eq!(Client::log_in(b.address, "refuse ann").1, "taken");
    let (second, answer) = Client::log_in(b.address, "replace ann");
    assert_eq!(answer, "ok");
    first.expect_end();
    assert_eq!(Client::log_in(a.address, "refuse ann").1, "taken");
    drop(second);
    wait_until("the key to be free", || Client::log_in(a.address, "refuse ann").1 == "ok");
    // As many as like share one, on both nodes, and a message reaches all of them.
    let mut shared: Vec<Client> = [&a, &b, &b].iter().map(|node| Client::log_in(node.address, "share ben").0).collect();
    let places = a.handle.find_anywhere("ben").wait().unwrap();
    let mut names: Vec<&str> = places.iter().map(|place| &*place.node).collect();
    names.sort_unstable();
    assert_eq!(names, ["a", "b"]);
    assert_eq!(a.handle.send_anywhere("ben", "hello").wait(), Ok(2));
    assert!(shared.iter_mut().all(|client| client.line() == "hello"));
    assert_eq!(b.handle.close_anywhere("ben").wait(), Ok(2));
    shared.into_iter().for_each(Client::expect_end);
    assert_eq!(a.handle.send_anywhere("nobody", "hello").wait(), Ok(0));
}

#[test]
fn a_key_of_any_bytes_is_a_record() {
    let scratch = Scratch::new();
    let Some(broker) = broker(&scratch) else { return };
    let [a, b] = ["a", "b"].map(|name| {
        let nats = Nats::new(broker.url()).prefix("x.y").node(name).directory(1);
        Node::start(nats.connect().unwrap().lease(LONG_LEASE))
    });
    let longest = "é.* >".repeat(1024 / 6);
    for user in ["", "a.b", "*", ">", " ", "$KV.>", &longest] {
        let (_client, answer) = Client::log_in(a.address, &format!("refuse {user}"));
        assert_eq!(answer, "ok", "{user:?}");
        assert_eq!(Client::log_in(b.address, &format!("refuse {user}")).1, "taken", "{user:?}");
    }
}

/// A node of its own process, which can be killed or stopped.
struct ChildNode {
    process: Child,
    address: SocketAddr,
}

impl ChildNode {
    fn start(url: &str) -> ChildNode {
        ChildNode::with_lease(url, LEASE)
    }

    fn with_lease(url: &str, lease: Duration) -> ChildNode {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "keys::node_of_a_child_process", "--ignored", "--nocapture"]);
        command.env(CHILD, url).env(CHILD_LEASE, lease.as_secs().to_string());
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let said = lines.map_while(Result::ok).find_map(|line| line.strip_prefix("address ").map(str::to_owned));
        ChildNode { address: said.expect("the child says its address").parse().unwrap(), process }
    }

    fn signal(&self, name: &str) {
        let status = Command::new("kill").args([name, &self.process.id().to_string()]).status().unwrap();
        assert!(status.success());
    }
}

impl Drop for ChildNode {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
#[ignore = "it is the child process of other tests"]
fn node_of_a_child_process() {
    let Ok(url) = std::env::var(CHILD) else { return };
    let lease = std::env::var(CHILD_LEASE).unwrap().parse().unwrap();
    let node = Node::join(&url, "child", Duration::from_secs(lease));
    println!("\naddress {}", node.address);
    // Until it is killed, or told to end.
    let _ = std::io::stdin().read_line(&mut String::new());
    node.end();
    std::process::exit(0);
}

#[test]
fn a_process_that_ends_in_order_leaves_no_lease() {
    let scratch = Scratch::new();
    let Some(broker) = broker(&scratch) else { return };
    let hour = Duration::from_secs(3600);
    for round in 0..5 {
        let mut child = ChildNode::with_lease(&broker.url(), hour);
        let (client, answer) = Client::log_in(child.address, "refuse ann");
        assert_eq!(answer, "ok", "in round {round}");
        let leases = || {
            let info = broker.ask("STREAM.INFO.KV_proactor", &json!({ "subjects_filter": ">" }));
            let subjects = info["state"]["subjects"].as_object().cloned().unwrap_or_default();
            subjects.keys().filter(|subject| subject.contains(".l/")).count()
        };
        assert_eq!(leases(), 1);
        drop(child.process.stdin.take());
        assert!(child.process.wait().unwrap().success());
        // It has been told, at least: nobody else deletes the lease of an hour.
        wait_until("no lease", || leases() == 0);
        client.expect_end();
    }
}

#[test]
fn the_keys_of_a_node_that_is_killed_are_taken_after_its_lease() {
    let scratch = Scratch::new();
    let Some(broker) = broker(&scratch) else { return };
    let other = Node::join(&broker.url(), "other", LEASE);
    let mut child = ChildNode::start(&broker.url());
    let (client, answer) = Client::log_in(child.address, "refuse ann");
    assert_eq!(answer, "ok");
    assert_eq!(Client::log_in(other.address, "refuse ann").1, "taken");
    let killed = Instant::now();
    child.process.kill().unwrap();
    client.expect_end();
    let _held = Client::take_over(other.address, "replace ann");
    println!("taken over {:?} after the node was killed, with a lease of {LEASE:?}", killed.elapsed());
}

#[test]
fn a_node_that_is_stopped_for_longer_than_its_lease_closes_what_another_has_taken() {
    let scratch = Scratch::new();
    let Some(broker) = broker(&scratch) else { return };
    let other = Node::join(&broker.url(), "other", LEASE);
    let child = ChildNode::start(&broker.url());
    let [ann, ben] = ["ann", "ben"].map(|user| {
        let (client, answer) = Client::log_in(child.address, &format!("refuse {user}"));
        assert_eq!(answer, "ok");
        client
    });
    child.signal("-STOP");
    let held = Client::take_over(other.address, "replace ann");
    child.signal("-CONT");
    ann.expect_end();
    assert!(held.is_open());
    drop(ben);
    wait_until("its other key to be free", || Client::log_in(other.address, "refuse ben").1 == "ok");
    assert_eq!(Client::log_in(child.address, "refuse ann").1, "taken");
}

#[test]
fn a_node_that_is_cut_off_from_nats_closes_what_is_no_longer_certain_and_serves_the_rest() {
    let scratch = Scratch::new();
    let Some(broker) = broker(&scratch) else { return };
    let proxy = Proxy::to(broker.port);
    let (near, far) = (Node::join(&broker.url(), "near", LEASE), Node::join(&proxy.url(), "far", LEASE));
    let (ann, answer) = Client::log_in(far.address, "refuse ann");
    assert_eq!(answer, "ok");
    let (shared, answer) = Client::log_in(far.address, "share ben");
    assert_eq!(answer, "ok");
    let without = Client::new(far.address);
    proxy.cut();
    assert_eq!(Client::try_log_in(far.address, "refuse eve").1, "unreachable");
    let _held = Client::take_over(near.address, "replace ann");
    ann.expect_end();
    assert!(shared.is_open() && without.is_open(), "only exclusive keys are lost");
    proxy.mend();
    wait_until("the node to be back", || Client::log_in(far.address, "refuse eve").1 == "ok");
    assert_eq!(Client::log_in(far.address, "refuse ann").1, "taken");
    wait_until("the shared key to be claimed anew", || {
        near.handle.find_anywhere("ben").wait().is_ok_and(|places| places.iter().any(|place| &*place.node == "far"))
    });
}

#[test]
fn keys_outlive_a_restart_of_jetstream() {
    let scratch = Scratch::new();
    let Some(mut broker) = broker(&scratch) else { return };
    let [a, b] = ["a", "b"].map(|name| Node::join(&broker.url(), name, LONG_LEASE));
    let (client, answer) = Client::log_in(a.address, "refuse ann");
    assert_eq!(answer, "ok");
    for round in 0..2 {
        broker.kill();
        std::thread::sleep(Duration::from_millis(500));
        broker.restart();
        // It waits for NATS if it must.
        assert_eq!(Client::log_in(b.address, &format!("refuse user{round}")).1, "ok");
        assert_eq!(Client::log_in(b.address, "refuse ann").1, "taken");
    }
    assert!(client.is_open());
}

#[test]
fn without_jetstream_or_the_permission_for_it_no_login_is_certain() {
    let Some(plain) = Broker::start(&[]) else { return };
    let node = Node::join(&plain.url(), "a", Duration::from_secs(1));
    assert_eq!(Client::try_log_in(node.address, "refuse ann").1, "unreachable");
    assert!(node.handle.find_anywhere("ann").wait().is_err());
    let scratch = Scratch::new();
    let config = scratch.0.join("nats.conf");
    let rules = format!(
        "jetstream {{ store_dir: {:?} }}\nauthorization {{ users = [ {{ user: me, password: secret, \
         permissions: {{ publish: [\"proactor.>\", \"_INBOX.>\"] }} }} ] }}",
        scratch.0
    );
    std::fs::write(&config, rules).unwrap();
    let Some(broker) = Broker::start(&["-c", config.to_str().unwrap()]) else { return };
    let url = broker.url().replace("nats://", "nats://me:secret@");
    let node = Node::join(&url, "b", Duration::from_secs(1));
    assert_eq!(Client::try_log_in(node.address, "refuse ann").1, "unreachable");
}

#[test]
fn three_nats_servers_keep_the_keys_when_the_leader_is_killed() {
    let scratches = [(); 3].map(|()| Scratch::new());
    let routes: Vec<String> = (0..3).map(|_| format!("nats://127.0.0.1:{}", free_port())).collect();
    let all = routes.join(",");
    let start = |(index, route): (usize, &String)| {
        let (name, store) = (format!("s{index}"), scratches[index].0.to_str().unwrap());
        let own = ["--cluster_name", "keys", "--cluster", route, "--routes", &all];
        Broker::start(&[&["-js", "-sd", store, "-n", &name][..], &own].concat())
    };
    let Some(mut brokers) = routes.iter().enumerate().map(start).collect::<Option<Vec<Broker>>>() else { return };
    let urls: Vec<String> = brokers.iter().map(Broker::url).collect();
    let [a, b] = ["a", "b"].map(|name| {
        let nats = Nats::new(urls.join(",")).node(name).directory(3);
        Node::start(nats.connect().unwrap().lease(LONG_LEASE))
    });
    let mut client = None;
    wait_until("JetStream to have a leader", || {
        let (new, answer) = Client::log_in(a.address, "refuse ann");
        client = Some(new);
        answer == "ok"
    });
    for (round, broker) in brokers.iter_mut().take(2).enumerate() {
        broker.kill();
        let (mut number, mut answer) = (0, String::new());
        wait_until("another leader", || {
            number += 1;
            answer = Client::log_in(b.address, &format!("refuse user-{round}-{number}")).1;
            answer == "ok"
        });
        assert_eq!(Client::log_in(b.address, "refuse ann").1, "taken");
        broker.restart();
        // Two of three must be there for the next round.
        wait_until("the server to be back", || Client::log_in(b.address, &format!("refuse back-{round}")).1 != "taken");
    }
    assert!(client.is_some_and(|client| client.is_open()));
}

#[test]
fn too_many_replicas_are_an_error() {
    let error = Nats::new("nats://127.0.0.1:1").node("a").directory(6).connect().unwrap_err();
    assert!(matches!(error, ConnectError::Config(_)) && error.to_string().contains("6 replicas"), "{error}");
}
