//! Where tasks may go: constraints that must hold, and preferences for spreading.

use super::comparison::{self, Comparison, shown};
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
    /// What must be said of it.
    pub comparison: Comparison,
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
        "constraint `{0}` has no operator: write KEY==VALUE, such as node.labels.disk==ssd, or another of ==, !=, in, notin, =~, < and >"
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
    /// Not a regular expression.
    #[error("`{0}` is not a pattern: {1}")]
    Pattern(String, String),
    /// Not a number.
    #[error("`{0}` is not a number: with < and > write one such as 8 or 2.5")]
    Number(String),
    /// Only labels can be numbers.
    #[error("{0} is not a number: < and > are for node.labels.NAME and engine.labels.NAME")]
    NotNumeric(NodeKey),
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
        let is_of_key = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '/');
        let text = text.trim();
        let key_ends = text.find(|c| !is_of_key(c)).ok_or_else(|| PlacementError::NoOperator(shown(text)))?;
        let (key, after_key) = text.split_at(key_ends);
        let comparison = comparison::parse(after_key, text)?;
        let key: NodeKey = key.parse()?;
        if comparison.is_of_numbers() && !matches!(key, NodeKey::Label(_) | NodeKey::EngineLabel(_)) {
            return Err(PlacementError::NotNumeric(key));
        }
        Ok(Constraint { key, comparison })
    }
}

impl fmt::Display for Constraint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.key, self.comparison)
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
        for text in [
            "node.role==manager",
            "node.labels.disk!=ssd",
            "engine.labels.a.b==x y",
            "node.ip==10.0.0.0/8",
            "node.labels.zone in (a,b c)",
            "node.ip notin (10.0.0.0/8)",
            "node.hostname=~^web-[0-9]+==$",
            "node.labels.cores>7.5",
            "node.labels.in<-1",
        ] {
            assert_eq!(text.parse::<Constraint>().unwrap().to_string(), text);
        }
        for (text, normal) in [
            (" node.role == worker ", "node.role==worker"),
            ("node.labels.zone  in a, b", "node.labels.zone in (a,b)"),
            ("node.labels.zone notin(a)", "node.labels.zone notin (a)"),
            ("node.labels.cores > 8", "node.labels.cores>8"),
        ] {
            assert_eq!(text.parse::<Constraint>().unwrap().to_string(), normal);
        }
    }

    #[test]
    fn a_malformed_constraint_says_what_would_be_right() {
        for (bad, says) in [
            ("node.role=manager", "has no operator"),
            ("node.rol==manager", "not known"),
            ("node.role==", "no value"),
            ("node.labels.==x", "not known"),
            ("node.role", "has no operator"),
            ("node.labels.zonein (a)", "has no operator"),
            ("node.labels.zone inside", "has no operator"),
            ("node.labels.zone in ()", "no value"),
            ("node.labels.zone in (a,)", "no value"),
            ("node.hostname=~web-[", "`web-[` is not a pattern"),
            ("node.hostname=~", "it is empty"),
            ("node.labels.cores>many", "`many` is not a number"),
            ("node.labels.cores>inf", "`inf` is not a number"),
            ("node.labels.cores>=8", "`=8` is not a number"),
            ("node.hostname>8", "node.hostname is not a number"),
        ] {
            let error = bad.parse::<Constraint>().unwrap_err().to_string();
            assert!(error.contains(says), "{bad}: {error}");
        }
        assert!("binpack=x".parse::<Preference>().is_err());
        assert!("spread=node.role".parse::<Preference>().is_err());
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parsers_panic(text: String, operator in "(==|!=| in | notin |=~|<|>)") {
            for text in [text.clone(), format!("node.labels.a{operator}{text}")] {
                if let Ok(constraint) = text.parse::<Constraint>() {
                    assert_eq!(constraint.to_string().parse(), Ok(constraint), "written as it is read");
                }
            }
            let _ = text.parse::<Preference>();
        }
    }
}
