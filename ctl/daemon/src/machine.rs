//! What the machine runs on, for `system info`.

use std::path::Path;

/// `1`, `1 (hybrid)` or `2`: which control groups the machine has.
pub fn cgroup_version() -> &'static str {
    if Path::new("/sys/fs/cgroup/cgroup.controllers").exists() {
        "2"
    } else if Path::new("/sys/fs/cgroup/unified/cgroup.controllers").exists() {
        "1 (hybrid)"
    } else {
        "1"
    }
}

/// The kernel's release.
pub fn kernel_version() -> String {
    std::fs::read_to_string("/proc/sys/kernel/osrelease")
        .map(|text| text.trim().to_owned())
        .unwrap_or_default()
}

/// The machine's host name.
pub fn hostname() -> String {
    nix::unistd::gethostname().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}
