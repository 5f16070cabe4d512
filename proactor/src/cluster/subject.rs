//! Names of any bytes, as subjects and as keys of records.

use std::fmt::Write;

/// Other characters than a subject's are `%` and two digits.
pub(super) fn subject(prefix: &str, name: &[u8]) -> String {
    let mut subject = String::with_capacity(prefix.len() + name.len());
    subject.push_str(prefix);
    for byte in name {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'/' => subject.push(char::from(*byte)),
            _ => write!(subject, "%{byte:02X}").expect("a string takes everything"),
        }
    }
    subject
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_of_any_bytes_is_a_subject_and_two_names_are_never_the_same() {
        assert_eq!(subject("g/", b"room/42-a_B"), "g/room/42-a_B");
        assert_eq!(subject("g/", b"a.b *>%"), "g/a%2Eb%20%2A%3E%25");
        assert_ne!(subject("g/", b"%2E"), subject("g/", b"."));
        assert_eq!(subject("g/", &[0xff; 1024]).len(), 2 + 3 * 1024);
    }
}
