//! HTTP/1.1 as users of hyper write it on tokio: a runtime on the current thread, one task per
//! connection.

use std::convert::Infallible;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use peer_cli::Service;
use tokio::net::TcpListener;

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let cli = peer_cli::parse(&[Service::Http]);
    let listener = TcpListener::bind(cli.listen).await?;
    peer_cli::announce(listener.local_addr()?)?;
    let mut builder = http1::Builder::new();
    builder.keep_alive(true);
    loop {
        let (socket, _) = listener.accept().await?;
        socket.set_nodelay(true)?;
        let connection = builder.serve_connection(TokioIo::new(socket), service_fn(answer));
        // A failing connection ends only itself.
        drop(tokio::spawn(async move { _ = connection.await }));
    }
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (status, body) = match request.method() {
        &Method::GET => (StatusCode::OK, "Hello, World!"),
        _ => (StatusCode::METHOD_NOT_ALLOWED, ""),
    };
    let mut response = Response::new(Full::new(Bytes::from_static(body.as_bytes())));
    *response.status_mut() = status;
    Ok(response)
}
