//! A command in one text, split into words as a shell splits it.

/// Says why a text can't be split.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WordsError {
    /// A quote without its end.
    #[error("a {0} quote is never closed")]
    OpenQuote(char),
    /// A backslash with nothing after it.
    #[error("nothing follows the last backslash")]
    OpenEscape,
}

/// Splits at white space; quotes and backslashes keep it, as in a POSIX shell. Nothing is expanded.
pub fn split(text: &str) -> Result<Vec<String>, WordsError> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote: Option<char> = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some(open), _) if c == open => quote = None,
            (Some('"') | None, '\\') => {
                let next = chars.next().ok_or(WordsError::OpenEscape)?;
                let word = word.get_or_insert_default();
                // In double quotes a backslash is only special before these.
                if quote.is_some() && !matches!(next, '"' | '\\' | '$' | '`') {
                    word.push('\\');
                }
                word.push(next);
            }
            (Some(_), _) => word.get_or_insert_default().push(c),
            (None, '"' | '\'') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, _) if c.is_whitespace() => words.extend(word.take()),
            (None, _) => word.get_or_insert_default().push(c),
        }
    }
    if let Some(open) = quote {
        return Err(WordsError::OpenQuote(open));
    }
    words.extend(word);
    Ok(words)
}

/// A text that [`split`] makes these words of.
pub fn join<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let quoted = |word: &str| format!("'{}'", word.replace('\'', r"'\''"));
    words.into_iter().map(quoted).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_split_as_a_shell_splits_it() {
        let words = |text| split(text).map(|words| words.join("|"));
        assert_eq!(words("  sleep   5 "), Ok("sleep|5".into()));
        assert_eq!(words(r#"sh -c 'echo "a b"'"#), Ok(r#"sh|-c|echo "a b""#.into()));
        assert_eq!(words(r#"a\ b "c\"d" "e\f" """#), Ok(r#"a b|c"d|e\f|"#.into()));
        assert_eq!(words(""), Ok(String::new()));
        assert_eq!(words("'open"), Err(WordsError::OpenQuote('\'')));
        assert_eq!(words("a\\"), Err(WordsError::OpenEscape));
    }

    #[test]
    fn words_that_were_joined_are_split_again() {
        let words = ["sh", "-c", "echo 'a b' \"$x\" \\", ""];
        assert_eq!(split(&join(words)).unwrap(), words);
    }
}
