//! Where tasks may go: constraints that must hold, and preferences for spreading.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// A property of a node that placement can look at.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum NodeKey {
    /// `node.id`
    Id,
    /// `node.hostname`
    Hostname,
    /// `node.role`
    Role,
    /// `node.ip`: an address, or a network in CIDR form.
    Ip,
    /// `node.platform.os`
    Os,
    /// `node.platform.arch`
    Arch,
    /// `node.labels.NAME`, set by people on the node object.
    Label(String),
    /// `engine.labels.NAME`, set in the daemon's own configuration.
    EngineLabel(String),
}

/// Something that must hold on a node for a task to go there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Constraint {
    /// What is compared.
    pub key: NodeKey,
    /// Whether it must be equal (`==`) or must not be (`!=`).
    pub equal: bool,
    /// Compared without regard to case. A node without the label has the empty value.
    pub value: String,
}

/// A property over whose values the tasks of a service are spread evenly.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Preference {
    /// The property; nodes without it form a group of their own.
    pub spread: NodeKey,
}

/// Says why a text is neither a constraint nor a preference.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlacementError {
    /// No operator.
    #[error(
        "constraint `{0}` has no operator: write KEY==VALUE or KEY!=VALUE, such as node.labels.disk==ssd"
    )]
    NoOperator(String),
    /// No such property.
    #[error(
        "placement key `{0}` is not known: use node.id, node.hostname, node.ip, node.role, node.platform.os, node.platform.arch, node.labels.NAME or engine.labels.NAME"
    )]
    Key(String),
    /// Nothing to compare with.
    #[error(
        "constraint `{0}` has no value, or one with characters that are not allowed: use letters, digits and `.-_:/`"
    )]
    Value(String),
    /// Not `spread=KEY`.
    #[error(
        "placement preference `{0}` is not known: write spread=node.labels.NAME or spread=engine.labels.NAME"
    )]
    Preference(String),
}

impl FromStr for NodeKey {
    type Err = PlacementError;

    fn from_str(text: &str) -> Result<Self, PlacementError> {
        let label = |name: &str| {
            let good = !name.is_empty()
                && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '/'));
            good.then(|| name.to_owned()).ok_or_else(|| PlacementError::Key(text.to_owned()))
        };
        match text {
            "node.id" => Ok(NodeKey::Id),
            "node.hostname" => Ok(NodeKey::Hostname),
            "node.role" => Ok(NodeKey::Role),
            "node.ip" => Ok(NodeKey::Ip),
            "node.platform.os" => Ok(NodeKey::Os),
            "node.platform.arch" => Ok(NodeKey::Arch),
            _ => match (text.strip_prefix("node.labels."), text.strip_prefix("engine.labels.")) {
                (Some(name), _) => label(name).map(NodeKey::Label),
                (_, Some(name)) => label(name).map(NodeKey::EngineLabel),
                _ => Err(PlacementError::Key(text.chars().take(100).collect())),
            },
        }
    }
}

impl fmt::Display for NodeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NodeKey::Id => f.write_str("node.id"),
            NodeKey::Hostname => f.write_str("node.hostname"),
            NodeKey::Role => f.write_str("node.role"),
            NodeKey::Ip => f.write_str("node.ip"),
            NodeKey::Os => f.write_str("node.platform.os"),
            NodeKey::Arch => f.write_str("node.platform.arch"),
            NodeKey::Label(name) => write!(f, "node.labels.{name}"),
            NodeKey::EngineLabel(name) => write!(f, "engine.labels.{name}"),
        }
    }
}

impl FromStr for Constraint {
    type Err = PlacementError;

    fn from_str(text: &str) -> Result<Self, PlacementError> {
        let shown = || text.chars().take(100).collect::<String>();
        let (key, equal, value) = match (text.split_once("=="), text.split_once("!=")) {
            (Some((key, value)), _) => (key, true, value),
            (None, Some((key, value))) => (key, false, value),
            (None, None) => return Err(PlacementError::NoOperator(shown())),
        };
        let value = value.trim();
        let good = !value.is_empty()
            && value
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '/' | ' '));
        if !good {
            return Err(PlacementError::Value(shown()));
        }
        Ok(Constraint { key: key.trim().parse()?, equal, value: value.to_owned() })
    }
}

impl fmt::Display for Constraint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}{}", self.key, if self.equal { "==" } else { "!=" }, self.value)
    }
}

impl FromStr for Preference {
    type Err = PlacementError;

    fn from_str(text: &str) -> Result<Self, PlacementError> {
        let refuse = || PlacementError::Preference(text.chars().take(100).collect());
        let spread: NodeKey = text.strip_prefix("spread=").ok_or_else(refuse)?.trim().parse()?;
        match spread {
            NodeKey::Label(_) | NodeKey::EngineLabel(_) => Ok(Preference { spread }),
            _ => Err(refuse()),
        }
    }
}

impl fmt::Display for Preference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "spread={}", self.spread)
    }
}

macro_rules! as_text {
    ($($kind:ty),*) => {$(
        impl TryFrom<String> for $kind {
            type Error = PlacementError;
            fn try_from(text: String) -> Result<Self, PlacementError> {
                text.parse()
            }
        }
        impl From<$kind> for String {
            fn from(value: $kind) -> String {
                value.to_string()
            }
        }
    )*};
}
as_text!(Constraint, Preference);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_constraint_is_read_and_written_alike() {
        for text in
            ["node.role==manager", "node.labels.disk!=ssd", "engine.labels.a.b==x y", "node.ip==10.0.0.0/8"]
        {
            assert_eq!(text.parse::<Constraint>().unwrap().to_string(), text);
        }
        assert_eq!(" node.role == worker ".parse::<Constraint>().unwrap().to_string(), "node.role==worker");
    }

    #[test]
    fn a_malformed_constraint_says_what_would_be_right() {
        for (bad, says) in [
            ("node.role=manager", "has no operator"),
            ("node.rol==manager", "not known"),
            ("node.role==", "no value"),
            ("node.labels.==x", "not known"),
        ] {
            let error = bad.parse::<Constraint>().unwrap_err().to_string();
            assert!(error.contains(says), "{bad}: {error}");
        }
        assert!("binpack=x".parse::<Preference>().is_err());
        assert!("spread=node.role".parse::<Preference>().is_err());
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parsers_panic(text: String) {
            let _ = text.parse::<Constraint>();
            let _ = text.parse::<Preference>();
        }
    }
}
