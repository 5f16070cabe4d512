//! Runs the compiler on the translated sources and links the library.

use crate::arguments::{Arguments, HELP, Item};
use crate::interrupt;
use crate::project::{self, Project};
use crate::scratch::Scratch;
use crate::tree::{self, Tree};
use std::ffi::OsString;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Set for the compilers that are called, so that a script among them that calls the driver is
/// found.
const INSIDE: &str = "WINSOCK_DRIVER_RUNS";

/// Where the headers and the library are.
struct Home {
    include: PathBuf,
    library: PathBuf,
}

pub(crate) fn run(words: Vec<OsString>) -> Result<u8, String> {
    if std::env::var_os(INSIDE).is_some() {
        return Err("CC or CXX leads back to this driver. Set it to gcc or clang.".to_owned());
    }
    interrupt::install();
    let mut arguments = Arguments::parse(words)?;
    if arguments.help {
        print!("{HELP}");
        return Ok(0);
    }
    let mut programs = Vec::new();
    for item in &arguments.items {
        if let Item::Project(path) = item {
            programs.extend(project::programs(path)?);
        }
    }
    let home = Home::find(&arguments)?;
    if programs.is_empty() {
        return compile(&arguments, None, &home);
    }
    arguments.items.retain(|item| !matches!(item, Item::Project(_)));
    for program in &programs {
        let code = compile(&arguments, Some(program), &home)?;
        if code != 0 {
            return Ok(code);
        }
    }
    Ok(0)
}

impl Home {
    fn find(arguments: &Arguments) -> Result<Self, String> {
        let driver = std::env::current_exe().map_err(|e| format!("the driver's own path: {e}"))?;
        let beside = driver.parent().unwrap_or(Path::new("/")).to_path_buf();
        let home = std::env::var_os("WINSOCK_HOME").map_or_else(|| beside.join("../../winsock"), PathBuf::from);
        let include = [home.join("include/winsock"), home.join("include")]
            .into_iter()
            .find(|folder| folder.join("winsock2.h").is_file())
            .and_then(|folder| folder.canonicalize().ok())
            .ok_or(format!(
                "no headers in {}/include. Set WINSOCK_HOME to the folder that has them.",
                home.display()
            ))?;
        let name = if arguments.shared { "libwinsock.so" } else { "libwinsock.a" };
        let named = std::env::var_os("WINSOCK_LIBRARY").map(PathBuf::from);
        let places = [beside, home.join("lib"), home.join("lib64"), home.join("../target/release")];
        let library = named.into_iter().chain(places.map(|folder| folder.join(name))).find(|library| library.is_file());
        if library.is_none() && !arguments.no_link {
            return Err(format!("no {name} beside {}. Run: cargo build --release -p winsock", driver.display()));
        }
        Ok(Self { include, library: library.unwrap_or_default() })
    }
}

fn compile(arguments: &Arguments, program: Option<&Project>, home: &Home) -> Result<u8, String> {
    let scratch = Scratch::new(arguments.keep.as_deref())?;
    let mut folders = arguments.folders.clone();
    folders.extend(program.iter().flat_map(|program| program.folders.iter().cloned()));
    let quotes = program.map(|program| program.folder.clone()).into_iter().collect();
    let mut tree = Tree::new(scratch.root.clone(), home.include.clone(), folders, quotes, arguments.encoding.clone());
    let compiler = Compiler::new(arguments.cplusplus)?;
    let mut command = compiler.command(arguments, program, home);
    let (mut inputs, mut output) = (0, false);
    for item in &arguments.items {
        match item {
            Item::Option(option) => {
                output |= option.to_string_lossy().starts_with("-o");
                command.arg(option);
            }
            Item::Source(path) => inputs += add(&mut command, path, arguments, program, home, &mut tree)?,
            Item::Project(_) => {}
        }
    }
    for source in program.iter().flat_map(|program| &program.sources) {
        inputs += add(&mut command, source, arguments, program, home, &mut tree)?;
    }
    if inputs == 0 && arguments.has_source() {
        // Each was C, and is compiled.
        return Ok(0);
    }
    add_warnings(&mut command, &compiler);
    if let Some(program) = program.filter(|_| !output && !arguments.no_link) {
        // A solution's folder has one of this name for the project: then the program goes in there.
        let output = Path::new(&program.name);
        let output = if output.is_dir() { output.join(&program.name) } else { output.to_path_buf() };
        command.arg("-o").arg(output);
    }
    if !arguments.no_link && (arguments.has_input() || program.is_some()) {
        add_libraries(&mut command, arguments, &home.library);
    }
    let chosen = arguments.has_standard() || program.is_some_and(|program| program.standard.is_some());
    let code = if arguments.cplusplus && !chosen && inputs > 0 {
        execute_in_some_standard(&command, arguments)?
    } else {
        execute(command, arguments)?
    };
    scratch.mend_dependencies(arguments);
    Ok(code)
}

/// Adds a source's translated copy to the command: one input. A source in C among C++ is compiled
/// by the C compiler, as MSVC does: its object is the input, or none if nothing is linked.
fn add(
    command: &mut Command,
    path: &Path,
    arguments: &Arguments,
    program: Option<&Project>,
    home: &Home,
    tree: &mut Tree,
) -> Result<usize, String> {
    let cplusplus = tree::is_cplusplus(path);
    let copy = tree.source(path, cplusplus)?;
    let quote = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    if cplusplus || !arguments.cplusplus {
        if let Some(folder) = quote {
            command.arg("-iquote").arg(folder);
        }
        // gcc and clang take Server.Cpp for a script of the linker.
        let foreign =
            path.extension().is_some_and(|e| e != "C" && e.to_string_lossy() != crate::arguments::extension(path));
        if foreign {
            command.args(["-x", if cplusplus { "c++" } else { "c" }]);
        }
        command.arg(copy);
        if foreign {
            command.args(["-x", "none"]);
        }
        return Ok(1);
    }
    let object = copy.with_extension("c.o");
    let compiler = Compiler::new(false)?;
    let mut compile = compiler.command(arguments, program, home);
    if let Some(folder) = quote {
        compile.arg("-iquote").arg(folder);
    }
    let mut options =
        arguments.items.iter().filter_map(|item| if let Item::Option(option) = item { Some(option) } else { None });
    while let Some(option) = options.next() {
        let text = option.to_string_lossy();
        if text == "-o" && !arguments.no_link {
            options.next();
        } else if !is_for_cplusplus_or_linker(&text) {
            compile.arg(option);
        }
    }
    add_warnings(&mut compile, &compiler);
    if !arguments.no_link {
        compile.arg("-c").arg("-o").arg(&object);
        command.arg(&object);
    }
    compile.arg(copy);
    match execute(compile, arguments)? {
        0 => Ok(usize::from(!arguments.no_link)),
        _ => Err(format!("{}: was not compiled.", path.display())),
    }
}

fn is_for_cplusplus_or_linker(option: &str) -> bool {
    let file = option.rsplit('.').next().unwrap_or_default();
    ["-std=c++", "-std=gnu++", "-l", "-L", "-Wl,", "-fpermissive"].iter().any(|start| option.starts_with(start))
        || (!option.starts_with('-') && matches!(file, "o" | "a" | "so" | "obj"))
}

fn execute(mut command: Command, arguments: &Arguments) -> Result<u8, String> {
    show(&command, arguments);
    let status = interrupt::status(&mut command).map_err(|e| cannot_run(&command, &e))?;
    Ok(u8::try_from(status.code().unwrap_or(1)).unwrap_or(1))
}

fn show(command: &Command, arguments: &Arguments) {
    if arguments.print {
        eprintln!("{command:?}");
    }
}

fn cannot_run(command: &Command, error: &std::io::Error) -> String {
    let name = command.get_program().to_string_lossy();
    format!("{name} cannot be run: {error}. Install it, or set CC and CXX.")
}

/// Which C++ a program is written in is said nowhere in its sources. The compiler's own is tried
/// first, then that of Visual Studio, then a newer one; the messages are those of the first.
fn execute_in_some_standard(command: &Command, arguments: &Arguments) -> Result<u8, String> {
    let mut first = None;
    for standard in ["", "-std=gnu++14", "-std=gnu++20"] {
        let mut attempt = Command::new(command.get_program());
        attempt.args(command.get_args()).env(INSIDE, "1");
        if std::io::stderr().is_terminal() {
            attempt.arg("-fdiagnostics-color=always");
        }
        if !standard.is_empty() {
            attempt.arg(standard);
        }
        show(&attempt, arguments);
        attempt.stdin(Stdio::inherit()).stdout(Stdio::inherit()).stderr(Stdio::piped());
        let output = interrupt::output(&mut attempt).map_err(|e| cannot_run(command, &e))?;
        let refused = !output.status.success() && contains(&output.stderr, b"error");
        let link = contains(&output.stderr, b"undefined reference") || contains(&output.stderr, b"ld returned");
        if !refused || link || interrupt::has_come() {
            let _ = std::io::stderr().write_all(&output.stderr);
            return Ok(u8::try_from(output.status.code().unwrap_or(1)).unwrap_or(1));
        }
        first.get_or_insert(output.stderr);
    }
    let _ = std::io::stderr().write_all(&first.unwrap_or_default());
    Ok(1)
}

fn contains(text: &[u8], word: &[u8]) -> bool {
    text.windows(word.len()).any(|window| window == word)
}

/// gcc or clang, as CC and CXX say.
struct Compiler {
    words: Vec<String>,
    cplusplus: bool,
    clang: bool,
}

impl Compiler {
    fn new(cplusplus: bool) -> Result<Self, String> {
        let (variable, usual) = if cplusplus { ("CXX", "g++") } else { ("CC", "gcc") };
        // A build system may set CC to this driver itself, which would then call itself for ever.
        let own = |text: &String| {
            let name = text.split_whitespace().next().and_then(|word| word.rsplit('/').next());
            name.is_some_and(|name| name.starts_with("winsock-"))
        };
        let text = std::env::var(variable).ok().filter(|text| !own(text)).unwrap_or_else(|| usual.to_owned());
        let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
        let Some(name) = words.first() else {
            return Err(format!("{variable} is empty. Set it to a compiler, or unset it."));
        };
        let clang = is_clang(name);
        Ok(Self { words, cplusplus, clang })
    }

    fn command(&self, arguments: &Arguments, program: Option<&Project>, home: &Home) -> Command {
        let mut command = Command::new(&self.words[0]);
        command.args(&self.words[1..]).env(INSIDE, "1");
        add_flags(&mut command, arguments, program, self, &home.include);
        command
    }
}

fn is_clang(compiler: &str) -> bool {
    Command::new(compiler)
        .arg("--version")
        .env(INSIDE, "1")
        .output()
        .is_ok_and(|o| String::from_utf8_lossy(&o.stdout).contains("clang"))
}

/// What makes gcc and clang read such sources, before the program's own options.
fn add_flags(
    command: &mut Command,
    arguments: &Arguments,
    program: Option<&Project>,
    compiler: &Compiler,
    include: &Path,
) {
    command.args(["-fms-extensions", "-fno-strict-aliasing", "-fwrapv", "-pthread", "-U_FORTIFY_SOURCE"]);
    command.arg("-isystem").arg(include);
    let chosen = arguments.has_standard();
    if compiler.cplusplus {
        command.arg(if compiler.clang { "-fdeclspec" } else { "-fpermissive" });
    }
    #[cfg(target_arch = "x86_64")]
    command.args(["-D_M_X64=100", "-D_M_AMD64=100"]);
    if arguments.low_pointers || program.is_some_and(|program| program.only_32_bits) {
        command.args(["-DWSK_LOW_POINTERS", "-fno-pie"]);
        if !arguments.no_link {
            command.arg("-no-pie");
        }
    }
    if let Some(standard) = program.and_then(|p| p.standard.clone()).filter(|_| !chosen && compiler.cplusplus) {
        command.arg(standard);
    } else if compiler.clang && compiler.cplusplus && !chosen {
        command.arg("-std=gnu++17");
    }
    if let Some(program) = program {
        for define in &program.defines {
            command.arg(format!("-D{define}"));
        }
        if program.unicode {
            command.args(["-DUNICODE", "-D_UNICODE"]);
        }
        for folder in &program.folders {
            command.arg("-I").arg(folder);
        }
    }
}

/// What such sources do everywhere is not warned of. After the program's own options: clang takes
/// the last word.
fn add_warnings(command: &mut Command, compiler: &Compiler) {
    // The formats are MSVC's: %lu is right for a DWORD, %I64d and %S are known.
    command.args(["-Wno-unknown-pragmas", "-Wno-format", "-Wno-format-security"]);
    if compiler.cplusplus {
        command.args(["-Wno-narrowing", "-Wno-write-strings"]);
    }
    if compiler.clang {
        command.args(["-Wno-ignored-attributes", "-Wno-pragma-pack", "-Wno-microsoft", "-Wno-writable-strings"]);
    }
}

fn add_libraries(command: &mut Command, arguments: &Arguments, library: &Path) {
    if arguments.shared {
        let folder = library.parent().and_then(|folder| folder.canonicalize().ok()).unwrap_or_default();
        command.arg(format!("-L{}", folder.display())).arg("-lwinsock");
        command.arg(format!("-Wl,-rpath,{}", folder.display()));
    } else {
        command.arg(library);
    }
    command.args(["-lpthread", "-ldl", "-lm"]);
}
