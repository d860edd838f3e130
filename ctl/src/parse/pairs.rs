//! `KEY=VALUE` pairs of labels.

/// Says why a text is not a pair.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` has no key: write KEY=VALUE, or KEY alone for an empty value")]
pub struct PairError(String);

/// Reads a label; without `=` its value is empty.
pub fn label(text: &str) -> Result<(String, String), PairError> {
    let (key, value) = text.split_once('=').unwrap_or((text, ""));
    if key.trim().is_empty() {
        return Err(PairError(text.chars().take(40).collect()));
    }
    Ok((key.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_equals_sign_divides() {
        assert_eq!(label("a=b=c"), Ok(("a".into(), "b=c".into())));
        assert_eq!(label("a"), Ok(("a".into(), String::new())));
        assert!(label("=x").is_err());
    }
}
