//! Makes a container's root, and looks for what would make its creation fail without a word.

use super::{Assignment, explain};
use crate::{
    overlay::{self, Changes},
    private_mounts,
    rootfs::Rootfs,
};
use nix::errno::Errno;
use oci_spec::runtime::{Linux, LinuxNamespaceType, Mount};
use std::path::Path;

/// Mounts the root where only the shim and its container see it, and readies it.
pub(super) fn root(assignment: &Assignment) -> Result<(), String> {
    let Assignment { container, config, spec, .. } = assignment;
    let mounts = spec.mounts().as_deref().unwrap_or_default();
    sources_exist(mounts)?;
    network_exists(spec.linux().as_ref())?;
    limits_are_possible(spec.linux().as_ref(), &assignment.cgroups.controllers())?;
    private_mounts::enter().map_err(|error| explain::chain(&error))?;
    let changes = Changes { upper: &container.upper(), work: &container.work() };
    overlay::mount_layers(&config.lower_dirs, Some(changes), &container.rootfs())
        .map_err(|error| explain::chain(&error))?;
    let Some(process) = spec.process() else { return Ok(()) };
    working_directory(&container.rootfs(), process.cwd(), mounts)
}

fn sources_exist(mounts: &[Mount]) -> Result<(), String> {
    let binds = mounts.iter().filter(|mount| mount.typ().as_deref() == Some("bind"));
    let mut sources = binds.filter_map(|mount| mount.source().as_ref());
    match sources.find(|source| !source.exists()) {
        Some(missing) => {
            Err(format!("bind mount source `{}` does not exist on this node", missing.display()))
        }
        None => Ok(()),
    }
}

fn network_exists(linux: Option<&Linux>) -> Result<(), String> {
    let namespaces = linux.and_then(|linux| linux.namespaces().as_deref()).unwrap_or_default();
    let mut networks = namespaces.iter().filter(|namespace| namespace.typ() == LinuxNamespaceType::Network);
    match networks.find_map(|network| network.path().as_ref().filter(|path| !path.exists())) {
        Some(missing) => Err(format!("the container's network `{}` is gone", missing.display())),
        None => Ok(()),
    }
}

fn limits_are_possible(linux: Option<&Linux>, controllers: &[String]) -> Result<(), String> {
    let Some(resources) = linux.and_then(|linux| linux.resources().as_ref()) else { return Ok(()) };
    let limits = [
        ("cpu", resources.cpu().is_some()),
        ("memory", resources.memory().is_some()),
        ("pids", resources.pids().is_some()),
    ];
    let missing =
        limits.iter().find(|(name, limited)| *limited && !controllers.iter().any(|other| other == name));
    match missing {
        Some((name, _)) => {
            Err(format!("this node can't limit {name}: its kernel offers no such cgroup controller"))
        }
        None => Ok(()),
    }
}

/// Makes the working directory if the image does not have it, as Docker does.
fn working_directory(root: &Path, path: &Path, mounts: &[Mount]) -> Result<(), String> {
    // What will be mounted over the image can't be looked into yet.
    if mounts.iter().any(|mount| path.starts_with(mount.destination())) {
        return Ok(());
    }
    let made = Rootfs::open(root).and_then(|rootfs| rootfs.make_folders(path));
    made.map_err(|errno| match errno {
        Errno::ENOTDIR => format!("working directory `{}` is not a directory in the image", path.display()),
        other => format!("working directory `{}` can't be made: {}", path.display(), other.desc()),
    })
}
