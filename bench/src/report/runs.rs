//! The rounds of one contestant in one case.

use loadgen::workload::Measurement;
use serde::{Deserialize, Serialize};

use super::summary::Summary;

/// One contestant's rounds of one case.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Runs {
    pub(crate) contestant: String,
    /// How it is written.
    pub(crate) how: String,
    /// A bare loop of system calls.
    #[serde(default)]
    pub(crate) floor: bool,
    /// What has to be said beside its numbers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) remark: Option<String>,
    #[serde(flatten)]
    pub(crate) outcome: Outcome,
    /// For readers of the JSON: calculated from the rounds, not read back.
    #[serde(skip_deserializing)]
    pub(crate) summary: Option<Summary>,
    /// By round. `None` where the contestant did not take part.
    pub(crate) rounds: Vec<Option<Measurement>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub(crate) enum Outcome {
    Measured,
    /// Erred: reported, and nothing of it averaged.
    Failed {
        round: usize,
        reason: String,
    },
    Absent {
        reason: String,
    },
}

impl Runs {
    /// The summary against a baseline; none unless the contestant was measured.
    pub(super) fn summarized(&self, baseline: Option<&Runs>) -> Option<Summary> {
        match self.outcome {
            Outcome::Measured => Summary::of(&self.rounds, baseline.map(|runs| &runs.rounds[..])),
            _ => None,
        }
    }
}
