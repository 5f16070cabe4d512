//! An echo server that counts, and a page of its metrics for Prometheus on another port.
//!
//!     cargo run --release -p proactor --example metrics 127.0.0.1:7777 127.0.0.1:9100
//!     curl http://127.0.0.1:9100/metrics

use std::convert::Infallible;
use std::io::{Write, stdout};
use std::sync::Arc;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ACCEPT, CONTENT_TYPE};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use proactor::codec::Lines;
use proactor::metrics::prometheus_client::metrics::gauge::ConstGauge;
use proactor::metrics::prometheus_client::registry::Registry;
use proactor::metrics::{self, Format};
use proactor::{AsyncSession, Listener, SendError, Server, ServerError, Signals};

async fn echo(session: AsyncSession) -> Result<(), SendError> {
    while let Some(packet) = session.next().await {
        session.send(&packet).await?;
    }
    Ok(())
}

fn page(registry: &Registry, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    if request.uri().path() != "/metrics" {
        let mut response = Response::new(Full::new(Bytes::from_static(b"there is only /metrics\n")));
        *response.status_mut() = StatusCode::NOT_FOUND;
        return response;
    }
    let accept = request.headers().get(ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or("");
    let format = Format::of_accept(accept);
    let mut response = Response::new(Full::new(Bytes::from(metrics::encode(registry, format))));
    response.headers_mut().insert(CONTENT_TYPE, format.content_type().parse().expect("a valid header"));
    response
}

fn main() -> Result<(), ServerError> {
    let mut addresses = std::env::args().skip(1);
    let mut address = |default: &str| addresses.next().unwrap_or_else(|| default.into());
    let echoes = Listener::new(address("127.0.0.1:7777")).name("echo").codec(Lines::new());
    let pages = address("127.0.0.1:9100");
    let signals = Signals::new()?;
    let server = Server::builder().listen(echoes).metrics(true).serve(echo)?;

    let mut registry = server.handle().registry();
    let started = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0.0, |at| at.as_secs_f64());
    registry.register("echo_start_time_seconds", "When the server began", ConstGauge::new(started));
    let registry = Arc::new(registry);
    let scraped = move |session: AsyncSession| {
        let registry = Arc::clone(&registry);
        let answer = service_fn(move |request| {
            let page = page(&registry, &request);
            async { Ok::<_, Infallible>(page) }
        });
        async { http1::Builder::new().serve_connection(TokioIo::new(session), answer).await }
    };
    let pages = Server::builder().listen(pages.as_str()).shards(1).serve(scraped)?;
    // Not `println!`, which panics where nobody reads.
    let _ = writeln!(stdout(), "metrics on {}", pages.local_addrs()[0]);
    let _ = writeln!(stdout(), "listening on {}", server.local_addrs()[0]);
    server.run_until(signals)
}
