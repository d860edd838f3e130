//! Says what a machine lacks for running containers, before anything fails for it.

use crate::{
    cgroup::Hierarchies,
    overlay::{self, Changes},
    private_mounts,
};
use nix::{
    mount::{MntFlags, MsFlags, mount, umount2},
    sys::utsname::uname,
};
use std::{fs, path::Path};
use worker_core::oci_spec::CgroupVersion;

/// The oldest kernel whose calls for mounting are what libcontainer uses (`mount_setattr`).
const KERNEL_MIN: (u32, u32) = (5, 12);

/// One thing containers need.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What it is.
    pub name: &'static str,
    /// Whether it is there.
    pub ok: bool,
    /// What was found.
    pub detail: String,
    /// What to do if it is not there.
    pub remedy: &'static str,
}

/// Looks at everything containers need of this machine, trying what can be tried. `scratch` is an
/// empty folder where containers will be kept.
pub fn preflight(scratch: &Path) -> Vec<Check> {
    vec![kernel(), cgroups(), overlayfs(scratch), seccomp(), namespaces()]
}

fn check(name: &'static str, remedy: &'static str, found: Result<String, String>) -> Check {
    let ok = found.is_ok();
    Check { name, ok, detail: found.unwrap_or_else(|problem| problem), remedy }
}

fn kernel() -> Check {
    let found = uname().map_err(|errno| errno.desc().to_owned()).and_then(|system| {
        let release = system.release().to_string_lossy().into_owned();
        match version(&release) {
            Some(version) if version >= KERNEL_MIN => Ok(release),
            Some(_) => Err(format!("{release} is too old")),
            None => Err(format!("{release} has no version number")),
        }
    });
    check("kernel", "use Linux 5.12 or newer", found)
}

fn version(release: &str) -> Option<(u32, u32)> {
    let mut parts = release.split(|c: char| !c.is_ascii_digit()).map(|part| part.parse().ok());
    Some((parts.next()??, parts.next()??))
}

fn cgroups() -> Check {
    let found = Hierarchies::detect().map_err(|error| error.to_string()).and_then(|hierarchies| {
        let available = hierarchies.controllers();
        // Version 2 has no controller for devices: a filter takes its place.
        let needed: &[&str] = match hierarchies.version() {
            CgroupVersion::V1 => &["cpu", "memory", "pids", "devices"],
            CgroupVersion::V2 => &["cpu", "memory", "pids"],
        };
        let missing: Vec<&str> =
            needed.iter().copied().filter(|name| !available.iter().any(|a| a == name)).collect();
        let version = if hierarchies.version() == CgroupVersion::V1 { "version 1" } else { "version 2" };
        if missing.is_empty() {
            Ok(format!("{version} with {}", needed.join(", ")))
        } else {
            Err(format!("{version} without {}", missing.join(", ")))
        }
    });
    let remedy = "mount cgroup2 at /sys/fs/cgroup and enable the missing controllers in the kernel \
                  (some need a boot parameter, such as cgroup_enable=memory)";
    check("cgroups", remedy, found)
}

fn overlayfs(scratch: &Path) -> Check {
    let found = private_mounts::within(|| try_overlay(scratch)).map_err(|error| error.to_string());
    check(
        "overlayfs",
        "load the module overlay, and keep the state on ext4 or xfs (with ftype=1)",
        found.and_then(|tried| tried.map(|()| format!("works on {}", scratch.display()))),
    )
}

/// Mounts a layer under a change, in folders that are removed again.
fn try_overlay(scratch: &Path) -> Result<(), String> {
    let folders = ["lower", "upper", "work", "merged"].map(|name| scratch.join(format!("preflight-{name}")));
    let [lower, upper, work, merged] = &folders;
    let tried =
        folders.iter().try_for_each(fs::create_dir_all).map_err(|error| error.to_string()).and_then(|()| {
            overlay::mount_layers(std::slice::from_ref(lower), Some(Changes { upper, work }), merged)
                .map_err(|error| {
                    let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}"));
                    format!("{error}{}", cause.unwrap_or_default())
                })?;
            umount2(merged, MntFlags::MNT_DETACH).map_err(|errno| errno.desc().to_owned())
        });
    for folder in &folders {
        // It is this check's own; what is left would only be found again by the next one.
        let _ = fs::remove_dir_all(folder);
    }
    tried
}

fn seccomp() -> Check {
    let found = fs::read_to_string("/proc/sys/kernel/seccomp/actions_avail");
    let found = match found {
        Ok(actions) if actions.split_whitespace().any(|action| action == "errno") => {
            Ok("filters are available".into())
        }
        Ok(_) => Err("filters can't refuse calls".into()),
        Err(_) => Err("the kernel has no filters".into()),
    };
    check("seccomp", "use a kernel with CONFIG_SECCOMP_FILTER", found)
}

fn namespaces() -> Check {
    let needed = ["pid", "mnt", "net", "uts", "ipc"];
    let missing: Vec<&str> =
        needed.into_iter().filter(|name| !Path::new("/proc/self/ns").join(name).exists()).collect();
    let found = if !missing.is_empty() {
        Err(format!("the kernel has no {} namespaces", missing.join(", ")))
    } else {
        let made = private_mounts::within(|| {
            mount(Some("tmpfs"), "/proc", Some("tmpfs"), MsFlags::empty(), None::<&str>)
        });
        match made {
            Ok(Ok(())) => Ok(format!("{} are available", needed.join(", "))),
            Ok(Err(errno)) => Err(format!("nothing can be mounted in a namespace: {}", errno.desc())),
            Err(error) => Err(error.to_string()),
        }
    };
    check("namespaces", "run the daemon as root, on a kernel with namespaces", found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernel_versions_are_compared_as_numbers() {
        assert!(version("6.1.0-18-amd64") >= Some(KERNEL_MIN));
        assert!(version("5.4.0") < Some(KERNEL_MIN));
        assert_eq!(version("mystery"), None);
    }

    #[test]
    fn a_machine_that_runs_these_tests_has_everything_and_nothing_is_left() {
        let scratch = tempfile::tempdir().unwrap();
        let failed: Vec<Check> = preflight(scratch.path()).into_iter().filter(|check| !check.ok).collect();
        assert_eq!(failed, []);
        assert_eq!(fs::read_dir(scratch.path()).unwrap().count(), 0);
    }
}
