//! The console's window: text, colours and the cursor, as ANSI sequences on a terminal. A handle
//! that is no terminal is refused as one that is no console.

use super::text;
use crate::abi::{Handle, Wchar};
use crate::error::{ERROR_INVALID_HANDLE, fail};
use std::ffi::c_void;
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicU16, AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

#[repr(C)]
#[derive(Clone, Copy)]
pub struct Coord {
    x: i16,
    y: i16,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct SmallRect {
    left: i16,
    top: i16,
    right: i16,
    bottom: i16,
}

#[repr(C)]
pub struct ScreenInfo {
    size: Coord,
    cursor: Coord,
    attributes: u16,
    window: SmallRect,
    largest: Coord,
}

#[repr(C)]
pub struct CursorInfo {
    size: u32,
    visible: i32,
}

/// White on black.
static ATTRIBUTES: AtomicU16 = AtomicU16::new(7);
static INPUT_PAGE: AtomicU32 = AtomicU32::new(65001);
static OUTPUT_PAGE: AtomicU32 = AtomicU32::new(65001);
/// As a console starts: processed, by lines, with echo; processed, wrapped, with sequences.
static INPUT_MODE: AtomicU32 = AtomicU32::new(0x1f7);
static OUTPUT_MODE: AtomicU32 = AtomicU32::new(0x7);
static TITLE: Mutex<String> = Mutex::new(String::new());

/// The descriptor of a handle that is a terminal.
fn terminal(handle: Handle) -> Option<RawFd> {
    let descriptor = crate::handles::any(handle)?.descriptor()?;
    // SAFETY: asks about a descriptor.
    (unsafe { libc::isatty(descriptor) } == 1).then_some(descriptor)
}

fn flush() {
    // SAFETY: null flushes all streams.
    unsafe { libc::fflush(std::ptr::null_mut()) };
}

fn write_all(descriptor: RawFd, mut bytes: &[u8]) -> bool {
    while !bytes.is_empty() {
        // SAFETY: the bytes are there.
        let written = unsafe { libc::write(descriptor, bytes.as_ptr().cast(), bytes.len()) };
        match usize::try_from(written) {
            Ok(0) => return false,
            Ok(count) => bytes = &bytes[count..],
            Err(_) if std::io::Error::last_os_error().kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => return false,
        }
    }
    true
}

/// Sends a sequence to the terminal behind `handle`, after what the program printed before.
fn send(handle: Handle, sequence: &str) -> i32 {
    let Some(descriptor) = terminal(handle) else { return fail(ERROR_INVALID_HANDLE, 0) };
    flush();
    i32::from(write_all(descriptor, sequence.as_bytes()))
}

/// Windows counts blue as 1 and red as 4, ANSI the other way around.
fn colour(bits: u16) -> u16 {
    (bits & 4) >> 2 | bits & 2 | (bits & 1) << 2
}

fn colours(attributes: u16) -> String {
    if attributes & 0xff == 7 {
        return "\x1b[0m".to_owned();
    }
    let bright = |bit: u16| if attributes & bit != 0 { 60 } else { 0 };
    let background = if attributes & 0xf0 == 0 { 49 } else { 40 + colour(attributes >> 4) + bright(0x80) };
    format!("\x1b[0;{};{background}m", 30 + colour(attributes) + bright(8))
}

fn window_size(descriptor: RawFd) -> (i16, i16) {
    // SAFETY: plain data that the call fills.
    unsafe {
        let mut size: libc::winsize = std::mem::zeroed();
        libc::ioctl(descriptor, libc::TIOCGWINSZ, &mut size);
        if size.ws_col == 0 || size.ws_row == 0 {
            return (80, 25);
        }
        (size.ws_col.min(32_000) as i16, size.ws_row.min(32_000) as i16)
    }
}

fn write_text(handle: Handle, text: &str, units: u32, written: *mut u32) -> i32 {
    let done = send(handle, text);
    if done != 0 && !written.is_null() {
        // SAFETY: the caller's place for the count.
        unsafe { written.write_unaligned(units) };
    }
    done
}

fn set_title(title: String) -> i32 {
    // SAFETY: asks about a descriptor.
    if unsafe { libc::isatty(1) } == 1 {
        flush();
        let clean: String = title.chars().filter(|c| !c.is_control()).collect();
        write_all(1, format!("\x1b]0;{clean}\x07").as_bytes());
    }
    *TITLE.lock().unwrap_or_else(PoisonError::into_inner) = title;
    1
}

fn title() -> String {
    TITLE.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// A line of the terminal, or less, as bytes.
fn read_line(handle: Handle, room: usize) -> Option<Vec<u8>> {
    let descriptor = terminal(handle)?;
    flush();
    let mut bytes = vec![0u8; room.min(1 << 16)];
    // SAFETY: as much room as is said.
    let read = unsafe { libc::read(descriptor, bytes.as_mut_ptr().cast(), bytes.len()) };
    bytes.truncate(usize::try_from(read).ok()?);
    Some(bytes)
}

/// Clears, or writes `count` times `character` from `position` on and puts the cursor back.
fn fill(handle: Handle, character: char, count: u32, position: Coord, written: *mut u32) -> i32 {
    let Some(descriptor) = terminal(handle) else { return fail(ERROR_INVALID_HANDLE, 0) };
    let (columns, rows) = window_size(descriptor);
    let all = u32::from(columns.unsigned_abs()) * u32::from(rows.unsigned_abs());
    let sequence = if character == ' ' && position.x == 0 && position.y == 0 && count >= all {
        "\x1b[2J".to_owned()
    } else {
        let body: String = std::iter::repeat_n(character, count.min(all) as usize).collect();
        format!("\x1b7\x1b[{};{}H{body}\x1b8", i32::from(position.y) + 1, i32::from(position.x) + 1)
    };
    write_text(handle, &sequence, count, written)
}

export! {
    fn wsk_AllocConsole() -> i32, 0 => { 1 }
    fn wsk_FreeConsole() -> i32, 0 => { 1 }
    fn wsk_GetConsoleWindow() -> *mut c_void, std::ptr::null_mut() => { std::ptr::null_mut() }
    fn wsk_GetConsoleCP() -> u32, 0 => { INPUT_PAGE.load(Ordering::Relaxed) }
    fn wsk_GetConsoleOutputCP() -> u32, 0 => { OUTPUT_PAGE.load(Ordering::Relaxed) }
    /// Kept and given back. The terminal's text is UTF-8 whatever it says.
    fn wsk_SetConsoleCP(page: u32) -> i32, 0 => {
        INPUT_PAGE.store(page, Ordering::Relaxed);
        1
    }
    fn wsk_SetConsoleOutputCP(page: u32) -> i32, 0 => {
        OUTPUT_PAGE.store(page, Ordering::Relaxed);
        1
    }
    fn wsk_GetConsoleMode(handle: Handle, mode: *mut u32) -> i32, 0 => {
        let Some(descriptor) = terminal(handle) else { return fail(ERROR_INVALID_HANDLE, 0) };
        mode.write_unaligned(if descriptor == 0 { &INPUT_MODE } else { &OUTPUT_MODE }.load(Ordering::Relaxed));
        1
    }
    fn wsk_SetConsoleMode(handle: Handle, mode: u32) -> i32, 0 => {
        let Some(descriptor) = terminal(handle) else { return fail(ERROR_INVALID_HANDLE, 0) };
        if descriptor != 0 {
            OUTPUT_MODE.store(mode, Ordering::Relaxed);
            return 1;
        }
        INPUT_MODE.store(mode, Ordering::Relaxed);
        let mut terminal: libc::termios = std::mem::zeroed();
        if libc::tcgetattr(0, &mut terminal) == 0 {
            for (bit, flag) in [(0x2, libc::ICANON), (0x4, libc::ECHO), (0x1, libc::ISIG)] {
                if mode & bit != 0 { terminal.c_lflag |= flag } else { terminal.c_lflag &= !flag }
            }
            libc::tcsetattr(0, libc::TCSANOW, &terminal);
        }
        1
    }
    fn wsk_SetConsoleTextAttribute(handle: Handle, attributes: u16) -> i32, 0 => {
        let done = send(handle, &colours(attributes));
        if done != 0 {
            ATTRIBUTES.store(attributes, Ordering::Relaxed);
        }
        done
    }
    /// The cursor's place is not known: a terminal says it only through its input.
    fn wsk_GetConsoleScreenBufferInfo(handle: Handle, info: *mut ScreenInfo) -> i32, 0 => {
        let Some(descriptor) = terminal(handle) else { return fail(ERROR_INVALID_HANDLE, 0) };
        let (columns, rows) = window_size(descriptor);
        info.write_unaligned(ScreenInfo {
            size: Coord { x: columns, y: rows },
            cursor: Coord { x: 0, y: 0 },
            attributes: ATTRIBUTES.load(Ordering::Relaxed),
            window: SmallRect { left: 0, top: 0, right: columns - 1, bottom: rows - 1 },
            largest: Coord { x: columns, y: rows },
        });
        1
    }
    fn wsk_SetConsoleScreenBufferSize(handle: Handle, _size: Coord) -> i32, 0 => { send(handle, "") }
    fn wsk_SetConsoleWindowInfo(handle: Handle, _absolute: i32, _window: *const SmallRect) -> i32, 0 => { send(handle, "") }
    fn wsk_SetConsoleCursorPosition(handle: Handle, at: Coord) -> i32, 0 => {
        send(handle, &format!("\x1b[{};{}H", i32::from(at.y) + 1, i32::from(at.x) + 1))
    }
    fn wsk_GetConsoleCursorInfo(handle: Handle, info: *mut CursorInfo) -> i32, 0 => {
        if terminal(handle).is_none() {
            return fail(ERROR_INVALID_HANDLE, 0);
        }
        info.write_unaligned(CursorInfo { size: 25, visible: 1 });
        1
    }
    fn wsk_SetConsoleCursorInfo(handle: Handle, info: *const CursorInfo) -> i32, 0 => {
        send(handle, if info.read_unaligned().visible != 0 { "\x1b[?25h" } else { "\x1b[?25l" })
    }
    fn wsk_FillConsoleOutputCharacterA(handle: Handle, character: u8, count: u32, at: Coord, written: *mut u32) -> i32, 0 => {
        fill(handle, char::from(character), count, at, written)
    }
    fn wsk_FillConsoleOutputCharacterW(handle: Handle, character: Wchar, count: u32, at: Coord, written: *mut u32) -> i32, 0 => {
        fill(handle, char::from_u32(character).unwrap_or(' '), count, at, written)
    }
    fn wsk_FillConsoleOutputAttribute(handle: Handle, _attribute: u16, count: u32, _at: Coord, written: *mut u32) -> i32, 0 => {
        write_text(handle, "", count, written)
    }
    fn wsk_WriteConsoleA(handle: Handle, buffer: *const u8, length: u32, written: *mut u32, _reserved: *mut c_void) -> i32, 0 => {
        let bytes = std::slice::from_raw_parts(buffer, length as usize);
        write_text(handle, &String::from_utf8_lossy(bytes), length, written)
    }
    fn wsk_WriteConsoleW(handle: Handle, buffer: *const Wchar, length: u32, written: *mut u32, _reserved: *mut c_void) -> i32, 0 => {
        write_text(handle, &text::wide_units(buffer, length as usize), length, written)
    }
    fn wsk_ReadConsoleA(handle: Handle, buffer: *mut u8, length: u32, read: *mut u32, _control: *mut c_void) -> i32, 0 => {
        let Some(bytes) = read_line(handle, length as usize) else { return fail(ERROR_INVALID_HANDLE, 0) };
        std::ptr::copy_nonoverlapping(bytes.as_ptr(), buffer, bytes.len());
        read.write_unaligned(bytes.len() as u32);
        1
    }
    fn wsk_ReadConsoleW(handle: Handle, buffer: *mut Wchar, length: u32, read: *mut u32, _control: *mut c_void) -> i32, 0 => {
        let Some(bytes) = read_line(handle, length as usize) else { return fail(ERROR_INVALID_HANDLE, 0) };
        let units = text::to_wide(&String::from_utf8_lossy(&bytes));
        let count = units.len().min(length as usize);
        std::ptr::copy_nonoverlapping(units.as_ptr(), buffer, count);
        read.write_unaligned(count as u32);
        1
    }
    fn wsk_SetConsoleTitleA(title: *const u8) -> i32, 0 => { set_title(text::narrow(title).unwrap_or_default()) }
    fn wsk_SetConsoleTitleW(title: *const Wchar) -> i32, 0 => { set_title(text::wide(title).unwrap_or_default()) }
    fn wsk_GetConsoleTitleA(buffer: *mut u8, size: u32) -> u32, 0 => {
        let title = title();
        let _ = text::copy_out(title.as_bytes(), buffer, size as usize);
        title.len() as u32
    }
    fn wsk_GetConsoleTitleW(buffer: *mut Wchar, size: u32) -> u32, 0 => {
        let title = text::to_wide(&title());
        let _ = text::copy_out(&title, buffer, size as usize);
        title.len() as u32
    }
    fn wsk_FlushConsoleInputBuffer(handle: Handle) -> i32, 0 => {
        let Some(descriptor) = terminal(handle) else { return fail(ERROR_INVALID_HANDLE, 0) };
        i32::from(libc::tcflush(descriptor, libc::TCIFLUSH) == 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_of_windows_in_ansi() {
        assert_eq!(colours(7), "\x1b[0m");
        assert_eq!(colours(4), "\x1b[0;31;49m");
        assert_eq!(colours(0x1 | 0x8 | 0x20), "\x1b[0;94;42m");
        assert_eq!(colours(0x80 | 0x40), "\x1b[0;30;101m");
    }
}
