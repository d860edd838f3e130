//! What is asked of `up` and `down`.

use crate::{MANAGERS_MAX, Roots, Subnet, WORKERS_MAX};
use std::{path::PathBuf, time::Duration};

/// Managers of a new cluster if no number is given: the fewest of which one may fail.
const MANAGERS: u8 = 3;
/// Workers of a new cluster if no number is given.
const WORKERS: u8 = 2;
/// The longest name: with `shoal-` before it it names a link, which has at most 15 characters.
const NAME_CHARS_MAX: usize = 9;

/// What is asked of [`crate::up`].
#[derive(Debug, Clone)]
pub struct UpOptions {
    /// The cluster's name: 1 to 9 lower-case letters, digits and `-`.
    pub name: String,
    /// Managers, 1 to [`MANAGERS_MAX`]; as many as there are, or 3 of a new cluster, if not given.
    pub managers: Option<u8>,
    /// Workers, up to [`WORKERS_MAX`]; as many as there are, or 2 of a new cluster, if not given.
    pub workers: Option<u8>,
    /// The program that is started as `PROGRAM daemon ...`; an absolute path.
    pub program: PathBuf,
    /// Where the cluster's files lie.
    pub roots: Roots,
    /// Whether the machine gets an address in the nodes' network, and they a way out through it.
    /// Without it the machine's own network is not touched.
    pub host_link: bool,
    /// The nodes' network; the first of 10.88.x.0/24 and 10.89.x.0/24 that is free if not given.
    pub subnet: Option<Subnet>,
    /// Further arguments for every daemon.
    pub daemon_args: Vec<String>,
    /// How long the nodes may take to become ready.
    pub patience: Duration,
}

/// What is asked of [`crate::down`].
#[derive(Debug, Clone)]
pub struct DownOptions {
    /// The cluster's name.
    pub name: String,
    /// Where the cluster's files lie.
    pub roots: Roots,
    /// Leaves the data folder, so that the next `up` continues with it.
    pub keep_data: bool,
}

/// Says why options don't make a cluster.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OptionsError {
    /// The name can't be part of a link's name.
    #[error(
        "`{0}` can't name a development cluster: use 1 to {NAME_CHARS_MAX} lower-case letters, digits and `-`, beginning with a letter or digit"
    )]
    Name(String),
    /// Too few or too many managers.
    #[error("a development cluster can't have {0} managers: use 1 to {MANAGERS_MAX}")]
    Managers(u8),
    /// Too many workers.
    #[error("a development cluster can't have {0} workers: use at most {WORKERS_MAX}")]
    Workers(u8),
    /// A path that depends on the working directory.
    #[error("`{0}` must be an absolute path")]
    Relative(PathBuf),
    /// Fewer nodes than there are.
    #[error(
        "the cluster has {have} {role}s and can't be made smaller to {want}: take nodes away with `shoal node rm`, or begin anew after `shoal down`"
    )]
    Smaller {
        /// The nodes' role.
        role: &'static str,
        /// How many there are.
        have: u8,
        /// How many were asked for.
        want: u8,
    },
    /// Another network than the one the nodes know each other in.
    #[error("the cluster's network is {have} and can't become {want}: begin anew after `shoal down`")]
    Subnet {
        /// The network.
        have: Subnet,
        /// What was asked for.
        want: Subnet,
    },
    /// The folders belong to a cluster of another name.
    #[error(
        "the folder `{folder}` belongs to the cluster `{have}`, not to `{want}`: use another folder or that name"
    )]
    OtherName {
        /// The folder.
        folder: PathBuf,
        /// Whose it is.
        have: String,
        /// What was asked for.
        want: String,
    },
    /// Not the superuser.
    #[error("a development cluster needs namespaces and mounts: run this as root")]
    NotRoot,
}

impl UpOptions {
    /// The defaults for a cluster that a person uses.
    pub fn new(name: impl Into<String>, program: impl Into<PathBuf>) -> Self {
        let name = name.into();
        Self {
            roots: Roots::of_name(&name),
            name,
            managers: None,
            workers: None,
            program: program.into(),
            host_link: true,
            subnet: None,
            daemon_args: Vec::new(),
            patience: Duration::from_secs(60),
        }
    }

    pub(crate) fn check(&self) -> Result<(), OptionsError> {
        check(&self.name, &self.roots)?;
        if !self.program.is_absolute() {
            return Err(OptionsError::Relative(self.program.clone()));
        }
        Ok(())
    }

    /// The number of managers, given how many there are.
    pub(crate) fn managers(&self, have: Option<u8>) -> Result<u8, OptionsError> {
        match grown("manager", self.managers, have, MANAGERS)? {
            managers @ 1..=MANAGERS_MAX => Ok(managers),
            managers => Err(OptionsError::Managers(managers)),
        }
    }

    /// The number of workers, given how many there are.
    pub(crate) fn workers(&self, have: Option<u8>) -> Result<u8, OptionsError> {
        match grown("worker", self.workers, have, WORKERS)? {
            workers @ ..=WORKERS_MAX => Ok(workers),
            workers => Err(OptionsError::Workers(workers)),
        }
    }
}

impl DownOptions {
    /// The defaults for a cluster of this name.
    pub fn new(name: impl Into<String>) -> Self {
        let name = name.into();
        Self { roots: Roots::of_name(&name), name, keep_data: false }
    }

    pub(crate) fn check(&self) -> Result<(), OptionsError> {
        check(&self.name, &self.roots)
    }
}

fn check(name: &str, roots: &Roots) -> Result<(), OptionsError> {
    let good = (1..=NAME_CHARS_MAX).contains(&name.len())
        && !name.starts_with('-')
        && name.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-');
    if !good {
        return Err(OptionsError::Name(name.chars().take(40).collect()));
    }
    for root in [roots.run(), roots.data()] {
        if !root.is_absolute() {
            return Err(OptionsError::Relative(root.to_owned()));
        }
    }
    if !nix::unistd::geteuid().is_root() {
        return Err(OptionsError::NotRoot);
    }
    Ok(())
}

fn grown(role: &'static str, want: Option<u8>, have: Option<u8>, default: u8) -> Result<u8, OptionsError> {
    match (want, have) {
        (Some(want), Some(have)) if want < have => Err(OptionsError::Smaller { role, have, want }),
        (Some(want), _) => Ok(want),
        (None, have) => Ok(have.unwrap_or(default)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_to_fit_a_link() {
        for (name, good) in [
            ("dev", true),
            ("a-1", true),
            ("", false),
            ("toolongname", false),
            ("-a", false),
            ("A", false),
            ("a/b", false),
        ] {
            assert_eq!(UpOptions::new(name, "/bin/true").check().is_ok(), good, "{name}");
        }
    }

    #[test]
    fn a_cluster_grows_and_does_not_shrink() {
        let asked = |managers| UpOptions { managers, ..UpOptions::new("dev", "/bin/true") };
        assert_eq!(asked(None).managers(None), Ok(3));
        assert_eq!(asked(None).managers(Some(1)), Ok(1));
        assert_eq!(asked(Some(5)).managers(Some(3)), Ok(5));
        assert_eq!(
            asked(Some(1)).managers(Some(3)),
            Err(OptionsError::Smaller { role: "manager", have: 3, want: 1 })
        );
        assert_eq!(asked(Some(0)).managers(None), Err(OptionsError::Managers(0)));
    }

    #[test]
    fn relative_paths_are_refused() {
        let options = UpOptions::new("dev", "shoal");
        assert_eq!(options.check(), Err(OptionsError::Relative("shoal".into())));
        let roots = Roots::new("run", "/data");
        assert_eq!(
            DownOptions { roots, ..DownOptions::new("dev") }.check(),
            Err(OptionsError::Relative("run".into()))
        );
    }
}
