//! `.ini` files. A name without a folder is looked for in the current one, not in Windows' own.

use super::environment::to_linux;
use super::text;
use crate::abi::Wchar;
use crate::error::{ERROR_ACCESS_DENIED, ERROR_FILE_NOT_FOUND, ERROR_INVALID_PARAMETER, fail};

/// What a look-up gives: one value, or a list of names.
enum Found {
    Value(String),
    Names(Vec<String>),
}

fn read(file: &str) -> Option<String> {
    let bytes = std::fs::read(to_linux(file)).ok()?;
    Some(match bytes.as_slice() {
        [0xff, 0xfe, rest @ ..] => {
            let units: Vec<u16> = rest.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
            String::from_utf16_lossy(&units)
        }
        [0xef, 0xbb, 0xbf, rest @ ..] => String::from_utf8_lossy(rest).into_owned(),
        all => String::from_utf8_lossy(all).into_owned(),
    })
}

fn section_of(line: &str) -> Option<&str> {
    line.trim().strip_prefix('[')?.split(']').next()
}

fn same(a: &str, b: &str) -> bool {
    a.trim().to_lowercase() == b.trim().to_lowercase()
}

/// The keys and values of a section.
fn entries<'a>(content: &'a str, section: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
    let mut inside = false;
    content.lines().filter_map(move |line| {
        if let Some(name) = section_of(line) {
            inside = same(name, section);
            return None;
        }
        if !inside || line.trim_start().starts_with([';', '#']) {
            return None;
        }
        line.split_once('=').map(|(key, value)| (key.trim(), value.trim()))
    })
}

fn unquoted(value: &str) -> &str {
    for quote in ['"', '\''] {
        if let Some(inside) = value.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote)) {
            return inside;
        }
    }
    value
}

fn look_up(content: &str, section: Option<&str>, key: Option<&str>, default: &str) -> Found {
    match (section, key) {
        (None, _) => Found::Names(content.lines().filter_map(section_of).map(str::to_owned).collect()),
        (Some(section), None) => Found::Names(entries(content, section).map(|(key, _)| key.to_owned()).collect()),
        (Some(section), Some(key)) => {
            let found = entries(content, section).find(|(name, _)| same(name, key));
            Found::Value(found.map_or(default.trim_end(), |(_, value)| unquoted(value)).to_owned())
        }
    }
}

/// The content with a key set, or removed (`value` is `None`), or a whole section removed.
fn changed(content: &str, section: &str, key: Option<&str>, value: Option<&str>) -> String {
    let mut lines: Vec<String> = Vec::new();
    let (mut inside, mut seen, mut done) = (false, false, value.is_none());
    let entry = |key: &str, value: &str| format!("{key}={value}");
    for line in content.lines() {
        if let Some(name) = section_of(line) {
            if inside && !done {
                lines.push(entry(key.unwrap_or(""), value.unwrap_or("")));
                done = true;
            }
            inside = same(name, section);
            seen |= inside;
            if inside && key.is_none() {
                continue;
            }
        } else if inside {
            let is_key = key.is_some_and(|key| line.split_once('=').is_some_and(|(name, _)| same(name, key)));
            if key.is_none() {
                continue;
            }
            if is_key {
                if let (Some(value), false) = (value, done) {
                    lines.push(entry(key.unwrap_or(""), value));
                    done = true;
                }
                continue;
            }
        }
        lines.push(line.to_owned());
    }
    if !done {
        if !seen {
            lines.push(format!("[{section}]"));
        }
        lines.push(entry(key.unwrap_or(""), value.unwrap_or("")));
    }
    lines.iter().map(|line| format!("{line}\r\n")).collect()
}

fn find(section: Option<String>, key: Option<String>, default: Option<String>, file: Option<String>) -> Found {
    let content = file.and_then(|file| read(&file)).unwrap_or_else(|| fail(ERROR_FILE_NOT_FOUND, String::new()));
    look_up(&content, section.as_deref(), key.as_deref(), &default.unwrap_or_default())
}

fn write(section: Option<String>, key: Option<String>, value: Option<String>, file: Option<String>) -> i32 {
    // All null: flush a cache that is not here.
    let (Some(section), Some(file)) = (section, file) else { return fail(ERROR_INVALID_PARAMETER, 0) };
    let content = read(&file).unwrap_or_default();
    match std::fs::write(to_linux(&file), changed(&content, &section, key.as_deref(), value.as_deref())) {
        Ok(()) => 1,
        Err(_) => fail(ERROR_ACCESS_DENIED, 0),
    }
}

/// A value is cut to fit; a list ends with two zeros.
///
/// # Safety
/// `buffer` has room for `size` units.
unsafe fn hand_over<T: Copy + Default>(
    found: Found,
    to_units: impl Fn(&str) -> Vec<T>,
    buffer: *mut T,
    size: u32,
) -> u32 {
    if buffer.is_null() || size == 0 {
        return 0;
    }
    match found {
        Found::Value(value) => {
            let units = to_units(&value);
            // SAFETY: the caller's.
            unsafe { text::copy_out(&units, buffer, size as usize) }.unwrap_or(size as usize - 1) as u32
        }
        Found::Names(names) => {
            let mut units = Vec::new();
            for name in names {
                units.extend(to_units(&name));
                units.push(T::default());
            }
            let room = (size as usize).saturating_sub(2);
            let count = units.len().min(room);
            // SAFETY: two zeros and no more than `size`.
            unsafe {
                std::ptr::copy_nonoverlapping(units.as_ptr(), buffer, count);
                for at in count..(count + 2).min(size as usize) {
                    buffer.add(at).write(T::default());
                }
            }
            count as u32
        }
    }
}

/// The number at the start of a value, as Windows reads it.
fn number(value: &str) -> u32 {
    let (negative, digits) = value.strip_prefix('-').map_or((false, value), |rest| (true, rest));
    let (radix, digits) = digits.strip_prefix("0x").map_or((10, digits), |rest| (16, rest));
    let parsed =
        digits.chars().map_while(|c| c.to_digit(radix)).fold(0u32, |sum, d| sum.wrapping_mul(radix).wrapping_add(d));
    if negative { parsed.wrapping_neg() } else { parsed }
}

fn int(section: Option<String>, key: Option<String>, default: i32, file: Option<String>) -> u32 {
    match find(section, Some(key.unwrap_or_default()), None, file) {
        Found::Value(value) if !value.is_empty() => number(&value),
        _ => default as u32,
    }
}

export! {
    fn wsk_GetPrivateProfileStringA(section: *const u8, key: *const u8, default: *const u8, buffer: *mut u8, size: u32, file: *const u8) -> u32, 0 => {
        let found = find(text::narrow(section), text::narrow(key), text::narrow(default), text::narrow(file));
        hand_over(found, |value| value.as_bytes().to_vec(), buffer, size)
    }
    fn wsk_GetPrivateProfileStringW(section: *const Wchar, key: *const Wchar, default: *const Wchar, buffer: *mut Wchar, size: u32, file: *const Wchar) -> u32, 0 => {
        let found = find(text::wide(section), text::wide(key), text::wide(default), text::wide(file));
        hand_over(found, text::to_wide, buffer, size)
    }
    fn wsk_GetPrivateProfileIntA(section: *const u8, key: *const u8, default: i32, file: *const u8) -> u32, 0 => {
        int(text::narrow(section), text::narrow(key), default, text::narrow(file))
    }
    fn wsk_GetPrivateProfileIntW(section: *const Wchar, key: *const Wchar, default: i32, file: *const Wchar) -> u32, 0 => {
        int(text::wide(section), text::wide(key), default, text::wide(file))
    }
    fn wsk_WritePrivateProfileStringA(section: *const u8, key: *const u8, value: *const u8, file: *const u8) -> i32, 0 => {
        write(text::narrow(section), text::narrow(key), text::narrow(value), text::narrow(file))
    }
    fn wsk_WritePrivateProfileStringW(section: *const Wchar, key: *const Wchar, value: *const Wchar, file: *const Wchar) -> i32, 0 => {
        write(text::wide(section), text::wide(key), text::wide(value), text::wide(file))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "; x\r\n[Server]\r\nPort = 9000\r\nName=\" a b \"\r\n;Port=1\r\n[Client]\r\nPort=0x10\r\n";

    fn value(section: &str, key: &str) -> String {
        match look_up(FILE, Some(section), Some(key), "none ") {
            Found::Value(value) => value,
            Found::Names(_) => String::new(),
        }
    }

    #[test]
    fn values_are_found_in_any_case() {
        assert_eq!(value("server", "PORT"), "9000");
        assert_eq!(value("Server", "Name"), " a b ");
        assert_eq!(value("Client", "Name"), "none");
        assert_eq!((number("12x"), number("-3"), number("0x10"), number("")), (12, 0u32.wrapping_sub(3), 16, 0));
    }

    #[test]
    fn names_are_listed() {
        let names = |section: Option<&str>| match look_up(FILE, section, None, "") {
            Found::Names(names) => names,
            Found::Value(_) => Vec::new(),
        };
        assert_eq!(names(None), ["Server", "Client"]);
        assert_eq!(names(Some("Server")), ["Port", "Name"]);
    }

    #[test]
    fn files_are_changed_in_place() {
        let file = changed(FILE, "Server", Some("Port"), Some("1"));
        assert!(file.contains("[Server]\r\nPort=1\r\nName="));
        assert!(changed(FILE, "New", Some("a"), Some("b")).ends_with("[New]\r\na=b\r\n"));
        assert!(changed(FILE, "Client", Some("a"), Some("b")).ends_with("Port=0x10\r\na=b\r\n"));
        assert!(!changed(FILE, "Server", None, None).contains("9000"));
        assert!(!changed(FILE, "Client", Some("Port"), None).contains("0x10"));
    }
}
