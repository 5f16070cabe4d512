//! The configuration: flags, variables and a file with the same names, and what is wrong in them.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Output;

use crate::harness::{Running, proactor, run, windows};
use crate::members::{Frames, Member, until_all_hear_each_other};
#[cfg(feature = "tls")]
use crate::tls::Folder;
use crate::websocket;

/// A file of one test, removed at its end.
struct Written(PathBuf);

impl Written {
    fn new(name: &str, text: impl AsRef<[u8]>) -> Written {
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}.toml", std::process::id()));
        fs::write(&path, text).unwrap();
        Written(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for Written {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_owned()).unwrap()
}

fn shown(file: &Written, variables: &[(&str, &str)], flags: &[&str]) -> String {
    let mut command = proactor(&[&["config", "show", file.path()], flags].concat());
    let output = command.envs(variables.iter().copied()).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout)
}

/// The line of a key, without the spaces in it.
fn line(shown: &str, key: &str) -> String {
    let begins = |line: &&str| line.trim_start_matches("# ").split([' ', '=']).next() == Some(key);
    let line = shown.lines().find(begins).unwrap_or_else(|| panic!("{key} is not in {shown}"));
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn flags_go_before_variables_and_those_before_the_file_and_the_default() {
    let file = Written::new(
        "precedence",
        "command = \"chat\"\nmax-sessions = 11\nidle-timeout = \"1m\"\nrooms = true\nlisten = [\"127.0.0.1:1\", \"127.0.0.1:2\"]\n",
    );
    let at = |number: usize| format!("{}:{number}", file.path());
    let variables = [("PROACTOR_MAX_SESSIONS", "22"), ("PROACTOR_ROOMS", "false")];
    let plain = shown(&file, &[], &[]);
    let varied = shown(&file, &variables, &[]);
    let flagged = shown(&file, &variables, &["--max-sessions", "33", "--listen=127.0.0.1:3"]);
    assert_eq!(line(&plain, "max-sessions"), format!("max-sessions = 11 # {}", at(2)));
    assert_eq!(line(&varied, "max-sessions"), "max-sessions = 22 # PROACTOR_MAX_SESSIONS");
    assert_eq!(line(&flagged, "max-sessions"), "max-sessions = 33 # --max-sessions");
    assert_eq!(line(&plain, "rooms"), format!("rooms = true # {}", at(4)));
    assert_eq!(line(&varied, "rooms"), "rooms = false # PROACTOR_ROOMS");
    assert_eq!(line(&plain, "listen"), format!("listen = [\"127.0.0.1:1\", \"127.0.0.1:2\"] # {}", at(5)));
    assert_eq!(line(&flagged, "listen"), "listen = [\"127.0.0.1:3\"] # --listen");
    for shown in [&plain, &varied, &flagged] {
        assert_eq!(line(shown, "idle-timeout"), format!("idle-timeout = \"1m\" # {}", at(3)));
        assert_eq!(line(shown, "codec"), "# codec = \"lines\" # the default");
        assert_eq!(line(shown, "heartbeat"), "# heartbeat is not set");
    }
    // What is shown is a file that says the same.
    let again = Written::new("precedence-again", &flagged);
    let same = shown(&again, &[], &[]);
    let values = |shown: &str| -> Vec<String> {
        let own = shown.lines().filter(|line| !line.starts_with('#'));
        own.map(|line| line.split("  #").next().unwrap().trim_end().to_owned()).collect()
    };
    assert_eq!(values(&same), values(&flagged));
}

#[test]
fn what_is_shown_is_what_a_server_does() {
    let file = Written::new("does", "max-sessions = 11\nshards = 1\n");
    let started = |variable: Option<&str>, flags: &[&str]| {
        let arguments = [&["echo", "--listen", "127.0.0.1:0", "--config", file.path()], flags].concat();
        let mut command = proactor(&arguments);
        if let Some(value) = variable {
            command.env("PROACTOR_MAX_SESSIONS", value);
        }
        Running::of(command).line.clone()
    };
    let rooms = |sessions: u32| format!("room for {sessions} sessions (--max-sessions)");
    assert!(started(None, &[]).contains(&rooms(11)));
    assert!(started(Some(""), &[]).contains(&rooms(11)), "an empty variable is none");
    assert!(started(Some("22"), &[]).contains(&rooms(22)));
    let flagged = started(Some("22"), &["--max-sessions=33", "--shards", "2"]);
    assert!(flagged.contains(&rooms(33)) && flagged.contains("2 shards"), "{flagged}");
    // The file is named by a variable too, and `run` starts what it is for.
    let mut by_variable = proactor(&["echo", "--listen", "127.0.0.1:0"]);
    by_variable.env("PROACTOR_CONFIG", file.path());
    assert!(Running::of(by_variable).line.contains(&rooms(11)));
    let file = Written::new("run", "command = \"chat\"\nlisten = \"127.0.0.1:0\"\nmax-sessions = 7\n");
    let chat = Running::of(proactor(&["run", file.path(), "--shards", "1"]));
    assert!(chat.line.starts_with("proactor: chat on 127.0.0.1:") && chat.line.contains(&rooms(7)), "{}", chat.line);
}

#[test]
fn a_backend_in_a_variable_goes_before_that_of_the_file() {
    let backend = if windows() { "winsock" } else { "poll" };
    let file =
        Written::new("backend", format!("command = \"echo\"\nlisten = \"127.0.0.1:0\"\nbackend = \"{backend}\"\n"));
    let echo = Running::of(proactor(&["run", file.path()]));
    assert!(echo.line.contains(&format!("backend {backend} (asked for)")), "{}", echo.line);
    let mut command = proactor(&["run", file.path()]);
    command.env("PROACTOR_BACKEND", backend);
    let echo = Running::of(command);
    assert!(echo.line.contains("asked for by PROACTOR_BACKEND"), "{}", echo.line);
}

#[test]
fn three_listeners_serve_at_once_each_in_its_own_way() {
    let file = Written::new(
        "three",
        "command = \"chat\"\nshards = 2\ncodec = \"lines\"\n\n[[listener]]\nname = \"text\"\naddress = \"127.0.0.1:0\"\n\n\
         [[listener]]\naddress = \"127.0.0.1:0\"\ncodec = \"length2\"\nmax-frame = 16\n\n\
         [[listener]]\naddress = \"127.0.0.1:0\"\ncodec = \"length\"\nmax-sessions = 1\n",
    );
    let chat = Running::of(proactor(&["run", file.path()]));
    assert_eq!(chat.addresses.len(), 3, "the default address is not listened on: {}", chat.line);
    let at = |index, frames| Member::connect_at(&chat, index, frames);
    let (two, four) = (Frames::Length(2), Frames::Length(4));
    let longer_than_the_second_takes = "y".repeat(17);
    let mut members = [at(0, Frames::Lines), at(2, four)];
    until_all_hear_each_other(&mut members);
    members[0].say(longer_than_the_second_takes.as_bytes());
    assert_eq!(members[1].hear_said(), longer_than_the_second_takes);
    let [lines, long] = members;
    let mut members = [lines, at(1, two), long];
    until_all_hear_each_other(&mut members);
    let [mut lines, mut short, mut long] = members;
    short.say(b"from length2");
    assert_eq!(lines.hear_said(), "from length2");
    assert_eq!(long.hear_said(), "from length2");
    long.say(b"from length");
    assert_eq!(lines.hear_said(), "from length");
    assert_eq!(short.hear_said(), "from length");
    // The limit of sessions of one listener is not that of another.
    // The reset of a refused connection can come before `connect` returns.
    let second = Member::try_connect_at(&chat, 2, four);
    assert!(second.map_or(true, is_cut_off), "a second session where one is allowed");
    at(0, Frames::Lines).say(b"one more");
    assert_eq!(short.hear_said(), "one more");
    short.say(longer_than_the_second_takes.as_bytes());
    assert!(is_cut_off(short));
}

/// TLS, WebSocket and the PROXY protocol beside each other.
#[cfg(all(feature = "tls", feature = "websocket"))]
#[test]
fn listeners_have_transports_of_their_own() {
    let folder = Folder::new("config");
    let [certificate, key] = folder.dev_cert();
    let tables = format!(
        "command = \"echo\"\n[[listener]]\naddress = \"127.0.0.1:0\"\ntls-cert = {certificate:?}\ntls-key = {key:?}\n\
         [[listener]]\naddress = \"127.0.0.1:0\"\nwebsocket = \"/ws\"\n\
         [[listener]]\naddress = \"127.0.0.1:0\"\nproxy-protocol = \"required\"\nproxy-protocol-from = [\"127.0.0.1\", \"10.0.0.0/8\"]\n"
    );
    let file = Written::new("transports", tables);
    let echo = Running::of(proactor(&["run", file.path()]));
    let secure = echo.addresses[0].to_string();
    let bench = ["bench", "--connect", &secure, "--connections", "2", "--duration", "200ms", "--warmup", "0s"];
    let loaded = run(&[&bench[..], &["--tls", "--tls-ca", &certificate, "--tls-name", "game.test"]].concat());
    assert!(loaded.status.success(), "{}", text(&loaded.stderr));
    let mut web = echo.connect_at(1);
    assert_eq!(websocket::ask(&mut web, websocket::REQUEST), "HTTP/1.1 101 Switching Protocols");
    websocket::send(&mut web, 0x81, b"hello");
    websocket::expect(&mut web, b"\x81\x05hello");
    let mut balanced = echo.connect_at(2);
    balanced.write_all(b"PROXY TCP4 192.0.2.7 192.0.2.1 5 6\r\nhello").unwrap();
    let mut came = [0; 5];
    balanced.read_exact(&mut came).unwrap();
    assert_eq!(&came, b"hello");
    let mut without = echo.connect_at(2);
    without.write_all(b"hello, but no header\r\n").unwrap();
    assert!(without.read(&mut came).is_err(), "a header is required there");
}

/// A proxy's listener with TLS sees the names itself, and one without it in the hello.
#[cfg(feature = "tls")]
#[test]
fn a_proxy_routes_the_clients_of_each_listener_by_name() {
    let folder = Folder::new("config-routes");
    let [certificate, key] = folder.dev_cert();
    let tables = |more: &str| {
        format!(
            "command = \"proxy\"\nroute = \"game.test=127.0.0.1:1\"\n{more}[[listener]]\naddress = \"127.0.0.1:0\"\n\
             [[listener]]\naddress = \"127.0.0.1:0\"\ntls-cert = {certificate:?}\ntls-key = {key:?}\n"
        )
    };
    let file = Written::new("routes", tables(""));
    let proxy = Running::of(proactor(&["run", file.path()]));
    let mut plain = proxy.connect_at(0);
    plain.write_all(b"no hello").unwrap();
    assert_eq!(alert(&mut plain), 50, "it is read up to its hello");
    let mut secure = proxy.connect_at(1);
    secure.write_all(b"no hello").unwrap();
    alert(&mut secure);
    let summary = proxy.summary();
    assert!(summary.contains("not routed (1: the peer does not speak TLS)"), "{summary}");
    assert!(summary.contains("TLS failures (1: the peer does not speak TLS)"), "{summary}");
    let both = Written::new("routes-both", tables("upstream-tls = true\n"));
    refused(&run(&["config", "check", both.path()]), 2, &["--upstream-tls", "--route"]);
}

/// What is wrong, by an alert of TLS.
#[cfg(feature = "tls")]
fn alert(stream: &mut TcpStream) -> u8 {
    let mut alert = Vec::new();
    stream.read_to_end(&mut alert).unwrap();
    assert_eq!((alert.len(), alert[0]), (7, 21));
    alert[6]
}

#[test]
fn no_option_takes_a_secret_itself() {
    for (command, more) in [("echo", ""), ("chat", ""), ("proxy", "upstream = \"127.0.0.1:1\"\n")] {
        let file = Written::new(&format!("secret-{command}"), format!("command = \"{command}\"\n{more}"));
        for line in shown(&file, &[], &[]).lines() {
            let name = line.trim_start_matches("# ").split(' ').next().unwrap();
            let is_secret = ["secret", "token", "password"].iter().any(|word| name.contains(word));
            assert!(!is_secret || name.ends_with("-file"), "{name} would be seen in a list of processes");
        }
    }
}

fn is_cut_off(mut member: Member) -> bool {
    loop {
        match member.try_hear() {
            Ok(Some(_)) => {}
            Ok(None) => return true,
            Err(error) => return !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
        }
    }
}

/// Starts nothing, and names every one of these texts.
fn refused(output: &Output, code: i32, texts: &[&str]) {
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{said}");
    for expected in texts {
        assert!(said.contains(expected), "{expected:?} is not in {said:?}");
    }
}

#[test]
fn what_is_wrong_in_a_file_is_named_with_its_line_and_a_remedy() {
    let cases: [(&str, usize, &[&str]); 24] = [
        ("max-sesions = 5", 2, &["unknown key 'max-sesions'", "did you mean 'max-sessions'?"]),
        ("tls_cert = \"x\"", 2, &["unknown key 'tls_cert'"]),
        ("qqq = 5", 2, &["unknown key 'qqq'", "proactor chat --help"]),
        ("upstream = \"a:1\"", 2, &["unknown key 'upstream'", "proactor proxy", "for chat"]),
        ("config = \"other.toml\"", 2, &["unknown key 'config'", "cannot name another"]),
        ("max-sessions = \"many\"", 2, &["max-sessions = \"many\"", "write a number"]),
        ("max-sessions = true", 2, &["max-sessions", "not true or false"]),
        ("max-sessions = [1, 2]", 2, &["max-sessions", "one value, not a list"]),
        ("max-sessions = 2026-01-01", 2, &["max-sessions", "not a date"]),
        ("max-sessions = -5", 2, &["max-sessions = \"-5\""]),
        ("rooms = \"yes\"", 2, &["rooms", "write true or false"]),
        ("slow-consumer = \"drop\"", 2, &["slow-consumer = \"drop\"", "pause, drop-oldest, close"]),
        ("listen = [\"127.0.0.1:0\", \"here\"]", 2, &["listen = \"here\"", "127.0.0.1:7777"]),
        ("listen = []", 2, &["listen: the list is empty"]),
        ("listen = [[\"127.0.0.1:0\"]]", 2, &["listen", "not a list of something else"]),
        ("[limits]\nmax-sessions = 5", 2, &["unknown key 'limits'"]),
        ("shards = 1\nshards = 2", 3, &["duplicate key"]),
        ("shards = ", 2, &[]),
        ("[listener]\naddress = \"127.0.0.1:0\"", 2, &["[[listener]] with two brackets"]),
        ("address = \"127.0.0.1:0\"", 2, &["unknown key 'address'", "[[listener]] table"]),
        ("[[listener]]\naddress = \"127.0.0.1:0\"\nqqq = 1", 4, &["unknown key 'qqq'", "a listener has address, name"]),
        ("[[listener]]\nname = \"x\"", 2, &["needs address too"]),
        ("[[listener]]\naddress = \"127.0.0.1:0\"\nshards = 2", 4, &["'shards'", "above the first [[listener]]"]),
        ("[[listener]]\naddress = \"127.0.0.1:0\"\ncodec = \"line\"", 4, &["codec = \"line\"", "lines"]),
    ];
    for (index, (wrong, line, texts)) in cases.iter().enumerate() {
        let file = Written::new(&format!("wrong-{index}"), format!("command = \"chat\"\n{wrong}\n"));
        let place = format!("{}:{line}: ", file.path());
        for arguments in [["config", "check", file.path()], ["chat", "--config", file.path()]] {
            refused(&run(&arguments), 2, &[&[place.as_str()], *texts].concat());
        }
    }
    // All that is wrong is said at once.
    let file = Written::new("wrong-all", "command = \"chat\"\nfoo = 1\nrooms = 5\nshards = 500\nmax-sessions = 0\n");
    let lines: Vec<String> = (2..=5).map(|line| format!("{}:{line}: ", file.path())).collect();
    refused(&run(&["run", file.path()]), 2, &lines.iter().map(String::as_str).collect::<Vec<_>>());
}

#[test]
fn a_file_that_cannot_be_used_is_named() {
    let missing = Written::new("missing", "");
    fs::remove_file(&missing.0).unwrap();
    let nobody = Written::new("nobody", "shards = 1\n");
    let other = Written::new("other", "command = \"echo\"\nshards = 1\n");
    let unknown = Written::new("unknown", "command = \"serve\"\n");
    let number = Written::new("number", "command = 5\n");
    let binary = Written::new("binary", b"shards = 1\nrooms = \xff\n");
    let large = Written::new("large", "#".repeat((1 << 20) + 1));
    for (file, texts) in [
        (&missing, &["could not read the configuration file"][..]),
        (&nobody, &["which server it is for", "command = \"echo\""]),
        (&unknown, &[":1: ", "command = \"serve\"", "echo, chat, proxy"]),
        (&number, &[":1: ", "write the name of a server"]),
        (&binary, &["line 2 is not UTF-8"]),
        (&large, &["1024 KiB"]),
    ] {
        for what in ["check", "show"] {
            refused(&run(&["config", what, file.path()]), 2, &[&[file.path()], texts].concat());
        }
    }
    refused(&run(&["chat", "--config", other.path()]), 2, &[":1: ", "command = \"echo\"", "`proactor chat`"]);
    refused(&run(&["chat", "--config", missing.path()]), 2, &[missing.path()]);
    let directory = env!("CARGO_TARGET_TMPDIR");
    refused(&run(&["run", directory]), 2, &[directory]);
}

#[test]
fn what_belongs_together_is_checked_across_flags_and_file() {
    let echo = Written::new("together", "command = \"echo\"\nheartbeat-always = true\n");
    refused(&run(&["config", "check", echo.path()]), 2, &[echo.path(), "heartbeat is missing"]);
    let checked = run(&["config", "check", echo.path(), "--heartbeat", "1s", "--codec=lines"]);
    assert_eq!(checked.status.code(), Some(0), "{}", text(&checked.stderr));
    assert!(text(&checked.stdout).contains("no fault found"));
    let raw = Written::new(
        "together-raw",
        "command = \"chat\"\nheartbeat = \"1s\"\n[[listener]]\naddress = \"127.0.0.1:0\"\ncodec = \"raw\"\n",
    );
    let place = format!("{}:3: ", raw.path());
    refused(&run(&["config", "check", raw.path()]), 2, &[&place, "codec raw", "heartbeat"]);
    let rooms = Written::new(
        "together-rooms",
        "command = \"chat\"\nrooms = true\n[[listener]]\naddress = \"127.0.0.1:0\"\ncodec = \"raw\"\n",
    );
    refused(&run(&["config", "check", rooms.path()]), 2, &[&format!("{}:3: ", rooms.path()), "--rooms"]);
    let proxy = Written::new("together-proxy", "command = \"proxy\"\nlisten = \"127.0.0.1:0\"\n");
    refused(&run(&["run", proxy.path()]), 2, &[proxy.path(), "upstream is missing"]);
}

#[test]
fn a_wrong_value_of_a_file_is_named_even_if_it_is_overridden() {
    let file = Written::new("overridden", "command = \"echo\"\nmax-sessions = \"many\"\nshards = 2\n");
    let place = format!("{}:2: ", file.path());
    let texts = [place.as_str(), "max-sessions = \"many\"", "write a number"];
    refused(&run(&["config", "check", file.path(), "--max-sessions", "5"]), 2, &texts);
    let mut command = proactor(&["config", "check", file.path()]);
    refused(&command.env("PROACTOR_MAX_SESSIONS", "5").output().unwrap(), 2, &texts);
    assert_eq!(run(&["config", "check", file.path(), "--shards", "3"]).status.code(), Some(2));
    let sound = Written::new("overridden-sound", "command = \"echo\"\nmax-sessions = 7\n");
    assert_eq!(run(&["config", "check", sound.path(), "--max-sessions", "5"]).status.code(), Some(0));
}

#[test]
fn two_listeners_on_one_address_are_found_before_the_start() {
    let tables = |one: &str, other: &str| {
        format!("command = \"echo\"\n[[listener]]\naddress = \"{one}\"\n[[listener]]\naddress = \"{other}\"\n")
    };
    let file = Written::new("twice", tables("127.0.0.1:7001", "0.0.0.0:7001"));
    let (first, second) = (format!("{}:2", file.path()), format!("{}:4: ", file.path()));
    refused(&run(&["config", "check", file.path()]), 2, &[&first, &second, "127.0.0.1:7001", "0.0.0.0:7001"]);
    let file = Written::new("twice-flag", tables("127.0.0.1:7001", "127.0.0.1:7002"));
    refused(&run(&["run", file.path(), "--listen", "127.0.0.1:7002"]), 2, &["--listen", "127.0.0.1:7002"]);
    let file = Written::new("twice-not", tables("127.0.0.1:7001", "127.0.0.1:7002"));
    assert_eq!(run(&["config", "check", file.path()]).status.code(), Some(0));
}

#[test]
fn variables_that_are_wrong_are_named() {
    let with = |name: &str, value: &str| proactor(&["echo", "--check"]).env(name, value).output().unwrap();
    refused(&with("PROACTOR_MAX_SESSIONS", "many"), 2, &["PROACTOR_MAX_SESSIONS=many: ", "write a number"]);
    refused(&with("PROACTOR_DIRECT_DESCRIPTORS", "yes"), 2, &["PROACTOR_DIRECT_DESCRIPTORS=yes: ", "true or false"]);
    refused(&with("PROACTOR_LISTEN", "127.0.0.1:0,here"), 2, &["PROACTOR_LISTEN=here: "]);
    refused(&with("PROACTOR_CONFIG", "no-such-file.toml"), 2, &["no-such-file.toml"]);
    let near = with("PROACTOR_MAX_SESION", "5");
    assert_eq!(near.status.code(), Some(0));
    assert!(text(&near.stderr).contains("PROACTOR_MAX_SESION is not known: did you mean PROACTOR_MAX_SESSIONS?"));
    // Those of other servers, and of other programs, are none of ours.
    for other in ["PROACTOR_UPSTREAM", "PROACTOR_QQQ"] {
        let output = with(other, "x");
        assert_eq!((output.status.code(), text(&output.stderr).as_str()), (Some(0), ""), "{other}");
    }
    // A flag overrides its environment variable, so that a wrong one does not matter then.
    let mut command = proactor(&["echo", "--check", "--max-sessions", "5"]);
    assert_eq!(command.env("PROACTOR_MAX_SESSIONS", "many").output().unwrap().status.code(), Some(0));
}

#[cfg(unix)]
#[test]
fn a_variable_that_is_no_text_is_named() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    if windows() {
        return;
    }
    let value = OsStr::from_bytes(b"1\xff");
    let output = proactor(&["echo", "--check"]).env("PROACTOR_MAX_SESSIONS", value).output().unwrap();
    refused(&output, 2, &["PROACTOR_MAX_SESSIONS is not UTF-8"]);
}

/// The example of docs/configuration.md.
#[cfg(all(feature = "tls", feature = "websocket"))]
#[test]
fn the_example_of_the_page_has_no_fault() {
    let page = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/configuration.md")).unwrap();
    let example = page.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
    let file = Written::new("example", example);
    let shown = shown(&file, &[], &[]);
    assert_eq!(shown.matches("[[listener]]").count(), 3, "{shown}");
    assert!(line(&shown, "max-sessions").starts_with("max-sessions = 20000 #"), "{shown}");
}

#[test]
fn paths_in_a_file_begin_at_its_directory() {
    let file = Written::new("paths", "command = \"echo\"\ntls-cert = \"no-cert.pem\"\ntls-key = \"/no/key.pem\"\n");
    if !cfg!(feature = "tls") {
        refused(&run(&["config", "check", file.path()]), 2, &["unknown key 'tls-cert'"]);
        return;
    }
    if windows() {
        // There it has other signs.
        return;
    }
    let shown = shown(&file, &[], &[]);
    let directory = file.0.parent().unwrap().join("no-cert.pem");
    assert!(shown.contains(&format!("tls-cert = {:?}", directory.to_str().unwrap())), "{shown}");
    assert!(shown.contains("tls-key = \"/no/key.pem\""), "{shown}");
    refused(&run(&["config", "check", file.path()]), 1, &[directory.to_str().unwrap()]);
}
