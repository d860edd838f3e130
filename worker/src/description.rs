//! What this node says of itself.

use nix::unistd::gethostname;
use proto::model::{NodeDescription, cluster::FEATURE_LEVEL};
use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    net::IpAddr,
    thread,
};

/// Describes this node; what can't be found out is left zero or empty.
pub fn describe(engine_labels: BTreeMap<String, String>, data_path_addr: Option<IpAddr>) -> NodeDescription {
    let hostname = gethostname().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let meminfo = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    NodeDescription {
        hostname,
        os: env::consts::OS.into(),
        arch: image_architecture(env::consts::ARCH).into(),
        // Counts only processors this daemon, and so its containers, may run on.
        nano_cpus: thread::available_parallelism().map_or(0, |cpus| cpus.get() as u64 * 1_000_000_000),
        memory_bytes: memory_bytes(&meminfo).unwrap_or(0),
        version: env!("CARGO_PKG_VERSION").into(),
        engine_labels,
        feature_level: FEATURE_LEVEL,
        data_path_addr,
        local_subnets: BTreeSet::new(),
        container_subnets: BTreeSet::new(),
        addresses: BTreeSet::new(),
    }
}

/// An architecture as images name it, from Rust's name for it.
fn image_architecture(rust: &str) -> &str {
    match rust {
        "x86_64" => "amd64",
        "x86" => "386",
        "aarch64" => "arm64",
        "powerpc64" if cfg!(target_endian = "little") => "ppc64le",
        "powerpc64" => "ppc64",
        "loongarch64" => "loong64",
        other => other,
    }
}

/// All memory of the machine, in bytes, from the text of `/proc/meminfo`.
fn memory_bytes(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_describes_itself() {
        let node = describe(BTreeMap::new(), None);
        assert_eq!(node.os, "linux");
        assert!(
            !node.hostname.is_empty() && node.nano_cpus >= 1_000_000_000 && node.memory_bytes > 1 << 20,
            "{node:?}"
        );
    }

    #[test]
    fn architectures_are_named_as_images_name_them() {
        assert_eq!(
            ["x86_64", "aarch64", "riscv64", "s390x"].map(image_architecture),
            ["amd64", "arm64", "riscv64", "s390x"]
        );
    }

    #[test]
    fn memory_is_read_in_bytes() {
        assert_eq!(memory_bytes("MemTotal:       2048 kB\nMemFree: 1 kB\n"), Some(2 << 20));
        assert_eq!(memory_bytes("nothing"), None);
    }
}
