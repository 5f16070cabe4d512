//! How many spans have ended, and how many of them a collector has taken.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use opentelemetry::Context;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Span, SpanData, SpanExporter, SpanProcessor};

#[derive(Debug, Default)]
pub(super) struct Counts {
    ended: AtomicU64,
    taken: AtomicU64,
}

impl Counts {
    pub(super) fn ended(&self) -> u64 {
        self.ended.load(Ordering::Relaxed)
    }

    pub(super) fn lost(&self) -> u64 {
        self.ended().saturating_sub(self.taken.load(Ordering::Relaxed))
    }
}

/// Counts spans on their way into the queue.
#[derive(Debug)]
pub(super) struct CountingProcessor<P> {
    next: P,
    counts: Arc<Counts>,
}

impl<P> CountingProcessor<P> {
    pub(super) fn new(next: P, counts: Arc<Counts>) -> CountingProcessor<P> {
        CountingProcessor { next, counts }
    }
}

impl<P: SpanProcessor> SpanProcessor for CountingProcessor<P> {
    fn on_start(&self, span: &mut Span, context: &Context) {
        self.next.on_start(span, context);
    }

    fn on_end(&self, mut span: SpanData) {
        // It has the time at which a handler was last called in it. Its session ends now.
        span.end_time = SystemTime::now();
        self.counts.ended.fetch_add(1, Ordering::Relaxed);
        self.next.on_end(span);
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.next.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.next.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.next.set_resource(resource);
    }
}

/// Counts spans that a collector has taken.
#[derive(Debug)]
pub(super) struct CountingExporter<E> {
    next: E,
    counts: Arc<Counts>,
}

impl<E> CountingExporter<E> {
    pub(super) fn new(next: E, counts: Arc<Counts>) -> CountingExporter<E> {
        CountingExporter { next, counts }
    }
}

impl<E: SpanExporter> SpanExporter for CountingExporter<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let count = batch.len() as u64;
        self.next.export(batch).await?;
        self.counts.taken.fetch_add(count, Ordering::Relaxed);
        Ok(())
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.next.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.next.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.next.set_resource(resource);
    }
}
