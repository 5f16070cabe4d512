//! The client's side.

use std::time::Duration;

use super::error::ResumeError;
use super::stream::Stream;
use super::token::Token;
use super::wire::{Afresh, Answer, Hello, Malformed};

/// What a client keeps before its server has said how much that may be.
const FIRST_KEEP: usize = 16 * 1024;

/// What became of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Resumed {
    /// The first session began.
    Began,
    /// The session goes on. Both sides get what they lack.
    WentOn,
    /// The session is gone, and another began. Of what was sent, what the server has not confirmed
    /// may have come to the old one, or not. It is not sent again.
    Afresh(Afresh),
}

/// The client's side of a session that can be [resumed](crate::Listener::resume), without a
/// socket: it is told of each new connection, says what to write to it, and is shown what is read
/// from it. What it sends and receives are the bytes of the session, in the frames of its codec.
///
/// ```
/// use std::io::{self, Read, Write};
/// use std::net::TcpStream;
///
/// use proactor::ResumeClient;
///
/// /// Connects, and receives until `wanted` bytes have come.
/// fn receive(address: &str, client: &mut ResumeClient, wanted: usize) -> io::Result<Vec<u8>> {
///     let mut connection = TcpStream::connect(address)?;
///     client.connected();
///     let (mut came, mut bytes) = (Vec::new(), [0; 4096]);
///     while came.len() < wanted {
///         connection.write_all(&client.take_wire())?;
///         let count = connection.read(&mut bytes)?;
///         if count == 0 {
///             return Err(io::ErrorKind::UnexpectedEof.into());
///         }
///         client.received(&bytes[..count]).map_err(io::Error::other)?;
///         came.extend(client.take_received());
///     }
///     Ok(came)
/// }
/// # use proactor::{AsyncSession, Listener, Resume, Server};
/// # async fn greet(session: AsyncSession) {
/// #     let _ = session.send(b"hello").await;
/// #     while session.next().await.is_some() {}
/// # }
/// # let server = Server::builder()
/// #     .listen(Listener::new("127.0.0.1:0").resume(Resume::new()))
/// #     .shards(1)
/// #     .serve(greet)
/// #     .unwrap();
/// # let address = server.local_addrs()[0].to_string();
/// # assert_eq!(receive(&address, &mut ResumeClient::new(), 5).unwrap(), b"hello");
/// # drop(server);
/// ```
#[derive(Debug)]
pub struct ResumeClient {
    /// That of the session, if one has begun.
    token: Option<Token>,
    stream: Stream,
    phase: Phase,
    window: Duration,
    /// To be written to the connection.
    wire: Vec<u8>,
    /// Bytes of the session that have come.
    plain: Vec<u8>,
}

#[derive(Debug)]
enum Phase {
    Unconnected,
    /// The answer to the hello has come so far.
    Asking(Vec<u8>),
    Open,
}

impl ResumeClient {
    /// A client without a session.
    pub fn new() -> ResumeClient {
        ResumeClient {
            token: None,
            stream: Stream::new(FIRST_KEEP),
            phase: Phase::Unconnected,
            window: Duration::ZERO,
            wire: Vec::new(),
            plain: Vec::new(),
        }
    }

    /// There is a new connection, over which TLS is open if it is to be. The old one, if there was
    /// one, is not used any more.
    pub fn connected(&mut self) {
        self.wire.clear();
        let hello = match &self.token {
            None => Hello::New,
            Some(token) => Hello::Resume { token: token.clone(), has: self.stream.received() },
        };
        hello.write(&mut self.wire);
        self.phase = Phase::Asking(Vec::new());
    }

    /// Sends bytes of the session, now or when there is a connection. They are kept until the
    /// server has confirmed them.
    pub fn send(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        match self.phase {
            Phase::Open => self.stream.seal(bytes, &mut self.wire),
            // The next connection begins with what was kept.
            _ => self.stream.seal(bytes, &mut Vec::new()),
        }
    }

    /// Ends the client's stream. What is sent later is lost, and what the server has not answered
    /// when the connection is lost after that may be.
    pub fn end(&mut self) {
        match self.phase {
            Phase::Open => self.stream.end(&mut self.wire),
            _ => self.stream.end(&mut Vec::new()),
        }
    }

    /// How many bytes it should send at most before the server confirms some: it keeps what was
    /// sent, and nothing else limits that.
    pub fn room(&self) -> usize {
        self.stream.room()
    }

    /// What is to be written to the connection.
    pub fn take_wire(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.wire)
    }

    /// Bytes were read from the connection. Says once for each connection what became of it.
    ///
    /// # Errors
    /// It is not a listener that resumes.
    pub fn received(&mut self, bytes: &[u8]) -> Result<Option<Resumed>, ResumeError> {
        let (mut records, resumed) = match &mut self.phase {
            Phase::Unconnected => return Ok(None),
            Phase::Open => (bytes.to_vec(), None),
            Phase::Asking(came) => {
                came.extend_from_slice(bytes);
                let Some((answer, len)) = Answer::read(came)? else { return Ok(None) };
                let rest = came.split_off(len);
                (rest, Some(self.answered(answer)?))
            }
        };
        let done = self.stream.receive(&mut records);
        // What was good before an error is counted.
        self.plain.append(&mut records);
        done?;
        self.stream.acknowledge_if_due(&mut self.wire);
        Ok(resumed)
    }

    fn answered(&mut self, answer: Answer) -> Result<Resumed, ResumeError> {
        self.phase = Phase::Open;
        let (has, resumed) = match answer {
            Answer::Resumed { has } => (has, Resumed::WentOn),
            Answer::Moved { has, token } => {
                self.token = Some(token);
                (has, Resumed::WentOn)
            }
            Answer::Fresh { afresh, token, window, keep } => {
                if afresh.is_some() {
                    self.stream = Stream::new(0);
                }
                (self.token, self.window) = (Some(token), window);
                self.stream.set_keep(keep as usize);
                (0, afresh.map_or(Resumed::Began, Resumed::Afresh))
            }
        };
        match self.stream.resume(has, &mut self.wire) {
            true => Ok(resumed),
            false => Err(Malformed("it has more than was sent").into()),
        }
    }

    /// Bytes of the session that have come. After [`Resumed::Afresh`], they are those of the new
    /// one: take them before each call of [`received`](ResumeClient::received).
    pub fn take_received(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.plain)
    }

    /// Whether the server has ended its stream. If so, the session is over.
    pub fn has_ended(&self) -> bool {
        self.stream.has_peer_ended()
    }

    /// How long the server waits for another connection; zero before it has said so.
    pub fn window(&self) -> Duration {
        self.window
    }
}

impl Default for ResumeClient {
    fn default() -> ResumeClient {
        ResumeClient::new()
    }
}
