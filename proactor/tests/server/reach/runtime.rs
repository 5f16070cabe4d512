//! What is written for tokio, in the logic of sessions.

use std::fmt::{Debug, Write as _};
use std::io::Write;
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use proactor::{AsyncSession, CloseReason, Flow, Handler, Network, NoMessage, SendError, Server, Session, Tasks};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;

use crate::harness::{
    PATIENCE, address_of, backends, builder, client, connect, driver, echo, exchange, expect, finish, read_end, turn,
    wait_until,
};

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

/// Asks an echo server by a socket of tokio.
async fn ask(address: std::net::SocketAddr, question: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(question).await?;
    let mut answer = vec![0; question.len()];
    stream.read_exact(&mut answer).await?;
    Ok(answer)
}

#[test]
fn tokio_sockets_timers_and_tasks_work_in_a_session_of_a_server_with_a_runtime() {
    for backend in backends() {
        let database = builder(backend, 1).serve(echo).unwrap();
        let address = address_of(&database);
        let logic = move |session: AsyncSession| async move {
            while let Some(packet) = session.next().await {
                let answer = ask(address, &packet).await.unwrap();
                tokio::time::sleep(Duration::from_millis(1)).await;
                let answer = tokio::spawn(async move { answer.to_ascii_uppercase() }).await.unwrap();
                session.send(answer).await?;
            }
            Ok::<_, SendError>(())
        };
        let runtime = runtime();
        let server = builder(backend, 2).tokio(runtime.handle().clone()).serve(logic).unwrap();
        let clients: Vec<_> = (0..8).map(|_| connect(address_of(&server))).collect();
        for round in 0..5 {
            for mut client in &clients {
                client.write_all(format!("question {round}").as_bytes()).unwrap();
            }
            clients.iter().for_each(|client| expect(client, format!("QUESTION {round}").as_bytes()));
        }
        finish(server);
        finish(database);
    }
}

/// A handler asks by a future on its shard.
#[derive(Clone)]
struct Asks(std::net::SocketAddr);

impl Handler for Asks {
    type State = ();
    type Message = NoMessage;
    fn connected(&mut self, _: &Session) {}
    fn received(&mut self, session: &Session, (): &mut (), packet: &[u8]) -> Flow {
        let (address, question) = (self.0, packet.to_vec());
        let asked = async move { ask(address, &question).await };
        let then = |_: &mut Self, session: &Session, (): &mut (), answer: std::io::Result<Vec<u8>>| {
            session.send(&answer.unwrap()).unwrap();
        };
        session.spawn_then(asked, then).map_or(Flow::Close, |()| Flow::Continue)
    }
}

#[test]
fn a_handler_asks_by_a_tokio_socket() {
    for backend in backends() {
        let database = builder(backend, 1).serve(echo).unwrap();
        let runtime = runtime();
        let logic = Asks(address_of(&database));
        let server = builder(backend, 1).tokio(runtime.handle().clone()).start(logic).unwrap();
        let client = connect(address_of(&server));
        exchange(&client, b"question");
        finish(server);
        finish(database);
    }
}

/// Without a runtime for the server, the answer of a task that a runtime runs.
#[test]
fn a_session_awaits_a_task_of_a_runtime_that_the_server_does_not_know() {
    for backend in backends() {
        let database = builder(backend, 1).serve(echo).unwrap();
        let address = address_of(&database);
        let runtime = runtime();
        let handle = runtime.handle().clone();
        let logic = move |session: AsyncSession| {
            let handle = handle.clone();
            async move {
                while let Some(packet) = session.next().await {
                    let (tell, told) = tokio::sync::oneshot::channel();
                    handle.spawn(async move { tell.send(ask(address, &packet).await.unwrap()) });
                    session.send(told.await.unwrap()).await?;
                }
                Ok::<_, SendError>(())
            }
        };
        let server = builder(backend, 1).serve(logic).unwrap();
        let client = connect(address_of(&server));
        exchange(&client, b"question");
        finish(server);
        finish(database);
    }
}

#[test]
fn without_a_runtime_the_session_alone_is_closed() {
    for backend in backends() {
        let (ids, came) = mpsc::channel();
        let logic = move |session: AsyncSession| {
            ids.send(()).unwrap();
            async move {
                let packet = session.next().await.unwrap();
                if packet == "wrong" {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                session.send("right").await
            }
        };
        let server = builder(backend, 1).serve(logic).unwrap();
        let (mut bad, mut good) = (connect(address_of(&server)), connect(address_of(&server)));
        (0..2).for_each(|_| came.recv_timeout(PATIENCE).unwrap());
        bad.write_all(b"wrong").unwrap();
        read_end(&bad);
        good.write_all(b"well").unwrap();
        expect(&good, b"right");
        wait_until("it is counted", || server.handle().stats().closed(CloseReason::Panic) == 1);
        finish(server);
    }
}

/// Keeps what is logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<String>>);

impl tracing::field::Visit for Log {
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn Debug) {
        if field.name() == "message" {
            writeln!(self.0.lock().unwrap(), "{value:?}").unwrap();
        }
    }
}

impl tracing::Subscriber for Log {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        *metadata.level() == tracing::Level::ERROR
    }
    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }
    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn event(&self, event: &tracing::Event<'_>) {
        event.record(&mut self.clone());
    }
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}

#[test]
fn the_log_says_what_to_do_about_a_missing_runtime() {
    let network = Network::new(1);
    let logic = Tasks::new(|session: AsyncSession| async move {
        let stream = TcpStream::connect("127.0.0.1:1").await;
        drop(stream);
        session.send("never").await
    });
    let mut server = Server::builder().listen("10.0.0.1:7777").simulate(&network, logic).unwrap();
    let mut driver = driver(&network);
    client(&mut driver, &server.local_addrs()[0]);
    let log = Log::default();
    let closed = tracing::subscriber::with_default(log.clone(), || {
        server.run(|server| {
            turn(&mut driver);
            server.handle().stats().closed(CloseReason::Panic) == 1
        })
    });
    assert!(closed.unwrap());
    let text = log.0.lock().unwrap().clone();
    assert!(text.contains("give the server one with `Builder::tokio("), "{text:?}");
}

#[test]
fn a_simulated_server_refuses_a_runtime() {
    let (network, runtime) = (Network::new(1), runtime());
    let builder = Server::builder().listen("10.0.0.1:7777").tokio(runtime.handle().clone());
    let error = builder.simulate(&network, Tasks::new(echo)).unwrap_err().to_string();
    assert!(error.contains("a simulated server cannot use a tokio runtime"), "{error}");
}
