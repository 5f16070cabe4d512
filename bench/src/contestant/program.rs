//! Where the programs of contestants are, and how those are built that belong to this workspace.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::SystemTime;

use anyhow::{Context, Result, bail};
use clap::Args;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Program {
    /// A package of this workspace, built before the comparison.
    Peer(&'static str),
    /// C or C++, built before the comparison.
    Native(Native),
    /// A program of the repository's root, built there.
    Root { path: &'static str, build: &'static str },
    /// Named on the command line.
    Given(PathBuf),
}

/// A contestant that is not written in Rust: one source, one call of the compiler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Native {
    /// What the program is called.
    pub(super) name: &'static str,
    /// Relative to this workspace.
    pub(super) source: &'static str,
    pub(super) compiler: &'static str,
    pub(super) flags: &'static [&'static str],
    /// What pkg-config knows the libraries as.
    pub(super) libraries: &'static [&'static str],
    /// Debian's packages that compiling it needs.
    pub(super) packages: &'static str,
}

/// Where programs are found.
#[derive(Args, Clone, Debug)]
pub(crate) struct Places {
    /// Release build of the repository's root; relative to the bench workspace
    #[arg(long, value_name = "DIRECTORY", default_value = "../target/release")]
    root_build: PathBuf,
}

/// Builds programs, each once.
pub(crate) struct Workshop<'a> {
    places: &'a Places,
    /// Whether to build at all, or to take what is there.
    builds: bool,
    /// What was looked at, and what is wrong with it.
    seen: Vec<(Program, Option<String>)>,
}

impl<'a> Workshop<'a> {
    pub(crate) fn new(places: &'a Places, builds: bool) -> Self {
        Self { places, builds, seen: Vec::new() }
    }

    /// Why a program cannot be started, if so.
    pub(super) fn missing(&mut self, program: &Program) -> Option<String> {
        if let Some((_, missing)) = self.seen.iter().find(|(seen, _)| seen == program) {
            return missing.clone();
        }
        let built = if self.builds { program.build() } else { Ok(()) };
        let missing = built.and_then(|()| program.path(self.places)).err().map(|error| format!("{error:#}"));
        self.seen.push((program.clone(), missing.clone()));
        missing
    }
}

impl Program {
    /// The program, if it is there.
    pub(super) fn path(&self, places: &Places) -> Result<PathBuf> {
        let path = match self {
            Program::Peer(package) => beside_this(package)?,
            Program::Native(native) => beside_this(native.name)?,
            Program::Root { path, .. } => workspace().join(&places.root_build).join(path),
            Program::Given(path) => path.clone(),
        };
        if path.is_file() {
            return Ok(path);
        }
        match self {
            Program::Peer(package) => bail!("not built: {package}; run without --no-build"),
            Program::Native(Native { name, packages, .. }) => {
                bail!("not built: {name}; run without --no-build (it needs Debian's {packages})")
            }
            Program::Root { path, build } => {
                bail!(
                    "not built: there is no {path} in {}; `{build}` in the repository's root builds it",
                    places.root_build.display()
                )
            }
            Program::Given(path) => bail!("there is no {}", path.display()),
        }
    }

    /// Builds it, if it is of this workspace.
    pub(super) fn build(&self) -> Result<()> {
        match self {
            Program::Peer(package) => build_package(package),
            Program::Native(native) => native.build(),
            Program::Root { .. } | Program::Given(_) => Ok(()),
        }
    }
}

/// One package at a time, so that its dependencies' features do not depend on the others.
fn build_package(package: &str) -> Result<()> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args(["build", "--release", "--quiet", "--package", package])
        .current_dir(workspace())
        .status()
        .context("starting cargo")?;
    if !status.success() {
        bail!("not built: {package} does not build");
    }
    Ok(())
}

impl Native {
    /// Compiles it, unless that was done since its sources changed.
    fn build(&self) -> Result<()> {
        let source = workspace().join(self.source);
        let output = beside_this(self.name)?;
        if changed(&output).is_some_and(|built| latest(&source).is_some_and(|source| source < built)) {
            return Ok(());
        }
        let mut command = Command::new(self.compiler);
        // In English, since its complaint is looked through.
        command.env("LC_ALL", "C").args(self.flags).arg(&source).arg("-o").arg(&output);
        for library in self.libraries {
            let found = Command::new("pkg-config").args(["--cflags", "--libs", library]).stderr(Stdio::null()).output();
            let Some(found) = found.ok().filter(|found| found.status.success()) else {
                bail!("not built: {} needs {library} (Debian: {})", self.name, self.packages);
            };
            command.args(String::from_utf8_lossy(&found.stdout).split_whitespace());
        }
        let compiled = command
            .output()
            .with_context(|| format!("not built: {} needs {} (Debian: {})", self.name, self.compiler, self.packages))?;
        if !compiled.status.success() {
            let said = String::from_utf8_lossy(&compiled.stderr);
            let first = said.lines().find(|line| line.contains("error")).unwrap_or("no reason given");
            bail!("not built: {} does not compile (Debian: {}): {first}", self.name, self.packages);
        }
        Ok(())
    }
}

/// When the newest file beside a source was changed: headers lie there too.
fn latest(source: &Path) -> Option<SystemTime> {
    let files = fs::read_dir(source.parent()?).ok()?;
    files.flatten().filter_map(|file| changed(&file.path())).max()
}

fn changed(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).ok()?.modified().ok()
}

/// Where this workspace's programs are built to.
fn beside_this(name: &str) -> Result<PathBuf> {
    Ok(env::current_exe().context("finding this program")?.with_file_name(name))
}

/// Where this workspace lies: programs outside it are found from there.
fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn natives() -> Vec<Native> {
        let all = crate::contestant::table::table();
        let offers = all.into_iter().flat_map(|contestant| contestant.offers);
        let natives: Vec<Native> = offers
            .filter_map(|offer| match offer.program {
                Program::Native(native) => Some(native),
                _ => None,
            })
            .collect();
        assert!(!natives.is_empty());
        natives
    }

    /// Without the compiler or library there is nothing to run: then the error names the packages.
    #[test]
    fn native_peers_serve_or_name_the_packages_they_need() {
        for native in natives() {
            assert!(workspace().join(native.source).is_file(), "{}", native.source);
            if let Err(error) = native.build() {
                let error = format!("{error:#}");
                assert!(error.contains(native.packages), "{error}");
                let missing = [" needs ", "No such file or directory"].iter().any(|said| error.contains(said));
                assert!(missing, "{error}");
                continue;
            }
            let program = beside_this(native.name).unwrap();
            peer_trial::peer_serves(peer_cli::Service::Echo, program.to_str().unwrap(), &[]);
        }
    }

    #[test]
    fn a_missing_compiler_library_or_header_is_named_with_its_packages() {
        let native = natives()[0];
        let broken = [
            Native { name: "peer-no-compiler", compiler: "no-such-compiler", ..native },
            Native { name: "peer-no-library", libraries: &["no-such-library"], ..native },
            Native { name: "peer-no-header", flags: &["-include", "no-such-header.hpp"], ..native },
        ];
        for native in broken {
            let error = format!("{:#}", native.build().unwrap_err());
            assert!(error.starts_with("not built: ") && error.contains(native.packages), "{error}");
            assert!(native.name == "peer-no-header" || error.contains("no-such"), "{error}");
        }
    }
}
