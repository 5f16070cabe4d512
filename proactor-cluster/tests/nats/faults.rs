//! What reaches members on other nodes, whatever becomes of NATS.

use std::time::Duration;

use proactor_cluster::Nats;

use crate::broker::{Broker, free_port, wait_until};
use crate::chat::{Node, check, meet};

const CLIENTS: usize = 3;

fn node(urls: &str, name: &str) -> Node {
    Node::start(name, Nats::new(urls).node(name).connect().unwrap(), CLIENTS)
}

/// Every client says so many lines.
fn talk(nodes: &[Node], lines: usize, pause: Duration) {
    std::thread::scope(|scope| {
        for node in nodes {
            for (who, client) in node.clients.iter().enumerate() {
                scope.spawn(move || {
                    for number in 0..lines {
                        client.say(&format!("line {} {who} {number}", node.name));
                        if !pause.is_zero() {
                            std::thread::sleep(pause);
                        }
                    }
                });
            }
        }
    });
}

#[test]
fn three_nodes_hear_each_other_whole_in_order_and_once() {
    let Some(broker) = Broker::start(&[]) else { return };
    let nodes: Vec<Node> = ["a", "b", "c"].iter().map(|name| node(&broker.url(), name)).collect();
    meet(&nodes, "hello");
    talk(&nodes, 500, Duration::ZERO);
    assert_eq!(check(&nodes), 0, "nothing is lost");
}

#[test]
fn while_nats_is_killed_and_started_again_what_is_missing_is_told_exactly() {
    let Some(mut broker) = Broker::start(&[]) else { return };
    let nodes: Vec<Node> = ["a", "b"].iter().map(|name| node(&broker.url(), name)).collect();
    meet(&nodes, "hello");
    for round in 0..3 {
        std::thread::scope(|scope| {
            scope.spawn(|| talk(&nodes, 300, Duration::from_millis(1)));
            std::thread::sleep(Duration::from_millis(100));
            broker.kill();
        });
        wait_until("the nodes to notice", || nodes.iter().all(|node| node.interruptions() > round));
        // Their own members go on.
        talk(&nodes, 20, Duration::ZERO);
        broker.restart();
        meet(&nodes, &format!("again-{round}"));
    }
    let missing = check(&nodes);
    let unpublished: u64 = nodes.iter().map(Node::unpublished).sum();
    assert!(unpublished >= 3 * 2 * CLIENTS as u64 * 20, "{unpublished}: nothing is published without NATS");
    assert!(missing >= unpublished * CLIENTS as u64, "{missing} are missing of {unpublished}");
}

#[test]
fn a_node_that_cannot_reach_nats_serves_its_own_and_joins_the_others_later() {
    let port = free_port();
    let Some(mut broker) = Broker::at(port, &[]) else { return };
    let nodes: Vec<Node> = ["a", "b"].iter().map(|name| node(&broker.url(), name)).collect();
    talk(&nodes, 20, Duration::ZERO);
    wait_until("lost broadcasts are told", || nodes.iter().all(|node| node.unpublished() == (CLIENTS * 20) as u64));
    broker.restart();
    meet(&nodes, "hello");
    talk(&nodes, 100, Duration::ZERO);
    check(&nodes);
}

#[test]
fn a_cluster_of_three_nats_servers_loses_one() {
    let routes: Vec<String> = (0..3).map(|_| format!("nats://127.0.0.1:{}", free_port())).collect();
    let all = routes.join(",");
    let start = |route: &String| Broker::start(&["--cluster_name", "test", "--cluster", route, "--routes", &all]);
    let Some(mut brokers) = routes.iter().map(start).collect::<Option<Vec<Broker>>>() else { return };
    // Each node knows two servers, and begins with another.
    let urls = |index: usize| format!("{},{}", brokers[index].url(), brokers[(index + 1) % 3].url());
    let nodes: Vec<Node> = ["a", "b", "c"].iter().enumerate().map(|(at, name)| node(&urls(at), name)).collect();
    meet(&nodes, "hello");
    talk(&nodes, 200, Duration::ZERO);
    std::thread::scope(|scope| {
        scope.spawn(|| talk(&nodes, 200, Duration::from_millis(1)));
        std::thread::sleep(Duration::from_millis(50));
        brokers[0].kill();
    });
    meet(&nodes, "again");
    check(&nodes);
}
