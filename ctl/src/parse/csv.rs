//! One line of comma-separated fields, as the long forms of `--mount` and `--publish` have it.

/// Splits a line at its commas; a field in double quotes may contain commas, and `""` for a quote.
/// `None` if a quote is never closed or stands inside an unquoted field.
pub fn split(line: &str) -> Option<Vec<String>> {
    let mut fields = Vec::new();
    let mut rest = line;
    loop {
        let (field, after) = match rest.strip_prefix('"') {
            Some(quoted) => quoted_field(quoted)?,
            None => {
                let end = rest.find(',').unwrap_or(rest.len());
                (rest[..end].to_owned(), &rest[end..])
            }
        };
        if !rest.starts_with('"') && field.contains('"') {
            return None;
        }
        fields.push(field);
        match after.strip_prefix(',') {
            Some(next) => rest = next,
            None if after.is_empty() => return Some(fields),
            None => return None,
        }
    }
}

/// A field that reads as this text, whatever is in it.
pub fn field(text: &str) -> String {
    if text.contains([',', '"']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
}

/// The field up to its closing quote, and what follows.
fn quoted_field(text: &str) -> Option<(String, &str)> {
    let mut field = String::new();
    let mut rest = text;
    loop {
        let end = rest.find('"')?;
        field.push_str(&rest[..end]);
        rest = &rest[end + 1..];
        match rest.strip_prefix('"') {
            Some(after) => {
                field.push('"');
                rest = after;
            }
            None => return Some((field, rest)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_fields_keep_their_commas() {
        let fields = |line| split(line).map(|fields| fields.join("|"));
        assert_eq!(fields("type=bind,src=/a"), Some("type=bind|src=/a".into()));
        assert_eq!(fields(r#"a,"src=/x,y","b""c""#), Some(r#"a|src=/x,y|b"c"#.into()));
        assert_eq!(fields("a,"), Some("a|".into()));
        for text in ["a", "a,b", r#"a"b"#, r#""a""#, "", ","] {
            assert_eq!(split(&field(text)), Some(vec![text.to_owned()]), "{text}");
        }
        for bad in [r#""open"#, r#"a"b"#, r#""a"b"#] {
            assert_eq!(fields(bad), None, "{bad}");
        }
    }
}
