//! Mounts of a container: files of the host, named volumes, memory.

use super::template::{Template, TemplateError};
use serde::{Deserialize, Serialize};

/// One mount of a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mount {
    /// Where it appears in the container: an absolute path without `..`.
    pub target: String,
    /// Whether the container may only read it.
    pub read_only: bool,
    /// What is mounted.
    pub kind: MountKind,
}

/// What a mount shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum MountKind {
    /// A file or folder of the node, by absolute path. It must exist, or the task is rejected.
    Bind {
        /// Absolute path on the node.
        source: String,
    },
    /// A volume of the node, kept when the task ends. Made if it is not there.
    Volume {
        /// The volume's name; `None` is a volume of the task's own that ends with it.
        name: Option<String>,
    },
    /// Memory that ends with the task.
    Tmpfs {
        /// Largest size in bytes; `None` leaves it to the kernel (half of the memory).
        size_bytes: Option<u64>,
        /// Permission bits of its root, 1777 by default.
        mode: Option<u32>,
    },
}

/// Says why a mount can't be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MountError {
    /// Not absolute, or with `..`.
    #[error("mount target `{0}` must be an absolute path without `..`, such as /data")]
    Target(String),
    /// The root itself can't be covered.
    #[error("mount target `/` would hide the image; mount below it")]
    TargetIsRoot,
    /// A bind mount of something relative.
    #[error(
        "bind mount source `{0}` must be an absolute path on the node; for a named volume use type=volume"
    )]
    BindSource(String),
    /// Not a volume's name.
    #[error(
        "volume name `{0}` is not valid: use letters, digits, `_`, `.` and `-`, beginning with a letter or digit"
    )]
    VolumeName(String),
    /// An expression that stands for nothing.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// A size or mode given to something that is not tmpfs, or a source given to tmpfs.
    #[error("option `{option}` does not go with a {kind} mount")]
    Option {
        /// The option.
        option: &'static str,
        /// The kind of mount.
        kind: &'static str,
    },
    /// Permission bits beyond 07777.
    #[error("tmpfs mode {0:o} is not valid: use octal permission bits such as 1777")]
    Mode(u32),
    /// No such kind.
    #[error("mount type `{0}` is not known: use bind, volume or tmpfs")]
    Kind(String),
}

impl Mount {
    /// Checks a mount's parts against each other.
    pub fn check(self) -> Result<Mount, MountError> {
        let target = Template::sample(&self.target)?;
        if !is_clean_absolute(&target) {
            return Err(MountError::Target(self.target));
        }
        if target.trim_end_matches('/').is_empty() {
            return Err(MountError::TargetIsRoot);
        }
        match &self.kind {
            MountKind::Bind { source } if !is_clean_absolute(&Template::sample(source)?) => {
                Err(MountError::BindSource(source.clone()))
            }
            MountKind::Volume { name: Some(name) } if !is_volume_name(&Template::sample(name)?) => {
                Err(MountError::VolumeName(name.clone()))
            }
            MountKind::Tmpfs { mode: Some(mode), .. } if *mode > 0o7777 => Err(MountError::Mode(*mode)),
            _ => Ok(self),
        }
    }
}

fn is_clean_absolute(path: &str) -> bool {
    path.starts_with('/') && !path.contains('\0') && path.split('/').all(|part| part != "..")
}

fn is_volume_name(name: &str) -> bool {
    name.chars().next().is_some_and(|c| c.is_ascii_alphanumeric())
        && name.len() <= 255
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mount(target: &str, kind: MountKind) -> Mount {
        Mount { target: target.into(), read_only: false, kind }
    }

    #[test]
    fn a_mount_that_climbs_out_is_refused() {
        let volume = |name: &str| MountKind::Volume { name: Some(name.into()) };
        assert!(mount("/data", volume("db-1")).check().is_ok());
        assert!(matches!(mount("/a/../etc", volume("v")).check(), Err(MountError::Target(_))));
        assert!(matches!(mount("data", volume("v")).check(), Err(MountError::Target(_))));
        assert!(matches!(mount("//", volume("v")).check(), Err(MountError::TargetIsRoot)));
        assert!(matches!(mount("/d", volume("../x")).check(), Err(MountError::VolumeName(_))));
        let bind = MountKind::Bind { source: "relative".into() };
        assert!(matches!(mount("/d", bind).check(), Err(MountError::BindSource(_))));
    }
}
