//! Spans of sessions for an OpenTelemetry collector, over OTLP/HTTP: where it is, what it is sent,
//! and what becomes of the rest.

mod collector;
mod counting;

use std::env;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use clap::{ArgMatches, Args};
use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{BatchSpanProcessor, SdkTracerProvider};
use tracing::level_filters::LevelFilter;
use tracing::{Metadata, Subscriber};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::Layer;
use tracing_subscriber::registry::LookupSpan;

use self::collector::Collector;
use self::counting::{CountingExporter, CountingProcessor, Counts};
use crate::printing::say;

/// What the spans of sessions have for a target. Nothing else is exported.
const TARGET: &str = "proactor::session";
/// How long the program waits at its end for what is still to be sent.
const FLUSH: Duration = Duration::from_secs(3);
const PATH: &str = "v1/traces";

#[derive(Args)]
pub(crate) struct TraceOptions {
    /// Send the spans of --trace-sessions to an OpenTelemetry collector, over OTLP/HTTP: its
    /// address, for example http://127.0.0.1:4318. Without it, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT
    /// and OTEL_EXPORTER_OTLP_ENDPOINT count.
    #[arg(long, value_name = "URL", value_parser = endpoint, help_heading = "Log")]
    otlp: Option<String>,
}

impl TraceOptions {
    /// Says it if a collector is to be sent spans and no session has one.
    pub(crate) fn warn_without_spans(&self, one_in: u32) {
        if let Some(export) = EXPORT.get().filter(|_| one_in == 0) {
            tracing::warn!(
                "no session has a span for the collector at {}: --trace-sessions 100 gives one in 100 one",
                export.endpoint
            );
        }
    }
}

/// The address of a collector, with the path for spans.
fn endpoint(text: &str) -> Result<String, String> {
    checked(text)?;
    let path = text["http://".len()..].split_once('/').map_or("", |(_, path)| path);
    Ok(if path.is_empty() { format!("{}/{PATH}", text.trim_end_matches('/')) } else { text.to_owned() })
}

/// Whether spans can be sent there.
fn checked(text: &str) -> Result<(), String> {
    let parsed = opentelemetry_http::Request::post(text).body(()).map_err(|error| error.to_string());
    let uri = parsed.map_err(|error| format!("{error}: write http://127.0.0.1:4318"))?.uri().clone();
    match uri.scheme_str() {
        Some("http") => {}
        Some("https") => return Err("TLS is not spoken here: run a collector on this machine, which does".into()),
        _ => return Err("write http:// and an address: http://127.0.0.1:4318".into()),
    }
    if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        return Err("a password in it would be in the log: OTEL_EXPORTER_OTLP_HEADERS is for secrets".into());
    }
    Ok(())
}

/// Where the environment says that the collector is.
fn endpoint_of_environment() -> Option<Result<String, String>> {
    let variable = |name: &str| env::var(name).ok().filter(|value| !value.trim().is_empty());
    let (name, url) = match variable("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") {
        Some(url) => ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", url),
        None => {
            let base = variable("OTEL_EXPORTER_OTLP_ENDPOINT")?;
            ("OTEL_EXPORTER_OTLP_ENDPOINT", format!("{}/{PATH}", base.trim_end_matches('/')))
        }
    };
    Some(checked(&url).map(|()| url).map_err(|why| format!("{name}: {why}")))
}

/// An exporter that runs.
struct Export {
    endpoint: String,
    provider: SdkTracerProvider,
    counts: Arc<Counts>,
}

static EXPORT: OnceLock<Export> = OnceLock::new();

/// The layer that exports, and why there is none although one was asked for.
type Started<S> = (Option<Box<dyn Layer<S> + Send + Sync>>, Option<String>);

/// Begins to export, if a command that serves has a collector.
pub(crate) fn start<S>(matches: &ArgMatches) -> Started<S>
where
    S: Subscriber + for<'span> LookupSpan<'span> + Send + Sync,
{
    let Some((_, own)) = matches.subcommand() else { return (None, None) };
    let Ok(asked) = own.try_get_one::<String>("otlp") else { return (None, None) };
    let is_off = env::var("OTEL_SDK_DISABLED").is_ok_and(|value| value.trim().eq_ignore_ascii_case("true"));
    let endpoint = match asked {
        Some(endpoint) => Ok(endpoint.clone()),
        None if is_off => return (None, None),
        None => match endpoint_of_environment() {
            Some(endpoint) => endpoint,
            None => return (None, None),
        },
    };
    let started = endpoint.and_then(|endpoint| Export::start(endpoint).map_err(|error| error.to_string()));
    let export = match started {
        Ok(export) => EXPORT.get_or_init(|| export),
        Err(why) => return (None, Some(format!("no spans are sent to a collector: {why}"))),
    };
    let layer = tracing_opentelemetry::layer()
        .with_tracer(export.provider.tracer("proactor"))
        .with_location(false)
        .with_threads(false)
        .with_target(false)
        .with_tracked_inactivity(false)
        .with_context_activation(false);
    let own = filter_fn(|what: &Metadata<'_>| what.target() == TARGET && *what.level() <= LevelFilter::DEBUG);
    (Some(layer.with_filter(own.with_max_level_hint(LevelFilter::DEBUG)).boxed()), None)
}

impl Export {
    fn start(endpoint: String) -> Result<Export, opentelemetry_otlp::ExporterBuildError> {
        let counts = Arc::<Counts>::default();
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(Collector::default())
            .with_endpoint(endpoint.as_str())
            .build()?;
        let exporter = CountingExporter::new(exporter, Arc::clone(&counts));
        // Its queue has a limit, which OTEL_BSP_MAX_QUEUE_SIZE changes. What is over it is dropped.
        let batches = BatchSpanProcessor::builder(exporter).build();
        let provider = SdkTracerProvider::builder()
            .with_span_processor(CountingProcessor::new(batches, Arc::clone(&counts)))
            .with_resource(resource())
            .build();
        Ok(Export { endpoint, provider, counts })
    }
}

/// What says of all spans that they are this program's. OTEL_SERVICE_NAME and
/// OTEL_RESOURCE_ATTRIBUTES override it.
fn resource() -> Resource {
    let own = Resource::builder_empty().with_attributes([
        KeyValue::new("service.name", "proactor"),
        KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
        KeyValue::new("process.pid", i64::from(std::process::id())),
    ]);
    let of_environment = Resource::builder().build();
    let named = of_environment.iter().filter(|(key, value)| {
        // What it is if nothing names it.
        key.as_str() != "service.name" || !value.as_str().starts_with("unknown_service")
    });
    own.with_attributes(named.map(|(key, value)| KeyValue::new(key.clone(), value.clone()))).build()
}

/// Sends what is still to be sent, and says what was lost.
pub(crate) fn end() {
    let Some(export) = EXPORT.get() else { return };
    // What has not been sent by then is counted below.
    let _ = export.provider.shutdown_with_timeout(FLUSH);
    let (ended, lost) = (export.counts.ended(), export.counts.lost());
    if lost > 0 {
        say(format_args!("{lost} of {ended} spans did not reach the collector at {}", export.endpoint));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_gets_the_path_for_spans_if_it_has_none() {
        for (text, expected) in [
            ("http://127.0.0.1:4318", "http://127.0.0.1:4318/v1/traces"),
            ("http://[::1]:4318/", "http://[::1]:4318/v1/traces"),
            ("http://collector/otlp/v1/traces", "http://collector/otlp/v1/traces"),
        ] {
            assert_eq!(endpoint(text).as_deref(), Ok(expected));
        }
        for (text, why) in [
            ("https://collector", "TLS is not spoken"),
            ("http://user:pa55word@collector", "OTEL_EXPORTER_OTLP_HEADERS"),
            ("127.0.0.1:4318", "http://"),
            ("localhost", "http://"),
            ("/v1/traces", "http://"),
            ("http://", "http://"),
            ("", "http://"),
            ("http://a b", "http://"),
        ] {
            let said = endpoint(text).unwrap_err();
            assert!(said.contains(why) && !said.contains("pa55word"), "{text}: {said}");
        }
    }
}
