//! Paths as programs write them: with backslashes, perhaps with a drive, which is ignored.

use std::ffi::{OsStr, OsString, c_char};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use crate::abi::Wchar;
use crate::around::os_text as text;
use crate::error::ERROR_PATH_NOT_FOUND;

/// The system's path for a program's.
pub(crate) fn to_system(path: &OsStr) -> PathBuf {
    let mut bytes: &[u8] = path.as_bytes();
    for prefix in [&br"\\?\"[..], br"\\.\"] {
        bytes = bytes.strip_prefix(prefix).unwrap_or(bytes);
    }
    if let [drive, b':', rest @ ..] = bytes
        && drive.is_ascii_alphabetic()
    {
        bytes = rest;
    }
    let device = match bytes.to_ascii_uppercase().as_slice() {
        b"NUL" => Some("/dev/null"),
        b"CON" | b"CONIN$" | b"CONOUT$" => Some("/dev/tty"),
        _ => None,
    };
    if let Some(device) = device {
        return device.into();
    }
    let slashes = bytes.iter().map(|byte| if *byte == b'\\' { b'/' } else { *byte });
    PathBuf::from(OsString::from_vec(slashes.collect()))
}

fn checked(path: Option<OsString>) -> Result<PathBuf, u32> {
    path.filter(|path| !path.is_empty()).map(|path| to_system(&path)).ok_or(ERROR_PATH_NOT_FOUND)
}

/// # Safety
/// `path` is null or the start of a text with an end.
pub(super) unsafe fn narrow(path: *const c_char) -> Result<PathBuf, u32> {
    // SAFETY: as the caller promises.
    checked(unsafe { text::from_a(path) })
}

/// # Safety
/// `path` is null or the start of a text with an end.
pub(super) unsafe fn wide(path: *const Wchar) -> Result<PathBuf, u32> {
    // SAFETY: as the caller promises.
    checked(unsafe { text::from_w(path) })
}

#[cfg(test)]
mod tests {
    use super::to_system;
    use std::path::Path;

    #[test]
    fn drives_and_backslashes_are_the_systems() {
        let same = |given: &str, expected: &str| assert_eq!(to_system(given.as_ref()), Path::new(expected));
        same(r"C:\data\log.txt", "/data/log.txt");
        same(r"logs\today.txt", "logs/today.txt");
        same(r"\\?\C:\x", "/x");
        same("nul", "/dev/null");
        same("./as/it/is", "./as/it/is");
    }
}
