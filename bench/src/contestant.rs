//! Who takes part: what each serves, how it is written, and what is started for it.

mod program;
mod server;
mod table;

use anyhow::{Context, Result, anyhow, ensure};
use clap::ValueEnum;

use crate::workload::Workload;
use program::Program;
pub(crate) use program::{Places, Workshop};
pub(crate) use server::Server;

/// What a program can do for those that connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Service {
    /// Bytes go back as they come
    Echo,
    /// Every packet, 4 bytes of big-endian length and so many bytes, goes through a function that answers with the same packet
    Framed,
    /// What one says, in packets like those, every other one hears
    Chat,
    /// HTTP/1.1 with keep-alive: every GET is answered with `Hello, World!`
    Http,
}

impl Service {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Service::Echo => "echo",
            Service::Framed => "framed",
            Service::Chat => "chat",
            Service::Http => "http",
        }
    }
}

/// A server that can be compared.
#[derive(Clone, Debug)]
pub(crate) struct Contestant {
    pub(crate) name: String,
    offers: Vec<Offer>,
}

/// One service of a contestant.
#[derive(Clone, Debug)]
pub(crate) struct Offer {
    /// Of a program given on the command line it is not known what it serves: whatever is asked.
    service: Option<Service>,
    /// How it is written, for the report.
    pub(crate) how: String,
    program: Program,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
}

impl Offer {
    fn new(service: Service, how: &str, program: Program, arguments: &[&str]) -> Self {
        let arguments = arguments.iter().copied().map(String::from).collect();
        Self { service: Some(service), how: how.into(), program, arguments, environment: Vec::new() }
    }

    fn environment(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// Sees to it that the program is built, and says why it cannot take part if so.
    pub(crate) fn missing(&self, workshop: &mut Workshop<'_>) -> Option<String> {
        workshop.missing(&self.program)
    }

    /// Starts it on one core, and waits until it says where it listens.
    pub(crate) fn start(&self, places: &Places, core: usize) -> Result<Server> {
        Server::start(&self.program.path(places)?, &self.arguments, &self.environment, core)
    }
}

impl Contestant {
    fn new(name: &str, offers: Vec<Offer>) -> Self {
        Self { name: name.into(), offers }
    }

    /// A contestant given on the command line as `NAME=PROGRAM ARGUMENTS..`.
    pub(crate) fn from_command(text: &str) -> Result<Self> {
        let (name, command) = text.split_once('=').context("a command is given as NAME=PROGRAM ARGUMENTS..")?;
        let mut words = command.split_whitespace().map(String::from);
        let path = words.next().context("a command names a program")?;
        let offer = Offer {
            service: None,
            how: command.into(),
            program: Program::Given(path.into()),
            arguments: words.collect(),
            environment: Vec::new(),
        };
        Ok(Self::new(name, vec![offer]))
    }

    /// A contestant like another, of another program, given as `NAME=CONTESTANT:PROGRAM`: an older build beside the present one.
    pub(crate) fn from_variant(text: &str) -> Result<Self> {
        const FORM: &str = "a variant is given as NAME=CONTESTANT:PROGRAM";
        let (name, (like, path)) =
            text.split_once('=').and_then(|(name, of)| Some((name, of.split_once(':')?))).context(FORM)?;
        let [mut contestant] = <[_; 1]>::try_from(select(&[like.into()], vec![])?).expect("one name, one contestant");
        contestant.name = name.into();
        let original = contestant.offers.first().map(|offer| offer.program.clone());
        contestant.offers.retain(|offer| Some(&offer.program) == original.as_ref());
        for offer in &mut contestant.offers {
            offer.program = Program::Given(path.into());
            offer.how = format!("{}; as {path}", offer.how);
        }
        Ok(contestant)
    }

    /// What of it takes part in a workload; none if it does not serve it.
    pub(crate) fn offer(&self, workload: Workload) -> Option<&Offer> {
        let mut wanted = workload.services().iter();
        wanted
            .find_map(|&service| self.offers.iter().find(|offer| offer.service.is_none_or(|offers| offers == service)))
    }

    /// What has to be said of it beside its numbers in this workload.
    pub(crate) fn remark(&self, workload: Workload) -> Option<&'static str> {
        let echoes = self.offer(workload)?.service == Some(Service::Echo);
        (workload == Workload::Pipelined && echoes).then_some("does not frame: bytes go back as they come")
    }
}

/// Those with these names, in this order; without names, all. A contestant in `extra` replaces its namesake.
pub(crate) fn select(names: &[String], extra: Vec<Contestant>) -> Result<Vec<Contestant>> {
    let mut all = table::table();
    for contestant in extra {
        match all.iter_mut().find(|known| known.name == contestant.name) {
            Some(known) => *known = contestant,
            None => all.push(contestant),
        }
    }
    if names.is_empty() {
        return Ok(all);
    }
    let mut chosen: Vec<Contestant> = Vec::new();
    for name in names {
        ensure!(chosen.iter().all(|contestant| contestant.name != *name), "{name} is named twice");
        let found = all.iter().find(|contestant| contestant.name == *name);
        chosen.push(found.cloned().ok_or_else(|| {
            let known: Vec<&str> = all.iter().map(|known| known.name.as_str()).collect();
            anyhow!("no contestant is called {name}; there are: {}", known.join(", "))
        })?);
    }
    Ok(chosen)
}

/// Prints the table.
pub(crate) fn list(places: &Places) {
    for contestant in table::table() {
        println!("{}", contestant.name);
        for offer in &contestant.offers {
            let missing = match offer.program.path(places) {
                Ok(_) => String::new(),
                Err(error) => format!(" ({error:#})"),
            };
            println!("    {:<8}{}{missing}", offer.service.map_or("", Service::name), offer.how);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_replaces_its_namesake_and_serves_what_is_asked() {
        let mine = Contestant::from_command("tokio=/bin/mine --listen 127.0.0.1:0").unwrap();
        let chosen = select(&["tokio".into()], vec![mine]).unwrap();
        assert_eq!(chosen[0].offer(Workload::Fanout).unwrap().how, "/bin/mine --listen 127.0.0.1:0");
        assert!(select(&["nobody".into()], vec![]).is_err());
        assert!(select(&["ours".into(), "ours".into()], vec![]).is_err());
        assert!(Contestant::from_command("no equals sign").is_err());
    }

    #[test]
    fn a_variant_is_started_like_its_model() {
        let old = Contestant::from_variant("old=ours:/tmp/old").unwrap();
        let ours = &select(&["ours".into()], vec![]).unwrap()[0];
        for workload in [Workload::Pingpong, Workload::Pipelined, Workload::Fanout] {
            let (old, ours) = (old.offer(workload).unwrap(), ours.offer(workload).unwrap());
            assert_eq!(old.arguments, ours.arguments);
            assert_eq!(old.program, Program::Given("/tmp/old".into()));
        }
        assert!(Contestant::from_variant("old=nobody:/tmp/old").is_err());
        assert!(Contestant::from_variant("old=ours").is_err());
    }

    #[test]
    fn names_are_given_once_and_what_only_echoes_is_marked_where_packets_are_asked_for() {
        let all = select(&[], vec![]).unwrap();
        for (place, contestant) in all.iter().enumerate() {
            assert!(all[place + 1..].iter().all(|other| other.name != contestant.name), "{}", contestant.name);
        }
        let named = |name: &str| all.iter().find(|contestant| contestant.name == name).unwrap();
        assert!(named("epoll").remark(Workload::Pipelined).is_some());
        assert!(named("epoll").remark(Workload::Pingpong).is_none());
        assert!(named("ours").remark(Workload::Pipelined).is_none());
        assert!(named("epoll").offer(Workload::Fanout).is_none());
    }
}
