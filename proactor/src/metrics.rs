//! What a server counts, for Prometheus.
//!
//! [`Builder::metrics`](crate::Builder::metrics) has the shards count, and
//! [`Handle::registry`](crate::Handle::registry) returns a registry of the
//! [`prometheus_client`] crate with all of it, to which a program can add metrics of its own.
//! [`encode`] writes a page of it for a scrape.
//!
//! Sessions are counted by listener and shard, never by peer. `docs/operations.md` in the
//! repository lists every metric, with the alerts worth having. Names and labels are part of this
//! crate's public interface.
//!
//! - **Exact.** Each shard counts for itself, without a lock; a scrape sums. Counts of one shard
//!   may be some packets apart, because a scrape does not stop it.
//! - **Cost.** A server that does not count pays a few instructions a message. One that does pays
//!   some more, and one more reading of the clock a turn.
//!
//! ```
//! use std::sync::atomic::AtomicU64;
//!
//! use proactor::metrics::prometheus_client::metrics::counter::Counter;
//! use proactor::metrics::{self, Format};
//! use proactor::{AsyncSession, Server};
//!
//! async fn idle(session: AsyncSession) {
//!     while session.next().await.is_some() {}
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let server = Server::builder().listen("127.0.0.1:0").shards(1).metrics(true).serve(idle)?;
//! let mut registry = server.handle().registry();
//! let orders: Counter = Counter::default();
//! registry.register("shop_orders", "Orders that were placed", orders.clone());
//! orders.inc();
//!
//! // What an HTTP server answers a scrape with.
//! let page = metrics::encode(&registry, Format::of_accept("application/openmetrics-text"));
//! assert!(page.contains("shop_orders_total 1\n"));
//! assert!(page.contains("# TYPE proactor_sessions gauge\n"));
//! # Ok(())
//! # }
//! ```

mod totals;

use std::fmt;
use std::sync::Arc;

pub use prometheus_client;
pub use totals::Totals;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet, prometheus_text, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit};

use crate::meter::{Count, ListenerMeter, ShardMeter, Snapshot, datagram_drop_label, tls_failure_label};
use crate::server::Handle;
use crate::shard::directory::{Directory, Phase};

/// A form of a page of metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Format {
    /// Prometheus' text, version 0.0.4.
    #[default]
    Prometheus,
    /// OpenMetrics' text, version 1.0.0.
    OpenMetrics,
}

impl Format {
    /// The form that a scrape asks for by its `Accept` header.
    pub fn of_accept(accept: &str) -> Format {
        match accept.contains("application/openmetrics-text") {
            true => Format::OpenMetrics,
            false => Format::Prometheus,
        }
    }

    /// The `Content-Type` of a page.
    pub fn content_type(self) -> &'static str {
        match self {
            Format::Prometheus => prometheus_text::CONTENT_TYPE,
            Format::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// A page with everything in a registry.
///
/// If a metric of the program cannot be encoded, the page ends before it, and a line in the log
/// says so.
pub fn encode(registry: &Registry, format: Format) -> String {
    let mut page = String::new();
    let encoded = match format {
        Format::Prometheus => prometheus_text::encode(&mut page, registry),
        Format::OpenMetrics => text::encode(&mut page, registry),
    };
    if encoded.is_err() {
        tracing::error!("a metric could not be encoded: the page of metrics is cut short");
    }
    page
}

impl<M> Handle<M> {
    /// A registry with all that the server [counts](crate::Builder::metrics), to be encoded by
    /// [`metrics::encode`](encode) and added to. A server that does not count puts nothing into it.
    ///
    /// It reads the counts when it is encoded, from any thread, and also when the server has ended.
    pub fn registry(&self) -> Registry {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Counts(Arc::clone(&self.directory))));
        registry
    }
}

/// The listener of sessions that the server has connected itself.
const OUTBOUND: &str = "outbound";

/// The counts of a server's shards.
struct Counts(Arc<Directory>);

impl fmt::Debug for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Counts")
    }
}

/// One shard's counts of one listener.
struct Row<'d> {
    listener: &'d str,
    shard: &'d str,
    meter: &'d ListenerMeter,
}

type Labels<'l> = Vec<(&'static str, &'l str)>;

impl Collector for Counts {
    fn encode(&self, encoder: DescriptorEncoder) -> fmt::Result {
        let shards: Vec<&ShardMeter> = self.0.meters().collect();
        if shards.is_empty() {
            return Ok(());
        }
        let (listeners, numbers) = (self.listeners(), (0..shards.len()).map(|shard| shard.to_string()));
        let numbers: Vec<String> = numbers.collect();
        let mut page = Page { encoder, rows: Vec::new(), shards: Vec::new() };
        for (shard, number) in shards.into_iter().zip(&numbers) {
            page.shards.push((number.as_str(), shard));
            for (listener, meter) in listeners.iter().map(String::as_str).chain([OUTBOUND]).zip(shard.listeners()) {
                page.rows.push(Row { listener, shard: number, meter });
            }
        }
        // A server that has connected to nobody has no rows for that.
        let is_used = page.rows.iter().any(|row| row.listener == OUTBOUND && row.meter.begun.get() > 0);
        page.rows.retain(|row| is_used || row.listener != OUTBOUND);
        page.sessions()?;
        page.packets()?;
        page.peers()?;
        page.shards()?;
        self.server(&mut page.encoder, &listeners)
    }
}

impl Counts {
    /// What each listener is called: its name, if no other has that; otherwise its address.
    fn listeners(&self) -> Vec<String> {
        let all = &self.0.listeners;
        let is_unique = |name: &str| all.iter().filter(|listener| listener.name() == name).count() == 1;
        let label = |listener: &crate::ListenerInfo| match listener.name() {
            name if !name.is_empty() && name != OUTBOUND && is_unique(name) => name.to_owned(),
            _ => listener.address().to_string(),
        };
        all.iter().map(label).collect()
    }

    /// What is counted for the whole server.
    fn server(&self, encoder: &mut DescriptorEncoder<'_>, listeners: &[String]) -> fmt::Result {
        let stats = self.0.snapshot();
        let (name, help) = ("proactor_handshakes", "Sessions that wait for their first packet");
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (index, listener) in listeners.iter().enumerate() {
            let handshakes = self.0.admission.handshakes_of(index) as u64;
            family.encode_family(&[("listener", listener.as_str())])?.encode_gauge(&handshakes)?;
        }
        let (name, help) = ("proactor_tls_failures", "Connections over TLS that failed, by what was wrong");
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (failure, count) in stats.tls_failures() {
            family.encode_family(&[("reason", tls_failure_label(failure))])?.count(count)?;
        }
        #[cfg(feature = "websocket")]
        {
            let (name, help) = ("proactor_upgrades_refused", "Upgrades to WebSocket that were refused, by status");
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            for (status, count) in stats.upgrades_refused() {
                family.encode_family(&[("status", u32::from(status))])?.count(count)?;
            }
        }
        let (name, help) = ("proactor_ends", "Sessions that ended, by what became of the bytes queued for the peer");
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (delivery, count) in [("flushed", stats.flushed), ("cut", stats.cut)] {
            family.encode_family(&[("delivery", delivery)])?.count(count)?;
        }
        let (name, help) = ("proactor_drained", "Sessions that ended in a drain, whole or cut");
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (delivery, count) in [("flushed", stats.drained), ("cut", stats.drain_cut)] {
            family.encode_family(&[("delivery", delivery)])?.count(count)?;
        }
        let (name, help) = ("proactor_draining", "1 while the server is drained or stopped, otherwise 0");
        let draining = u64::from(self.0.phase() != Phase::Running);
        encoder.encode_descriptor(name, help, None, MetricType::Gauge)?.encode_gauge(&draining)
    }
}

/// A page that is being written.
struct Page<'e, 'd> {
    encoder: DescriptorEncoder<'e>,
    rows: Vec<Row<'d>>,
    shards: Vec<(&'d str, &'d ShardMeter)>,
}

impl Page<'_, '_> {
    fn sessions(&mut self) -> fmt::Result {
        let now = |meter: &ListenerMeter| meter.begun.get().saturating_sub(meter.ended.get());
        self.gauge("proactor_sessions", "Sessions there are now", None, now)?;
        let (name, help) = ("proactor_accepts", "Connections that were accepted and became sessions");
        let mut family = self.encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        for row in self.rows.iter().filter(|row| row.listener != OUTBOUND) {
            family.encode_family(&row.labels())?.count(row.meter.begun.get())?;
        }
        let (name, help) = ("proactor_opened_transports", "Sessions whose TLS or WebSocket handshake succeeded");
        self.counter(name, help, None, |meter| &meter.opened)?;
        let (name, help) = ("proactor_refusals", "Connections that were refused, by reason");
        self.by_label(name, help, "reason", |meter| meter.refusals().collect())?;
        let (name, help) = ("proactor_closes", "Sessions that ended, by reason");
        self.by_label(name, help, "reason", |meter| meter.closings().collect())
    }

    fn packets(&mut self) -> fmt::Result {
        let bytes = Some(&Unit::Bytes);
        let help = "Bytes that came by connections, as they are on the wire";
        self.counter("proactor_received", help, bytes, |meter| &meter.received_bytes)?;
        let help = "Bytes that the system has taken for connections, as they are on the wire";
        self.counter("proactor_sent", help, bytes, |meter| &meter.sent_bytes)?;
        let help = "Packets that were handed to the logic, or passed on to a partner";
        self.counter("proactor_received_packets", help, None, |meter| &meter.received_packets)?;
        let help = "Packets that were queued for peers: private ones, and broadcasts for each member";
        self.counter("proactor_sent_packets", help, None, |meter| &meter.sent_packets)
    }

    fn peers(&mut self) -> fmt::Result {
        let bytes = Some(&Unit::Bytes);
        let help = "Bytes queued for peers now, with those in flight";
        self.gauge("proactor_queued", help, bytes, |meter| meter.queued_bytes.get())?;
        let help = "Bytes queued for a peer, with those in flight, when something was queued for it";
        let mut family = self.encoder.encode_descriptor("proactor_outbox", help, bytes, MetricType::Histogram)?;
        for row in &self.rows {
            family.encode_family(&row.labels())?.histogram(&row.meter.depths.snapshot(), 1.0)?;
        }
        let help = "What was done about peers that took too little: reading was paused, packets were dropped, \
            or the session was closed";
        self.by_label("proactor_slow_consumer_actions", help, "action", |meter| {
            let ListenerMeter { paused, droppings, too_slow, .. } = meter;
            vec![("paused", paused.get()), ("dropped", droppings.get()), ("closed", too_slow.get())]
        })?;
        let help = "Packets that were dropped because peers took too little";
        self.counter("proactor_dropped_packets", help, None, |meter| &meter.dropped)?;
        let help = "Heartbeats that were due";
        self.counter("proactor_heartbeats", help, None, |meter| &meter.heartbeats)?;
        let help = "Heartbeats after which nothing came from the peer until the next was due";
        self.counter("proactor_heartbeats_missed", help, None, |meter| &meter.heartbeats_missed)
    }

    fn shards(&mut self) -> fmt::Result {
        let help = "Outbound connections that became sessions";
        self.of_shards("proactor_connects", help, |shard| &shard.connects)?;
        let help = "Outbound connections that could not be made";
        self.of_shards("proactor_connect_failures", help, |shard| &shard.connects_failed)?;
        let help = "Broadcasts of groups, counted on each shard that has members";
        self.of_shards("proactor_broadcasts", help, |shard| &shard.broadcasts)?;
        let help = "Receives that found no free buffer in the shard's pool, and waited for one";
        self.of_shards("proactor_pool_starvations", help, |shard| &shard.starvations)?;
        let help = "Times that accepting paused because no file descriptors were left";
        self.of_shards("proactor_out_of_files", help, |shard| &shard.out_of_files)?;
        let help = "Datagrams that came, whatever became of them";
        self.of_shards("proactor_received_datagrams", help, |shard| &shard.datagrams_received)?;
        let help = "Datagrams that the system has sent";
        self.of_shards("proactor_sent_datagrams", help, |shard| &shard.datagrams_sent)?;
        let (name, help) = ("proactor_dropped_datagrams", "Datagrams that were dropped, by reason");
        let mut family = self.encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (number, shard) in &self.shards {
            for (why, count) in shard.datagram_drops() {
                let labels = [("shard", *number), ("reason", datagram_drop_label(why))];
                family.encode_family(&labels)?.count(count)?;
            }
        }
        let (name, help) = ("proactor_turn", "Time of a turn that had something to do, from the end of its wait");
        let mut family = self.encoder.encode_descriptor(name, help, Some(&Unit::Seconds), MetricType::Histogram)?;
        for (number, shard) in &self.shards {
            family.encode_family(&[("shard", *number)])?.histogram(&shard.turns.snapshot(), 1e9)?;
        }
        let (name, help) = (
            "proactor_turn_completions",
            "Completions of a turn that had something to do; sends taken at once have none",
        );
        let mut family = self.encoder.encode_descriptor(name, help, None, MetricType::Histogram)?;
        for (number, shard) in &self.shards {
            family.encode_family(&[("shard", *number)])?.histogram(&shard.completions.snapshot(), 1.0)?;
        }
        Ok(())
    }

    fn counter(
        &mut self,
        name: &str,
        help: &str,
        unit: Option<&Unit>,
        count: impl Fn(&ListenerMeter) -> &Count,
    ) -> fmt::Result {
        let mut family = self.encoder.encode_descriptor(name, help, unit, MetricType::Counter)?;
        self.rows.iter().try_for_each(|row| family.encode_family(&row.labels())?.count(count(row.meter).get()))
    }

    fn gauge(
        &mut self,
        name: &str,
        help: &str,
        unit: Option<&Unit>,
        value: impl Fn(&ListenerMeter) -> u64,
    ) -> fmt::Result {
        let mut family = self.encoder.encode_descriptor(name, help, unit, MetricType::Gauge)?;
        self.rows.iter().try_for_each(|row| family.encode_family(&row.labels())?.encode_gauge(&value(row.meter)))
    }

    fn by_label(
        &mut self,
        name: &str,
        help: &str,
        label: &'static str,
        counts: impl Fn(&ListenerMeter) -> Vec<(&'static str, u64)>,
    ) -> fmt::Result {
        let mut family = self.encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        for row in &self.rows {
            for (value, count) in counts(row.meter) {
                let mut labels = row.labels();
                labels.push((label, value));
                family.encode_family(&labels)?.count(count)?;
            }
        }
        Ok(())
    }

    fn of_shards(&mut self, name: &str, help: &str, count: impl Fn(&ShardMeter) -> &Count) -> fmt::Result {
        let mut family = self.encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        let mut rows = self.shards.iter();
        rows.try_for_each(|(number, shard)| family.encode_family(&[("shard", *number)])?.count(count(shard).get()))
    }
}

impl<'d> Row<'d> {
    fn labels(&self) -> Labels<'d> {
        vec![("listener", self.listener), ("shard", self.shard)]
    }
}

/// Encodes one series.
trait Series {
    fn count(&mut self, count: u64) -> fmt::Result;
    /// So many of the values are one of the metric's unit.
    fn histogram(&mut self, values: &Snapshot, per_unit: f64) -> fmt::Result;
}

impl Series for MetricEncoder<'_> {
    fn count(&mut self, count: u64) -> fmt::Result {
        self.encode_counter::<NoLabelSet, u64, u64>(&count, None)
    }

    fn histogram(&mut self, values: &Snapshot, per_unit: f64) -> fmt::Result {
        let bound = |bound: Option<u64>| bound.map_or(f64::INFINITY, |bound| bound as f64 / per_unit);
        let buckets: Vec<(f64, u64)> = values.buckets.iter().map(|(upto, count)| (bound(*upto), *count)).collect();
        self.encode_histogram::<NoLabelSet>(values.sum as f64 / per_unit, values.count, &buckets, None)
    }
}
