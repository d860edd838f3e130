//! Names of services and nodes, which are also DNS labels.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// The longest name, in characters: the length of a DNS label (RFC 1035, 2.3.4).
pub const NAME_CHARS_MAX: usize = 63;

/// A name valid as a DNS name component: letters, digits, `-` and `_`, beginning and ending with a
/// letter or digit, at most 63 characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(String);

/// Says why a text is not a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a valid name: use letters, digits, `-` and `_`, beginning and ending with a letter or digit, at most {NAME_CHARS_MAX} characters"
)]
pub struct NameError(String);

impl Name {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Name {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        let outer = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
        let good = text.len() <= NAME_CHARS_MAX
            && outer(text.chars().next())
            && outer(text.chars().next_back())
            && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
        if good { Ok(Name(text)) } else { Err(NameError(text.chars().take(80).collect())) }
    }
}

impl FromStr for Name {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        Name::try_from(text.to_owned())
    }
}

impl From<Name> for String {
    fn from(name: Name) -> String {
        name.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_dns_labels() {
        for good in ["web", "a", "my-app_2", "A1", &"x".repeat(63)] {
            assert!(good.parse::<Name>().is_ok(), "{good}");
        }
        for bad in ["", "-web", "web-", "we b", "wéb", "a.b", &"x".repeat(64)] {
            assert!(bad.parse::<Name>().is_err(), "{bad}");
        }
    }
}
