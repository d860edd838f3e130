//! What is mounted in a container, and what of `/proc` and `/sys` is hidden.

use super::{CgroupVersion, GeneratedFiles, ResolvedMount, ResolvedSource, built};
use oci_spec::runtime::{Mount, MountBuilder};
use std::path::{Component, Path};

/// Parts of `/proc` and `/sys` that tell about the host, or control it: they appear empty.
pub(super) const MASKED: [&str; 12] = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
];

/// Parts of `/proc` that change the host when written.
const READ_ONLY: [&str; 5] = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

/// Names a version 1 hierarchy may be mounted by.
const V1_HIERARCHIES: [&str; 17] = [
    "blkio",
    "cpu",
    "cpu,cpuacct",
    "cpuacct",
    "cpuset",
    "devices",
    "freezer",
    "hugetlb",
    "memory",
    "misc",
    "net_cls",
    "net_cls,net_prio",
    "net_prio",
    "perf_event",
    "pids",
    "rdma",
    "systemd",
];

/// Names the paths to be made read-only; those that are not there do no harm.
pub(super) fn read_only_paths(cgroups: CgroupVersion) -> Vec<String> {
    let mut paths: Vec<String> = READ_ONLY.map(String::from).into();
    if cgroups == CgroupVersion::V1 {
        // The runtime mounts these writable whatever its cgroup mount says, and root in the container
        // could lift its own limits there.
        paths.push("/sys/fs/cgroup".into());
        paths.extend(V1_HIERARCHIES.iter().map(|name| format!("/sys/fs/cgroup/{name}")));
    }
    paths
}

/// Lists all mounts in the order they are made: the system's, the generated files, then the task's,
/// outer ones first. A mount of the task takes the place of any other with the same target.
pub(super) fn mounts(files: &GeneratedFiles, asked: &[ResolvedMount]) -> Vec<Mount> {
    let mut mounts = system();
    let generated = [
        ("/etc/resolv.conf", &files.resolv_conf),
        ("/etc/hostname", &files.hostname),
        ("/etc/hosts", &files.hosts),
    ];
    mounts.extend(
        generated.into_iter().filter_map(|(target, source)| Some(bind(target, source.as_deref()?, false))),
    );
    mounts.retain(|mount| {
        !asked.iter().any(|other| parts(Path::new(&other.target)) == parts(mount.destination()))
    });
    let mut asked: Vec<&ResolvedMount> = asked.iter().collect();
    asked.sort_by_key(|mount| parts(Path::new(&mount.target)).len());
    mounts.extend(asked.into_iter().map(task_mount));
    mounts
}

fn parts(path: &Path) -> Vec<Component<'_>> {
    path.components().filter(|part| *part != Component::CurDir).collect()
}

fn system() -> Vec<Mount> {
    let shm_bytes = 64 << 20;
    vec![
        special("/proc", "proc", &["nosuid", "noexec", "nodev"]),
        special("/dev", "tmpfs", &["nosuid", "strictatime", "mode=755", "size=65536k"]),
        special(
            "/dev/pts",
            "devpts",
            &["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"],
        ),
        special("/sys", "sysfs", &["nosuid", "noexec", "nodev", "ro"]),
        special("/sys/fs/cgroup", "cgroup", &["nosuid", "noexec", "nodev", "relatime", "ro"]),
        special("/dev/mqueue", "mqueue", &["nosuid", "noexec", "nodev"]),
        special(
            "/dev/shm",
            "tmpfs",
            &["nosuid", "noexec", "nodev", "mode=1777", &format!("size={shm_bytes}")],
        ),
    ]
}

fn task_mount(mount: &ResolvedMount) -> Mount {
    match &mount.source {
        ResolvedSource::Path(source) => bind(&mount.target, source, mount.read_only),
        ResolvedSource::Tmpfs { size_bytes, mode } => {
            let mode = format!("mode={:o}", mode.unwrap_or(0o1777));
            let size = size_bytes.map(|bytes| format!("size={bytes}"));
            let mut options = vec!["nosuid", "noexec", "nodev", &mode];
            options.extend(size.as_deref());
            if mount.read_only {
                options.push("ro");
            }
            special(&mount.target, "tmpfs", &options)
        }
    }
}

/// What the host mounts below the source later appears too; the container's own mounts never leave it.
fn bind(target: &str, source: &Path, read_only: bool) -> Mount {
    let mut options = vec!["rbind".to_owned(), "rslave".to_owned()];
    if read_only {
        // Also what is mounted below the source: `ro` alone would leave that writable.
        options.push("rro".to_owned());
    }
    built(MountBuilder::default().destination(target).typ("bind").source(source).options(options).build())
}

fn special(target: &str, kind: &str, options: &[&str]) -> Mount {
    let options: Vec<String> = options.iter().map(|option| option.to_string()).collect();
    built(MountBuilder::default().destination(target).typ(kind).source(kind).options(options).build())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(target: &str) -> ResolvedMount {
        ResolvedMount { target: target.into(), read_only: true, source: ResolvedSource::Path("/host".into()) }
    }

    fn targets(mounts: &[Mount]) -> Vec<&str> {
        mounts.iter().filter_map(|mount| mount.destination().to_str()).collect()
    }

    #[test]
    fn an_outer_mount_is_made_before_what_lies_in_it() {
        let made = mounts(&GeneratedFiles::default(), &[asked("/srv/a/b"), asked("/srv"), asked("/srv/a")]);
        assert_eq!(targets(&made)[7..], ["/srv", "/srv/a", "/srv/a/b"]);
    }

    #[test]
    fn a_mount_of_the_task_takes_the_place_of_the_systems() {
        let files = GeneratedFiles { hosts: Some("/run/hosts".into()), ..Default::default() };
        let made = mounts(&files, &[asked("/dev/shm/"), asked("/etc/hosts")]);
        let sources = |target: &str| {
            let same = |mount: &&Mount| parts(mount.destination()) == parts(Path::new(target));
            made.iter().filter(same).filter_map(|mount| mount.source().clone()).collect::<Vec<_>>()
        };
        assert_eq!(sources("/dev/shm"), [Path::new("/host")]);
        assert_eq!(sources("/etc/hosts"), [Path::new("/host")]);
    }
}
