//! A session that outlives its connections: an echo server, and a client that loses its connection
//! every few bytes and comes back. Every line is answered once, in order.
//!
//! ```text
//! cargo run -p proactor --example resume
//! ```

use std::error::Error;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use proactor::codec::Lines;
use proactor::{AsyncSession, Listener, Resume, ResumeClient, Resumed, SendError, Server};

async fn count(session: AsyncSession) -> Result<(), SendError> {
    let mut lines = 0;
    while let Some(line) = session.next().await {
        lines += 1;
        session.send(&[format!("{lines}: ").as_bytes(), &line[..]].concat()).await?;
    }
    Ok(())
}

/// A client whose connections last for so many bytes only.
struct Client {
    server: SocketAddr,
    resume: ResumeClient,
    connection: Option<(TcpStream, usize)>,
    connections: usize,
    came: Vec<u8>,
}

impl Client {
    /// The next line, over as many connections as it takes. A real client would wait between two
    /// that fail, and give up after [`ResumeClient::window`].
    fn line(&mut self) -> Result<String, Box<dyn Error>> {
        loop {
            if let Some(end) = self.came.iter().position(|byte| *byte == b'\n') {
                let line = self.came.drain(..=end).collect();
                return Ok(String::from_utf8(line)?);
            }
            let (connection, left) = match &mut self.connection {
                Some(connection) => connection,
                None => {
                    self.connections += 1;
                    self.resume.connected();
                    self.connection.insert((TcpStream::connect(self.server)?, 60))
                }
            };
            connection.write_all(&self.resume.take_wire())?;
            let mut bytes = [0; 16];
            let count = connection.read(&mut bytes)?;
            if let Some(Resumed::Afresh(why)) = self.resume.received(&bytes[..count])? {
                return Err(why.to_string().into());
            }
            self.came.extend(self.resume.take_received());
            *left = left.saturating_sub(count);
            if count == 0 || *left == 0 {
                self.connection = None;
            }
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let listener = Listener::new("127.0.0.1:0").codec(Lines::new()).resume(Resume::new());
    let server = Server::builder().listen(listener).serve(count)?;
    let address = server.local_addrs()[0].ip().ok_or("no address")?;
    let mut client =
        Client { server: address, resume: ResumeClient::new(), connection: None, connections: 0, came: Vec::new() };
    for word in ["no", "line", "is", "lost", "and", "none", "comes", "twice"] {
        client.resume.send(format!("{word}\n").as_bytes());
        print!("{}", client.line()?);
    }
    println!("{} connections, {} session", client.connections, server.handle().sessions());
    server.handle().stop();
    Ok(server.wait()?)
}
