//! Texts shortened and quoted for a table.

/// Characters of a shortened id, as docker has it.
pub const SHORT_ID_CHARS: usize = 12;

/// The id, shortened if asked for. A digest loses its algorithm too.
pub fn id(id: &str, shorten: bool) -> String {
    if !shorten {
        return id.to_owned();
    }
    id.strip_prefix("sha256:").unwrap_or(id).chars().take(SHORT_ID_CHARS).collect()
}

/// The text with at most `most` characters, the last of them `…` if something was left out.
pub fn shorten(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}

/// The text in double quotes, with what can't be shown escaped as Go's `%q` does.
pub fn go_quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            c if (c as u32) < 0x80 && c.is_control() => quoted.push_str(&format!("\\x{:02x}", c as u32)),
            c if c.is_control() => quoted.push_str(&format!("\\u{:04x}", c as u32)),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// The text on one line and without control characters, so that it can't move the cursor.
pub fn one_line(text: &str) -> String {
    text.split_whitespace()
        .map(|word| word.chars().filter(|c| !c.is_control()).collect::<String>())
        .collect::<Vec<_>>()
        .join(" ")
}

/// The word with its first letter in capitals.
pub fn capitalised(word: &str) -> String {
    let mut chars = word.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_shortened_and_quoted() {
        assert_eq!(id("sha256:0123456789abcdef", true), "0123456789ab");
        assert_eq!(shorten("twelve chars", 12), "twelve chars");
        assert_eq!(shorten("thirteen char", 12), "thirteen ch…");
        assert_eq!(go_quoted("a \"b\"\n\u{1b}[2J\\é"), r#""a \"b\"\n\x1b[2J\\é""#);
        assert_eq!(one_line("a\n  b\u{1b}[2J"), "a b[2J");
        assert_eq!(capitalised("ready"), "Ready");
    }
}
