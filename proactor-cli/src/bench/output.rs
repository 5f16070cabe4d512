//! The report's files. They are opened before the run, so that a mistyped path does not cost an
//! hour.

use std::fs::{File, OpenOptions};
use std::io::{Write, stderr, stdout};
use std::path::{Path, PathBuf};

use loadgen::echo::summary::Summary;

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

    pub(crate) fn write(self, summary: &Summary) -> Result<(), String> {
        let on_stdout = |error| format!("standard output: {error}");
        match &self.json {
            // Nothing was measured, and the error says why.
            _ if summary.connections.made == 0 => {}
            // JSON goes to standard output, so the text must not.
            Some(Output::Stdout) => {
                let _ = stderr().write_all(summary.text().as_bytes());
            }
            _ => stdout().write_all(summary.text().as_bytes()).map_err(on_stdout)?,
        }
        if let Some(output) = self.json {
            let json = serde_json::to_string_pretty(summary).map_err(|error| format!("--json: {error}"))? + "\n";
            output.write(&json)?;
        }
        if let Some(output) = self.html {
            output.write(&summary.page()?)?;
        }
        Ok(())
    }
}

fn open(flag: &str, path: &Path) -> Result<Output, String> {
    // The old content stays until there is a new report.
    let file = OpenOptions::new().create(true).write(true).truncate(false).open(path);
    let file = file.map_err(|error| format!("{flag} {}: {error}", path.display()))?;
    Ok(Output::File(path.to_owned(), file))
}

impl Output {
    fn write(self, text: &str) -> Result<(), String> {
        match self {
            Output::Stdout => stdout().write_all(text.as_bytes()).map_err(|error| format!("standard output: {error}")),
            Output::File(path, mut file) => file
                .set_len(0)
                .and_then(|()| file.write_all(text.as_bytes()))
                .map_err(|error| format!("{}: {error}", path.display())),
        }
    }
}
