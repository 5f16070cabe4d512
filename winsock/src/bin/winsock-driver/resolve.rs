//! Finds a file under the name that Windows would accept: any case, backslashes.

use std::path::{Component, Path, PathBuf};

/// `name` below `base`, exactly or in another case.
pub(crate) fn find(base: &Path, name: &str) -> Option<PathBuf> {
    let relative = PathBuf::from(name.replace('\\', "/"));
    let exact = base.join(&relative);
    if exact.is_file() {
        return Some(exact);
    }
    let mut found = base.to_path_buf();
    for part in relative.components() {
        match part {
            Component::Normal(part) => {
                let next = found.join(part);
                found = if next.exists() { next } else { in_any_case(&found, &part.to_string_lossy())? };
            }
            Component::RootDir => found = PathBuf::from("/"),
            Component::ParentDir => found.push(".."),
            _ => {}
        }
    }
    found.is_file().then_some(found)
}

fn in_any_case(folder: &Path, name: &str) -> Option<PathBuf> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let wanted = name.to_lowercase();
    let mut names: Vec<_> = std::fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path()).collect();
    names.sort();
    names.into_iter().find(|path| path.file_name().is_some_and(|n| n.to_string_lossy().to_lowercase() == wanted))
}

/// A header of the C library that Windows programs spell in another case (Math.h).
pub(crate) fn system_header(name: &str) -> Option<String> {
    let lower = name.replace('\\', "/").to_lowercase();
    (lower != name && Path::new("/usr/include").join(&lower).is_file()).then_some(lower)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Removed also if the test fails.
    struct Folder(PathBuf);

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn any_case_and_backslashes() {
        let kept = Folder(std::env::temp_dir().join(format!("winsock-resolve-{}", std::process::id())));
        let folder = kept.0.clone();
        std::fs::create_dir_all(folder.join("Net")).expect("temporary folder");
        std::fs::write(folder.join("Net/Session.h"), "").expect("temporary file");
        assert_eq!(find(&folder, "net\\SESSION.H"), Some(folder.join("Net/Session.h")));
        assert_eq!(find(&folder.join("Net"), "..\\net\\session.h"), Some(folder.join("Net/../Net/Session.h")));
        assert_eq!(find(&folder, "other.h"), None);
        assert_eq!(find(&folder, "Net"), None);
    }
}
