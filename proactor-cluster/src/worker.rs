//! The thread of the client: one connection, and what shards have asked for.

use std::error::Error;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use async_nats::client::RequestErrorKind;
use async_nats::rustls;
use async_nats::{Client, ConnectErrorKind, ConnectOptions, Event, ServerAddr};
use futures_util::StreamExt;
use proactor::cluster::Subscriber;
use tokio::sync::Notify;
use tokio::sync::mpsc::UnboundedReceiver;

use crate::bus::Command;
use crate::error::ConnectError;
use crate::nats::Nats;
use crate::state::State;
use crate::subject::{Change, Subject};

/// How long the first attempt to connect may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// A connection that does not answer twice is gone.
const PING_INTERVAL: Duration = Duration::from_secs(5);
/// Messages between this thread and the socket.
const CLIENT_MESSAGES: usize = 128;
/// So many bytes are written to the socket before more is taken from the queue.
const UNFLUSHED_BYTES: usize = 1 << 20;
/// Messages of one subject that wait to be put into its group's log. More come only in one read.
const SUBSCRIPTION_MESSAGES: usize = 8192;
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
    asked: UnboundedReceiver<Command>,
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
        make_ready(&client, settings, state, &connection).await;
        tokio::spawn(follow_connection(client.clone(), settings.clone(), Arc::clone(state), connection));
        let _ = up.send(Ok(()));
        obey(&client, asked, state).await;
    });
}

/// What the client tells of its connection.
#[derive(Default)]
struct Connection {
    is_there: AtomicBool,
    /// How often it was lost.
    losses: AtomicU64,
    changed: Notify,
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
            connection.is_there.store(true, Ordering::Release);
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
            connection.is_there.store(true, Ordering::Release);
            connection.changed.notify_one();
        }
        Event::Disconnected | Event::Closed => {
            connection.is_there.store(false, Ordering::Release);
            connection.losses.fetch_add(1, Ordering::AcqRel);
            state.lost();
        }
        // Its numbers tell how many; the last may be among them.
        Event::SlowConsumer(_) => state.may_have_lost(),
        Event::ServerError(error) => {
            state.server_error(&error.to_string());
            state.may_have_lost();
        }
        Event::ClientError(error) => tracing::warn!("NATS at {}: {error}", state.servers),
        Event::LameDuckMode => tracing::info!("NATS at {} is about to end", state.servers),
        Event::Draining => {}
    }
}

/// Has the node publish again each time when a connection is there.
async fn follow_connection(client: Client, settings: Nats, state: Arc<State>, connection: Arc<Connection>) {
    loop {
        connection.changed.notified().await;
        make_ready(&client, &settings, &state, &connection).await;
    }
}

/// If there is a connection that the node does not use yet: waits until NATS has taken all that was
/// sent, subscriptions too. It answers in order, and there is nobody to answer this but itself.
async fn make_ready(client: &Client, settings: &Nats, state: &State, connection: &Connection) {
    let losses = connection.losses.load(Ordering::Acquire);
    if state.is_ready() || !connection.is_there.load(Ordering::Acquire) {
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

/// Does what is asked until nobody is left to ask.
async fn obey(client: &Client, mut asked: UnboundedReceiver<Command>, state: &State) {
    let mut unflushed = 0;
    while let Some(command) = asked.recv().await {
        match command {
            Command::Publish(subject, message) => {
                let bytes = message.len();
                if let Err(error) = client.publish(subject.name.clone(), message).await {
                    tracing::warn!("NATS at {}: a message is lost: {error}", state.servers);
                    state.may_have_lost();
                }
                state.left(bytes);
                unflushed += bytes;
                if unflushed >= UNFLUSHED_BYTES {
                    unflushed = 0;
                    let _ = client.flush().await;
                }
            }
            Command::Follow(subject) => follow(client, &subject, state).await,
        }
    }
    let _ = tokio::time::timeout(LAST_FLUSH, client.flush()).await;
}

/// Brings the subscription to a subject in line with who subscribes.
async fn follow(client: &Client, subject: &Arc<Subject>, state: &State) {
    let Change::Subscribe(subscriber) = subject.change() else { return };
    match client.subscribe(subject.name.clone()).await {
        Ok(messages) => {
            let task = tokio::spawn(deliver(messages, subscriber.clone()));
            subject.runs(subscriber, task.abort_handle());
        }
        Err(error) => {
            tracing::error!("could not subscribe to {} of NATS at {}: {error}", subject.name, state.servers);
            state.may_have_lost();
        }
    }
}

async fn deliver(mut messages: async_nats::Subscriber, subscriber: Subscriber) {
    while let Some(message) = messages.next().await {
        subscriber.deliver(&message.payload);
    }
}
