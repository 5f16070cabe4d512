//! `FindFirstFile`: the files of a folder whose names match a pattern.

use std::ffi::{OsString, c_char};
use std::fs::Metadata;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::about::attributes;
use super::errors::code_with;
use super::path::{narrow, wide};
use crate::abi::{Bool, Dword, FALSE, Handle, INVALID_HANDLE_VALUE, TRUE, Wchar};
use crate::around::os_text::units;
use crate::error::{
    ERROR_FILE_NOT_FOUND, ERROR_INVALID_HANDLE, ERROR_NO_MORE_FILES, ERROR_NO_SYSTEM_RESOURCES, ERROR_PATH_NOT_FOUND,
    fail,
};
use crate::handles::{self, Header, Object};

const MAX_PATH: usize = 260;

/// `WIN32_FIND_DATAA` and `WIN32_FIND_DATAW`.
#[repr(C)]
pub struct FindData<C> {
    attributes: Dword,
    times: [[u32; 2]; 3],
    size_high: Dword,
    size_low: Dword,
    reserved: [Dword; 2],
    name: [C; MAX_PATH],
    short_name: [C; 14],
}

struct Search {
    header: Header,
    found: Mutex<std::vec::IntoIter<Found>>,
}

struct Found {
    name: OsString,
    attributes: Dword,
    data: Metadata,
}

impl Object for Search {
    fn header(&self) -> &Header {
        &self.header
    }
}

/// Whether a name matches a pattern with `*` and `?`, whatever the case.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    // What to try when the rest does not match: the last `*` takes one byte more.
    let (mut at, mut of, mut retry) = (0, 0, None);
    while of < name.len() {
        match pattern.get(at) {
            Some(b'*') => {
                retry = Some((at + 1, of));
                at += 1;
            }
            Some(byte) if *byte == b'?' || byte.eq_ignore_ascii_case(&name[of]) => {
                at += 1;
                of += 1;
            }
            _ => match retry {
                Some((pattern_at, name_of)) => {
                    retry = Some((pattern_at, name_of + 1));
                    (at, of) = (pattern_at, name_of + 1);
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}

fn search(path: &Path) -> Result<Vec<Found>, u32> {
    let pattern = path.file_name().ok_or(ERROR_FILE_NOT_FOUND)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // `*.*` is everything, also what has no dot.
    let pattern = if pattern.as_bytes() == b"*.*" { b"*" } else { pattern.as_bytes() };
    let entries = std::fs::read_dir(folder).map_err(|error| match code_with(&error, folder) {
        ERROR_FILE_NOT_FOUND => ERROR_PATH_NOT_FOUND,
        code => code,
    })?;
    let dots = [".", ".."].map(OsString::from);
    let names = dots.into_iter().chain(entries.flatten().map(|entry| entry.file_name()));
    let mut found: Vec<Found> = names
        .filter(|name| matches(pattern, name.as_bytes()))
        .filter_map(|name| {
            let path = folder.join(&name);
            let data = std::fs::metadata(&path).or_else(|_| std::fs::symlink_metadata(&path)).ok()?;
            Some(Found { attributes: attributes(&path, &data), name, data })
        })
        .collect();
    found.sort_by(|one, other| one.name.cmp(&other.name));
    if found.is_empty() { Err(ERROR_FILE_NOT_FOUND) } else { Ok(found) }
}

fn filetime(seconds: i64, nanoseconds: i64) -> [u32; 2] {
    let time = 116_444_736_000_000_000 + i128::from(seconds) * 10_000_000 + i128::from(nanoseconds / 100);
    let time = time.max(0) as u64;
    [time as u32, (time >> 32) as u32]
}

fn fill<C: Copy + Default>(found: &Found, name: &[C]) -> FindData<C> {
    let data = &found.data;
    let size = if data.is_dir() { 0 } else { data.size() };
    let mut filled = FindData {
        attributes: found.attributes,
        times: [
            filetime(data.ctime(), data.ctime_nsec()),
            filetime(data.atime(), data.atime_nsec()),
            filetime(data.mtime(), data.mtime_nsec()),
        ],
        size_high: (size >> 32) as u32,
        size_low: size as u32,
        reserved: [0; 2],
        name: [C::default(); MAX_PATH],
        short_name: [C::default(); 14],
    };
    for (to, from) in filled.name[..MAX_PATH - 1].iter_mut().zip(name) {
        *to = *from;
    }
    filled
}

fn narrowed(found: &Found) -> FindData<u8> {
    fill(found, found.name.as_bytes())
}

fn widened(found: &Found) -> FindData<Wchar> {
    fill(found, &units(&found.name))
}

/// # Safety
/// `to` points to the data of one file.
unsafe fn first<C>(path: Result<PathBuf, u32>, to: *mut FindData<C>, as_data: fn(&Found) -> FindData<C>) -> Handle {
    let found = match path.and_then(|path| search(&path)) {
        Ok(found) => found,
        Err(code) => return fail(code, INVALID_HANDLE_VALUE),
    };
    let mut found = found.into_iter();
    let Some(one) = found.next() else { return fail(ERROR_FILE_NOT_FOUND, INVALID_HANDLE_VALUE) };
    // SAFETY: as the caller promises.
    unsafe { to.write(as_data(&one)) };
    let search = Search { header: Header::new(), found: Mutex::new(found) };
    handles::insert(Arc::new(search)).unwrap_or_else(|| fail(ERROR_NO_SYSTEM_RESOURCES, INVALID_HANDLE_VALUE))
}

/// # Safety
/// `to` points to the data of one file.
unsafe fn next<C>(search: Handle, to: *mut FindData<C>, as_data: fn(&Found) -> FindData<C>) -> Bool {
    let Some(search) = handles::get::<Search>(search) else { return fail(ERROR_INVALID_HANDLE, FALSE) };
    let Some(one) = search.found.lock().unwrap_or_else(PoisonError::into_inner).next() else {
        return fail(ERROR_NO_MORE_FILES, FALSE);
    };
    // SAFETY: as the caller promises.
    unsafe { to.write(as_data(&one)) };
    TRUE
}

export! {
    fn wsk_FindFirstFileA(pattern: *const c_char, data: *mut FindData<u8>) -> Handle, INVALID_HANDLE_VALUE => {
        first(narrow(pattern), data, narrowed)
    }

    fn wsk_FindFirstFileW(pattern: *const Wchar, data: *mut FindData<Wchar>) -> Handle, INVALID_HANDLE_VALUE => {
        first(wide(pattern), data, widened)
    }

    fn wsk_FindNextFileA(search: Handle, data: *mut FindData<u8>) -> Bool, FALSE => { next(search, data, narrowed) }

    fn wsk_FindNextFileW(search: Handle, data: *mut FindData<Wchar>) -> Bool, FALSE => {
        next(search, data, widened)
    }

    fn wsk_FindClose(search: Handle) -> Bool, FALSE => {
        if handles::close_if::<Search>(search).is_some() { TRUE } else { fail(ERROR_INVALID_HANDLE, FALSE) }
    }
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn patterns_match_as_on_windows() {
        for (pattern, name, expected) in [
            ("*", "anything", true),
            ("*.txt", "a.TXT", true),
            ("*.txt", "a.text", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("*a*b", "xaayb", true),
            ("", "x", false),
        ] {
            assert_eq!(matches(pattern.as_bytes(), name.as_bytes()), expected, "{pattern} {name}");
        }
    }
}
