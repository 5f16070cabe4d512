//! Which contestants take part: those of the table, and those given on the command line.

use anyhow::{Context, Result, anyhow, ensure};
use peer_cli::Service;

use super::offer::{Contestant, Offer};
use super::program::{Places, Program};
use super::table;

/// A contestant given on the command line as `NAME=PROGRAM ARGUMENTS..`.
pub(crate) fn from_command(text: &str) -> Result<Contestant> {
    let (name, command) = text.split_once('=').context("a command is given as NAME=PROGRAM ARGUMENTS..")?;
    let mut words = command.split_whitespace().map(String::from);
    let path = words.next().context("a command names a program")?;
    let offer = Offer {
        service: None,
        how: command.into(),
        program: Program::Given(path.into()),
        arguments: words.collect(),
        environment: Vec::new(),
        sized: None,
    };
    Ok(Contestant::new(name, vec![offer]))
}

/// Another program started like a known contestant, given as `NAME=CONTESTANT:PROGRAM`.
pub(crate) fn from_variant(text: &str) -> Result<Contestant> {
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

/// The contestants with these names, in this order, or all. One in `extra` replaces its namesake.
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

/// The table, a contestant and each of its offers in a line.
pub(crate) fn list(places: &Places) -> String {
    let mut text = String::new();
    for contestant in table::table() {
        text += &format!("{}\n", contestant.name);
        for offer in &contestant.offers {
            let missing = match offer.program.path(places) {
                Ok(_) => String::new(),
                Err(error) => format!(" ({error:#})"),
            };
            text += &format!("    {:<8}{}{missing}\n", offer.service.map_or("", Service::name), offer.how);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use loadgen::workload::Workload;

    use super::*;

    #[test]
    fn a_command_replaces_its_namesake_and_serves_every_workload() {
        let mine = from_command("tokio=/bin/mine --listen 127.0.0.1:0").unwrap();
        let chosen = select(&["tokio".into()], vec![mine]).unwrap();
        assert_eq!(chosen[0].offer(Workload::Fanout).unwrap().how, "/bin/mine --listen 127.0.0.1:0");
        assert!(select(&["nobody".into()], vec![]).is_err());
        assert!(select(&["ours".into(), "ours".into()], vec![]).is_err());
        assert!(from_command("no equals sign").is_err());
    }

    #[test]
    fn a_variant_is_started_like_its_model() {
        let old = from_variant("old=ours:/tmp/old").unwrap();
        let ours = &select(&["ours".into()], vec![]).unwrap()[0];
        for workload in [Workload::Pingpong, Workload::Pipelined, Workload::Fanout] {
            let (old, ours) = (old.offer(workload).unwrap(), ours.offer(workload).unwrap());
            assert_eq!(old.arguments, ours.arguments);
            assert_eq!(old.program, Program::Given("/tmp/old".into()));
        }
        assert!(from_variant("old=nobody:/tmp/old").is_err());
        assert!(from_variant("old=ours").is_err());
    }

    #[test]
    fn names_are_unique_and_echo_servers_are_marked_in_packet_workloads() {
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
