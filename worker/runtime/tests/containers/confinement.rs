//! What a container may not do, and what it may use.

use crate::support::{Node, Request, shim, wait};
use proto::model::Limits;
use std::{fs, os::unix::fs::MetadataExt};
use worker_core::oci_spec::{CgroupVersion, ResolvedMount, ResolvedSource};
use worker_runtime::Outcome;

fn output(script: &str) -> String {
    Node::new().run(&Request::script(script)).1
}

#[test]
fn a_container_holds_dockers_default_capabilities() {
    let status = output("grep -E '^(CapInh|CapPrm|CapEff|CapBnd|CapAmb)' /proc/self/status | tr '\\t' ' '");
    let should = "CapInh: 0000000000000000\nCapPrm: 00000000a80425fb\nCapEff: 00000000a80425fb\n\
                  CapBnd: 00000000a80425fb\nCapAmb: 0000000000000000";
    assert_eq!(status, should);
}

#[test]
fn calls_are_filtered() {
    assert_eq!(output("grep '^Seccomp:' /proc/self/status | tr -d '\\t '"), "Seccomp:2");
    // A user namespace needs no capability: only the filter stands in the way.
    let refused = output("unshare -U true 2>&1; unshare -m true 2>&1; mount -t tmpfs none /tmp 2>&1");
    assert_eq!(
        refused.matches("Operation not permitted").count() + refused.matches("permission denied").count(),
        3,
        "{refused}"
    );
}

#[test]
fn a_user_other_than_root_has_no_capabilities_and_owns_its_output() {
    let node = Node::new();
    let mut request = Request::script(
        "id; grep ^CapEff /proc/self/status | tr -d '\\t '; echo $HOME; echo direct > /dev/stderr; echo $PWD",
    );
    request.container.user = Some("web".into());
    let (code, text) = node.run(&request);
    let who = "uid=101(web) gid=102(web) groups=50(logs),102(web)";
    let (first, rest) = text.split_once('\n').unwrap();
    assert_eq!(
        first.split_once("groups=").map(|(ids, _)| ids),
        who.split_once("groups=").map(|(ids, _)| ids)
    );
    assert!(first.contains("50(logs)"), "{first}");
    assert!(rest.starts_with("CapEff:0000000000000000\n/srv\n"), "{rest}");
    assert!(rest.contains("direct"), "{rest}");
    assert_eq!(code, 0);
}

#[test]
fn a_program_starts_with_every_signal_as_usual() {
    let text = output("exec grep -E '^Sig(Ign|Blk)' /proc/self/status | cut -f2");
    let masks: Vec<u64> = text.lines().map(|mask| u64::from_str_radix(mask, 16).unwrap()).collect();
    // Two signals belong to the C library, which ignores them in what it spawns.
    let of_libc = 1 << 31 | 1 << 32;
    assert_eq!(masks.iter().map(|mask| mask & !of_libc).collect::<Vec<_>>(), [0, 0]);
}

#[test]
fn only_its_own_environment_and_files_reach_the_program() {
    let mut request =
        Request::command(&["sh", "-c", "env | sort; ls /proc/self/fd; umask; readlink /proc/self/fd/0"]);
    request.container.env = vec!["MODE=test".into()];
    request.container.hostname = Some("box".into());
    let (_, text) = Node::new().run(&request);
    let should = "HOME=/root\nHOSTNAME=box\nMODE=test\n\
                  PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\nPWD=/\nSHLVL=1\n\
                  0\n1\n2\n3\n0022\n/dev/null";
    assert_eq!(text, should);
}

#[test]
fn what_tells_about_the_host_is_hidden() {
    let script =
        "for path in /proc/kcore /proc/keys /proc/timer_list /proc/interrupts /sys/firmware /proc/acpi; do
            if [ -d $path ]; then ls -A $path; elif [ -e $path ]; then cat $path; fi
        done
        echo x 2>/dev/null > /proc/sys/kernel/panic || echo kept";
    assert_eq!(output(script), "kept");
}

#[test]
fn a_disk_can_not_be_read_through_a_node_of_its_own() {
    // Whatever disk the host has: the refusal comes before the question whether it is there.
    let disk = fs::metadata("/").unwrap().dev();
    let (major, minor) = (nix::sys::stat::major(disk), nix::sys::stat::minor(disk));
    let script =
        format!("mknod /tmp/disk b {major} {minor} && head -c1 /tmp/disk 2>&1; head -c1 /dev/zero | wc -c");
    let text = output(&script);
    assert!(text.contains("Operation not permitted") && text.ends_with('1'), "{text}");
}

#[test]
fn the_daemons_program_can_not_be_written_through_the_shim() {
    let node = Node::new();
    let running = node.start(&Request::command(&["sleep", "1000"])).unwrap();
    let program = format!("/proc/{}/exe", shim(&running));
    // That it is busy protects it only as long as it runs, and not with every kernel.
    let mounted = nix::sys::statvfs::statvfs(program.as_str()).unwrap();
    assert!(mounted.flags().contains(nix::sys::statvfs::FsFlags::ST_RDONLY));
}

#[test]
fn a_read_only_root_can_not_be_written_but_its_mounts_can() {
    let mut request = Request::script("touch /x 2>&1; touch /dev/shm/x /run/x && echo made");
    request.container.read_only = true;
    let source = ResolvedSource::Tmpfs { size_bytes: Some(1 << 20), mode: None };
    request.mounts = vec![ResolvedMount { target: "/run".into(), read_only: false, source }];
    let (_, text) = Node::new().run(&request);
    assert_eq!(text, "touch: /x: Read-only file system\nmade");
}

#[test]
fn a_bind_mount_shows_the_hosts_files_and_may_be_read_only() {
    let node = Node::new();
    let host = tempfile::tempdir().unwrap();
    fs::write(host.path().join("file"), "from the host").unwrap();
    let mut request = Request::script("cat /rw/file; echo; touch /rw/new; touch /ro/other 2>&1");
    let bind = |target: &str, read_only| {
        let source = ResolvedSource::Path(host.path().into());
        ResolvedMount { target: target.into(), read_only, source }
    };
    request.mounts = vec![bind("/rw", false), bind("/ro", true)];
    assert_eq!(node.run(&request).1, "from the host\ntouch: /ro/other: Read-only file system");
    assert!(host.path().join("new").exists() && !host.path().join("other").exists());
}

#[test]
fn limits_are_seen_from_inside_and_can_not_be_lifted() {
    let node = Node::new();
    let script = match node.runtime.node_cgroups().version {
        CgroupVersion::V1 => {
            "cd /sys/fs/cgroup; cat memory/memory.limit_in_bytes pids/pids.max cpu/cpu.cfs_quota_us; \
             echo 1000000000 2>&1 > memory/memory.limit_in_bytes"
        }
        CgroupVersion::V2 => {
            "cd /sys/fs/cgroup; cat memory.max pids.max; cut -d' ' -f1 cpu.max; \
             echo 1000000000 2>&1 > memory.max"
        }
    };
    let mut request = Request::script(&format!("({script}) 2>&1"));
    request.limits = Limits { nano_cpus: Some(500_000_000), memory_bytes: Some(64 << 20), pids: Some(50) };
    let (_, text) = node.run(&request);
    assert!(text.starts_with("67108864\n50\n50000\n"), "{text}");
    assert!(text.contains("Read-only file system"), "{text}");
}

#[test]
fn too_many_processes_are_refused() {
    let mut request = Request::script("i=0; while [ $i -lt 20 ]; do sleep 5 & i=$((i+1)); done; echo all");
    request.limits.pids = Some(5);
    let (code, text) = Node::new().run(&request);
    assert!(code != 0 && text.contains("fork"), "{code} {text}");
}

#[test]
fn using_more_memory_than_allowed_is_noticed() {
    let node = Node::new();
    let mut request = Request::command(&["dd", "if=/dev/zero", "of=/dev/shm/fill", "bs=1M", "count=60"]);
    request.limits.memory_bytes = Some(16 << 20);
    let running = node.start(&request).unwrap();
    let record = wait(&running);
    assert_eq!(record.outcome, Outcome::Exited { code: 137, oom_killed: true });
    assert_eq!(record.error().as_deref(), Some("its memory limit was reached"));
}
