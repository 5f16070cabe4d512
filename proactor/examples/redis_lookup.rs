//! Answers each line with the value of that key in a Redis, which is asked by a client of tokio.
//!
//! ```sh
//! cargo run -p proactor --example redis_lookup -- 127.0.0.1:6379
//! printf 'motd\n' | nc -N 127.0.0.1 7001
//! ```
//!
//! Three servers show three ways to the same client. The client here is a few lines; any other of
//! tokio's takes its place.
//!
//! | port | logic | how it asks |
//! |---|---|---|
//! | 7001 | [`Handler`] | A task of the runtime asks, and posts the answer as a message. |
//! | 7002 | async function | The same task asks, and the session awaits the answer. |
//! | 7003 | async function | The session asks itself: the server knows the runtime. |
//!
//! A handler that needs no task of its own is shorter: with `Builder::tokio`, a client made inside
//! the runtime (`runtime.enter()`) and cloned into the handler, it calls
//! `session.spawn_then(async move { client.get(key).await }, |logic, session, state, answer| ..)`.
//!
//! Further arguments are the three addresses to listen on.

use std::error::Error;
use std::io;

use proactor::codec::Lines;
use proactor::{AsyncSession, Builder, Flow, Handle, Handler, SendError, Server, Session, SessionId, ShardHandle};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};

/// A connection to a Redis.
struct Redis(BufReader<TcpStream>);

impl Redis {
    async fn connect(address: &str) -> io::Result<Redis> {
        Ok(Redis(BufReader::new(TcpStream::connect(address).await?)))
    }

    /// `GET key`.
    async fn get(&mut self, key: &[u8]) -> io::Result<Option<Vec<u8>>> {
        let mut request = format!("*2\r\n$3\r\nGET\r\n${}\r\n", key.len()).into_bytes();
        request.extend_from_slice(key);
        request.extend_from_slice(b"\r\n");
        self.0.write_all(&request).await?;
        let mut head = String::new();
        self.0.read_line(&mut head).await?;
        let bytes: i64 = match head.trim_end().strip_prefix('$').map(str::parse) {
            Some(Ok(bytes)) => bytes,
            _ => return Err(io::Error::other(format!("Redis answered {head:?}"))),
        };
        if bytes < 0 {
            return Ok(None);
        }
        let mut value = vec![0; bytes as usize + 2];
        self.0.read_exact(&mut value).await?;
        value.truncate(bytes as usize);
        Ok(Some(value))
    }
}

/// What a line is answered with.
type Answer = Result<Option<Vec<u8>>, String>;

fn line_of(answer: Answer) -> Vec<u8> {
    match answer {
        Ok(Some(value)) => value,
        Ok(None) => b"(no such key)".to_vec(),
        Err(error) => format!("(error: {error})").into_bytes(),
    }
}

/// Who asked for a key, and so where the answer goes.
enum Asker {
    Session(Handle<Answer>, SessionId),
    Waiting(oneshot::Sender<Answer>),
}

type Queries = mpsc::Sender<(Vec<u8>, Asker)>;

/// Asks for one key after the other, on the threads of a runtime.
async fn look_up(address: String, mut queries: mpsc::Receiver<(Vec<u8>, Asker)>) {
    let mut redis = None;
    while let Some((key, asker)) = queries.recv().await {
        let answer = async {
            if redis.is_none() {
                redis = Some(Redis::connect(&address).await?);
            }
            redis.as_mut().expect("it is connected").get(&key).await
        };
        let answer = answer.await.map_err(|error: io::Error| error.to_string());
        if answer.is_err() {
            redis = None;
        }
        match asker {
            // If the server has ended, nobody waits for it.
            Asker::Session(handle, id) => drop(handle.post_wait(id, answer).await),
            Asker::Waiting(sender) => drop(sender.send(answer)),
        }
    }
}

/// The first way. A session has one question on its way at a time, so answers keep their order.
#[derive(Clone)]
struct Asks {
    queries: Queries,
    /// Known once the shard has started.
    handle: Option<Handle<Answer>>,
}

impl Handler for Asks {
    type State = ();
    type Message = Answer;

    fn started(&mut self, _: &ShardHandle, handle: &Handle<Answer>) {
        self.handle = Some(handle.clone());
    }

    fn connected(&mut self, _: &Session) {}

    fn received(&mut self, session: &Session, (): &mut (), key: &[u8]) -> Flow {
        let handle = self.handle.clone().expect("a session comes after the start");
        match self.queries.try_send((key.to_vec(), Asker::Session(handle, session.id()))) {
            // Until the answer has come.
            Ok(()) => Flow::Pause,
            Err(_) => {
                let _ = session.send(b"(error: too many questions; try again)");
                Flow::Continue
            }
        }
    }

    fn message(&mut self, session: &Session, (): &mut (), answer: Answer) {
        match session.send(&line_of(answer)) {
            Ok(()) => session.resume(),
            Err(_) => session.close(),
        }
    }
}

/// The second way.
async fn asks_a_task(session: AsyncSession, queries: Queries) -> Result<(), SendError> {
    while let Some(key) = session.next().await {
        let (tell, told) = oneshot::channel();
        let _ = queries.send((key.to_vec(), Asker::Waiting(tell))).await;
        let answer = told.await.unwrap_or_else(|_| Err("the lookup has ended".into()));
        session.send(line_of(answer)).await?;
    }
    Ok(())
}

/// The third way. Each session has a connection of its own.
async fn asks_itself(session: AsyncSession, address: String) -> Result<(), Box<dyn Error>> {
    let mut redis = Redis::connect(&address).await?;
    while let Some(key) = session.next().await {
        let answer = redis.get(&key).await.map_err(|error| error.to_string());
        session.send(line_of(answer)).await?;
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let redis = arguments.next().ok_or("usage: redis_lookup REDIS [ADDRESS ADDRESS ADDRESS]")?;
    let mut builder = |default: &str| -> Builder {
        let address = arguments.next().unwrap_or_else(|| default.into());
        Server::builder().listen(address).codec(Lines::new()).shards(1)
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let (queries, asked) = mpsc::channel(1024);
    runtime.spawn(look_up(redis.clone(), asked));

    let by_message = builder("127.0.0.1:7001").start(Asks { queries: queries.clone(), handle: None })?;
    let by_task = builder("127.0.0.1:7002").serve(move |session| asks_a_task(session, queries.clone()))?;
    let by_itself = builder("127.0.0.1:7003").tokio(runtime.handle().clone());
    let by_itself = by_itself.serve(move |session| asks_itself(session, redis.clone()))?;
    for addresses in [by_message.local_addrs(), by_task.local_addrs(), by_itself.local_addrs()] {
        println!("listening on {}", addresses[0]);
    }
    by_message.wait()?;
    Ok(())
}
