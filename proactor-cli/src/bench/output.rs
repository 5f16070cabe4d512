//! The report's files. They are opened before the run, so that a mistyped path does not cost an
//! hour.

use std::error::Error;
use std::fs::{File, OpenOptions};
use std::io::{Write, stderr};
use std::path::{Path, PathBuf};

use loadgen::echo::summary::Summary;

use crate::printing::product;

pub(crate) struct Outputs {
    json: Option<Output>,
    html: Option<Output>,
}

enum Output {
    Stdout,
    File(PathBuf, File),
}

impl Outputs {
    pub(crate) fn open(json: Option<&Path>, html: Option<&Path>) -> Result<Outputs, String> {
        if let (Some(json), Some(html)) = (json, html)
            && json == html
        {
            return Err(format!("--json and --html both name {}: give them files of their own", json.display()));
        }
        let json = match json {
            Some(path) if path == Path::new("-") => Some(Output::Stdout),
            Some(path) => Some(open("--json", path)?),
            None => None,
        };
        Ok(Outputs { json, html: html.map(|path| open("--html", path)).transpose()? })
    }

    /// Writes the report to each of its places. One that fails does not keep it from the others;
    /// the first failure is returned.
    pub(crate) fn write(self, summary: &Summary) -> Result<(), Box<dyn Error>> {
        let table = match &self.json {
            // Nothing was measured, and the error says why.
            _ if summary.connections.made == 0 => Ok(()),
            // JSON goes to standard output, so the text must not.
            Some(Output::Stdout) => {
                let _ = stderr().write_all(summary.text().as_bytes());
                Ok(())
            }
            _ => product(&summary.text()).map_err(Box::from),
        };
        let json = self.json.map_or(Ok(()), |output| {
            let json = serde_json::to_string_pretty(summary).map_err(|error| format!("--json: {error}"))?;
            output.write(&(json + "\n"))
        });
        let html = self.html.map_or(Ok(()), |output| output.write(&summary.page()?));
        table.and(json).and(html)
    }
}

fn open(flag: &str, path: &Path) -> Result<Output, String> {
    // The old content stays until there is a new report.
    let file = OpenOptions::new().create(true).write(true).truncate(false).open(path);
    let file = file.map_err(|error| format!("{flag} {}: {error}", path.display()))?;
    Ok(Output::File(path.to_owned(), file))
}

impl Output {
    fn write(self, text: &str) -> Result<(), Box<dyn Error>> {
        match self {
            Output::Stdout => Ok(product(text)?),
            Output::File(path, mut file) => {
                // A device or a pipe has no length.
                let is_file = file.metadata().is_ok_and(|found| found.is_file());
                let emptied = if is_file { file.set_len(0) } else { Ok(()) };
                let written = emptied.and_then(|()| file.write_all(text.as_bytes()));
                written.map_err(|error| format!("could not write to {}: {error}", path.display()).into())
            }
        }
    }
}
