//! A Rust file as a flat list of words, for rules that need no grammar.

use proc_macro2::{LineColumn, Span, TokenStream, TokenTree};

use crate::tree::Finding;

/// A token, or one of the brackets around a group of them.
#[derive(Debug)]
pub struct Word {
    /// As it is written; empty for an invisible bracket.
    pub text: String,
    /// Where it begins.
    pub start: LineColumn,
    /// Where it ends.
    pub end: LineColumn,
}

/// The words of a file, without comments.
pub fn words(file: &str, text: &str) -> Result<Vec<Word>, Finding> {
    match text.parse::<TokenStream>() {
        Ok(tokens) => Ok(words_of(tokens)),
        Err(error) => Err(Finding::at(file, error.span().start().line, "is not Rust")),
    }
}

/// The words of some tokens, without comments.
pub fn words_of(tokens: TokenStream) -> Vec<Word> {
    let mut words = Vec::new();
    collect(tokens, &mut words);
    // A doc comment is lexed into `#[doc = ".."]`, and its tokens span the whole comment.
    let mut comment = None;
    words.retain(|word| {
        if word.text == "#" && (word.start.line, word.start.column + 1) != (word.end.line, word.end.column) {
            comment = Some(word.start..word.end);
        }
        !comment.as_ref().is_some_and(|comment| comment.contains(&word.start))
    });
    words
}

fn collect(tokens: TokenStream, words: &mut Vec<Word>) {
    let word = |text: String, span: Span| Word { text, start: span.start(), end: span.end() };
    for token in tokens {
        match token {
            TokenTree::Group(group) => {
                let open = group.span_open();
                words.push(word(open.source_text().unwrap_or_default(), open));
                collect(group.stream(), words);
                let close = group.span_close();
                words.push(word(close.source_text().unwrap_or_default(), close));
            }
            token => words.push(word(token.to_string(), token.span())),
        }
    }
}
