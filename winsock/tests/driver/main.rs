//! The compiler drivers, on a small program in the manner of Visual Studio's.
#![cfg(target_os = "linux")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A folder of the test's own, removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("driver-{name}"));
        // A test that was killed has left it.
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(folder.join("tmp")).expect("a temporary folder");
        Self(folder)
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.0.join(name);
        std::fs::create_dir_all(path.parent().expect("below the folder")).expect("a temporary folder");
        std::fs::write(path, content).expect("a temporary file");
    }

    fn command(&self, language: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_winsock-driver"));
        command
            .arg(format!("--wsk-language={language}"))
            .args(arguments)
            .env("WINSOCK_HOME", Path::new(env!("CARGO_MANIFEST_DIR")))
            // The library beside this test; what lies beside the driver may be older.
            .env("WINSOCK_LIBRARY", std::env::current_exe().expect("its own path").with_file_name("libwinsock.a"))
            .env("TMPDIR", self.0.join("tmp"))
            .env_remove("LD_LIBRARY_PATH")
            .current_dir(&self.0);
        command
    }

    fn driver(&self, language: &str, arguments: &[&str]) -> Output {
        let output = self.command(language, arguments).output().expect("the driver runs");
        assert_eq!(self.scratch_folders(), 0, "the driver has left a folder");
        output
    }

    /// What the driver has in its folder for temporary files.
    fn scratch_folders(&self) -> usize {
        std::fs::read_dir(self.0.join("tmp")).expect("the temporary folder").count()
    }

    fn write_script(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        // By a process of its own: a child that another test starts would have a file that this one
        // writes until it is another program, and nobody can start a file that is still written to.
        let mut shell = Command::new("sh");
        shell.args(["-c", r#"printf %s "$1" >"$0" && chmod 755 "$0""#]).arg(&path).arg(text);
        assert!(shell.status().expect("a shell").success(), "{} is written", path.display());
        path
    }

    fn builds(&self, language: &str, arguments: &[&str]) {
        let output = self.driver(language, arguments);
        assert!(output.status.success(), "{arguments:?}:\n{}", String::from_utf8_lossy(&output.stderr));
    }

    fn fails(&self, language: &str, arguments: &[&str]) -> String {
        let output = self.driver(language, arguments);
        assert!(!output.status.success(), "{arguments:?} was accepted");
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    fn run(&self, program: &str) -> String {
        let output = Command::new(self.0.join(program)).current_dir(&self.0).output().expect("the program runs");
        assert!(output.status.success(), "{program}: {:?}\n{}", output.status, String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn utf16(text: &str) -> Vec<u8> {
    let mut bytes = vec![0xff, 0xfe];
    bytes.extend(text.encode_utf16().flat_map(u16::to_le_bytes));
    bytes
}

/// "세션" in CP949, between quotes and in a comment that ends in a byte of a backslash's value.
const SESSION_CP949: &[u8] = b"#pragma once\r\n#pragma comment(lib, \"ws2_32.lib\")\r\n// \xbc\xbc\xbc\xc7 \xb0\xfc\xb8\xae \xbc\xad\xb9\xf6\r\n\
#define SESSION_NAME \"\xbc\xbc\xbc\xc7\"\r\nclass CSession sealed {\r\npublic:\r\n\tint send(__in const char *p, __in int n) { return p ? n : 0; }\r\n\tDWORD64 id;\r\n\t__int64 big;\r\n};\r\n";

const SERVER: &str = "\u{feff}#include \"StdAfx.h\"\r\n#include \"..\\net\\SESSION.h\"\r\n#include <Math.h>\r\n\r\nusing namespace std;\r\n\r\n\
mutex g_lock;\r\n\r\nvoid main(int argc, char *argv[])\r\n{\r\n\tWSADATA wsa;\r\n\tlock_guard<mutex> lock(g_lock);\r\n\tCSession session;\r\n\tDWORD id = 7;\r\n\
\tsession.big = -5000000000i64;\r\n\tchar text[64];\r\n\tif (WSAStartup(MAKEWORD(2, 2), &wsa) != 0) return;\r\n\tsprintf_s(text, \"%lu %I64d %s\", id, session.big, SESSION_NAME);\r\n\
\tprintf(\"%s %d %d\\n\", text, session.send(\"a\", 3), argc);\r\n\twprintf(L\"%s %S\\n\", L\"\u{d55c}\u{ae00}\", \"narrow\");\r\n\tWSACleanup();\r\n}\r\n";

fn project(folder: &Folder) {
    folder.write("Server/StdAfx.h", utf16("#pragma once\r\n#include <WinSock2.h>\r\n#include <WS2tcpip.h>\r\n#include <Windows.h>\r\n#include <stdio.h>\r\n#include <iostream>\r\n"));
    folder.write("Net/Session.h", SESSION_CP949);
    folder.write("Server/Server.cpp", SERVER);
    folder.write("Server/Unused.cpp", "#error is left out\n");
    folder.write(
        "Server/Server.vcxproj",
        "<Project><PropertyGroup Condition=\"'$(Configuration)|$(Platform)'=='Release|x64'\"><ConfigurationType>Application</ConfigurationType></PropertyGroup>\
         <ItemDefinitionGroup Condition=\"'$(Configuration)|$(Platform)'=='Release|x64'\"><ClCompile><PreprocessorDefinitions>WIN32;NDEBUG;_CONSOLE;%(PreprocessorDefinitions)</PreprocessorDefinitions>\
         <LanguageStandard>stdcpp17</LanguageStandard></ClCompile></ItemDefinitionGroup><ItemGroup><ClCompile Include=\"server.cpp\" />\
         <ClCompile Include=\"Unused.cpp\"><ExcludedFromBuild>true</ExcludedFromBuild></ClCompile></ItemGroup></Project>",
    );
    folder.write(
        "Game.sln",
        "Project(\"{8BC9CEB8}\") = \"Server\", \"server\\Server.vcxproj\", \"{1}\"\r\nEndProject\r\n",
    );
}

#[test]
fn a_solution_with_mixed_encodings_builds_and_runs() {
    let folder = Folder::new("solution");
    project(&folder);
    folder.builds("c++", &["Game.sln"]);
    assert_eq!(folder.run("Server/Server"), "7 -5000000000 세션 3 1\n한글 narrow\n");
}

#[test]
fn other_options_go_to_the_compiler() {
    let folder = Folder::new("options");
    project(&folder);
    folder.builds("c++", &["-Wall", "-Werror", "-c", "Server/Server.cpp", "-o", "server.o"]);
    folder.builds("c++", &["server.o", "-o", "linked", "-mconsole", "-lws2_32", "-lMswsock", "mswsock.lib"]);
    assert!(folder.run("linked").starts_with("7 "));
    folder.builds("c++", &["-MD", "-MF", "x.d", "-c", "Server/Server.cpp", "-o", "server.o"]);
    let dependencies = std::fs::read_to_string(folder.0.join("x.d")).expect("a dependency file");
    assert!(dependencies.contains("Net/Session.h"), "{dependencies}");
}

#[test]
fn the_include_path_of_a_project_is_searched() {
    let folder = Folder::new("include-path");
    folder.write("Shared/Answer.h", "enum { ANSWER = 42 };\n");
    folder.write("Main.cpp", "#include <answer.h>\n#include <stdio.h>\nint main() { printf(\"%d\\n\", ANSWER); }\n");
    folder.write(
        "Main.vcxproj",
        "<Project><PropertyGroup Condition=\"'$(Configuration)|$(Platform)'=='Release|x64'\"><IncludePath>$(ProjectDir)Shared;$(IncludePath)</IncludePath></PropertyGroup>\
         <ItemGroup><ClCompile Include=\"Main.cpp\" /></ItemGroup></Project>",
    );
    folder.builds("c++", &["Main.vcxproj"]);
    assert_eq!(folder.run("Main"), "42\n");
}

#[test]
fn extensions_in_any_case_are_known() {
    let folder = Folder::new("extensions");
    folder.write(
        "One.Cpp",
        "#include <stdio.h>\nextern \"C\" int two(void);\nint main() { printf(\"%d\\n\", two()); }\n",
    );
    folder.write("Two.c", "int two(void) { int class = 2; return class; }\n");
    folder.builds("c++", &["One.Cpp", "Two.c", "-o", "mixed"]);
    assert_eq!(folder.run("mixed"), "2\n");
}

#[test]
fn messages_name_the_original() {
    let folder = Folder::new("messages");
    folder.write("a.cpp", "#include <windows.h>\nint main()\n{\n    return missing;\n}\n");
    assert!(folder.fails("c++", &["-c", "a.cpp"]).contains("a.cpp:4:"));
    folder.write("try.cpp", "#include <windows.h>\nint main()\n{\n    __try { } __except (1) { }\n    return 0;\n}\n");
    let message = folder.fails("c++", &["-c", "try.cpp"]);
    assert!(message.contains("try.cpp:4:") && message.contains("structured exception"), "{message}");
    assert!(folder.fails("c++", &["none.cpp"]).contains("none.cpp: cannot be read"));
    assert!(folder.fails("c++", &["none.sln"]).contains("none.sln: cannot be read"));
    assert!(folder.fails("c++", &["--wsk-nothing"]).contains("--help"));
}

#[test]
fn a_compiler_variable_that_names_the_driver_is_no_circle() {
    let folder = Folder::new("circle");
    folder.write("a.c", "int main(void) { return 0; }\n");
    let driver = |cc: &Path| folder.command("c", &["-c", "a.c"]).env("CC", cc).output().expect("the driver runs");
    assert!(driver(&Path::new(env!("CARGO_MANIFEST_DIR")).join("bin/winsock-cc")).status.success());
    let script =
        folder.write_script("cc", &format!("#!/bin/sh\nexec {} \"$@\"\n", env!("CARGO_BIN_EXE_winsock-driver")));
    let output = driver(&script);
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("leads back to this driver"));
}

/// A compiler that is slow, and a signal meanwhile: the driver ends by it and leaves nothing.
#[test]
fn a_signal_leaves_no_folder() {
    let folder = Folder::new("signal");
    folder.write("a.c", "int main(void) { return 0; }\n");
    folder.write("a.cpp", "int main() { return 0; }\n");
    let slow = "#!/bin/sh\n[ \"$1\" = --version ] && exit 0\necho runs >runs\nexec sleep 60\n";
    let slow = folder.write_script("slow", slow);
    for (language, source) in [("c", "a.c"), ("c++", "a.cpp")] {
        let _ = std::fs::remove_file(folder.0.join("runs"));
        let mut command = folder.command(language, &["-c", source]);
        let mut child = command.env("CC", &slow).env("CXX", &slow).spawn().expect("the driver runs");
        while !folder.0.join("runs").exists() {
            assert!(child.try_wait().expect("its state").is_none(), "the driver has ended by itself");
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        assert_eq!(folder.scratch_folders(), 1);
        let killed = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().expect("kill runs");
        assert!(killed.success());
        let status = child.wait().expect("its end");
        assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(15), "{language}: {status}");
        assert_eq!(folder.scratch_folders(), 0, "{language}");
    }
}

#[test]
fn wide_programs_and_c() {
    let folder = Folder::new("wide");
    folder.write(
        "wide.cpp",
        "#include <windows.h>\n#include <tchar.h>\n#include <iostream>\nint _tmain(int argc, _TCHAR *argv[])\n{\n    std::cout << \"a\\n\";\n    std::wcout << argv[0][0] << argc << L\"\\n\";\n    _tprintf(_T(\"%s %d\\n\"), _T(\"text\"), (int)sizeof(TCHAR));\n    return 0;\n}\n",
    );
    folder.builds("c++", &["--wsk-unicode", "wide.cpp", "-o", "wide"]);
    assert_eq!(folder.run("wide"), "a\n/1\ntext 4\n");
    folder.builds("c++", &["wide.cpp", "-o", "narrow"]);
    assert_eq!(folder.run("narrow"), "a\n/1\ntext 1\n");
    folder.write("c.c", "#include <WinSock2.h>\n#include <stdio.h>\nvoid main()\n{\n    int class = 3;\n    printf(\"%d %Iu %S\\n\", class, sizeof(SOCKET), L\"wide\");\n}\n");
    for language in ["c", "c++"] {
        folder.builds(language, &["c.c", "-o", "c"]);
        assert_eq!(folder.run("c"), "3 8 wide\n");
    }
}
