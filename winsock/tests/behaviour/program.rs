//! A case as a program of this system: compiled by `winsock-cc`, linked to the library of this
//! build.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::LazyLock,
    time::{Duration, Instant},
};

pub(crate) struct Program {
    file: PathBuf,
    name: String,
}

/// The static library beside this test's own program: what lies in `target/debug` may be older. It
/// is linked from another place, because a build that begins meanwhile removes it there.
pub(crate) fn library() -> &'static Path {
    static LIBRARY: LazyLock<PathBuf> = LazyLock::new(|| {
        let test = std::env::current_exe().expect("the test's own file is known");
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let (new, kept) = (folder.join(format!("libwinsock-{}.a", std::process::id())), folder.join("libwinsock.a"));
        fs::hard_link(test.with_file_name("libwinsock.a"), &new)
            .and_then(|()| fs::rename(&new, &kept))
            .expect("the library lies beside the test's program");
        kept
    });
    &LIBRARY
}

impl Program {
    pub(crate) fn compile(source: &Path) -> Result<Program, String> {
        let name = source.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("case-{name}"));
        let object = file.with_extension("o");
        let c = source.extension().is_some_and(|it| it == "c");
        let (driver, linker) = if c { ("winsock-cc", "CC") } else { ("winsock-c++", "CXX") };
        let flags = std::env::var("WINSOCK_TEST_FLAGS").unwrap_or_default();
        let flags: Vec<_> = flags.split_whitespace().collect();

        let mut compile = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("bin").join(driver));
        compile.env("WINSOCK_DRIVER", env!("CARGO_BIN_EXE_winsock-driver")).env("TMPDIR", env!("CARGO_TARGET_TMPDIR"));
        compile.args(["-c", "-g", "-Wall", "-o"]).arg(&object).arg(source).args(&flags);
        succeed(compile).map_err(|error| format!("doesn't compile\n{error}"))?;
        let linker = std::env::var(linker).unwrap_or_else(|_| if c { "gcc" } else { "g++" }.to_owned());
        let mut link = Command::new(linker);
        // The debugger's information of the library takes the linker as long as all the rest.
        link.args(["-Wl,--strip-debug", "-o"]).arg(&file).arg(&object).arg(library());
        link.args(["-lpthread", "-ldl", "-lm"]).args(&flags);
        succeed(link).map_err(|error| format!("doesn't link\n{error}"))?;
        Ok(Program { file, name })
    }

    /// Runs it in a folder of its own and returns what it printed.
    pub(crate) fn run(&self, backend: &str, limit: Duration) -> Result<String, String> {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("run-{}-{backend}", self.name));
        fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        let (out, err) = (folder.join("out"), folder.join("err"));
        let create = |path: &Path| File::create(path).map_err(|error| format!("{}: {error}", path.display()));
        let mut child = Command::new(&self.file)
            .current_dir(&folder)
            .env_remove("LD_LIBRARY_PATH")
            .env("WINSOCK_BACKEND", backend)
            .stdin(Stdio::null())
            .stdout(create(&out)?)
            .stderr(create(&err)?)
            .spawn()
            .map_err(|error| format!("{} doesn't start: {error}", self.file.display()))?;
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait().map_err(|error| error.to_string())? {
                break Some(status);
            }
            if begun.elapsed() > limit {
                child.kill().and_then(|()| child.wait()).map_err(|error| error.to_string())?;
                break None;
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        let printed = |path: &Path| String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned();
        let (out, err) = (printed(&out), printed(&err));
        let last = || out.lines().last().unwrap_or("nothing").to_owned();
        let said = || err.lines().take(30).collect::<Vec<_>>().join("\n");
        match status {
            Some(status) if status.success() => Ok(out),
            Some(status) => Err(format!("{status} after \"{}\"\n{}", last(), said())),
            None => Err(format!("hangs after \"{}\"\n{}", last(), said())),
        }
    }
}

/// Runs a compiler. What it says is the error.
fn succeed(mut command: Command) -> Result<(), String> {
    // Cargo sets this for tests, and a program would find another build's shared library by it.
    command.env_remove("LD_LIBRARY_PATH");
    let output = command.output().map_err(|error| format!("{command:?} doesn't start: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(String::from_utf8_lossy(&output.stderr).lines().take(20).collect::<Vec<_>>().join("\n"))
}
