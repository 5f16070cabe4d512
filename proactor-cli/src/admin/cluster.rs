//! The nodes of the server's cluster, and what this one has counted.

use std::time::SystemTime;

use hyper::StatusCode;
use proactor::Handle;
use proactor::cluster::NodeInfo;
use serde::Serialize;

use super::answer::Failure;

/// A node, and the cluster as it knows it.
#[derive(Serialize)]
pub(super) struct State {
    /// The name of this one.
    node: String,
    published: u64,
    received: u64,
    missed: u64,
    unpublished: u64,
    interruptions: u64,
    invalid: u64,
    stale: u64,
    mail_received: u64,
    mail_missed: u64,
    nodes: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    name: String,
    number: String,
    /// It is this server.
    this: bool,
    sessions: usize,
    keys: usize,
    shards: usize,
    draining: bool,
    since: String,
    uptime_seconds: u64,
    /// How long ago it was heard.
    silent_seconds: u64,
    queued_messages: Option<u64>,
    queued_bytes: Option<u64>,
    missed: u64,
    unpublished: u64,
    interruptions: u64,
}

impl Row {
    fn new(node: &NodeInfo, now: SystemTime) -> Row {
        let since = now.checked_sub(node.uptime + node.silence).filter(|since| *since >= SystemTime::UNIX_EPOCH);
        // The node says it itself.
        let since = since.unwrap_or(SystemTime::UNIX_EPOCH);
        Row {
            name: node.name.to_string(),
            number: format!("{:016x}", node.number),
            this: node.is_self,
            sessions: node.sessions,
            keys: node.keys,
            shards: node.shards,
            draining: node.is_draining,
            since: humantime::format_rfc3339_seconds(since).to_string(),
            uptime_seconds: node.uptime.as_secs(),
            silent_seconds: node.silence.as_secs(),
            queued_messages: node.queued.map(|queued| queued.messages),
            queued_bytes: node.queued.map(|queued| queued.bytes),
            missed: node.missed,
            unpublished: node.unpublished,
            interruptions: node.interruptions,
        }
    }
}

pub(super) fn state(handle: &Handle) -> Result<State, Failure> {
    let Some(stats) = handle.cluster() else {
        let what = "the server is no node of a cluster: `proactor chat --cluster URL --node NAME` is one";
        return Err(Failure::new(StatusCode::CONFLICT, what));
    };
    let now = SystemTime::now();
    Ok(State {
        node: stats.node.to_string(),
        published: stats.published,
        received: stats.received,
        missed: stats.missed,
        unpublished: stats.unpublished,
        interruptions: stats.interruptions,
        invalid: stats.invalid,
        stale: stats.stale,
        mail_received: stats.mail_received,
        mail_missed: stats.mail_missed,
        nodes: handle.nodes().iter().map(|node| Row::new(node, now)).collect(),
    })
}
