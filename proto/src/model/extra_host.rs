//! Names that a container is given addresses for in its `/etc/hosts`, `NAME:ADDRESS`.

use serde::{Deserialize, Serialize};
use std::{fmt, net::IpAddr, str::FromStr};

/// The word for the node that a task runs on, as docker has it.
const HOST_GATEWAY: &str = "host-gateway";
/// The longest name in characters (RFC 1035, 2.3.4).
const NAME_CHARS_MAX: usize = 253;

/// A line of a container's `/etc/hosts`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ExtraHost {
    /// The name; letters, digits, `-`, `_` and `.`.
    pub name: String,
    /// What it leads to.
    pub target: HostTarget,
}

/// What a name in `/etc/hosts` leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum HostTarget {
    /// An address.
    Address(IpAddr),
    /// The node that the task runs on, which lets the container in.
    Gateway,
}

/// Says why a text is not a name with an address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a name with an address: write NAME:ADDRESS, such as db:192.0.2.7, or NAME:{HOST_GATEWAY} for the task's own node"
)]
pub struct ExtraHostError(String);

impl FromStr for ExtraHost {
    type Err = ExtraHostError;

    fn from_str(text: &str) -> Result<Self, ExtraHostError> {
        let wrong = || ExtraHostError(text.chars().take(100).collect());
        // Compose files also write NAME=ADDRESS.
        let (name, target) = text.split_once([':', '=']).ok_or_else(wrong)?;
        let bare = target.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(target);
        let target = match bare {
            HOST_GATEWAY => HostTarget::Gateway,
            address => HostTarget::Address(address.parse().map_err(|_| wrong())?),
        };
        let is_good = |c: char| c.is_ascii_alphanumeric() || ['-', '_', '.'].contains(&c);
        let has_form = !name.is_empty() && name.len() <= NAME_CHARS_MAX && name.chars().all(is_good);
        if has_form { Ok(Self { name: name.to_owned(), target }) } else { Err(wrong()) }
    }
}

impl fmt::Display for ExtraHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.target {
            HostTarget::Address(address) => write!(f, "{}:{address}", self.name),
            HostTarget::Gateway => write!(f, "{}:{HOST_GATEWAY}", self.name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_to_addresses_or_to_the_tasks_own_node() {
        for (text, normal) in [
            ("db:192.0.2.7", "db:192.0.2.7"),
            ("db=192.0.2.7", "db:192.0.2.7"),
            ("db:2001:db8::7", "db:2001:db8::7"),
            ("db:[2001:db8::7]", "db:2001:db8::7"),
            ("host.docker.internal:host-gateway", "host.docker.internal:host-gateway"),
        ] {
            assert_eq!(text.parse::<ExtraHost>().unwrap().to_string(), normal, "{text}");
        }
        let gateway: ExtraHost = "h:host-gateway".parse().unwrap();
        assert_eq!(gateway.target, HostTarget::Gateway);
    }

    #[test]
    fn what_would_write_another_line_is_refused() {
        for text in ["db", "db:", ":192.0.2.7", "a b:192.0.2.7", "db:192.0.2.7\n", "a\n:192.0.2.7", "db:host"]
        {
            let refused = text.parse::<ExtraHost>().unwrap_err().to_string();
            assert!(refused.contains("NAME:ADDRESS"), "{text}: {refused}");
        }
    }
}
