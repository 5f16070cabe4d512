//! `instructions WORKLOAD UNITS` runs a server on the simulated network with the load generator
//! beside it. Under `callgrind --toggle-collect=*server_turn*` only the server's turns are counted.

mod server;

use std::process::ExitCode;

use anyhow::{Context, Result, anyhow, bail};
use loadgen::workload::{self, Case, Generator, Window, Workload};
use overlapped::driver::Wait;
use server::{Service, World};

/// Their names here, and the cases of the comparison that they are.
const WORKLOADS: [(&str, &str); 7] = [
    ("pingpong64", "pingpong:connections=64"),
    ("pingpong512", "pingpong:connections=512"),
    ("pipelined", "pipelined:connections=16,burst=100"),
    ("fanout16", "fanout:members=500,size=64,outstanding=16"),
    ("fanout1", "fanout:members=500,size=64,outstanding=1"),
    ("churn", "churn:connections=64"),
    ("openloop", "openloop:connections=64,rate=50000"),
];

/// Everything that the server does. Callgrind counts inside this function only.
#[inline(never)]
fn server_turn(server: &mut proactor::Simulation<Service>) -> bool {
    server.turn().expect("a simulated server does not fail")
}

/// Turns of server and clients until the clients have done enough units.
fn run(case: &Case, units: u64) -> Result<()> {
    let is_chat = case.workload == Workload::Fanout;
    let (mut world, driver) = World::new(is_chat || case.workload == Workload::Pipelined, is_chat);
    let mut load = workload::load_of(case)?;
    let connections = load.connections();
    let reconnects = load.reconnects();
    let mut clients = Generator::new(driver, world.server.local_addrs()[0].clone(), &mut *load);
    let mut window = Window::endless()?;
    if !reconnects {
        (0..connections).try_for_each(|index| clients.connect(index))?;
        while clients.connected < connections {
            world.turn(&mut clients, &mut window)?;
        }
    }
    clients.start()?;
    while window.units() < units {
        world.turn(&mut clients, &mut window)?;
    }
    Ok(())
}

impl World {
    /// One turn of each. Time passes when nothing is left to do.
    fn turn(&mut self, clients: &mut Generator<'_>, window: &mut Window) -> Result<()> {
        let trace = self.network.trace();
        let mut is_busy = server_turn(&mut self.server);
        is_busy |= clients.turn(Wait::Poll, window)?;
        self.quiet = if is_busy || self.network.trace() != trace { 0 } else { self.quiet + 1 };
        if self.quiet == 2 {
            _ = match clients.next_due() {
                Some(due) => self.network.advance_to(due),
                None => self.network.advance(),
            };
            self.quiet = 0;
        }
        Ok(())
    }
}

fn asked() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let names = || WORKLOADS.map(|(name, _)| name).join(", ");
    let [workload, units] = &arguments[..] else {
        bail!("usage: instructions WORKLOAD UNITS\nworkloads: {}", names());
    };
    let units = units.parse().map_err(|_| anyhow!("{units}: not a number of units"))?;
    let case = WORKLOADS.iter().find(|(name, _)| name == workload);
    let (_, case) = case.with_context(|| format!("{workload}: no such workload"))?;
    run(&case.parse()?, units)
}

fn main() -> ExitCode {
    match asked() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}
