//! Linux capabilities by name, as people write them.

use super::bounds::shown;
use crate::model::Problems;

/// Names from capabilities(7), without `CAP_`.
const NAMES: [&str; 41] = [
    "AUDIT_CONTROL",
    "AUDIT_READ",
    "AUDIT_WRITE",
    "BLOCK_SUSPEND",
    "BPF",
    "CHECKPOINT_RESTORE",
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "IPC_LOCK",
    "IPC_OWNER",
    "KILL",
    "LEASE",
    "LINUX_IMMUTABLE",
    "MAC_ADMIN",
    "MAC_OVERRIDE",
    "MKNOD",
    "NET_ADMIN",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_RAW",
    "PERFMON",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYSLOG",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_CHROOT",
    "SYS_MODULE",
    "SYS_NICE",
    "SYS_PACCT",
    "SYS_PTRACE",
    "SYS_RAWIO",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "WAKE_ALARM",
];

/// Reads a list of capabilities, each once, in upper case and without `CAP_`; `ALL` stands for all.
pub(super) fn capabilities(option: &str, texts: Vec<String>, problems: &mut Problems) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for text in texts {
        let upper = text.to_ascii_uppercase();
        let name = upper.strip_prefix("CAP_").unwrap_or(&upper);
        if name != "ALL" && !NAMES.contains(&name) {
            problems.add(
                option,
                format!(
                    "`{}` is not a capability: use a name such as NET_ADMIN or SYS_TIME, or ALL",
                    shown(&text)
                ),
            );
        } else if names.iter().all(|known| known != name) {
            names.push(name.to_owned());
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capabilities_are_written_one_way_and_once() {
        let mut problems = Problems::default();
        let given = ["cap_net_admin", "NET_ADMIN", "Sys_Time", "all"].map(String::from).to_vec();
        assert_eq!(capabilities("--cap-add", given, &mut problems), ["NET_ADMIN", "SYS_TIME", "ALL"]);
        assert_eq!(problems, Problems::default());
    }

    #[test]
    fn an_unknown_capability_is_named() {
        let mut problems = Problems::default();
        assert!(capabilities("--cap-drop", vec!["CAP_FLY".into()], &mut problems).is_empty());
        assert!(problems.to_string().starts_with("--cap-drop: `CAP_FLY` is not a capability"), "{problems}");
    }
}
