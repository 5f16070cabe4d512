//! The workloads, their parameters, and the cases measured by default.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use anyhow::{Context, Result, bail, ensure};
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::echo::figures::grouped;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Workload {
    /// Every connection sends one message, waits for its echo, and sends the next
    Pingpong,
    /// Every connection sends a burst of length-prefixed packets in one write, and the next burst
    /// when all are back
    Pipelined,
    /// One speaks, all others hear it: so many messages are under way at a time
    Fanout,
    /// Connect, one message and its echo, reset, and again
    Churn,
    /// Every connection sends 64 KiB pieces without waiting, at most 1 MiB ahead of what has come
    /// back
    Stream,
    /// Sessions that have echoed one message each and are quiet: what each costs in memory
    Idle,
    /// Messages leave at a fixed rate whether or not the earlier ones are answered
    Openloop,
    /// GET over HTTP/1.1 with keep-alive, one request outstanding on each connection
    Http,
}

/// A number that a case has.
pub struct Parameter {
    pub name: &'static str,
    default: u64,
    least: u64,
    /// How the value is shown, with `{}` for the number. An allowed 0 means "off" and is not shown.
    shown: &'static str,
}

const fn parameter(name: &'static str, default: u64, shown: &'static str) -> Parameter {
    Parameter { name, default, least: 1, shown }
}

/// One that may be 0.
const fn optional(name: &'static str, default: u64, shown: &'static str) -> Parameter {
    Parameter { name, default, least: 0, shown }
}

impl Workload {
    pub fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().into())
    }

    /// What is counted: "CPU per message" and "messages per second" are of this.
    pub fn unit(self) -> &'static str {
        match self {
            Workload::Pingpong | Workload::Openloop => "message",
            Workload::Pipelined => "packet",
            Workload::Fanout => "delivery",
            Workload::Churn => "connection",
            Workload::Stream => "64 KiB",
            Workload::Idle => "session",
            Workload::Http => "response",
        }
    }

    pub fn parameters(self) -> &'static [Parameter] {
        const CONNECTIONS: Parameter = parameter("connections", 64, "{} connections");
        const SIZE: Parameter = parameter("size", 64, "{} bytes");
        const IDLE: Parameter = optional("idle", 0, "beside {} idle sessions");
        const SHARDS: Parameter = optional("shards", 0, "on {} shards");
        const WEBSOCKET: Parameter = optional("websocket", 0, "over WebSocket");
        const TLS: Parameter = optional("tls", 0, "over TLS");
        match self {
            Workload::Pingpong => &const { [CONNECTIONS, SIZE, IDLE, SHARDS, WEBSOCKET, TLS] },
            Workload::Pipelined => {
                &const { [parameter("connections", 16, "{} connections"), parameter("burst", 100, "bursts of {}"), SIZE] }
            }
            Workload::Fanout => {
                &const {
                    [
                        parameter("members", 500, "{} members"),
                        parameter("size", 100, "{} bytes"),
                        parameter("outstanding", 16, "{} outstanding"),
                        optional("stuck", 0, "with {} that never reads"),
                        WEBSOCKET,
                    ]
                }
            }
            Workload::Churn => &const { [parameter("connections", 16, "{} at a time"), SIZE, IDLE, SHARDS] },
            Workload::Stream => &const { [parameter("connections", 1, "{} connections"), TLS] },
            Workload::Idle => {
                &const {
                    [
                        parameter("sessions", 15_000, "{} sessions"),
                        parameter("first", 2_000, "counted from {}"),
                        SIZE,
                        optional("drain", 0, "then drained"),
                    ]
                }
            }
            Workload::Openloop => {
                &const {
                    [
                        CONNECTIONS,
                        SIZE,
                        optional("load", 50, "{} % load"),
                        optional("rate", 0, "{} messages/s"),
                        IDLE,
                        WEBSOCKET,
                        TLS,
                    ]
                }
            }
            Workload::Http => &const { [CONNECTIONS] },
        }
    }

    /// What is measured unless something else is asked for.
    fn usual(self) -> &'static [&'static str] {
        match self {
            Workload::Pingpong => &[
                "connections=1,size=64",
                "connections=64,size=64",
                "connections=512,size=64",
                "connections=5000,size=64",
                "connections=1,size=1024",
                "connections=64,size=1024",
                "connections=512,size=1024",
                "connections=5000,size=1024",
            ],
            Workload::Fanout => &[
                "members=500,outstanding=16",
                "members=500,outstanding=1",
                "members=5000,outstanding=16",
                "members=5000,outstanding=1",
                "members=500,outstanding=16,stuck=1",
            ],
            Workload::Stream => &["connections=1", "connections=16"],
            Workload::Openloop => &["load=50", "load=80"],
            Workload::Pipelined | Workload::Churn | Workload::Idle | Workload::Http => &[""],
        }
    }

    pub fn usual_cases(self) -> Vec<Case> {
        let usual = self.usual().iter();
        usual.map(|text| Case::of(self, text).expect("a test reads them all")).collect()
    }
}

impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())
    }
}

/// One workload with its parameters: what a table of results is about. Written
/// `fanout:members=500,outstanding=1`; other parameters keep their defaults.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "Record", try_from = "Record")]
pub struct Case {
    pub workload: Workload,
    /// One for each of the workload's parameters, in their order.
    values: Vec<u64>,
}

impl Case {
    pub fn new(workload: Workload) -> Self {
        Self { workload, values: workload.parameters().iter().map(|parameter| parameter.default).collect() }
    }

    fn of(workload: Workload, parameters: &str) -> Result<Self> {
        let mut case = Self::new(workload);
        for pair in parameters.split(',').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').with_context(|| format!("{pair} is not NAME=NUMBER"))?;
            case.set(name, value.parse().with_context(|| pair.to_string())?)?;
        }
        Ok(case)
    }

    fn place(&self, name: &str) -> Option<usize> {
        self.workload.parameters().iter().position(|parameter| parameter.name == name)
    }

    /// Whether cases of this workload have such a number.
    pub fn has(&self, name: &str) -> bool {
        self.place(name).is_some()
    }

    pub fn set(&mut self, name: &str, value: u64) -> Result<()> {
        let parameters = self.workload.parameters();
        let Some(place) = self.place(name) else {
            let known: Vec<_> = parameters.iter().map(|parameter| parameter.name).collect();
            bail!("{} has no {name}; it has {}", self.workload, known.join(", "));
        };
        ensure!(value >= parameters[place].least, "{name}={value}: at least {}", parameters[place].least);
        self.values[place] = value;
        Ok(())
    }

    /// The same case with another value of one number.
    ///
    /// # Errors
    /// The workload has no such number, or the value is too small.
    pub fn with(&self, name: &str, value: u64) -> Result<Self> {
        let mut case = self.clone();
        case.set(name, value)?;
        Ok(case)
    }

    /// The names and values of its numbers.
    pub fn numbers(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.workload.parameters().iter().map(|parameter| parameter.name).zip(self.values.iter().copied())
    }

    /// A number that the workload has.
    pub fn get(&self, name: &str) -> usize {
        let place = self.place(name).expect("a workload asks for its own parameters");
        usize::try_from(self.values[place]).unwrap_or(usize::MAX)
    }

    /// The sessions that its server has at one time, of every kind.
    pub fn sessions(&self) -> usize {
        let numbers = ["connections", "members", "stuck", "sessions", "idle"];
        numbers.iter().filter(|name| self.has(name)).map(|name| self.get(name)).sum()
    }

    /// Whether its connections are WebSockets.
    pub fn is_over_websocket(&self) -> bool {
        self.has("websocket") && self.get("websocket") > 0
    }

    /// Whether its connections are over TLS.
    pub fn is_over_tls(&self) -> bool {
        self.has("tls") && self.get("tls") > 0
    }

    /// As it is written on the command line.
    pub fn argument(&self) -> String {
        let parameters = self.workload.parameters().iter().zip(&self.values);
        let pairs: Vec<_> = parameters.map(|(parameter, value)| format!("{}={value}", parameter.name)).collect();
        format!("{}:{}", self.workload, pairs.join(","))
    }

    /// The parameters, as they are shown behind the workload's name.
    pub fn parameters_shown(&self) -> String {
        let parameters = self.workload.parameters().iter().zip(&self.values);
        let shown = parameters.filter(|(parameter, value)| parameter.least > 0 || **value > 0);
        let shown: Vec<_> = shown.map(|(parameter, &value)| shown_as(parameter, value)).collect();
        shown.join(", ")
    }
}

/// With thousands set apart, and "1 connection".
fn shown_as(parameter: &Parameter, value: u64) -> String {
    let text = parameter.shown.replace("{}", &grouped(value));
    if value == 1 && parameter.shown.starts_with("{}") { text.trim_end_matches('s').into() } else { text }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.workload, self.parameters_shown())
    }
}

impl FromStr for Case {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let (workload, parameters) = text.split_once(':').unwrap_or((text, ""));
        let workload = Workload::from_str(workload, false).map_err(|_| {
            let known: Vec<_> = Workload::value_variants().iter().map(|workload| workload.name()).collect();
            anyhow::anyhow!("no workload is called {workload}; there are {}", known.join(", "))
        })?;
        Self::of(workload, parameters)
    }
}

/// A case in JSON: the workload beside its parameters, by name.
#[derive(Serialize, Deserialize)]
struct Record {
    workload: Workload,
    parameters: BTreeMap<String, u64>,
}

impl From<Case> for Record {
    fn from(case: Case) -> Self {
        let names = case.workload.parameters().iter().map(|parameter| parameter.name.into());
        Self { workload: case.workload, parameters: names.zip(case.values).collect() }
    }
}

impl TryFrom<Record> for Case {
    type Error = anyhow::Error;

    fn try_from(record: Record) -> Result<Self> {
        let mut case = Self::new(record.workload);
        for (name, value) in record.parameters {
            case.set(&name, value)?;
        }
        Ok(case)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_usual_case_is_one_and_reads_back_from_argument_and_json() {
        for &workload in Workload::value_variants() {
            assert!(!workload.usual_cases().is_empty());
            for case in workload.usual_cases() {
                assert_eq!(case.argument().parse::<Case>().unwrap(), case);
                let json = serde_json::to_string(&case).unwrap();
                assert_eq!(serde_json::from_str::<Case>(&json).unwrap(), case);
            }
        }
    }

    #[test]
    fn missing_parameters_keep_their_defaults() {
        let case: Case = "fanout:outstanding=1".parse().unwrap();
        assert_eq!((case.get("members"), case.get("size"), case.get("outstanding")), (500, 100, 1));
        assert_eq!(case.to_string(), "fanout: 500 members, 100 bytes, 1 outstanding");
        assert_eq!(
            "pingpong:connections=5000".parse::<Case>().unwrap().to_string(),
            "pingpong: 5,000 connections, 64 bytes"
        );
        assert_eq!("stream".parse::<Case>().unwrap().to_string(), "stream: 1 connection");
    }

    #[test]
    fn a_case_that_is_none_is_refused_by_name() {
        for (text, named) in [
            ("sing", "sing"),
            ("pingpong:members=3", "members"),
            ("pingpong:size=0", "size"),
            ("pingpong:size", "size"),
            ("pingpong:size=many", "many"),
        ] {
            let error = format!("{:#}", text.parse::<Case>().unwrap_err());
            assert!(error.contains(named), "{text}: {error}");
        }
    }
}
