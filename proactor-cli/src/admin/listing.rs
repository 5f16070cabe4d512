//! Sessions: which are asked for, in which order, and what is said of each. The shards keep only
//! what is on the page that was asked for, however many there are.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use proactor::{Handle, Hold, IpNet, Origin, SendError, SessionInfo, SessionList};
use serde::Serialize;

use super::answer::Failure;
use super::parameters::Parameters;

pub(super) const PARAMETERS: &[&str] =
    &["search", "peer", "key", "listener", "group", "hold", "min_queued", "min_age", "sort", "limit", "offset"];
pub(super) const MOST_ROWS: u64 = 1_000;
const USUAL_ROWS: u64 = 100;
const MOST_OFFSET: u64 = 10_000;

/// The sessions that are asked for.
#[derive(Default)]
struct Filter {
    /// In its name, its peer, its key or its listener.
    search: Option<String>,
    peer: Option<PeerFilter>,
    key: Option<String>,
    listener: Option<String>,
    group: Option<String>,
    hold: Option<HoldFilter>,
    min_queued: usize,
    min_age: Duration,
}

enum PeerFilter {
    Net(IpNet),
    /// An address with its port, or the beginning of one.
    Text(String),
}

#[derive(Clone, Copy)]
enum HoldFilter {
    Any,
    One(Hold),
}

impl Filter {
    fn parse(parameters: &Parameters) -> Result<Filter, Failure> {
        let text = |name| parameters.get(name).map(str::to_owned);
        let names: Vec<String> = Hold::ALL.iter().map(Hold::to_string).collect();
        let mut holds = vec![("any", HoldFilter::Any)];
        holds.extend(names.iter().zip(Hold::ALL).map(|(name, hold)| (name.as_str(), HoldFilter::One(*hold))));
        let peer = text("peer").map(|peer| match (peer.parse::<IpNet>(), peer.parse::<IpAddr>()) {
            (Ok(net), _) => PeerFilter::Net(net),
            (_, Ok(address)) => PeerFilter::Net(address.into()),
            _ => PeerFilter::Text(peer),
        });
        Ok(Filter {
            search: text("search").map(|search| search.to_lowercase()),
            peer,
            key: text("key"),
            listener: text("listener"),
            group: text("group"),
            hold: parameters.choice("hold", &holds)?,
            min_queued: parameters.number("min_queued", 0, u64::MAX)?.unwrap_or(0) as usize,
            min_age: parameters.time("min_age")?.unwrap_or_default(),
        })
    }

    fn passes(&self, info: &SessionInfo) -> bool {
        info.queued() >= self.min_queued
            && info.age() >= self.min_age
            && self.hold.is_none_or(|wanted| match wanted {
                HoldFilter::Any => info.holds().next().is_some(),
                HoldFilter::One(hold) => info.holds().any(|one| one == hold),
            })
            && self.peer.as_ref().is_none_or(|wanted| match wanted {
                PeerFilter::Net(net) => info.peer_addr().ip().is_some_and(|address| net.contains(&address.ip())),
                PeerFilter::Text(text) => info.peer_addr().to_string().starts_with(text.as_str()),
            })
            && self.key.as_ref().is_none_or(|wanted| info.key().is_some_and(|key| shown(key) == *wanted))
            && self.listener.as_ref().is_none_or(|wanted| {
                info.listener().is_some_and(|own| own.name() == wanted || own.address().to_string() == *wanted)
            })
            && self.group.as_ref().is_none_or(|wanted| info.group_names().any(|name| shown(name) == *wanted))
            && self.search.as_ref().is_none_or(|wanted| found(info, wanted))
    }
}

/// Whether a word is anywhere in what is said of a session.
fn found(info: &SessionInfo, word: &str) -> bool {
    let key = info.key().map(shown);
    let listener = info.listener().map(listener_of);
    let texts = [Some(info.id().to_string()), Some(info.peer_addr().to_string()), key, listener];
    let mut texts = texts.into_iter().flatten().chain(info.group_names().map(shown));
    texts.any(|text| text.to_lowercase().contains(word))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    Id,
    Age,
    Queued,
    Received,
    Sent,
    Peer,
    Key,
}

const ORDERS: [(&str, By); 7] = [
    ("id", By::Id),
    ("age", By::Age),
    ("queued", By::Queued),
    ("received", By::Received),
    ("sent", By::Sent),
    ("peer", By::Peer),
    ("key", By::Key),
];

#[derive(Clone, Copy)]
struct Order {
    by: By,
    descends: bool,
}

impl Order {
    /// `queued`, or `-queued` for the largest first.
    fn parse(parameters: &Parameters) -> Result<Order, Failure> {
        let Some(text) = parameters.get("sort") else { return Ok(Order { by: By::Id, descends: false }) };
        let (descends, name) = text.strip_prefix('-').map_or((false, text), |name| (true, name));
        match ORDERS.iter().find(|(known, _)| *known == name) {
            Some((_, by)) => Ok(Order { by: *by, descends }),
            None => {
                let names = ORDERS.map(|(name, _)| name).join(", ");
                Err(Failure::bad(format!(
                    "sort={text}: must be one of {names}, with a - before it for the largest first"
                )))
            }
        }
    }

    /// Which of two comes first. Sessions that are alike are in the order of their names.
    fn compare(self, one: &SessionInfo, other: &SessionInfo) -> Ordering {
        let order = match self.by {
            By::Id => one.id().cmp(&other.id()),
            By::Age => one.age().cmp(&other.age()),
            By::Queued => one.queued().cmp(&other.queued()),
            By::Received => one.received().cmp(&other.received()),
            By::Sent => one.sent().cmp(&other.sent()),
            By::Peer => one.peer_addr().cmp(other.peer_addr()),
            By::Key => one.key().cmp(&other.key()),
        };
        let order = if self.descends { order.reverse() } else { order };
        order.then_with(|| one.id().cmp(&other.id()))
    }
}

/// A session, with its place in an order.
struct Ranked {
    info: SessionInfo,
    order: Order,
}

impl Ord for Ranked {
    fn cmp(&self, other: &Ranked) -> Ordering {
        self.order.compare(&self.info, &other.info)
    }
}

impl PartialOrd for Ranked {
    fn partial_cmp(&self, other: &Ranked) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Ranked {
    fn eq(&self, other: &Ranked) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Ranked {}

/// The first sessions of an order, and how many there were in all.
struct First {
    order: Order,
    most: usize,
    total: u64,
    /// The last of them is on top.
    kept: BinaryHeap<Ranked>,
}

impl First {
    fn add(&mut self, info: &SessionInfo) {
        self.total += 1;
        let is_full = self.kept.len() >= self.most;
        if is_full && self.kept.peek().is_none_or(|last| self.order.compare(info, &last.info) != Ordering::Less) {
            return;
        }
        if is_full {
            self.kept.pop();
        }
        self.kept.push(Ranked { info: info.clone(), order: self.order });
    }
}

/// A page of sessions that the shards are asked for.
pub(super) struct Asked {
    first: Arc<Mutex<First>>,
    limit: usize,
    offset: usize,
}

/// A page of sessions.
#[derive(Debug, Serialize)]
pub(super) struct Page {
    /// Sessions that pass the filter.
    total: u64,
    offset: usize,
    sessions: Vec<Row>,
}

impl Asked {
    /// Asks the shards for those that the parameters want.
    pub(super) fn ask(
        handle: &Handle,
        parameters: &Parameters,
    ) -> Result<(Asked, Result<SessionList, SendError>), Failure> {
        let filter = Filter::parse(parameters)?;
        let order = Order::parse(parameters)?;
        let limit = parameters.number("limit", 1, MOST_ROWS)?.unwrap_or(USUAL_ROWS) as usize;
        let offset = parameters.number("offset", 0, MOST_OFFSET)?.unwrap_or(0) as usize;
        let first = First { order, most: limit + offset, total: 0, kept: BinaryHeap::new() };
        let first = Arc::new(Mutex::new(first));
        let adding = Arc::clone(&first);
        let list = handle.list_sessions(move |info| {
            if filter.passes(info) {
                lock(&adding).add(info);
            }
            // It is kept here, or not at all.
            false
        });
        Ok((Asked { first, limit, offset }, list))
    }

    /// What they have answered.
    pub(super) fn page(&self) -> Page {
        let (total, kept) = {
            let mut first = lock(&self.first);
            (first.total, std::mem::take(&mut first.kept))
        };
        let now = SystemTime::now();
        let on_page = kept.into_sorted_vec().into_iter().skip(self.offset).take(self.limit);
        let sessions = on_page.map(|ranked| Row::new(&ranked.info, now)).collect();
        Page { total, offset: self.offset, sessions }
    }
}

fn lock(first: &Mutex<First>) -> MutexGuard<'_, First> {
    first.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What is said of a session.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    id: String,
    peer: String,
    key: Option<String>,
    listener: Option<String>,
    /// `accepted`, or `connected` by the server itself.
    origin: &'static str,
    since: String,
    age_seconds: f64,
    received_bytes: Option<u64>,
    sent_bytes: Option<u64>,
    queued_bytes: usize,
    holds: Vec<String>,
    groups: usize,
    group_names: Vec<String>,
}

impl Row {
    pub(super) fn new(info: &SessionInfo, now: SystemTime) -> Row {
        let since = now.checked_sub(info.age()).unwrap_or(SystemTime::UNIX_EPOCH);
        Row {
            id: info.id().to_string(),
            peer: info.peer_addr().to_string(),
            key: info.key().map(shown),
            listener: info.listener().map(listener_of),
            origin: if info.origin() == Origin::Accepted { "accepted" } else { "connected" },
            since: humantime::format_rfc3339_seconds(since).to_string(),
            age_seconds: (info.age().as_secs_f64() * 1e3).round() / 1e3,
            received_bytes: info.received(),
            sent_bytes: info.sent(),
            queued_bytes: info.queued(),
            holds: info.holds().map(|hold| hold.to_string()).collect(),
            groups: info.groups(),
            group_names: info.group_names().map(shown).collect(),
        }
    }
}

pub(super) fn listener_of(listener: &proactor::ListenerInfo) -> String {
    match listener.name() {
        "" => listener.address().to_string(),
        name => name.to_owned(),
    }
}

/// A key or a name as text. Bytes that are none are escaped: `\xff`.
pub(super) fn shown(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.escape_ascii().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(query: &str) -> Parameters {
        Parameters::parse(Some(query), PARAMETERS).unwrap()
    }

    #[test]
    fn orders_and_filters_name_what_they_do_not_know() {
        let order = Order::parse(&parsed("sort=-queued")).unwrap();
        assert!(order.by == By::Queued && order.descends);
        assert!(Order::parse(&parsed("")).unwrap().by == By::Id);
        for wrong in ["sort=size", "sort=", "sort=--age", "sort=Age"] {
            assert!(Order::parse(&parsed(wrong)).map(|_| ()).unwrap_err().what().contains("one of id, age"), "{wrong}");
        }
        let filter = Filter::parse(&parsed("peer=10.0.0.0/8&hold=any&min_age=1m")).unwrap();
        assert!(matches!(filter.peer, Some(PeerFilter::Net(_))) && filter.min_age == Duration::from_secs(60));
        assert!(matches!(Filter::parse(&parsed("peer=::1")).unwrap().peer, Some(PeerFilter::Net(_))));
        assert!(matches!(Filter::parse(&parsed("peer=127.0.0.1:80")).unwrap().peer, Some(PeerFilter::Text(_))));
        let wrong = |query| Filter::parse(&parsed(query)).map(|_| ()).unwrap_err().what().to_owned();
        assert!(wrong("hold=slow").contains("one of any, paused, untaken"));
        assert!(wrong("min_age=long").contains("write a time"));
        assert!(wrong("min_queued=-1").contains("must be a number"));
    }

    #[test]
    fn keys_that_are_no_text_are_escaped() {
        assert_eq!((shown("é\n".as_bytes()), shown(b"a\xff\n")), ("é\n".to_owned(), "a\\xff\\n".to_owned()));
    }
}
