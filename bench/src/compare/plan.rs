//! Which cases are measured: what the options come to.

use anyhow::{Context, Result, ensure};
use clap::Args;

use loadgen::workload::{Case, Workload};

#[derive(Args, Clone, Debug)]
pub(super) struct Chosen {
    /// What is asked of the servers: one workload, several, or all, each with its usual cases; or
    /// growth: costs against the number of idle sessions, of shards and of members
    #[arg(long, value_delimiter = ',', default_value = "pingpong", value_parser = workloads)]
    workload: Vec<Which>,
    /// One case, as fanout:members=500,outstanding=1; other parameters keep their defaults.
    /// Repeatable. Replaces --workload
    #[arg(long, value_name = "WORKLOAD:NAME=NUMBER,..")]
    case: Vec<Case>,
    /// These numbers of connections (or members, or sessions) instead of the usual ones
    #[arg(long, value_delimiter = ',')]
    connections: Vec<u64>,
    /// These sizes in bytes, of a message or a packet, instead of the usual ones
    #[arg(long, value_delimiter = ',')]
    size: Vec<u64>,
    /// For fanout: these numbers of messages under way instead of the usual ones
    #[arg(long, value_delimiter = ',')]
    outstanding: Vec<u64>,
    /// These numbers of idle sessions beside the load instead of the usual ones
    #[arg(long, value_delimiter = ',')]
    idle: Vec<u64>,
    /// For pingpong and churn: these numbers of shards instead of the usual ones. Only some servers
    /// have them
    #[arg(long, value_delimiter = ',')]
    shards: Vec<u64>,
    /// Over WebSocket: pingpong, openloop and fanout, of contestants that speak it
    #[arg(long)]
    websocket: bool,
    /// Over TLS 1.3 with AES-256-GCM: pingpong, openloop and stream, of contestants that speak it
    #[arg(long, conflicts_with = "websocket")]
    tls: bool,
}

#[derive(Clone, Copy, Debug)]
enum Which {
    One(Workload),
    All,
    Growth,
}

/// How costs grow with the number of idle sessions, of shards and of members. As many shards as the
/// most sessions need, so that nothing else differs.
const GROWTH: [&str; 12] = [
    "pingpong:connections=64,shards=11,idle=0",
    "pingpong:connections=64,shards=11,idle=10000",
    "pingpong:connections=64,shards=11,idle=100000",
    "pingpong:connections=64,shards=11,idle=200000",
    "pingpong:connections=64,shards=1",
    "pingpong:connections=64,shards=2",
    "churn:connections=16,shards=11,idle=0",
    "churn:connections=16,shards=11,idle=10000",
    "churn:connections=16,shards=11,idle=200000",
    "fanout:members=64,outstanding=1",
    "fanout:members=5000,outstanding=1",
    "fanout:members=100000,outstanding=1",
];

fn workloads(text: &str) -> Result<Which, String> {
    match text {
        "all" => Ok(Which::All),
        "growth" => Ok(Which::Growth),
        _ => clap::ValueEnum::from_str(text, false).map(Which::One).map_err(|_| {
            let names: Vec<_> = <Workload as clap::ValueEnum>::value_variants().iter().map(|one| one.name()).collect();
            format!("there are {}, growth, and all", names.join(", "))
        }),
    }
}

impl Chosen {
    /// In the order asked for, each once.
    pub(super) fn cases(&self) -> Result<Vec<Case>> {
        let mut cases = self.case.clone();
        if cases.is_empty() {
            for &chosen in &self.workload {
                match chosen {
                    Which::One(workload) => cases.extend(workload.usual_cases()),
                    Which::Growth => {
                        let all = GROWTH.iter().map(|case| case.parse().expect("a test reads them all"));
                        cases.extend(all.collect::<Vec<Case>>());
                    }
                    Which::All => {
                        let all = <Workload as clap::ValueEnum>::value_variants().iter();
                        cases.extend(all.flat_map(|workload| workload.usual_cases()));
                    }
                }
            }
        }
        for (names, values) in [
            (&["connections", "members", "sessions"][..], &self.connections),
            (&["size"], &self.size),
            (&["outstanding"], &self.outstanding),
            (&["idle"], &self.idle),
            (&["shards"], &self.shards),
        ] {
            cases = replaced(cases, names, values)?;
        }
        for (name, is_asked_for) in [("websocket", self.websocket), ("tls", self.tls)] {
            if is_asked_for {
                let over = |case: &Case| case.with(name, 1).with_context(|| format!("--{name}"));
                cases = cases.iter().map(over).collect::<Result<_>>()?;
            }
        }
        let mut once: Vec<Case> = Vec::new();
        for case in cases {
            if !once.contains(&case) {
                once.push(case);
            }
        }
        ensure!(!once.is_empty(), "no cases");
        Ok(once)
    }
}

/// Every case with each of the values for the first of these parameters that it has.
fn replaced(cases: Vec<Case>, names: &[&str], values: &[u64]) -> Result<Vec<Case>> {
    if values.is_empty() {
        return Ok(cases);
    }
    let mut all = Vec::new();
    for case in cases {
        let Some(name) = names.iter().find(|name| case.has(name)) else {
            all.push(case);
            continue;
        };
        for &value in values {
            let mut case = case.clone();
            case.set(name, value)?;
            all.push(case);
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        options: Chosen,
    }

    fn cases(line: &str) -> Vec<String> {
        let line = Line::try_parse_from(format!("bench {line}").split_whitespace()).unwrap();
        line.options.cases().unwrap().iter().map(Case::argument).collect()
    }

    #[test]
    fn numbers_replace_the_usual_ones_and_no_case_comes_twice() {
        assert_eq!(
            cases("--workload pingpong --connections 64,512 --size 64"),
            [
                "pingpong:connections=64,size=64,idle=0,shards=0,websocket=0,tls=0",
                "pingpong:connections=512,size=64,idle=0,shards=0,websocket=0,tls=0"
            ]
        );
        assert_eq!(
            cases("--workload fanout,churn --connections 20 --outstanding 1"),
            [
                "fanout:members=20,size=100,outstanding=1,stuck=0,websocket=0",
                "fanout:members=20,size=100,outstanding=1,stuck=1,websocket=0",
                "churn:connections=20,size=64,idle=0,shards=0"
            ]
        );
    }

    #[test]
    fn cases_stand_for_themselves() {
        assert_eq!(
            cases("--case stream --case pipelined:burst=7"),
            ["stream:connections=1,tls=0", "pipelined:connections=16,burst=7,size=64"]
        );
    }

    #[test]
    fn growth_is_cases_that_differ_in_one_number() {
        let growth = cases("--workload growth");
        assert_eq!(growth.len(), GROWTH.len());
        assert!(
            growth.contains(&"pingpong:connections=64,size=64,idle=200000,shards=11,websocket=0,tls=0".to_owned()),
            "{growth:?}"
        );
        assert_eq!(cases("--workload churn --idle 0,100").len(), 2);
    }

    #[test]
    fn over_websocket_is_every_case_that_can_be() {
        assert_eq!(
            cases("--case pingpong:size=7 --case fanout:members=5 --websocket"),
            [
                "pingpong:connections=64,size=7,idle=0,shards=0,websocket=1,tls=0",
                "fanout:members=5,size=100,outstanding=16,stuck=0,websocket=1"
            ]
        );
        assert_eq!(cases("--case stream --tls"), ["stream:connections=1,tls=1"]);
        let line = Line::try_parse_from(["bench", "--workload", "stream", "--websocket"]).unwrap();
        assert!(format!("{:#}", line.options.cases().unwrap_err()).starts_with("--websocket: stream has no websocket"));
    }

    #[test]
    fn all_is_every_workload() {
        let all = cases("--workload all");
        for workload in <Workload as clap::ValueEnum>::value_variants() {
            assert!(all.iter().any(|case| case.starts_with(&workload.name())), "{workload}");
        }
    }
}
