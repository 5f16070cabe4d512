//! `CreateProcess`.

use std::ffi::{OsStr, OsString, c_char, c_void};
use std::fs::File;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use super::command_line::split;
use super::object::Process;
use crate::abi::{Bool, Dword, FALSE, Handle, TRUE, Wchar};
use crate::around::files::{code_of, descriptor_of, to_system};
use crate::around::os_text::{from_a, from_w};
use crate::error::{
    ERROR_FILE_NOT_FOUND, ERROR_INVALID_PARAMETER, ERROR_NO_SYSTEM_RESOURCES, ERROR_NOT_SUPPORTED, fail,
};
use crate::handles;

/// `STARTUPINFOA` and `STARTUPINFOW`.
#[repr(C)]
pub struct StartupInfo {
    size: Dword,
    texts: [usize; 3],
    numbers: [Dword; 7],
    flags: Dword,
    show_window: u16,
    reserved_size: u16,
    reserved: usize,
    streams: [Handle; 3],
}

/// `PROCESS_INFORMATION`
#[repr(C)]
pub struct ProcessInformation {
    process: Handle,
    thread: Handle,
    process_id: Dword,
    thread_id: Dword,
}

const STARTF_USESTDHANDLES: Dword = 0x100;
const CREATE_SUSPENDED: Dword = 4;

/// The program's file: as it is named, or without `.exe`.
fn program(name: &OsStr) -> PathBuf {
    let path = to_system(name);
    match path.extension() {
        Some(extension) if extension.eq_ignore_ascii_case("exe") && !path.exists() => path.with_extension(""),
        _ => path,
    }
}

fn stream(handle: Handle) -> Stdio {
    let duplicate = || -> Option<OwnedFd> {
        let fd = descriptor_of(handle)?;
        // SAFETY: the handle keeps the descriptor open; it is only duplicated.
        unsafe { BorrowedFd::borrow_raw(fd) }.try_clone_to_owned().ok()
    };
    duplicate().map_or_else(Stdio::null, |fd| Stdio::from(File::from(fd)))
}

struct Started {
    process: Handle,
    thread: Handle,
    id: u32,
}

fn start(
    name: Option<OsString>,
    line: Option<OsString>,
    directory: Option<OsString>,
    streams: Option<[Handle; 3]>,
) -> Result<Started, u32> {
    let arguments = split(&line.unwrap_or_default().to_string_lossy());
    let first = arguments.first().map(OsString::from);
    let path = program(&name.or(first).ok_or(ERROR_INVALID_PARAMETER)?);
    // A name without a folder is looked for in this one too, as on Windows.
    let here = Path::new(".").join(&path);
    let mut command = Command::new(if path.components().count() == 1 && here.exists() { &here } else { &path });
    command.args(arguments.iter().skip(1));
    if let Some(directory) = directory {
        command.current_dir(to_system(&directory));
    }
    if let Some([input, output, errors]) = streams {
        command.stdin(stream(input)).stdout(stream(output)).stderr(stream(errors));
    }
    let mut child = command.spawn().map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => ERROR_FILE_NOT_FOUND,
        _ => code_of(&error),
    })?;
    let id = child.id();
    let process = Arc::new(Process::new(id));
    let watched = Arc::clone(&process);
    let watch = move || {
        let code = match child.wait() {
            Ok(status) => status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0)),
            Err(_) => 1,
        };
        watched.ended(code as u32);
    };
    std::thread::Builder::new().name("winsock-child".into()).spawn(watch).map_err(|_| ERROR_NO_SYSTEM_RESOURCES)?;
    // The handle of the first thread is one of the process: both end together.
    let value = handles::insert(process.clone()).ok_or(ERROR_NO_SYSTEM_RESOURCES)?;
    let thread = handles::insert(process).ok_or(ERROR_NO_SYSTEM_RESOURCES)?;
    Ok(Started { process: value, thread, id })
}

/// # Safety
/// `startup` is null or points to one, and `information` to where the answer is written.
unsafe fn create(
    texts: [Option<OsString>; 3],
    flags: Dword,
    startup: *const StartupInfo,
    information: *mut ProcessInformation,
) -> Bool {
    if information.is_null() {
        return fail(ERROR_INVALID_PARAMETER, FALSE);
    }
    if flags & CREATE_SUSPENDED != 0 {
        return fail(ERROR_NOT_SUPPORTED, FALSE);
    }
    // SAFETY: as the caller promises.
    let startup = unsafe { startup.as_ref() };
    let streams = startup.filter(|startup| startup.flags & STARTF_USESTDHANDLES != 0).map(|startup| startup.streams);
    let [name, line, directory] = texts;
    match start(name, line, directory, streams) {
        Ok(Started { process, thread, id }) => {
            // SAFETY: as the caller promises.
            unsafe { information.write(ProcessInformation { process, thread, process_id: id, thread_id: id }) };
            TRUE
        }
        Err(code) => fail(code, FALSE),
    }
}

/// How this process was started: nothing is known.
const NOTHING: StartupInfo = StartupInfo {
    size: size_of::<StartupInfo>() as Dword,
    texts: [0; 3],
    numbers: [0; 7],
    flags: 0,
    show_window: 0,
    reserved_size: 0,
    reserved: 0,
    streams: [0; 3],
};

export! {
    /// The environment is this process's, and handles are not inherited, except as standard
    /// streams.
    fn wsk_CreateProcessA(
        name: *const c_char, line: *mut c_char, _process: *mut c_void, _thread: *mut c_void, _inherit: Bool,
        flags: Dword, _environment: *mut c_void, directory: *const c_char, startup: *const StartupInfo,
        information: *mut ProcessInformation,
    ) -> Bool, FALSE => {
        create([from_a(name), from_a(line), from_a(directory)], flags, startup, information)
    }

    fn wsk_CreateProcessW(
        name: *const Wchar, line: *mut Wchar, _process: *mut c_void, _thread: *mut c_void, _inherit: Bool,
        flags: Dword, _environment: *mut c_void, directory: *const Wchar, startup: *const StartupInfo,
        information: *mut ProcessInformation,
    ) -> Bool, FALSE => {
        create([from_w(name), from_w(line), from_w(directory)], flags, startup, information)
    }

    fn wsk_GetStartupInfoA(startup: *mut StartupInfo) -> (), () => { startup.write(NOTHING) }

    fn wsk_GetStartupInfoW(startup: *mut StartupInfo) -> (), () => { startup.write(NOTHING) }
}

const _: () = assert!(size_of::<StartupInfo>() == 104);
