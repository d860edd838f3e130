//! Which system calls a container may make: Docker's default profile, as a table of our own.
//!
//! One thing differs. A call this table does not name fails with ENOSYS, not EPERM, and those known
//! and withheld are listed to fail with EPERM: a libc that tries a call newer than this table falls
//! back to an older one only if it is told that there is no such call.

mod tables;

use super::built;
use oci_spec::runtime::{
    Arch, Capability, LinuxSeccomp, LinuxSeccompAction, LinuxSeccompArg, LinuxSeccompArgBuilder,
    LinuxSeccompBuilder, LinuxSeccompOperator, LinuxSyscall, LinuxSyscallBuilder,
};

const EPERM: u32 = 1;
const ENOSYS: u32 = 38;
/// Hypervisor sockets reach the host and other machines past every network rule.
const AF_VSOCK: u64 = 40;
/// `CLONE_NEWNS`, `NEWCGROUP`, `NEWUTS`, `NEWIPC`, `NEWUSER`, `NEWPID`, `NEWNET`.
const NAMESPACE_FLAGS: [u64; 7] =
    [0x0002_0000, 0x0200_0000, 0x0400_0000, 0x0800_0000, 0x1000_0000, 0x2000_0000, 0x4000_0000];
/// Linux, 32-bit Linux, both with the machine's name as of Linux 2.6, and "only ask".
const PERSONALITIES: [u64; 5] = [0, 0x8, 0x2_0000, 0x2_0008, 0xffff_ffff];

/// What a node's programs are made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Architecture {
    /// 64-bit x86, which also runs 32-bit and x32 programs.
    X86_64,
    /// 64-bit ARM, which also runs 32-bit programs.
    Aarch64,
}

impl Architecture {
    /// The one this program was compiled for.
    pub const NATIVE: Architecture =
        if cfg!(target_arch = "aarch64") { Architecture::Aarch64 } else { Architecture::X86_64 };

    fn filtered(self) -> Vec<Arch> {
        match self {
            Architecture::X86_64 => vec![Arch::ScmpArchX86_64, Arch::ScmpArchX86, Arch::ScmpArchX32],
            Architecture::Aarch64 => vec![Arch::ScmpArchAarch64, Arch::ScmpArchArm],
        }
    }

    fn own_calls(self) -> &'static [&'static str] {
        match self {
            Architecture::X86_64 => &["arch_prctl", "modify_ldt"],
            Architecture::Aarch64 => &[
                "arm_fadvise64_64",
                "arm_sync_file_range",
                "breakpoint",
                "cacheflush",
                "set_tls",
                "sync_file_range2",
            ],
        }
    }
}

/// Makes the filter for a container that holds the given capabilities.
pub(super) fn profile(architecture: Architecture, holds: impl Fn(Capability) -> bool) -> LinuxSeccomp {
    let mut allowed: Vec<&str> = tables::ALWAYS.to_vec();
    allowed.extend(architecture.own_calls());
    let mut refused: Vec<&str> = tables::NEVER.to_vec();
    for (capability, calls) in tables::BY_CAPABILITY {
        let list = if holds(*capability) { &mut allowed } else { &mut refused };
        list.extend(*calls);
    }
    for list in [&mut allowed, &mut refused] {
        list.sort_unstable();
        list.dedup();
    }
    // Some calls come with either of two capabilities.
    refused.retain(|call| !allowed.contains(call));

    let mut rules = vec![rule(&allowed, LinuxSeccompAction::ScmpActAllow, None, vec![])];
    rules.push(rule(&refused, LinuxSeccompAction::ScmpActErrno, Some(EPERM), vec![]));
    rules.extend(by_argument(holds(Capability::SysAdmin)));
    let profile = LinuxSeccompBuilder::default()
        .default_action(LinuxSeccompAction::ScmpActErrno)
        .default_errno_ret(ENOSYS)
        .architectures(architecture.filtered())
        .syscalls(rules);
    built(profile.build())
}

/// Rules that look at arguments. No two for the same call may match at once: which one would win is
/// not defined.
fn by_argument(admin: bool) -> Vec<LinuxSyscall> {
    use LinuxSeccompAction::{ScmpActAllow as Allow, ScmpActErrno as Errno};
    use LinuxSeccompOperator::{ScmpCmpEq as Equal, ScmpCmpMaskedEq as Masked, ScmpCmpNe as NotEqual};
    let mut rules = vec![
        rule(&["socket"], Allow, None, vec![first(NotEqual, AF_VSOCK, None)]),
        rule(&["socket"], Errno, Some(EPERM), vec![first(Equal, AF_VSOCK, None)]),
    ];
    for personality in PERSONALITIES {
        rules.push(rule(&["personality"], Allow, None, vec![first(Equal, personality, None)]));
    }
    if admin {
        rules.push(rule(&["clone", "clone3"], Allow, None, vec![]));
        return rules;
    }
    let any_namespace = NAMESPACE_FLAGS.iter().sum();
    rules.push(rule(&["clone"], Allow, None, vec![first(Masked, any_namespace, Some(0))]));
    for flag in NAMESPACE_FLAGS {
        rules.push(rule(&["clone"], Errno, Some(EPERM), vec![first(Masked, flag, Some(flag))]));
    }
    // Its flags lie in memory, where a filter can't look. Told that there is no such call, libc uses clone.
    rules.push(rule(&["clone3"], Errno, Some(ENOSYS), vec![]));
    rules
}

fn rule(
    calls: &[&str],
    action: LinuxSeccompAction,
    errno: Option<u32>,
    conditions: Vec<LinuxSeccompArg>,
) -> LinuxSyscall {
    let names: Vec<String> = calls.iter().map(|call| call.to_string()).collect();
    let mut rule = LinuxSyscallBuilder::default().names(names).action(action);
    if let Some(errno) = errno {
        rule = rule.errno_ret(errno);
    }
    if !conditions.is_empty() {
        rule = rule.args(conditions);
    }
    built(rule.build())
}

/// A condition on a call's first argument.
fn first(operator: LinuxSeccompOperator, value: u64, masked: Option<u64>) -> LinuxSeccompArg {
    let condition = LinuxSeccompArgBuilder::default().index(0usize).value(value).op(operator);
    built(match masked {
        Some(result) => condition.value_two(result).build(),
        None => condition.build(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the profile does with a call whatever its arguments; `None` if they matter or it is not named.
    fn verdict(profile: &LinuxSeccomp, call: &str) -> Option<(LinuxSeccompAction, Option<u32>)> {
        let rules = profile.syscalls().as_ref().unwrap();
        let named =
            |rule: &&LinuxSyscall| rule.args().is_none() && rule.names().iter().any(|name| name == call);
        let verdicts: Vec<_> = rules.iter().filter(named).collect();
        assert!(verdicts.len() <= 1, "{call} is in two rules");
        verdicts.first().map(|rule| (rule.action(), rule.errno_ret()))
    }

    const ALLOWED: Option<(LinuxSeccompAction, Option<u32>)> = Some((LinuxSeccompAction::ScmpActAllow, None));
    const REFUSED: Option<(LinuxSeccompAction, Option<u32>)> =
        Some((LinuxSeccompAction::ScmpActErrno, Some(EPERM)));

    #[test]
    fn calls_that_need_a_capability_are_refused_without_it() {
        let without = profile(Architecture::X86_64, |_| false);
        let with = profile(Architecture::X86_64, |capability| capability == Capability::SysAdmin);
        for call in
            ["mount", "unshare", "setns", "bpf", "pivot_root", "keyctl", "kexec_load", "ptrace_nothing"]
        {
            assert_ne!(verdict(&without, call), ALLOWED, "{call}");
        }
        for call in ["mount", "unshare", "setns", "bpf"] {
            assert_eq!(verdict(&without, call), REFUSED, "{call}");
            assert_eq!(verdict(&with, call), ALLOWED, "{call}");
        }
        assert_eq!(verdict(&with, "keyctl"), REFUSED);
    }

    #[test]
    fn either_of_two_capabilities_is_enough() {
        let syslog = profile(Architecture::X86_64, |capability| capability == Capability::Syslog);
        assert_eq!(verdict(&syslog, "syslog"), ALLOWED);
    }

    #[test]
    fn libc_is_made_to_fall_back_from_clone3() {
        let without = profile(Architecture::X86_64, |_| false);
        assert_eq!(verdict(&without, "clone3"), Some((LinuxSeccompAction::ScmpActErrno, Some(ENOSYS))));
        assert_eq!(verdict(&profile(Architecture::X86_64, |_| true), "clone3"), ALLOWED);
    }

    #[test]
    fn no_call_is_listed_twice() {
        let all = tables::ALWAYS.iter().chain(tables::NEVER);
        let mut seen: Vec<&str> = Vec::new();
        for call in all {
            assert!(!seen.contains(call), "{call}");
            seen.push(call);
        }
        for (_, calls) in tables::BY_CAPABILITY {
            for call in *calls {
                assert!(!seen.contains(call), "{call} is always allowed or never");
            }
        }
    }

    #[test]
    fn what_a_program_needs_to_start_is_allowed() {
        let without = profile(Architecture::Aarch64, |_| false);
        for call in
            ["execve", "openat", "mmap", "futex", "rt_sigaction", "rseq", "getrandom", "statx", "newfstatat"]
        {
            assert_eq!(verdict(&without, call), ALLOWED, "{call}");
        }
    }
}
