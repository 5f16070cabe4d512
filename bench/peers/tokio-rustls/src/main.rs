//! Echo over TLS as users of tokio write it: tokio-rustls, a task a connection, on a runtime on the
//! current thread.

use std::sync::Arc;

use anyhow::Context;
use peer_cli::{Cli, Service};
use rustls::ServerConfig;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::version::TLS13;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;
use tokio_rustls::TlsAcceptor;

fn main() -> anyhow::Result<()> {
    let cli = peer_cli::parse(&[Service::Tls]);
    Builder::new_current_thread().enable_all().build()?.block_on(serve(cli))
}

async fn serve(cli: Cli) -> anyhow::Result<()> {
    let certificates = CertificateDer::pem_file_iter(&cli.certificate).context("--tls-cert")?;
    let certificates = certificates.collect::<Result<Vec<_>, _>>().context("--tls-cert")?;
    let key = PrivateKeyDer::from_pem_file(&cli.key).context("--tls-key")?;
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[&TLS13])?
        .with_no_client_auth()
        .with_single_cert(certificates, key)?;
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind(cli.listen).await?;
    peer_cli::announce(listener.local_addr()?)?;
    loop {
        let (socket, _) = listener.accept().await?;
        socket.set_nodelay(true)?;
        let acceptor = acceptor.clone();
        // A failing connection ends only itself.
        drop(tokio::spawn(async move { _ = echo(socket, acceptor, cli.buffer).await }));
    }
}

async fn echo(socket: TcpStream, acceptor: TlsAcceptor, buffer: usize) -> std::io::Result<()> {
    let mut stream = acceptor.accept(socket).await?;
    let mut buffer = vec![0; buffer];
    loop {
        let count = stream.read(&mut buffer).await?;
        if count == 0 {
            return stream.shutdown().await;
        }
        stream.write_all(&buffer[..count]).await?;
        stream.flush().await?;
    }
}
