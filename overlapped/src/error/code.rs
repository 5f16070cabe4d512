//! What the system's error codes mean. Each system's codes are in a file of their own.

use std::io;

#[cfg(all(test, unix))]
pub(super) use super::unix::tests::{ABORTED, REFUSED, RESET, UNREACHABLE};
#[cfg(unix)]
pub(crate) use super::unix::{accept_goes_on, is_aborted, is_broken_pipe, is_interrupted, is_no_permission, kind_of};
#[cfg(all(test, windows))]
pub(super) use super::windows::tests::{ABORTED, REFUSED, RESET, UNREACHABLE};
#[cfg(windows)]
pub(crate) use super::windows::{
    accept_goes_on, is_aborted, is_broken_pipe, is_interrupted, is_no_permission, kind_of,
};

/// The system's words for a code.
pub(crate) fn describe(code: i32) -> String {
    let text = io::Error::from_raw_os_error(code).to_string();
    match text.find(" (os error") {
        Some(end) => text[..end].to_owned(),
        None => text,
    }
}

/// The standard library's kind of a code. Those that loops try again in silence are none of an
/// operation that has ended.
pub(super) fn std_kind(code: i32) -> io::ErrorKind {
    match io::Error::from_raw_os_error(code).kind() {
        io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock => io::ErrorKind::Other,
        kind => kind,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::kind::ErrorKind;

    #[test]
    fn words_do_not_repeat_the_code() {
        assert_eq!(kind_of(REFUSED), ErrorKind::Refused);
        let words = describe(REFUSED);
        assert!(words.to_lowercase().contains("refused") && !words.contains("os error"), "{words}");
    }
}
