//! The state of a server in one answer, and whether it is well and ready.

use std::time::{Duration, Instant};

use hyper::StatusCode;
use serde::Serialize;

use super::answer::Answer;
use super::history::{Counts, by_label};
use super::place::{Place, Running};
use crate::answering::ask;
use crate::{logging, system};

/// A shard that does not answer in this time is not well.
const HEALTH_TIME: Duration = Duration::from_secs(5);

#[derive(Serialize)]
struct Status<'s> {
    command: &'s str,
    version: &'static str,
    pid: u32,
    since: String,
    uptime_seconds: u64,
    addresses: &'s [String],
    backend: &'s str,
    shards: usize,
    ready: bool,
    log_level: &'static str,
    memory_bytes: Option<u64>,
    sessions: usize,
    most_sessions: usize,
    outbound: usize,
    handshakes: usize,
    groups: usize,
    keys: usize,
    /// Its name in a cluster.
    node: Option<String>,
    accepted: u64,
    connected: u64,
    connects_failed: u64,
    refused: Counts,
    closed: Counts,
    dropped_packets: u64,
    out_of_files: u64,
    drained: u64,
    drain_cut: u64,
    received_bytes: u64,
    sent_bytes: u64,
    received_packets: u64,
    sent_packets: u64,
    broadcasts: u64,
    queued_bytes: u64,
    slow_consumer_actions: u64,
    pool_starvations: u64,
    heartbeats_missed: u64,
    turns: u64,
    turn_seconds: f64,
}

pub(super) fn status(running: &Running) -> Answer {
    let Running { subject, since, began, .. } = running;
    let handle = &subject.handle;
    let stats = handle.stats();
    let totals = handle.totals().unwrap_or_default();
    Answer::json(&Status {
        command: &subject.name,
        version: env!("CARGO_PKG_VERSION"),
        pid: std::process::id(),
        since: humantime::format_rfc3339_seconds(*since).to_string(),
        uptime_seconds: began.elapsed().as_secs(),
        addresses: &subject.addresses,
        backend: &subject.backend,
        shards: subject.shards,
        ready: !handle.is_ending(),
        log_level: logging::level(),
        memory_bytes: system::resident_memory(),
        sessions: stats.sessions,
        most_sessions: subject.reloading.most_sessions(),
        outbound: stats.outbound,
        handshakes: stats.handshakes,
        groups: handle.groups(),
        keys: handle.keys(),
        node: handle.cluster().map(|stats| stats.node.to_string()),
        accepted: stats.accepted,
        connected: stats.connected,
        connects_failed: stats.connects_failed,
        refused: by_label(stats.refusals().map(|(refusal, count)| (refusal.label(), count))),
        closed: by_label(stats.closings().map(|(reason, count)| (reason.label(), count))),
        dropped_packets: stats.dropped,
        out_of_files: stats.out_of_files,
        drained: stats.drained,
        drain_cut: stats.drain_cut,
        received_bytes: totals.received_bytes,
        sent_bytes: totals.sent_bytes,
        received_packets: totals.received_packets,
        sent_packets: totals.sent_packets,
        broadcasts: totals.broadcasts,
        queued_bytes: totals.queued_bytes,
        slow_consumer_actions: totals.slow_consumers,
        pool_starvations: totals.starvations,
        heartbeats_missed: totals.heartbeats_missed,
        turns: totals.turns,
        turn_seconds: totals.turn_time.as_secs_f64(),
    })
}

#[derive(Serialize)]
struct Ready {
    ready: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<&'static str>,
}

/// Whether new sessions are to be sent here: not before the server has started, nor from the moment
/// on in which it is told to end.
pub(super) fn ready(place: &Place) -> Answer {
    let why = match place.running() {
        Err(_) => Some("the server is starting"),
        Ok(running) if running.subject.handle.is_ending() => Some("the server is ending"),
        Ok(_) => None,
    };
    let status = if why.is_none() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    Answer::of(status, &Ready { ready: why.is_none(), why })
}

#[derive(Serialize)]
struct Health {
    healthy: bool,
    /// Shards that do not answer.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    stuck_shards: Vec<usize>,
}

/// Whether every shard answers.
pub(super) async fn health(place: &Place) -> Answer {
    let stuck_shards = match place.running() {
        Ok(running) => stuck_shards(place, running, HEALTH_TIME).await,
        Err(_) => Vec::new(),
    };
    let healthy = stuck_shards.is_empty();
    let status = if healthy { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    Answer::of(status, &Health { healthy, stuck_shards })
}

/// The shards that do not answer within a time.
async fn stuck_shards(place: &Place, running: &Running, time: Duration) -> Vec<usize> {
    let handle = &running.subject.handle;
    // All are asked before the first is waited for.
    let asked: Vec<_> = (0..running.subject.shards).filter_map(|shard| Some((shard, ask(handle, shard)?))).collect();
    let end = Instant::now() + time;
    let mut stuck = Vec::new();
    for (shard, asked) in asked {
        let answers = match asked {
            Ok(answer) => place.clock.within(end.saturating_duration_since(Instant::now()), answer).await.is_some(),
            // It does not even take mail.
            Err(_) => false,
        };
        if !answers {
            stuck.push(shard);
        }
    }
    stuck
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use proactor::{DrainOptions, Listener, Server};

    use super::super::access::Access;
    use super::super::place::Subject;
    use super::*;
    use crate::blocked::Blocked;
    use crate::notify::Notify;
    use crate::reloading::{Certificates, Reloading};
    use crate::room;
    use crate::upgrade::Upgrade;

    /// Turns the clock as the listener's shard does.
    fn wait_for<T>(place: &Place, future: impl Future<Output = T>) -> T {
        let mut future = pin!(future);
        loop {
            if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                return value;
            }
            std::thread::sleep(Duration::from_millis(1));
            place.clock.tick();
        }
    }

    #[test]
    fn a_shard_that_its_logic_blocks_is_found_and_is_well_again_when_it_goes_on() {
        let blocked = Blocked::new();
        let server = Server::builder().listen("127.0.0.1:0").shards(2).start(blocked.clone()).unwrap();
        let place = Place::new(Access::new(&Listener::new("127.0.0.1:1"), "", None).unwrap());
        let is_well = |place: &Place| wait_for(place, health(place)).status() == StatusCode::OK;
        assert!(is_well(&place), "a server that starts is not ill");
        assert_eq!(ready(&place).status(), StatusCode::SERVICE_UNAVAILABLE, "nor ready");
        let files = room::Place { files: 64, tables: None, files_each: 1, sockets: 64, more_files: 0 };
        let room = files.room(None).unwrap();
        place.begin(Subject {
            handle: server.handle().untyped(),
            name: "test".into(),
            addresses: Vec::new(),
            backend: String::new(),
            shards: 2,
            drain: DrainOptions::new(Duration::ZERO),
            drain_timeout: Duration::ZERO,
            reloading: Reloading::new(&Notify::default(), Certificates::default(), server.handle().untyped(), &room),
            upgrade: Upgrade::new(),
        });
        assert!(is_well(&place) && ready(&place).status() == StatusCode::OK);
        let mut client = std::net::TcpStream::connect(server.local_addrs()[0].ip().unwrap()).unwrap();
        std::io::Write::write_all(&mut client, b"stop").unwrap();
        blocked.wait();
        let stuck = |time| wait_for(&place, stuck_shards(&place, place.running().unwrap(), time));
        let found = stuck(Duration::from_millis(50));
        assert!(found.len() == 1 && found[0] < 2, "{found:?}");
        blocked.go_on();
        assert!(is_well(&place));
        server.handle().drain(Duration::ZERO);
        assert_eq!(ready(&place).status(), StatusCode::SERVICE_UNAVAILABLE);
    }
}
