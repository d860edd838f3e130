//! What an image says about how its containers run.

use super::SpecError;
use proto::model::{ContainerSpec, Mount, Signal};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The part of an image's configuration that decides how its containers run.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ImageConfig {
    /// `NAME=value`.
    pub env: Vec<String>,
    /// Put before the command.
    pub entrypoint: Vec<String>,
    /// The command, or the entrypoint's arguments.
    pub cmd: Vec<String>,
    /// `USER[:GROUP]` by name or number.
    pub user: Option<String>,
    /// Working directory.
    pub workdir: Option<String>,
    /// What asks the main process to end.
    pub stop_signal: Option<String>,
    /// Labels its containers begin with.
    pub labels: BTreeMap<String, String>,
    /// Paths whose content is kept in volumes.
    pub volumes: BTreeSet<String>,
}

impl ImageConfig {
    /// Says which user a container runs as, as `USER[:GROUP]`; `None` is root.
    pub fn user_of<'a>(&'a self, container: &'a ContainerSpec) -> Option<&'a str> {
        let asked = container.user.as_deref().filter(|user| !user.is_empty());
        asked.or_else(|| self.user.as_deref().filter(|user| !user.is_empty()))
    }

    /// Says what asks a container to end: the spec's signal, else the image's, else SIGTERM.
    pub fn stop_signal_of(&self, container: &ContainerSpec) -> Result<Signal, SpecError> {
        match (container.stop_signal, self.stop_signal.as_deref()) {
            (Some(signal), _) => Ok(signal),
            (None, None | Some("")) => Ok(Signal::TERM),
            (None, Some(text)) => text.parse().map_err(|source| SpecError::ImageStopSignal { source }),
        }
    }

    /// Names the volumes the image declares that no mount of the container covers: each of them
    /// needs a volume of the task's own.
    pub fn uncovered_volumes<'a>(&'a self, mounts: &[Mount]) -> Vec<&'a str> {
        let same = |a: &str, b: &str| a.trim_end_matches('/') == b.trim_end_matches('/');
        let covered = |path: &str| mounts.iter().any(|mount| same(&mount.target, path));
        self.volumes.iter().map(String::as_str).filter(|path| !covered(path)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto::model::MountKind;

    #[test]
    fn the_stop_signal_comes_from_the_spec_then_the_image() {
        let mut image = ImageConfig { stop_signal: Some("SIGQUIT".into()), ..Default::default() };
        let mut container = ContainerSpec::default();
        assert_eq!(image.stop_signal_of(&container).unwrap().number(), 3);
        container.stop_signal = Some("INT".parse().unwrap());
        assert_eq!(image.stop_signal_of(&container).unwrap().number(), 2);
        assert_eq!(ImageConfig::default().stop_signal_of(&ContainerSpec::default()).unwrap(), Signal::TERM);
        image.stop_signal = Some("NOPE".into());
        assert!(image.stop_signal_of(&ContainerSpec::default()).is_err());
    }

    #[test]
    fn a_mount_takes_the_place_of_a_declared_volume() {
        let volumes = ["/data".to_owned(), "/cache".to_owned()].into();
        let image = ImageConfig { volumes, ..Default::default() };
        let mount =
            Mount { target: "/data/".into(), read_only: false, kind: MountKind::Volume { name: None } };
        assert_eq!(image.uncovered_volumes(&[mount]), ["/cache"]);
    }
}
