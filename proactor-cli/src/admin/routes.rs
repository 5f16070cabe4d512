//! What is asked, and what answers it.

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{ACCEPT, CONNECTION, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use proactor::metrics::{self, Format};
use proactor::{Address, SessionId};
use serde::Serialize;

use super::answer::{Answer, Failure, response};
use super::parameters::Parameters;
use super::place::{Place, Running, too_much};
use super::{cluster, flight, groups, listing, page, status, upgrading};
use crate::logging;
use crate::printing::say;

/// Told to a client that asks for something else.
const ROUTES: &str = "GET / (a page), /metrics, /healthz, /readyz, /status, /sessions, /sessions/ID, /groups, /cluster, /history, /flight, /log; POST /sessions/ID/close, \
                      /drain, /upgrade, /log, /reload";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Route<'r> {
    Metrics,
    Health,
    Ready,
    Status,
    Sessions,
    Session(&'r str),
    Close(&'r str),
    Groups,
    Cluster,
    History,
    Flight,
    Drain,
    Log,
    Reload,
    Upgrade,
    /// A file of the page.
    Page,
}

impl Route<'_> {
    fn of(path: &str) -> Option<Route<'_>> {
        Some(match path {
            "/metrics" => Route::Metrics,
            "/healthz" => Route::Health,
            "/readyz" => Route::Ready,
            "/status" => Route::Status,
            "/sessions" => Route::Sessions,
            "/groups" => Route::Groups,
            "/cluster" => Route::Cluster,
            "/history" => Route::History,
            "/flight" => Route::Flight,
            "/drain" => Route::Drain,
            "/log" => Route::Log,
            "/reload" => Route::Reload,
            "/upgrade" => Route::Upgrade,
            path if page::has(path) => Route::Page,
            _ => match path.strip_prefix("/sessions/")?.split_once('/') {
                None => Route::Session(path.strip_prefix("/sessions/")?),
                Some((id, "close")) => Route::Close(id),
                Some(_) => return None,
            },
        })
    }

    /// A client needs no token for it: load balancers have none, and the page asks for it.
    fn is_open(self) -> bool {
        matches!(self, Route::Health | Route::Ready | Route::Page)
    }

    fn allow(self) -> &'static str {
        match self {
            Route::Close(_) | Route::Drain | Route::Reload | Route::Upgrade => "POST",
            Route::Log => "GET, HEAD, POST",
            _ => "GET, HEAD",
        }
    }

    fn parameters(self) -> &'static [&'static str] {
        match self {
            Route::Sessions => listing::PARAMETERS,
            Route::Groups => groups::PARAMETERS,
            Route::Close(_) => &["how"],
            Route::History => &["after"],
            Route::Flight => flight::PARAMETERS,
            Route::Drain => &["timeout"],
            Route::Log => &["level"],
            _ => &[],
        }
    }
}

/// Answers a request. A body is not read.
pub(super) async fn answer<B>(place: &Place, request: &Request<B>) -> Response<Full<Bytes>> {
    let mut response = response(routed(place, request).await);
    if place.access.check_token(request.headers()).is_err() {
        // Connections are few, and those without the token must not fill them.
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

async fn routed<B>(place: &Place, request: &Request<B>) -> Result<Answer, Failure> {
    let (path, method) = (request.uri().path(), request.method());
    place.access.check_site(request.headers())?;
    let route = Route::of(path);
    if route.is_none_or(|route| !route.is_open()) {
        // What there is, is said only to those who may know.
        place.access.check_token(request.headers())?;
    }
    let Some(route) = route else {
        let what = format!("there is nothing at {:?}; there are {ROUTES}", path);
        return Err(Failure::new(StatusCode::NOT_FOUND, what));
    };
    let is_known = match method {
        &Method::HEAD => route.allow().contains("HEAD"),
        &Method::GET | &Method::POST => route.allow().contains(method.as_str()),
        _ => false,
    };
    if !is_known {
        let allow = route.allow();
        return Err(Failure::method(allow, format!("{method} {path}: the method must be one of {allow}")));
    }
    let parameters = Parameters::parse(request.uri().query(), route.parameters())?;
    match route {
        Route::Health => Ok(status::health(place).await),
        Route::Ready => Ok(status::ready(place)),
        Route::Page => page::file(path).ok_or_else(|| Failure::new(StatusCode::NOT_FOUND, "there is no such file")),
        _ => asked(place, place.running()?, route, &parameters, request).await,
    }
}

/// What needs a server that runs.
async fn asked<B>(
    place: &Place,
    running: &Running,
    route: Route<'_>,
    parameters: &Parameters,
    request: &Request<B>,
) -> Result<Answer, Failure> {
    let subject = &running.subject;
    let handle = &subject.handle;
    let asker = || request.extensions().get::<Address>().map_or_else(|| "somebody".to_owned(), Address::to_string);
    match route {
        Route::Metrics => {
            let accept = request.headers().get(ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or("");
            let format = Format::of_accept(accept);
            Ok(Answer::text(format.content_type(), metrics::encode(&running.registry, format)))
        }
        Route::Status => Ok(status::status(running)),
        Route::Sessions => {
            let (asked, list) = listing::Asked::ask(handle, parameters)?;
            place.of_shards(list).await?;
            Ok(Answer::json(&asked.page()))
        }
        Route::Session(id) => {
            let (session, id) = known(place, running, id).await?;
            Ok(Answer::json(&WithHistory { session, history: flight::of_session(running, id) }))
        }
        Route::Close(id) => {
            let aborts = parameters.choice("how", &[("graceful", false), ("abort", true)])?.unwrap_or(false);
            let (_, id) = known(place, running, id).await?;
            let closed = if aborts { handle.abort(id) } else { handle.close(id) };
            closed.map_err(|error| too_much("the session's shard has too much to do", error))?;
            let how = if aborts { "abort" } else { "graceful" };
            say(format_args!("admin: session {id} is closed ({how}), as {} asked", asker()));
            Ok(Answer::accepted(&Closing { closing: id.to_string(), how }))
        }
        Route::Groups => {
            let (asked, list) = groups::Asked::ask(handle, parameters)?;
            place.of_shards(list).await?;
            Ok(Answer::json(&asked.page(handle)))
        }
        Route::Cluster => Ok(Answer::json(&cluster::state(handle)?)),
        Route::History => {
            let after = parameters.number("after", 0, u64::MAX)?.unwrap_or(0);
            Ok(Answer::compact(&place.history(after)))
        }
        Route::Flight => Ok(Answer::json(&flight::page(running, parameters)?)),
        Route::Drain => {
            let timeout = parameters.time("timeout")?.unwrap_or(subject.drain_timeout);
            if handle.is_ending() {
                return Err(Failure::new(StatusCode::CONFLICT, "the server is ending already"));
            }
            say(format_args!("admin: the server is drained, for at most {timeout:?}, as {} asked", asker()));
            handle.drain_as(subject.drain.within(timeout));
            Ok(Answer::accepted(&Draining { draining: handle.sessions(), timeout_seconds: timeout.as_secs_f64() }))
        }
        Route::Log => {
            if request.method() == Method::POST {
                let Some(level) = parameters.choice("level", &logging::LEVELS)? else {
                    return Err(Failure::bad("the parameter level is missing: such as level=info"));
                };
                logging::set_level(level).map_err(|error| {
                    let what = format!("the log level could not be changed: {error}");
                    Failure::new(StatusCode::INTERNAL_SERVER_ERROR, what)
                })?;
                say(format_args!("admin: the log level is {}, as {} asked", logging::level(), asker()));
            }
            Ok(Answer::json(&Level { level: logging::level() }))
        }
        Route::Reload => {
            if subject.reloading.is_empty() {
                let what = "there is nothing to reload: the server has no certificates and no configuration file";
                return Err(Failure::new(StatusCode::CONFLICT, what));
            }
            let reloaded = subject.reloading.reload();
            for line in reloaded.lines() {
                say(format_args!("admin: a reload, as {} asked: {line}", asker()));
            }
            if !reloaded.errors.is_empty() {
                return Err(Failure::new(StatusCode::INTERNAL_SERVER_ERROR, reloaded.errors.join("; ")));
            }
            let certificates = reloaded.has_certificates.then(|| "certificates".to_owned());
            let needs_restart = reloaded.needs_restart;
            Ok(Answer::json(&Done {
                reloaded: certificates.into_iter().chain(reloaded.settings).collect(),
                needs_restart,
            }))
        }
        Route::Upgrade => {
            let (answer, answered) = upgrading::answer();
            subject.upgrade.begin(|ended| answer.give(ended)).map_err(|why| Failure::new(StatusCode::CONFLICT, why))?;
            say(format_args!("admin: the server is upgraded, as {} asked", asker()));
            let failed = |why| Failure::new(StatusCode::INTERNAL_SERVER_ERROR, format!("{why}; this server goes on"));
            Ok(Answer::json(&Upgraded { process: answered.await.map_err(failed)? }))
        }
        Route::Health | Route::Ready | Route::Page => Err(Failure::new(StatusCode::NOT_FOUND, "it needs no server")),
    }
}

/// A session, by its name in a path.
async fn known(place: &Place, running: &Running, text: &str) -> Result<(listing::Row, SessionId), Failure> {
    let id = flight::session_of(text)?;
    let found = place.of_shards(running.subject.handle.look_up(id)).await?;
    match found.first() {
        Some(info) => Ok((listing::Row::new(info, std::time::SystemTime::now()), id)),
        None => {
            let history = flight::of_session(running, id).is_some_and(|history| !history.is_empty());
            let more = match history {
                true => format!("; its last events: /flight?session={id}, or `proactor admin flight --session {id}`"),
                false => String::new(),
            };
            let what = format!("there is no session {id}: it has ended, or is being closed{more}");
            Err(Failure::new(StatusCode::NOT_FOUND, what))
        }
    }
}

/// A session, and what happened to it, if the server records that.
#[derive(Serialize)]
struct WithHistory {
    #[serde(flatten)]
    session: listing::Row,
    history: Option<Vec<flight::Told>>,
}

#[derive(Serialize)]
struct Closing {
    closing: String,
    how: &'static str,
}

#[derive(Serialize)]
struct Draining {
    /// Sessions that there are yet.
    draining: usize,
    timeout_seconds: f64,
}

#[derive(Serialize)]
struct Level {
    level: &'static str,
}

#[derive(Serialize)]
struct Upgraded {
    /// That serves now.
    process: u32,
}

#[derive(Serialize)]
struct Done {
    reloaded: Vec<String>,
    /// What has changed in the configuration and cannot change while the server runs.
    needs_restart: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_routes_or_nothing() {
        for (path, route) in [
            ("/metrics", Some(Route::Metrics)),
            ("/sessions", Some(Route::Sessions)),
            ("/sessions/0.1.2", Some(Route::Session("0.1.2"))),
            ("/sessions/", Some(Route::Session(""))),
            ("/sessions/0.1.2/close", Some(Route::Close("0.1.2"))),
            ("/sessions/0.1.2/", None),
            ("/sessions/0.1.2/close/", None),
            ("/sessions/0.1.2/open", None),
            ("/metrics/", None),
            ("//metrics", None),
            ("/../metrics", None),
            ("", None),
            ("*", None),
        ] {
            assert_eq!(Route::of(path), route, "{path}");
        }
    }
}
