//! Names of a network that spans nodes: its sandbox's file and links, and what a link's alias remembers.

use std::fmt;
use std::str::FromStr;

use proto::model::{NetworkId, TaskId};

use super::state::Container;
use crate::network::TaskShort;
pub use crate::network::names::CONTAINER_LINKS;
use crate::network::names::SANDBOX_UPLINK;

/// The VXLAN device in every sandbox.
pub const TUNNEL: &str = "vx0";

/// The link of the ingress network's sandbox to the host.
pub const UPLINK: &str = SANDBOX_UPLINK;

/// The loopback, which carries the sandbox's own addresses.
pub const LOOPBACK: &str = "lo";

/// What files of sandboxes begin with; no task's file does, since task ids have no hyphen.
const FILE_PREFIX: &str = "net-";

/// Returns the file of a network's sandbox. Its name is the whole id, so that a restarted daemon knows its networks.
pub fn sandbox_file(network: NetworkId) -> String {
    format!("{FILE_PREFIX}{network}")
}

/// Returns the network whose sandbox has this file.
pub fn network_of_file(name: &str) -> Option<NetworkId> {
    name.strip_prefix(FILE_PREFIX)?.parse().ok()
}

/// Returns the sandbox's end of a container's link, at most 13 characters.
pub fn container_link(task: TaskId) -> String {
    short(task).link()
}

/// Returns the short form of a task's id.
pub fn short(task: TaskId) -> TaskShort {
    TaskShort::of(&task.to_string()).expect("an id has digits and lower-case letters only")
}

/// Says in a link's alias whom it belongs to, for the daemon that comes next.
pub fn alias(task: TaskId, container: &Container) -> String {
    format!("shoal task {task} number {} interface {}", container.number, container.interface)
}

/// Reads what [`alias`] wrote.
pub fn parse_alias(alias: &str) -> Option<(TaskId, Container)> {
    let rest = alias.strip_prefix("shoal task ")?;
    let (task, rest) = rest.split_once(" number ")?;
    let (number, interface) = rest.split_once(" interface ")?;
    let container = Container { number: number.parse().ok()?, interface: interface.parse().ok()? };
    Some((task.parse().ok()?, container))
}

/// A container's end of a link: `eth0`, `eth1` and so on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Interface(pub u8);

/// Says why a text is not an interface's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a container's interface: they are eth0, eth1 and so on, up to eth255")]
pub struct InterfaceError {
    text: String,
}

impl fmt::Display for Interface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "eth{}", self.0)
    }
}

impl FromStr for Interface {
    type Err = InterfaceError;

    fn from_str(text: &str) -> Result<Self, InterfaceError> {
        let number = text.strip_prefix("eth").and_then(|number| number.parse().ok());
        number.map(Self).ok_or_else(|| InterfaceError { text: text.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sandboxs_file_tells_its_network() {
        let network = NetworkId::from_bits(7);
        assert_eq!(sandbox_file(network), "net-0000000000000000000000007");
        assert_eq!(network_of_file(&sandbox_file(network)), Some(network));
        for other in ["sandbox", "0000000000000000000000007", "net-", "net-7"] {
            assert_eq!(network_of_file(other), None, "{other}");
        }
    }

    #[test]
    fn an_alias_tells_whom_a_link_belongs_to() {
        let (task, container) = (TaskId::from_bits(9), Container { number: 33, interface: Interface(2) });
        assert_eq!(parse_alias(&alias(task, &container)), Some((task, container)));
        assert_eq!(parse_alias("shoal task x number 3 interface eth1"), None);
        assert_eq!(parse_alias(""), None);
    }
}
