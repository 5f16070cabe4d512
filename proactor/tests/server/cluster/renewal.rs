//! A lease is renewed by a node that has nothing else to do. Its records and its bus count.

use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use proactor::cluster::{
    Bus, BusEvents, Cluster, Done, Record, RecordError, Records, Revision, Subscriber, Topic, Unpublished,
};
use proactor::codec::Lines;
use proactor::{Backend, Flow, Handler, NoMessage, Session};

use crate::harness::{address_of, backends, builder, connect, finish, wait_until};

/// A cluster of one node, where each write succeeds.
#[derive(Clone, Debug, Default)]
struct Counting {
    tells: Arc<AtomicU64>,
    writes: Arc<AtomicU64>,
}

impl Bus for Counting {
    fn max_message(&self) -> usize {
        1 << 20
    }
    fn topic(&self, subject: &str) -> Arc<dyn Topic> {
        let published = if subject == "nodes" { Arc::clone(&self.tells) } else { Arc::default() };
        Arc::new(Counted(published))
    }
    fn attach(&self, _: Weak<dyn BusEvents>) {}
    fn records(&self) -> Option<Arc<dyn Records>> {
        Some(Arc::new(self.clone()))
    }
}

struct Counted(Arc<AtomicU64>);

impl Topic for Counted {
    fn publish(&self, _: Bytes) -> Result<(), Unpublished> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
    fn subscribe(&self, _: Subscriber) {}
    fn unsubscribe(&self, _: &Subscriber) {}
}

impl Records for Counting {
    fn get(&self, _: &str, done: Done<Option<Record>>) {
        done(Ok(None));
    }
    fn put(&self, _: &str, _: Bytes, expected: Revision, done: Done<Revision>) {
        self.writes.fetch_add(1, Ordering::Relaxed);
        done(Ok(Revision(expected.0 + 1)));
    }
    fn delete(&self, _: &str, _: Revision, done: Done<()>) {
        done(Err(RecordError::Conflict));
    }
}

#[derive(Clone)]
struct User;

impl Handler for User {
    type State = ();
    type Message = NoMessage;
    fn connected(&mut self, _: &Session) {}
    fn received(&mut self, session: &Session, (): &mut (), line: &[u8]) -> Flow {
        session.identify(line).unwrap();
        Flow::Continue
    }
}

#[test]
fn an_idle_node_renews_its_lease_in_time() {
    // It takes seconds, and no work.
    std::thread::scope(|scope| {
        for backend in backends() {
            scope.spawn(move || renews_in_time(backend));
        }
    });
}

fn renews_in_time(backend: Backend) {
    let counts = Counting::default();
    let node = Cluster::on(counts.clone()).node("one").lease(Duration::from_secs(1));
    let server = builder(backend, 1).codec(Lines::new()).cluster(node).start(User).unwrap();
    let mut ann = connect(address_of(&server));
    writeln!(ann, "ann").unwrap();
    let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
    wait_until("the key to be the cluster's", || of(&counts.writes) >= 2);
    let (writes, tells) = (of(&counts.writes), of(&counts.tells));
    // The others are told every two seconds how the node is, and it renews four times in one.
    wait_until("the others to be told twice", || of(&counts.tells) >= tells + 2);
    let (writes, tells) = (of(&counts.writes) - writes, of(&counts.tells) - tells);
    assert!(writes > 2 * tells, "{writes} renewals while the others were told {tells} times");
    drop(ann);
    finish(server);
}
