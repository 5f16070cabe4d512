//! Mail between nodes, without servers.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use overlapped::sim::Network;

use super::gap::Gap;
use super::ledger::Report;
use super::mail::{MailKind, NodeMail};
use super::node::Node;
use super::post::Unsent;
use super::stats::ClusterStats;
use super::status::Status;
use super::{Bus, BusEvents, Cluster, ClusterFaults, Topic, Unpublished};

/// A node, and the mail that it has and keeps.
struct Kept {
    node: Arc<Node>,
    mail: Arc<Mutex<Vec<NodeMail>>>,
}

impl Kept {
    fn new(cluster: &Cluster, name: &str) -> Kept {
        let mail = Arc::<Mutex<Vec<NodeMail>>>::default();
        let keeping = Arc::clone(&mail);
        let deliver = move |mail| {
            keeping.lock().unwrap().push(mail);
            true
        };
        Kept { node: Node::new(&cluster.node(name), Vec::new(), Box::new(deliver)), mail }
    }

    fn number(&self) -> u64 {
        self.node.ledger.number
    }

    /// Takes the bodies of what is there.
    fn take(&self) -> Vec<String> {
        let mail = std::mem::take(&mut *self.mail.lock().unwrap());
        mail.iter().map(|mail| String::from_utf8(mail.body.to_vec()).unwrap()).collect()
    }

    fn stats(&self) -> ClusterStats {
        ClusterStats::of(&self.node.ledger)
    }

    fn told_missing(&self) -> u64 {
        let of = |report: &Report| match &report.gap {
            Gap::MissedMail { messages, .. } => *messages,
            gap => panic!("{gap}"),
        };
        std::iter::from_fn(|| Some(self.node.ledger.take_reports()).filter(|reports| !reports.is_empty()))
            .flatten()
            .map(|report| of(&report))
            .sum()
    }
}

fn mail(from: &Kept, to: &Kept, body: &str) -> Result<(), Unsent> {
    from.node.mail(to.number(), MailKind::Status, body.as_bytes())
}

#[test]
fn mail_reaches_its_node_in_order_and_mail_for_all_reaches_the_others() {
    let cluster = Cluster::in_process();
    let [a, b, c] = ["a", "b", "c"].map(|name| Kept::new(&cluster, name));
    for number in 0..100 {
        mail(&a, &b, &format!("{number}")).unwrap();
    }
    a.node.mail_all(MailKind::Status, b"all").unwrap();
    mail(&c, &a, "back").unwrap();
    {
        let kept = b.mail.lock().unwrap();
        assert_eq!((kept[0].from, &*kept[0].node, kept[0].kind), (a.number(), "a", MailKind::Status));
    }
    let expected: Vec<String> = (0..100).map(|number| number.to_string()).chain(["all".into()]).collect();
    assert_eq!((b.take(), c.take(), a.take()), (expected, vec!["all".into()], vec!["back".into()]));
    assert_eq!((b.stats().mail_received, b.stats().mail_missed), (101, 0));
    let (gone, goodbye) = (b.number(), Status { ends: true, ..Status::default() });
    drop(b);
    assert_eq!(Status::parse(&a.mail.lock().unwrap()[0].body), Some(goodbye));
    assert_eq!(a.node.mail(gone, MailKind::Status, b"nobody"), Ok(()), "a bus may not know that");
    assert_eq!(c.mail.lock().unwrap().len(), 1, "no other gets it");
}

#[test]
fn what_shards_do_not_take_is_bounded_and_what_is_over_it_is_told() {
    let cluster = Cluster::in_process();
    let [a, b] = ["a", "b"].map(|name| Kept::new(&cluster, name));
    (0..8_192 + 100).for_each(|_| mail(&a, &b, "x").unwrap());
    assert_eq!((b.stats().mail_received, b.stats().mail_missed, b.told_missing()), (8_192, 100, 100));
    assert_eq!(b.take().len(), 8_192);
    let long = "x".repeat(5 << 20);
    (0..5).for_each(|_| mail(&a, &b, &long).unwrap());
    assert_eq!((b.take().len(), b.told_missing()), (3, 2), "16 MiB");
    mail(&a, &b, "again").unwrap();
    assert_eq!((b.take(), b.told_missing()), (vec!["again".into()], 0));
    // What is told to all is told again, so the logic is not told of that.
    (0..8_193).for_each(|_| a.node.mail_all(MailKind::Status, b"x").unwrap());
    assert_eq!((b.take().len(), b.stats().mail_missed, b.told_missing()), (8_192, 103, 0));
}

#[test]
fn over_a_bus_that_loses_and_doubles_mail_comes_in_order_once_and_what_is_missing_is_told() {
    let (mut missing, mut whole) = (0, 0);
    for seed in 0..50 {
        let network = Network::new(seed);
        let cluster = Cluster::simulated(&network);
        let [a, b] = ["a", "b"].map(|name| Kept::new(&cluster, name));
        let place = cluster.node("to have the bus");
        let bus = place.simulated().unwrap();
        let pass = || {
            while let Some(at) = bus.deadline() {
                network.advance_to(at);
                bus.turn();
            }
        };
        mail(&a, &b, "begin").unwrap();
        pass();
        let one_in = (seed % 4) as u32 * 3;
        let faults = ClusterFaults::new().delay(Duration::ZERO, Duration::from_millis(20));
        cluster.set_faults(faults.lost(one_in).doubled(one_in).refused(one_in));
        let sent: Vec<String> = (0..60).map(|number| number.to_string()).collect();
        let mut refused = 0;
        for body in &sent {
            refused += u64::from(mail(&a, &b, body) == Err(Unsent::Unpublished(Unpublished::Full)));
            if network.random().is_multiple_of(3) {
                pass();
            }
        }
        pass();
        cluster.set_faults(ClusterFaults::new());
        mail(&a, &b, "end").unwrap();
        pass();
        let came = b.take();
        let mut numbers = sent.iter();
        let in_order = came[1..came.len() - 1].iter().all(|body| numbers.any(|sent| sent == body));
        assert!(in_order && came[0] == "begin" && came.last().unwrap() == "end", "seed {seed}: {came:?}");
        let lost = (sent.len() + 2 - came.len()) as u64;
        assert_eq!((b.told_missing(), b.stats().mail_missed), (lost, lost), "seed {seed}");
        assert!(lost >= refused, "seed {seed}");
        missing += lost;
        whole += u64::from(lost == 0);
    }
    assert!(missing > 0 && whole > 0);
}

/// A bus with short messages, which takes none.
#[derive(Debug)]
struct Closed;

impl Bus for Closed {
    fn max_message(&self) -> usize {
        200
    }
    fn topic(&self, _: &str) -> Arc<dyn Topic> {
        Arc::new(Closed)
    }
    fn attach(&self, _: std::sync::Weak<dyn BusEvents>) {}
}

impl Topic for Closed {
    fn publish(&self, _: bytes::Bytes) -> Result<(), Unpublished> {
        Err(Unpublished::Disconnected)
    }
    fn subscribe(&self, _: super::Subscriber) {}
    fn unsubscribe(&self, _: &super::Subscriber) {}
}

#[test]
fn mail_that_is_not_sent_is_refused() {
    let kept = Kept::new(&Cluster::on(Closed), "a");
    let send = |bytes: usize| kept.node.mail(7, MailKind::Status, &vec![0; bytes]);
    // 87 bytes of the header, and what it is about.
    assert_eq!(send(113), Err(Unsent::TooLong { limit: 112 }));
    assert_eq!(send(112), Err(Unsent::Unpublished(Unpublished::Disconnected)));
}
