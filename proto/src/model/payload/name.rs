//! Names of secrets and configs.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// The longest name in characters, as in docker.
const CHARS_MAX: usize = 64;

/// A name of a secret or config: letters, digits, `-`, `_` and `.`, beginning and ending with a letter or digit, at most
/// 64 characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PayloadName(String);

/// Says why a text is no such name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a valid name: use letters, digits, `-`, `_` and `.`, beginning and ending with a letter or digit, at most {CHARS_MAX} characters"
)]
pub struct PayloadNameError(String);

impl PayloadName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for PayloadName {
    type Error = PayloadNameError;

    fn try_from(text: String) -> Result<Self, PayloadNameError> {
        let outer = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
        let good = text.len() <= CHARS_MAX
            && outer(text.chars().next())
            && outer(text.chars().next_back())
            && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
        match good {
            true => Ok(PayloadName(text)),
            false => Err(PayloadNameError(text.chars().take(80).flat_map(char::escape_debug).collect())),
        }
    }
}

impl FromStr for PayloadName {
    type Err = PayloadNameError;

    fn from_str(text: &str) -> Result<Self, PayloadNameError> {
        PayloadName::try_from(text.to_owned())
    }
}

impl From<PayloadName> for String {
    fn from(name: PayloadName) -> String {
        name.0
    }
}

impl fmt::Display for PayloadName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_docker() {
        for good in ["a", "db_password", "site.conf", "A-1.b_c", &"x".repeat(64)] {
            assert!(good.parse::<PayloadName>().is_ok(), "{good}");
        }
        for bad in ["", ".conf", "conf.", "-a", "a b", "a/b", "é", &"x".repeat(65)] {
            assert!(bad.parse::<PayloadName>().is_err(), "{bad}");
        }
    }
}
