//! The smallest useful server of the async kind: every packet comes back.
//!
//!     cargo run --release -p proactor --example echo_async 127.0.0.1:7777

use std::io::{Write, stdout};

use proactor::{AsyncSession, SendError, Server, ServerError, Signals};

async fn echo(session: AsyncSession) -> Result<(), SendError> {
    while let Some(packet) = session.next().await {
        session.send(&packet).await?;
    }
    Ok(())
}

fn main() -> Result<(), ServerError> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:7777".into());
    let signals = Signals::new()?;
    let server = Server::builder().listen(address.as_str()).serve(echo)?;
    // Not `println!`, which panics where nobody reads.
    let _ = writeln!(stdout(), "listening on {}", server.local_addrs()[0]);
    server.run_until(signals)
}
