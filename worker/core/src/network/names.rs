//! Names in the kernel: every link, table and namespace carries a short form of the id it belongs to.

use std::fmt;

use thiserror::Error;

/// How many characters of a node's id go into names; `sh` + 8 + `u` stays below the kernel's 15.
const NODE_CHARS: usize = 8;

/// How many characters of a task's id go into names; `c` + 12 stays below the kernel's 15.
const TASK_CHARS: usize = 12;

/// The file of the sandbox's namespace, beside the files of the tasks' namespaces.
pub const SANDBOX_FILE: &str = "sandbox";

/// The sandbox's end of the uplink.
pub const SANDBOX_UPLINK: &str = "up0";

/// What the links to containers begin with, and nothing else in a sandbox does.
pub const CONTAINER_LINKS: &str = "c*";

/// Where nodes receive the packets of networks that span nodes (RFC 7348, 5).
pub const VXLAN_PORT: u16 = 4789;

/// The container's end of its link.
pub const CONTAINER_LINK: &str = "eth0";

/// The first of the four link groups that uplinks of all daemons on a host carry; the offset holds [`super::Guard`]'s bits.
pub const LINK_GROUP: u32 = 0x7368_6f00;

/// An id that cannot be made part of a kernel name.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NameError {
    /// The node id is empty or has a character that names must not have.
    #[error("node id {id:?} cannot be part of a link name: use lower-case letters and digits only")]
    Node {
        /// The id as given.
        id: String,
    },
    /// The task id is empty, reserved, or has a character that names must not have.
    #[error(
        "task id {id:?} cannot be part of a link name: use lower-case letters and digits only, and not {SANDBOX_FILE:?}"
    )]
    Task {
        /// The id as given.
        id: String,
    },
}

/// The first 8 characters of a node's id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct NodeShort(String);

impl NodeShort {
    /// Shortens a node's id; fails when it has anything but lower-case letters and digits.
    pub fn of(id: &str) -> Result<Self, NameError> {
        shorten(id, NODE_CHARS).map(Self).ok_or_else(|| NameError::Node { id: id.to_owned() })
    }

    /// Returns the short form.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the name of the host's end of the uplink, at most 11 characters.
    pub fn uplink(&self) -> String {
        format!("sh{}u", self.0)
    }

    /// Returns the name of the host's end of the link to the ingress network's sandbox, at most 11 characters.
    pub fn mesh_uplink(&self) -> String {
        format!("sh{}m", self.0)
    }

    /// Returns the name of the host's nft table that hands ports to the ingress network.
    pub fn mesh_table(&self) -> String {
        format!("shoal-{}-mesh", self.0)
    }

    /// Returns the name of the nft table, the same in the host's and in the sandbox's namespace.
    pub fn table(&self) -> String {
        format!("shoal-{}", self.0)
    }
}

impl fmt::Display for NodeShort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The first 12 characters of a task's id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct TaskShort(String);

impl TaskShort {
    /// Shortens a task's id; fails when it has anything but lower-case letters and digits.
    pub fn of(id: &str) -> Result<Self, NameError> {
        shorten(id, TASK_CHARS)
            .filter(|short| short != SANDBOX_FILE)
            .map(Self)
            .ok_or_else(|| NameError::Task { id: id.to_owned() })
    }

    /// Returns the short form, which is also the name of the namespace's file.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the name of the sandbox's end of the container's link, at most 13 characters.
    pub fn link(&self) -> String {
        format!("c{}", self.0)
    }

    /// Tells whether a link of the sandbox leads to a container.
    pub fn is_container_link(name: &str) -> bool {
        name.starts_with('c')
    }
}

impl fmt::Display for TaskShort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn shorten(id: &str, chars: usize) -> Option<String> {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    (!id.is_empty() && id.chars().all(allowed)).then(|| id.chars().take(chars).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_link_name_fits_the_kernels_fifteen_characters() {
        let id = "z9".repeat(13);
        let node = NodeShort::of(&id).unwrap();
        let task = TaskShort::of(&id).unwrap();
        assert_eq!(node.uplink(), "shz9z9z9z9u");
        assert_eq!(node.table(), "shoal-z9z9z9z9");
        assert_eq!(task.link(), "cz9z9z9z9z9z9");
        assert!(node.uplink().len() <= 15 && task.link().len() <= 15);
    }

    #[test]
    fn an_id_that_could_leave_the_folder_or_break_a_rule_is_refused() {
        for id in ["", "../x", "a b", "A", "a\"", "a/b", "ü"] {
            assert!(NodeShort::of(id).is_err(), "node {id:?}");
            assert!(TaskShort::of(id).is_err(), "task {id:?}");
        }
        assert!(TaskShort::of(SANDBOX_FILE).is_err());
    }
}
