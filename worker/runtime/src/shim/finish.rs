//! Leaves nothing of a container behind but its files and its record.

use super::{Assignment, clients::Clients, explain, supervise};
use crate::{cgroup::CgroupError, exit_record::Outcome};
use jiff::Timestamp;
use nix::{
    errno::Errno,
    mount::{MntFlags, umount2},
    unistd::Pid,
};
use proto::model;
use std::{fs, io, time::Duration};

/// How long killed processes may take to end, and their cgroup to become empty.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is left to tell when a container is gone.
pub(super) struct Leavings {
    pub outcome: Outcome,
    pub problems: Vec<String>,
    pub clients: Clients,
}

impl Leavings {
    /// Nobody was connected, and nothing had to be cleaned up.
    pub fn none(outcome: Outcome) -> Self {
        Self { outcome, problems: Vec::new(), clients: Clients::default() }
    }
}

/// Ends whatever still runs in the container's cgroup.
pub(super) fn end_processes(assignment: &Assignment) -> Option<String> {
    let nobody = Pid::from_raw(0);
    let collect = || {
        supervise::collect(nobody);
    };
    let ended: Result<(), CgroupError> = assignment.cgroups.kill(&assignment.cgroup, PATIENCE, collect);
    ended.err().map(|error| explain::chain(&error))
}

/// Removes the cgroup, the mounted root and libcontainer's state, and says what could not be removed.
pub(super) fn sweep(assignment: &Assignment) -> Vec<String> {
    let mut problems: Vec<String> = end_processes(assignment).into_iter().collect();
    let Assignment { container, cgroups, cgroup, .. } = assignment;
    if let Err(error) = cgroups.remove(cgroup, PATIENCE) {
        problems.push(explain::chain(&error));
    }
    match umount2(&container.rootfs(), MntFlags::MNT_DETACH) {
        // Not mounted: the start failed before.
        Ok(()) | Err(Errno::EINVAL) => {}
        Err(errno) => problems.push(format!("can't unmount the container's root: {}", errno.desc())),
    }
    match fs::remove_dir_all(container.runtime_state()) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            problems.push(format!("can't remove libcontainer's state: {error}"));
        }
        _ => {}
    }
    problems
}

/// The time as records have it.
pub(super) fn now() -> model::Timestamp {
    model::Timestamp(Timestamp::now().as_millisecond())
}
