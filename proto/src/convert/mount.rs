//! Mounts of a container.

use super::bounds::{self, shown};
use crate::{
    model::{Mount, MountKind, Problems, mount::MountError},
    wire,
};
use std::collections::BTreeSet;

const OPTION: &str = "--mount";

impl From<&Mount> for wire::Mount {
    fn from(mount: &Mount) -> Self {
        use wire::mount::Kind;
        let (kind, source, tmpfs_size_bytes, tmpfs_mode) = match &mount.kind {
            MountKind::Bind { source } => (Kind::Bind, source.clone(), None, None),
            MountKind::Volume { name } => (Kind::Volume, name.clone().unwrap_or_default(), None, None),
            MountKind::Tmpfs { size_bytes, mode } => (Kind::Tmpfs, String::new(), *size_bytes, *mode),
        };
        wire::Mount {
            kind: kind.into(),
            source,
            target: mount.target.clone(),
            read_only: mount.read_only,
            tmpfs_size_bytes,
            tmpfs_mode,
        }
    }
}

impl TryFrom<wire::Mount> for Mount {
    type Error = MountError;

    fn try_from(mount: wire::Mount) -> Result<Self, MountError> {
        use wire::mount::Kind;
        let kind = Kind::try_from(mount.kind).map_err(|_| MountError::Kind(mount.kind.to_string()))?;
        let kind = match kind {
            Kind::Bind => {
                refuse_tmpfs_options(&mount, "bind")?;
                MountKind::Bind { source: mount.source }
            }
            // Docker's default.
            Kind::Volume | Kind::Unspecified => {
                refuse_tmpfs_options(&mount, "volume")?;
                MountKind::Volume { name: Some(mount.source).filter(|name| !name.is_empty()) }
            }
            Kind::Tmpfs if !mount.source.is_empty() => {
                return Err(MountError::Option { option: "source", kind: "tmpfs" });
            }
            Kind::Tmpfs => MountKind::Tmpfs { size_bytes: mount.tmpfs_size_bytes, mode: mount.tmpfs_mode },
        };
        Mount { target: mount.target, read_only: mount.read_only, kind }.check()
    }
}

fn refuse_tmpfs_options(mount: &wire::Mount, kind: &'static str) -> Result<(), MountError> {
    match (mount.tmpfs_size_bytes, mount.tmpfs_mode) {
        (Some(_), _) => Err(MountError::Option { option: "tmpfs-size", kind }),
        (_, Some(_)) => Err(MountError::Option { option: "tmpfs-mode", kind }),
        (None, None) => Ok(()),
    }
}

/// Reads a container's mounts, noting those that are malformed and targets given twice.
pub(super) fn mounts(mounts: Vec<wire::Mount>, problems: &mut Problems) -> Vec<Mount> {
    bounds::count(OPTION, mounts.len(), problems);
    for path in mounts.iter().flat_map(|mount| [&mount.source, &mount.target]) {
        if path.len() > bounds::TEXT_BYTES_MAX {
            problems.add(
                OPTION,
                format!(
                    "`{}...` has {} bytes: must be at most {}",
                    shown(path),
                    path.len(),
                    bounds::TEXT_BYTES_MAX
                ),
            );
        }
    }
    let mounts: Vec<Mount> = problems.take_all(OPTION, mounts.into_iter().map(Mount::try_from));
    let mut targets = BTreeSet::new();
    for mount in &mounts {
        if !targets.insert(parts(&mount.target)) {
            problems.add(OPTION, format!("target `{}` is given twice: mount it once", shown(&mount.target)));
        }
    }
    mounts
}

/// The parts of a path that matter, so that `/data`, `/data/` and `/./data` are seen as one.
pub(super) fn parts(path: &str) -> Vec<&str> {
    path.split('/').filter(|part| !matches!(*part, "" | ".")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::mount::Kind;

    fn mount(kind: Kind, source: &str, target: &str) -> wire::Mount {
        wire::Mount { kind: kind.into(), source: source.into(), target: target.into(), ..Default::default() }
    }

    #[test]
    fn two_spellings_of_one_target_are_a_problem() {
        let mut problems = Problems::default();
        mounts(vec![mount(Kind::Volume, "a", "/data"), mount(Kind::Volume, "b", "/./data/")], &mut problems);
        assert_eq!(problems.to_string(), "--mount: target `/./data/` is given twice: mount it once");
    }

    #[test]
    fn an_option_of_another_kind_is_refused() {
        let sized = wire::Mount { tmpfs_size_bytes: Some(1), ..mount(Kind::Bind, "/a", "/b") };
        assert_eq!(Mount::try_from(sized), Err(MountError::Option { option: "tmpfs-size", kind: "bind" }));
        let named = mount(Kind::Tmpfs, "a", "/b");
        assert_eq!(Mount::try_from(named), Err(MountError::Option { option: "source", kind: "tmpfs" }));
    }

    #[test]
    fn an_unknown_kind_of_mount_is_refused_and_none_is_a_volume() {
        let unknown = wire::Mount { kind: 9, ..mount(Kind::Bind, "/a", "/b") };
        assert_eq!(Mount::try_from(unknown), Err(MountError::Kind("9".into())));
        let volume = Mount::try_from(mount(Kind::Unspecified, "", "/b")).unwrap();
        assert_eq!(volume.kind, MountKind::Volume { name: None });
    }
}
