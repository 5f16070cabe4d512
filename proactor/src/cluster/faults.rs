//! What goes wrong in a simulated cluster, and how often.

use std::time::Duration;

/// How the bus of a [simulated cluster](super::Cluster::simulated) behaves. By default messages
/// take 50 µs to 1 ms, and none is lost. Each "one in so many" is 0 for never.
#[derive(Clone, Debug)]
pub struct ClusterFaults {
    pub(super) delay: (Duration, Duration),
    pub(super) lost: u32,
    pub(super) doubled: u32,
    pub(super) refused: u32,
    pub(super) answers_lost: u32,
}

impl Default for ClusterFaults {
    fn default() -> ClusterFaults {
        let delay = (Duration::from_micros(50), Duration::from_millis(1));
        ClusterFaults { delay, lost: 0, doubled: 0, refused: 0, answers_lost: 0 }
    }
}

impl ClusterFaults {
    /// Without faults.
    pub fn new() -> ClusterFaults {
        ClusterFaults::default()
    }

    /// How long a message takes to each subscriber: drawn from this range. The messages of one
    /// node to one subject stay in order. A call of the [records](super::Records) takes two of
    /// these times.
    pub fn delay(mut self, least: Duration, most: Duration) -> ClusterFaults {
        self.delay = (least, most.max(least));
        self
    }

    /// One in so many messages does not reach a subscriber. Each subscriber has its own luck. As
    /// many calls do not reach the [records](super::Records).
    pub fn lost(mut self, one_in: u32) -> ClusterFaults {
        self.lost = one_in;
        self
    }

    /// One in so many messages reaches a subscriber twice.
    pub fn doubled(mut self, one_in: u32) -> ClusterFaults {
        self.doubled = one_in;
        self
    }

    /// One in so many messages is not taken by the bus: its node is told that it is not published.
    /// As many calls of the [records](super::Records) are not taken.
    pub fn refused(mut self, one_in: u32) -> ClusterFaults {
        self.refused = one_in;
        self
    }

    /// One in so many answers of the [records](super::Records) is lost: the change is made, and its
    /// node is not told. Of these, every other change is made only after the node has given up to
    /// wait.
    pub fn answers_lost(mut self, one_in: u32) -> ClusterFaults {
        self.answers_lost = one_in;
        self
    }
}
