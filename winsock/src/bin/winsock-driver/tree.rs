//! The translated copies: each source and each header of the program, below one folder that has
//! the paths of the originals.

use crate::needs;
use crate::resolve;
use crate::scan::scan;
use crate::translate::{self, Include};
use crate::{arguments, encoding};
use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

/// More files or deeper includes than any program has: a circle through generated names.
const MAX_FILES: usize = 20_000;
const MAX_DEPTH: usize = 190;

pub(crate) struct Tree {
    root: PathBuf,
    include: PathBuf,
    folders: Vec<PathBuf>,
    /// Searched for names in quotes, after the folder of the file that includes.
    quotes: Vec<PathBuf>,
    encoding: Option<String>,
    done: HashMap<PathBuf, Option<PathBuf>>,
}

/// What one source pulls in, over all of its headers.
struct Unit {
    /// The source's folder: MSVC looks there too for what its headers include.
    folder: PathBuf,
    using: bool,
    headers: BTreeSet<&'static str>,
    seen: BTreeSet<PathBuf>,
    texts: Vec<(String, Vec<crate::scan::Token>)>,
}

impl Tree {
    pub(crate) fn new(
        root: PathBuf,
        include: PathBuf,
        folders: Vec<PathBuf>,
        quotes: Vec<PathBuf>,
        encoding: Option<String>,
    ) -> Self {
        Self { root, include, folders, quotes, encoding, done: HashMap::new() }
    }

    /// The translated copy of `source`.
    pub(crate) fn source(&mut self, source: &Path, cplusplus: bool) -> Result<PathBuf, String> {
        let bytes = std::fs::read(source).map_err(|e| format!("{}: cannot be read: {e}", source.display()))?;
        let original = std::path::absolute(source).map_err(|e| format!("{}: {e}", source.display()))?;
        let folder = original.parent().unwrap_or(Path::new("/")).to_path_buf();
        let mut unit =
            Unit { folder, using: false, headers: BTreeSet::new(), seen: BTreeSet::new(), texts: Vec::new() };
        let (text, page) = encoding::decode(&bytes, self.encoding.as_deref(), None)
            .map_err(|e| format!("{}: {e}", source.display()))?;
        let (body, entry) = self.rewrite(&text, &original, page, &mut unit, 0)?;
        for (text, tokens) in &unit.texts {
            needs::collect(text, tokens, unit.using, cplusplus, &mut unit.headers);
        }
        let mut output = String::from("#include <wsk/prelude.h>\n");
        for header in &unit.headers {
            output.push_str(&format!("#if __has_include(<{header}>)\n#include <{header}>\n#endif\n"));
        }
        output.push_str("#include <wsk/after.h>\n");
        output.push_str(&format!("#line 1 {}\n", quoted(source)));
        output.push_str(&body);
        output.push_str(&translate::entry_call(entry, cplusplus));
        let copy = self.copy_path(&original);
        write(&copy, &output)?;
        Ok(copy)
    }

    fn rewrite(
        &mut self,
        text: &str,
        path: &Path,
        page: Option<&'static str>,
        unit: &mut Unit,
        depth: usize,
    ) -> Result<(String, translate::Entry), String> {
        let tokens = scan(text);
        unit.using |= needs::uses_std(text, &tokens);
        let mut failed = None;
        let (body, entry) = translate::translate(text, &tokens, |include| {
            self.resolve(include, path, page, unit, depth).unwrap_or_else(|error| {
                failed.get_or_insert(error);
                None
            })
        });
        unit.texts.push((text.to_owned(), tokens));
        failed.map_or(Ok((body, entry)), Err)
    }

    fn resolve(
        &mut self,
        include: &Include<'_>,
        from: &Path,
        page: Option<&'static str>,
        unit: &mut Unit,
        depth: usize,
    ) -> Result<Option<String>, String> {
        let mut found = None;
        if !include.angle {
            let places = from
                .parent()
                .into_iter()
                .chain([unit.folder.as_path()])
                .chain(self.quotes.iter().map(PathBuf::as_path));
            found = places.into_iter().find_map(|folder| resolve::find(folder, include.name));
        }
        let found = found.or_else(|| self.folders.iter().find_map(|folder| resolve::find(folder, include.name)));
        if let Some(header) = found {
            return Ok(self.header(&header, page, unit, depth + 1)?.map(|copy| quoted(&copy)));
        }
        if let Some(ours) = resolve::find(&self.include, include.name) {
            let name = ours.strip_prefix(&self.include).unwrap_or(&ours).display().to_string();
            return Ok(Some(format!("<{name}>")));
        }
        Ok(resolve::system_header(include.name).map(|name| format!("<{name}>")))
    }

    /// The copy of a header, or `None` if the original serves: the system's, or no text.
    fn header(
        &mut self,
        path: &Path,
        page: Option<&'static str>,
        unit: &mut Unit,
        depth: usize,
    ) -> Result<Option<PathBuf>, String> {
        let original = path.canonicalize().map_err(|e| format!("{}: {e}", path.display()))?;
        if original.starts_with("/usr") || original.starts_with(&self.include) || depth > MAX_DEPTH {
            return Ok(Some(original));
        }
        let first = unit.seen.insert(original.clone());
        if let Some(copy) = self.done.get(&original).filter(|_| !first) {
            return Ok(copy.clone());
        }
        if self.done.len() >= MAX_FILES {
            return Err(format!("{}: more than {MAX_FILES} headers.", path.display()));
        }
        let copy = self.copy_path(&original);
        self.done.insert(original.clone(), Some(copy.clone()));
        let bytes = std::fs::read(&original).map_err(|e| format!("{}: cannot be read: {e}", path.display()))?;
        let (text, page) =
            encoding::decode(&bytes, self.encoding.as_deref(), page).map_err(|e| format!("{}: {e}", path.display()))?;
        let (body, _) = self.rewrite(&text, &original, page, unit, depth)?;
        write(&copy, &format!("#line 1 {}\n{body}", quoted(path)))?;
        Ok(Some(copy))
    }

    fn copy_path(&self, original: &Path) -> PathBuf {
        self.root.join(original.strip_prefix("/").unwrap_or(original))
    }
}

/// Whether a source is C++: by its extension, as MSVC and gcc read it.
pub(crate) fn is_cplusplus(path: &Path) -> bool {
    arguments::extension(path) != "c"
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    let folder = path.parent().ok_or_else(|| format!("{}: has no folder", path.display()))?;
    std::fs::create_dir_all(folder)
        .and_then(|()| std::fs::write(path, text))
        .map_err(|e| format!("{}: cannot be written: {e}. Set TMPDIR to a folder with room.", path.display()))
}

fn quoted(path: &Path) -> String {
    format!("\"{}\"", path.display().to_string().replace('\\', "\\\\").replace('"', "\\\""))
}
