//! The smallest useful server of the async kind: every packet comes back.
//!
//!     cargo run --release -p proactor --example echo_async 127.0.0.1:7777

use proactor::{AsyncSession, SendError, Server, ServerError};

async fn echo(session: AsyncSession) -> Result<(), SendError> {
    while let Some(packet) = session.next().await {
        session.send(&packet).await?;
    }
    Ok(())
}

fn main() -> Result<(), ServerError> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:7777".into());
    let server = Server::builder().listen(address.as_str()).serve(echo)?;
    println!("listening on {}", server.local_addrs()[0]);
    server.wait()
}
