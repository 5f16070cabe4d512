//! A server that starts in plain and goes over to TLS when its client asks for it, as mail servers
//! do. Beyond that it only echoes lines.
//!
//! ```text
//! cargo run -p proactor --features tls --example starttls -- \
//!     127.0.0.1:2525 server.pem server.key
//! openssl s_client -starttls smtp -connect 127.0.0.1:2525 -CAfile ca.pem
//! ```

use std::error::Error;

use proactor::codec::Lines;
use proactor::tls::{Tls, TlsConfig};
use proactor::{AsyncSession, Listener, Server};

/// The answers of a mail server up to STARTTLS; lines end in CR LF.
async fn plain(session: &AsyncSession, tls: &Tls) -> Result<bool, Box<dyn Error>> {
    session.send("220 ready\r").await?;
    while let Some(line) = session.next().await {
        if line.starts_with(b"EHLO") {
            session.send("250-here\r").await?;
            session.send("250 STARTTLS\r").await?;
        } else if &line[..] == b"STARTTLS" {
            session.send("220 go ahead\r").await?;
            // A client that has sent more by now is refused.
            session.start_tls(tls).await?;
            return Ok(true);
        } else {
            session.send("530 STARTTLS first\r").await?;
        }
    }
    Ok(false)
}

async fn serve(session: AsyncSession, tls: Tls) -> Result<(), Box<dyn Error>> {
    if plain(&session, &tls).await? {
        while let Some(line) = session.next().await {
            session.send(&line).await?;
        }
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, certificate, key] = &arguments[..] else {
        return Err("usage: starttls ADDRESS CERTIFICATE KEY".into());
    };
    let tls = Tls::new(TlsConfig::new().certificate(certificate, key))?;
    let server = Server::builder()
        .listen(Listener::new(address.as_str()).codec(Lines::new()))
        .serve(move |session| serve(session, tls.clone()))?;
    for address in server.local_addrs() {
        println!("listening on {address}");
    }
    Ok(server.wait()?)
}
