//! The files around sled's database: its lock, its leftovers, and what must be synced besides its data.
//!
//! ```text
//! DIR/lock         held while the database is open
//! DIR/sled/db      sled's log; also the file that every batch syncs
//! DIR/sled/blobs/  must stay empty
//! DIR/sled/conf    sled's settings
//! DIR/sled/snap.*  sled's page table, to open faster
//! ```

use std::{
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use super::DiskError;

/// Where the files of one database are.
#[derive(Debug)]
pub(super) struct Files {
    dir: PathBuf,
}

impl Files {
    /// Creates the data directory, readable by its owner only, unless it is there.
    pub(super) fn create(dir: &Path) -> Result<Self, DiskError> {
        DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(prepare(dir))?;
        Ok(Self { dir: dir.to_owned() })
    }

    /// Returns the data directory.
    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Returns sled's own directory.
    pub(super) fn sled(&self) -> PathBuf {
        self.dir.join("sled")
    }

    /// Returns the directory of sled's that must stay empty.
    pub(super) fn blobs(&self) -> PathBuf {
        self.sled().join("blobs")
    }

    /// Locks the data directory for as long as the returned file is open.
    pub(super) fn lock(&self) -> Result<File, DiskError> {
        let path = self.dir.join("lock");
        let mut options = OpenOptions::new();
        let lock = options.create(true).truncate(false).write(true).mode(0o600).open(&path);
        let lock = lock.map_err(prepare(&path))?;
        match lock.try_lock() {
            Ok(()) => Ok(lock),
            Err(TryLockError::WouldBlock) => Err(DiskError::InUse { path: self.dir.clone() }),
            Err(TryLockError::Error(source)) => Err(prepare(&path)(source)),
        }
    }

    /// Removes page tables that sled was writing when the power went.
    ///
    /// sled takes such a file for a finished one when it opens, and then refuses to.
    pub(super) fn remove_unfinished(&self) -> Result<(), DiskError> {
        let sled = self.sled();
        let entries = match fs::read_dir(&sled) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(source) => return Err(prepare(&sled)(source)),
        };
        for entry in entries {
            let path = entry.map_err(prepare(&sled))?.path();
            if path.extension().is_some_and(|extension| extension == "generating") {
                fs::remove_file(&path).map_err(prepare(&path))?;
                tracing::warn!(path = %path.display(), "removed an unfinished page table");
            }
        }
        Ok(())
    }

    /// Makes what sled created or renamed while it opened durable, and returns its log file to sync.
    ///
    /// sled syncs no directory: after a power cut an old page table could be back beside a log
    /// whose segments have been used again since.
    pub(super) fn settle(&self) -> Result<File, DiskError> {
        let sled = self.sled();
        for path in [sled.join("conf"), sled.join("db"), self.blobs(), sled.clone(), self.dir.clone()] {
            sync(&path)?;
        }
        if let Some(parent) = self.dir.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            sync(parent)?;
        }
        let db = sled.join("db");
        File::open(&db).map_err(prepare(&db))
    }

    /// Says whether sled has moved data out of its log.
    pub(super) fn spilled(&self) -> io::Result<bool> {
        Ok(fs::read_dir(self.blobs())?.next().transpose()?.is_some())
    }
}

fn sync(path: &Path) -> Result<(), DiskError> {
    File::open(path).and_then(|file| file.sync_all()).map_err(prepare(path))
}

fn prepare(path: &Path) -> impl Fn(io::Error) -> DiskError {
    |source| {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                DiskError::Full { path, source: source.into() }
            }
            _ => DiskError::Prepare { path, source },
        }
    }
}
