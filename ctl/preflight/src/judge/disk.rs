//! Whether the data folder's file system is one to keep a node's state on.

use super::sizes::{GIB, bytes, duration};
use crate::{
    check::Check,
    facts::{Disk, Space},
};
use std::time::Duration;

/// Below this not even the state of a small cluster and one image fit.
const SPACE_MIN: u64 = GIB;
/// Below this a few images fill the disk.
const SPACE_COMFORTABLE: u64 = 5 * GIB;
/// One image's files.
const INODES_MIN: u64 = 10_000;
/// A few images' files.
const INODES_COMFORTABLE: u64 = 100_000;
/// A manager waits this long for each change it confirms; a heartbeat takes hundreds of milliseconds.
const SYNC_SLOW: Duration = Duration::from_millis(50);
const OVER_THE_NETWORK: [&str; 9] =
    ["nfs", "nfs4", "cifs", "smb3", "ceph", "9p", "afs", "glusterfs", "lustre"];

/// Judges kind, room and safety.
pub fn all(disk: &Disk) -> [Check; 4] {
    [file_system(disk), space(disk), inodes(disk), sync(disk)]
}

fn file_system(disk: &Disk) -> Check {
    const NAME: &str = "file system";
    let at = disk.data_dir.display();
    let Some(kind) = &disk.file_system else {
        return Check::warning(NAME, format!("{at} is on an unknown kind"), "use ext4 or xfs");
    };
    let found = format!("{at} is on {kind}");
    let remedy = "keep the state on ext4 or xfs: give another folder with --data-dir, or mount a disk there";
    match kind.as_str() {
        "tmpfs" | "ramfs" => {
            Check::warning(NAME, format!("{found}, which is forgotten when the machine restarts"), remedy)
        }
        "overlay" => Check::warning(
            NAME,
            format!("{found}, on which the layers of images can't be stacked again"),
            remedy,
        ),
        kind if OVER_THE_NETWORK.contains(&kind) || kind.starts_with("fuse") => {
            Check::warning(NAME, format!("{found}, whose locks and layers can't be relied on"), remedy)
        }
        _ => Check::ok(NAME, found),
    }
}

fn space(disk: &Disk) -> Check {
    const NAME: &str = "disk space";
    let free = match &disk.space {
        Ok(Space { free_bytes, .. }) => *free_bytes,
        Err(why) => return Check::warning(NAME, why, "look with 'df' at the file system"),
    };
    let found = format!("{} free for {}", bytes(free), disk.data_dir.display());
    let remedy = format!("make room: a node needs {} at least, images come on top", bytes(SPACE_MIN));
    by_room(NAME, free, [SPACE_MIN, SPACE_COMFORTABLE], found, &remedy)
}

fn inodes(disk: &Disk) -> Check {
    const NAME: &str = "inodes";
    let free = match &disk.space {
        Ok(Space { free_inodes: None, .. }) => return Check::ok(NAME, "made as they are needed"),
        Ok(Space { free_inodes: Some(free), .. }) => *free,
        Err(why) => return Check::warning(NAME, why, "look with 'df -i' at the file system"),
    };
    let found = format!("{free} free for {}", disk.data_dir.display());
    let remedy =
        "remove small files, or make the file system anew with more inodes: each file of an image takes one";
    by_room(NAME, free, [INODES_MIN, INODES_COMFORTABLE], found, remedy)
}

fn by_room(name: &str, free: u64, [least, comfortable]: [u64; 2], found: String, remedy: &str) -> Check {
    if free < least {
        Check::missing(name, found, remedy)
    } else if free < comfortable {
        Check::warning(name, found, remedy)
    } else {
        Check::ok(name, found)
    }
}

fn sync(disk: &Disk) -> Check {
    const NAME: &str = "fsync";
    match &disk.sync {
        Ok(took) if *took <= SYNC_SLOW => {
            Check::ok(NAME, format!("a small write is safe after {}", duration(*took)))
        }
        Ok(took) => Check::warning(
            NAME,
            format!("a small write is safe only after {}", duration(*took)),
            "use a faster disk for managers: every change of the cluster waits for this",
        ),
        Err(why) => {
            Check::missing(NAME, why, "give a folder that root can write to and sync with --data-dir")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{check::State, judge::fixtures};

    fn states(change: impl FnOnce(&mut Disk)) -> [State; 4] {
        let mut disk = fixtures::facts().disk;
        change(&mut disk);
        all(&disk).map(|check| check.state)
    }

    #[test]
    fn only_file_systems_that_keep_and_stack_are_fine() {
        let of = |kind: &str| states(|disk| disk.file_system = Some(kind.into()))[0];
        for fine in ["ext4", "xfs", "btrfs"] {
            assert_eq!(of(fine), State::Ok, "{fine}");
        }
        for odd in ["tmpfs", "overlay", "nfs4", "cifs", "fuse.sshfs"] {
            assert_eq!(of(odd), State::Warning, "{odd}");
        }
        assert_eq!(states(|disk| disk.file_system = None)[0], State::Warning);
    }

    #[test]
    fn room_is_judged_by_bytes_and_by_inodes() {
        let of = |free_bytes, free_inodes| {
            let [_, space, inodes, _] = states(|disk| disk.space = Ok(Space { free_bytes, free_inodes }));
            (space, inodes)
        };
        assert_eq!(of(5 * GIB, Some(100_000)), (State::Ok, State::Ok));
        assert_eq!(of(5 * GIB - 1, Some(99_999)), (State::Warning, State::Warning));
        assert_eq!(of(GIB, Some(10_000)), (State::Warning, State::Warning));
        assert_eq!(of(GIB - 1, Some(9_999)), (State::Missing, State::Missing));
        assert_eq!(of(5 * GIB, None), (State::Ok, State::Ok));
    }

    #[test]
    fn a_disk_that_cannot_sync_is_refused_and_a_slow_one_noted() {
        let of = |sync| states(|disk| disk.sync = sync)[3];
        assert_eq!(of(Ok(Duration::from_millis(50))), State::Ok);
        assert_eq!(of(Ok(Duration::from_millis(51))), State::Warning);
        assert_eq!(of(Err("read-only".into())), State::Missing);
    }
}
