//! How a container finds a secret or config: as which file, and whose.

use super::{PayloadKind, PayloadName};
use crate::model::PayloadId;
use serde::{Deserialize, Serialize};

/// The permission bits of a file if nothing else is asked for.
pub const PAYLOAD_MODE: u32 = 0o444;

/// A secret or config that a container finds as a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PayloadUse {
    /// Which.
    pub payload: PayloadId,
    /// Its name, by which it is found in templates and shown.
    pub name: PayloadName,
    /// Which of its contents.
    pub edition: u64,
    /// The file: an absolute path, or one below the kind's folder.
    pub target: String,
    /// The number of the file's owner.
    pub uid: u32,
    /// The number of its group.
    pub gid: u32,
    /// Its permission bits.
    pub mode: u32,
}

/// Says why a container can't find a file there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PayloadTargetError {
    /// No path of a file.
    #[error(
        "target `{0}` must be the name or path of a file, without `..`, such as key.pem or /etc/app/key.pem"
    )]
    Target(String),
    /// Bits that are no permissions.
    #[error("mode {0:o} is not valid: use octal permission bits such as 0400")]
    Mode(u32),
}

impl PayloadUse {
    /// The file's absolute path in the container.
    pub fn path(&self, kind: PayloadKind) -> String {
        Self::path_of(kind, &self.target)
    }

    /// The absolute path of a target.
    pub fn path_of(kind: PayloadKind, target: &str) -> String {
        if target.starts_with('/') { target.to_owned() } else { format!("{}/{target}", kind.folder()) }
    }

    /// Checks its parts.
    pub fn check(self) -> Result<Self, PayloadTargetError> {
        let is_part = |part: &str| !matches!(part, "" | "." | "..");
        let mut parts = self.target.strip_prefix('/').unwrap_or(&self.target).split('/');
        if self.target.contains('\0') || self.target.len() > 4000 || !parts.all(is_part) {
            let shown = self.target.chars().take(80).flat_map(char::escape_debug).collect();
            return Err(PayloadTargetError::Target(shown));
        }
        match self.mode > 0o7777 {
            true => Err(PayloadTargetError::Mode(self.mode)),
            false => Ok(self),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(target: &str) -> PayloadUse {
        PayloadUse {
            payload: PayloadId::from_bits(1),
            name: "key".parse().unwrap(),
            edition: 1,
            target: target.into(),
            uid: 0,
            gid: 0,
            mode: PAYLOAD_MODE,
        }
    }

    #[test]
    fn a_name_lies_in_the_folder_of_its_kind_and_a_path_where_it_says() {
        for (kind, target, expected) in [
            (PayloadKind::Secret, "key", "/run/secrets/key"),
            (PayloadKind::Secret, "tls/key.pem", "/run/secrets/tls/key.pem"),
            (PayloadKind::Config, "site.conf", "/site.conf"),
            (PayloadKind::Secret, "/etc/key", "/etc/key"),
            (PayloadKind::Config, "/etc/site", "/etc/site"),
        ] {
            assert_eq!(named(target).path(kind), expected);
        }
    }

    #[test]
    fn a_target_is_the_path_of_a_file() {
        for bad in ["", "/", "..", "../x", "/etc/../x", "a//b", "/etc/", "./a", "a\0b"] {
            assert!(matches!(named(bad).check(), Err(PayloadTargetError::Target(_))), "{bad}");
        }
        assert!(named("/etc/app/key.pem").check().is_ok());
        let wrong = PayloadUse { mode: 0o10000, ..named("a") };
        assert_eq!(wrong.check(), Err(PayloadTargetError::Mode(0o10000)));
    }
}
