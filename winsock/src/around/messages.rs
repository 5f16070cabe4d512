//! `FormatMessage`, and `MessageBox` on standard error.

use super::memory::heap::allocate;
use super::message_texts::text_of;
use super::text;
use crate::abi::Wchar;
use crate::error::{ERROR_INSUFFICIENT_BUFFER, ERROR_INVALID_PARAMETER, ERROR_NOT_ENOUGH_MEMORY, NtStatus, fail};
use std::ffi::c_void;
use std::io::Write;

const ALLOCATE_BUFFER: u32 = 0x100;
const IGNORE_INSERTS: u32 = 0x200;
const FROM_STRING: u32 = 0x400;
const FROM_MODULE: u32 = 0x800;
const FROM_SYSTEM: u32 = 0x1000;
const ARGUMENT_ARRAY: u32 = 0x2000;
/// `ERROR_MR_MID_NOT_FOUND`: there is no text for the code.
const NO_TEXT: u32 = 317;

/// The message, or the error of the call. `string` reads a source of `FROM_STRING`, `insert` the
/// n-th argument as text.
fn message(
    flags: u32,
    code: u32,
    string: impl FnOnce() -> Option<String>,
    insert: impl Fn(usize, &str) -> Option<String>,
) -> Result<String, u32> {
    let text = if flags & FROM_STRING != 0 {
        string().ok_or(ERROR_INVALID_PARAMETER)?
    } else if flags & (FROM_SYSTEM | FROM_MODULE) != 0 {
        // An HRESULT of a Win32 code has that code's text.
        let code = if code & 0xffff_0000 == 0x8007_0000 { code & 0xffff } else { code };
        format!("{}\r\n", text_of(code).ok_or(NO_TEXT)?)
    } else {
        return Err(ERROR_INVALID_PARAMETER);
    };
    let text = if flags & IGNORE_INSERTS != 0 { text } else { with_inserts(&text, insert) };
    // The width mask of 255: no line ends but those in the message itself.
    Ok(if flags & 0xff == 0xff { text.replace("\r\n", " ") } else { text })
}

/// `%1` to `%99` (with an optional `!format!`) become arguments, `%n` a line end, `%%` a per cent.
fn with_inserts(text: &str, insert: impl Fn(usize, &str) -> Option<String>) -> String {
    let mut output = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        if c != '%' {
            output.push(c);
            continue;
        }
        match rest.next() {
            Some('0') => break,
            Some('n') => output.push_str("\r\n"),
            Some('r') => output.push('\r'),
            Some(first) if first.is_ascii_digit() => {
                let mut number = first as usize - '0' as usize;
                if let Some(second) = rest.next_if(char::is_ascii_digit) {
                    number = number * 10 + (second as usize - '0' as usize);
                }
                let mut format = String::new();
                if rest.next_if_eq(&'!').is_some() {
                    format.extend(rest.by_ref().take_while(|c| *c != '!'));
                }
                output.push_str(&insert(number, &format).unwrap_or_default());
            }
            Some(other) => output.push(other),
            None => output.push('%'),
        }
    }
    output
}

/// `va_list` of x86-64's System V ABI: registers that were saved, then the stack.
#[repr(C)]
struct VaList {
    general: u32,
    floating: u32,
    stack: *const usize,
    saved: *const u8,
}

/// The n-th argument of an array or a `va_list`.
///
/// # Safety
/// `arguments` is null, or has an argument for each insert of the message.
unsafe fn argument(flags: u32, arguments: *const c_void, number: usize) -> Option<usize> {
    if arguments.is_null() || number == 0 {
        return None;
    }
    // SAFETY: the caller's.
    unsafe {
        if flags & ARGUMENT_ARRAY != 0 {
            return Some(arguments.cast::<usize>().add(number - 1).read_unaligned());
        }
        if !cfg!(target_arch = "x86_64") {
            return None;
        }
        const SAVED: usize = 48;
        let list = &*arguments.cast::<VaList>();
        let at = list.general as usize + 8 * (number - 1);
        if at < SAVED {
            return Some(list.saved.add(at).cast::<usize>().read_unaligned());
        }
        let passed = SAVED.saturating_sub(list.general as usize) / 8;
        Some(list.stack.add(number - 1 - passed).read_unaligned())
    }
}

/// An argument as text. Without a format it is a string of the call's own width.
///
/// # Safety
/// An argument for a string is a pointer to one.
unsafe fn insert(value: Option<usize>, format: &str, wide: bool) -> Option<String> {
    let value = value?;
    let conversion = format.chars().last().unwrap_or('s');
    if matches!(conversion, 's' | 'S') {
        let prefix = format.trim_end_matches(['s', 'S']);
        let wide =
            if prefix.ends_with(['l', 'w']) { true } else { !prefix.ends_with('h') && wide != (conversion == 'S') };
        // SAFETY: the caller's.
        return unsafe {
            if wide {
                text::wide(std::ptr::with_exposed_provenance(value))
            } else {
                text::narrow(std::ptr::with_exposed_provenance(value))
            }
        };
    }
    let plain = format.replace("I64", "ll").replace("I32", "");
    let known = matches!(conversion, 'd' | 'i' | 'o' | 'u' | 'x' | 'X' | 'c')
        && plain[..plain.len() - 1].chars().all(|c| c.is_ascii_digit() || "-+ #0.hl".contains(c));
    if !known {
        return None;
    }
    // `l` has 32 bits in these formats.
    let plain = if plain.contains("ll") { plain } else { plain.replace('l', "") };
    let format = std::ffi::CString::new(format!("%{plain}")).ok()?;
    let mut buffer = [0u8; 128];
    // SAFETY: one integer for one conversion of an integer, cut to the buffer.
    unsafe { libc::snprintf(buffer.as_mut_ptr().cast(), buffer.len(), format.as_ptr(), value) };
    // SAFETY: snprintf ends it with a zero.
    unsafe { text::narrow(buffer.as_ptr()) }
}

/// Hands the message over, in the caller's buffer or in one that `LocalFree` releases.
///
/// # Safety
/// `buffer` has room for `size` units, or for a pointer with `ALLOCATE_BUFFER`.
unsafe fn hand_over<T: Copy + Default>(units: &[T], flags: u32, buffer: *mut T, size: u32) -> u32 {
    if buffer.is_null() {
        return fail(ERROR_INVALID_PARAMETER, 0);
    }
    if flags & ALLOCATE_BUFFER != 0 {
        let room = (units.len() + 1).max(size as usize);
        // SAFETY: a block of LocalAlloc's. `buffer` is a pointer to a pointer by the flag.
        unsafe {
            let memory = allocate(room.saturating_mul(size_of::<T>()), true).cast::<T>();
            buffer.cast::<*mut T>().write_unaligned(memory);
            if memory.is_null() {
                return fail(ERROR_NOT_ENOUGH_MEMORY, 0);
            }
            let _ = text::copy_out(units, memory, room);
        }
        return units.len() as u32;
    }
    if units.len() >= size as usize {
        return fail(ERROR_INSUFFICIENT_BUFFER, 0);
    }
    // SAFETY: it fits.
    let _ = unsafe { text::copy_out(units, buffer, size as usize) };
    units.len() as u32
}

export! {
    fn wsk_FormatMessageA(flags: u32, source: *const c_void, code: u32, _language: u32, buffer: *mut u8, size: u32, arguments: *const c_void) -> u32, 0 => {
        match message(flags, code, || text::narrow(source.cast()), |n, format| insert(argument(flags, arguments, n), format, false)) {
            Ok(message) => hand_over(message.as_bytes(), flags, buffer, size),
            Err(error) => fail(error, 0),
        }
    }
    fn wsk_FormatMessageW(flags: u32, source: *const c_void, code: u32, _language: u32, buffer: *mut Wchar, size: u32, arguments: *const c_void) -> u32, 0 => {
        match message(flags, code, || text::wide(source.cast()), |n, format| insert(argument(flags, arguments, n), format, true)) {
            Ok(message) => hand_over(&text::to_wide(&message), flags, buffer, size),
            Err(error) => fail(error, 0),
        }
    }
    fn wsk_MessageBoxA(_window: *mut c_void, message: *const u8, caption: *const u8, kind: u32) -> i32, 0 => {
        message_box(text::narrow(message), text::narrow(caption), kind)
    }
    fn wsk_MessageBoxW(_window: *mut c_void, message: *const Wchar, caption: *const Wchar, kind: u32) -> i32, 0 => {
        message_box(text::wide(message), text::wide(caption), kind)
    }
    fn wsk_RtlNtStatusToDosError(status: u32) -> u32, ERROR_INVALID_PARAMETER => { NtStatus(status).win32() }
    fn wsk_MessageBeep(_kind: u32) -> i32, 0 => { beep() }
    fn wsk_Beep(_frequency: u32, milliseconds: u32) -> i32, 0 => {
        std::thread::sleep(std::time::Duration::from_millis(u64::from(milliseconds.min(10_000))));
        beep()
    }
}

/// The text on standard error. The answer is the button that lets the program go on: OK, Yes, or
/// Cancel where there is neither.
fn message_box(message: Option<String>, caption: Option<String>, kind: u32) -> i32 {
    let caption = caption.unwrap_or_else(|| "Error".to_owned());
    let message = message.unwrap_or_default();
    let _ = writeln!(std::io::stderr(), "{caption}: {}", message.trim_end());
    match kind & 0xf {
        2 => 3,
        3 | 4 => 6,
        5 => 2,
        _ => 1,
    }
}

fn beep() -> i32 {
    let _ = std::io::stderr().write_all(b"\x07");
    1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inserts_line_ends_and_percents() {
        let insert = |n: usize, format: &str| Some(format!("<{n}{format}>"));
        assert_eq!(with_inserts("a %1 b %2!d! c%n%% 100% d%0e", insert), "a <1> b <2d> c\r\n% 100 d");
        assert_eq!(with_inserts("%", insert), "%");
        assert_eq!(with_inserts("%12", |_, _| None), "");
    }

    #[test]
    fn arguments_are_formatted() {
        let words = [c"one".as_ptr().expose_provenance(), 42usize];
        let show =
            // SAFETY: arguments as the call takes them.
            |n, format: &str| unsafe { insert(argument(ARGUMENT_ARRAY, words.as_ptr().cast(), n), format, false) };
        assert_eq!(
            with_inserts("%1 %2!04x! %2!I64d! %3!n!", |n, f| if n < 3 { show(n, f) } else { insert_nothing() }),
            "one 002a 42 "
        );
    }

    fn insert_nothing() -> Option<String> {
        // SAFETY: no pointer is followed.
        unsafe { insert(Some(1), "n", false) }
    }

    #[test]
    fn codes_without_text_are_said_so() {
        assert_eq!(message(FROM_SYSTEM, 99_999, || None, |_, _| None), Err(NO_TEXT));
        assert!(message(FROM_SYSTEM, 10054, || None, |_, _| None).is_ok_and(|m| m.ends_with("\r\n")));
        assert_eq!(
            message(FROM_SYSTEM, 0x8007_0057, || None, |_, _| None),
            message(FROM_SYSTEM, 87, || None, |_, _| None)
        );
        assert_eq!(message(0, 1, || None, |_, _| None), Err(ERROR_INVALID_PARAMETER));
    }
}
