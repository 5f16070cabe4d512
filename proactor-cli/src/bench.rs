//! `proactor bench`: options, progress and output around the load of the crate `loadgen`.

mod options;
mod output;
mod plan;
mod progress;
mod values;

use std::error::Error;
use std::process::ExitCode;

use loadgen::echo::messages::{Interrupt, RunError};
use loadgen::echo::run::{self, Ending};
use loadgen::echo::summary::Summary;
use proactor::Signals;

use crate::printing;
use crate::system;
pub(crate) use options::Bench;
use output::Outputs;
use progress::Line;

/// The exit status that shells give a program ended by SIGINT.
const EXIT_INTERRUPTED: u8 = 130;

impl Bench {
    pub(crate) fn run(self) -> ExitCode {
        match self.measure() {
            Ok(code) => code,
            Err(problem) => printing::failure(&*problem),
        }
    }

    fn measure(&self) -> Result<ExitCode, Box<dyn Error>> {
        let plan = plan::plan(self)?;
        // Before the run, so that a bad path costs nothing.
        let outputs = Outputs::open(self.json.as_deref(), self.html.as_deref())?;
        let signals = Signals::new()?;
        let mut watch = None;
        let begin_watch = |interrupt: Interrupt| {
            let mut is_first = true;
            // Every signal ends the run; so does the end of its terminal.
            watch = Some(signals.watch(move |_| {
                if !std::mem::take(&mut is_first) {
                    std::process::exit(i32::from(EXIT_INTERRUPTED));
                }
                interrupt.interrupt();
            }));
        };
        let mut line = Line::new(self.quiet);
        let outcome = run::run(&plan, self.max_errors, system::cpu_time, begin_watch, &mut line);
        watch.transpose()?;
        let outcome = outcome.map_err(|error| match error {
            RunError::Io(error) => format!("{error}{}", self.backend.remedy(&error)),
            RunError::Other(text) => text,
        })?;
        let summary = Summary::new(&plan, self.max_errors, outcome, system::name());
        outputs.write(&summary)?;
        if summary.connections.made == 0
            && let Some(faults) = summary.errors.kinds.first()
        {
            return Err(faults.first.clone().into());
        }
        Ok(match summary.ending {
            Ending::Complete => ExitCode::SUCCESS,
            Ending::Interrupted => ExitCode::from(EXIT_INTERRUPTED),
            Ending::TooManyErrors | Ending::NoConnections => ExitCode::FAILURE,
        })
    }
}
