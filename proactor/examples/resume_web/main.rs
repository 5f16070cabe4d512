//! A session that outlives its connections, for browsers: a page, and a server that numbers lines.
//! The client is `resume.js`.
//!
//! ```text
//! cargo run -p proactor --features websocket --example resume_web
//! ```

use std::error::Error;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

use proactor::codec::LengthPrefixed;
use proactor::{AsyncSession, Listener, Resume, SendError, Server, WebSocket};

const PAGE: &str = include_str!("index.html");
const SCRIPT: &str = include_str!("resume.js");

async fn count(session: AsyncSession) -> Result<(), SendError> {
    let mut lines = 0;
    while let Some(line) = session.next().await {
        lines += 1;
        session.send(&[format!("{lines}: ").as_bytes(), &line[..]].concat()).await?;
    }
    Ok(())
}

/// Answers one request for the page or its script.
fn answer(mut connection: TcpStream, page: &str) -> std::io::Result<()> {
    let mut request = String::new();
    BufReader::new(&connection).read_line(&mut request)?;
    let (kind, body) = match request.starts_with("GET /resume.js ") {
        true => ("text/javascript", SCRIPT),
        false => ("text/html", page),
    };
    let len = body.len();
    write!(
        connection,
        "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len}\r\nConnection: close\r\n\r\n{body}"
    )
}

fn main() -> Result<(), Box<dyn Error>> {
    let sessions =
        Listener::new("127.0.0.1:0").codec(LengthPrefixed::u32()).websocket(WebSocket::new()).resume(Resume::new());
    let server = Server::builder().listen(sessions).serve(count)?;
    let address = server.local_addrs()[0].to_string();
    let pages = TcpListener::bind("127.0.0.1:0")?;
    println!("http://{} is the page, ws://{address}/ the server", pages.local_addr()?);
    let page = PAGE.replace("WEBSOCKET", &address);
    thread::spawn(move || {
        for connection in pages.incoming().flatten() {
            // A browser that has left needs no answer.
            let _ = answer(connection, &page);
        }
    });
    Ok(server.wait()?)
}
