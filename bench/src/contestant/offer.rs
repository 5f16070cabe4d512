//! A contestant and the services that it offers.

use anyhow::Result;
use loadgen::workload::affinity;
use loadgen::workload::{Case, Workload};
use peer_cli::Service;

use super::identity::Identity;
use super::program::{Places, Program, Workshop};
use super::server::Server;

/// A server that can be compared.
#[derive(Clone, Debug)]
pub(crate) struct Contestant {
    pub(crate) name: String,
    /// A bare loop of system calls, tuned for its work: what the work costs without a library.
    pub(crate) floor: bool,
    pub(super) offers: Vec<Offer>,
}

/// One service of a contestant.
#[derive(Clone, Debug)]
pub(crate) struct Offer {
    /// Of a program given on the command line it is not known what it serves: whatever is asked.
    pub(super) service: Option<Service>,
    /// How it is written, for the report.
    pub(crate) how: String,
    pub(super) program: Program,
    pub(super) arguments: Vec<String>,
    pub(super) environment: Vec<(String, String)>,
    /// What its command line needs besides for a case: room for many sessions, a number of shards.
    pub(super) sized: Option<fn(&Case, usize) -> Vec<String>>,
}

impl Offer {
    pub(super) fn new(service: Service, how: &str, program: Program, arguments: &[&str]) -> Self {
        let arguments = arguments.iter().copied().map(String::from).collect();
        Self { service: Some(service), how: how.into(), program, arguments, environment: Vec::new(), sized: None }
    }

    /// Has these options for a case too, given the limit of open files.
    pub(super) fn sized(self, sized: fn(&Case, usize) -> Vec<String>) -> Self {
        Self { sized: Some(sized), ..self }
    }

    pub(super) fn environment(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// Sees to it that the program is built, and says why it cannot take part if so.
    pub(crate) fn missing(&self, workshop: &mut Workshop<'_>) -> Option<String> {
        workshop.missing(&self.program)
    }

    /// Starts it on one core for a case, and waits until it says where it listens. Over TLS it
    /// shows the certificate.
    pub(crate) fn start(
        &self,
        places: &Places,
        core: usize,
        case: &Case,
        identity: Option<&Identity>,
    ) -> Result<Server> {
        let mut arguments = self.arguments.clone();
        if let Some(sized) = self.sized {
            arguments.extend(sized(case, affinity::descriptor_limit()?));
        }
        if let Some(identity) = identity.filter(|_| case.is_over_tls()) {
            arguments.extend(identity.arguments());
        }
        Server::start(&self.program.path(places)?, &arguments, &self.environment, core)
    }
}

impl Contestant {
    pub(super) fn new(name: &str, offers: Vec<Offer>) -> Self {
        Self { name: name.into(), floor: false, offers }
    }

    pub(super) fn floor(mut self) -> Self {
        self.floor = true;
        self
    }

    /// What of it takes part in a workload; none if it does not serve it.
    pub(crate) fn offer(&self, workload: Workload) -> Option<&Offer> {
        self.best_of(services(workload))
    }

    /// The same for a case, which may ask for what only some have.
    pub(crate) fn offer_for(&self, case: &Case) -> Option<&Offer> {
        let asks_for_shards = case.has("shards") && case.get("shards") > 0;
        let services = match case.workload {
            Workload::Fanout if case.is_over_websocket() => &[Service::WebSocketChat],
            _ if case.is_over_websocket() => &[Service::WebSocket],
            _ if case.is_over_tls() => &[Service::Tls],
            workload => services(workload),
        };
        self.best_of(services).filter(|offer| !asks_for_shards || offer.sized.is_some())
    }

    fn best_of(&self, services: &[Service]) -> Option<&Offer> {
        let offered =
            |service: &Service| self.offers.iter().find(|offer| offer.service.is_none_or(|offers| offers == *service));
        services.iter().find_map(offered)
    }

    /// What has to be said of it beside its numbers in this workload.
    pub(crate) fn remark(&self, workload: Workload) -> Option<&'static str> {
        let echoes = self.offer(workload)?.service == Some(Service::Echo);
        (workload == Workload::Pipelined && echoes).then_some("does not frame: bytes go back as they come")
    }
}

/// The services that a workload needs one of, the best first.
fn services(workload: Workload) -> &'static [Service] {
    match workload {
        Workload::Pipelined => &[Service::Framed, Service::Echo],
        Workload::Fanout => &[Service::Chat],
        Workload::Http => &[Service::Http],
        Workload::Stream => &[Service::Stream, Service::Echo],
        Workload::Pingpong | Workload::Churn | Workload::Idle | Workload::Openloop => &[Service::Echo],
    }
}
