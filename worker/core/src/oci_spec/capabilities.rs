//! Which capabilities a container has.

use super::SpecError;
use oci_spec::runtime::Capability::{self, *};

/// What a container has when nothing is asked for: Docker's set.
pub const DEFAULT: [Capability; 14] = [
    AuditWrite,
    Chown,
    DacOverride,
    Fowner,
    Fsetid,
    Kill,
    Mknod,
    NetBindService,
    NetRaw,
    Setfcap,
    Setgid,
    Setpcap,
    Setuid,
    SysChroot,
];

/// Every capability, at the place of its number in the kernel.
const BY_NUMBER: [Capability; 41] = [
    Chown,
    DacOverride,
    DacReadSearch,
    Fowner,
    Fsetid,
    Kill,
    Setgid,
    Setuid,
    Setpcap,
    LinuxImmutable,
    NetBindService,
    NetBroadcast,
    NetAdmin,
    NetRaw,
    IpcLock,
    IpcOwner,
    SysModule,
    SysRawio,
    SysChroot,
    SysPtrace,
    SysPacct,
    SysAdmin,
    SysBoot,
    SysNice,
    SysResource,
    SysTime,
    SysTtyConfig,
    Mknod,
    Lease,
    AuditWrite,
    AuditControl,
    Setfcap,
    MacOverride,
    MacAdmin,
    Syslog,
    WakeAlarm,
    BlockSuspend,
    AuditRead,
    Perfmon,
    Bpf,
    CheckpointRestore,
];

/// Reads a capability mask as `/proc/PID/status` shows it (`CapBnd`); bits without a name are left out.
pub fn from_mask(mask: u64) -> Vec<Capability> {
    let known = BY_NUMBER.iter().enumerate();
    known.filter(|(number, _)| mask & (1 << number) != 0).map(|(_, &capability)| capability).collect()
}

/// Decides a container's capabilities, in the kernel's order. `ALL` stands for everything
/// `available` on the node; whatever is asked for by name must be there.
pub(super) fn choose(
    add: &[String],
    drop: &[String],
    available: &[Capability],
) -> Result<Vec<Capability>, SpecError> {
    let (add_all, added) = read(add)?;
    let (drop_all, dropped) = read(drop)?;
    if let Some(missing) = added.iter().find(|wanted| !available.contains(wanted)) {
        return Err(SpecError::CapabilityUnavailable { name: missing.to_string() });
    }
    let chosen = |capability: &&Capability| match (add_all, drop_all) {
        (true, _) => !dropped.contains(*capability),
        (false, true) => added.contains(*capability),
        (false, false) => {
            added.contains(*capability) || (DEFAULT.contains(*capability) && !dropped.contains(*capability))
        }
    };
    let offered = BY_NUMBER.iter().filter(|capability| available.contains(capability));
    Ok(offered.filter(chosen).copied().collect())
}

/// Reads names with or without `CAP_`, in any case; the flag says whether `ALL` was among them.
fn read(names: &[String]) -> Result<(bool, Vec<Capability>), SpecError> {
    let mut all = false;
    let mut read = Vec::new();
    for name in names {
        let upper = name.to_ascii_uppercase();
        let bare = upper.strip_prefix("CAP_").unwrap_or(&upper);
        if bare == "ALL" {
            all = true;
            continue;
        }
        let known = BY_NUMBER.iter().find(|capability| capability.to_string() == bare);
        read.push(*known.ok_or_else(|| SpecError::UnknownCapability { name: name.clone() })?);
    }
    Ok((all, read))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mask(capabilities: &[Capability]) -> u64 {
        BY_NUMBER.iter().enumerate().filter(|(_, c)| capabilities.contains(c)).map(|(n, _)| 1 << n).sum()
    }

    fn names(list: &[&str]) -> Vec<String> {
        list.iter().map(|name| name.to_string()).collect()
    }

    fn chosen(add: &[&str], drop: &[&str]) -> Result<u64, SpecError> {
        choose(&names(add), &names(drop), &BY_NUMBER).map(|capabilities| mask(&capabilities))
    }

    #[test]
    fn the_default_set_is_dockers() {
        assert_eq!(chosen(&[], &[]).unwrap(), 0xa804_25fb);
    }

    #[test]
    fn names_are_read_with_or_without_prefix_in_any_case() {
        let added = chosen(&["net_admin"], &["CAP_CHOWN"]).unwrap();
        assert_eq!(added, (0xa804_25fb | 1 << 12) & !1);
    }

    #[test]
    fn all_can_be_dropped_and_added_with_exceptions() {
        assert_eq!(chosen(&["KILL"], &["ALL"]).unwrap(), 1 << 5);
        assert_eq!(chosen(&["ALL"], &["KILL"]).unwrap(), mask(&BY_NUMBER) & !(1 << 5));
    }

    #[test]
    fn what_the_node_lacks_is_left_out_of_all_and_refused_by_name() {
        let without = from_mask(mask(&BY_NUMBER) & !(1 << 24));
        let all = choose(&names(&["ALL"]), &[], &without).unwrap();
        assert!(!all.contains(&SysResource));
        let by_name = choose(&names(&["SYS_RESOURCE"]), &[], &without).unwrap_err();
        assert!(by_name.to_string().contains("SYS_RESOURCE"), "{by_name}");
    }

    #[test]
    fn an_unknown_name_is_refused() {
        assert!(matches!(chosen(&["NET_ADMlN"], &[]), Err(SpecError::UnknownCapability { .. })));
    }
}
