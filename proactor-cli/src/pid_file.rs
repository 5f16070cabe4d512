//! The file with the number of the process that serves, `--pid-file`. After an upgrade it is the
//! successor's.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// A file that names this process. Dropping it [removes](PidFile::remove) it.
pub(crate) struct PidFile(PathBuf);

/// The file as it will be, beside its place. Dropping it removes it.
pub(crate) struct Prepared {
    beside: PathBuf,
    path: PathBuf,
}

impl Prepared {
    /// Writes the file beside its place, so that what can fail has failed before clients are
    /// accepted.
    pub(crate) fn write(path: &Path) -> Result<Prepared, String> {
        let own = std::process::id();
        let mut beside = path.as_os_str().to_owned();
        beside.push(format!(".{own}"));
        let prepared = Prepared { beside: PathBuf::from(beside), path: path.to_owned() };
        if path.is_dir() {
            return Err(prepared.failed(&io::ErrorKind::IsADirectory.into()));
        }
        let written = prepared.create().and_then(|mut file| writeln!(file, "{own}"));
        written.map_err(|error| prepared.failed(&error))?;
        Ok(prepared)
    }

    /// It is new: a link that somebody has put there is not followed. A file there is of an earlier
    /// process with this number.
    fn create(&self) -> io::Result<fs::File> {
        let create = || OpenOptions::new().write(true).create_new(true).open(&self.beside);
        match create() {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                fs::remove_file(&self.beside)?;
                create()
            }
            result => result,
        }
    }

    /// Puts the file in its place. Who reads it meanwhile sees the old one or the new one.
    pub(crate) fn put_in_place(self) -> Result<PidFile, String> {
        fs::rename(&self.beside, &self.path).map_err(|error| self.failed(&error))?;
        Ok(PidFile(self.path.clone()))
    }

    fn failed(&self, error: &io::Error) -> String {
        let path = self.path.display();
        format!("could not write --pid-file {path}: {error}; choose a directory that this user may write to")
    }
}

impl Drop for Prepared {
    fn drop(&mut self) {
        // It is not there if it was put in its place.
        let _ = fs::remove_file(&self.beside);
    }
}

impl PidFile {
    /// The file names this process again, if a successor that has failed has written it.
    pub(crate) fn restore(&self) -> Result<(), String> {
        if self.names_this() {
            return Ok(());
        }
        // The original stays the owner.
        Prepared::write(&self.0)?.put_in_place().map(std::mem::forget)
    }

    fn names_this(&self) -> bool {
        fs::read_to_string(&self.0).is_ok_and(|text| text.trim() == std::process::id().to_string())
    }
}

impl PidFile {
    /// Removes the file, unless it names another process.
    pub(crate) fn remove(&self) {
        if !self.names_this() {
            return;
        }
        match fs::remove_file(&self.0) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!("could not remove --pid-file {}: {error}", self.0.display());
            }
            _ => {}
        }
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        self.remove();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(path: &Path) -> Result<PidFile, String> {
        Prepared::write(path)?.put_in_place()
    }

    #[test]
    fn it_names_this_process_and_is_removed_by_its_owner_alone() {
        let directory = std::env::temp_dir().join(format!("pid-file-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let path = directory.join("server.pid");
        let own = format!("{}\n", std::process::id());
        let file = write(&path).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), own);
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 1, "nothing is left beside it");
        fs::write(&path, "1\n").unwrap();
        file.restore().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), own);
        drop(file);
        assert!(!path.exists());
        let file = write(&path).unwrap();
        fs::write(&path, "1\n").unwrap();
        drop(file);
        assert!(path.exists(), "it names another");
        fs::remove_dir_all(&directory).unwrap();
        let why = write(&path).err().expect("the directory is gone");
        assert!(why.contains("--pid-file") && why.contains("server.pid"), "{why}");
    }

    #[cfg(unix)]
    #[test]
    fn nothing_is_written_through_a_link_and_nothing_is_in_place_before_its_time() {
        let directory = std::env::temp_dir().join(format!("pid-file-link-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let (path, victim) = (directory.join("server.pid"), directory.join("victim"));
        fs::write(&victim, "precious").unwrap();
        let beside = directory.join(format!("server.pid.{}", std::process::id()));
        std::os::unix::fs::symlink(&victim, &beside).unwrap();
        let prepared = Prepared::write(&path).unwrap();
        assert!(!path.exists());
        drop(prepared.put_in_place().unwrap());
        assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
        drop(Prepared::write(&path).unwrap());
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 1, "nothing is left beside it");
        assert!(Prepared::write(&directory).err().expect("it is a directory").contains("--pid-file"));
        fs::remove_dir_all(&directory).unwrap();
    }
}
