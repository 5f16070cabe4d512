//! HTTP/1.1 and HTTP/2 with hyper, on sessions as tokio streams. No tokio runtime is running.
//!
//!     cargo run --release -p proactor --example http 127.0.0.1:8080
//!     curl http://127.0.0.1:8080/
//!     curl --http2-prior-knowledge http://127.0.0.1:8080/

use std::convert::Infallible;
use std::io::{Write, stdout};

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use hyper_util::server::conn::auto;
use proactor::{AsyncSession, Server, ServerError, Signals};

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (status, body) = match (request.method(), request.uri().path()) {
        (&Method::GET, "/") => (StatusCode::OK, "Hello, World!"),
        (_, "/") => (StatusCode::METHOD_NOT_ALLOWED, "GET is all there is\n"),
        _ => (StatusCode::NOT_FOUND, "there is only /\n"),
    };
    let mut response = Response::new(Full::new(Bytes::from_static(body.as_bytes())));
    *response.status_mut() = status;
    Ok(response)
}

/// hyper's tasks, one for each request of HTTP/2, are tasks of the session.
#[derive(Clone)]
struct OnShard(AsyncSession);

impl<F: Future<Output = ()> + 'static> hyper::rt::Executor<F> for OnShard {
    fn execute(&self, future: F) {
        // A session that has ended has no use for them.
        let _ = self.0.spawn(future);
    }
}

async fn serve(session: AsyncSession) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let connection = auto::Builder::new(OnShard(session.clone()));
    connection.serve_connection(TokioIo::new(session), service_fn(answer)).await
}

fn main() -> Result<(), ServerError> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".into());
    let signals = Signals::new()?;
    let server = Server::builder().listen(address.as_str()).serve(serve)?;
    // Not `println!`, which panics where nobody reads.
    let _ = writeln!(stdout(), "listening on {}", server.local_addrs()[0]);
    server.run_until(signals)
}
