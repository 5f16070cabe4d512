//! A small Redis: strings, expiry, publish and subscribe. It speaks RESP2, so `redis-cli` and
//! `redis-benchmark` talk to it.
//!
//! ```sh
//! cargo run --release -p proactor --example redis -- 127.0.0.1:6379
//! redis-cli set greeting hello ex 60
//! ```

mod resp;
mod store;

use std::io::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use proactor::{Flow, Group, Handler, Limits, NoMessage, SendError, Server, ServerError, Session};

use resp::{Arguments, Resp, count};
use store::Store;

/// Channels that a session can subscribe to: a session can be a member of so many groups.
const MOST_CHANNELS: usize = 64;

#[derive(Clone, Default)]
struct Redis {
    store: Arc<Mutex<Store>>,
    reply: Vec<u8>,
}

/// The channels that a session has subscribed to. A channel is the group of its name.
type Subscriptions = Vec<Group>;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn bulk(reply: &mut Vec<u8>, bytes: Option<&[u8]>) {
    match bytes {
        None => reply.extend_from_slice(b"$-1\r\n"),
        Some(bytes) => {
            integer(reply, b'$', bytes.len() as i64);
            reply.extend_from_slice(bytes);
            reply.extend_from_slice(b"\r\n");
        }
    }
}

fn integer(reply: &mut Vec<u8>, kind: u8, number: i64) {
    reply.push(kind);
    write!(reply, "{number}\r\n").expect("a vector takes it");
}

fn parse<T: std::str::FromStr>(argument: Option<&[u8]>) -> Result<T, &'static str> {
    let argument = argument.ok_or(WRONG_NUMBER)?;
    std::str::from_utf8(argument).ok().and_then(|text| text.parse().ok()).ok_or(NO_INTEGER)
}

/// A moment that is so long from now.
fn after(argument: Option<&[u8]>, unit: Duration) -> Result<Instant, &'static str> {
    let time: u32 = parse(argument)?;
    if time == 0 {
        return Err("ERR invalid expire time");
    }
    unit.checked_mul(time).and_then(|time| Instant::now().checked_add(time)).ok_or("ERR invalid expire time")
}

const WRONG_NUMBER: &str = "ERR wrong number of arguments";
const NO_INTEGER: &str = "ERR value is not an integer or out of range";
const SYNTAX: &str = "ERR syntax error";
const SECOND: Duration = Duration::from_secs(1);
const MILLISECOND: Duration = Duration::from_millis(1);

impl Redis {
    /// Appends the reply to a command, or says why there is none.
    fn answer(&mut self, session: &Session, own: &mut Subscriptions, packet: &[u8]) -> Result<Flow, &'static str> {
        let mut arguments = Arguments::of(packet);
        let Some(name) = arguments.next() else { return Ok(Flow::Continue) };
        let mut upper = [0; 16];
        let name = match upper.get_mut(..name.len()) {
            Some(upper) => {
                upper.copy_from_slice(name);
                upper.make_ascii_uppercase();
                &*upper
            }
            None => name,
        };
        if !own.is_empty() && !matches!(name, b"SUBSCRIBE" | b"UNSUBSCRIBE" | b"PING" | b"QUIT") {
            return Err("ERR only SUBSCRIBE, UNSUBSCRIBE, PING and QUIT are allowed in this context");
        }
        let reply = &mut self.reply;
        let mut store = lock(&self.store);
        store.sweep();
        match name {
            b"GET" => bulk(reply, store.get(arguments.next().ok_or(WRONG_NUMBER)?).map(|value| &**value)),
            b"SET" => {
                let key = arguments.next().ok_or(WRONG_NUMBER)?;
                let value = arguments.next().ok_or(WRONG_NUMBER)?;
                let (mut expires, mut if_there) = (None, None);
                while let Some(option) = arguments.next() {
                    match &*option.to_ascii_uppercase() {
                        b"EX" => expires = Some(after(arguments.next(), SECOND)?),
                        b"PX" => expires = Some(after(arguments.next(), MILLISECOND)?),
                        b"NX" => if_there = Some(false),
                        b"XX" => if_there = Some(true),
                        _ => return Err(SYNTAX),
                    }
                }
                if if_there.is_some_and(|there| store.get(key).is_some() != there) {
                    bulk(reply, None);
                } else {
                    store.set(key, value, expires)?;
                    reply.extend_from_slice(b"+OK\r\n");
                }
            }
            b"MGET" => {
                integer(reply, b'*', count(packet) as i64 - 1);
                arguments.for_each(|key| bulk(reply, store.get(key).map(|value| &**value)));
            }
            b"MSET" => {
                if count(packet).is_multiple_of(2) {
                    return Err(WRONG_NUMBER);
                }
                while let (Some(key), Some(value)) = (arguments.next(), arguments.next()) {
                    store.set(key, value, None)?;
                }
                reply.extend_from_slice(b"+OK\r\n");
            }
            b"DEL" => integer(reply, b':', arguments.filter(|key| store.remove(key)).count() as i64),
            b"EXISTS" => integer(reply, b':', arguments.filter(|key| store.get(key).is_some()).count() as i64),
            b"INCR" | b"DECR" | b"INCRBY" | b"DECRBY" => {
                let key = arguments.next().ok_or(WRONG_NUMBER)?;
                let by: i64 = if name.ends_with(b"BY") { parse(arguments.next())? } else { 1 };
                let by = if name[0] == b'D' { by.checked_neg().ok_or(NO_INTEGER)? } else { by };
                let before: i64 = store.get(key).map_or(Ok(0), |value| parse(Some(value)))?;
                let sum = before.checked_add(by).ok_or(NO_INTEGER)?;
                let expires = store.expiry(key);
                store.set(key, sum.to_string().as_bytes(), expires)?;
                integer(reply, b':', sum);
            }
            b"EXPIRE" | b"PEXPIRE" => {
                let key = arguments.next().ok_or(WRONG_NUMBER)?;
                let unit = if name[0] == b'P' { MILLISECOND } else { SECOND };
                let at = after(arguments.next(), unit)?;
                let there = store.get(key).is_some();
                integer(reply, b':', (there && store.expire(key, Some(at))).into());
            }
            b"PERSIST" => {
                let key = arguments.next().ok_or(WRONG_NUMBER)?;
                let had = store.get(key).is_some() && store.expiry(key).is_some();
                integer(reply, b':', (had && store.expire(key, None)).into());
            }
            b"TTL" | b"PTTL" => {
                let key = arguments.next().ok_or(WRONG_NUMBER)?;
                let left = match (store.get(key).is_some(), store.expiry(key)) {
                    (false, _) => -2,
                    (true, None) => -1,
                    (true, Some(at)) => {
                        let left = at.saturating_duration_since(Instant::now()).as_millis() as i64;
                        if name[0] == b'P' { left } else { (left + 500) / 1000 }
                    }
                };
                integer(reply, b':', left);
            }
            b"DBSIZE" => integer(reply, b':', store.len() as i64),
            b"FLUSHALL" => {
                *store = Store::default();
                reply.extend_from_slice(b"+OK\r\n");
            }
            b"PING" if own.is_empty() => match arguments.next() {
                None => reply.extend_from_slice(b"+PONG\r\n"),
                text => bulk(reply, text),
            },
            b"PING" => {
                reply.extend_from_slice(b"*2\r\n$4\r\npong\r\n");
                bulk(reply, Some(arguments.next().unwrap_or_default()));
            }
            b"ECHO" => bulk(reply, Some(arguments.next().ok_or(WRONG_NUMBER)?)),
            b"SUBSCRIBE" => {
                drop(store);
                let mut any = false;
                for channel in arguments {
                    self.subscribe(session, own, channel)?;
                    any = true;
                }
                return if any { Ok(Flow::Continue) } else { Err(WRONG_NUMBER) };
            }
            b"UNSUBSCRIBE" => {
                drop(store);
                let mut channels: Vec<Bytes> = arguments.map(Bytes::copy_from_slice).collect();
                if channels.is_empty() {
                    channels = own.iter().filter_map(Group::name).map(Bytes::copy_from_slice).collect();
                }
                if channels.is_empty() {
                    self.reply.extend_from_slice(b"*3\r\n$11\r\nunsubscribe\r\n$-1\r\n:0\r\n");
                }
                for channel in channels {
                    self.unsubscribe(session, own, &channel);
                }
            }
            b"PUBLISH" => {
                drop(store);
                let channel = arguments.next().ok_or(WRONG_NUMBER)?;
                let text = arguments.next().ok_or(WRONG_NUMBER)?;
                let group = session.handle().find_group(channel);
                let members = group.as_ref().map_or(0, Group::len);
                if let Some(group) = group {
                    let mut message = b"*3\r\n$7\r\nmessage\r\n".to_vec();
                    bulk(&mut message, Some(channel));
                    bulk(&mut message, Some(text));
                    group.broadcast(&message).map_err(|_| "ERR the message is too long")?;
                }
                integer(&mut self.reply, b':', members as i64);
            }
            // What redis-cli and redis-benchmark ask when they start.
            b"COMMAND" => reply.extend_from_slice(b"*0\r\n"),
            b"CONFIG" => {
                reply.extend_from_slice(b"*2\r\n");
                bulk(reply, Some(arguments.nth(1).ok_or(WRONG_NUMBER)?));
                bulk(reply, Some(b""));
            }
            b"CLIENT" | b"SELECT" => reply.extend_from_slice(b"+OK\r\n"),
            b"QUIT" => {
                reply.extend_from_slice(b"+OK\r\n");
                return Ok(Flow::Close);
            }
            _ => return Err("ERR unknown command"),
        }
        Ok(Flow::Continue)
    }

    fn subscribe(&mut self, session: &Session, own: &mut Subscriptions, channel: &[u8]) -> Result<(), &'static str> {
        let is_new = !own.iter().any(|group| group.name() == Some(channel));
        if is_new && own.len() == MOST_CHANNELS {
            return Err("ERR too many subscriptions");
        }
        let group = session.handle().group(channel).map_err(|_| "ERR the name of a channel is too long")?;
        confirm(&mut self.reply, b"subscribe", channel, own.len() + usize::from(is_new));
        if is_new {
            // The confirmation is queued before the first message can be.
            self.send(session).map_err(|_| "ERR the replies are too long")?;
            session.join(&group).map_err(|_| "ERR too many subscriptions")?;
            own.push(group);
        }
        Ok(())
    }

    fn unsubscribe(&mut self, session: &Session, own: &mut Subscriptions, channel: &[u8]) {
        if let Some(at) = own.iter().position(|group| group.name() == Some(channel)) {
            session.leave(&own.swap_remove(at));
        }
        confirm(&mut self.reply, b"unsubscribe", channel, own.len());
    }

    /// Sends the replies there are.
    fn send(&mut self, session: &Session) -> Result<(), SendError> {
        let sent = session.send(&self.reply);
        self.reply.clear();
        sent
    }
}

/// Says that a session has begun or ended a subscription, and how many it has now.
fn confirm(reply: &mut Vec<u8>, what: &[u8], channel: &[u8], left: usize) {
    reply.extend_from_slice(b"*3\r\n");
    bulk(reply, Some(what));
    bulk(reply, Some(channel));
    integer(reply, b':', left as i64);
}

impl Handler for Redis {
    type State = Subscriptions;
    type Message = NoMessage;

    fn connected(&mut self, _: &Session) -> Subscriptions {
        Vec::new()
    }

    fn received(&mut self, session: &Session, own: &mut Subscriptions, packet: &[u8]) -> Flow {
        let flow = self.answer(session, own, packet).unwrap_or_else(|error| {
            // An error takes the place of a reply that was begun.
            self.reply.clear();
            write!(self.reply, "-{error}\r\n").expect("a vector takes it");
            Flow::Continue
        });
        if self.reply.is_empty() {
            return flow;
        }
        self.send(session).map_or(Flow::Close, |()| flow)
    }
}

fn main() -> Result<(), ServerError> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:6379".into());
    let server = Server::builder()
        .listen(address.as_str())
        .shards(1)
        .codec(Resp)
        .limits(Limits::new().outbox_bytes(4 << 20))
        .start(Redis::default())?;
    println!("listening on {}, on {}", server.local_addrs()[0], server.report().backend);
    server.wait()
}
