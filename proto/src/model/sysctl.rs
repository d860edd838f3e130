//! Kernel settings that a container has for itself, `NAME=VALUE`.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// The settings of inter-process communication that each container has for itself (ipc_namespaces(7)).
const IPC: [&str; 8] = [
    "kernel.msgmax",
    "kernel.msgmnb",
    "kernel.msgmni",
    "kernel.sem",
    "kernel.shmall",
    "kernel.shmmax",
    "kernel.shmmni",
    "kernel.shm_rmid_forced",
];

/// The beginning of the names of message queues' settings.
const MESSAGE_QUEUES: &str = "fs.mqueue.";
/// The beginning of the names of the network's settings.
const NETWORK: &str = "net.";

/// The longest name and the longest value in bytes: a page is what the kernel takes at once.
const BYTES_MAX: usize = 4095;

/// A kernel setting that a container has for itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Sysctl {
    name: String,
    value: String,
}

/// Says why a text is not such a setting.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SysctlError {
    /// It has another form.
    #[error("`{0}` is not a setting: write NAME=VALUE, such as net.core.somaxconn=1024")]
    Form(String),
    /// It would change more than the container.
    #[error(
        "`{0}` is the node's, not a container's: use net.*, fs.mqueue.* or one of {known}",
        known = IPC.join(", ")
    )]
    NotSeparate(String),
}

impl Sysctl {
    /// Its name, with dots.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it is set to.
    pub fn value(&self) -> &str {
        &self.value
    }

    /// Whether it belongs to the network, which containers in the node's own share with it.
    pub fn is_of_network(&self) -> bool {
        self.name.starts_with(NETWORK)
    }
}

impl FromStr for Sysctl {
    type Err = SysctlError;

    fn from_str(text: &str) -> Result<Self, SysctlError> {
        let shown = |text: &str| text.chars().take(60).flat_map(char::escape_debug).collect::<String>();
        let (name, value) = text.split_once('=').ok_or_else(|| SysctlError::Form(shown(text)))?;
        // Of a link's name with a dot sysctl(8) has the other dots written as slashes; here dots alone divide.
        let is_part = |part: &str| {
            !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || ['-', '_'].contains(&c))
        };
        let has_form = name.len() <= BYTES_MAX
            && name.split('.').all(is_part)
            && (1..=BYTES_MAX).contains(&value.len())
            && !value.contains(['\n', '\0']);
        if !has_form {
            return Err(SysctlError::Form(shown(text)));
        }
        let is_separate =
            name.starts_with(NETWORK) || name.starts_with(MESSAGE_QUEUES) || IPC.contains(&name);
        match is_separate {
            true => Ok(Self { name: name.to_owned(), value: value.to_owned() }),
            false => Err(SysctlError::NotSeparate(shown(name))),
        }
    }
}

impl fmt::Display for Sysctl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.name, self.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_settings_that_a_container_has_for_itself_are_taken() {
        for text in ["net.core.somaxconn=1024", "fs.mqueue.msg_max=5", "kernel.sem=250 32000 100 128"] {
            assert_eq!(text.parse::<Sysctl>().unwrap().to_string(), text);
        }
        for text in ["kernel.panic=1", "vm.swappiness=1", "kernel.shmmaxx=1", "fs.mqueues=1"] {
            let refused = text.parse::<Sysctl>().unwrap_err().to_string();
            assert!(refused.contains("is the node's") && refused.contains("kernel.shmall"), "{refused}");
        }
    }

    #[test]
    fn a_name_leads_nowhere_else() {
        for text in ["net", "net.core.x", "net..x=1", "net./../x=1", "net.x=", "net.x=1\n2", ".net.x=1"] {
            assert!(matches!(text.parse::<Sysctl>(), Err(SysctlError::Form(_))), "{text}");
        }
    }
}
