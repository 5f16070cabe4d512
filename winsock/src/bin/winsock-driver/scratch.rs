//! The folder of the translated sources.

use crate::arguments::{Arguments, Item};
use std::path::{Path, PathBuf};

/// Removed at the end unless it is to be kept.
pub(crate) struct Scratch {
    pub(crate) root: PathBuf,
    keep: bool,
}

impl Scratch {
    pub(crate) fn new(keep: Option<&Path>) -> Result<Self, String> {
        let name = format!(
            "winsock-{}-{:x}",
            std::process::id(),
            std::time::SystemTime::UNIX_EPOCH.elapsed().map_or(0, |d| d.as_nanos())
        );
        let root = keep.map_or_else(|| std::env::temp_dir().join(name), Path::to_path_buf);
        std::fs::create_dir_all(&root).map_err(|e| format!("{}: cannot be made: {e}", root.display()))?;
        let root = root.canonicalize().map_err(|e| format!("{}: {e}", root.display()))?;
        Ok(Self { root, keep: keep.is_some() })
    }

    /// Dependency files name the originals, not the copies.
    pub(crate) fn mend_dependencies(&self, arguments: &Arguments) {
        let texts: Vec<String> = arguments
            .items
            .iter()
            .filter_map(|item| {
                if let Item::Option(option) = item { Some(option.to_string_lossy().into_owned()) } else { None }
            })
            .collect();
        if !texts.iter().any(|t| t == "-MD" || t == "-MMD" || t == "-MF") {
            return;
        }
        let after = |name: &str| texts.iter().position(|t| t == name).and_then(|at| texts.get(at + 1)).cloned();
        let Some(file) =
            after("-MF").or_else(|| after("-o").map(|o| Path::new(&o).with_extension("d").display().to_string()))
        else {
            return;
        };
        if let Ok(text) = std::fs::read_to_string(&file) {
            let root = self.root.display().to_string();
            let _ = std::fs::write(&file, text.replace(&root, ""));
        }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if !self.keep {
            let _ = std::fs::remove_dir_all(&self.root);
        }
    }
}
