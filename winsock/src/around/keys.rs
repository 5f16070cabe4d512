//! Single keys from the terminal: `_kbhit`, `_getch`. A standard input that is no terminal gives
//! its bytes; at its end `_getch` says `EOF`, and `_kbhit` never says that there is a key.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Bytes that were read and not handed out: the second half of a special key, or pushed back.
static WAITING: Mutex<VecDeque<i32>> = Mutex::new(VecDeque::new());
const MAX_WAITING: usize = 256;

fn waiting() -> MutexGuard<'static, VecDeque<i32>> {
    WAITING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The terminal without line editing and echo while this lives.
struct Raw {
    before: libc::termios,
}

impl Raw {
    fn enter() -> Option<Self> {
        // SAFETY: termios is plain data; the calls fill it or fail.
        unsafe {
            let mut before: libc::termios = std::mem::zeroed();
            if libc::tcgetattr(0, &mut before) != 0 {
                return None;
            }
            let mut raw = before;
            raw.c_lflag &= !(libc::ICANON | libc::ECHO);
            raw.c_cc[libc::VMIN] = 1;
            raw.c_cc[libc::VTIME] = 0;
            (libc::tcsetattr(0, libc::TCSANOW, &raw) == 0).then_some(Self { before })
        }
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        // SAFETY: what tcgetattr gave.
        unsafe { libc::tcsetattr(0, libc::TCSANOW, &self.before) };
    }
}

fn readable(milliseconds: i32) -> bool {
    let mut input = libc::pollfd { fd: 0, events: libc::POLLIN, revents: 0 };
    // SAFETY: one pollfd.
    unsafe { libc::poll(&mut input, 1, milliseconds) > 0 && input.revents & libc::POLLIN != 0 }
}

fn read_byte() -> Option<u8> {
    let mut byte = 0u8;
    loop {
        // SAFETY: one byte of room.
        match unsafe { libc::read(0, (&raw mut byte).cast(), 1) } {
            1 => return Some(byte),
            -1 if std::io::Error::last_os_error().kind() == std::io::ErrorKind::Interrupted => {}
            _ => return None,
        }
    }
}

fn flush_output() {
    // SAFETY: null flushes all streams.
    unsafe { libc::fflush(std::ptr::null_mut()) };
}

/// The key, waiting for it. A special key is 0xE0 and then its code.
fn key() -> i32 {
    if let Some(key) = waiting().pop_front() {
        return key;
    }
    flush_output();
    let raw = Raw::enter();
    let Some(byte) = read_byte() else { return -1 };
    if raw.is_none() {
        return i32::from(byte);
    }
    match byte {
        b'\n' => 13,
        0x7f => 8,
        0x1b if readable(20) => special(),
        byte => i32::from(byte),
    }
}

/// The rest of an escape sequence, as the code of Windows.
fn special() -> i32 {
    let Some(first) = read_byte() else { return 0x1b };
    if first != b'[' && first != b'O' {
        waiting().push_back(i32::from(first));
        return 0x1b;
    }
    let code = match read_byte() {
        Some(b'A') => 0x48,
        Some(b'B') => 0x50,
        Some(b'C') => 0x4d,
        Some(b'D') => 0x4b,
        Some(b'H') => 0x47,
        Some(b'F') => 0x4f,
        Some(digit @ b'0'..=b'9') => {
            while readable(0) && read_byte().is_some_and(|byte| byte != b'~') {}
            match digit {
                b'2' => 0x52,
                b'3' => 0x53,
                b'5' => 0x49,
                _ => 0x51,
            }
        }
        _ => return 0x1b,
    };
    waiting().push_back(code);
    0xe0
}

fn pressed() -> bool {
    if !waiting().is_empty() {
        return true;
    }
    flush_output();
    // SAFETY: isatty and FIONREAD on descriptor 0.
    unsafe {
        if libc::isatty(0) == 1 {
            let _raw = Raw::enter();
            return readable(0);
        }
        let mut bytes = 0i32;
        libc::ioctl(0, libc::FIONREAD, &mut bytes) == 0 && bytes > 0
    }
}

/// A character of UTF-8 from `key`s.
fn wide_key() -> u32 {
    let first = key();
    let more = match first {
        0xc0..=0xdf => 1,
        0xe1..=0xef => 2,
        0xf0..=0xf7 => 3,
        -1 => return u32::MAX,
        key => return key as u32,
    };
    let mut value = first as u32 & (0x3f >> more);
    for _ in 0..more {
        value = value << 6 | (key() as u32 & 0x3f);
    }
    value
}

fn echo(key: i32) {
    if (0..256).contains(&key) {
        let byte = key as u8;
        // SAFETY: one byte.
        unsafe { libc::write(1, (&raw const byte).cast(), 1) };
    }
}

export! {
    fn wsk__kbhit() -> i32, 0 => { i32::from(pressed()) }
    fn wsk__getch() -> i32, -1 => { key() }
    fn wsk__getche() -> i32, -1 => {
        let key = key();
        echo(key);
        key
    }
    fn wsk__putch(character: i32) -> i32, -1 => {
        flush_output();
        echo(character);
        character
    }
    fn wsk__ungetch(character: i32) -> i32, -1 => {
        let mut waiting = waiting();
        if waiting.len() >= MAX_WAITING {
            return -1;
        }
        waiting.push_front(character);
        character
    }
    fn wsk__getwch() -> u32, u32::MAX => { wide_key() }
    fn wsk__getwche() -> u32, u32::MAX => {
        let key = wide_key();
        let mut bytes = [0; 4];
        for byte in char::from_u32(key).map_or(&[][..], |c| c.encode_utf8(&mut bytes).as_bytes()) {
            echo(i32::from(*byte));
        }
        key
    }
    fn wsk__cputs(text: *const u8) -> i32, -1 => {
        let Some(text) = super::text::narrow(text) else { return -1 };
        flush_output();
        libc::write(1, text.as_ptr().cast(), text.len());
        0
    }
    /// Down if the key was typed since the last look: a terminal does not say when a key goes up.
    fn wsk_GetAsyncKeyState(key_code: i32) -> i16, 0 => { typed(key_code) }
    fn wsk_GetKeyState(key_code: i32) -> i16, 0 => { typed(key_code) }
}

fn typed(key_code: i32) -> i16 {
    // SAFETY: isatty of descriptor 0.
    if unsafe { libc::isatty(0) } != 1 || !pressed() {
        return 0;
    }
    let key = key();
    let found = key == key_code || (0x61..=0x7a).contains(&key) && key - 0x20 == key_code;
    if found {
        return 0x8001u16 as i16;
    }
    let mut waiting = waiting();
    if waiting.len() < MAX_WAITING {
        waiting.push_back(key);
    }
    0
}
