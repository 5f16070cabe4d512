//! UTF-8, checked as it comes.

/// Checks text that comes in pieces. The first byte that no text can have there is refused at once,
/// in whichever piece it comes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Utf8 {
    /// The bytes of a character whose last has not come.
    pending: [u8; 4],
    len: u8,
}

impl Utf8 {
    /// Looks at the next piece of a text. Says whether there is text that begins like this.
    pub(crate) fn push(&mut self, mut piece: &[u8]) -> bool {
        while self.len > 0 {
            let Some((byte, rest)) = piece.split_first() else { return true };
            piece = rest;
            self.pending[usize::from(self.len)] = *byte;
            self.len += 1;
            match str::from_utf8(&self.pending[..usize::from(self.len)]) {
                Ok(_) => self.len = 0,
                Err(error) if error.error_len().is_some() => return false,
                Err(_) => {}
            }
        }
        let Err(error) = str::from_utf8(piece) else { return true };
        let cut = &piece[error.valid_up_to()..];
        if error.error_len().is_some() {
            return false;
        }
        // At most 3 bytes: a fourth would end the character.
        self.pending[..cut.len()].copy_from_slice(cut);
        self.len = cut.len() as u8;
        true
    }

    /// Whether the text may end here.
    pub(crate) fn is_whole(&self) -> bool {
        self.len == 0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// How many bytes are taken before one is refused, and whether the text may end then.
    fn taken(bytes: &[u8], piece: usize) -> (usize, bool) {
        let mut utf8 = Utf8::default();
        for (at, piece_bytes) in bytes.chunks(piece).enumerate() {
            if !utf8.push(piece_bytes) {
                return (at * piece, false);
            }
        }
        (bytes.len(), utf8.is_whole())
    }

    #[test]
    fn the_first_impossible_byte_is_refused_at_once() {
        // The byte with this index is the first that cannot be.
        for (bytes, at) in [
            (&b"\x80"[..], 0),
            (b"abc\xff", 3),
            (b"\xc0\x80", 0),
            (b"\xc1\xbf", 0),
            (b"\xe0\x80", 1),
            (b"\xe0\x9f\xbf", 1),
            (b"\xed\xa0\x80", 1),
            (b"\xed\xbf\xbf", 1),
            (b"\xf0\x80\x80\x80", 1),
            (b"\xf0\x8f\xbf\xbf", 1),
            (b"\xf4\x90\x80\x80", 1),
            (b"\xf5\x80", 0),
            (b"\xf8\x88\x80\x80\x80", 0),
            (b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xf4\x90\x80\x80", 12),
            (b"\xc3\x28", 1),
            (b"\xe2\x82\x41", 2),
            (b"\xf0\x9f\x98\x41", 3),
        ] {
            assert_eq!(taken(bytes, 1), (at, false), "{bytes:x?}");
        }
    }

    #[test]
    fn a_character_may_lie_across_pieces_and_not_across_the_end() {
        let text = "aé€😀z\u{10ffff}\u{d7ff}\u{e000}\u{0}";
        for piece in 1..=text.len() {
            assert_eq!(taken(text.as_bytes(), piece), (text.len(), true), "pieces of {piece}");
        }
        for end in 0..text.len() {
            let (bytes, is_whole) = taken(&text.as_bytes()[..end], 1);
            assert_eq!((bytes, is_whole), (end, text.is_char_boundary(end)));
        }
    }

    proptest! {
        #[test]
        fn any_bytes_in_any_pieces_are_text_as_the_standard_library_says(
            bytes in prop::collection::vec(prop_oneof![any::<u8>(), 0x80..=0xbf_u8, Just(0xe2), Just(b'a')], 0..40),
            piece in 1..7_usize,
        ) {
            let mut utf8 = Utf8::default();
            let ours = bytes.chunks(piece).all(|piece| utf8.push(piece)) && utf8.is_whole();
            prop_assert_eq!(ours, str::from_utf8(&bytes).is_ok());
        }
    }
}
