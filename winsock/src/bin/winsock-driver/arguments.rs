//! The command line: gcc's, with a few options of our own.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

pub(crate) const HELP: &str = "\
winsock-cc and winsock-c++ compile programs written for Winsock. They take the options of gcc or
clang (CC and CXX choose the compiler), sources, and Visual Studio's .vcxproj, .vcproj and .sln.
A project's program has its name; if that is a folder, it is put in there.

  --wsk-encoding=NAME   read sources that are not Unicode as NAME (CP949, GBK, ...), do not guess
  --wsk-keep=FOLDER     keep the translated sources in FOLDER
  --wsk-shared          link libwinsock.so instead of the static library
  --wsk-win32           define _WIN32, for sources that test it
  --wsk-unicode         define UNICODE and _UNICODE, as Visual Studio's projects do
  --wsk-low-pointers    keep the heap below 4 GiB, for 32-bit programs that put pointers in a DWORD
  --wsk-print           show the compiler's command line
";

#[derive(Default)]
pub(crate) struct Arguments {
    pub(crate) cplusplus: bool,
    pub(crate) encoding: Option<String>,
    pub(crate) keep: Option<PathBuf>,
    pub(crate) shared: bool,
    pub(crate) low_pointers: bool,
    pub(crate) print: bool,
    pub(crate) help: bool,
    /// What the compiler gets, in order.
    pub(crate) items: Vec<Item>,
    /// Folders of -I and -iquote.
    pub(crate) folders: Vec<PathBuf>,
    /// No link step: -c, -E, -S or -fsyntax-only is among the options.
    pub(crate) no_link: bool,
}

pub(crate) enum Item {
    Option(OsString),
    Source(PathBuf),
    Project(PathBuf),
}

impl Arguments {
    pub(crate) fn parse(words: Vec<OsString>) -> Result<Self, String> {
        let mut parsed = Self::default();
        let mut words = words.into_iter();
        while let Some(word) = words.next() {
            let text = word.to_string_lossy().into_owned();
            if let Some(ours) = text.strip_prefix("--wsk-") {
                parsed.take_ours(ours)?;
                continue;
            }
            match text.as_str() {
                "--help" => parsed.help = true,
                "-I" | "-iquote" | "-isystem" | "-idirafter" => {
                    let folder = words.next().ok_or(format!("{text}: a folder is missing after it."))?;
                    parsed.folder(&text, &folder);
                }
                "-o" | "-MF" | "-MT" | "-MQ" | "-include" | "-x" | "-D" | "-U" | "-L" | "-Xlinker" | "-Xclang"
                | "-target" | "-T" | "-u" | "-z" => {
                    parsed.items.push(Item::Option(word));
                    let value = words.next().ok_or(format!("{text}: a value is missing after it."))?;
                    parsed.items.push(Item::Option(value));
                }
                "-c" | "-E" | "-S" | "-fsyntax-only" | "-M" | "-MM" => {
                    parsed.no_link = true;
                    parsed.items.push(Item::Option(word));
                }
                _ if is_of_windows(&text) => {}
                "-municode" => parsed.take_ours("unicode")?,
                _ if text.starts_with("-I") => parsed.folder("-I", OsStr::from_bytes(&word.as_bytes()[2..])),
                _ if text.starts_with('-') || text.starts_with('@') => parsed.items.push(Item::Option(word)),
                _ => parsed.file(PathBuf::from(word)),
            }
        }
        Ok(parsed)
    }

    fn take_ours(&mut self, ours: &str) -> Result<(), String> {
        let (name, value) = ours.split_once('=').unwrap_or((ours, ""));
        match name {
            "language" => self.cplusplus = value == "c++",
            "encoding" => self.encoding = Some(value.to_owned()),
            "keep" => self.keep = Some(PathBuf::from(value)),
            "shared" => self.shared = true,
            "print" => self.print = true,
            "low-pointers" => self.low_pointers = true,
            "win32" => self.define("-D_WIN32=1"),
            "unicode" => {
                self.define("-DUNICODE");
                self.define("-D_UNICODE");
            }
            _ => return Err(format!("--wsk-{name} is no option. --help lists them.")),
        }
        Ok(())
    }

    pub(crate) fn define(&mut self, option: &str) {
        self.items.push(Item::Option(option.into()));
    }

    pub(crate) fn folder(&mut self, option: &str, folder: &OsStr) {
        self.folders.push(PathBuf::from(folder));
        self.items.push(Item::Option(option.into()));
        self.items.push(Item::Option(folder.to_owned()));
    }

    fn file(&mut self, path: PathBuf) {
        self.items.push(match extension(&path).as_str() {
            "c" | "cc" | "cpp" | "cxx" | "c++" | "cp" | "h" | "hpp" | "ixx" => Item::Source(path),
            "vcxproj" | "vcproj" | "sln" => Item::Project(path),
            _ => Item::Option(path.into()),
        });
    }

    pub(crate) fn has_standard(&self) -> bool {
        self.items.iter().any(|item| matches!(item, Item::Option(o) if o.to_string_lossy().starts_with("-std=")))
    }

    pub(crate) fn has_source(&self) -> bool {
        self.items.iter().any(|item| matches!(item, Item::Source(_)))
    }

    /// Whether any item is compiled or linked at all.
    pub(crate) fn has_input(&self) -> bool {
        self.items.iter().any(|item| match item {
            Item::Source(_) | Item::Project(_) => true,
            Item::Option(option) => {
                matches!(extension(Path::new(option)).as_str(), "o" | "a" | "obj")
                    && !option.as_bytes().starts_with(b"-")
            }
        })
    }
}

/// What Makefiles for MinGW give the linker: the libraries of Windows, and kinds of programs.
fn is_of_windows(option: &str) -> bool {
    const LIBRARIES: [&str; 20] = [
        "ws2_32",
        "wsock32",
        "mswsock",
        "kernel32",
        "user32",
        "gdi32",
        "advapi32",
        "winmm",
        "iphlpapi",
        "shlwapi",
        "shell32",
        "ole32",
        "oleaut32",
        "uuid",
        "psapi",
        "dbghelp",
        "ntdll",
        "synchronization",
        "msvcrt",
        "rpcrt4",
    ];
    let library = option.strip_prefix("-l").map(str::to_lowercase);
    library.is_some_and(|name| LIBRARIES.contains(&name.as_str()))
        || (!option.starts_with('-') && option.to_lowercase().ends_with(".lib"))
        || matches!(option, "-mconsole" | "-mwindows" | "-mthreads")
}

/// The extension in lower case, except that .C is C++'s.
pub(crate) fn extension(path: &Path) -> String {
    let extension = path.extension().map(|e| e.to_string_lossy().into_owned()).unwrap_or_default();
    if extension == "C" { "cpp".to_owned() } else { extension.to_lowercase() }
}
