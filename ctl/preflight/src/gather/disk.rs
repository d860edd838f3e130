//! Looks at the file system of the data folder, which may not be there yet.

use crate::{
    facts::{Disk, Space},
    parse::mounts,
};
use nix::sys::statvfs::statvfs;
use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// How often a write is measured; the median of so many is not one hiccup.
const WRITES: usize = 9;
/// Bytes of a write: what a small change of the cluster comes to.
const WRITE_BYTES: usize = 4096;

/// A folder on the data folder's file system, removed in the end.
pub struct Scratch(TempDir);

impl Scratch {
    /// Makes it in the data folder, or in what is there of the way to it.
    pub fn near(data_dir: &Path) -> Result<Self, String> {
        let above = existing(data_dir);
        let made = tempfile::Builder::new().prefix(".shoal-check-").tempdir_in(&above);
        made.map(Self).map_err(|error| format!("cannot make a folder: {error}"))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.0.path()
    }
}

/// Looks at the file system.
pub fn disk(data_dir: &Path, scratch: Result<Scratch, String>) -> Disk {
    let above = existing(data_dir);
    let mountinfo = fs::read("/proc/self/mountinfo").unwrap_or_default();
    Disk {
        data_dir: data_dir.to_owned(),
        file_system: mounts::file_system_of(&mountinfo, &above),
        space: space(&above),
        sync: scratch.and_then(|scratch| {
            let path = scratch.path().join("sync");
            sync(&path).map_err(|error| format!("cannot write and sync {}: {error}", path.display()))
        }),
    }
}

/// The folder itself, without links, or the nearest one above it that exists.
fn existing(path: &Path) -> PathBuf {
    path.ancestors().find_map(|path| fs::canonicalize(path).ok()).unwrap_or_else(|| PathBuf::from("/"))
}

fn space(folder: &Path) -> Result<Space, String> {
    let told =
        statvfs(folder).map_err(|errno| format!("{} does not tell: {}", folder.display(), errno.desc()))?;
    Ok(Space {
        free_bytes: told.blocks_available().saturating_mul(told.fragment_size()),
        free_inodes: (told.files() > 0).then(|| told.files_available()),
    })
}

fn sync(path: &Path) -> io::Result<Duration> {
    let mut file = File::create_new(path)?;
    let mut took = Vec::with_capacity(WRITES);
    for _ in 0..WRITES {
        let began = Instant::now();
        file.write_all(&[0; WRITE_BYTES])?;
        file.sync_all()?;
        took.push(began.elapsed());
    }
    took.sort_unstable();
    Ok(took[WRITES / 2])
}
