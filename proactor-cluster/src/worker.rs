//! The thread of the client: one connection, and what shards have asked for.

use std::error::Error;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::Ordering;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use async_nats::client::RequestErrorKind;
use async_nats::rustls;
use async_nats::{Client, ConnectErrorKind, ConnectOptions, Event, ServerAddr};
use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use tokio::sync::mpsc::UnboundedReceiver;

use crate::bus::{Asked, Outgoing};
use crate::connection::Connection;
use crate::error::ConnectError;
use crate::jetstream::JetStream;
use crate::nats::Nats;
use crate::state::State;
use crate::subject::Subject;
use crate::wishes::Wishes;

/// How long the first attempt to connect may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// A connection that does not answer twice is gone.
const PING_INTERVAL: Duration = Duration::from_secs(5);
/// Messages between this thread and the socket.
const CLIENT_MESSAGES: usize = 128;
/// So many bytes are written to the socket before more is taken from the queue.
const UNFLUSHED_BYTES: usize = 1 << 20;
/// Messages of one subject that wait to be delivered. All are delivered before the client reads
/// again, so more than this come only at once: the client reads 128 times at most.
const SUBSCRIPTION_MESSAGES: usize = 8192;
/// What the client reads at once, unless a message is longer. So 8 MiB wait, over all subjects.
const READ_BYTES: u16 = u16::MAX;
/// The longest between two attempts to connect.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// How long the last messages of a node that ends may take.
const LAST_FLUSH: Duration = Duration::from_secs(1);

/// Connects, says on `up` how that went, and does what is asked until nobody is left to ask.
pub(crate) fn run(
    settings: &Nats,
    servers: &[ServerAddr],
    state: &Arc<State>,
    asked: Asked,
    up: &mpsc::Sender<Result<(), ConnectError>>,
) {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            let _ = up.send(Err(ConnectError::Thread(error.to_string())));
            return;
        }
    };
    runtime.block_on(async {
        let (client, connection) = match connect(settings, servers, state).await {
            Ok(both) => both,
            Err(error) => {
                let _ = up.send(Err(error));
                return;
            }
        };
        let Asked { outgoing, calls, wishes, mut ended } = asked;
        let (settings, state) = (settings.clone(), Arc::clone(state));
        let bucket = (settings.prefix_name(), settings.replicas());
        let records = JetStream::new(&client, &connection, &state, bucket);
        let worker = Arc::new(Worker { client, settings, state, connection, wishes });
        worker.make_ready().await;
        if let Some(error) = worker.fault_of(&records).await {
            let _ = up.send(Err(error));
            return;
        }
        tokio::spawn(Arc::clone(&worker).follow_connection());
        let _ = up.send(Ok(()));
        let late = async {
            let _ = ended.recv().await;
            tokio::time::sleep(LAST_FLUSH).await;
        };
        tokio::select! {
            ((), ()) = async { tokio::join!(worker.publish_all(outgoing), records.serve(calls)) } => {}
            () = late => {}
        }
    });
    // It may look up a name, which cannot be stopped.
    runtime.shutdown_background();
}

fn options(settings: &Nats, state: &Arc<State>, connection: &Arc<Connection>) -> Result<ConnectOptions, ConnectError> {
    let (state, connection) = (Arc::clone(state), Arc::clone(connection));
    let told = move |event| {
        hear(&event, &state, &connection);
        std::future::ready(())
    };
    Ok(settings
        .options()?
        .no_echo()
        .connection_timeout(CONNECT_TIMEOUT)
        .ping_interval(PING_INTERVAL)
        .client_capacity(CLIENT_MESSAGES)
        .subscription_capacity(SUBSCRIPTION_MESSAGES)
        .read_buffer_capacity(READ_BYTES)
        .reconnect_delay_callback(pause)
        .event_callback(told))
}

/// Before an attempt to connect: longer each time, and never the same on two nodes, so that a NATS
/// that comes back is not met by all at once.
fn pause(attempts: usize) -> Duration {
    let longest = FIRST_PAUSE.saturating_mul(1 << attempts.min(10)).min(LONGEST_PAUSE);
    let part = RandomState::new().hash_one(attempts) % 512;
    longest.mul_f64(0.5 + part as f64 / 1024.0)
}

async fn connect(
    settings: &Nats,
    servers: &[ServerAddr],
    state: &Arc<State>,
) -> Result<(Client, Arc<Connection>), ConnectError> {
    let connection = Arc::new(Connection::default());
    let error = match options(settings, state, &connection)?.connect(servers).await {
        Ok(client) => {
            connection.is_there.send_replace(true);
            return Ok((client, connection));
        }
        Err(error) => error,
    };
    let (shown, why) = (state.servers.clone(), error.to_string());
    match error.kind() {
        ConnectErrorKind::Authentication | ConnectErrorKind::AuthorizationViolation => {
            return Err(ConnectError::Refused { servers: shown, why });
        }
        _ if is_of_tls(&error) => return Err(ConnectError::Tls { servers: shown, why }),
        ConnectErrorKind::Tls => return Err(ConnectError::Tls { servers: shown, why }),
        ConnectErrorKind::ServerParse => return Err(ConnectError::Config(why)),
        _ => {}
    }
    tracing::warn!(
        "could not connect to NATS at {shown}: {why}; the server goes on without the other nodes, and tries again"
    );
    let connection = Arc::new(Connection::default());
    let client = options(settings, state, &connection)?.retry_on_initial_connect().connect(servers).await;
    let client = client.map_err(|error| ConnectError::Config(error.to_string()))?;
    Ok((client, connection))
}

/// Whether the handshake has failed. The client takes that for an error of the connection.
fn is_of_tls(error: &(dyn Error + 'static)) -> bool {
    let is_of_tls = |error: &(dyn Error + 'static)| {
        let inner = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        error.is::<rustls::Error>() || inner.is_some_and(|inner| inner.is::<rustls::Error>())
    };
    let mut next = Some(error);
    while let Some(error) = next {
        if is_of_tls(error) {
            return true;
        }
        next = error.source();
    }
    false
}

/// The client tells what happens.
fn hear(event: &Event, state: &State, connection: &Connection) {
    match event {
        Event::Connected => {
            // The client may have dropped what it had to say of the loss.
            if state.is_ready() {
                connection.losses.fetch_add(1, Ordering::AcqRel);
                state.lost();
            }
            connection.is_there.send_replace(true);
            connection.changed.notify_one();
        }
        Event::Disconnected | Event::Closed => {
            connection.is_there.send_replace(false);
            connection.losses.fetch_add(1, Ordering::AcqRel);
            state.lost();
        }
        // Its numbers tell how many; the last may be among them.
        Event::SlowConsumer(_) => state.may_have_missed(),
        Event::ServerError(error) => {
            state.server_error(&error.to_string());
            state.may_have_missed();
        }
        Event::ClientError(error) => tracing::warn!("NATS at {}: {error}", state.servers),
        Event::LameDuckMode => tracing::info!("NATS at {} is about to end", state.servers),
        Event::Draining => {}
    }
}

struct Worker {
    client: Client,
    settings: Nats,
    state: Arc<State>,
    connection: Arc<Connection>,
    wishes: Arc<Wishes>,
}

impl Worker {
    /// Has the node publish again each time when a connection is there.
    async fn follow_connection(self: Arc<Worker>) {
        loop {
            self.connection.changed.notified().await;
            self.make_ready().await;
        }
    }

    /// If there is a connection that the node does not use yet: waits until NATS has taken all that
    /// was sent, subscriptions too. It answers in order, and there is nobody to answer this but
    /// itself.
    async fn make_ready(&self) {
        let Worker { client, settings, state, connection, .. } = self;
        let losses = connection.losses.load(Ordering::Acquire);
        self.subscribe_all().await;
        if state.is_ready() || !connection.is_there() {
            return;
        }
        let subject = format!("{}.ready", settings.prefix_name());
        for _ in 0..2 {
            match tokio::time::timeout(CONNECT_TIMEOUT, client.request(subject.clone(), "".into())).await {
                Ok(Ok(_)) => break,
                Ok(Err(error)) if error.kind() == RequestErrorKind::NoResponders => break,
                // Perhaps the user may not ask. By now the subscriptions are there all the same.
                Ok(Err(error)) => tracing::debug!("NATS at {} does not answer: {error}", state.servers),
                Err(late) => tracing::debug!("NATS at {} does not answer: {late}", state.servers),
            }
        }
        if connection.losses.load(Ordering::Acquire) != losses {
            // The next connection is told of.
            return;
        }
        let info = client.server_info();
        if info.max_payload > 0 {
            state.set_max_payload(info.max_payload);
        }
        state.ready();
    }

    /// Why the records cannot be kept in the bucket that is there. What else is wrong may not be so
    /// later.
    async fn fault_of(&self, records: &JetStream) -> Option<ConnectError> {
        if self.settings.replicas() == 0 || !self.connection.is_there() {
            return None;
        }
        let why = records.has_bucket().await.ok()?.err()?;
        let (bucket, servers) = (records.bucket().to_owned(), self.state.servers.clone());
        Some(ConnectError::Bucket { bucket, servers, why })
    }

    /// Publishes what is asked until nobody is left to ask.
    async fn publish_all(&self, mut outgoing: UnboundedReceiver<Outgoing>) {
        let (mut unflushed, mut discarded) = (0, 0u64);
        loop {
            let next = tokio::select! {
                next = outgoing.recv() => next,
                () = self.wishes.changed() => {
                    self.subscribe_all().await;
                    continue;
                }
            };
            let Some(Outgoing { subject, message }) = next else { break };
            let bytes = message.len();
            discarded += u64::from(!self.publish(&subject, message).await);
            self.state.left(bytes);
            unflushed += bytes;
            if unflushed >= UNFLUSHED_BYTES {
                unflushed = 0;
                self.flush().await;
            }
            if discarded > 0 && outgoing.is_empty() {
                let servers = &self.state.servers;
                tracing::warn!("NATS at {servers}: {discarded} messages that waited for it are discarded");
                discarded = 0;
            }
        }
        self.flush().await;
    }

    /// Says whether there was a connection for it.
    async fn publish(&self, subject: &Subject, message: Bytes) -> bool {
        if !self.connection.is_there() {
            return false;
        }
        let published = self.client.publish(subject.name.clone(), message);
        match self.connection.unless_lost(published).await {
            Some(Ok(())) => true,
            Some(Err(error)) => {
                tracing::warn!("NATS at {}: a message is lost: {error}", self.state.servers);
                self.state.may_have_lost();
                true
            }
            None => false,
        }
    }

    async fn flush(&self) {
        if self.connection.is_there() {
            let _ = self.connection.unless_lost(self.client.flush()).await;
        }
    }

    /// Makes the subscriptions that are wanted. Without a connection they wait for the next.
    async fn subscribe_all(&self) {
        while self.connection.is_there()
            && let Some(subject) = self.wishes.take()
        {
            let Some(subscriber) = subject.wanted() else { continue };
            match self.connection.unless_lost(self.client.subscribe(subject.name.clone())).await {
                Some(Ok(messages)) => {
                    let to = subscriber.clone();
                    let task = tokio::spawn(deliver(messages, move |message| to.deliver(&message.payload)));
                    subject.runs(&subscriber, task.abort_handle());
                }
                Some(Err(error)) => {
                    let (name, servers) = (&subject.name, &self.state.servers);
                    tracing::error!("could not subscribe to {name} of NATS at {servers}: {error}");
                    self.state.may_have_missed();
                }
                None => self.wishes.add(&subject),
            }
        }
    }
}

/// Delivers all that is there before the client reads more. The runtime would have it pause after
/// 128 messages, and then what waits would grow, with the memory of what was read.
async fn deliver<M>(mut messages: impl Stream<Item = M> + Unpin, deliver: impl Fn(M)) {
    let all = async {
        while let Some(message) = messages.next().await {
            deliver(message);
        }
    };
    tokio::task::unconstrained(all).await;
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};
    use std::sync::atomic::AtomicU64;
    use std::time::Instant;

    use proactor::cluster::Cluster;
    use proactor::codec::Lines;
    use proactor::{Flow, Handler, NoMessage, Server, Session};

    use super::*;
    use crate::bus::NatsBus;

    const CLIENTS: usize = 4;
    /// Of each client. Together they are more than the client of NATS takes without a connection.
    const ROOMS: usize = CLIENT_MESSAGES / 2;
    /// Subjects for mail of other nodes.
    const OF_NODE: usize = 2;

    #[derive(Clone, Default)]
    struct Rooms(Arc<AtomicU64>);

    impl Handler for Rooms {
        type State = ();
        type Message = NoMessage;
        fn connected(&mut self, session: &Session) {
            for _ in 0..ROOMS {
                let room = format!("{}", self.0.fetch_add(1, Ordering::Relaxed));
                session.join(&session.handle().group(room).unwrap()).unwrap();
            }
        }
        fn received(&mut self, _: &Session, (): &mut (), _: &[u8]) -> Flow {
            Flow::Continue
        }
    }

    #[test]
    fn all_that_came_is_delivered_before_more_is_read() {
        const AT_ONCE: usize = 5_000;
        let (sender, mut receiver) = tokio::sync::mpsc::channel(SUBSCRIPTION_MESSAGES);
        let messages = futures_util::stream::poll_fn(move |cx| receiver.poll_recv(cx));
        let delivered = Arc::new(AtomicU64::new(0));
        let counts = Arc::clone(&delivered);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime
            .block_on(runtime.spawn(async move {
                tokio::spawn(deliver(messages, move |()| _ = counts.fetch_add(1, Ordering::Relaxed)));
                for read in 1..=10 {
                    (0..AT_ONCE).for_each(|_| sender.try_send(()).unwrap());
                    tokio::task::yield_now().await;
                    assert_eq!(delivered.load(Ordering::Relaxed), (read * AT_ONCE) as u64);
                }
            }))
            .unwrap();
    }

    #[test]
    fn without_nats_no_wish_outlives_its_group_and_the_worker_ends_with_its_node() {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let settings = Nats::new(format!("nats://127.0.0.1:{port}")).node("a");
        let state = Arc::new(State::new("nowhere".into()));
        let (bus, asked) = NatsBus::new("p", false, &state);
        let wishes = Arc::clone(&asked.wishes);
        let (up, began) = mpsc::channel();
        let thread = std::thread::spawn(move || run(&settings, &settings.addresses().unwrap(), &state, asked, &up));
        began.recv().unwrap().unwrap();
        let builder = Server::builder().listen("127.0.0.1:0").codec(Lines::new()).shards(1);
        let server = builder.cluster(Cluster::on(bus).node("a")).start(Rooms::default()).unwrap();
        let wait_until = |holds: &dyn Fn() -> bool| {
            let until = Instant::now() + Duration::from_secs(60);
            while !holds() {
                assert!(Instant::now() < until);
                std::thread::sleep(Duration::from_millis(5));
            }
        };
        for _ in 0..3 {
            let client = |_| TcpStream::connect(server.local_addrs()[0].ip().unwrap()).unwrap();
            let clients: Vec<TcpStream> = (0..CLIENTS).map(client).collect();
            wait_until(&|| wishes.len() == OF_NODE + CLIENTS * ROOMS);
            drop(clients);
            wait_until(&|| wishes.len() == OF_NODE);
        }
        drop(server);
        wait_until(&|| wishes.len() == 0);
        wait_until(&|| thread.is_finished());
    }
}
