//! `proactor admin`: asks the admin listener of a running server.

pub(crate) mod cluster;
mod http;
pub(crate) mod tables;

use std::error::Error;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::Value;

pub(crate) use self::http::{Listener, Request};
use crate::admin::read_token;
use crate::logging::LEVELS;
use crate::printing::product;
use crate::values;

/// Where a server's admin listener is looked for.
const USUAL_ADDRESS: &str = "127.0.0.1:7778";

const LONG_ABOUT: &str = "Asks a running server, which was started with --admin ADDR, and tells it what to do.\n\nOutput is a table, or JSON with --json. \
                          What the server refuses is said on standard error, and the exit status is 1.";

const EXAMPLES: &str = "Examples:\n  proactor echo --admin 127.0.0.1:7778 &\n  proactor admin status\n  proactor admin sessions --sort -queued --limit 10     # the \
                        slowest members\n  proactor admin sessions --peer 10.0.0.0/8 --min-age 1h --json\n  proactor admin flight --session 0.17.3\n  proactor admin close 0.17.3\n  proactor admin --admin \
                        unix:/run/proactor-admin.sock drain --timeout 1m";

/// Asks a running server about its sessions, and tells it what to do.
#[derive(Args)]
#[command(long_about = LONG_ABOUT, after_help = EXAMPLES)]
pub(crate) struct Ask {
    #[command(flatten)]
    reach: Reach,
    /// Print what the server answers, as JSON.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    question: Question,
}

/// Where a server is asked, and with which token.
#[derive(Args)]
pub(crate) struct Reach {
    /// The address of the server's --admin.
    #[arg(long = "admin", value_name = "ADDR", default_value = USUAL_ADDRESS, global = true)]
    address: String,
    /// The server's --admin-token-file, or a file with the same token.
    #[arg(long = "admin-token-file", value_name = "FILE", global = true)]
    token_file: Option<PathBuf>,
}

impl Reach {
    pub(crate) fn listener(&self) -> Result<Listener, String> {
        let token = self.token_file.as_deref().map(read_token).transpose()?;
        Ok(Listener { address: self.address.clone(), token })
    }
}

#[derive(Subcommand)]
enum Question {
    /// The state of the server, and what it has counted
    Status,
    /// The sessions there are, or those that pass all filters
    Sessions(Sessions),
    /// One session, and what happened to it
    Session {
        /// Its name, such as 0.17.3.
        id: String,
    },
    /// The last events of the server's shards
    Flight(Flight),
    /// The groups that have a name
    Groups(Groups),
    /// Close a session
    Close {
        /// Its name, such as 0.17.3.
        id: String,
        /// Reset it: what is queued for it is lost.
        #[arg(long)]
        abort: bool,
    },
    /// Drain the server: finish work under way, accept no more
    Drain {
        /// How long that may take [default: the server's --drain-timeout]
        #[arg(long, value_name = "TIME", value_parser = values::any_time)]
        timeout: Option<Duration>,
    },
    /// Show the log level, or change it
    Log {
        /// The new level.
        #[arg(value_parser = LEVELS.map(|(name, _)| name))]
        level: Option<String>,
    },
    /// Read certificates again, and what can change of the configuration file
    Reload,
    /// Start a new process of the same program, and have it take over without a refused connection
    Upgrade,
    /// Exit with 0 if the server takes new sessions, with 1 if not
    Ready,
    /// Exit with 0 if all shards answer, with 1 if not
    Health,
    /// The metrics, as Prometheus reads them
    Metrics,
}

/// It is longer than an --upgrade-timeout that makes sense.
const UPGRADE_PATIENCE: Duration = Duration::from_secs(600);

#[derive(Args)]
struct Sessions {
    /// With this anywhere in the name, peer, key, listener or groups.
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,
    /// Of this address, of a network such as 10.0.0.0/8, or of peers that begin so.
    #[arg(long, value_name = "ADDR")]
    peer: Option<String>,
    /// With this key.
    #[arg(long)]
    key: Option<String>,
    /// That came by this listener: its name or its address.
    #[arg(long, value_name = "LISTENER")]
    listener: Option<String>,
    /// In the group of this name.
    #[arg(long)]
    group: Option<String>,
    /// Not read from, for this reason or for any.
    #[arg(long, value_name = "REASON")]
    hold: Option<String>,
    /// With at least so many bytes queued.
    #[arg(long, value_name = "BYTES")]
    min_queued: Option<u64>,
    /// At least so old, such as 5m.
    #[arg(long, value_name = "TIME")]
    min_age: Option<String>,
    /// The order: id, age, queued, received, sent, peer or key, with a `-` before it for the
    /// largest first.
    #[arg(long, value_name = "ORDER", allow_hyphen_values = true)]
    sort: Option<String>,
    /// At most so many, up to 1000 [default: 100]
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    /// Leave out the first of them, up to 10000.
    #[arg(long, value_name = "N")]
    offset: Option<u64>,
}

#[derive(Args)]
struct Flight {
    /// Those of this session, also if it has ended: such as 0.17.3.
    #[arg(long, value_name = "ID")]
    session: Option<String>,
    /// Those of this shard.
    #[arg(long, value_name = "N")]
    shard: Option<u64>,
    /// The newest, at most so many, up to 10000 [default: 1000]
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
}

#[derive(Args)]
struct Groups {
    /// With this in the name.
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,
    /// The order: members (the most first) or name.
    #[arg(long, value_name = "ORDER")]
    sort: Option<String>,
    /// At most so many, up to 1000 [default: 100]
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    /// Leave out the first of them.
    #[arg(long, value_name = "N")]
    offset: Option<u64>,
}

/// Parameters that were given.
fn given<V: ToString>(parameters: &[(&str, &Option<V>)]) -> Vec<(String, String)> {
    let found = parameters.iter().filter_map(|(name, value)| Some((*name, value.as_ref()?)));
    found.map(|(name, value)| (name.to_owned(), value.to_string())).collect()
}

impl Sessions {
    fn request(&self) -> Request {
        let Sessions { search, peer, key, listener, group, hold, min_queued, min_age, sort, limit, offset } = self;
        let mut all = given(&[
            ("search", search),
            ("peer", peer),
            ("key", key),
            ("listener", listener),
            ("group", group),
            ("hold", hold),
            ("min_age", min_age),
            ("sort", sort),
        ]);
        all.extend(given(&[("min_queued", min_queued), ("limit", limit), ("offset", offset)]));
        Request::get("/sessions").with(all)
    }
}

impl Flight {
    fn request(&self) -> Request {
        let mut all = given(&[("session", &self.session)]);
        all.extend(given(&[("shard", &self.shard), ("limit", &self.limit)]));
        Request::get("/flight").with(all)
    }
}

impl Groups {
    fn request(&self) -> Request {
        let mut all = given(&[("search", &self.search), ("sort", &self.sort)]);
        all.extend(given(&[("limit", &self.limit), ("offset", &self.offset)]));
        Request::get("/groups").with(all)
    }
}

impl Question {
    fn request(&self) -> Request {
        match self {
            Question::Status => Request::get("/status"),
            Question::Sessions(sessions) => sessions.request(),
            Question::Session { id } => Request::get(format!("/sessions/{}", http::segment(id))),
            Question::Flight(flight) => flight.request(),
            Question::Groups(groups) => groups.request(),
            Question::Close { id, abort } => {
                let how = if *abort { "abort" } else { "graceful" };
                let request = Request::post(format!("/sessions/{}/close", http::segment(id)));
                request.with(vec![("how".into(), how.into())])
            }
            Question::Drain { timeout } => {
                let timeout = timeout.map(|time| format!("{}ms", time.as_millis()));
                Request::post("/drain").with(given(&[("timeout", &timeout)]))
            }
            Question::Log { level: None } => Request::get("/log"),
            Question::Log { level } => Request::post("/log").with(given(&[("level", level)])),
            Question::Reload => Request::post("/reload"),
            Question::Upgrade => Request::post("/upgrade").waiting(UPGRADE_PATIENCE),
            Question::Ready => Request::get("/readyz"),
            Question::Health => Request::get("/healthz"),
            Question::Metrics => Request::get("/metrics"),
        }
    }

    /// What the server has answered, for people.
    fn text(&self, answer: &Value) -> String {
        match self {
            Question::Status => tables::facts(answer),
            Question::Sessions(_) => tables::sessions(answer),
            Question::Session { .. } => tables::session(answer),
            Question::Flight(_) => tables::flight(answer),
            Question::Groups(_) => tables::groups(answer),
            Question::Close { .. } => format!("session {} is being closed\n", tables::field(answer, "closing")),
            Question::Drain { .. } => {
                format!("the server is drained; sessions that are left: {}\n", tables::field(answer, "draining"))
            }
            Question::Log { .. } => format!("{}\n", tables::field(answer, "level")),
            Question::Reload => tables::reloaded(answer),
            Question::Upgrade => format!("process {} serves now\n", tables::field(answer, "process")),
            Question::Ready => "ready\n".into(),
            Question::Health => "healthy\n".into(),
            Question::Metrics => String::new(),
        }
    }
}

impl Ask {
    pub(crate) fn run(self) -> Result<(), Box<dyn Error>> {
        let (listener, request) = (self.reach.listener()?, self.question.request());
        if let Question::Metrics = self.question {
            let answer = answered(&listener, &request)?;
            return Ok(product(&String::from_utf8_lossy(&answer.body))?);
        }
        print(&listener, &request, self.json, |answer| self.question.text(answer))
    }
}

/// What the server answers, unless it refuses.
fn answered(listener: &Listener, request: &Request) -> Result<http::Answer, String> {
    let answer = listener.ask(request)?;
    if answer.status >= 400 { Err(refusal(&answer)) } else { Ok(answer) }
}

/// Prints what the server answers: as it came, or for people.
fn print(
    listener: &Listener,
    request: &Request,
    as_json: bool,
    text: impl FnOnce(&Value) -> String,
) -> Result<(), Box<dyn Error>> {
    let answer = answered(listener, request)?;
    let value = serde_json::from_slice(&answer.body)
        .map_err(|error| format!("the answer is no JSON ({error}): is {} a server's --admin?", listener.address))?;
    let text = if as_json { String::from_utf8_lossy(&answer.body).into_owned() } else { text(&value) };
    Ok(product(&text)?)
}

/// Why the server does not do it.
pub(crate) fn refusal(answer: &http::Answer) -> String {
    let said: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let why = ["error", "why"].into_iter().find_map(|name| said[name].as_str());
    match (why, said["stuck_shards"].as_array()) {
        (Some(why), _) => tables::printable(why),
        (None, Some(shards)) => {
            let shards: Vec<String> = shards.iter().map(Value::to_string).collect();
            format!("not healthy: shards that do not answer: {}", shards.join(", "))
        }
        (None, None) => format!("the server answered with the status {}", answer.status),
    }
}
