//! The file with the number of the process that serves, `--pid-file`. After an upgrade it is the
//! successor's.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// A file that names this process. Dropping it [removes](PidFile::remove) it.
pub(crate) struct PidFile(PathBuf);

impl PidFile {
    /// Writes the file. Who reads it meanwhile sees the old one or the new one.
    pub(crate) fn write(path: &Path) -> Result<PidFile, String> {
        let own = std::process::id();
        let mut beside = path.as_os_str().to_owned();
        beside.push(format!(".{own}"));
        let beside = PathBuf::from(beside);
        let written = fs::write(&beside, format!("{own}\n")).and_then(|()| fs::rename(&beside, path));
        written.map_err(|error| {
            let _ = fs::remove_file(&beside);
            format!(
                "could not write --pid-file {}: {error}; choose a directory that this user may write to",
                path.display()
            )
        })?;
        Ok(PidFile(path.to_owned()))
    }

    /// The file names this process again, if a successor that has failed has written it.
    pub(crate) fn restore(&self) -> Result<(), String> {
        if self.names_this() {
            return Ok(());
        }
        // The original stays the owner.
        PidFile::write(&self.0).map(std::mem::forget)
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

    #[test]
    fn it_names_this_process_and_is_removed_by_its_owner_alone() {
        let directory = std::env::temp_dir().join(format!("pid-file-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let path = directory.join("server.pid");
        let own = format!("{}\n", std::process::id());
        let file = PidFile::write(&path).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), own);
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 1, "nothing is left beside it");
        fs::write(&path, "1\n").unwrap();
        file.restore().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), own);
        drop(file);
        assert!(!path.exists());
        let file = PidFile::write(&path).unwrap();
        fs::write(&path, "1\n").unwrap();
        drop(file);
        assert!(path.exists(), "it names another");
        fs::remove_dir_all(&directory).unwrap();
        let why = PidFile::write(&path).err().expect("the directory is gone");
        assert!(why.contains("--pid-file") && why.contains("server.pid"), "{why}");
    }
}
