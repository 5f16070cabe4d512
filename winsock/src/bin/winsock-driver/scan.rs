//! The tokens of a C or C++ source that the translation looks at: identifiers, punctuation and
//! directives, outside of comments and literals.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Word,
    /// A string or character literal with its prefix.
    Literal,
    /// One character of punctuation, or a number's first character.
    Mark,
    /// A whole preprocessor line, with the lines that it continues on.
    Directive,
    /// A line comment that ends in a backslash and blanks: gcc would continue it.
    FalseContinuation,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

pub(crate) fn scan(text: &str) -> Vec<Token> {
    let mut scanner = Scanner { bytes: text.as_bytes(), at: 0, tokens: Vec::new() };
    scanner.run();
    scanner.tokens
}

struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
    tokens: Vec<Token>,
}

impl Scanner<'_> {
    fn byte(&self, ahead: usize) -> u8 {
        self.bytes.get(self.at + ahead).copied().unwrap_or(0)
    }

    fn push(&mut self, kind: Kind, start: usize) {
        self.tokens.push(Token { kind, start, end: self.at });
    }

    fn run(&mut self) {
        let mut line_start = true;
        while self.at < self.bytes.len() {
            let start = self.at;
            match self.byte(0) {
                b'\n' => {
                    line_start = true;
                    self.at += 1;
                    continue;
                }
                b' ' | b'\t' | 0x0b | 0x0c => {
                    self.at += 1;
                    continue;
                }
                b'/' if self.byte(1) == b'/' => {
                    self.line_comment();
                    continue;
                }
                b'/' if self.byte(1) == b'*' => {
                    self.block_comment();
                    continue;
                }
                b'#' if line_start => {
                    self.directive();
                    self.push(Kind::Directive, start);
                }
                b'"' => {
                    self.quoted(b'"');
                    self.push(Kind::Literal, start);
                }
                b'\'' => {
                    self.quoted(b'\'');
                    self.push(Kind::Literal, start);
                }
                byte if is_word(byte) && !byte.is_ascii_digit() => self.word(start),
                byte if byte.is_ascii_digit() => {
                    while is_word(self.byte(0))
                        || self.byte(0) == b'.'
                        || (self.byte(0) == b'\'' && is_word(self.byte(1)))
                    {
                        self.at += 1;
                    }
                    self.push(Kind::Mark, start);
                }
                _ => {
                    self.at += 1;
                    self.push(Kind::Mark, start);
                }
            }
            line_start = false;
        }
    }

    fn line_comment(&mut self) {
        let start = self.at;
        loop {
            let line = self.at;
            while self.at < self.bytes.len() && self.byte(0) != b'\n' {
                self.at += 1;
            }
            let body = &self.bytes[line..self.at];
            if body.last() == Some(&b'\\') && self.at < self.bytes.len() {
                self.at += 1;
                continue;
            }
            let trimmed = body.trim_ascii_end();
            if trimmed.last() == Some(&b'\\') {
                let end = line + trimmed.len();
                self.tokens.push(Token { kind: Kind::FalseContinuation, start: end - 1, end });
            }
            debug_assert!(self.at > start);
            return;
        }
    }

    fn block_comment(&mut self) {
        self.at += 2;
        while self.at < self.bytes.len() && !(self.byte(0) == b'*' && self.byte(1) == b'/') {
            self.at += 1;
        }
        self.at = (self.at + 2).min(self.bytes.len());
    }

    fn directive(&mut self) {
        while self.at < self.bytes.len() && self.byte(0) != b'\n' {
            match self.byte(0) {
                b'\\' if self.byte(1) == b'\n' => self.at += 2,
                b'/' if self.byte(1) == b'*' => self.block_comment(),
                b'/' if self.byte(1) == b'/' => self.line_comment(),
                b'"' => self.quoted(b'"'),
                _ => self.at += 1,
            }
        }
    }

    /// A literal without prefix; one that does not end on its line ends with it.
    fn quoted(&mut self, quote: u8) {
        self.at += 1;
        while self.at < self.bytes.len() {
            match self.byte(0) {
                b'\\' => self.at = (self.at + 2).min(self.bytes.len()),
                b'\n' => return,
                byte => {
                    self.at += 1;
                    if byte == quote {
                        return;
                    }
                }
            }
        }
    }

    fn word(&mut self, start: usize) {
        while is_word(self.byte(0)) {
            self.at += 1;
        }
        let word = &self.bytes[start..self.at];
        let prefix = matches!(word, b"L" | b"u" | b"U" | b"u8" | b"R" | b"LR" | b"uR" | b"UR" | b"u8R");
        match self.byte(0) {
            b'"' if prefix && word.ends_with(b"R") => self.raw(),
            quote @ (b'"' | b'\'') if prefix => self.quoted(quote),
            _ => return self.push(Kind::Word, start),
        }
        self.push(Kind::Literal, start);
    }

    fn raw(&mut self) {
        let opening = self.at + 1;
        let Some(length) = self.bytes[opening..].iter().take(17).position(|byte| *byte == b'(') else {
            return self.quoted(b'"');
        };
        let mut ending = vec![b')'];
        ending.extend_from_slice(&self.bytes[opening..opening + length]);
        ending.push(b'"');
        let body = opening + length;
        self.at = self.bytes[body..]
            .windows(ending.len())
            .position(|window| window == ending)
            .map_or(self.bytes.len(), |found| body + found + ending.len());
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$' || byte >= 0x80
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<&str> {
        scan(text).iter().filter(|t| t.kind == Kind::Word).map(|t| &text[t.start..t.end]).collect()
    }

    #[test]
    fn comments_and_literals_are_skipped() {
        let text = "a /* b */ c // d\ne \"f\\\"g\" 'h' L\"i\" R\"x(j)\" k)x\" l 1'000 m";
        assert_eq!(words(text), ["a", "c", "e", "l", "m"]);
    }

    #[test]
    fn directives_are_one_token() {
        let text = "  #define X a \\\n  b /* \n */ c\nd";
        let tokens = scan(text);
        assert_eq!(tokens.len(), 2);
        assert_eq!(&text[tokens[0].start..tokens[0].end], "#define X a \\\n  b /* \n */ c");
    }

    #[test]
    fn a_backslash_before_blanks_is_found() {
        let text = "// C:\\ \nint x;";
        assert_eq!(scan(text)[0].kind, Kind::FalseContinuation);
        assert!(scan("// a\\\nb").is_empty());
    }

    #[test]
    fn what_does_not_end_is_no_panic() {
        for text in ["\"abc", "'", "/* x", "R\"(", "R\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "#", "L'", "\\", "//", "\"\\"]
        {
            scan(text);
        }
    }
}
