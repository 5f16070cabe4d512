//! Rewrites one source: includes, and the few spellings that only MSVC reads. Lines stay lines.

use crate::scan::{Kind, Token};

/// What the program starts with, when it is not C's `int main`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Entry {
    /// `void main`, renamed.
    pub(crate) void_main: bool,
    /// `wmain`, or `_tmain` of a program with UNICODE.
    pub(crate) wide_main: bool,
    pub(crate) tchar_main: bool,
}

/// An `#include` as it is written: the name, and whether it is in angle brackets.
pub(crate) struct Include<'a> {
    pub(crate) name: &'a str,
    pub(crate) angle: bool,
    start: usize,
    end: usize,
}

pub(crate) fn include<'a>(text: &'a str, token: &Token) -> Option<Include<'a>> {
    let line = &text[token.start..token.end];
    let rest = line.strip_prefix('#')?.trim_start();
    let rest = rest.strip_prefix("include")?.trim_start();
    let (closing, angle) = match rest.as_bytes().first()? {
        b'"' => ('"', false),
        b'<' => ('>', true),
        _ => return None,
    };
    let start = token.start + (line.len() - rest.len());
    let name = &rest[1..];
    let length = name.find(closing)?;
    Some(Include { name: name[..length].trim(), angle, start, end: start + length + 2 })
}

/// The text with each include replaced by what `resolve` answers, and MSVC's spellings by ours.
pub(crate) fn translate(
    text: &str,
    tokens: &[Token],
    mut resolve: impl FnMut(&Include<'_>) -> Option<String>,
) -> (String, Entry) {
    let mut edits = Edits { text, output: String::with_capacity(text.len() + 256), copied: 0 };
    let mut entry = Entry::default();
    let words = Words { text, tokens };
    let mut index = 0;
    while index < tokens.len() {
        let token = tokens[index];
        match token.kind {
            Kind::Directive => {
                let include = include(text, &token);
                if let Some((include, new)) = include.and_then(|include| resolve(&include).map(|new| (include, new))) {
                    edits.replace(include.start, include.end, &new);
                }
            }
            Kind::FalseContinuation => edits.replace(token.start, token.end, "."),
            Kind::Word => {
                if let Some((end, new)) = words.replacement(index, &mut entry) {
                    edits.replace(token.start, tokens[end].end, &new);
                    index = end;
                }
            }
            Kind::Mark => {
                if let Some(number) = number(&text[token.start..token.end]) {
                    edits.replace(token.start, token.end, &number);
                }
            }
            Kind::Literal => {}
        }
        index += 1;
    }
    (edits.finish(), entry)
}

/// A number with a suffix of MSVC's: `5ui64` is `5ULL`.
fn number(text: &str) -> Option<String> {
    if !text.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let lower = text.to_ascii_lowercase();
    [("ui64", "ULL"), ("i64", "LL"), ("ui32", "U"), ("i32", "")]
        .into_iter()
        .find(|(suffix, _)| lower.ends_with(suffix))
        .map(|(suffix, ours)| format!("{}{ours}", &text[..text.len() - suffix.len()]))
}

struct Edits<'a> {
    text: &'a str,
    output: String,
    copied: usize,
}

impl Edits<'_> {
    fn replace(&mut self, start: usize, end: usize, new: &str) {
        self.output.push_str(&self.text[self.copied..start]);
        self.output.push_str(new);
        // Line ends in what was replaced stay, so that messages name the right line.
        let count = |text: &str| text.matches('\n').count();
        let lines = count(&self.text[start..end]).saturating_sub(count(new));
        self.output.extend(std::iter::repeat_n('\n', lines));
        self.copied = end;
    }

    fn finish(mut self) -> String {
        self.output.push_str(&self.text[self.copied..]);
        self.output
    }
}

struct Words<'a> {
    text: &'a str,
    tokens: &'a [Token],
}

/// Annotations of old sources. They cannot be macros: libstdc++ has these names for its own.
const ANNOTATIONS: &[&str] = &[
    "__in",
    "__out",
    "__inout",
    "__in_opt",
    "__out_opt",
    "__inout_opt",
    "__in_z",
    "__in_z_opt",
    "__out_z",
    "__reserved",
    "__deref_out",
    "__deref_out_opt",
    "__deref_in",
    "__deref_inout",
    "__checkReturn",
    "__callback",
    "__format_string",
    "__nullterminated",
    "__nullnullterminated",
    "__notnull",
    "__maybenull",
    "__valid",
    "__notvalid",
    "__fallthrough",
];
const ANNOTATIONS_WITH_SIZE: &[&str] = &[
    "__in_ecount",
    "__in_ecount_opt",
    "__in_bcount",
    "__in_bcount_opt",
    "__out_ecount",
    "__out_ecount_opt",
    "__out_bcount",
    "__out_bcount_opt",
    "__inout_ecount",
    "__inout_bcount",
    "__out_ecount_z",
    "__in_ecount_z",
    "__out_ecount_part",
    "__out_bcount_part",
    "__field_ecount",
    "__field_bcount",
    "__success",
    "__drv_when",
    "__range",
];

impl Words<'_> {
    fn at(&self, index: usize) -> &str {
        self.tokens.get(index).map_or("", |token| &self.text[token.start..token.end])
    }

    fn before(&self, index: usize, back: usize) -> &str {
        index.checked_sub(back).map_or("", |at| self.at(at))
    }

    /// The token index of the parenthesis that closes the one at `open`.
    fn closing(&self, open: usize) -> Option<usize> {
        let mut depth = 0usize;
        for index in open..self.tokens.len() {
            match self.at(index) {
                "(" => depth += 1,
                ")" => {
                    depth = depth.checked_sub(1)?;
                    if depth == 0 {
                        return Some(index);
                    }
                }
                _ => {}
            }
        }
        None
    }

    /// `name ( … ) {`: the definition of a function.
    fn defines(&self, index: usize) -> bool {
        self.at(index + 1) == "(" && self.closing(index + 1).is_some_and(|end| self.at(end + 1) == "{")
    }

    /// What the word at `index` becomes, with the index of the last token that is replaced.
    fn replacement(&self, index: usize, entry: &mut Entry) -> Option<(usize, String)> {
        let here = |new: &str| Some((index, new.to_owned()));
        match self.at(index) {
            "__try" | "_try" => here("wsk_seh_try"),
            "__except" => here("wsk_seh_except"),
            "__finally" => here("wsk_seh_finally"),
            "__leave" => here("wsk_seh_leave"),
            "main" if matches!(self.before(index, 1), "void" | "VOID") && self.at(index + 1) == "(" => {
                entry.void_main |= self.defines(index);
                here("wsk_main")
            }
            "wmain" if self.defines(index) => {
                entry.wide_main = true;
                None
            }
            "_tmain" if self.defines(index) => {
                entry.tchar_main = true;
                None
            }
            "sealed"
                if self.class_head(index) || self.before(index, 1) == ")" || self.before(index, 1) == "override" =>
            {
                here("final")
            }
            "abstract" if self.class_head(index) => here(""),
            "exception" if self.at(index + 1) == "(" && self.literal(index + 2) && self.before(index, 1) != "class" => {
                here("runtime_error")
            }
            // "korean" and its kind are no locales here: the constructor would throw.
            "locale"
                if self.at(index + 1) == "("
                    && self.literal(index + 2)
                    && !matches!(self.at(index + 2), "\"\"" | "\"C\"") =>
            {
                Some((index + 2, "locale(\"C.UTF-8\"".to_owned()))
            }
            name if ANNOTATIONS.contains(&name) => here(""),
            name if ANNOTATIONS_WITH_SIZE.contains(&name) && self.at(index + 1) == "(" => {
                Some((self.closing(index + 1)?, String::new()))
            }
            _ => None,
        }
    }

    fn literal(&self, index: usize) -> bool {
        self.tokens.get(index).is_some_and(|token| token.kind == Kind::Literal)
    }

    /// `class Name sealed {`, or `: Base`.
    fn class_head(&self, index: usize) -> bool {
        matches!(self.at(index + 1), "{" | ":")
            && matches!(self.before(index, 2), "class" | "struct" | "sealed" | "abstract")
    }
}

/// What a source with an unusual entry function ends with: C's `main`, which calls it.
pub(crate) fn entry_call(entry: Entry, cplusplus: bool) -> String {
    let (name, arguments, kind) = if entry.void_main {
        ("wsk_main", "argv", "char")
    } else if entry.wide_main || entry.tchar_main {
        ("wmain", "wsk_wide_arguments(argc, argv)", "wchar_t")
    } else {
        return String::new();
    };
    let call = if cplusplus {
        format!("return wsk_call_main({name}, argc, {arguments});")
    } else if entry.void_main {
        format!("((void (*)(int, {kind} **))(void (*)(void)){name})(argc, {arguments}); return 0;")
    } else {
        format!("return ((int (*)(int, {kind} **))(void (*)(void)){name})(argc, {arguments});")
    };
    let main = format!("int main(int argc, char **argv) {{ (void)argc; (void)argv; {call} }}\n");
    if entry.tchar_main && !entry.void_main && !entry.wide_main {
        format!("\n#ifdef _UNICODE\n{main}#endif\n")
    } else {
        format!("\n{main}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scan::scan;

    fn translated(text: &str) -> (String, Entry) {
        translate(text, &scan(text), |include| Some(format!("<{}>", include.name.to_lowercase())))
    }

    #[test]
    fn includes_are_resolved_outside_of_comments() {
        let text = "#include \"..\\Net\\A.h\" // x\n# include <WinSock2.h>\n// #include <B>\n#include NAME\n";
        assert_eq!(
            translated(text).0,
            "#include <..\\net\\a.h> // x\n# include <winsock2.h>\n// #include <B>\n#include NAME\n"
        );
    }

    #[test]
    fn annotations_go_and_lines_stay() {
        let text = "void f(__in int a,\n__out_ecount(n\n) char *b);\n";
        assert_eq!(translated(text).0, "void f( int a,\n\n char *b);\n");
    }

    #[test]
    fn void_main_is_renamed_and_called() {
        let (text, entry) = translated("void main(int c, char **v)\n{\n return;\n}\n");
        assert_eq!(text, "void wsk_main(int c, char **v)\n{\n return;\n}\n");
        assert!(entry.void_main && !entry.wide_main);
        assert!(entry_call(entry, true).contains("wsk_call_main(wsk_main"));
        assert_eq!(entry_call(translated("int main() {}").1, true), "");
        assert!(entry_call(translated("int _tmain(int c, _TCHAR *v[]) {}").1, false).contains("#ifdef _UNICODE"));
        assert_eq!(translated("int _tmain(int c, _TCHAR *v[]);").1, Entry::default());
    }

    #[test]
    fn classes_and_exceptions_of_msvc() {
        assert_eq!(translated("class A sealed : B {};").0, "class A final : B {};");
        assert_eq!(translated("class A abstract { int sealed; };").0, "class A  { int sealed; };");
        assert_eq!(translated("throw std::exception(\"x\");").0, "throw std::runtime_error(\"x\");");
        assert_eq!(translated("__try { } __except(1) { }").0, "wsk_seh_try { } wsk_seh_except(1) { }");
        assert_eq!(translated("wcout.imbue(locale(\"kor\"));").0, "wcout.imbue(locale(\"C.UTF-8\"));");
        assert_eq!(translated("a = 5i64 + 0xFFui64 + 1.5;").0, "a = 5LL + 0xFFULL + 1.5;");
        assert_eq!(translated("// C:\\ \nint a;").0, "// C:. \nint a;");
    }
}
