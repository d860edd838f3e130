//! Which processes belong to a node: its daemon, its shims and what runs in their containers.
//!
//! They are found without any help from the daemon, which may have crashed at any point: whoever is
//! in one of the node's network namespaces is of the node, and so are the descendants of such a
//! process. What is left after that, as a container without a network whose shim died, is in one of
//! the node's cgroups.

use crate::{
    Error, mounts,
    process::{self, ProcessError, ProcessId, Seen},
};
use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::Duration,
};
use worker_runtime::Hierarchies;

/// How long killed processes may take to end, and their cgroups to become empty.
const PATIENCE: Duration = Duration::from_secs(20);

/// Where the cgroup hierarchies are mounted.
const CGROUPS: &str = "/sys/fs/cgroup";
/// The fewest characters of an id that name a node: fewer might be a part of another id.
const SHORT_CHARS_MIN: usize = 8;

/// What to look for.
#[derive(Debug, Clone)]
pub(crate) struct Scope {
    /// Namespaces bound at or below these paths belong to it.
    pub paths: Vec<PathBuf>,
    /// The ids of its nodes in the cluster, as far as known.
    pub ids: Vec<String>,
}

impl Scope {
    /// Kills every process that belongs to it, and removes its cgroups. Waits for the kernel.
    pub fn end(&self) -> Result<(), Error> {
        let namespaces = self.namespaces()?;
        process::kill_all(PATIENCE, || members(&namespaces))?;
        let cgroups = self.cgroups();
        if cgroups.is_empty() {
            return Ok(());
        }
        let hierarchies = Hierarchies::detect()?;
        for cgroup in cgroups {
            hierarchies.kill(&cgroup, PATIENCE, || {})?;
            hierarchies.remove(&cgroup, PATIENCE)?;
        }
        Ok(())
    }

    fn namespaces(&self) -> Result<BTreeSet<u64>, Error> {
        let mounts = mounts::within(&self.paths)?;
        let mut namespaces: BTreeSet<u64> = mounts.into_iter().filter_map(|mount| mount.namespace).collect();
        // Never the one this runs in, whoever may have bound it there.
        if let Some(own) = namespace_of("self") {
            namespaces.remove(&own);
        }
        Ok(namespaces)
    }

    /// The nodes' cgroups, from the root of the hierarchies.
    fn cgroups(&self) -> BTreeSet<PathBuf> {
        let root = Path::new(CGROUPS);
        // With version 1 the hierarchies are folders of the root, with version 2 it is one itself.
        let hierarchies = folder_names(root).into_iter().map(|name| root.join(name)).chain([root.to_owned()]);
        let names = hierarchies.flat_map(|hierarchy| folder_names(&hierarchy));
        names
            .filter(|name| self.ids.iter().any(|id| is_cgroup_of(name, id)))
            .map(|name| Path::new("/").join(name))
            .collect()
    }
}

/// Whether a cgroup is named `shoal-` and a short form of the node's id.
fn is_cgroup_of(name: &str, id: &str) -> bool {
    name.strip_prefix("shoal-").is_some_and(|short| short.len() >= SHORT_CHARS_MIN && id.contains(short))
}

/// The folders in a folder; none if it can't be read, as where there are no cgroups.
fn folder_names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let folders = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    folders.filter_map(|entry| entry.file_name().into_string().ok()).collect()
}

/// The processes in any of the namespaces, and their descendants.
fn members(namespaces: &BTreeSet<u64>) -> Result<Vec<ProcessId>, ProcessError> {
    let seen = Seen::all()?;
    let inside =
        |process: &Seen| namespace_of(process.id.pid).is_some_and(|inode| namespaces.contains(&inode));
    let roots: BTreeSet<i32> =
        seen.iter().filter(|process| inside(process)).map(|process| process.id.pid).collect();
    let own = ancestors(&seen, std::process::id() as i32);
    Ok(with_descendants(&seen, roots).into_iter().filter(|id| !own.contains(&id.pid)).collect())
}

fn with_descendants(seen: &[Seen], mut found: BTreeSet<i32>) -> Vec<ProcessId> {
    loop {
        let before = found.len();
        found.extend(
            seen.iter()
                .filter(|process| found.contains(&process.parent))
                .map(|process| process.id.pid)
                .collect::<Vec<_>>(),
        );
        if found.len() == before {
            return seen.iter().map(|process| process.id).filter(|id| found.contains(&id.pid)).collect();
        }
    }
}

/// A process and those above it, which must survive to finish the work.
fn ancestors(seen: &[Seen], pid: i32) -> BTreeSet<i32> {
    let mut above = BTreeSet::new();
    let mut next = Some(pid);
    while let Some(pid) = next.filter(|pid| above.insert(*pid)) {
        next = seen.iter().find(|process| process.id.pid == pid).map(|process| process.parent);
    }
    above
}

fn namespace_of(pid: impl std::fmt::Display) -> Option<u64> {
    fs::metadata(Path::new("/proc").join(pid.to_string()).join("ns/net"))
        .ok()
        .map(|namespace| namespace.ino())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(pid: i32, parent: i32) -> Seen {
        Seen { id: format!("{pid} 1").parse().unwrap(), parent }
    }

    #[test]
    fn descendants_are_found_in_any_order() {
        let all = [seen(9, 8), seen(8, 7), seen(7, 1), seen(6, 1)];
        let found: Vec<i32> = with_descendants(&all, [7].into()).iter().map(|id| id.pid).collect();
        assert_eq!(found, [9, 8, 7]);
        assert_eq!(ancestors(&all, 9), [9, 8, 7, 1].into());
    }

    #[test]
    fn only_cgroups_named_for_the_node_are_its() {
        let id = "0abcdefghijklmnopqrstuvwx";
        assert!(is_cgroup_of("shoal-abcdefgh", id) && is_cgroup_of("shoal-0abcdefg", id));
        assert!(
            !is_cgroup_of("shoal-abc", id)
                && !is_cgroup_of("shoal-zzzzzzzz", id)
                && !is_cgroup_of("abcdefgh", id)
        );
    }
}
