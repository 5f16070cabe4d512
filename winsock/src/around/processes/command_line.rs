//! Command lines in one string, split as Windows programs split theirs.

/// Arguments of a command line. Blanks separate them; quotes keep blanks; before a quote,
/// backslashes are halved, and an odd one makes the quote a character.
pub(super) fn split(line: &str) -> Vec<String> {
    let mut arguments = Vec::new();
    let mut rest = line.chars().peekable();
    loop {
        while rest.next_if(|next| matches!(next, ' ' | '\t')).is_some() {}
        if rest.peek().is_none() {
            return arguments;
        }
        let (mut argument, mut quoted) = (String::new(), false);
        while let Some(next) = rest.next() {
            match next {
                ' ' | '\t' if !quoted => break,
                '"' => quoted = !quoted,
                '\\' => {
                    let mut backslashes = 1;
                    while rest.next_if_eq(&'\\').is_some() {
                        backslashes += 1;
                    }
                    if rest.peek() == Some(&'"') {
                        argument.extend(std::iter::repeat_n('\\', backslashes / 2));
                        if backslashes % 2 == 1 {
                            rest.next();
                            argument.push('"');
                        }
                    } else {
                        argument.extend(std::iter::repeat_n('\\', backslashes));
                    }
                }
                other => argument.push(other),
            }
        }
        arguments.push(argument);
    }
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn quotes_and_backslashes_are_as_on_windows() {
        assert_eq!(split(r#"a "b c" d"#), ["a", "b c", "d"]);
        assert_eq!(split(r#""C:\x y\p.exe" -q"#), [r"C:\x y\p.exe", "-q"]);
        assert_eq!(split(r#"a\\b "c\\" \"d"#), [r"a\\b", r"c\", "\"d"]);
        assert_eq!(split("  "), Vec::<String>::new());
        assert_eq!(split(r#"x """#), ["x", ""]);
    }
}
