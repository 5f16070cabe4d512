//! The head of a request or of a response: gathering it, and looking headers up.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha1_smol::Sha1;

/// The first lines of an opening handshake, as they come. It takes no more than its limit, and
/// looks at each byte once.
#[derive(Debug, Default)]
pub(crate) struct Head {
    bytes: Vec<u8>,
    searched: usize,
}

/// A head is longer than it may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooLong;

impl Head {
    /// Takes from `piece` what belongs to the head. Says whether that is all of it: then the rest
    /// of the piece is behind it.
    pub(crate) fn push(&mut self, piece: &mut &[u8], most: usize) -> Result<bool, TooLong> {
        let before = self.bytes.len();
        let room = most.saturating_sub(before);
        self.bytes.extend_from_slice(&piece[..piece.len().min(room)]);
        let end = self.find_end();
        let used = end.unwrap_or(self.bytes.len()) - before;
        let has_more = piece.len() > used;
        *piece = &piece[used..];
        match end {
            Some(end) => self.bytes.truncate(end),
            None if has_more => return Err(TooLong),
            None => {}
        }
        Ok(end.is_some())
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The end of the empty line. Lines end in LF or CR LF.
    fn find_end(&mut self) -> Option<usize> {
        let bytes = &self.bytes;
        let mut at = self.searched;
        while let Some(found) = memchr::memchr(b'\n', &bytes[at..]) {
            let line = at + found;
            match bytes[line + 1..] {
                [b'\n', ..] => return Some(line + 2),
                [b'\r', b'\n', ..] => return Some(line + 3),
                // Not known yet: this end of line is looked at again.
                [] | [b'\r'] => {
                    self.searched = line;
                    return None;
                }
                _ => at = line + 1,
            }
        }
        self.searched = bytes.len();
        None
    }
}

/// Headers, as a parser found them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Headers<'h>(pub(crate) &'h [httparse::Header<'h>]);

impl<'h> Headers<'h> {
    /// The values of all headers of a name.
    pub(crate) fn all(self, name: &str) -> impl Iterator<Item = &'h [u8]> {
        let named = move |header: &&httparse::Header<'h>| header.name.eq_ignore_ascii_case(name);
        self.0.iter().filter(named).map(|header| header.value.trim_ascii())
    }

    pub(crate) fn first(self, name: &str) -> Option<&'h [u8]> {
        self.all(name).next()
    }

    /// The value of a header that may come once at most. `Err`: it comes more often.
    pub(crate) fn only(self, name: &str) -> Result<Option<&'h [u8]>, ()> {
        let mut all = self.all(name);
        let first = all.next();
        if all.next().is_some() { Err(()) } else { Ok(first) }
    }

    /// The entries of headers that are lists.
    pub(crate) fn entries(self, name: &str) -> impl Iterator<Item = &'h [u8]> {
        let entries = self.all(name).flat_map(|value| value.split(|byte| *byte == b','));
        entries.map(<[u8]>::trim_ascii).filter(|entry| !entry.is_empty())
    }

    /// Whether a list has an entry, in letters of either case.
    pub(crate) fn lists(self, name: &str, entry: &str) -> bool {
        self.entries(name).any(|listed| listed.eq_ignore_ascii_case(entry.as_bytes()))
    }
}

/// Whether these are characters of a token: a method, a header's name, a subprotocol.
pub(crate) fn is_token(text: &str) -> bool {
    let is_char = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(is_char)
}

/// What a server answers to a key.
pub(crate) fn accept_of(key: &[u8]) -> String {
    let mut sha1 = Sha1::new();
    sha1.update(key);
    sha1.update(b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    STANDARD.encode(sha1.digest().bytes())
}

/// Whether a key is 16 bytes in base64.
pub(crate) fn is_key(key: &[u8]) -> bool {
    STANDARD.decode(key).is_ok_and(|bytes| bytes.len() == 16)
}

/// A key of 16 bytes.
pub(crate) fn key_of(bytes: [u8; 16]) -> String {
    STANDARD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_standard() {
        assert_eq!(accept_of(b"dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert!(is_key(b"dGhlIHNhbXBsZSBub25jZQ=="));
        assert!(is_key(key_of([7; 16]).as_bytes()));
        for key in ["", "c2hvcnQ=", "dGhlIHNhbXBsZSBub25jZSE=", "dGhlIHNhbXBsZSBub25jZQ", "not base64!!!!!!!!!!!!!=="] {
            assert!(!is_key(key.as_bytes()), "{key}");
        }
    }

    #[test]
    fn a_head_ends_at_its_empty_line_however_it_comes() {
        for (head, behind) in [
            ("GET / HTTP/1.1\r\nA: b\r\n\r\n", "rest"),
            ("GET / HTTP/1.1\nA: b\n\n", "\n"),
            ("GET / HTTP/1.1\nA: b\r\n\n", ""),
            ("\r\n\r\n", "\r\n\r\n"),
        ] {
            let all = format!("{head}{behind}");
            for piece in 1..=all.len() {
                let (mut gathered, mut rest) = (Head::default(), Vec::new());
                let mut is_whole = false;
                for mut bytes in all.as_bytes().chunks(piece) {
                    if !is_whole {
                        is_whole = gathered.push(&mut bytes, head.len()).unwrap();
                    }
                    rest.extend_from_slice(bytes);
                }
                assert!(is_whole);
                assert_eq!((gathered.bytes(), &rest[..]), (head.as_bytes(), behind.as_bytes()), "in {piece}");
            }
        }
    }

    #[test]
    fn a_head_without_end_is_refused_at_its_limit_and_not_kept_beyond() {
        for piece in [1, 7, 1 << 20] {
            let long = vec![b'x'; 1 << 20];
            let mut head = Head::default();
            let refused = long.chunks(piece).find_map(|mut bytes| head.push(&mut bytes, 8192).err());
            assert_eq!((refused, head.bytes().len()), (Some(TooLong), 8192), "in pieces of {piece}");
        }
    }
}
