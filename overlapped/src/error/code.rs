//! What the system's error codes mean. Each system's codes are in a file of their own.

#[cfg(unix)]
pub(crate) use super::unix::{accept_goes_on, is_interrupted, is_reset, kind_of};
#[cfg(windows)]
pub(crate) use super::windows::{accept_goes_on, is_interrupted, is_reset, kind_of};

/// The system's words for a code.
pub(crate) fn describe(code: i32) -> String {
    let text = std::io::Error::from_raw_os_error(code).to_string();
    match text.find(" (os error") {
        Some(end) => text[..end].to_owned(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::kind::ErrorKind;

    #[test]
    fn words_do_not_repeat_the_code() {
        #[cfg(unix)]
        let refused = libc::ECONNREFUSED;
        #[cfg(windows)]
        let refused = windows_sys::Win32::Networking::WinSock::WSAECONNREFUSED;
        assert_eq!(kind_of(refused), ErrorKind::Refused);
        let words = describe(refused);
        assert!(words.to_lowercase().contains("refused") && !words.contains("os error"), "{words}");
    }
}
