//! Reads what the kernel says about cgroups.

/// The mount point, if a line of `mountinfo` is a version 1 hierarchy (proc(5)).
pub(super) fn v1_mount_point(line: &str) -> Option<&str> {
    let (mount, source) = line.split_once(" - ")?;
    source.starts_with("cgroup ").then(|| mount.split(' ').nth(4)).flatten()
}

/// The controllers that are mounted, by lines `name hierarchy cgroups enabled` (cgroups(7)).
pub(super) fn v1_controllers(text: &str) -> Vec<String> {
    let lines = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let mounted = lines.filter(|fields| matches!(fields[..], [_, hierarchy, _, "1"] if hierarchy != "0"));
    mounted.map(|fields| fields[0].to_owned()).collect()
}

/// The number after a name in lines `name number`; zero if it is not there.
pub(super) fn counter(text: &str, name: &str) -> u64 {
    let values = text.lines().filter_map(|line| line.split_once(' ')).filter(|(key, _)| *key == name);
    values.filter_map(|(_, value)| value.trim().parse().ok()).next().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_1_hierarchies_are_found_among_the_mounts() {
        let line = "33 24 0:29 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory";
        assert_eq!(v1_mount_point(line), Some("/sys/fs/cgroup/memory"));
        let unified = "42 24 0:35 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw";
        assert_eq!(v1_mount_point(unified), None);
    }

    #[test]
    fn controllers_count_if_they_are_mounted_and_enabled() {
        let text =
            "#subsys_name\thierarchy\tnum_cgroups\tenabled\ncpu\t1\t3\t1\nmemory\t4\t9\t0\npids\t0\t1\t1\n";
        assert_eq!(v1_controllers(text), ["cpu"]);
    }

    #[test]
    fn kills_for_lack_of_memory_are_counted() {
        assert_eq!(counter("oom_kill_disable 0\nunder_oom 0\noom_kill 3\n", "oom_kill"), 3);
        assert_eq!(counter("low 0\noom 1\noom_kill 1\noom_group_kill 0\n", "oom_kill"), 1);
        assert_eq!(counter("", "oom_kill"), 0);
    }
}
