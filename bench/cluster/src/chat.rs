//! The chat of two nodes: deliveries a second, processor time, and latency, of each contestant in
//! each round.

use std::cell::RefCell;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::task::LocalSet;

use crate::broker::Broker;
use crate::load::{Load, Members};
use crate::node::{Kind, Node, cpu_time};
use crate::plan::Plan;
use crate::statistics::{median, rank};

const WARM_UP: Duration = Duration::from_millis(300);
/// Messages of each sender that not all members have.
const OUTSTANDING: u64 = 64;

/// Of one contestant in one round.
#[derive(Clone, Copy)]
struct Round {
    deliveries_per_second: f64,
    /// Of both nodes, for each delivery.
    node_nanos: f64,
    /// Of nats-server, for each delivery.
    nats_nanos: f64,
    /// From a member of one node to those of the other, one message at a time, in microseconds.
    latency: f64,
    latency_99: f64,
}

/// What is shown of a round.
type Figure = (&'static str, fn(&Round) -> f64);

const FIGURES: [Figure; 5] = [
    ("deliveries/s", |round| round.deliveries_per_second),
    ("CPU of nodes, ns/delivery", |round| round.node_nanos),
    ("CPU of NATS, ns/delivery", |round| round.nats_nanos),
    ("latency, µs, median", |round| round.latency),
    ("latency, µs, 99 %", |round| round.latency_99),
];

async fn round(kind: Kind, plan: &Plan) -> Result<Round> {
    let broker = Broker::start()?;
    let nodes = [Node::start(kind, &broker.url(), "one")?, Node::start(kind, &broker.url(), "two")?];
    let window = Duration::from_secs_f64(plan.seconds);
    let used = RefCell::new(Vec::new());
    let note = || {
        let nodes = cpu_time(nodes[0].process())? + cpu_time(nodes[1].process())?;
        used.borrow_mut().push((nodes, cpu_time(broker.process())?));
        Ok(())
    };
    let mut members = Members::connect([nodes[0].address, nodes[1].address], plan.members).await?;
    let load = Load { senders: 2, outstanding: OUTSTANDING, warm_up: WARM_UP, window };
    let heard = members.run(load, note).await?;
    let [(nodes_before, nats_before), (nodes_after, nats_after)] = used.borrow()[..] else {
        anyhow::bail!("a window has two ends")
    };
    let one = Load { senders: 1, outstanding: 1, ..load };
    let mut latencies = members.run(one, || Ok(())).await?.latencies;
    let deliveries = heard.deliveries as f64;
    Ok(Round {
        deliveries_per_second: deliveries / heard.time.as_secs_f64(),
        node_nanos: (nodes_after - nodes_before).as_nanos() as f64 / deliveries,
        nats_nanos: (nats_after - nats_before).as_nanos() as f64 / deliveries,
        latency: rank(&mut latencies, 0.5) / 1e3,
        latency_99: rank(&mut latencies, 0.99) / 1e3,
    })
}

pub(crate) fn compare(plan: &Plan) -> Result<()> {
    println!(
        "chat: two nodes with {} members each; {OUTSTANDING} messages of each of two senders outstanding; latency of \
         one at a time; medians of {} rounds of {} s",
        plan.members, plan.rounds, plan.seconds
    );
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut rounds = vec![Vec::new(); Kind::CHATS.len()];
    for number in 0..plan.rounds {
        for turn in 0..Kind::CHATS.len() {
            let which = (number + turn) % Kind::CHATS.len();
            let kind = Kind::CHATS[which];
            let one = LocalSet::new().block_on(&runtime, round(kind, plan));
            rounds[which].push(one.with_context(|| format!("{}, round {number}", kind.name()))?);
        }
    }
    print!("{:28}", "");
    Kind::CHATS.iter().for_each(|kind| print!(" {:>16}", kind.name()));
    Kind::CHATS[1..].iter().for_each(|kind| print!(" {:>22}", format!("ours/{}", kind.name())));
    println!();
    for (name, figure) in FIGURES {
        print!("{name:28}");
        for rounds in &rounds {
            print!(" {:>16.1}", median(&rounds.iter().map(figure).collect::<Vec<f64>>()));
        }
        for others in &rounds[1..] {
            let mut ratios: Vec<f64> =
                rounds[0].iter().zip(others).map(|(ours, other)| figure(ours) / figure(other)).collect();
            let (low, high) = (rank(&mut ratios, 0.0), rank(&mut ratios, 1.0));
            print!(" {:>22}", format!("{:.2} [{low:.2}, {high:.2}]", median(&ratios)));
        }
        println!();
    }
    Ok(())
}
