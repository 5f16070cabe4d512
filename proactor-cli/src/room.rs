//! How many sessions fit, and what limits them.

use std::fmt;

use crate::system::RAISE_FILES;

/// Descriptors that are not sessions: standard streams, listeners, and a few per shard.
const OTHER_FILES: u64 = 64;
/// The default of `--max-sessions`, where the limit of open files allows it.
const USUAL: u64 = 100_000;
/// Room for fewer sessions than this is worth a warning: desktop limits, such as 1,024 open files
/// for a proxy, lie below it, and any server's limit above.
const FEW: u64 = 1_000;

/// The limit of sessions.
pub(crate) struct Room {
    pub(crate) sessions: usize,
    /// What it was found in.
    pub(crate) place: Place,
    why: Why,
}

enum Why {
    /// `--max-sessions`.
    Asked,
    Usual,
    /// The limit of open files.
    Files(u64),
    /// So many tables of direct descriptors, each as large as the limit of open files.
    Tables(u64, u64),
}

/// What there is room in.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    /// The limit of open files.
    pub(crate) files: u64,
    /// Tables of direct descriptors, if sessions are kept there.
    pub(crate) tables: Option<u64>,
    /// Descriptors of each session.
    pub(crate) files_each: u64,
    /// Sockets that the shards have room for.
    pub(crate) sockets: usize,
    /// Descriptors of what else the program does.
    pub(crate) more_files: u64,
}

impl Place {
    /// Room for as many sessions as were asked for, or for as many as fit.
    pub(crate) fn room(&self, wanted: Option<usize>) -> Result<Room, String> {
        let Place { files, files_each, sockets, .. } = *self;
        let other_files = OTHER_FILES + self.more_files;
        let most = files.saturating_sub(other_files).saturating_mul(self.tables.unwrap_or(1)) / files_each;
        match wanted {
            Some(wanted) if wanted as u64 > most && self.tables.is_some() => Err(format!(
                "--max-sessions {wanted}: with --direct-descriptors a shard has room for {} sessions (the limit of open \
                 files): use at most {most}, or more --shards",
                files.saturating_sub(other_files) / files_each
            )),
            Some(wanted) if wanted as u64 > most => Err(format!(
                "--max-sessions {wanted} needs {} open files, but the limit is {files}: {RAISE_FILES}, or use at most \
                 {most} sessions",
                (wanted as u64).saturating_mul(files_each).saturating_add(other_files)
            )),
            Some(wanted) if wanted > sockets => Err(format!("--max-sessions {wanted}: use at most {sockets} sessions")),
            Some(wanted) => Ok(Room { sessions: wanted, place: *self, why: Why::Asked }),
            None => {
                let why = match self.tables {
                    _ if most >= USUAL => Why::Usual,
                    Some(tables) => Why::Tables(tables, files),
                    None => Why::Files(files),
                };
                Ok(Room { sessions: most.clamp(1, USUAL) as usize, place: *self, why })
            }
        }
    }
}

impl Room {
    /// Logs a warning if a limit of the system leaves room for few.
    pub(crate) fn warn_if_small(&self) {
        if let Why::Files(files) | Why::Tables(_, files) = self.why
            && (self.sessions as u64) < FEW
        {
            tracing::warn!(
                "the limit of {files} open files leaves room for only {}: {RAISE_FILES}",
                counted(self.sessions)
            );
        }
    }
}

impl fmt::Display for Room {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "room for {} (", counted(self.sessions))?;
        match self.why {
            Why::Asked => write!(f, "--max-sessions)"),
            Why::Usual => write!(f, "the default of --max-sessions)"),
            Why::Files(files) => write!(f, "{files} open files)"),
            Why::Tables(1, files) => {
                write!(f, "1 table of direct descriptors, as large as the limit of {files} open files)")
            }
            Why::Tables(tables, files) => {
                write!(f, "{tables} tables of direct descriptors, each as large as the limit of {files} open files)")
            }
        }
    }
}

fn counted(sessions: usize) -> String {
    format!("{sessions} session{}", if sessions == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(files: u64, tables: Option<u64>, files_each: u64) -> Place {
        Place { files, tables, files_each, sockets: 200_000, more_files: 0 }
    }

    #[test]
    fn room_says_what_limits_it() {
        for (place, wanted, said) in [
            (place(u64::MAX, None, 1), None, "room for 100000 sessions (the default of --max-sessions)"),
            (place(64, None, 1), None, "room for 1 session (64 open files)"),
            (place(1_064, None, 2), None, "room for 500 sessions (1064 open files)"),
            (place(1_064, None, 2), Some(5), "room for 5 sessions (--max-sessions)"),
        ] {
            assert_eq!(place.room(wanted).unwrap().to_string(), said);
        }
        let tables = place(100, Some(1), 1).room(None).unwrap().to_string();
        assert!(tables.starts_with("room for 36 sessions (1 table of direct descriptors"), "{tables}");
        let error = place(1_064, None, 2).room(Some(501)).map(|_| ()).unwrap_err();
        assert!(error.contains("needs 1066 open files") && error.contains("at most 500"), "{error}");
        assert!(place(u64::MAX, None, 1).room(Some(200_001)).is_err());
        let with_more = Place { more_files: 80, ..place(1_064, None, 2) };
        assert_eq!(with_more.room(None).unwrap().sessions, 460);
        assert!(with_more.room(Some(461)).map(|_| ()).unwrap_err().contains("needs 1066 open files"));
    }
}
