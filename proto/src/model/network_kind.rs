//! Kinds of networks: over the nodes' tunnels, on each node for itself, or on a link of the nodes.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// The longest name that a link can have, in bytes (`IFNAMSIZ` without its end mark).
const LINK_BYTES_MAX: usize = 15;
/// The numbers that a VLAN can have (IEEE 802.1Q, 9.6).
const VLANS: std::ops::RangeInclusive<u16> = 1..=4094;

/// What a network is made of.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum NetworkKind {
    /// One network over all nodes, whose packets travel in tunnels between them.
    #[default]
    Overlay,
    /// A network of its own on each node, with the same addresses' range.
    Bridge,
    /// The link that the nodes themselves are on.
    Macvlan(Macvlan),
}

/// A network whose containers are on a link of the nodes, with hardware addresses of their own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Macvlan {
    /// The nodes' link.
    pub parent: ParentLink,
    /// How containers of one node reach each other.
    pub mode: MacvlanMode,
}

/// A link of the nodes, by name; `LINK.NUMBER` is VLAN `NUMBER` on `LINK`, which a node makes if it has none.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ParentLink(String);

/// How containers on the same link of the same node reach each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum MacvlanMode {
    /// Directly.
    #[default]
    Bridge,
    /// Not at all.
    Private,
    /// By the switch outside, which has to send packets back to the port they came from.
    Vepa,
    /// There is only one, which has the link to itself.
    Passthru,
}

/// Says why a text is no link's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParentLinkError {
    /// No link can be called so.
    #[error(
        "`{0}` is not a link's name: write one such as eth1, or eth1.100 for VLAN 100 on it, of at most {LINK_BYTES_MAX} characters"
    )]
    Name(String),
    /// The number of the VLAN is none.
    #[error("`{name}` names a VLAN that can't be: use {} to {}", VLANS.start(), VLANS.end())]
    Vlan {
        /// The text.
        name: String,
    },
}

/// Says why a text is no mode.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no mode `{0}`: use bridge, private, vepa or passthru")]
pub struct MacvlanModeError(String);

impl NetworkKind {
    /// The word for it.
    pub fn driver(&self) -> &'static str {
        match self {
            Self::Overlay => "overlay",
            Self::Bridge => "bridge",
            Self::Macvlan(_) => "macvlan",
        }
    }

    /// The link of the nodes it is on, if any.
    pub fn parent(&self) -> Option<&ParentLink> {
        match self {
            Self::Macvlan(macvlan) => Some(&macvlan.parent),
            Self::Overlay | Self::Bridge => None,
        }
    }

    /// Whether each node has a router of its own in it, and a block of addresses for its containers. Elsewhere there is
    /// nothing of other nodes that packets would have to be sent to.
    pub fn has_routers(&self) -> bool {
        *self == Self::Overlay
    }

    /// Whether there are virtual addresses in it, which takes a sandbox that balances.
    pub fn has_vips(&self) -> bool {
        !matches!(self, Self::Macvlan(_))
    }

    /// Whether containers of different nodes have nothing to do with each other.
    pub fn is_local(&self) -> bool {
        *self == Self::Bridge
    }
}

impl ParentLink {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The link below and the number, if this is a VLAN's name.
    pub fn vlan(&self) -> Option<(&str, u16)> {
        let (base, number) = self.0.rsplit_once('.')?;
        Some((base, number.parse().ok()?))
    }
}

impl fmt::Display for ParentLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for ParentLink {
    type Err = ParentLinkError;

    fn from_str(text: &str) -> Result<Self, ParentLinkError> {
        let is_good = |c: char| c.is_ascii_graphic() && c != '/' && c != ':' && c != '"';
        let is_name = |name: &str| !["", ".", ".."].contains(&name) && name.chars().all(is_good);
        let parent = Self(text.to_owned());
        let shown = || text.chars().take(60).collect();
        let has_base = parent.vlan().is_none_or(|(base, _)| is_name(base));
        if text.len() > LINK_BYTES_MAX || !is_name(text) || !has_base {
            return Err(ParentLinkError::Name(shown()));
        }
        match parent.vlan() {
            Some((_, number)) if !VLANS.contains(&number) => Err(ParentLinkError::Vlan { name: shown() }),
            _ => Ok(parent),
        }
    }
}

impl TryFrom<String> for ParentLink {
    type Error = ParentLinkError;

    fn try_from(text: String) -> Result<Self, ParentLinkError> {
        text.parse()
    }
}

impl From<ParentLink> for String {
    fn from(parent: ParentLink) -> Self {
        parent.0
    }
}

impl fmt::Display for MacvlanMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bridge => "bridge",
            Self::Private => "private",
            Self::Vepa => "vepa",
            Self::Passthru => "passthru",
        })
    }
}

impl FromStr for MacvlanMode {
    type Err = MacvlanModeError;

    fn from_str(text: &str) -> Result<Self, MacvlanModeError> {
        match text {
            "bridge" => Ok(Self::Bridge),
            "private" => Ok(Self::Private),
            "vepa" => Ok(Self::Vepa),
            "passthru" => Ok(Self::Passthru),
            other => Err(MacvlanModeError(other.chars().take(60).collect())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_behind_a_dot_is_a_vlan() {
        let vlan =
            |text: &str| text.parse::<ParentLink>().unwrap().vlan().map(|(base, id)| (base.to_owned(), id));
        assert_eq!(vlan("eth1"), None);
        assert_eq!(vlan("eth1.100"), Some(("eth1".into(), 100)));
        assert_eq!(vlan("br.lan"), None);
    }

    #[test]
    fn what_no_link_can_be_called_is_refused() {
        for bad in ["", ".", "..", "a/b", "a b", "eth0:1", "averylonglinkname", ".100"] {
            assert!(matches!(bad.parse::<ParentLink>(), Err(ParentLinkError::Name(_))), "{bad}");
        }
        for bad in ["eth1.0", "eth1.4095"] {
            assert!(matches!(bad.parse::<ParentLink>(), Err(ParentLinkError::Vlan { .. })), "{bad}");
        }
    }

    #[test]
    fn modes_are_known_by_dockers_words() {
        for word in ["bridge", "private", "vepa", "passthru"] {
            assert_eq!(word.parse::<MacvlanMode>().unwrap().to_string(), word);
        }
        assert!("source".parse::<MacvlanMode>().is_err());
    }
}
